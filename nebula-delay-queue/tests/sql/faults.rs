//! PostgreSQL and MariaDB that are killed, frozen and cut off.

use std::time::Duration;

use nebula_delay_queue::{
    DelayMessage, DelayQueue, ErrorKind, Received, SqlDatabase, SqlDelayQueue,
    sqlx::{MySql, Postgres},
};
use nebula_test_support::{SqlEngine, SqlServer, TcpProxy, eventually, mariadb_database, postgres_database};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    common,
    effects::{PATIENCE, QUEUE, Run},
    killed::{killed_workers_lose_nothing, poison_is_buried_and_its_neighbours_live},
};

async fn backend<DB: SqlDatabase>(url: &str) -> SqlDelayQueue<DB> {
    common::queue(url).await.with_timeout(Duration::from_secs(2))
}

async fn every_confirmed_message_survives_the_death_of_the_server_and_takes_effect_once<DB: SqlDatabase>(
    engine: SqlEngine,
) {
    let mut server = SqlServer::start(engine).await;
    let queue = DelayQueue::new(backend::<DB>(&server.create_database().await).await);
    let run = Run::start(queue, 300, Duration::from_millis(200), Duration::from_secs(2));
    run.deaths(async || {
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.restart().await;
    })
    .await;
}

/// Queues on a server behind a proxy.
async fn proxied<DB: SqlDatabase>(engine: SqlEngine) -> (SqlServer, TcpProxy, DelayQueue) {
    let server = SqlServer::start(engine).await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let direct = server.create_database().await;
    let url = direct.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
    assert_ne!(url, direct);
    let queue = DelayQueue::new(backend::<DB>(&url).await);
    (server, proxy, queue)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_half_open_connections_lose_nothing() {
    let (_server, proxy, queue) = proxied::<Postgres>(SqlEngine::Postgres).await;
    let run = Run::start(queue, 300, Duration::from_millis(200), Duration::from_secs(2));
    run.cuts(&proxy, Duration::from_secs(1)).await;
}

async fn a_frozen_server_is_an_error_by_the_deadline<DB: SqlDatabase>(engine: SqlEngine) {
    let server = SqlServer::start(engine).await;
    let queue = DelayQueue::new(backend::<DB>(&server.create_database().await).await);
    silent(&queue, || server.stop(), async || server.cont()).await;
}

async fn a_dead_link_is_an_error_by_the_deadline<DB: SqlDatabase>(engine: SqlEngine) {
    let (_server, proxy, queue) = proxied::<DB>(engine).await;
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
    every_confirmed_message_survives_the_death_of_the_server_and_takes_effect_once,
    a_frozen_server_is_an_error_by_the_deadline,
    a_dead_link_is_an_error_by_the_deadline,
);

async fn postgres() -> Value {
    json!({ "provider": "postgres", "postgres": { "url": postgres_database().await } })
}

async fn mariadb() -> Value {
    json!({ "provider": "mysql", "mysql": { "url": mariadb_database().await } })
}

fn sqlite(folder: &TempDir) -> Value {
    json!({ "provider": "sqlite", "sqlite": { "path": folder.path().join("queue.db") } })
}

mod killed_processes_lose_no_message_and_every_effect_comes_once {
    use super::*;

    async fn run(test: &str, queue: impl AsyncFnOnce() -> Value) {
        // As the test harness calls the tests of this module.
        let test = format!("faults::killed_processes_lose_no_message_and_every_effect_comes_once::{test}");
        killed_workers_lose_nothing(&test, (240, 3, 20), queue).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        run("postgres", super::postgres).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn mariadb() {
        run("mariadb", super::mariadb).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        let folder = tempfile::tempdir().unwrap();
        run("sqlite", async || super::sqlite(&folder)).await;
    }
}

mod a_message_that_kills_its_worker_is_buried_and_its_neighbours_live {
    use super::*;

    async fn run(test: &str, queue: impl AsyncFnOnce() -> Value) {
        let test = format!("faults::a_message_that_kills_its_worker_is_buried_and_its_neighbours_live::{test}");
        let died = poison_is_buried_and_its_neighbours_live(&test, queue).await;
        // An attempt whose lease ended before it began has killed nobody.
        assert!(died.is_none_or(|(deaths, dead)| (1..=3).contains(&deaths) && dead == 1), "three attempts: {died:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        run("postgres", super::postgres).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn mariadb() {
        run("mariadb", super::mariadb).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        let folder = tempfile::tempdir().unwrap();
        run("sqlite", async || super::sqlite(&folder)).await;
    }
}
