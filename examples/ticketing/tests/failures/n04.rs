//! The broker of the time-outs is away.

use std::time::Duration;

use nebula_test_support::{RabbitMq, eventually, redis_url};
use reqwest::StatusCode;
use serde_json::json;
use ticketing::storage::sql::query;

use crate::{
    common::{TestApp, expect},
    sale::{PATIENCE, becomes, on_redis, pay, placed, rests, times},
};

#[tokio::test]
async fn n4_without_the_broker_orders_go_on_and_end_in_time_and_once() {
    let url = redis_url().await;
    let mut broker = RabbitMq::start().await;
    let amqp = broker.url();
    let app = TestApp::start_with(|config| {
        on_redis(config, &url);
        let queue = json!({"provider": "rabbitmq", "queue-prefix": "n4", "rabbitmq": {"url": amqp}});
        config.delay_queue = serde_json::from_value(queue).unwrap();
    })
    .await;
    let buyer = app.register("mei@example.com").await;
    let session = app.hall_with(10, |session| session.hold = Duration::from_secs(10)).await;
    let before = placed(&app, &buyer, session, "1-1").await;
    broker.kill();

    // Nothing that sells needs the broker: servers stay in the balancer, and say what is away.
    eventually(PATIENCE, || async {
        let ready = expect(app.get("//readyz").await, StatusCode::OK).await;
        if ready == json!({"status": "degraded", "parts": ["time-outs"]}) { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    let during = placed(&app, &buyer, session, "1-2").await;
    let paid = placed(&app, &buyer, session, "1-3").await;
    pay(&app, &buyer, &paid).await;
    becomes(&app, &buyer, &paid, &["PAID", "ISSUED"]).await;
    // The time-outs of both are out of reach, and the scan ends them.
    for order in [&before, &during] {
        becomes(&app, &buyer, order, &["TIMEOUT_CANCELLED"]).await;
    }
    rests(&app, session, 0, 1).await;

    // The broker comes back, and nothing changes for orders that have ended.
    broker.restart().await;
    eventually(PATIENCE, || async {
        let ready = expect(app.get("//readyz").await, StatusCode::OK).await;
        if ready["status"] == "ok" { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    for order in [&before, &during] {
        assert_eq!(times(&app, order, "TIMEOUT_CANCELLED").await, 1);
    }
    rests(&app, session, 0, 1).await;
}

#[tokio::test]
async fn n4_what_cannot_be_ended_does_not_keep_the_scan_from_the_rest() {
    let app = TestApp::start_with(|config| config.sales.sweep_interval = Duration::from_secs(1)).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let order = placed(&app, &buyer, session, "1-1").await;
    let (user, overdue) = (buyer.id, order.clone());
    app.write(move |connection| {
        Box::pin(async move {
            // More than the scan reads at once, all of them older, and none of them can be ended: their money was taken.
            for _ in 0..501 {
                let broken = ticketing::ids::OrderId::new();
                query(
                    "INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch,
                                         created_at, expires_at, updated_at)
                     VALUES ($1, $2, $3, 'PAYING', 100, 'CNY', '', 0, 0, 0, 0)",
                )
                .bind(broken)
                .bind(user)
                .bind(session)
                .execute(&mut *connection)
                .await?;
                query(
                    "INSERT INTO payments (id, order_id, provider, state, minor, currency, created_at, updated_at)
                     VALUES ($1, $1, 'mock', 'SUCCEEDED', 100, 'CNY', 0, 0)",
                )
                .bind(broken)
                .execute(&mut *connection)
                .await?;
            }
            query("UPDATE orders SET expires_at = 1 WHERE id = $1").bind(overdue).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    becomes(&app, &buyer, &order, &["TIMEOUT_CANCELLED"]).await;
}
