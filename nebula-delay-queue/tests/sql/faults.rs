//! PostgreSQL and MariaDB that are killed, frozen and cut off.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nebula_delay_queue::{
    DelayMessage, DelayQueue, ErrorKind, MessageId, Received, SqlDatabase, SqlDelayQueue,
    sqlx::{MySql, Postgres},
};
use nebula_test_support::{SqlEngine, SqlServer, TcpProxy, eventually};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use crate::common;

const PATIENCE: Duration = Duration::from_secs(120);
const QUEUE: &str = "order.timeout";

async fn backend<DB: SqlDatabase>(url: &str) -> SqlDelayQueue<DB> {
    common::queue(url).await.with_timeout(Duration::from_secs(2))
}

async fn every_confirmed_message_survives_the_death_of_the_server<DB: SqlDatabase>(engine: SqlEngine) {
    const COUNT: usize = 300;
    let mut server = SqlServer::start(engine).await;
    let queue = DelayQueue::new(backend::<DB>(&server.create_database().await).await);
    let seen = Arc::new(Mutex::new(HashMap::<MessageId, usize>::new()));
    let record = Arc::clone(&seen);
    let handler = move |message: Received<usize>| {
        *record.lock().entry(message.id().clone()).or_default() += 1;
        sleep(Duration::from_millis(2))
    };
    let lease = Duration::from_secs(2);
    queue.worker(QUEUE).unwrap().concurrency(4).lease(lease).handle(handler).start().unwrap();

    let confirmed = Arc::new(AtomicUsize::new(0));
    let sender = tokio::spawn({
        let (queue, confirmed) = (queue.clone(), Arc::clone(&confirmed));
        async move {
            let mut ids = Vec::new();
            for number in 0..COUNT {
                let delay = Duration::from_millis(number as u64 % 200);
                let message = DelayMessage::builder().body(number).delay(delay).build().unwrap();
                // Whoever is not sure that a message was stored sends it again.
                while let Err(error) = queue.send(QUEUE, &message).await {
                    assert!(error.is_retryable(), "{error:?}");
                    sleep(Duration::from_millis(20)).await;
                }
                ids.push(message.id().clone());
                confirmed.fetch_add(1, Ordering::SeqCst);
            }
            ids
        }
    });
    for deaths in 1..=2 {
        eventually(PATIENCE, async || confirmed.load(Ordering::SeqCst) > COUNT / 4 * deaths).await;
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.restart().await;
    }
    let ids = timeout(PATIENCE, sender).await.unwrap().unwrap();
    eventually(PATIENCE, async || match queue.stats(QUEUE).await {
        Ok(stats) if stats.backlog + stats.delayed + stats.leased == 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    queue.shutdown(PATIENCE).await;
    let seen = seen.lock().clone();
    let missing: Vec<_> = ids.iter().filter(|id| !seen.contains_key(id)).collect();
    assert!(missing.is_empty(), "confirmed and never delivered: {missing:?}");
    assert_eq!(queue.dead_letters(QUEUE, 0, 10).await.unwrap().len(), 0);
}

async fn a_frozen_server_is_an_error_by_the_deadline<DB: SqlDatabase>(engine: SqlEngine) {
    let server = SqlServer::start(engine).await;
    let queue = DelayQueue::new(backend::<DB>(&server.create_database().await).await);
    silent(&queue, || server.stop(), async || server.cont()).await;
}

async fn a_dead_link_is_an_error_by_the_deadline<DB: SqlDatabase>(engine: SqlEngine) {
    let server = SqlServer::start(engine).await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let direct = server.create_database().await;
    let url = direct.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
    assert_ne!(url, direct);
    let queue = DelayQueue::new(backend::<DB>(&url).await);
    silent(&queue, || proxy.black_hole(), async || proxy.heal().await).await;
}

/// A worker and senders live through a time in which nobody answers.
async fn silent(queue: &DelayQueue, break_it: impl FnOnce(), heal: impl AsyncFnOnce()) {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |number: Received<u64>| {
        told.send(number.into_body()).unwrap();
        async {}
    };
    queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(0u64)).await.unwrap();
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(0));

    break_it();
    // More than the pool has connections, one after the other: none may be lost to it.
    let lost = DelayMessage::new(1u64);
    for _ in 0..6 {
        let sent = timeout(PATIENCE, queue.send(QUEUE, &lost)).await.expect("an answer by the deadline");
        let error = sent.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error:?}");
        assert!(error.is_retryable());
    }
    assert!(timeout(PATIENCE, queue.health()).await.expect("an answer by the deadline").is_err());

    heal().await;
    eventually(PATIENCE, async || queue.send(QUEUE, &lost).await.map_err(|error| format!("{error:?}"))).await;
    assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some(1), "the worker is back as well");
    queue.shutdown(PATIENCE).await;
}

macro_rules! each {
    ($module:ident on $database:ty, $engine:expr => $($test:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$database>($engine).await;
            })+
        }
    };
    ($($test:ident),+ $(,)?) => {
        each!(postgres on Postgres, SqlEngine::Postgres => $($test),+);
        each!(mariadb on MySql, SqlEngine::MariaDb => $($test),+);
    };
}

each!(
    every_confirmed_message_survives_the_death_of_the_server,
    a_frozen_server_is_an_error_by_the_deadline,
    a_dead_link_is_an_error_by_the_deadline,
);
