//! How a worker is stopped and what it reports then.

use std::{ops::AddAssign, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Signal;

/// What a worker did between being told to stop and stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Deliveries that were completed (done, to be retried, or buried).
    pub finished: u64,
    /// Deliveries given back untouched or interrupted; another worker gets them at once.
    pub returned: u64,
    /// Deliveries the backend could not be told about; they come back when their leases end.
    pub unsettled: u64,
}

impl AddAssign for Drained {
    fn add_assign(&mut self, other: Self) {
        self.finished += other.finished;
        self.returned += other.returned;
        self.unsettled += other.unsettled;
    }
}

#[derive(Clone, Debug)]
pub(crate) struct WorkerControl {
    /// No further claims.
    pub(super) stop: Signal,
    /// No further waiting for handlers.
    pub(super) abort: Signal,
    patience: Arc<Mutex<Duration>>,
    done: watch::Receiver<Option<Drained>>,
}

impl WorkerControl {
    pub(super) fn new() -> (Self, watch::Sender<Option<Drained>>) {
        let (sender, done) = watch::channel(None);
        (Self { stop: Signal::new(), abort: Signal::new(), patience: Arc::default(), done }, sender)
    }

    pub(crate) fn stop(&self, patience: Duration) {
        if !self.stop.is_cancelled() {
            *self.patience.lock() = patience;
            self.stop.cancel();
        }
    }

    pub(super) fn patience(&self) -> Duration {
        *self.patience.lock()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.done.has_changed().is_ok() && self.done.borrow().is_none()
    }

    pub(crate) async fn stopped(&self) -> Drained {
        let mut done = self.done.clone();
        // An error means that the worker's task died with its runtime.
        done.wait_for(Option::is_some).await.map(|drained| drained.unwrap_or_default()).unwrap_or_default()
    }
}
