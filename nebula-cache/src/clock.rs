//! Milliseconds since the manager was started, cheap enough to be asked at every hit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How coarse the clock is: expiry is noticed at most so much late.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The value that says: ask tokio.
const PRECISE: u64 = u64::MAX;

/// Reads the monotonic clock of tokio, at most [`TICK`] late. While tokio's time is paused it is exact, so that tests can
/// jump.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    coarse: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = Self { start: Instant::now(), coarse: AtomicU64::new(PRECISE) };
        clock.tick();
        clock
    }

    /// Milliseconds since the start.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self.coarse.load(Ordering::Relaxed) {
            PRECISE => self.precise(),
            millis => millis,
        }
    }

    /// The exact time.
    pub(crate) fn precise(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(PRECISE - 1)
    }

    /// Sets the clock; to be called every [`TICK`] or so.
    pub(crate) fn tick(&self) {
        let now = if stands_still() { PRECISE } else { self.precise() };
        self.coarse.store(now, Ordering::Relaxed);
    }
}

/// Lets one a second through: warnings, say, as whatever is wrong is wrong for many.
#[derive(Debug, Default)]
pub(crate) struct OnceASecond(AtomicU64);

impl OnceASecond {
    pub(crate) fn may(&self, clock: &Clock) -> bool {
        let now = clock.now() + 1000;
        let last = self.0.load(Ordering::Relaxed);
        now >= last + 1000 && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Whether tokio's time is paused: then it does not pass while ours does.
fn stands_still() -> bool {
    let (virtual_start, real_start) = (Instant::now(), std::time::Instant::now());
    for _ in 0..1000 {
        if real_start.elapsed() > Duration::from_nanos(200) {
            break;
        }
        std::hint::spin_loop();
    }
    Instant::now() == virtual_start
}

/// Whole milliseconds, for the clock and for the wire.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn paused_time_is_exact() {
        let clock = Clock::new();
        tokio::time::advance(Duration::from_secs(900)).await;
        assert_eq!(clock.now(), 900_000);
    }

    #[tokio::test(start_paused = true)]
    async fn one_a_second_is_let_through() {
        let (clock, warnings) = (Clock::new(), OnceASecond::default());
        assert!(warnings.may(&clock) && !warnings.may(&clock));
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!warnings.may(&clock));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(warnings.may(&clock) && !warnings.may(&clock));
    }

    #[tokio::test]
    async fn running_time_is_read_from_the_last_tick() {
        let clock = Clock::new();
        let before = clock.now();
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(clock.now(), before, "nobody has ticked");
        clock.tick();
        assert!(clock.now() >= before + 30);
    }
}
