//! The ledger does not say what the database says.

use nebula_test_support::RedisServer;
use reqwest::StatusCode;
use ticketing::problem::Code;

use crate::{
    common::{TestApp, expect, expect_problem},
    sale::{becomes, counts, on_redis, order, pay, placed, rests},
};

#[tokio::test]
async fn n11_a_ledger_that_lost_its_seats_is_counted_anew_from_the_database() {
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let app = TestApp::start_with(|config| on_redis(config, &url)).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let sold = placed(&app, &buyer, session, "1-1").await;
    pay(&app, &buyer, &sold).await;
    becomes(&app, &buyer, &sold, &["PAID", "ISSUED"]).await;
    placed(&app, &buyer, session, "1-2").await;
    rests(&app, session, 1, 1).await;
    let epoch = counts(&app, session).await.cursor.epoch;
    redis.kill();
    redis.restart_empty().await;
    rests(&app, session, 1, 1).await;
    assert!(counts(&app, session).await.cursor.epoch > epoch);
    for seat in ["1-1", "1-2"] {
        expect_problem(order(&app, &buyer, session, seat).await, Code::SeatTaken).await;
    }
    expect(order(&app, &buyer, session, "1-3").await, StatusCode::CREATED).await;
}
