//! Seats were taken, and the transaction that writes their order failed.

use std::time::Duration;

use nebula_test_support::redis_url;
use reqwest::StatusCode;
use ticketing::{
    ids::UserId,
    order::{Places, Wish},
};

use crate::{
    common::{TestApp, expect},
    sale::{counts, on_redis, order, rests},
};

#[tokio::test]
async fn n2_a_hold_is_checked_against_the_orders_and_freed_when_there_is_none() {
    let url = redis_url().await;
    let app = TestApp::start_with(|config| on_redis(config, &url)).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let kept = order(&app, &buyer, session, "1-2").await;
    expect(kept, StatusCode::CREATED).await;
    // Nobody of this name has an account: the database refuses the order after the ledger granted the seats.
    let wish = Wish {
        user: UserId::new(),
        session,
        places: Places::Named(vec!["1-1".to_owned()]),
        coupon: None,
        per_person: None,
        sale: None,
        real_name: None,
        attendees: Vec::new(),
        expected_total: None,
        idempotency_key: None,
    };
    app.app.orders.place(wish).await.unwrap_err();
    assert_eq!(counts(&app, session).await.locked, 2);
    assert_eq!(app.app.inventory.sweep(session, Duration::ZERO).await.unwrap(), 1, "the one with an order stays");
    expect(order(&app, &buyer, session, "1-1").await, StatusCode::CREATED).await;
    rests(&app, session, 2, 0).await;
}
