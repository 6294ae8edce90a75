//! A standby takes over: the platform goes on without a restart, with everything that it has answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nebula_redis::RedisConfig;
use nebula_test_support::{RedisSentinel, SqlEngine, SqlServer, eventually, redis_url};
use reqwest::StatusCode;
use serde_json::{Value, json};
use ticketing::{
    config::{Config, DatabaseProvider},
    ids::SessionId,
    storage::sql::query,
};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    common::{Account, PASSWORD, TestApp, expect},
    sale::{PATIENCE, becomes, on_redis, order, pay, rests},
};

/// Orders that were answered, with their seats.
type Placed = Arc<Mutex<Vec<String>>>;

/// A buyer who orders one seat after another until told to stop; what is not answered is asked again.
struct Buying {
    placed: Placed,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Buying {
    fn begin(app: &Arc<TestApp>, buyer: &Account, session: SessionId) -> Self {
        let (placed, stop) = (Placed::default(), CancellationToken::new());
        let (app, buyer, stopped, done) = (Arc::clone(app), buyer.clone(), stop.clone(), Arc::clone(&placed));
        let task = tokio::spawn(async move {
            for seat in (1..).map(|number| format!("{}-{}", (number - 1) / 50 + 1, (number - 1) % 50 + 1)) {
                loop {
                    if stopped.is_cancelled() {
                        return;
                    }
                    let body = json!({"session_id": session, "seats": [seat]});
                    let request = app.request(reqwest::Method::POST, "/orders").bearer_auth(&buyer.access).json(&body);
                    let answer = request.header("Idempotency-Key", format!("seat-{seat}")).send().await.unwrap();
                    if answer.status() == StatusCode::CREATED || answer.status() == StatusCode::OK {
                        let order: Value = answer.json().await.unwrap();
                        done.lock().await.push(order["id"].as_str().unwrap().to_owned());
                        break;
                    }
                    assert!(
                        [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&answer.status()),
                        "{}: {}",
                        answer.status(),
                        answer.text().await.unwrap()
                    );
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self { placed, stop, task }
    }

    /// Waits until more orders than these were answered.
    async fn beyond(&self, count: usize) -> usize {
        eventually(PATIENCE, || async {
            assert!(!self.task.is_finished(), "the buyer has ended");
            let placed = self.placed.lock().await.len();
            if placed > count { Ok(placed) } else { Err(format!("{placed} orders")) }
        })
        .await
    }

    async fn end(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap();
        let placed = self.placed.lock().await;
        placed.clone()
    }
}

/// Orders on this server, whoever thinks that it is the one.
async fn orders_on(url: &str) -> i64 {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

fn on_both(config: &mut Config, both: &str) {
    config.database.provider = DatabaseProvider::Postgres;
    config.database.url = Some(both.to_owned().into());
    config.auth.session.store = nebula_auth::SessionStoreKind::Postgres;
    config.auth.session.url = Some(both.to_owned().into());
    config.sales.seats_per_user = 2_000;
}

#[tokio::test]
async fn n14_a_standby_of_the_database_takes_over_and_no_answered_order_is_lost() {
    let redis = redis_url().await;
    let mut primary = SqlServer::start(SqlEngine::Postgres).await;
    let database = primary.create_database().await;
    let standby = primary.standby().await;
    // As libpq has it: postgres://user@one:port,two:port/database.
    let both = database.replace(
        &format!("127.0.0.1:{}", primary.port()),
        &format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port()),
    );
    let app = TestApp::start_with(|config| {
        on_redis(config, &redis);
        on_both(config, &both);
    })
    .await;
    let app = Arc::new(app);
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(2_000).await);
    let buying = Buying::begin(&app, &buyer, session);
    let before = buying.beyond(10).await;

    let killed = Instant::now();
    primary.kill();
    standby.promote().await;
    let promoted = killed.elapsed();
    let after = buying.beyond(before + 1).await;
    println!("promoted {promoted:?} after the kill, orders again {:?} after it", killed.elapsed());

    // The old one comes back and has heard of nothing: whoever asks it may write. The platform does not.
    primary.restart().await;
    buying.beyond(after + 10).await;
    let placed = buying.end().await;
    // No commit waits for anybody there: with nobody who stands by, it could not be asked otherwise.
    let there = orders_on(&database).await;
    let here = orders_on(&database.replace(&primary.port().to_string(), &standby.port().to_string())).await;
    assert!(there < here && here >= i64::try_from(placed.len()).unwrap(), "{there} there, {here} here");

    for order in &placed {
        let found: Value = expect(app.get_as(&buyer, &format!("/orders/{order}")).await, StatusCode::OK).await;
        assert_eq!(found["state"], "LOCKED", "{found}");
    }
    // Accounts and sign-ins as well.
    let again = app.login("mei@example.com", PASSWORD).await;
    pay(&app, &again, &placed[0]).await;
    becomes(&app, &again, &placed[0], &["PAID", "ISSUED"]).await;
    eventually(PATIENCE, || async { app.get("//readyz").await.status() == StatusCode::OK }).await;
    rests(&app, session, u32::try_from(here).unwrap() - 1, 1).await;
}

#[tokio::test]
async fn n14_sentinels_replace_the_ledgers_server_and_buyers_go_on() {
    let mut redis = RedisSentinel::start().await;
    let nodes = redis.addresses().join(",");
    let app = TestApp::start_with(|config| {
        on_redis(config, "");
        config.redis = RedisConfig::new(format!("redis-sentinel://{nodes}/{}", redis.name()));
        config.sales.seats_per_user = 2_000;
    })
    .await;
    let app = Arc::new(app);
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(2_000).await);
    let buying = Buying::begin(&app, &buyer, session);
    let before = buying.beyond(10).await;

    let old = redis.master().await;
    let killed = Instant::now();
    redis.servers[old].kill();
    let new = redis.failed_over(old).await;
    let promoted = killed.elapsed();
    let after = buying.beyond(before + 1).await;
    println!("promoted {promoted:?} after the kill, orders again {:?} after it", killed.elapsed());
    assert_ne!(new, old);

    buying.beyond(after + 10).await;
    let placed = buying.end().await;
    // The new server may have missed the last holds. The orders have not, and no seat is sold twice.
    let taken = order(&app, &buyer, session, "1-1").await;
    assert_eq!(taken.status(), StatusCode::CONFLICT);
    pay(&app, &buyer, &placed[0]).await;
    becomes(&app, &buyer, &placed[0], &["PAID", "ISSUED"]).await;
    // One more than was answered, if its answer was on the way when the buyer had enough.
    let orders: i64 = query("SELECT count(*) FROM orders").scalar(&app.app.database.read).await.unwrap();
    rests(&app, session, u32::try_from(orders).unwrap() - 1, 1).await;
    eventually(PATIENCE, || async { app.get("//readyz").await.status() == StatusCode::OK }).await;
}
