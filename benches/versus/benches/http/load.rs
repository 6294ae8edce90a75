//! So many connections that ask without a pause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nebula_test_support::Latencies;
use tokio::task::JoinSet;

use crate::CONNECTIONS;
use crate::wire::Wire;

/// What was measured.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) answers: u64,
    pub(crate) per_second: f64,
    pub(crate) latencies: Latencies,
}

impl Measured {
    pub(crate) fn print(&self, what: &str) {
        let millis = |part: f64| self.latencies.percentile(part).as_secs_f64() * 1e3;
        println!(
            "http {what}: {:.0}/s p50={:.2}ms p99={:.2}ms answers={}",
            self.per_second,
            millis(50.0),
            millis(99.0),
            self.answers
        );
    }
}

/// Numbers requests; goes on from round to round, so that no seat is asked for twice.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    pub(crate) fn next(&self) -> usize {
        usize::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

/// Asks for `time`; every answer has to have this status.
pub(crate) async fn run(
    address: SocketAddr,
    time: Duration,
    status: u16,
    next: impl Fn() -> Vec<u8> + Clone + Send + 'static,
) -> Measured {
    let [measured] = run_mixed(address, time, move || (0, status, next())).await;
    measured
}

/// The same with requests of several kinds, measured apart.
pub(crate) async fn run_mixed<const KINDS: usize>(
    address: SocketAddr,
    time: Duration,
    next: impl Fn() -> (usize, u16, Vec<u8>) + Clone + Send + 'static,
) -> [Measured; KINDS] {
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS {
        wires.push(Wire::connect(address).await);
    }
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for mut wire in wires {
        let next = next.clone();
        tasks.spawn(async move {
            let mut latencies: [Latencies; KINDS] = std::array::from_fn(|_| Latencies::new());
            while began.elapsed() < time {
                let (kind, expected, request) = next();
                let asked = Instant::now();
                let answer = wire.ask(&request).await;
                latencies[kind].record(asked.elapsed());
                let body = String::from_utf8_lossy(answer.body);
                assert_eq!(answer.status, expected, "{body}");
            }
            latencies
        });
    }
    let mut all: [Measured; KINDS] = std::array::from_fn(|_| Measured::default());
    while let Some(latencies) = tasks.join_next().await {
        for (all, some) in all.iter_mut().zip(latencies.unwrap()) {
            all.latencies.merge(&some);
        }
    }
    let took = began.elapsed().as_secs_f64();
    for measured in &mut all {
        measured.answers = measured.latencies.len();
        measured.per_second = measured.answers as f64 / took;
    }
    all
}
