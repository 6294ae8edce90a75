//! A sale that something happens to.

use std::time::Duration;

use nebula_redis::RedisConfig;
use nebula_test_support::eventually;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    audit::Audit,
    config::{Config, Provider},
    ids::SessionId,
    inventory::Counts,
    storage::sql::query,
};

use crate::common::{Account, TestApp, expect};

/// The machine may be slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Seats and locks on this Redis server.
pub(crate) fn on_redis(config: &mut Config, url: &str) {
    config.ledger.provider = Provider::Redis;
    config.redis = RedisConfig::new(url);
    config.sales.sweep_interval = Duration::from_secs(1);
}

pub(crate) async fn order(app: &TestApp, buyer: &Account, session: SessionId, seat: &str) -> Response {
    app.post_as(buyer, "/orders", &json!({"session_id": session, "seats": [seat]})).await
}

pub(crate) async fn placed(app: &TestApp, buyer: &Account, session: SessionId, seat: &str) -> String {
    let order = expect(order(app, buyer, session, seat).await, StatusCode::CREATED).await;
    order["id"].as_str().unwrap().to_owned()
}

/// Begins to pay and presses "pay" on the provider's page.
pub(crate) async fn pay(app: &TestApp, buyer: &Account, order: &str) {
    let paying: Value =
        expect(app.post_as(buyer, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = paying.pointer("/payment/pay_url").and_then(Value::as_str).unwrap_or_else(|| panic!("{paying}"));
    expect(app.post(&format!("/{page}/approve"), &json!({})).await, StatusCode::OK).await;
}

pub(crate) async fn state(app: &TestApp, buyer: &Account, order: &str) -> String {
    let order: Value = expect(app.get_as(buyer, &format!("/orders/{order}")).await, StatusCode::OK).await;
    order["state"].as_str().unwrap().to_owned()
}

/// Waits until the order is in one of these states.
pub(crate) async fn becomes(app: &TestApp, buyer: &Account, order: &str, states: &[&str]) {
    eventually(PATIENCE, || async {
        let state = state(app, buyer, order).await;
        if states.contains(&state.as_str()) { Ok(()) } else { Err(state) }
    })
    .await;
}

/// Waits until nothing is in motion: every invariant holds and the seats are counted like this.
pub(crate) async fn rests(app: &TestApp, session: SessionId, locked: u32, sold: u32) {
    eventually(PATIENCE, || async {
        let audit: Audit =
            app.app.auditor.audit(session, Duration::from_secs(10)).await.map_err(|error| error.to_string())?;
        let counts = (audit.sound, audit.ledger.locked, audit.ledger.sold);
        if counts == (true, locked, sold) { Ok(()) } else { Err(format!("{audit:?}")) }
    })
    .await;
}

pub(crate) async fn counts(app: &TestApp, session: SessionId) -> Counts {
    app.app.inventory.counts(session).await.unwrap()
}

/// How often an order became this.
pub(crate) async fn times(app: &TestApp, order: &str, state: &str) -> i64 {
    let sql = "SELECT count(*) FROM order_history WHERE order_id = $1 AND to_state = $2";
    query(sql).bind(order).bind(state).scalar(&app.app.database.read).await.unwrap()
}
