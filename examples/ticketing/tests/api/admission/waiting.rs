//! The waiting room over HTTP: in, out, and who comes next.

use std::time::Duration;

use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{admission::Room, clock::Millis, config::Config, ids::SessionId, problem::Code};

use super::help::{join, order, steps, with};
use crate::common::{Account, TestApp, expect, expect_problem};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits in the room until let in, as the page does; gives the token.
async fn let_in(app: &TestApp, who: &Account, session: SessionId) -> String {
    let (sender, token) = tokio::sync::watch::channel(String::new());
    eventually(PATIENCE, || async {
        let view = join(app, who, session).await;
        let inside = view["state"] == "inside";
        if inside {
            sender.send_replace(view["token"].as_str().unwrap().to_owned());
        }
        inside
    })
    .await;
    token.borrow().clone()
}

async fn room(change: impl FnOnce(&mut Config), seats: u32) -> (TestApp, SessionId, [Account; 3]) {
    let app = TestApp::start_with(change).await;
    let hall = app.hall(seats).await;
    steps(&app, hall, with(|policy| policy.room = Some(Room { admitted: 1, ..Room::default() }))).await;
    let mut buyers = Vec::new();
    for name in ["mei", "lan", "bo"] {
        buyers.push(app.register(&format!("{name}@example.com")).await);
    }
    (app, hall, buyers.try_into().unwrap())
}

#[tokio::test]
async fn one_is_inside_the_others_wait_and_each_end_lets_the_next_in() {
    let (app, hall, [mei, lan, bo]) = room(|_| {}, 10).await;
    expect_problem(order(&app, &mei, hall, "1-1", &[]).await, Code::WaitingRoom).await;
    let inside = join(&app, &mei, hall).await;
    assert_eq!((&inside["state"], &inside["inside"]), (&json!("inside"), &json!(1)), "{inside}");
    let ticket = inside["token"].as_str().unwrap().to_owned();
    for (who, ahead) in [(&lan, 0), (&bo, 1)] {
        let view = join(&app, who, hall).await;
        assert_eq!((&view["state"], &view["ahead"]), (&json!("waiting"), &json!(ahead)), "{view}");
        assert!(view.get("token").is_none() && view["poll_after_ms"].as_u64().unwrap() >= 1_000, "{view}");
    }
    // A token is its owner's, of this sale, and cannot be changed.
    let header = [("admission-token", &*ticket)];
    expect_problem(order(&app, &lan, hall, "1-1", &header).await, Code::WaitingRoom).await;
    let forged = format!("{ticket}A");
    expect_problem(order(&app, &mei, hall, "1-1", &[("admission-token", &forged)]).await, Code::WaitingRoom).await;
    let placed = expect(order(&app, &mei, hall, "1-1", &header).await, StatusCode::CREATED).await;
    let path = format!("/sessions/{hall}/admission");
    let view = expect(app.get_as(&mei, &path).await, StatusCode::OK).await;
    assert_eq!((&view["steps"][1], &view["waiting_room"]["state"]), (&json!("waiting-room"), &json!("inside")));

    // Paying makes room for the next, and the old token is worth nothing any more.
    let id = placed["id"].as_str().unwrap();
    let begun = expect(app.post_as(&mei, &format!("/orders/{id}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap();
    expect(app.post(&format!("/{page}/approve"), &json!({})).await, StatusCode::OK).await;
    let ticket = let_in(&app, &lan, hall).await;
    expect_problem(order(&app, &mei, hall, "1-2", &header).await, Code::AdmissionEnded).await;
    // So does cancelling.
    let header = [("admission-token", &*ticket)];
    let placed = expect(order(&app, &lan, hall, "1-2", &header).await, StatusCode::CREATED).await;
    let id = placed["id"].as_str().unwrap();
    expect(app.post_as(&lan, &format!("/orders/{id}/cancel"), &json!({})).await, StatusCode::OK).await;
    let_in(&app, &bo, hall).await;
    // And leaving.
    join(&app, &mei, hall).await;
    let leave = app.request(Method::DELETE, &format!("/sessions/{hall}/waiting-room")).bearer_auth(&bo.access);
    assert_eq!(leave.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let_in(&app, &mei, hall).await;
}

#[tokio::test]
async fn nobody_is_let_in_before_the_opening_and_no_place_is_told() {
    let app = TestApp::start().await;
    let soon = Millis::now().plus(Duration::from_secs(4));
    let hall = app.hall_with(10, move |session| session.sale_opens_at = soon).await;
    steps(&app, hall, with(|policy| policy.room = Some(Room::default()))).await;
    let mei = app.register("mei@example.com").await;
    let early = join(&app, &mei, hall).await;
    if Millis::now() < soon {
        assert_eq!((&early["state"], &early["waiting"], early.get("ahead")), (&json!("waiting"), &json!(1), None));
    }
    let ticket = let_in(&app, &mei, hall).await;
    assert!(Millis::now() >= soon);
    expect(order(&app, &mei, hall, "1-1", &[("admission-token", &ticket)]).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn a_sale_without_a_room_lets_everybody_pass() {
    let app = TestApp::start().await;
    let (hall, mei) = (app.hall(10).await, app.register("mei@example.com").await);
    let view: Value = join(&app, &mei, hall).await;
    assert_eq!(view["state"], "not-needed");
    expect_problem(app.post(&format!("/sessions/{hall}/waiting-room"), &json!({})).await, Code::Unauthenticated).await;
}
