//! The outbox: what commits is moved on, whatever dies on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod process;
mod restart;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use nebula_delay_queue::{
    DeadReason, DelayMessage, DelayQueue, DelayQueueConsumer, DelayQueueProducer, MemoryDelayQueue, MemoryLedger,
    Outbox, Priority, QueueName, RabbitDelayQueue, RawMessage, Received, RedisDelayQueue, Relay, RelayConfig,
    RetryPolicy, SqlDatabase, SqlDelayQueue,
    nebula_redis::RedisConfig,
    sqlx::{MySql, Postgres},
};
use nebula_test_support::{RabbitMq, amqp_url, eventually, mariadb_database, postgres_database, redis_url, unique};
use parking_lot::Mutex;
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(120);
const QUEUE: &str = "order.timeout";

fn name() -> QueueName {
    QUEUE.try_into().unwrap()
}

async fn enqueue<DB: SqlDatabase, T: serde::Serialize + Sync>(
    sql: &SqlDelayQueue<DB>,
    message: &DelayMessage<T>,
    commit: bool,
) {
    let outbox = Outbox::new(sql.clone());
    let mut tx = sql.pool().begin().await.unwrap();
    assert!(outbox.enqueue_in(&mut tx, &name(), message).await.unwrap().is_accepted());
    match commit {
        true => tx.commit().await.unwrap(),
        false => tx.rollback().await.unwrap(),
    }
    outbox.notify(&name());
}

async fn waiting<DB: SqlDatabase>(sql: &SqlDelayQueue<DB>) -> u64 {
    let stats = sql.stats(&"outbox.order.timeout".try_into().unwrap()).await.unwrap();
    stats.backlog + stats.delayed + stats.leased
}

async fn everything_about_a_message_is_kept<DB: SqlDatabase>(url: String) {
    let sql = common::queue::<DB>(&url).await;
    let config = RedisConfig::new(redis_url().await);
    let redis = RedisDelayQueue::new(config.connect().await.unwrap()).with_key_prefix(&unique("relay"));
    let due = SystemTime::now() + Duration::from_millis(1500);
    let message = DelayMessage::builder()
        .body("whole")
        .id("订单")
        .due_at(due)
        .priority(Priority::Low)
        .retry(RetryPolicy::exponential(7, Duration::from_secs(2)))
        .header("traceparent", "00-a-b-01")
        .expires_after(Duration::from_secs(77))
        .build()
        .unwrap();
    enqueue(&sql, &message, true).await;
    enqueue(&sql, &DelayMessage::builder().id("rolled back").body(1).build().unwrap(), false).await;
    // It waits for a while before anybody moves it: the delay counts on.
    sleep(Duration::from_millis(300)).await;
    let relay = Relay::new(sql.clone(), redis.clone()).queue(QUEUE).unwrap().start().unwrap();
    eventually(PATIENCE, async || relay.status().moved == 1).await;
    assert!(relay.status().lag >= Duration::from_millis(290), "{:?}", relay.status());
    assert_eq!(waiting(&sql).await, 0);

    let delivery = eventually(PATIENCE, async || {
        let claimed = redis.claim(&name(), 10, PATIENCE).await.unwrap();
        claimed.deliveries.into_iter().next().ok_or("nothing yet")
    })
    .await;
    assert!(SystemTime::now() >= due, "early");
    let apart = delivery.due.duration_since(due).unwrap_or_else(|error| error.duration());
    assert!(apart < Duration::from_secs(1), "due {apart:?} off");
    let RawMessage { id, body, priority, retry, headers, expires_after, .. } = delivery.message;
    assert_eq!((id.as_str(), &body[..], priority), ("订单", &br#""whole""#[..], Priority::Low));
    assert_eq!(retry, Some(RetryPolicy::exponential(7, Duration::from_secs(2))));
    assert_eq!(headers, BTreeMap::from([("traceparent".to_owned(), "00-a-b-01".to_owned())]));
    assert_eq!(expires_after, Some(Duration::from_secs(77)));
    assert!(relay.shutdown(PATIENCE).await);
    assert_eq!(redis.stats(&name()).await.unwrap().backlog, 0, "what was rolled back is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_to_redis_keeps_everything_about_a_message() {
    everything_about_a_message_is_kept::<Postgres>(postgres_database().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_to_redis_keeps_everything_about_a_message() {
    everything_about_a_message_is_kept::<MySql>(mariadb_database().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_though_relays_and_the_broker_die() {
    const COUNT: u64 = 400;
    let mut broker = RabbitMq::start().await;
    let url = postgres_database().await;
    let sql: SqlDelayQueue<Postgres> = common::queue(&url).await;
    let rabbit = RabbitDelayQueue::options(broker.url()).timeout(Duration::from_secs(5)).connect().await.unwrap();
    let rabbit = rabbit.with_ledger(MemoryLedger::new());
    let start = || {
        let relay = Relay::new(sql.clone(), rabbit.clone()).queue(QUEUE).unwrap();
        relay.batch(7).lease(Duration::from_secs(6)).start().unwrap()
    };
    let (mut doomed, steady) = (start(), start());
    let queue = DelayQueue::new(rabbit.clone());
    let seen = Arc::new(Mutex::new(BTreeMap::<u64, usize>::new()));
    let record = Arc::clone(&seen);
    let handler = move |number: Received<u64>| {
        *record.lock().entry(number.into_body()).or_default() += 1;
        std::future::ready(())
    };
    queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    for number in 0..COUNT {
        let delay = Duration::from_millis(number * 37 % 1500);
        let message = DelayMessage::builder().id(number.to_string()).body(number).delay(delay).build().unwrap();
        // Every tenth transaction does not commit.
        enqueue(&sql, &message, number % 10 != 9).await;
        if number % 100 == 50 {
            // Stopped wherever it is, and left to its leases.
            doomed.shutdown(Duration::ZERO).await;
            doomed = start();
        }
        if number == COUNT / 2 {
            // A broker that dies while it declares a quorum queue leaves one that answers nobody. These are declared now.
            eventually(PATIENCE, async || seen.lock().len() >= 60).await;
            broker.kill();
            sleep(Duration::from_millis(500)).await;
            broker.restart().await;
        }
    }
    eventually(PATIENCE, async || match waiting(&sql).await {
        0 => Ok(()),
        some => Err(format!("{some} are still in the outbox")),
    })
    .await;
    let expected: BTreeSet<u64> = (0..COUNT).filter(|number| number % 10 != 9).collect();
    eventually(PATIENCE, async || {
        let missing: Vec<_> = expected.iter().filter(|number| !seen.lock().contains_key(number)).collect();
        match missing[..] {
            [] => Ok(()),
            _ => Err(format!("{missing:?} have not come: {:?}", queue.stats(QUEUE).await)),
        }
    })
    .await;
    assert!(doomed.shutdown(PATIENCE).await && steady.shutdown(PATIENCE).await);
    queue.shutdown(PATIENCE).await;
    assert_eq!(seen.lock().keys().copied().collect::<BTreeSet<_>>(), expected, "no others");
    assert_eq!(sql.dead_letters(&"outbox.order.timeout".try_into().unwrap(), 0, 1).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_moved_already_is_a_duplicate_and_the_refused_is_a_dead_letter() {
    let (source, target) = (MemoryDelayQueue::new(), MemoryDelayQueue::new());
    let outbox = "outbox.order.timeout".try_into().unwrap();
    let moved = RawMessage::new("moved".try_into().unwrap(), "1");
    // A relay died between the confirmation and the acknowledgement.
    let _ = target.enqueue(&name(), moved.clone()).await.unwrap();
    let _ = source.enqueue(&outbox, moved).await.unwrap();
    let relay = Relay::new(source.clone(), target.clone()).queue(QUEUE).unwrap().start().unwrap();
    eventually(PATIENCE, async || relay.status().duplicates == 1).await;
    assert_eq!(target.stats(&name()).await.unwrap().backlog, 1);
    assert!(relay.shutdown(PATIENCE).await);

    // With its prefix, the name is too long for the broker's queues.
    let prefix = QueueName::new(unique(&"p".repeat(60))).unwrap();
    let rabbit = RabbitDelayQueue::options(amqp_url().await).queue_prefix(prefix).connect().await.unwrap();
    let long = QueueName::new("q".repeat(150)).unwrap();
    let outbox = QueueName::new(format!("outbox.{long}")).unwrap();
    let messages = ["a", "b"].map(|id| RawMessage::new(id.try_into().unwrap(), "1"));
    source.enqueue_batch(&outbox, messages.into()).await.unwrap();
    let relay = Relay::new(source.clone(), rabbit).queue(long).unwrap().start().unwrap();
    eventually(PATIENCE, async || relay.status().refused == 2).await;
    let dead = eventually(PATIENCE, async || {
        let dead = source.dead_letters(&outbox, 0, 10).await.unwrap();
        if dead.len() == 2 { Ok(dead) } else { Err(format!("{dead:?}")) }
    })
    .await;
    assert!(matches!(dead[0].reason, DeadReason::Rejected(_)));
    assert!(dead[0].last_error.as_deref().unwrap().contains("200 bytes"), "{dead:?}");
    assert!(relay.shutdown(PATIENCE).await);
}

#[tokio::test]
async fn a_relay_without_queues_is_refused() {
    let relay = Relay::new(MemoryDelayQueue::new(), MemoryDelayQueue::new());
    assert!(relay.start().is_err());
    let relay = Relay::new(MemoryDelayQueue::new(), MemoryDelayQueue::new());
    assert!(relay.queue("q".repeat(200).as_str()).is_err(), "no room for the prefix");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_before_anything_is_opened() {
    let connect = async |text: &str| {
        let config: RelayConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.connect().await.map(drop).map_err(|error| error.to_string())
    };
    let redis = r#""target": { "provider": "redis" }"#;
    for (text, expected) in [
        (
            format!(r#"{{ "queues": ["q"], "outbox": {{ "provider": "redis" }}, {redis} }}"#),
            "an outbox is in a database",
        ),
        (format!(r#"{{ "queues": ["q"], "outbox": {{}}, {redis} }}"#), "an outbox is in a database"),
        (r#"{ "queues": ["q"], "outbox": { "provider": "sqlite" }, "target": {} }"#.into(), "target.provider"),
        (format!(r#"{{ "queues": [], "outbox": {{ "provider": "sqlite" }}, {redis} }}"#), "at least one queue"),
        (format!(r#"{{ "queues": ["q"], "outbox": {{ "provider": "postgres" }}, {redis} }}"#), "postgres.url"),
        (format!(r#"{{ "queues": ["q"], "outbox": {{}}, {redis}, "lasts": 1 }}"#), "unknown field `lasts`"),
        (r#"{ "queues": ["q"], "outbox": {} }"#.into(), "missing field `target`"),
        (format!(r#"{{ "queues": ["no spaces"], "outbox": {{}}, {redis} }}"#), "no spaces"),
    ] {
        let error = connect(&text).await.unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let text = r#"{
        "queues": ["order.timeout"], "batch": 7, "lease": 2000, "outbox": { "provider": "sqlite" },
        "target": { "queue-prefix": "shop", "provider": "redis" }
    }"#;
    let config: RelayConfig = serde_json::from_str(text).unwrap();
    let (source, target) = (MemoryDelayQueue::new(), MemoryDelayQueue::new());
    let full: QueueName = "shop.order.timeout".try_into().unwrap();
    let message = RawMessage::new("1".try_into().unwrap(), "1");
    let _ = source.enqueue(&"outbox.shop.order.timeout".try_into().unwrap(), message).await.unwrap();
    let relay = config.connect_with(source, target.clone()).unwrap().start().unwrap();
    eventually(PATIENCE, async || target.stats(&full).await.unwrap().backlog == 1).await;
    assert!(relay.shutdown(PATIENCE).await);
}
