//! The lives of messages, the alarm for those that do not come, and what was counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use nebula_delay_queue::{
    DelayMessage, DelayQueue, ErrorKind, Happened, Lateness, MemoryDelayQueue, MemoryTrace, Outcome, RabbitDelayQueue,
    Received, RedisDelayQueue, RedisTrace, RetryPolicy, Schedule, SqlDatabase, SqlDelayQueue, SqlTrace, TraceStore,
    nebula_redis::RedisConfig,
    sqlx::{MySql, Postgres},
    trace_suite,
};
use nebula_test_support::{amqp_url, eventually, mariadb_database, postgres_database, redis_url, unique};

mod common;
#[path = "common/late.rs"]
mod late;

const QUEUE: &str = "order.timeout";
const PATIENCE: Duration = Duration::from_secs(60);

/// Later than any message is due.
fn far() -> SystemTime {
    SystemTime::now() + Duration::from_secs(1000 * 24 * 3600)
}

async fn redis() -> impl TraceStore {
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    RedisTrace::new(connection).with_key_prefix(&unique("trace"))
}

async fn sql<DB: SqlDatabase>(url: String) -> SqlTrace<DB> {
    let pool = common::connect::<DB>(&url).await;
    SqlTrace::migrate(&pool).await.unwrap();
    SqlTrace::new(pool)
}

mod suite_in_memory {
    use super::*;
    trace_suite!(async { MemoryTrace::new() });
}

mod suite_on_redis {
    use super::*;
    trace_suite!(redis());
}

mod suite_on_sqlite {
    use super::*;

    /// The folder stays until the test ends.
    async fn store() -> impl TraceStore {
        let folder = tempfile::tempdir().unwrap().keep();
        let pool = common::pool(&folder.join("trace.db")).await;
        SqlTrace::migrate(&pool).await.unwrap();
        SqlTrace::new(pool)
    }

    trace_suite!(store());
}

mod suite_on_postgres {
    use super::*;
    trace_suite!(async { sql::<Postgres>(postgres_database().await).await });
}

mod suite_on_mariadb {
    use super::*;
    trace_suite!(async { sql::<MySql>(mariadb_database().await).await });
}

mod suite_erased {
    use super::*;
    trace_suite!(async { Arc::new(MemoryTrace::new()) as Arc<dyn TraceStore> });
}

async fn idle(queue: &DelayQueue, dead: u64) {
    eventually(PATIENCE, async || {
        let stats = queue.stats(QUEUE).await.unwrap();
        if stats.backlog + stats.leased == 0 && stats.dead == dead { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
}

/// The names of what happened.
async fn life(queue: &DelayQueue, id: &str) -> Vec<String> {
    let events = queue.trace(QUEUE, id).await.unwrap();
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at), "{events:?}");
    events.iter().map(|event| format!("{:?}", event.what).split([' ', '{']).next().unwrap().to_owned()).collect()
}

/// One life of each kind, on any backend and with any store.
async fn lives_are_kept(queue: DelayQueue) {
    let handler = |number: Received<u64>| async move {
        match *number.body() {
            0 => Ok(Outcome::Done),
            1 if number.attempt() == 1 => Err("no luck"),
            1 => Ok(Outcome::Done),
            _ => Ok(Outcome::DeadLetter("hopeless".into())),
        }
    };
    let pause = Duration::from_millis(20);
    queue.worker(QUEUE).unwrap().retry(RetryPolicy::fixed(3, pause)).handle(handler).start().unwrap();
    let send = async |id: &str, body: u64, delay: Duration| {
        let message = DelayMessage::builder().id(id).body(body).delay(delay).build().unwrap();
        queue.send(QUEUE, &message).await.unwrap()
    };
    let before = SystemTime::now();
    send("good", 0, Duration::from_millis(50)).await;
    send("retried", 1, Duration::ZERO).await;
    send("dead", 2, Duration::ZERO).await;
    send("far", 0, Duration::from_secs(3600)).await;
    idle(&queue, 1).await;
    let done = async |id: &str| life(&queue, id).await.last().is_some_and(|last| last == "Done");
    eventually(PATIENCE, async || done("good").await && done("retried").await).await;
    assert_eq!(life(&queue, "good").await, ["Scheduled", "Due", "Delivered", "Done"]);
    let twice = ["Scheduled", "Due", "Delivered", "Retried", "Due", "Delivered", "Done"];
    assert_eq!(life(&queue, "retried").await, twice);
    assert_eq!(life(&queue, "far").await, ["Scheduled"]);
    assert_eq!(life(&queue, "dead").await, ["Scheduled", "Due", "Delivered", "Dead"]);
    assert_eq!(life(&queue, "unknown").await, [""; 0]);
    let events = queue.trace(QUEUE, "good").await.unwrap();
    let Happened::Scheduled { due } = events[0].what else { panic!("{events:?}") };
    assert!(due >= before + Duration::from_millis(50) && events[0].at >= before && events[2].at >= due, "{events:?}");
    assert_eq!(events[1].at, due);
    let retried = queue.trace(QUEUE, "retried").await.unwrap();
    assert_eq!(retried[3].what, Happened::Retried { after: pause, error: Some("no luck".into()) });
    assert!(matches!(retried[5].what, Happened::Delivered { attempt: 2, .. }), "{retried:?}");

    let _ = queue.replay(QUEUE, "dead").await.unwrap();
    idle(&queue, 1).await;
    assert_eq!(life(&queue, "dead").await[4], "Replayed");
    eventually(PATIENCE, async || life(&queue, "dead").await.len() == 7).await;
    assert_eq!(queue.purge(QUEUE, Some(&"dead".try_into().unwrap())).await.unwrap(), 1);
    assert_eq!(life(&queue, "dead").await[4..], ["Replayed", "Delivered", "Dead", "Purged"]);

    let names = |pending: Vec<nebula_delay_queue::Pending>| -> Vec<String> {
        pending.iter().map(|pending| pending.id.to_string()).collect()
    };
    assert_eq!(names(queue.peek(QUEUE, 10).await.unwrap()), ["far"]);
    assert_eq!(names(queue.missing(QUEUE, Duration::ZERO, 10).await.unwrap()), [""; 0]);
    assert_eq!(queue.queues().await.unwrap(), [queue.name(QUEUE).unwrap()]);
    queue.shutdown(PATIENCE).await;

    let counts = queue.snapshot(QUEUE).await.unwrap().counts;
    assert_eq!((counts.accepted, counts.delivered, counts.done), (4, 5, 2));
    assert_eq!((counts.retried, counts.dead, counts.lease_lost, counts.duplicates), (1, 2, 0, 0));
    assert_eq!(counts.lateness.counts.iter().sum::<u64>(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_are_kept_in_memory() {
    lives_are_kept(DelayQueue::new(MemoryDelayQueue::new()).with_trace(MemoryTrace::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_are_kept_on_redis() {
    let config = RedisConfig::new(redis_url().await);
    let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
    let backend = RedisDelayQueue::new(connection).with_subscriber(subscriber).with_key_prefix(&unique("trace"));
    lives_are_kept(DelayQueue::new(backend).with_trace(redis().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_of_messages_on_rabbitmq_are_kept_on_redis() {
    let prefix = unique("trace").as_str().try_into().unwrap();
    // A broker that starts beside a build may take its time.
    let options = RabbitDelayQueue::options(amqp_url().await).queue_prefix(prefix).timeout(PATIENCE);
    let backend = options.connect().await.unwrap();
    lives_are_kept(DelayQueue::new(backend).with_trace(redis().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_are_kept_in_databases() {
    let (postgres, mariadb) = (postgres_database().await, mariadb_database().await);
    let queue = DelayQueue::new(common::queue::<Postgres>(&postgres).await);
    lives_are_kept(queue.with_trace(sql::<Postgres>(postgres).await)).await;
    let queue = DelayQueue::new(common::queue::<MySql>(&mariadb).await);
    lives_are_kept(queue.with_trace(sql::<MySql>(mariadb).await)).await;
    let folder = tempfile::tempdir().unwrap();
    let pool = common::pool(&folder.path().join("queue.db")).await;
    SqlDelayQueue::migrate(&pool).await.unwrap();
    SqlTrace::migrate(&pool).await.unwrap();
    lives_are_kept(DelayQueue::new(SqlDelayQueue::new(pool.clone())).with_trace(SqlTrace::new(pool))).await;
}

/// What is retried, or given a new life, may be delivered and done before the call that asked for it ends. The life is told in
/// the order in which it was lived, and nobody is missing at its end.
#[tokio::test(start_paused = true)]
async fn lives_are_in_order_though_settlements_are_answered_late() {
    let backend = late::Late { inner: MemoryDelayQueue::new(), by: Duration::from_secs(10) };
    let queue = DelayQueue::new(backend).with_trace(MemoryTrace::new());
    let handler = |number: Received<u64>| async move {
        match (*number.body(), number.attempt()) {
            (0, 1) => Err("no luck"),
            (0, _) => Ok(Outcome::Done),
            _ => Ok(Outcome::DeadLetter("hopeless".into())),
        }
    };
    let retry = RetryPolicy::fixed(1, Duration::from_secs(1));
    queue.worker(QUEUE).unwrap().retry(retry).handle(handler).start().unwrap();
    for (id, body) in [("retried", 0u64), ("dead", 1)] {
        let message = DelayMessage::builder().id(id).body(body).build().unwrap();
        queue.send(QUEUE, &message).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let _ = queue.replay(QUEUE, "dead").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let twice = ["Scheduled", "Due", "Delivered", "Retried", "Due", "Delivered", "Done"];
    assert_eq!(life(&queue, "retried").await, twice);
    let lives = ["Scheduled", "Due", "Delivered", "Dead", "Replayed", "Delivered", "Dead"];
    assert_eq!(life(&queue, "dead").await, lives);
    assert!(queue.missing(QUEUE, Duration::ZERO, 10).await.unwrap().is_empty());
    queue.shutdown(PATIENCE).await;
}

async fn missing_messages_are_named(store: impl TraceStore) {
    let queue = DelayQueue::new(MemoryDelayQueue::new()).with_trace(store);
    let message = |id: &str, delay| DelayMessage::builder().id(id).body(0u64).delay(delay).build().unwrap();
    let soon = Duration::from_millis(20);
    let messages = ["late", "cancelled", "moved"].map(|id| message(id, soon));
    queue.send_batch(QUEUE, &messages).await.unwrap();
    queue.send(QUEUE, &message("later", Duration::from_secs(60))).await.unwrap();
    let _ = queue.cancel(QUEUE, "cancelled").await.unwrap();
    let _ = queue.reschedule(QUEUE, "moved", Schedule::After(Duration::from_secs(600))).await.unwrap();
    let missing = async |grace| -> Vec<String> {
        let missing = queue.missing(QUEUE, grace, 10).await.unwrap();
        missing.iter().map(|pending| pending.id.to_string()).collect()
    };
    eventually(PATIENCE, async || missing(Duration::ZERO).await == ["late"]).await;
    assert_eq!(missing(Duration::from_secs(300)).await, [""; 0], "in good time yet");
    let pending = queue.peek(QUEUE, 2).await.unwrap();
    assert_eq!(pending.iter().map(|pending| pending.id.as_str()).collect::<Vec<_>>(), ["late", "later"]);
    queue.worker(QUEUE).unwrap().handle(|_: Received<u64>| async {}).start().unwrap();
    eventually(PATIENCE, async || missing(Duration::ZERO).await.is_empty()).await;
    queue.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn missing_messages_are_named_from_memory() {
    missing_messages_are_named(MemoryTrace::new()).await;
}

#[tokio::test]
async fn missing_messages_are_named_from_redis() {
    missing_messages_are_named(redis().await).await;
}

#[tokio::test]
async fn missing_messages_are_named_from_databases() {
    missing_messages_are_named(sql::<Postgres>(postgres_database().await).await).await;
    missing_messages_are_named(sql::<MySql>(mariadb_database().await).await).await;
}

async fn old_lives_are_forgotten<DB: SqlDatabase>(url: String) {
    let store = sql::<DB>(url).await;
    let send = async |store: SqlTrace<DB>, id: &str, delay| {
        let queue = DelayQueue::new(MemoryDelayQueue::new()).with_trace(store);
        let message = DelayMessage::builder().id(id).body(0u64).delay(delay).build().unwrap();
        queue.send(QUEUE, &message).await.unwrap();
        assert!(!queue.trace(QUEUE, id).await.unwrap().is_empty());
        queue
    };
    send(store.clone(), "old", Duration::ZERO).await;
    send(store.clone(), "waits", Duration::from_secs(3600)).await;
    let brief = store.keep(Duration::from_millis(1));
    // What is old is looked for once a second.
    eventually(PATIENCE, async || {
        let queue = send(brief.clone(), &unique("new"), Duration::from_secs(7200)).await;
        let peeked = brief.pending(&QUEUE.try_into().unwrap(), far(), 1).await.unwrap();
        life(&queue, "old").await.is_empty() && peeked[0].id.as_str() == "waits"
    })
    .await;
}

#[tokio::test]
async fn databases_forget_the_oldest() {
    old_lives_are_forgotten::<Postgres>(postgres_database().await).await;
    old_lives_are_forgotten::<MySql>(mariadb_database().await).await;
}

#[tokio::test]
async fn the_memory_store_forgets_the_oldest() {
    let store = MemoryTrace::with_capacity(2);
    let queue = DelayQueue::new(MemoryDelayQueue::new()).with_trace(store.clone());
    for id in ["a", "b", "c"] {
        let message = DelayMessage::builder().id(id).body(0u64).build().unwrap();
        queue.send(QUEUE, &message).await.unwrap();
        queue.send(QUEUE, &message).await.unwrap();
    }
    assert_eq!(life(&queue, "a").await, [""; 0]);
    assert_eq!(life(&queue, "c").await, ["Scheduled", "Due", "Duplicate"]);
    assert_eq!(queue.peek(QUEUE, 10).await.unwrap().len(), 3, "the backend knows better");
    assert_eq!(store.pending(&QUEUE.try_into().unwrap(), far(), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_store_there_are_counts_but_no_lives() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
    assert_eq!(queue.trace(QUEUE, "a").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(queue.missing(QUEUE, Duration::ZERO, 1).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(queue.peek(QUEUE, 10).await.unwrap().len(), 1, "the backend can look");
    assert_eq!(queue.queues().await.unwrap(), [queue.name(QUEUE).unwrap()]);
    let snapshot = queue.snapshot(QUEUE).await.unwrap();
    assert_eq!((snapshot.counts.accepted, snapshot.stats.backlog), (1, 1));
    assert_eq!(queue.watch(QUEUE, Duration::ZERO, PATIENCE).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    let _ = queue.shutdown(PATIENCE).await;
    assert_eq!(queue.watch(QUEUE, PATIENCE, PATIENCE).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn quantiles_are_bounds_that_were_met() {
    let mut lateness = Lateness::default();
    assert_eq!(lateness.quantile(0.99), Duration::ZERO);
    lateness.counts[0] = 98;
    lateness.counts[4] = 1;
    lateness.counts[14] = 1;
    lateness.max = Duration::from_secs(90);
    assert_eq!(lateness.quantile(0.5), Duration::from_millis(1));
    assert_eq!(lateness.quantile(0.99), Duration::from_millis(20));
    assert_eq!(lateness.quantile(1.0), Duration::from_secs(90));
}
