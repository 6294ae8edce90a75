//! How late messages are: a thousand a second, with delays of one to eight seconds.
//!
//! Measured from the instant at which the sender's call began plus the delay until the handler runs, on one monotonic
//! clock: the time that the call takes counts as lateness too. None may be early.

use std::time::Duration;

use nebula_delay_queue::{
    DelayMessage, DelayQueue, Received, SqlDatabase, SqlDelayQueue,
    sqlx::{
        MySql, Postgres, Sqlite,
        pool::PoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use nebula_test_support::{Effort, RabbitMq, RedisServer, SqlEngine, SqlServer};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::{HANDLERS, HOUR, PREFETCH, on_rabbit, ours};

/// Of a whole pass; the first messages wait for it.
const LONGEST: Duration = Duration::from_secs(8);
const PASSES: u32 = 3;

pub(crate) async fn on_redis(effort: Effort) {
    let server = RedisServer::start().await;
    passes("redis", &ours::connect(&server.url()).await, effort).await;
}

pub(crate) async fn on_rabbitmq(effort: Effort) {
    let broker = RabbitMq::start().await;
    for width in on_rabbit::WIDTHS {
        passes(&format!("rabbitmq, width {width}"), &on_rabbit::connect(&broker, width).await, effort).await;
    }
}

pub(crate) async fn on_sqlite(effort: Effort) {
    let folder = std::env::temp_dir().join(nebula_test_support::unique("nebula-lateness"));
    std::fs::create_dir(&folder).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.join("queue.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = PoolOptions::<Sqlite>::new().max_connections(4).connect_with(options).await.unwrap();
    SqlDelayQueue::migrate(&pool).await.unwrap();
    passes("sqlite", &DelayQueue::new(SqlDelayQueue::new(pool)), effort).await;
    std::fs::remove_dir_all(folder).unwrap();
}

pub(crate) async fn on_postgres(effort: Effort) {
    let server = SqlServer::start(SqlEngine::Postgres).await;
    passes("postgres", &on_server::<Postgres>(&server).await, effort).await;
}

pub(crate) async fn on_mariadb(effort: Effort) {
    let server = SqlServer::start(SqlEngine::MariaDb).await;
    passes("mariadb", &on_server::<MySql>(&server).await, effort).await;
}

async fn on_server<DB: SqlDatabase>(server: &SqlServer) -> DelayQueue {
    let pool = PoolOptions::<DB>::new().max_connections(16).connect(&server.create_database().await).await.unwrap();
    SqlDelayQueue::migrate(&pool).await.unwrap();
    DelayQueue::new(SqlDelayQueue::new(pool))
}

async fn passes(backend: &str, queue: &DelayQueue, effort: Effort) {
    // Whatever is declared, prepared or connected at the first use is not what is measured.
    ours::schedule(queue, "warm-up", "", LONGEST).await;
    for pass in 0..PASSES {
        let late = pass_of(queue, &format!("lateness.{pass}"), effort.pick(5_000, 20_000)).await;
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
        println!(
            "lateness {backend} messages={} min={:.1} p50={:.1} p99={:.1} max={:.1} unit=ms machine-load={}",
            late.len(),
            at(0.0),
            at(0.5),
            at(0.99),
            at(1.0),
            load(),
        );
    }
}

/// The lateness of each of so many messages, sorted.
async fn pass_of(queue: &DelayQueue, name: &str, number: u32) -> Vec<Duration> {
    let (told, mut hears) = mpsc::unbounded_channel();
    let origin = Instant::now();
    let handler = move |due: Received<Duration>| {
        // Nothing if it is early; a panic here would only be a failed attempt to the worker.
        told.send(origin.elapsed().checked_sub(*due.body())).unwrap();
        std::future::ready(())
    };
    let worker = queue.worker(name).unwrap().concurrency(HANDLERS).prefetch(PREFETCH).handle(handler).start().unwrap();
    let mut sends = tokio::task::JoinSet::new();
    let begin = Instant::now() + Duration::from_secs(1);
    for message in 0..number {
        sleep_until(begin + Duration::from_millis(message.into())).await;
        let (queue, name) = (queue.clone(), name.to_owned());
        sends.spawn(async move {
            // All delays of the range, in no order.
            let delay = Duration::from_millis(1_000 + u64::from(message) * 7_919 % 7_001);
            let due = origin.elapsed() + delay;
            let message = DelayMessage::builder().body(due).delay(delay).build().unwrap();
            assert!(queue.send(&*name, &message).await.unwrap().is_accepted());
        });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap();
    }
    let mut late = Vec::new();
    for _ in 0..number {
        let next = tokio::time::timeout(Duration::from_secs(120), hears.recv());
        let came = next.await.expect("a message is missing").expect("the worker is gone");
        late.push(came.expect("a message came early"));
    }
    worker.shutdown(HOUR).await;
    late.sort_unstable();
    late
}

/// How many programs wanted a processor in the last minute, on average. More than there are: the figures are not good.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}
