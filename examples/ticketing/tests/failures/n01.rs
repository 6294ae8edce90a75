//! Seats were taken, and the process died before anything else was done.

use std::time::Duration;

use nebula_test_support::redis_url;
use reqwest::StatusCode;
use ticketing::{
    ids::OrderId,
    inventory::{Hold, HoldRequest},
};

use crate::{
    common::{TestApp, expect, expect_problem},
    sale::{counts, on_redis, order, rests},
};

#[tokio::test]
async fn n1_a_hold_whose_order_never_came_is_freed_by_the_scan() {
    let url = redis_url().await;
    let app = TestApp::start_with(|config| on_redis(config, &url)).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    app.app.inventory.warm(session).await.unwrap();
    let request = HoldRequest { session, order: OrderId::new(), user: buyer.id, seats: vec![0] };
    let hold = app.app.ledger.hold(&request).await.unwrap();
    assert!(matches!(hold, Hold::Held { .. }), "{hold:?}");
    expect_problem(order(&app, &buyer, session, "1-1").await, ticketing::problem::Code::SeatTaken).await;
    // The scan leaves young holds alone, since their orders may be on their way.
    assert_eq!(app.app.inventory.sweep(session, Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(counts(&app, session).await.locked, 1);
    assert_eq!(app.app.inventory.sweep(session, Duration::ZERO).await.unwrap(), 1);
    expect(order(&app, &buyer, session, "1-1").await, StatusCode::CREATED).await;
    rests(&app, session, 1, 0).await;
}
