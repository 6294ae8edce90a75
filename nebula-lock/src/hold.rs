//! One hold, and its keeper: a task that renews the lease, notices its loss and releases it.
//!
//! Whoever has the [`Hold`] is the only one that sends commands for it, so a renewal can neither outlive a release nor
//! overtake it. That is the guard at first, and a keeper from the time on at which there is something to do.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, warn};

use crate::backoff::Backoff;
use crate::candidate::Grant;
use crate::cleanup::sweep;
use crate::core::{Core, Counted};
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::gate::Ticket;
use crate::guard::{LockGuard, Release};
use crate::lock::{Attempt, Claim, Mode};
use crate::lost::{LossReason, Lost};
use crate::options::Terms;
use crate::post::{Order, Post};
use crate::record::Record;
use crate::telemetry;
use crate::validity::{Validity, lease_until, margin, valid_until};

/// A lock that was obtained.
#[derive(Debug)]
pub(crate) struct Hold {
    core: Arc<Core>,
    claim: Claim,
    terms: Terms,
    fence: Fence,
    /// When the command was sent from which the first lease counts.
    sent: Instant,
    /// The first lease.
    lease: Duration,
    /// When the longest hold is reached.
    end: Option<Instant>,
    validity: Arc<Validity>,
    /// Until when an attempt of which nothing was heard might still take the lock, if it comes late.
    echo: Option<Instant>,
    ticket: Option<Ticket>,
    counted: Option<Counted>,
    /// A shutdown waits for it.
    tracked: TaskTrackerToken,
    record: Record,
}

impl Hold {
    pub(crate) fn new(
        core: Arc<Core>,
        claim: Claim,
        terms: Terms,
        ticket: Option<Ticket>,
        tracked: TaskTrackerToken,
        record: Record,
        grant: &Grant,
    ) -> Self {
        let Grant { fence, sent, lease, since, .. } = *grant;
        let end = terms.max_hold.map(|most| since + most);
        let until = end.map_or(grant.until, |end| grant.until.min(end));
        let validity = Arc::new(Validity::new(sent, until, cut(end, sent, lease).is_some()));
        let echo = grant.unknown_since.map(|sent| sent + terms.lease);
        let counted = Some(core.held.enter());
        Self { core, claim, terms, fence, sent, lease, end, validity, echo, ticket, counted, tracked, record }
    }

    /// The guard of a hold that needs no keeper yet.
    pub(crate) fn rest(self, runtime: &Handle) -> LockGuard {
        let (claim, fence, renewed) = (self.claim.clone(), self.fence, self.terms.renewal.is_some());
        let validity = Arc::clone(&self.validity);
        let alarm = self.core.alarm(runtime);
        LockGuard::new(claim, fence, renewed, validity, Post::resting(self, alarm))
    }

    /// A guard of a hold that has a keeper.
    fn guard(&self) -> (LockGuard, oneshot::Receiver<Order>) {
        let (post, orders) = Post::kept();
        let (claim, renewed) = (self.claim.clone(), self.terms.renewal.is_some());
        (LockGuard::new(claim, self.fence, renewed, Arc::clone(&self.validity), post), orders)
    }

    /// When there is something to do for it, unless it is released before.
    pub(crate) fn due(&self) -> Instant {
        let until = self.validity.until();
        let next = self.renewal_time(self.sent, self.lease).map_or(until, |renewal| renewal.min(until));
        self.record.long_at().map_or(next, |long| long.min(next))
    }

    /// When to renew what was granted by a command sent at `sent`.
    fn renewal_time(&self, sent: Instant, lease: Duration) -> Option<Instant> {
        self.terms.renewal.map(|_| sent + lease / 3).filter(|at| self.end.is_none_or(|end| *at < end))
    }

    /// The rest of the longest hold, if a lease of `lease` from `sent` on would exceed it.
    fn cut(&self, sent: Instant, lease: Duration) -> Option<Duration> {
        cut(self.end, sent, lease)
    }

    /// Waits until `at` and renews. Returns when the command was sent, the lease asked for, and the reply.
    async fn renew(&self, at: Option<Instant>, in_flight: &AtomicBool) -> (Instant, Duration, Result<bool>) {
        let (Some(at), Some(lease)) = (at, self.terms.renewal) else { return std::future::pending().await };
        sleep_until(at).await;
        in_flight.store(true, Ordering::Relaxed);
        let sent = Instant::now();
        // The first lease may be longer than those of renewals. None of it is given up: should the reply get lost, it is
        // still believed in.
        let lease = lease.max(lease_until(sent, self.validity.until()));
        // A backend's lease has at least a millisecond.
        let lease = self.cut(sent, lease).map_or(lease, |rest| rest.max(Duration::from_millis(1)));
        let reply = timeout(self.terms.command_timeout, self.core.backend.renew(&self.claim, lease)).await;
        let reply = reply.unwrap_or_else(|_| Err(Error::new(ErrorKind::OutcomeUnknown, "no reply to the renewal")));
        (sent, lease, reply)
    }

    fn tell_if_long(&self, now: Instant) {
        self.record.tell_if_long(&self.claim, self.fence, now);
    }

    fn lose(&self, reason: LossReason) {
        let now = Instant::now();
        self.validity.lose(reason);
        self.tell_if_long(now);
        let held = self.record.end(now, reason.label());
        telemetry::lost(reason, held);
        warn!(key = %self.claim.key(), fence = %self.fence, reason = reason.label(), ?held, "lock lost");
    }

    /// Gives the lock back. If the backend does not answer, tries on in the background.
    pub(crate) async fn release(mut self) -> Release {
        self.validity.give_up();
        let sent = Instant::now();
        let reply = timeout_at(sent + self.terms.command_timeout, self.core.backend.release(&self.claim)).await;
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
        self.tell_if_long(sent);
        telemetry::released(outcome, self.record.end(sent, outcome.label()));
        // No longer held when the caller hears of it; the next one of this process may try.
        self.counted = None;
        self.ticket = None;
        let until = if outcome == Release::Unknown { Some(self.validity.until()) } else { self.echo };
        if let Some(until) = until {
            tokio::spawn(async move {
                sweep(&self.core, &self.claim, until, true, self.terms.command_timeout).await;
                drop(self.tracked);
            });
        }
        outcome
    }
}

fn cut(end: Option<Instant>, sent: Instant, lease: Duration) -> Option<Duration> {
    end.map(|end| end.saturating_duration_since(sent)).filter(|rest| *rest <= lease)
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

/// How a stretch of keeping ended.
enum Next {
    Order(Option<Order>),
    Lost,
}

/// What comes next if nothing happens.
struct Course {
    renew_at: Option<Instant>,
    backoff: Backoff,
    /// When the last renewal was sent of which nothing was heard.
    unheard: Option<Instant>,
}

impl Keeper {
    pub(crate) const fn new(hold: Hold, orders: oneshot::Receiver<Order>) -> Self {
        Self { hold, orders }
    }

    /// Keeps the hold until it is released or lost.
    pub(crate) async fn run(self) {
        let span = self.hold.record.span().clone();
        self.keep().instrument(span).await;
    }

    async fn keep(self) {
        let Self { mut hold, mut orders } = self;
        let mut course = hold.course(hold.sent, hold.lease);
        loop {
            let order = match hold.keep(&mut orders, &mut course).await {
                Next::Order(order) => order,
                Next::Lost => {
                    // Whoever gives orders from now on is told that there is nothing to be done.
                    drop(orders);
                    return hold.forget(course.unheard).await;
                }
            };
            match order {
                Some(Order::Downgrade(reply)) => match hold.downgrade().await {
                    Ok(next) => {
                        course = next;
                        let (guard, new_orders) = hold.guard();
                        orders = new_orders;
                        // Without a taker the guard is dropped, which is the order to release.
                        drop(reply.send(Ok(guard)));
                    }
                    Err(error) => {
                        drop(reply.send(Err(error.with_key(hold.claim.key()))));
                        return hold.give_up().await;
                    }
                },
                Some(Order::Release(reply)) => {
                    // The caller may have stopped waiting; the lock is released all the same.
                    let _ = reply.send(hold.release().await);
                    return;
                }
                None => {
                    hold.release().await;
                    return;
                }
            }
        }
    }
}

impl Hold {
    async fn keep(&self, orders: &mut oneshot::Receiver<Order>, course: &mut Course) -> Next {
        let mut noted = pin!(self.validity.noted());
        loop {
            let (until, reason) = self.validity.end();
            let in_flight = AtomicBool::new(false);
            let mut renewal = pin!(self.renew(course.renew_at, &in_flight));
            let event = loop {
                tokio::select! {
                    biased;
                    order = &mut *orders => break Event::Order(order.ok()),
                    () = self.core.forced.cancelled() => break Event::End(LossReason::ShutDown),
                    () = sleep_until(until) => break Event::End(reason),
                    // Somebody asked the clock before this task could.
                    reason = &mut noted => break Event::End(reason),
                    (sent, lease, reply) = &mut renewal => break Event::Renewal(sent, lease, reply),
                    () = self.record.lasts_long() => self.tell_if_long(Instant::now()),
                }
            };
            match event {
                Event::Order(order) => {
                    // A renewal on its way has to arrive before anything else is sent.
                    if in_flight.load(Ordering::Relaxed) {
                        drop(timeout_at(until, renewal).await);
                    }
                    return Next::Order(order);
                }
                Event::End(reason) => {
                    self.lose(reason);
                    if reason != LossReason::ShutDown {
                        if in_flight.load(Ordering::Relaxed) {
                            course.unheard = Some(Instant::now());
                        }
                        return Next::Lost;
                    }
                    // The holder may still be at work. Its lock is given back when it ends, or expires.
                    drop(timeout_at(until, orders).await);
                    return Next::Order(None);
                }
                Event::Renewal(sent, lease, Ok(true)) => {
                    self.extend(sent, lease);
                    *course = self.course(sent, self.terms.renewal.unwrap_or(lease));
                }
                Event::Renewal(_, _, Ok(false)) => {
                    course.unheard = None;
                    self.lose(LossReason::Gone);
                    return Next::Lost;
                }
                Event::Renewal(sent, _, Err(error)) => {
                    telemetry::renewal_failed();
                    if error.kind() == ErrorKind::OutcomeUnknown {
                        course.unheard = Some(sent);
                    }
                    let left = until.saturating_duration_since(Instant::now());
                    warn!(key = %self.claim.key(), %error, ?left, "renewal failed; trying again until the lease ends");
                    course.renew_at = Some(Instant::now() + course.backoff.pause());
                }
            }
        }
    }

    /// After the loss. A renewal of which nothing was heard may have kept the lock on the backend for longer than anybody relies on
    /// it: it is taken back.
    async fn forget(mut self, unheard: Option<Instant>) {
        let Some(sent) = unheard else { return };
        // Others of this process may try.
        (self.counted, self.ticket) = (None, None);
        let lease = self.terms.renewal.unwrap_or_default().max(self.lease);
        // Whoever works under the lock has the same time to stop as if it had ended there.
        sleep_until(self.validity.until() + margin(lease)).await;
        sweep(&self.core, &self.claim, sent + lease, true, self.terms.command_timeout).await;
    }

    /// Lets others read as well.
    async fn downgrade(&mut self) -> Result<Course> {
        let sent = Instant::now();
        // A lease that is not renewed is not lengthened by this either.
        let rest = (self.sent + self.terms.lease).saturating_duration_since(sent);
        let lease = self.terms.renewal.unwrap_or(rest);
        let lease = self.cut(sent, lease).unwrap_or(lease).max(Duration::from_millis(1));
        let reader = self.claim.clone().with_mode(Mode::Read);
        let limit = self.terms.command_timeout.min(lease);
        match timeout(limit, self.core.backend.try_acquire(&reader, lease)).await {
            Ok(Ok(Attempt::Acquired(fence))) if fence == self.fence => {
                // A reply that comes when the clock has put an end to the hold brings nothing back.
                if self.validity.loss().is_none() {
                    self.extend(sent, lease);
                }
                if let Some(reason) = self.validity.loss() {
                    self.lose(reason);
                    return Err(Lost::new(self.claim.key().clone(), reason).into());
                }
                self.claim = reader;
                self.ticket = None;
                Ok(self.course(sent, lease))
            }
            Ok(Ok(_)) => {
                // Not the hold that we had, so that one has ended.
                self.lose(LossReason::Gone);
                Err(Lost::new(self.claim.key().clone(), LossReason::Gone).into())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::OutcomeUnknown, "no reply to the downgrade")),
        }
    }

    /// Releases a hold of which nobody knows whether it became a reader.
    async fn give_up(self) {
        let (core, reader) = (Arc::clone(&self.core), self.claim.clone().with_mode(Mode::Read));
        let (until, command_timeout) = (self.validity.until(), self.terms.command_timeout);
        let _tracked = self.tracked.clone();
        self.release().await;
        sweep(&core, &reader, until, true, command_timeout).await;
    }

    fn extend(&self, sent: Instant, lease: Duration) {
        let until = valid_until(sent, lease);
        let until = self.end.map_or(until, |end| until.min(end));
        self.validity.extend(until, self.cut(sent, lease).is_some());
    }

    /// What follows a grant at `sent`, with a renewal every third of `pace`.
    fn course(&self, sent: Instant, pace: Duration) -> Course {
        let renewed = self.terms.renewal.unwrap_or(self.terms.lease);
        Course {
            renew_at: self.renewal_time(sent, pace),
            // Several attempts fit into what is left of the lease.
            backoff: Backoff::new(Duration::from_millis(50).min(renewed / 20), renewed / 10),
            unheard: None,
        }
    }
}
