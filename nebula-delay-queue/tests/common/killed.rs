//! Workers that are processes of their own, and are killed. Their effects are rows of a database, written together with the
//! marks of what took effect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(dead_code, reason = "not every test file needs everything")]

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nebula_delay_queue::{
    DeadReason, DelayMessage, DelayQueue, DelayQueueConfig, Idempotent, MessageId, Received, RetryPolicy,
    SqlIdempotency, listener_fn,
    sqlx::{self, PgPool, Postgres, postgres::PgPoolOptions},
};
use nebula_test_support::{eventually, postgres_database};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::effects::{PATIENCE, QUEUE, idle, send};

const JOB: &str = "NEBULA_TEST_WORKER_JOB";

/// The message that kills its worker.
pub(crate) const POISON: u64 = 666;

/// What a process has to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The test that the process takes itself for.
    pub(crate) test: String,
    /// The section `nebula.delay-queue` of its configuration.
    pub(crate) queue: Value,
    /// The database of effects and marks.
    pub(crate) effects: String,
    pub(crate) concurrency: usize,
    pub(crate) retries: u32,
}

impl Job {
    /// What this process has to do, if it is one of those.
    pub(crate) fn mine() -> Option<Self> {
        std::env::var(JOB).ok().map(|job| serde_json::from_str(&job).unwrap())
    }

    /// Leases are short, as what a killed process held comes back when they end.
    pub(crate) async fn work(self) {
        let queue = connect(&self.queue).await;
        let pool: PgPool = PgPoolOptions::new().max_connections(4).connect(&self.effects).await.unwrap();
        let marks = SqlIdempotency::<Postgres>::new(pool.clone());
        let store = marks.clone();
        let handler = move |message: Received<u64>| {
            let (pool, marks) = (pool.clone(), marks.clone());
            async move {
                if *message.body() == POISON {
                    std::process::abort();
                }
                let mut tx = pool.begin().await?;
                if marks.finish_in(&mut tx, message.queue(), message.id()).await? {
                    let effect = sqlx::query("INSERT INTO effect VALUES ($1)").bind(message.id().as_str());
                    effect.execute(&mut *tx).await?;
                    tx.commit().await?;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            }
        };
        let listener = Idempotent::new(listener_fn(handler), store).lease(Duration::from_millis(500));
        let worker = queue.worker(QUEUE).unwrap().concurrency(self.concurrency).prefetch(self.concurrency - 1);
        let worker = worker.lease(Duration::from_millis(1500)).retry(RetryPolicy::fixed(self.retries, Duration::ZERO));
        worker.listener(listener).start().unwrap();
        sleep(PATIENCE * 2).await;
    }

    /// This very program, being a worker.
    pub(crate) fn spawn(&self) -> Killed {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([&self.test, "--exact"])
            .env(JOB, serde_json::to_string(self).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Killed(child.unwrap())
    }
}

/// A process that is killed when it is dropped, if it is still there.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What took effect.
pub(crate) struct Effects {
    pub(crate) url: String,
    pool: PgPool,
}

impl Effects {
    pub(crate) async fn new() -> Self {
        let url = postgres_database().await;
        let pool: PgPool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
        SqlIdempotency::migrate(&pool).await.unwrap();
        sqlx::query("CREATE TABLE effect (id TEXT NOT NULL)").execute(&pool).await.unwrap();
        Self { url, pool }
    }

    /// How often each message did.
    pub(crate) async fn counts(&self) -> BTreeMap<String, i64> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT id, count(*) FROM effect GROUP BY id").fetch_all(&self.pool).await.unwrap();
        rows.into_iter().collect()
    }

    pub(crate) async fn has_all(&self, ids: &[MessageId]) -> bool {
        let counts = self.counts().await;
        ids.iter().all(|id| counts.contains_key(id.as_str()))
    }
}

pub(crate) async fn connect(queue: &Value) -> DelayQueue {
    serde_json::from_value::<DelayQueueConfig>(queue.clone()).unwrap().connect().await.unwrap()
}

/// Sends messages, then kills one worker after the other while they handle them. Every message takes effect exactly once.
pub(crate) async fn killed_workers_lose_nothing(
    test: &str,
    (count, kills, retries): (u64, usize, u32),
    queue: impl AsyncFnOnce() -> Value,
) {
    if let Some(job) = Job::mine() {
        return job.work().await;
    }
    let effects = Effects::new().await;
    let job =
        Job { test: test.to_owned(), queue: queue().await, effects: effects.url.clone(), concurrency: 4, retries };
    let queue = connect(&job.queue).await;
    let message = |number: u64| {
        DelayMessage::builder().body(1000 + number).delay(Duration::from_millis(number % 300)).build().unwrap()
    };
    let messages: Vec<_> = (0..count).map(message).collect();
    queue.send_batch(QUEUE, &messages).await.unwrap();
    for round in 1..=kills {
        let _worker = job.spawn();
        let share = messages.len() / (kills + 2) * round;
        eventually(PATIENCE, async || match effects.counts().await.len() {
            enough if enough >= share => Ok(()),
            some => Err(format!("{some} effects in round {round}")),
        })
        .await;
    }
    let _last = job.spawn();
    let ids: Vec<_> = messages.iter().map(|message| message.id().clone()).collect();
    eventually(PATIENCE, async || effects.has_all(&ids).await).await;
    idle(&queue).await;
    assert_eq!(queue.dead_letters(QUEUE, 0, 10).await.unwrap().len(), 0);
    let expected: BTreeMap<_, _> = ids.iter().map(|id| (id.to_string(), 1)).collect();
    assert_eq!(effects.counts().await, expected, "one effect each");
    queue.shutdown(PATIENCE).await;
}

/// A message that kills whoever handles it is a dead letter after its attempts, and its neighbours take effect once each.
/// Returns how many processes died of it, and how many letters it left.
pub(crate) async fn poison_is_buried_and_its_neighbours_live(
    test: &str,
    queue: impl AsyncFnOnce() -> Value,
) -> Option<(usize, usize)> {
    if let Some(job) = Job::mine() {
        job.work().await;
        return None;
    }
    let effects = Effects::new().await;
    // One at a time: what is leased beside the poison is under the same suspicion.
    let (concurrency, retries) = (1, 2);
    let job = Job { test: test.to_owned(), queue: queue().await, effects: effects.url.clone(), concurrency, retries };
    let queue = connect(&job.queue).await;
    let mut ids = Vec::new();
    send(&queue, POISON, Duration::ZERO).await;
    for number in 0..100 {
        ids.push(send(&queue, number, Duration::ZERO).await);
    }
    let mut deaths = 0;
    let mut worker = job.spawn();
    let by = Instant::now() + PATIENCE;
    while queue.stats(QUEUE).await.unwrap().dead == 0 || !effects.has_all(&ids).await {
        assert!(Instant::now() < by, "after {deaths} deaths: {:?}", queue.stats(QUEUE).await);
        if worker.0.try_wait().unwrap().is_some() {
            deaths += 1;
            worker = job.spawn();
        }
        sleep(Duration::from_millis(20)).await;
    }
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    for letter in &dead {
        assert_eq!((letter.message.body.as_ref(), &letter.reason), (&b"666"[..], &DeadReason::Abandoned));
    }
    assert!(queue.purge(QUEUE, None).await.unwrap() >= 1);
    assert!(effects.counts().await.values().all(|count| *count == 1), "{:?}", effects.counts().await);
    Some((deaths, dead.len()))
}
