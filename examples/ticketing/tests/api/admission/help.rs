//! Sales with steps, and what buyers send.
#![allow(dead_code, reason = "each test program uses its own part")]

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{admission::Policy, ids::SessionId};

use crate::common::{Account, TestApp, expect};

/// Gives the sale of this session these steps, as the back office does.
pub(crate) async fn steps(app: &TestApp, session: SessionId, policy: Policy) {
    app.app.admission.policies().put(session, policy, "test".to_owned()).await.unwrap();
}

/// A policy with one change.
pub(crate) fn with(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

/// Orders a seat, with these header fields.
pub(crate) async fn order(
    app: &TestApp,
    who: &Account,
    session: SessionId,
    seat: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut request = app.request(Method::POST, "/orders").bearer_auth(&who.access);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.json(&json!({ "session_id": session, "seats": [seat] })).send().await.unwrap()
}

/// Joins the waiting room of a sale.
pub(crate) async fn join(app: &TestApp, who: &Account, session: SessionId) -> Value {
    expect(app.post_as(who, &format!("/sessions/{session}/waiting-room"), &json!({})).await, StatusCode::OK).await
}

/// Solves a challenge in words and gives the token.
pub(crate) async fn solve(app: &TestApp, who: &Account, session: SessionId) -> String {
    let path = format!("/sessions/{session}/challenges");
    let asked = app.post_as(who, &path, &json!({ "kind": "question" })).await;
    let challenge = expect(asked, StatusCode::CREATED).await;
    let answer = json!({ "value": answer(challenge["question"].as_str().unwrap()) });
    let path = format!("{path}/{}", challenge["id"].as_str().unwrap());
    let solved = expect(app.post_as(who, &path, &answer).await, StatusCode::OK).await;
    solved["token"].as_str().unwrap().to_owned()
}

/// "What is seven plus four, minus two? …"
pub(crate) fn answer(question: &str) -> i64 {
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let numbers: Vec<i64> = question
        .split(|character: char| !character.is_ascii_alphabetic())
        .filter_map(|word| words.iter().position(|known| *known == word))
        .map(|number| i64::try_from(number).unwrap())
        .collect();
    numbers[0] + numbers[1] - numbers[2]
}
