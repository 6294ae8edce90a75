//! PostgreSQL and MariaDB: the caller's transaction, several processes, what ids and batches may be.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use nebula_delay_queue::{
    Cancel, DelayMessage, DelayQueue, Received, SendOutcome, SqlDatabase, SqlDelayQueue,
    sqlx::{self, MySql, Postgres},
};
use nebula_test_support::{eventually, mariadb_database, postgres_database};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::common;

const PATIENCE: Duration = Duration::from_secs(120);
const QUEUE: &str = "order.timeout";

async fn a_message_lives_and_dies_with_the_callers_transaction<DB: SqlDatabase>(url: String) {
    let sql = common::queue::<DB>(&url).await;
    let queue = DelayQueue::new(sql.clone());
    let name = queue.name(QUEUE).unwrap();
    let count = async || queue.stats(QUEUE).await.unwrap().backlog;
    let message = DelayMessage::builder().id("order:1").body(1u64).build().unwrap();
    let batch: Vec<_> = (2..1200u64).map(DelayMessage::new).collect();

    let mut tx = sql.pool().begin().await.unwrap();
    assert!(sql.enqueue_in(&mut tx, &name, &message).await.unwrap().is_accepted());
    let outcomes = sql.enqueue_batch_in(&mut tx, &name, &batch).await.unwrap();
    assert!(outcomes.iter().all(SendOutcome::is_accepted));
    assert_eq!(count().await, 0, "nobody sees it before the commit");
    tx.rollback().await.unwrap();
    assert_eq!(count().await, 0, "rolled back: no message");

    let mut tx = sql.pool().begin().await.unwrap();
    assert!(sql.enqueue_in(&mut tx, &name, &message).await.unwrap().is_accepted());
    // A duplicate is a value: the transaction goes on.
    let again = sql.enqueue_in(&mut tx, &name, &message).await.unwrap();
    assert_eq!(again, SendOutcome::Duplicate(message.id().clone()));
    let some = sql.enqueue_batch_in(&mut tx, &name, &batch[..700]).await.unwrap();
    assert!(some.iter().all(SendOutcome::is_accepted));
    let all = sql.enqueue_batch_in(&mut tx, &name, &batch).await.unwrap();
    assert_eq!(all.iter().filter(|outcome| outcome.is_accepted()).count(), batch.len() - 700);
    tx.commit().await.unwrap();
    assert_eq!(count().await, 1199);
}

async fn a_worker_hears_of_a_commit<DB: SqlDatabase>(url: String) {
    let sql = common::queue::<DB>(&url).await;
    let queue = DelayQueue::new(sql.clone());
    let name = queue.name(QUEUE).unwrap();
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |number: Received<u64>| {
        told.send(number.into_body()).unwrap();
        async {}
    };
    // So rarely that only the hint can be the reason.
    queue.worker(QUEUE).unwrap().poll_interval(Duration::from_secs(3600)).handle(handler).start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(0u64)).await.unwrap();
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(0));
    let mut tx = sql.pool().begin().await.unwrap();
    sql.enqueue_in(&mut tx, &name, &DelayMessage::new(1u64)).await.unwrap();
    tx.commit().await.unwrap();
    sql.notify(&name);
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(1));
    queue.shutdown(PATIENCE).await;
}

async fn several_processes_share_one_queue_and_every_message_is_handled_once<DB: SqlDatabase>(url: String) {
    const COUNT: u64 = 3000;
    // Each pool stands for a process: all of them migrate at once, send at once and work at once.
    let opened = (0..4u64).map(|number| {
        let url = url.clone();
        tokio::spawn(async move { (number, DelayQueue::new(common::queue::<DB>(&url).await)) })
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

async fn ids_differ_by_every_byte<DB: SqlDatabase>(url: String) {
    let queue = DelayQueue::new(common::queue::<DB>(&url).await);
    let ids = ["order", "Order", "order ", " order", "ordér", "order\\", "订单", "🎫", &"i".repeat(256)];
    let messages: Vec<_> = ids.iter().map(|id| DelayMessage::builder().id(*id).body(1u64).build().unwrap()).collect();
    for message in &messages[..4] {
        assert!(queue.send(QUEUE, message).await.unwrap().is_accepted(), "{}", message.id());
    }
    let outcomes = queue.send_batch(QUEUE, &messages).await.unwrap();
    let accepted: Vec<_> = outcomes.iter().map(SendOutcome::is_accepted).collect();
    assert_eq!(accepted, [false, false, false, false, true, true, true, true, true]);
    for id in ids {
        assert_eq!(queue.cancel(QUEUE, id).await.unwrap(), Cancel::Cancelled, "{id}");
    }
    assert_eq!(queue.stats(QUEUE).await.unwrap().backlog, 0);
}

async fn batches_of_the_largest_messages_are_stored<DB: SqlDatabase>(url: String) {
    let queue = DelayQueue::new(common::queue::<DB>(&url).await.with_timeout(PATIENCE));
    // As JSON with its quotes, a mebibyte.
    let body = "x".repeat(nebula_delay_queue::MAX_BODY_BYTES - 2);
    let header = "\"".repeat(nebula_delay_queue::MAX_HEADER_BYTES - 1);
    let messages: Vec<_> = (0..12)
        .map(|_| DelayMessage::builder().body(body.clone()).header("q", header.clone()).build().unwrap())
        .collect();
    assert!(queue.send(QUEUE, &messages[0]).await.unwrap().is_accepted());
    let outcomes = queue.send_batch(QUEUE, &messages).await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_accepted()).count(), 11);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |text: Received<String>| {
        told.send((text.header("q").unwrap().len(), text.into_body().len())).unwrap();
        async {}
    };
    queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    for _ in 0..12 {
        assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap().unwrap(), (header.len(), body.len()));
    }
    queue.shutdown(PATIENCE).await;
}

/// Two batches with the same ids in different orders: one of them gets each id, and neither waits for ever.
async fn colliding_batches_share_the_ids_out<DB: SqlDatabase>(url: String) {
    let (one, other) = (common::queue::<DB>(&url).await, common::queue::<DB>(&url).await);
    let message = |number: u64| DelayMessage::builder().id(number.to_string()).body(number).build().unwrap();
    let forth: Vec<_> = (0..500).map(message).collect();
    let back: Vec<_> = (0..500).rev().map(message).collect();
    let send = |sql: SqlDelayQueue<DB>, batch: Vec<DelayMessage<u64>>| {
        tokio::spawn(async move {
            let queue = DelayQueue::new(sql);
            eventually(PATIENCE, async || {
                let sent = queue.send_batch(QUEUE, &batch).await;
                sent.map_err(|error| if error.is_retryable() { format!("{error:?}") } else { panic!("{error:?}") })
            })
            .await
        })
    };
    let (one, other) = (send(one.clone(), forth), send(other, back));
    let (_, _) = (one.await.unwrap(), other.await.unwrap());
    let queue = DelayQueue::new(SqlDelayQueue::new(common::connect::<DB>(&url).await));
    assert_eq!(queue.stats(QUEUE).await.unwrap().backlog, 500);
}

macro_rules! each {
    ($module:ident on $database:ty, $url:ident => $($test:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$database>($url().await).await;
            })+
        }
    };
    ($($test:ident),+ $(,)?) => {
        each!(postgres on Postgres, postgres_database => $($test),+);
        each!(mariadb on MySql, mariadb_database => $($test),+);
    };
}

each!(
    a_message_lives_and_dies_with_the_callers_transaction,
    a_worker_hears_of_a_commit,
    several_processes_share_one_queue_and_every_message_is_handled_once,
    ids_differ_by_every_byte,
    batches_of_the_largest_messages_are_stored,
    colliding_batches_share_the_ids_out,
);

/// The server's clock is an hour ahead of this process's, or behind it: the same as a client whose clock is off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_clock_differs_by_an_hour_delivers_neither_early_nor_an_hour_late() {
    for ahead in ["+ interval '1 hour'", "- interval '1 hour'"] {
        let url = postgres_database().await;
        let plain = common::connect::<Postgres>(&url).await;
        let shadow = format!(
            "CREATE SCHEMA skewed; CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS \
             $$ SELECT pg_catalog.clock_timestamp() {ahead} $$"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(shadow)).execute(&plain).await.unwrap();
        let separator = if url.contains('?') { '&' } else { '?' };
        let skewed = format!("{url}{separator}options=-c%20search_path%3Dskewed,public,pg_catalog");
        let queue = DelayQueue::new(common::queue::<Postgres>(&skewed).await);
        let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let handler = move |message: Received<u64>| {
            told.send((message.due(), Instant::now())).unwrap();
            async {}
        };
        queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
        let (delay, sent, wall) = (Duration::from_millis(300), Instant::now(), SystemTime::now());
        let message = DelayMessage::builder().body(1u64).delay(delay).expires_after(PATIENCE).build().unwrap();
        queue.send(QUEUE, &message).await.unwrap();
        let (due, came) = timeout(PATIENCE, hears.recv()).await.expect("not after an hour").unwrap();
        assert!(came - sent >= delay, "early: {:?}", came - sent);
        let off = due.duration_since(wall).unwrap_or_else(|error| error.duration());
        assert!(off > Duration::from_secs(1800), "the clocks differ: {off:?}");
        queue.shutdown(PATIENCE).await;
    }
}
