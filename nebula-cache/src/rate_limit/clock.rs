//! Microseconds since 1970.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::quota::micros;

/// Tells the time in microseconds since 1970.
#[derive(Clone)]
pub struct MicroClock(Source);

#[derive(Clone)]
enum Source {
    /// The wall clock at one moment, and tokio's time since: it never steps, and tests can jump.
    Steady(u64, Instant),
    Custom(Arc<dyn Fn() -> u64 + Send + Sync>),
}

impl MicroClock {
    /// The wall clock of now, and from here on tokio's time: it does not step back.
    pub(crate) fn steady() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(Source::Steady(micros(wall), Instant::now()))
    }

    /// A clock of yours.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Source::Custom(Arc::new(now)))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::Steady(wall, start) => wall + micros(start.elapsed()),
            Source::Custom(now) => now(),
        }
    }
}

impl fmt::Debug for MicroClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MicroClock").finish_non_exhaustive()
    }
}
