//! Where backends without a server of their own take the time from.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// A source of the current time, in which due times and leases are counted.
///
/// Implement it to let the tests of an application on SQLite jump fifteen minutes ahead; the memory backend follows
/// tokio's paused time without further ado.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> SystemTime;
}

/// The wall clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Tokio's clock, anchored to the wall clock once: monotonic, and paused when tokio's time is paused.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    wall: SystemTime,
    origin: Instant,
}

impl TokioClock {
    /// A clock that shows the wall clock's time now.
    #[must_use]
    pub fn new() -> Self {
        Self { wall: SystemTime::now(), origin: Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.wall + self.origin.elapsed()
    }
}

/// Milliseconds since 1970, rounded down: what has certainly passed.
pub(crate) fn floor_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970, rounded up: a message due then is never early.
pub(crate) fn ceil_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    duration_ms(since)
}

/// A duration in whole milliseconds, rounded up.
pub(crate) fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A lease in whole milliseconds, to be added to a time that was rounded down: one more, so that none ends early.
pub(crate) fn lease_ms(lease: Duration) -> u64 {
    duration_ms(lease).saturating_add(1)
}

pub(crate) fn from_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
