//! How far a long job is.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

/// How far a warm-up, or the building of a filter, is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// What has been done.
    pub done: u64,
    /// How much there is, if that is known.
    pub total: Option<u64>,
    /// What failed.
    pub failed: u64,
    /// How long it has been going on, or went on, in milliseconds.
    pub elapsed_ms: u64,
    /// How much longer it will take at the present speed, in milliseconds, if the total is known.
    pub eta_ms: Option<u64>,
    /// Whether it has ended.
    pub finished: bool,
}

/// Keeps count of a job.
#[derive(Debug, Default)]
pub(crate) struct Gauge(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    done: u64,
    total: Option<u64>,
    failed: u64,
    began: Option<Instant>,
    ended: Option<Instant>,
}

impl Gauge {
    pub(crate) fn begin(&self, total: Option<u64>) {
        *self.0.lock() = State { total, began: Some(Instant::now()), ..State::default() };
    }

    pub(crate) fn add(&self, done: u64, failed: u64) {
        let mut state = self.0.lock();
        state.done += done;
        state.failed += failed;
    }

    pub(crate) fn end(&self) {
        self.0.lock().ended = Some(Instant::now());
    }

    pub(crate) fn read(&self) -> Progress {
        let state = self.0.lock();
        let elapsed = state.began.map_or(Duration::ZERO, |began| state.ended.unwrap_or_else(Instant::now) - began);
        let so_far = state.done + state.failed;
        let left =
            state.total.filter(|_| state.ended.is_none() && so_far > 0).map(|total| total.saturating_sub(so_far));
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let eta = left.map(|left| elapsed.mul_f64(left as f64 / so_far as f64));
        Progress {
            done: state.done,
            total: state.total,
            failed: state.failed,
            elapsed_ms: crate::clock::millis(elapsed),
            eta_ms: eta.map(crate::clock::millis),
            finished: state.ended.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_left_follows_from_the_speed_so_far() {
        let gauge = Gauge::default();
        assert_eq!(gauge.read(), Progress::default());
        gauge.begin(Some(100));
        tokio::time::advance(Duration::from_secs(10)).await;
        gauge.add(20, 5);
        let at = gauge.read();
        assert_eq!((at.done, at.failed, at.elapsed_ms, at.eta_ms, at.finished), (20, 5, 10_000, Some(30_000), false));
        gauge.add(75, 0);
        gauge.end();
        tokio::time::advance(Duration::from_secs(10)).await;
        let at = gauge.read();
        assert_eq!((at.done, at.elapsed_ms, at.eta_ms, at.finished), (95, 10_000, None, true));
    }
}
