//! The ledger has granted seats, and the database is gone.

use std::time::Duration;

use nebula_test_support::{SqlEngine, SqlServer, eventually, redis_url};
use reqwest::StatusCode;
use ticketing::{
    config::DatabaseProvider,
    storage::{Database, Pool, sql::query},
};

use crate::{
    common::{TestApp, expect},
    sale::{PATIENCE, on_redis, order, placed, rests},
};

#[tokio::test]
async fn n6_what_the_ledger_gave_and_the_database_did_not_take_comes_back() {
    let url = redis_url().await;
    let mut postgres = SqlServer::start(SqlEngine::Postgres).await;
    let database = postgres.create_database().await;
    let app = TestApp::start_with(|config| {
        on_redis(config, &url);
        config.database.provider = DatabaseProvider::Postgres;
        config.database.url = Some(database.into());
        config.http.request_timeout = Duration::from_secs(20);
    })
    .await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let kept = placed(&app, &buyer, session, "1-1").await;
    postgres.kill();
    let answer = order(&app, &buyer, session, "1-2").await;
    assert!(
        [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&answer.status()),
        "{}",
        answer.status()
    );
    assert_eq!(app.get("//readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.get("//healthz").await.status(), StatusCode::OK);

    postgres.restart().await;
    eventually(PATIENCE, || async { app.get("//readyz").await.status() == StatusCode::OK }).await;
    // Whatever the first try left in the ledger is freed, the order from before keeps its seat.
    eventually(PATIENCE, || async { app.app.inventory.sweep(session, Duration::ZERO).await.is_ok() }).await;
    rests(&app, session, 1, 0).await;
    expect(order(&app, &buyer, session, "1-2").await, StatusCode::CREATED).await;
    assert_eq!(crate::sale::state(&app, &buyer, &kept).await, "LOCKED");
    rests(&app, session, 2, 0).await;
}

#[tokio::test]
async fn n6_whether_the_database_is_back_is_asked_beside_the_line_of_those_who_wait_for_it() {
    let mut postgres = SqlServer::start(SqlEngine::Postgres).await;
    let url = postgres.create_database().await.into();
    let database = Database::connect(&url, 2).await.unwrap();
    let Pool::Postgres(pool) = &database.read else { panic!("not on PostgreSQL") };
    // Nobody gets a connection of the pool any more.
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert!(database.answers().await);
    postgres.kill();
    assert!(!database.answers().await);
    postgres.restart().await;
    assert!(database.answers().await);
    drop(held);
    eventually(PATIENCE, || async {
        query("SELECT 1").execute(&database.read).await.map_err(|error| error.to_string())
    })
    .await;
}
