//! Relays that are processes of their own, and are killed wherever they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use nebula_delay_queue::{
    DelayMessage, DelayQueueConfig, Outbox, Received, RedisIdempotency, RelayConfig, SqlDatabase, SqlDelayQueue,
    nebula_redis::RedisConfig,
    sqlx::{Postgres, Sqlite},
};
use nebula_test_support::{eventually, postgres_database, redis_url, unique};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{PATIENCE, QUEUE, common, name, waiting};

const CONFIG: &str = "NEBULA_TEST_RELAY_CONFIG";
const SELF: &str = "process::killed_relays_lose_nothing_from_postgres_to_redis";
const COUNT: u64 = 900;
const KILLS: u64 = 12;

/// This very program, being a relay.
fn spawn(config: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([SELF, "--exact"]).env(CONFIG, config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

async fn be_a_relay(config: &str) {
    let config: RelayConfig = serde_json::from_str(config).unwrap();
    let _relay = config.connect().await.unwrap().start().unwrap();
    sleep(PATIENCE).await;
}

/// Stores all messages, of which those of every tenth transaction do not commit.
async fn store<DB: SqlDatabase>(sql: SqlDelayQueue<DB>, begin: &'static str) {
    let outbox = Outbox::new(sql.clone());
    for start in (0..COUNT).step_by(3) {
        let mut tx = sql.pool().begin_with(begin).await.unwrap();
        for number in start..start + 3 {
            let delay = Duration::from_millis(number * 37 % 400);
            let message = DelayMessage::builder().id(number.to_string()).body(number).delay(delay).build().unwrap();
            assert!(outbox.enqueue_in(&mut tx, &name(), &message).await.unwrap().is_accepted());
        }
        match commits(start) {
            true => tx.commit().await.unwrap(),
            false => tx.rollback().await.unwrap(),
        }
    }
}

fn commits(number: u64) -> bool {
    number / 3 % 10 != 9
}

async fn killed_relays_lose_nothing<DB: SqlDatabase>(
    sql: SqlDelayQueue<DB>,
    begin: &'static str,
    outbox: serde_json::Value,
) {
    let (url, prefix) = (redis_url().await, unique("relays"));
    let target = serde_json::json!({ "provider": "redis", "redis": { "url": url, "key-prefix": prefix } });
    let config = serde_json::json!(
        { "queues": [QUEUE], "batch": 5, "lease": "2s", "outbox": outbox, "target": target });
    let config = config.to_string();

    let queue = serde_json::from_value::<DelayQueueConfig>(target).unwrap().connect().await.unwrap();
    let marks = RedisIdempotency::new(RedisConfig::new(url).connect().await.unwrap()).with_key_prefix(&prefix);
    let effects = Arc::new(Mutex::new(BTreeMap::<u64, usize>::new()));
    let record = Arc::clone(&effects);
    let handler = move |number: Received<u64>| {
        *record.lock().entry(number.into_body()).or_default() += 1;
        std::future::ready(())
    };
    queue.worker(QUEUE).unwrap().concurrency(8).handle(handler).idempotent(marks).start().unwrap();
    let stored = tokio::spawn(store(sql.clone(), begin));

    for round in 1..=KILLS {
        let mut relay = spawn(&config);
        // It is killed while it moves messages: they go on coming.
        eventually(PATIENCE, async || match effects.lock().len() as u64 {
            count if count >= round * 50 => Ok(()),
            count => Err(format!("{count} effects in round {round}")),
        })
        .await;
        relay.kill().unwrap();
        relay.wait().unwrap();
    }
    let mut last = spawn(&config);
    stored.await.unwrap();
    eventually(PATIENCE, async || match waiting(&sql).await {
        0 => Ok(()),
        some => Err(format!("{some} are still in the outbox")),
    })
    .await;
    let expected: BTreeSet<u64> = (0..COUNT).filter(|number| commits(*number)).collect();
    eventually(PATIENCE, async || {
        let missing = expected.iter().filter(|number| !effects.lock().contains_key(number)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} have not come")) }
    })
    .await;
    // What came twice has been passed over by now.
    eventually(PATIENCE, async || {
        let stats = queue.stats(QUEUE).await.unwrap();
        if stats.backlog + stats.delayed + stats.leased == 0 { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
    last.kill().unwrap();
    last.wait().unwrap();
    assert_eq!(queue.shutdown(PATIENCE).await.unsettled, 0);
    let effects = effects.lock();
    assert_eq!(effects.keys().copied().collect::<BTreeSet<_>>(), expected, "no others");
    let twice: Vec<_> = effects.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "one effect each: {twice:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_relays_lose_nothing_from_postgres_to_redis() {
    if let Ok(config) = std::env::var(CONFIG) {
        return be_a_relay(&config).await;
    }
    let url = postgres_database().await;
    let outbox = serde_json::json!({ "provider": "postgres", "postgres": { "url": url } });
    killed_relays_lose_nothing::<Postgres>(common::queue(&url).await, "BEGIN", outbox).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_relays_lose_nothing_from_sqlite_to_redis() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outbox.db");
    let pool = common::pool(&file).await;
    SqlDelayQueue::migrate(&pool).await.unwrap();
    let outbox = serde_json::json!({ "provider": "sqlite", "sqlite": { "path": file } });
    killed_relays_lose_nothing::<Sqlite>(SqlDelayQueue::new(pool), "BEGIN IMMEDIATE", outbox).await;
}
