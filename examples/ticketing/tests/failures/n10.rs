//! A region is gone. The other one has a copy of the database, and an empty Redis.

use nebula_test_support::{RedisServer, SqlEngine, SqlServer, eventually};
use reqwest::StatusCode;
use ticketing::{
    config::{Config, DatabaseProvider},
    problem::Code,
};

use crate::{
    common::{Account, PASSWORD, TestApp, expect, expect_problem},
    sale::{PATIENCE, becomes, on_redis, order, pay, placed, rests, state},
};

/// A server of a region; the folder has the secrets, which are the same in both.
async fn server(folder: &std::path::Path, redis: &RedisServer, database: String) -> TestApp {
    let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.to_owned(), ..Config::default() };
    on_redis(&mut config, &redis.url());
    config.database.provider = DatabaseProvider::Postgres;
    config.database.url = Some(database.clone().into());
    config.auth.session.store = nebula_auth::SessionStoreKind::Postgres;
    config.auth.session.url = Some(database.into());
    TestApp::start_on(config).await
}

#[tokio::test]
async fn n10_the_other_region_sells_what_is_left_and_knows_every_answered_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut east = SqlServer::start(SqlEngine::Postgres).await;
    let url = east.create_database().await;
    let west = east.standby().await;
    let mut ledger = RedisServer::start().await;
    let app = server(&folder.path().join("data"), &ledger, url.clone()).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let paid = placed(&app, &buyer, session, "1-1").await;
    pay(&app, &buyer, &paid).await;
    becomes(&app, &buyer, &paid, &["ISSUED"]).await;
    let open = placed(&app, &buyer, session, "1-2").await;

    // East is gone, with its Redis.
    east.kill();
    ledger.kill();
    drop(app);
    west.promote().await;
    let empty = RedisServer::start().await;
    let url = url.replace(&format!(":{}/", east.port()), &format!(":{}/", west.port()));
    let app = server(&folder.path().join("data"), &empty, url).await;
    eventually(PATIENCE, || async { app.get("//readyz").await.status() == StatusCode::OK }).await;

    // Whoever was signed in still is, and who was not signs in.
    assert_eq!(state(&app, &buyer, &open).await, "LOCKED");
    let again: Account = app.login("mei@example.com", PASSWORD).await;
    assert_eq!(state(&app, &again, &paid).await, "ISSUED");
    for seat in ["1-1", "1-2"] {
        expect_problem(order(&app, &again, session, seat).await, Code::SeatTaken).await;
    }
    expect(order(&app, &again, session, "1-3").await, StatusCode::CREATED).await;
    pay(&app, &again, &open).await;
    becomes(&app, &again, &open, &["ISSUED"]).await;
    rests(&app, session, 1, 2).await;
}
