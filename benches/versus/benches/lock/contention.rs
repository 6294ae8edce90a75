//! One key that everybody wants: how long does a caller wait, and how often does the lock change hands?

use std::future::Future;
use std::time::{Duration, Instant};

use nebula_test_support::Latencies;
use tokio::task::JoinSet;

/// What one side did in one round.
pub(crate) struct Contended {
    /// Acquisitions of all tasks per second.
    pub(crate) rate: f64,
    /// Ninety-nine of a hundred callers waited no longer, in milliseconds.
    pub(crate) p99: f64,
}

/// `tasks` tasks that take the lock, hold it for a millisecond and release it again, for about `time`.
pub(crate) async fn contend<S, L, A, G>(
    tasks: usize,
    time: Duration,
    side: &S,
    acquire: impl Fn(S) -> A + Clone + Send + 'static,
    release: impl Fn(S, L) -> G + Clone + Send + 'static,
) -> Contended
where
    S: Clone + Send + Sync + 'static,
    L: Send,
    A: Future<Output = L> + Send,
    G: Future<Output = ()> + Send,
{
    let mut running = JoinSet::new();
    let started = Instant::now();
    for _ in 0..tasks {
        let (side, acquire, release) = (side.clone(), acquire.clone(), release.clone());
        running.spawn(async move {
            let mut waits = Latencies::new();
            while started.elapsed() < time {
                let asked = Instant::now();
                let guard = acquire(side.clone()).await;
                waits.record(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(1)).await;
                release(side.clone(), guard).await;
            }
            waits
        });
    }
    let mut waits = Latencies::new();
    while let Some(task) = running.join_next().await {
        waits.merge(&task.unwrap());
    }
    let rate = waits.len() as f64 / started.elapsed().as_secs_f64();
    Contended { rate, p99: waits.percentile(99.0).as_secs_f64() * 1_000.0 }
}
