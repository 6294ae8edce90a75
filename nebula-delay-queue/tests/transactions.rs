//! SQLite: the caller's transaction, several processes on one file, damaged rows, clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use nebula_delay_queue::{
    Clock, DeadReason, DelayMessage, DelayQueue, DelayQueueConsumer, DelayQueueProducer, ErrorKind, Received,
    SendOutcome, SqlDelayQueue,
    sqlx::{self, SqlitePool},
};
use nebula_test_support::eventually;
use parking_lot::Mutex;
use tokio::time::timeout;

mod common;

const PATIENCE: Duration = Duration::from_secs(60);
const QUEUE: &str = "order.timeout";

async fn migrated() -> (tempfile::TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let pool = common::pool(&folder.path().join("shop.db")).await;
    SqlDelayQueue::migrate(&pool).await.unwrap();
    (folder, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_lives_and_dies_with_the_callers_transaction() {
    let (_folder, pool) = migrated().await;
    sqlx::query("CREATE TABLE shop_order (id INTEGER)").execute(&pool).await.unwrap();
    let sql = SqlDelayQueue::new(pool.clone());
    let queue = DelayQueue::new(sql.clone());
    let name = queue.name(QUEUE).unwrap();
    let count = async || {
        let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM shop_order").fetch_one(&pool).await.unwrap();
        (orders, queue.stats(QUEUE).await.unwrap().backlog)
    };
    let message = DelayMessage::builder().id("order:1").body(1u64).build().unwrap();
    let batch: Vec<_> = (2..1200u64).map(DelayMessage::new).collect();

    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("INSERT INTO shop_order VALUES (1)").execute(&mut *tx).await.unwrap();
    assert!(sql.enqueue_in(&mut tx, &name, &message).await.unwrap().is_accepted());
    let outcomes = sql.enqueue_batch_in(&mut tx, &name, &batch).await.unwrap();
    assert!(outcomes.iter().all(SendOutcome::is_accepted));
    assert_eq!(count().await, (0, 0), "nobody sees it before the commit");
    tx.rollback().await.unwrap();
    assert_eq!(count().await, (0, 0), "rolled back: no message");

    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("INSERT INTO shop_order VALUES (1)").execute(&mut *tx).await.unwrap();
    assert!(sql.enqueue_in(&mut tx, &name, &message).await.unwrap().is_accepted());
    let again = sql.enqueue_in(&mut tx, &name, &message).await.unwrap();
    assert_eq!(again, SendOutcome::Duplicate(message.id().clone()));
    sql.enqueue_batch_in(&mut tx, &name, &batch).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count().await, (1, 1199));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_hears_of_a_commit() {
    let (_folder, pool) = migrated().await;
    let sql = SqlDelayQueue::new(pool.clone());
    let queue = DelayQueue::new(sql.clone());
    let name = queue.name(QUEUE).unwrap();
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |number: Received<u64>| {
        told.send(number.into_body()).unwrap();
        async {}
    };
    // So rarely that only the hint can be the reason.
    let worker = queue.worker(QUEUE).unwrap().poll_interval(Duration::from_secs(3600)).handle(handler);
    let worker = worker.start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(0u64)).await.unwrap();
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(0));
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sql.enqueue_in(&mut tx, &name, &DelayMessage::new(1u64)).await.unwrap();
    tx.commit().await.unwrap();
    sql.notify(&name);
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(1));
    worker.shutdown(PATIENCE).await;

    // Without the hint the poll finds it.
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |number: Received<u64>| {
        told.send(number.into_body()).unwrap();
        async {}
    };
    queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sql.enqueue_in(&mut tx, &name, &DelayMessage::new(2u64)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(2));
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_pools_share_one_file_and_every_message_is_handled_once() {
    const COUNT: u64 = 1500;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shared.db");
    // Whoever turns a new file to WAL wants it alone, and SQLite does not wait for that.
    common::pool(&file).await.close().await;
    // Each pool stands for a process: all of them migrate at once, send at once and work at once.
    let opened = (0..4u64).map(|number| {
        let file = file.clone();
        tokio::spawn(async move {
            let pool = common::pool(&file).await;
            SqlDelayQueue::migrate(&pool).await.unwrap();
            SqlDelayQueue::migrate(&pool).await.unwrap();
            (number, DelayQueue::new(SqlDelayQueue::new(pool)))
        })
    });
    let mut queues = Vec::new();
    for opening in opened.collect::<Vec<_>>() {
        queues.push(opening.await.unwrap());
    }
    let seen = Arc::new(Mutex::new(Vec::<u64>::new()));
    let mut senders = Vec::new();
    for (number, queue) in &queues {
        let record = Arc::clone(&seen);
        let handler = move |number: Received<u64>| {
            record.lock().push(number.into_body());
            async {}
        };
        queue.worker(QUEUE).unwrap().concurrency(8).prefetch(56).lease(PATIENCE).handle(handler).start().unwrap();
        let (queue, number) = (queue.clone(), *number);
        senders.push(tokio::spawn(async move {
            let mine: Vec<_> = (0..COUNT).filter(|each| each % 4 == number).map(DelayMessage::new).collect();
            for batch in mine.chunks(20) {
                let outcomes = queue.send_batch(QUEUE, batch).await.unwrap();
                assert!(outcomes.iter().all(SendOutcome::is_accepted));
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    eventually(PATIENCE, async || {
        let stats = queues[0].1.stats(QUEUE).await.unwrap();
        if stats.backlog + stats.leased == 0 { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
    for (_, queue) in &queues {
        assert_eq!(queue.shutdown(PATIENCE).await.unsettled, 0);
    }
    let seen = seen.lock();
    assert_eq!(seen.len() as u64, COUNT, "none twice");
    assert_eq!(seen.iter().collect::<HashSet<_>>().len() as u64, COUNT, "none missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_is_a_retryable_error_by_the_deadline() {
    let (folder, pool) = migrated().await;
    let other = common::pool(&folder.path().join("shop.db")).await;
    let queue = DelayQueue::new(SqlDelayQueue::new(other).with_timeout(Duration::from_millis(200)));
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let message = DelayMessage::new(1u64);
    let error = timeout(PATIENCE, queue.send(QUEUE, &message)).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Busy), "{error:?}");
    assert!(error.is_retryable());
    lock.rollback().await.unwrap();
    eventually(PATIENCE, async || queue.send(QUEUE, &message).await.map_err(|error| format!("{error:?}"))).await;
    assert_eq!(queue.stats(QUEUE).await.unwrap().backlog, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_rows_do_not_block_the_others() {
    let (_folder, pool) = migrated().await;
    let sql = SqlDelayQueue::new(pool.clone());
    let queue = DelayQueue::new(sql.clone());
    for id in ["damaged", "good"] {
        queue.send(QUEUE, &DelayMessage::builder().id(id).body(1u64).build().unwrap()).await.unwrap();
    }
    sqlx::query("UPDATE nebula_delay_message SET envelope = 'junk' WHERE id = 'damaged'").execute(&pool).await.unwrap();
    let claimed = sql.claim(&queue.name(QUEUE).unwrap(), 10, PATIENCE).await.unwrap();
    assert_eq!(claimed.deliveries.len(), 1);
    assert_eq!(claimed.deliveries[0].message.id.as_str(), "good");
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    assert_eq!((dead[0].message.id.as_str(), &dead[0].reason), ("damaged", &DeadReason::Undecodable));
    assert_eq!(&dead[0].message.body[..], b"1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_tables_is_not_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let pool = common::pool(&folder.path().join("empty.db")).await;
    let queue = DelayQueue::new(SqlDelayQueue::new(pool.clone()));
    assert_eq!(queue.health().await.unwrap_err().kind(), ErrorKind::Backend);
    SqlDelayQueue::migrate(&pool).await.unwrap();
    queue.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applications_tests_jump_ahead_on_a_clock_of_their_own() {
    #[derive(Clone, Debug)]
    struct Manual(Arc<Mutex<SystemTime>>);
    impl Clock for Manual {
        fn now(&self) -> SystemTime {
            *self.0.lock()
        }
    }
    let (_folder, pool) = migrated().await;
    let clock = Manual(Arc::new(Mutex::new(SystemTime::now())));
    let sql = SqlDelayQueue::new(pool).with_clock(clock.clone());
    let name = nebula_delay_queue::QueueName::new(QUEUE).unwrap();
    let message = DelayMessage::builder().body(1u64).delay(Duration::from_secs(900)).build().unwrap();
    let _ = sql.enqueue(&name, message.encode().unwrap()).await.unwrap();
    *clock.0.lock() += Duration::from_secs(899);
    assert_eq!(sql.claim(&name, 1, PATIENCE).await.unwrap().deliveries.len(), 0);
    *clock.0.lock() += Duration::from_millis(1001);
    assert_eq!(sql.claim(&name, 1, PATIENCE).await.unwrap().deliveries.len(), 1);
}

/// A pass over the queue would make an operation slower the more messages wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_goes_straight_to_its_rows() {
    let (_folder, pool) = migrated().await;
    let statements = [
        ("next", include_str!("../src/sql/sqlite/next.sql")),
        ("claim", include_str!("../src/sql/sqlite/claim.sql")),
        ("ack", include_str!("../src/sql/sqlite/ack.sql")),
        ("retry", include_str!("../src/sql/sqlite/retry.sql")),
        ("extend", include_str!("../src/sql/sqlite/extend.sql")),
        ("bury", include_str!("../src/sql/sqlite/bury.sql")),
        ("cancel", include_str!("../src/sql/sqlite/cancel.sql")),
        ("reschedule", include_str!("../src/sql/sqlite/reschedule.sql")),
        ("dead", include_str!("../src/sql/sqlite/dead.sql")),
        ("replay", include_str!("../src/sql/sqlite/replay.sql")),
        ("purge", include_str!("../src/sql/sqlite/purge.sql")),
        ("stats", include_str!("../src/sql/sqlite/stats.sql")),
    ];
    for (name, statement) in statements {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let mut query = sqlx::query_as::<_, (i64, i64, i64, String)>(explain);
        for _ in 0..(1..=6).rev().find(|number| statement.contains(&format!("?{number}"))).unwrap() {
            query = query.bind("[]");
        }
        let plan: Vec<_> = query.fetch_all(&pool).await.unwrap().into_iter().map(|(.., step)| step).collect();
        // `stats` counts a whole queue; everything else goes straight to its rows.
        let direct = ["rowid=?", " AND id=?", " AND at_ms", " AND died_ms"];
        let direct = |step: &str| name == "stats" || direct.iter().any(|column| step.contains(column));
        let on_messages = |step: &&String| step.contains("nebula_delay_message") || step.contains(" m ");
        let touched: Vec<_> = plan.iter().filter(on_messages).collect();
        assert!(!touched.is_empty(), "{name}: {plan:#?}");
        for step in touched {
            assert!(step.starts_with("SEARCH") && direct(step), "{name}: {plan:#?}");
        }
    }
}
