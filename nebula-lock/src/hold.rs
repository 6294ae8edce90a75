//! The keeper of one hold: a task that renews the lease, notices its loss and releases it.
//!
//! Nobody else sends commands for the hold, so a renewal can neither outlive a release nor overtake it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::warn;

use crate::backoff::Backoff;
use crate::cleanup::sweep;
use crate::core::{Core, Counted};
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::guard::{LockGuard, Release};
use crate::lock::Claim;
use crate::lost::LossReason;
use crate::options::Terms;
use crate::telemetry;
use crate::validity::{Validity, valid_until};

/// The order to release; the outcome goes back through it. A guard that is dropped closes the channel instead.
pub(crate) type Order = oneshot::Sender<Release>;

/// A lock that has just been obtained.
#[derive(Debug)]
pub(crate) struct Hold {
    core: Arc<Core>,
    claim: Claim,
    terms: Terms,
    fence: Fence,
    /// When the acquisition was sent.
    sent: Instant,
    /// When the longest hold is reached.
    end: Option<Instant>,
    validity: Arc<Validity>,
    counted: Option<Counted>,
}

impl Hold {
    pub(crate) fn new(
        core: Arc<Core>,
        claim: Claim,
        terms: Terms,
        fence: Fence,
        sent: Instant,
        until: Instant,
    ) -> Self {
        let end = terms.max_hold.map(|most| sent + most);
        let validity = Arc::new(Validity::new(sent, end.map_or(until, |end| until.min(end))));
        let counted = Some(core.held.enter());
        Self { core, claim, terms, fence, sent, end, validity, counted }
    }

    pub(crate) fn start(self) -> (LockGuard, Keeper) {
        let (order, orders) = oneshot::channel();
        let guard = LockGuard::new(self.claim.key().clone(), self.fence, Arc::clone(&self.validity), order);
        (guard, Keeper { hold: self, orders })
    }

    /// When to renew what was granted by a command sent at `sent`.
    fn renewal_time(&self, sent: Instant, lease: Duration) -> Option<Instant> {
        self.terms.renewal.map(|_| sent + lease / 3).filter(|at| self.end.is_none_or(|end| *at < end))
    }

    /// The rest of the longest hold, if a lease of `lease` from `sent` on would exceed it.
    fn cut(&self, sent: Instant, lease: Duration) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(sent)).filter(|rest| *rest <= lease)
    }

    /// Waits until `at` and renews. Returns when the command was sent, the lease asked for, and the reply.
    async fn renew(&self, at: Option<Instant>, in_flight: &AtomicBool) -> (Instant, Duration, Result<bool>) {
        let (Some(at), Some(lease)) = (at, self.terms.renewal) else { return std::future::pending().await };
        sleep_until(at).await;
        in_flight.store(true, Ordering::Relaxed);
        let sent = Instant::now();
        // A backend's lease has at least a millisecond.
        let lease = self.cut(sent, lease).map_or(lease, |rest| rest.max(Duration::from_millis(1)));
        let reply = timeout(self.terms.command_timeout, self.core.backend.renew(&self.claim, lease)).await;
        let reply = reply.unwrap_or_else(|_| Err(Error::new(ErrorKind::OutcomeUnknown, "no reply to the renewal")));
        (sent, lease, reply)
    }

    fn lose(&self, reason: LossReason) {
        let held = self.sent.elapsed();
        self.validity.lose(reason);
        telemetry::lost(reason, held);
        warn!(key = %self.claim.key(), fence = %self.fence, reason = reason.label(), ?held, "lock lost");
    }

    async fn release(mut self, order: Option<Order>) {
        let reply = timeout(self.terms.command_timeout, self.core.backend.release(&self.claim)).await;
        let outcome = match reply {
            Ok(Ok(true)) => Release::Released,
            Ok(Ok(false)) => Release::AlreadyLost,
            Ok(Err(error)) => {
                warn!(key = %self.claim.key(), %error, "the release failed; trying on in the background");
                Release::Unknown
            }
            Err(_) => {
                warn!(key = %self.claim.key(), "no reply to the release; trying on in the background");
                Release::Unknown
            }
        };
        telemetry::released(outcome, self.sent.elapsed());
        // No longer held when the caller hears of it.
        self.counted = None;
        if let Some(order) = order {
            // The caller may have stopped waiting; the lock is released all the same.
            let _ = order.send(outcome);
        }
        if outcome == Release::Unknown {
            sweep(&self.core, &self.claim, self.validity.until(), self.terms.command_timeout).await;
        }
    }
}

/// A hold with the channel through which its guard gives orders.
#[derive(Debug)]
pub(crate) struct Keeper {
    hold: Hold,
    orders: oneshot::Receiver<Order>,
}

enum Event {
    Order(Option<Order>),
    End(LossReason),
    Renewal(Instant, Duration, Result<bool>),
}

impl Keeper {
    /// Keeps the hold until it is released or lost.
    pub(crate) async fn run(self) {
        let Self { hold, mut orders } = self;
        let mut renew_at = hold.renewal_time(hold.sent, hold.terms.lease);
        let mut backoff = hold.backoff();
        let mut reason = hold.reason_at_end(hold.sent, hold.terms.lease);
        let noted = hold.validity.signal();
        let mut noted = pin!(noted.cancelled());
        let order = loop {
            let until = hold.validity.until();
            let in_flight = AtomicBool::new(false);
            let mut renewal = pin!(hold.renew(renew_at, &in_flight));
            let event = tokio::select! {
                biased;
                order = &mut orders => Event::Order(order.ok()),
                () = hold.core.forced.cancelled() => Event::End(LossReason::ShutDown),
                () = sleep_until(until) => Event::End(reason),
                // Somebody asked the clock before this task could.
                () = &mut noted => Event::End(reason),
                (sent, lease, reply) = &mut renewal => Event::Renewal(sent, lease, reply),
            };
            match event {
                Event::Order(order) => {
                    // A renewal on its way has to arrive before the release is sent.
                    if in_flight.load(Ordering::Relaxed) {
                        drop(timeout_at(until, renewal).await);
                    }
                    break order;
                }
                Event::End(reason) => {
                    hold.lose(reason);
                    if reason != LossReason::ShutDown {
                        return;
                    }
                    // The holder may still be at work. Its lock is given back when it ends, or expires.
                    drop(timeout_at(until, orders).await);
                    break None;
                }
                Event::Renewal(sent, lease, Ok(true)) => {
                    let until = valid_until(sent, lease);
                    hold.validity.extend(hold.end.map_or(until, |end| until.min(end)));
                    reason = hold.reason_at_end(sent, lease);
                    renew_at = hold.renewal_time(sent, hold.terms.renewal.unwrap_or(lease));
                    backoff = hold.backoff();
                }
                Event::Renewal(_, _, Ok(false)) => return hold.lose(LossReason::Gone),
                Event::Renewal(_, _, Err(error)) => {
                    telemetry::renewal_failed();
                    let left = until.saturating_duration_since(Instant::now());
                    warn!(key = %hold.claim.key(), %error, ?left, "renewal failed; trying again until the lease ends");
                    renew_at = Some(Instant::now() + backoff.pause());
                }
            }
        };
        hold.release(order).await;
    }
}

impl Hold {
    /// Pauses between failed renewals: several fit into what is left of the lease.
    fn backoff(&self) -> Backoff {
        let lease = self.terms.renewal.unwrap_or(self.terms.lease);
        Backoff::new(Duration::from_millis(50).min(lease / 20), lease / 10)
    }

    /// What it means if the lease granted at `sent` ends.
    fn reason_at_end(&self, sent: Instant, lease: Duration) -> LossReason {
        if self.cut(sent, lease).is_some() { LossReason::MaxHold } else { LossReason::Expired }
    }
}
