//! How much one person may order, over orders, days and accounts, also when all of it is asked for at once.

use std::time::Duration;

use futures_util::future::join_all;
use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    admission::{PerPerson, Policy},
    problem::Code,
    storage::sql::query,
};

use super::help::{order, steps, with};
use crate::common::{Account, TestApp, expect, expect_problem};

fn limited(orders_per_day: Option<u32>, seats: Option<u32>) -> Policy {
    with(|policy| policy.per_person = Some(PerPerson { orders_per_day, seats }))
}

async fn cancel(app: &TestApp, who: &Account, order: &Value) {
    let path = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    expect(app.post_as(who, &path, &json!({})).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_person_has_so_many_orders_a_day_and_so_many_seats_over_all_accounts() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let (hall, other_hall) = (app.hall(50).await, app.hall(50).await);
    // As the back office sets it; numbers that cannot work are refused.
    let path = format!("/admin/sessions/{hall}/admission");
    let put = |limits: Value| app.request(Method::PUT, &path).bearer_auth(&boss.access).json(&limits).send();
    for bad in [json!({"orders_per_day": 0}), json!({"seats": 1001})] {
        let refused = put(json!({"policy": {"per_person": bad}})).await.unwrap();
        let problem = expect_problem(refused, Code::InvalidValue).await;
        assert!(problem["field"].as_str().unwrap().starts_with("per_person."), "{problem}");
    }
    let set = put(json!({"policy": {"per_person": {"orders_per_day": 2, "seats": 3}}})).await.unwrap();
    assert_eq!(expect(set, StatusCode::OK).await["policy"]["per_person"], json!({"orders_per_day": 2, "seats": 3}));

    let (mei, lan) = (app.register("mei@example.com").await, app.register("lan@example.com").await);
    let again = app.register("mei+again@example.com").await;
    expect(order(&app, &mei, hall, "1-1", &[]).await, StatusCode::CREATED).await;
    let second = expect(order(&app, &mei, hall, "1-2", &[]).await, StatusCode::CREATED).await;
    let problem = expect_problem(order(&app, &mei, hall, "1-3", &[]).await, Code::DailyLimit).await;
    assert_eq!(problem["limit"], 2);
    assert!(problem["until"].as_str().unwrap().ends_with("T16:00:00Z"), "midnight in China: {problem}");
    // Another account of the same mailbox has orders left, and the seats that the first one leaves.
    expect(order(&app, &again, hall, "1-3", &[]).await, StatusCode::CREATED).await;
    let problem = expect_problem(order(&app, &again, hall, "1-4", &[]).await, Code::PersonLimit).await;
    assert_eq!((&problem["limit"], &problem["has"]), (&json!(3), &json!(3)));
    // What ends gives back, and an address that is changed takes its seats along.
    cancel(&app, &mei, &second).await;
    expect(order(&app, &again, hall, "1-4", &[]).await, StatusCode::CREATED).await;
    expect_problem(order(&app, &mei, hall, "1-5", &[]).await, Code::PersonLimit).await;
    // Another person, another sale, another day.
    expect(order(&app, &lan, hall, "1-5", &[]).await, StatusCode::CREATED).await;
    expect(order(&app, &mei, other_hall, "1-1", &[]).await, StatusCode::CREATED).await;
    steps(&app, hall, limited(Some(1), None)).await;
    eventually(Duration::from_secs(60), || async {
        let refused = order(&app, &lan, hall, "1-6", &[]).await;
        if refused.status() == StatusCode::CONFLICT { Ok(()) } else { Err(refused.status().to_string()) }
    })
    .await;
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE orders SET created_at = created_at - 86400000 WHERE user_id = $1")
                .bind(lan.id)
                .execute(connection)
                .await?;
            Ok(())
        })
    })
    .await;
    expect(order(&app, &lan, hall, "1-7", &[]).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn of_many_orders_at_once_as_many_are_placed_as_a_person_may_have() {
    let app = TestApp::start().await;
    // The ledger's own limit for an account is not the one that is asked about here.
    let by_seats = app.hall_with(50, |session| session.seats_per_user = 50).await;
    let by_orders = app.hall_with(50, |session| session.seats_per_user = 50).await;
    steps(&app, by_seats, limited(None, Some(4))).await;
    steps(&app, by_orders, limited(Some(3), None)).await;
    let mut accounts = Vec::new();
    for email in ["fan@example.com", "fan+a@example.com", "fan+b@example.com"] {
        accounts.push(app.register(email).await);
    }
    let seats: Vec<String> = (1..=12).map(|seat| format!("1-{seat}")).collect();
    for (hall, code, placed, accounts) in
        [(by_seats, Code::PersonLimit, 4, &accounts[..]), (by_orders, Code::DailyLimit, 3, &accounts[..1])]
    {
        let asked = seats.iter().enumerate().map(|(number, seat)| {
            let who = &accounts[number % accounts.len()];
            order(&app, who, hall, seat, &[])
        });
        let mut granted = 0;
        for answer in join_all(asked).await {
            if answer.status() == StatusCode::CREATED {
                granted += 1;
            } else {
                expect_problem(answer, code).await;
            }
        }
        assert_eq!(granted, placed, "{code:?}");
        // Who was refused holds nothing.
        eventually(Duration::from_secs(60), || async {
            let audit = app.app.auditor.audit(hall, Duration::from_secs(10)).await.unwrap();
            if audit.sound && audit.ledger.locked == placed { Ok(()) } else { Err(format!("{audit:?}")) }
        })
        .await;
    }
}
