//! The way to a lock: attempts, waiting, and clean-up when the caller goes away.
//!
//! All of it runs in the caller's task as long as there is a caller. Dropping its future never drops a command half-way:
//! the rest runs in a task of its own then, which sees the reply and gives the lock back.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, Span, debug, debug_span};

use crate::background::{Unstoppable, is_orphaned, orphaned};
use crate::backoff::{Backoff, jittered};
use crate::cleanup::sweep;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::gate::Ticket;
use crate::guard::LockGuard;
use crate::hold::Hold;
use crate::lock::{Attempt, Busy, Claim, Mode, Place};
use crate::options::Terms;
use crate::record::Record;
use crate::telemetry::{self, Ending};
use crate::validity::valid_until;
use crate::watch::{Hint, Watch};

/// A live watch makes polling a safety net only; this many intervals apart.
const POLLS_PER_WATCH: u32 = 10;

/// Longer than backends believe in a waiter that is not heard of.
const WAITERS_LIVE: Duration = Duration::from_secs(5);

/// Takes the lock of `claim`; `None`: it was not free in time.
pub(crate) async fn obtain(core: Arc<Core>, claim: Claim, terms: Terms) -> Result<Option<LockGuard>> {
    if core.is_closed() {
        return Err(shut_down("no new locks").with_key(claim.key()));
    }
    let runtime = Handle::try_current()
        .map_err(|error| Error::new(ErrorKind::ConfigInvalid, "locks need a Tokio runtime").with_source(error))?;
    let span = debug_span!("lock", key = %claim.key());
    let tracked = core.tasks.token();
    let candidate = Candidate {
        core,
        claim,
        terms,
        tracked,
        caller: Span::current(),
        unknown_since: None,
        queued: false,
        place: None,
        contended: false,
        ticket: None,
    };
    Unstoppable::new(runtime.clone(), candidate.run(runtime).instrument(span)).await
}

fn shut_down(context: &'static str) -> Error {
    Error::new(ErrorKind::ShutDown, context)
}

struct Candidate {
    core: Arc<Core>,
    claim: Claim,
    terms: Terms,
    /// A shutdown waits for it.
    tracked: TaskTrackerToken,
    /// What the lock is wanted within.
    caller: Span,
    /// When the last command was sent whose outcome nobody knows.
    unknown_since: Option<Instant>,
    /// The backend may know that this claim waits.
    queued: bool,
    /// The place in line that the last attempt was told of, and when that was sent.
    place: Option<(Instant, Place)>,
    contended: bool,
    /// The place in the queue of this process.
    ticket: Option<Ticket>,
}

/// A lock that was obtained, for `lease` after the sending of a command at `sent`.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) fence: Fence,
    pub(crate) sent: Instant,
    pub(crate) lease: Duration,
    /// When the hold counts as begun: the time of `sent`, unless it was handed over later.
    pub(crate) since: Instant,
    pub(crate) heard: Instant,
    pub(crate) until: Instant,
    /// When an earlier attempt was sent of which nothing was heard.
    pub(crate) unknown_since: Option<Instant>,
}

/// What came of one attempt.
enum Outcome {
    Granted(Grant),
    Busy(Busy),
    Failed(Error),
}

impl Candidate {
    async fn run(mut self, runtime: Handle) -> Result<Option<LockGuard>> {
        let start = Instant::now();
        let waiting = self.core.waiting.enter();
        let outcome = self.compete(start).await;
        drop(waiting);
        let end = if let Ok(Some(grant)) = &outcome { grant.heard } else { Instant::now() };
        let ending = match &outcome {
            Ok(Some(_)) => Ending::Acquired,
            _ if is_orphaned() => Ending::Abandoned,
            Ok(None) => Ending::Busy,
            Err(_) => Ending::Failed,
        };
        let waited = end.saturating_duration_since(start);
        telemetry::acquisition(ending, waited);
        match outcome {
            // If the caller has gone, the guard is dropped, and so the lock released.
            Ok(Some(grant)) => {
                let (caller, long) = (&self.caller, self.terms.long_hold);
                let record = Record::begin(caller, &self.claim, grant.fence, waited, grant.since, long);
                let hold = Hold::new(self.core, self.claim, self.terms, self.ticket, self.tracked, record, &grant);
                Ok(Some(hold.rest(&runtime)))
            }
            Ok(None) => {
                self.clean_up();
                Ok(None)
            }
            Err(error) => {
                let error = error.with_key(self.claim.key());
                self.clean_up();
                Err(error)
            }
        }
    }

    async fn compete(&mut self, start: Instant) -> Result<Option<Grant>> {
        let Some(wait) = self.terms.wait else {
            return match self.attempt_at(start).await {
                Outcome::Granted(grant) => Ok(Some(grant)),
                Outcome::Busy(_) => Ok(None),
                Outcome::Failed(error) => Err(error),
            };
        };
        // In a line that others of this process stand in as well, a watch is open already.
        let joins = self.claim.mode() == Mode::Fair;
        let watch = if joins { self.core.backend.join_watch(&self.claim) } else { None };
        let first = if self.has_turn() { Some(self.attempt_at(start).await) } else { None };
        match first {
            Some(Outcome::Granted(grant)) => Ok(Some(grant)),
            // Most need not wait, so this is kept out of what is allocated for everybody.
            first => Box::pin(self.wait(start, wait, first, watch)).await,
        }
    }

    /// Waits for up to `patience`: at first for its turn, unless it had one and this is what came of it.
    async fn wait(
        &mut self,
        start: Instant,
        patience: Duration,
        first: Option<Outcome>,
        mut watch: Option<Watch>,
    ) -> Result<Option<Grant>> {
        let core = Arc::clone(&self.core);
        let deadline = start + patience;
        let mut backoff = Backoff::new(self.terms.retry_interval, Duration::from_secs(1));
        let mut outcome = match first {
            Some(outcome) => outcome,
            None => {
                tokio::select! {
                    biased;
                    () = orphaned() => return Ok(None),
                    () = core.closing.cancelled() => return Err(shut_down("stopped waiting")),
                    () = pass(&mut self.ticket) => {}
                    () = sleep_until(deadline) => return self.never_had_a_turn(start).await,
                }
                self.attempt().await
            }
        };
        loop {
            let (pause, failure) = match outcome {
                Outcome::Granted(grant) => return Ok(Some(grant)),
                Outcome::Busy(busy) => {
                    self.note_contention();
                    match &watch {
                        None => {
                            watch = Some(self.open_watch().await);
                            // Whatever happened before the watch was open is seen by looking again.
                            outcome = self.attempt().await;
                            continue;
                        }
                        Some(watch) => (self.pause(&busy, watch), None),
                    }
                }
                Outcome::Failed(error) if error.is_retryable() => {
                    debug!(key = %self.claim.key(), %error, "the attempt failed; trying again");
                    (backoff.pause(), Some(error))
                }
                Outcome::Failed(error) => return Err(error),
            };
            tokio::select! {
                biased;
                () = orphaned() => return Ok(None),
                () = core.closing.cancelled() => return Err(shut_down("stopped waiting")),
                hint = hint(&mut watch) => {
                    if let Some(grant) = self.taken_over(hint) {
                        return Ok(Some(grant));
                    }
                }
                () = sleep_until(deadline.min(Instant::now() + pause)) => {
                    if Instant::now() >= deadline {
                        return failure.map_or(Ok(None), Err);
                    }
                }
            }
            outcome = self.attempt().await;
        }
    }

    /// Takes a ticket, if this kind of claim queues within the process; tells whether it is its turn right away.
    ///
    /// Readers go in together, and the order of fair claims is the backend's business.
    fn has_turn(&mut self) -> bool {
        if !self.terms.local_queue || !matches!(self.claim.mode(), Mode::Exclusive | Mode::Write) {
            return true;
        }
        let ticket = self.ticket.insert(Ticket::new(&self.core.gates, self.claim.key()));
        let turn = ticket.try_pass();
        if !turn {
            self.note_contention();
        }
        turn
    }

    /// The answer of those that were ahead, for want of one of its own.
    async fn never_had_a_turn(&self, start: Instant) -> Result<Option<Grant>> {
        match &self.ticket {
            Some(ticket) => ticket.outage(start, self.terms.command_timeout).await.map_or(Ok(None), Err),
            None => Ok(None),
        }
    }

    fn note_contention(&mut self) {
        if !std::mem::replace(&mut self.contended, true) {
            telemetry::contended();
            debug!(key = %self.claim.key(), "waiting for the lock");
        }
    }

    async fn attempt(&mut self) -> Outcome {
        self.attempt_at(Instant::now()).await
    }

    async fn attempt_at(&mut self, now: Instant) -> Outcome {
        if let Some(ticket) = &self.ticket {
            ticket.asks();
        }
        let outcome = self.ask(now).await;
        if let Some(ticket) = &self.ticket {
            ticket.heard(if let Outcome::Failed(error) = &outcome { Some(error) } else { None });
        }
        outcome
    }

    async fn ask(&mut self, sent: Instant) -> Outcome {
        let limit = self.terms.command_timeout.min(self.terms.lease);
        let attempt = timeout_at(sent + limit, self.core.backend.try_acquire(&self.claim, self.terms.lease)).await;
        let error = match attempt {
            Ok(Ok(Attempt::Busy(busy))) => {
                self.queued = matches!(self.claim.mode(), Mode::Fair | Mode::Write);
                self.place = busy.place().map(|place| (sent, place));
                return Outcome::Busy(busy);
            }
            Ok(Ok(Attempt::Acquired(fence))) => {
                let until = valid_until(sent, self.terms.lease);
                let heard = Instant::now();
                if until > heard {
                    let (lease, unknown_since) = (self.terms.lease, self.unknown_since);
                    return Outcome::Granted(Grant { fence, sent, lease, since: sent, heard, until, unknown_since });
                }
                self.unknown_since = Some(sent);
                Error::new(ErrorKind::InvalidLease, "the lease was used up before the reply arrived")
            }
            Ok(Err(error)) => {
                if error.kind() == ErrorKind::OutcomeUnknown {
                    self.unknown_since = Some(sent);
                }
                error
            }
            Err(_) => {
                self.unknown_since = Some(sent);
                let whole = if limit == self.terms.lease { ", the whole lease" } else { "" };
                let context = format!("no reply within {}{whole}", humantime::format_duration(limit));
                Error::new(ErrorKind::OutcomeUnknown, context)
            }
        };
        Outcome::Failed(error)
    }

    /// The lock, if the hint says that it was handed over to the present place in line.
    ///
    /// It is held for what the last attempt was told, counted from before that was sent. If that has to be renewed soon, or if
    /// the caller wants a lease that begins now, another attempt costs no more and gives the whole lease.
    fn taken_over(&self, hint: Hint) -> Option<Grant> {
        let Hint::HandedOver { place: number, fence } = hint else { return None };
        let (sent, place) = self.place.filter(|(_, place)| place.number() == number)?;
        self.terms.renewal?;
        let lease = place.lasts().min(self.terms.lease);
        let heard = Instant::now();
        let (until, unknown_since) = (valid_until(sent, lease), self.unknown_since);
        (heard < sent + lease / 3).then_some(Grant { fence, sent, lease, since: heard, heard, until, unknown_since })
    }

    async fn open_watch(&self) -> Watch {
        match timeout(self.terms.command_timeout, self.core.backend.watch(&self.claim)).await {
            Ok(Ok(watch)) => return watch,
            Ok(Err(error)) => debug!(key = %self.claim.key(), %error, "no watch; polling"),
            Err(_) => debug!(key = %self.claim.key(), "no watch in time; polling"),
        }
        Watch::none()
    }

    fn pause(&self, busy: &Busy, watch: &Watch) -> Duration {
        let interval = self.terms.retry_interval;
        let poll = jittered(if watch.is_live() { interval.saturating_mul(POLLS_PER_WATCH) } else { interval });
        // One millisecond more: servers round the rest of a lease down.
        busy.retry_after().map_or(poll, |rest| poll.min(rest + Duration::from_millis(1)))
    }

    /// Takes back, in the background, what the attempts may have left on the backend.
    fn clean_up(self) {
        let Self { core, claim, terms, tracked, unknown_since, queued, .. } = self;
        let until = unknown_since.map_or_else(|| Instant::now() + WAITERS_LIVE, |sent| sent + terms.lease);
        if queued || unknown_since.is_some() {
            tokio::spawn(async move {
                sweep(&core, &claim, until, unknown_since.is_some(), terms.command_timeout).await;
                drop(tracked);
            });
        }
    }
}

async fn pass(ticket: &mut Option<Ticket>) {
    if let Some(ticket) = ticket {
        ticket.pass().await;
    }
}

async fn hint(watch: &mut Option<Watch>) -> Hint {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
