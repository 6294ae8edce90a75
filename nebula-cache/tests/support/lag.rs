//! How late this process gets its turn: what a test of times may put down to the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

const STEP: Duration = Duration::from_millis(5);

/// Watches how late timers of this runtime fire, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lag {
    worst: Arc<AtomicU64>,
    _stop: DropGuard,
}

impl Lag {
    pub(crate) fn watch() -> Self {
        let (worst, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let seen = Arc::clone(&worst);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let due = Instant::now() + STEP;
                sleep_until(due).await;
                seen.fetch_max(u64::try_from(due.elapsed().as_micros()).unwrap(), Ordering::Relaxed);
            }
        }));
        Self { worst, _stop: stop.drop_guard() }
    }

    /// The longest so far.
    pub(crate) fn worst(&self) -> Duration {
        Duration::from_micros(self.worst.load(Ordering::Relaxed))
    }
}
