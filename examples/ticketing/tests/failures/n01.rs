//! Seats were taken, and the process died before anything else was done.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use ticketing::problem::Code;

use crate::{
    common::{expect, expect_problem},
    sale::{counts, order, rests},
    victim::Pair,
};

#[tokio::test]
async fn n1_a_hold_whose_order_never_came_is_freed_by_the_scan() {
    let pair = Pair::start().await;
    let (buyer, session) = (pair.app.register("mei@example.com").await, pair.app.hall(10).await);
    pair.app.app.inventory.warm(session).await.unwrap();
    // The order is about to be written when its server dies.
    let lock = pair.hold_up("orders").await;
    let inventory = pair.app.app.inventory.clone();
    let wish = json!({"session_id": session, "seats": ["1-1"]});
    let held = || async { inventory.counts(session).await.is_ok_and(|counts| counts.locked == 1) };
    let app = pair.die_in("/api/v1/orders", |request| request.bearer_auth(&buyer.access).json(&wish), held).await;
    lock.rollback().await.unwrap();

    expect_problem(order(&app, &buyer, session, "1-1").await, Code::SeatTaken).await;
    // The scan leaves young holds alone, since their orders may be on their way.
    assert_eq!(app.app.inventory.sweep(session, Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(counts(&app, session).await.locked, 1);
    assert_eq!(app.app.inventory.sweep(session, Duration::ZERO).await.unwrap(), 1);
    expect(order(&app, &buyer, session, "1-1").await, StatusCode::CREATED).await;
    rests(&app, session, 1, 0).await;
}
