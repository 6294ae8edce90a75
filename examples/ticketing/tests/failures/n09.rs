//! An order has ended, and the ledger cannot be told.

use nebula_test_support::RedisServer;
use reqwest::StatusCode;
use serde_json::json;

use crate::{
    common::{TestApp, expect},
    sale::{on_redis, order, placed, rests, times},
};

#[tokio::test]
async fn n9_seats_that_could_not_be_freed_are_freed_when_the_ledger_is_back() {
    let mut redis = RedisServer::options().append_only().start().await;
    let url = redis.url();
    let app = TestApp::start_with(|config| on_redis(config, &url)).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let id = placed(&app, &buyer, session, "1-1").await;
    rests(&app, session, 1, 0).await;
    redis.kill();
    expect(app.post_as(&buyer, &format!("/orders/{id}/cancel"), &json!({})).await, StatusCode::OK).await;
    // It comes back with the hold of before.
    redis.restart().await;
    rests(&app, session, 0, 0).await;
    assert_eq!(times(&app, &id, "CANCELLED").await, 1);
    expect(order(&app, &buyer, session, "1-1").await, StatusCode::CREATED).await;
}
