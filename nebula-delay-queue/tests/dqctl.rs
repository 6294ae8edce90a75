//! The example `dqctl` against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../examples/dqctl.rs"]
#[allow(dead_code, reason = "its `main` is not called")]
mod dqctl;

use std::time::Duration;

use nebula_delay_queue::{
    DelayMessage, DelayQueue, DelayQueueConfig, Error, ErrorKind, Outcome, RabbitDelayQueue, Received, RedisLedger,
    RedisTrace, SqlTrace, nebula_redis::RedisConfig, sqlx::SqlitePool,
};
use nebula_test_support::{RedisServer, amqp_url, eventually, mariadb_database, postgres_database, redis_url, unique};

const PATIENCE: Duration = Duration::from_secs(60);

async fn dqctl(arguments: &[&str]) -> String {
    let mut out = Vec::new();
    dqctl::run(arguments, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn fill(queue: &DelayQueue, name: &str) {
    let refuse = |_: Received<u64>| async { Outcome::DeadLetter("hopeless".into()) };
    let worker = queue.worker(name).unwrap().handle(refuse).start().unwrap();
    for id in ["a", "b", "c"] {
        queue.send(name, &DelayMessage::builder().id(id).body(1u64).build().unwrap()).await.unwrap();
    }
    eventually(PATIENCE, async || queue.stats(name).await.unwrap().dead == 3).await;
    worker.shutdown(PATIENCE).await;
    let later = DelayMessage::builder().id("later").body(1u64).delay(Duration::from_secs(3600)).build().unwrap();
    queue.send(name, &later).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_on_redis_are_looked_into_and_mended() {
    let server = RedisServer::start().await;
    let url = server.url();
    let store = RedisTrace::new(RedisConfig::new(&url).connect().await.unwrap());
    let queue = DelayQueueConfig::redis(&url).connect().await.unwrap().with_trace(store);
    fill(&queue, "order.timeout").await;
    // Written beside the work.
    assert_eq!(queue.trace("order.timeout", "a").await.unwrap().len(), 4);

    let traced = |command: &[&'static str]| [&[url.as_str(), "--trace", url.as_str()], command].concat();
    // With and without the lives of messages: Redis itself can be looked into.
    for store in [&[][..], &["--trace", url.as_str()]] {
        let list = dqctl(&[&[url.as_str()], store, &["list"]].concat()).await;
        assert!(list.starts_with("order.timeout total=1 due=0 overdue=0 delayed=1 leased=0 dead=3"), "{list}");
        let peek = dqctl(&[&[url.as_str()], store, &["peek", "order.timeout"]].concat()).await;
        assert!(peek.starts_with("later due ") && peek.lines().count() == 1, "{peek}");
    }
    let life = dqctl(&traced(&["trace", "order.timeout", "a"])).await;
    assert!(
        life.lines().count() == 4
            && life.contains("scheduled")
            && life.contains(" \"due\"\n")
            && life.contains("hopeless"),
        "{life}"
    );
    let dead = dqctl(&[&url, "dead", "order.timeout", "2"]).await;
    assert!(dead.lines().count() == 2 && dead.contains("after 1 attempts: rejected: hopeless"), "{dead}");
    assert_eq!(dqctl(&[&url, "replay", "order.timeout", "b"]).await, "b replayed\n");
    assert_eq!(dqctl(&[&url, "replay", "order.timeout", "b"]).await, "b is no dead letter\n");
    assert_eq!(dqctl(&[&url, "replay", "order.timeout", "--all"]).await, "2 replayed\n");
    assert_eq!(dqctl(&[&url, "cancel", "order.timeout", "later"]).await, "later cancelled\n");
    assert_eq!(dqctl(&[&url, "cancel", "order.timeout", "later"]).await, "later is unknown, or a worker has it\n");
    let stats = dqctl(&[&url, "stats", "order.timeout"]).await;
    assert!(stats.starts_with("order.timeout total=3 due=3 overdue="), "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_on_rabbitmq_are_looked_into_and_mended() {
    let (url, name) = (amqp_url().await, unique("dqctl"));
    fill(&DelayQueueConfig::rabbitmq(&url).connect().await.unwrap(), &name).await;
    let stats = dqctl(&[&url, "stats", &name]).await;
    assert!(
        stats.starts_with(&format!("{name} total=unknown due=0 overdue=unknown delayed=unknown leased=0 dead=3")),
        "{stats}"
    );
    assert_eq!(dqctl(&[&url, "dead", &name]).await.lines().count(), 3);
    assert_eq!(dqctl(&[&url, "replay", &name, "--all"]).await, "3 replayed\n");
    let mut out = Vec::new();
    let refused = dqctl::run(&[&url, "cancel", &name, "later"], &mut out).await.unwrap_err();
    assert!(refused.to_string().contains("not supported"), "{refused}");
    // What a broker does not show has to come from elsewhere, and it is said from where.
    for command in [&["list"][..], &["peek", &name]] {
        let refused = dqctl::run(&[&[url.as_str()], command].concat(), &mut out).await.unwrap_err();
        let kind = refused.downcast_ref::<Error>().map(Error::kind);
        assert_eq!(kind, Some(ErrorKind::Unsupported), "{refused}");
        assert!(refused.to_string().contains("trace store"), "{refused}");
    }
    assert!(out.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_on_rabbitmq_with_a_ledger_are_looked_into_and_mended() {
    let (url, redis, name) = (amqp_url().await, redis_url().await, unique("dqctl"));
    let ledger = RedisLedger::new(RedisConfig::new(&redis).connect().await.unwrap());
    let rabbit = RabbitDelayQueue::options(&url).connect().await.unwrap();
    fill(&DelayQueue::new(rabbit.with_ledger(ledger)), &name).await;
    let indexed = async |command: &[&str]| dqctl(&[&[&url, "--ledger", &redis], command].concat()).await;
    let stats = indexed(&["stats", &name]).await;
    assert!(stats.starts_with(&format!("{name} total=1 due=0 overdue=0 delayed=1 leased=0 dead=3")), "{stats}");
    assert_eq!(indexed(&["cancel", &name, "later"]).await, "later cancelled\n");
    assert_eq!(indexed(&["cancel", &name, "later"]).await, "later is unknown, or a worker has it\n");
    assert_eq!(indexed(&["replay", &name, "--all"]).await, "3 replayed\n");
    let stats = indexed(&["stats", &name]).await;
    assert!(stats.starts_with(&format!("{name} total=3 due=3 overdue=")), "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_in_databases_are_looked_into_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db").to_str().unwrap().to_owned();
    for (config, url) in [
        (DelayQueueConfig::postgres as fn(String) -> DelayQueueConfig, postgres_database().await),
        (DelayQueueConfig::mysql, mariadb_database().await),
        (DelayQueueConfig::sqlite, file),
    ] {
        fill(&config(url.clone()).connect().await.unwrap(), "order.timeout").await;
        let stats = dqctl(&[&url, "stats", "order.timeout"]).await;
        assert!(stats.starts_with("order.timeout total=1 due=0 overdue=0 delayed=1 leased=0 dead=3"), "{stats}");
        assert_eq!(dqctl(&[&url, "list"]).await, stats);
        let peek = dqctl(&[&url, "peek", "order.timeout"]).await;
        assert!(peek.starts_with("later due ") && peek.lines().count() == 1, "{peek}");
        assert_eq!(dqctl(&[&url, "dead", "order.timeout", "2"]).await.lines().count(), 2);
        assert_eq!(dqctl(&[&url, "replay", "order.timeout", "a"]).await, "a replayed\n");
        assert_eq!(dqctl(&[&url, "replay", "order.timeout", "--all"]).await, "2 replayed\n");
        assert_eq!(dqctl(&[&url, "cancel", "order.timeout", "later"]).await, "later cancelled\n");
        let stats = dqctl(&[&url, "stats", "order.timeout"]).await;
        assert!(stats.starts_with("order.timeout total=3 due=3 overdue="), "{stats}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_in_a_database_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.db").to_str().unwrap().to_owned();
    let queue = DelayQueueConfig::sqlite(&file).connect().await.unwrap();
    let store = SqlTrace::new(SqlitePool::connect(&file).await.unwrap());
    let queue = queue.with_trace(store);
    fill(&queue, "order.timeout").await;
    assert_eq!(queue.trace("order.timeout", "a").await.unwrap().len(), 4);
    let traced = |command: &[&'static str]| [&[file.as_str(), "--trace", file.as_str()], command].concat();
    let list = dqctl(&[&file, "list"]).await;
    assert!(list.starts_with("order.timeout total=1 due=0 overdue=0 delayed=1 leased=0 dead=3"), "{list}");
    let peek = dqctl(&[&file, "peek", "order.timeout"]).await;
    assert!(peek.starts_with("later due ") && peek.lines().count() == 1, "{peek}");
    let life = dqctl(&traced(&["trace", "order.timeout", "a"])).await;
    assert!(
        life.lines().count() == 4
            && life.contains("scheduled")
            && life.contains(" \"due\"\n")
            && life.contains("hopeless"),
        "{life}"
    );
}

#[tokio::test]
async fn nonsense_is_refused() {
    let mut out = Vec::new();
    for nonsense in [&[][..], &["http://x", "list"], &["no/such/file", "list"], &["redis://127.0.0.1:1/", "bake"]] {
        assert!(dqctl::run(nonsense, &mut out).await.is_err());
    }
    assert!(out.is_empty());
}
