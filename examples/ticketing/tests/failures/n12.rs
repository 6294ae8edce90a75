//! N12: the domain of ordinary shows fails, flash sales go on; and the other way round.

use std::time::Duration;

use nebula_redis::RedisConfig;
use nebula_test_support::{RedisServer, eventually};
use reqwest::{Response, StatusCode};
use serde_json::json;
use ticketing::{
    admission::{Policy, Room},
    config::Provider,
    ids::SessionId,
};

use crate::common::{Account, TestApp, expect};

const PATIENCE: Duration = Duration::from_secs(60);

/// Through every step that needs a server: the waiting room, the limits, the hold.
async fn buy(app: &TestApp, who: &Account, session: SessionId, seat: &str) -> Response {
    let waiting = app.post_as(who, &format!("/sessions/{session}/waiting-room"), &json!({})).await;
    if waiting.status() != StatusCode::OK {
        return waiting;
    }
    let view = expect(waiting, StatusCode::OK).await;
    let order = app.request(reqwest::Method::POST, "/orders").bearer_auth(&who.access);
    let order = order.header("admission-token", view["token"].as_str().unwrap());
    order.json(&json!({ "session_id": session, "seats": [seat] })).send().await.unwrap()
}

async fn sells(app: &TestApp, who: &Account, session: SessionId, seat: &str) {
    expect(buy(app, who, session, seat).await, StatusCode::CREATED).await;
}

async fn refuses(app: &TestApp, who: &Account, session: SessionId) {
    let refused = buy(app, who, session, "1-9").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{:?}", refused.text().await);
}

async fn ready(app: &TestApp) -> StatusCode {
    app.get("//readyz").await.status()
}

#[tokio::test]
async fn n12_one_domain_fails_and_the_other_sells_on() {
    let (mut shows, mut flashes) = tokio::join!(RedisServer::start(), RedisServer::start());
    let (show_url, flash_url) = (shows.url().to_owned(), flashes.url().to_owned());
    let app = TestApp::start_with(|config| {
        config.ledger.provider = Provider::Redis;
        config.redis = RedisConfig::new(show_url).with_response_timeout(Duration::from_secs(2));
        config.flash.redis = Some(RedisConfig::new(flash_url).with_response_timeout(Duration::from_secs(2)));
    })
    .await;
    let (show, flash) = (app.hall(10).await, app.flash_hall(10).await);
    let policy = Policy { limits: true, room: Some(Room::default()), ..Policy::default() };
    for session in [show, flash] {
        app.app.admission.policies().put(session, policy.clone(), "test".to_owned()).await.unwrap();
    }
    let mei = app.register("mei@example.com").await;
    for session in [show, flash] {
        sells(&app, &mei, session, "1-1").await;
    }
    assert_eq!(ready(&app).await, StatusCode::OK);

    shows.kill();
    refuses(&app, &mei, show).await;
    sells(&app, &mei, flash, "1-2").await;
    assert_eq!(ready(&app).await, StatusCode::OK, "a server that sells in one of the domains stays in the balancer");
    sells(&app, &mei, flash, "1-3").await;

    // It comes back empty, and sells again what the database says is free.
    shows.restart_empty().await;
    eventually(PATIENCE, || async {
        let answer = buy(&app, &mei, show, "1-2").await;
        matches!(answer.status(), StatusCode::CREATED)
    })
    .await;

    flashes.kill();
    refuses(&app, &mei, flash).await;
    sells(&app, &mei, show, "1-3").await;
    assert_eq!(ready(&app).await, StatusCode::OK);
    // Nothing sells: then nobody should be sent here.
    shows.kill();
    eventually(PATIENCE, || async { ready(&app).await == StatusCode::SERVICE_UNAVAILABLE }).await;
}
