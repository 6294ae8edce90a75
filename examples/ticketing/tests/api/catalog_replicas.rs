//! The catalog of two servers that share Redis and the database.

use std::time::Duration;

use crate::common::{TestApp, expect};
use nebula_redis::RedisConfig;
use nebula_test_support::{RedisServer, eventually};
use reqwest::StatusCode;
use serde_json::Value;
use ticketing::{
    config::{Config, Provider},
    ids::SessionId,
    problem::Problem,
    storage::{Pool, sql::query},
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn price(app: &TestApp, session: SessionId) -> i64 {
    app.app.catalog.session(session).await.unwrap().seat("1-1").unwrap().price.minor
}

/// What a cache of a server counts.
fn counted(app: &TestApp, cache: &str, what: &str) -> u64 {
    let all = serde_json::to_value(app.app.caches.snapshot()).unwrap();
    let caches = all["caches"].as_array().unwrap();
    let one = caches.iter().find(|known| known["name"] == cache).unwrap_or_else(|| panic!("{all}"));
    one[what].as_u64().unwrap_or_else(|| panic!("{one}"))
}

/// Writes into the database and tells nobody.
async fn silently(app: &TestApp, minor: i64) {
    let write = app.app.database.write.run::<_, Problem, _>(move |connection| {
        Box::pin(
            async move { Ok(query("UPDATE session_prices SET minor = $1").bind(minor).execute(connection).await?) },
        )
    });
    assert_eq!(write.await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_replicas_share_what_one_has_read_and_hear_of_changes() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
    config.ledger.provider = Provider::Redis;
    config.redis = RedisConfig::new(redis.url()).with_response_timeout(Duration::from_secs(2));
    let (one, two) = (TestApp::start_on(config.clone()).await, TestApp::start_on(config).await);
    let session = one.hall(1).await;

    // However many ask, the database is read once, and what one server has read the other finds.
    let read = |app: &TestApp| counted(app, "session-facts", "loads");
    one.app.catalog.forget_session(session).await;
    let before = read(&one);
    let asked = futures_util::future::join_all((0..20).map(|_| price(&one, session))).await;
    assert!(asked.into_iter().all(|price| price == 38_000));
    assert_eq!(read(&one) - before, 1);
    eventually(PATIENCE, || async {
        one.app.catalog.forget_session(session).await;
        assert_eq!((price(&one, session).await, price(&two, session).await), (38_000, 38_000));
        counted(&two, "session-facts", "shared_hits") > 0
    })
    .await;

    // What changed without a word is not seen; what was said is seen here at once and there within the bound.
    assert_eq!(price(&two, session).await, 38_000);
    silently(&one, 40_000).await;
    assert_eq!(price(&one, session).await, 38_000);
    one.app.catalog.forget_session(session).await;
    assert_eq!(price(&one, session).await, 40_000);
    eventually(PATIENCE, || async { price(&two, session).await == 40_000 }).await;
    // That there is no such session is remembered, too.
    let nobody = SessionId::new();
    for _ in 0..3 {
        assert_eq!(one.get(&format!("/sessions/{nobody}")).await.status(), StatusCode::NOT_FOUND);
    }
    assert!(counted(&one, "sessions", "known_absent") > 0);

    // A buyer of the other server sees it, too.
    let seen: Value = expect(two.get(&format!("/sessions/{session}")).await, StatusCode::OK).await;
    assert_eq!(seen["prices"][0]["price"]["amount"], "400.00");

    // Without Redis nobody waits for it for long, and nobody believes what may be old: the database is asked.
    redis.kill();
    silently(&two, 41_000).await;
    eventually(PATIENCE, || async { price(&two, session).await == 41_000 && price(&one, session).await == 41_000 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l8_a_server_is_not_ready_before_its_catalog_is_loaded() {
    let app = TestApp::start().await;
    let sessions = [app.hall(10).await, app.hall(20).await];
    assert_eq!(counted(&app, "sessions", "entries"), 0);
    // As long as the database does not answer, the server says that it is not ready, and is of use nevertheless.
    let Pool::Sqlite(reads) = &app.app.database.read else { panic!("SQLite is the default") };
    let mut held = Vec::new();
    for _ in 0..reads.options().get_max_connections() {
        held.push(reads.acquire().await.unwrap());
    }
    let warming = tokio::spawn({
        let catalog = app.app.catalog.clone();
        async move { catalog.warm_up(PATIENCE).await }
    });
    eventually(PATIENCE, || async { app.app.catalog.is_warming() }).await;
    let ready = app.get("//readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(held);
    warming.await.unwrap().unwrap();
    assert!(!app.app.catalog.is_warming());
    expect(app.get("//readyz").await, StatusCode::OK).await;
    let misses = counted(&app, "sessions", "misses");
    for session in sessions {
        price(&app, session).await;
    }
    assert_eq!(counted(&app, "sessions", "misses"), misses);
}
