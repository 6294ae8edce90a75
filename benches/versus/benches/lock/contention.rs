//! One key that everybody wants: how long does a caller wait, how often does the lock change hands, what does it take?

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
    /// Commands that clients sent, for each acquisition.
    pub(crate) commands: f64,
    /// Acquisitions of the luckiest task for each of the unluckiest.
    pub(crate) spread: f64,
}

/// `tasks` tasks that take the lock, hold it for a while and release it again, for about `time`. `commands` tells
/// how many were sent so far.
pub(crate) async fn contend<S, L, A, G>(
    (tasks, hold): (usize, Duration),
    time: Duration,
    side: &S,
    commands: impl AsyncFn() -> u64,
    acquire: impl Fn(S) -> A + Clone + Send + 'static,
    release: impl Fn(S, L) -> G + Clone + Send + 'static,
) -> Contended
where
    S: Clone + Send + Sync + 'static,
    L: Send,
    A: Future<Output = L> + Send,
    G: Future<Output = ()> + Send,
{
    let before = commands().await;
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
                if !hold.is_zero() {
                    tokio::time::sleep(hold).await;
                }
                release(side.clone(), guard).await;
            }
            waits
        });
    }
    let mut waits = Latencies::new();
    let (mut least, mut most) = (u64::MAX, 0);
    while let Some(task) = running.join_next().await {
        let task = task.unwrap();
        (least, most) = (least.min(task.len()), most.max(task.len()));
        waits.merge(&task);
    }
    let elapsed = started.elapsed().as_secs_f64();
    let sent = commands().await - before;
    Contended {
        rate: waits.len() as f64 / elapsed,
        p99: waits.percentile(99.0).as_secs_f64() * 1_000.0,
        commands: sent as f64 / waits.len() as f64,
        spread: most as f64 / least.max(1) as f64,
    }
}
