//! How long a hold may be believed in, by the local clock.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::lost::LossReason;

/// What the holder's own clock allows it to believe after a grant of `lease`, sent at `sent`.
///
/// The lease began on the server after `sent`, so counting from `sent` errs on the safe side.
pub(crate) fn valid_until(sent: Instant, lease: Duration) -> Instant {
    sent + lease.saturating_sub(margin(lease))
}

/// By how much a lease ends earlier here than on the server. It covers clocks that run at different speeds and the server's
/// resolution: 1 % + 2 ms, as the Redlock paper's example code has it.
pub(crate) fn margin(lease: Duration) -> Duration {
    lease / 100 + Duration::from_millis(2)
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
    /// Microseconds from `start` to the end of validity, and [`LAST`] if nothing may extend it.
    until: AtomicU64,
    /// Its owner has given it up: its end concerns nobody any more.
    given_up: AtomicBool,
    lost: Notify,
    reason: OnceLock<LossReason>,
}

/// Whoever looks after the hold, and keeps records of it, is the first to note its end, if there is anybody. Less than the margin by
/// which an end by the local clock is early.
const KEEPER_FIRST: Duration = Duration::from_millis(1);

/// Marks an end of validity that is that of the longest hold.
const LAST: u64 = 1 << 63;

impl Validity {
    /// `last`: it ends because the longest hold is reached then.
    pub(crate) fn new(start: Instant, until: Instant, last: bool) -> Self {
        let validity = Self {
            start,
            until: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
            lost: Notify::new(),
            reason: OnceLock::new(),
        };
        validity.extend(until, last);
        validity
    }

    pub(crate) fn extend(&self, until: Instant, last: bool) {
        let micros = until.saturating_duration_since(self.start).as_micros();
        let micros = u64::try_from(micros).unwrap_or(LAST - 1).min(LAST - 1);
        self.until.store(if last { micros | LAST } else { micros }, Ordering::Release);
    }

    pub(crate) fn until(&self) -> Instant {
        self.end().0
    }

    /// When it ends unless it is extended, and what that means.
    pub(crate) fn end(&self) -> (Instant, LossReason) {
        let until = self.until.load(Ordering::Acquire);
        let reason = if until & LAST == 0 { LossReason::Expired } else { LossReason::MaxHold };
        (self.start + Duration::from_micros(until & !LAST), reason)
    }

    /// Its owner does not want to hear of its end.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
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
        if self.reason.get().is_none() {
            let (until, reason) = self.end();
            if now >= until {
                self.lose(reason);
            }
        }
        self.reason.get().copied()
    }

    /// Resolves once it is lost: when somebody notes that, or by the clock of whatever runtime waits for it. Whoever looks after
    /// the hold may have gone down with another one.
    pub(crate) async fn ended(&self) -> LossReason {
        let mut noted = pin!(self.noted());
        let mut timer = Timer::default();
        poll_fn(|context| {
            loop {
                if let Poll::Ready(reason) = noted.as_mut().poll(context) {
                    return Poll::Ready(reason);
                }
                let until = self.until();
                if timer.poll(until + KEEPER_FIRST, context).is_pending() || self.given_up.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
                // What it finds is noted.
                self.loss();
            }
        })
        .await
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

/// A timer of the runtime on which it is polled.
#[derive(Default)]
struct Timer(Option<(Id, Pin<Box<Sleep>>)>);

impl Timer {
    /// Without a runtime there is no timer, and so no end.
    fn poll(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let Ok(here) = Handle::try_current().map(|runtime| runtime.id()) else { return Poll::Pending };
        if let Some((_, sleep)) = self.0.as_mut().filter(|(runtime, _)| *runtime == here) {
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            return sleep.as_mut().poll(context);
        }
        self.0.insert((here, Box::pin(sleep_until(at)))).1.as_mut().poll(context)
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
        let validity = Validity::new(Instant::now(), Instant::now() + Duration::from_secs(1), false);
        assert_eq!(validity.loss(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(validity.loss(), Some(LossReason::Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_stays() {
        let validity = Validity::new(Instant::now(), Instant::now() + Duration::from_secs(1), false);
        validity.lose(LossReason::Gone);
        validity.lose(LossReason::Expired);
        assert_eq!(validity.loss(), Some(LossReason::Gone));
        assert_eq!(validity.noted().await, LossReason::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_the_end_hears_of_the_last_one() {
        let start = Instant::now();
        let validity = Validity::new(start, start + Duration::from_secs(1), false);
        let ended = async { (validity.ended().await, Instant::now() - start) };
        let extend = async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            validity.extend(start + Duration::from_secs(5), true);
        };
        let ((reason, after), ()) = tokio::join!(ended, extend);
        assert_eq!(reason, LossReason::MaxHold);
        assert!(after >= Duration::from_secs(5) && after < Duration::from_secs(6), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_what_was_given_up_is_no_loss() {
        let validity = Validity::new(Instant::now(), Instant::now() + Duration::from_secs(1), false);
        validity.give_up();
        let ended = tokio::time::timeout(Duration::from_secs(60), validity.ended()).await;
        assert!(ended.is_err());
    }
}
