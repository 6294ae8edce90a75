//! How long a hold may be believed in, by the local clock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lost::LossReason;

/// What the holder's own clock allows it to believe after a grant of `lease`, sent at `sent`.
///
/// The lease began on the server after `sent`, so counting from `sent` errs on the safe side. The margin covers clocks
/// that run at different speeds and the server's resolution: 1 % + 2 ms, as the Redlock paper's example code has it.
pub(crate) fn valid_until(sent: Instant, lease: Duration) -> Instant {
    let drift = lease / 100 + Duration::from_millis(2);
    sent + lease.saturating_sub(drift)
}

/// The lease to ask for so that a grant of it, sent at `sent`, is valid until `until` at least.
pub(crate) fn lease_until(sent: Instant, until: Instant) -> Duration {
    let rest = until.saturating_duration_since(sent);
    (rest + Duration::from_millis(2)) * 100 / 99 + Duration::from_nanos(1)
}

/// State of a hold that its guard, its task and its `lost()` futures share.
#[derive(Debug)]
pub(crate) struct Validity {
    start: Instant,
    /// Microseconds from `start` to the end of validity.
    until: AtomicU64,
    lost: Notify,
    reason: OnceLock<LossReason>,
}

impl Validity {
    pub(crate) fn new(start: Instant, until: Instant) -> Self {
        let validity = Self { start, until: AtomicU64::new(0), lost: Notify::new(), reason: OnceLock::new() };
        validity.extend(until);
        validity
    }

    pub(crate) fn extend(&self, until: Instant) {
        let micros = until.saturating_duration_since(self.start).as_micros();
        self.until.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Release);
    }

    pub(crate) fn until(&self) -> Instant {
        self.start + Duration::from_micros(self.until.load(Ordering::Acquire))
    }

    /// Notes the loss; the first reason stays.
    pub(crate) fn lose(&self, reason: LossReason) {
        if self.reason.set(reason).is_ok() {
            self.lost.notify_waiters();
        }
    }

    /// The reason of the loss. The clock is asked as well: a starved task may not have noted the end yet. What the
    /// clock says is noted, so that no late renewal takes it back.
    pub(crate) fn loss(&self) -> Option<LossReason> {
        self.loss_by(Instant::now())
    }

    /// The same, when the clock was asked just before.
    pub(crate) fn loss_by(&self, now: Instant) -> Option<LossReason> {
        if self.reason.get().is_none() && now >= self.until() {
            self.lose(LossReason::Expired);
        }
        self.reason.get().copied()
    }

    /// Resolves once the loss is noted.
    pub(crate) async fn noted(&self) -> LossReason {
        loop {
            // Listening begins before the look, so that nothing falls in between.
            let noted = self.lost.notified();
            if let Some(reason) = self.reason.get() {
                return *reason;
            }
            noted.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_believed_in_for_less_than_its_lease() {
        let sent = Instant::now();
        assert_eq!(valid_until(sent, Duration::from_secs(10)) - sent, Duration::from_millis(9_898));
        assert_eq!(valid_until(sent, Duration::from_millis(2)), sent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_can_be_asked_for_by_its_end() {
        let sent = Instant::now();
        for rest in [0, 1, 97, 1_000_000, 1_000_003, 60_000_000_007] {
            let until = sent + Duration::from_nanos(rest);
            let granted = valid_until(sent, lease_until(sent, until));
            assert!(granted >= until && granted < until + Duration::from_micros(1), "{rest}: {:?}", granted - until);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_alone_ends_it() {
        let validity = Validity::new(Instant::now(), Instant::now() + Duration::from_secs(1));
        assert_eq!(validity.loss(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(validity.loss(), Some(LossReason::Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_stays() {
        let validity = Validity::new(Instant::now(), Instant::now() + Duration::from_secs(1));
        validity.lose(LossReason::Gone);
        validity.lose(LossReason::Expired);
        assert_eq!(validity.loss(), Some(LossReason::Gone));
        assert_eq!(validity.noted().await, LossReason::Gone);
    }
}
