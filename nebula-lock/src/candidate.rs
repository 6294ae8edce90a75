//! The way to a lock: attempts, waiting, and clean-up when the caller goes away.
//!
//! All of it runs in a task of its own, which turns into the keeper of the hold. The caller only waits for the answer,
//! so dropping its future never drops a command half-way: the task sees the reply and gives the lock back.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument, debug, debug_span};

use crate::backoff::{Backoff, jittered};
use crate::cleanup::sweep;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::gate::Ticket;
use crate::guard::LockGuard;
use crate::hold::{Hold, Keeper};
use crate::lock::{Attempt, Busy, Claim, Mode, Watch};
use crate::options::Terms;
use crate::telemetry::{self, Ending};
use crate::validity::valid_until;

/// A live watch makes polling a safety net only; this many intervals apart.
const POLLS_PER_WATCH: u32 = 10;

/// Longer than backends believe in a waiter that is not heard of.
const WAITERS_LIVE: Duration = Duration::from_secs(5);

type Reply = oneshot::Sender<Result<Option<LockGuard>>>;

/// Takes the lock of `claim`; `None`: it was not free in time.
pub(crate) async fn obtain(core: Arc<Core>, claim: Claim, terms: Terms) -> Result<Option<LockGuard>> {
    if core.closing.is_cancelled() {
        return Err(shut_down("no new locks").with_key(claim.key()));
    }
    let runtime = Handle::try_current()
        .map_err(|error| Error::new(ErrorKind::ConfigInvalid, "locks need a Tokio runtime").with_source(error))?;
    let (reply, answer) = oneshot::channel();
    let span = debug_span!("lock", key = %claim.key());
    let tasks = core.tasks.clone();
    let candidate =
        Candidate { core, claim, terms, unknown_since: None, queued: false, contended: false, ticket: None };
    tasks.spawn_on(candidate.run(reply).instrument(span), &runtime);
    answer.await.unwrap_or_else(|_| Err(shut_down("the runtime is going down")))
}

fn shut_down(context: &'static str) -> Error {
    Error::new(ErrorKind::ShutDown, context)
}

struct Candidate {
    core: Arc<Core>,
    claim: Claim,
    terms: Terms,
    /// When the last command was sent whose outcome nobody knows.
    unknown_since: Option<Instant>,
    /// The backend may know that this claim waits.
    queued: bool,
    contended: bool,
    /// The place in the queue of this process.
    ticket: Option<Ticket>,
}

/// A lock that was obtained, by a command sent at `sent`.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) fence: Fence,
    pub(crate) sent: Instant,
    pub(crate) until: Instant,
    /// When an earlier attempt was sent of which nothing was heard.
    pub(crate) unknown_since: Option<Instant>,
}

impl Candidate {
    async fn run(mut self, mut reply: Reply) {
        let start = Instant::now();
        let waiting = self.core.waiting.enter();
        let outcome = self.compete(start, &mut reply).await;
        drop(waiting);
        let ending = match &outcome {
            Ok(Some(_)) => Ending::Acquired,
            _ if reply.is_closed() => Ending::Abandoned,
            Ok(None) => Ending::Busy,
            Err(_) => Ending::Failed,
        };
        telemetry::acquisition(ending, start.elapsed());
        match outcome {
            Ok(Some(grant)) => {
                let hold = Hold::new(self.core, self.claim, self.terms, self.ticket, &grant);
                let (guard, keeper): (LockGuard, Keeper) = hold.start();
                // A caller that has gone gets nothing: the guard comes back, is dropped, and the keeper releases.
                drop(reply.send(Ok(Some(guard))));
                keeper.run().await;
            }
            Ok(None) => {
                drop(reply.send(Ok(None)));
                self.clean_up().await;
            }
            Err(error) => {
                drop(reply.send(Err(error.with_key(self.claim.key()))));
                self.clean_up().await;
            }
        }
    }

    async fn compete(&mut self, start: Instant, reply: &mut Reply) -> Result<Option<Grant>> {
        let core = Arc::clone(&self.core);
        let deadline = self.terms.wait.map(|wait| start + wait);
        let mut backoff = Backoff::new(self.terms.retry_interval, Duration::from_secs(1));
        let mut watch: Option<Watch> = None;
        if let Some(deadline) = deadline
            && !self.has_turn()
        {
            tokio::select! {
                biased;
                () = reply.closed() => return Ok(None),
                () = core.closing.cancelled() => return Err(shut_down("stopped waiting")),
                () = pass(&mut self.ticket) => {}
                () = sleep_until(deadline) => return Ok(None),
            }
        }
        loop {
            let (pause, failure) = match (self.attempt().await, deadline) {
                (Ok(Ok(grant)), _) => return Ok(Some(grant)),
                (Ok(Err(_)), None) => return Ok(None),
                (Ok(Err(busy)), Some(_)) => match &watch {
                    None => {
                        self.note_contention();
                        watch = Some(self.open_watch().await);
                        // Whatever happened before the watch was open is seen by looking again.
                        continue;
                    }
                    Some(watch) => (self.pause(&busy, watch), None),
                },
                (Err(error), Some(_)) if error.is_retryable() => {
                    debug!(key = %self.claim.key(), %error, "the attempt failed; trying again");
                    (backoff.pause(), Some(error))
                }
                (Err(error), _) => return Err(error),
            };
            let again = Instant::now() + pause;
            let again = deadline.map_or(again, |deadline| again.min(deadline));
            tokio::select! {
                biased;
                () = reply.closed() => return Ok(None),
                () = core.closing.cancelled() => return Err(shut_down("stopped waiting")),
                () = hint(&mut watch) => {}
                () = sleep_until(again) => {
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return failure.map_or(Ok(None), Err);
                    }
                }
            }
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

    fn note_contention(&mut self) {
        if !std::mem::replace(&mut self.contended, true) {
            telemetry::contended();
            debug!(key = %self.claim.key(), "waiting for the lock");
        }
    }

    /// One attempt: granted, busy, or nobody knows.
    async fn attempt(&mut self) -> Result<Result<Grant, Busy>> {
        let sent = Instant::now();
        let limit = self.terms.command_timeout.min(self.terms.lease);
        let attempt = timeout(limit, self.core.backend.try_acquire(&self.claim, self.terms.lease)).await;
        match attempt {
            Ok(Ok(Attempt::Busy(busy))) => {
                self.queued = matches!(self.claim.mode(), Mode::Fair | Mode::Write);
                Ok(Err(busy))
            }
            Ok(Ok(Attempt::Acquired(fence))) => {
                let until = valid_until(sent, self.terms.lease);
                if until > Instant::now() {
                    return Ok(Ok(Grant { fence, sent, until, unknown_since: self.unknown_since }));
                }
                self.unknown_since = Some(sent);
                Err(Error::new(ErrorKind::InvalidLease, "the lease was used up before the reply arrived"))
            }
            Ok(Err(error)) => {
                if error.kind() == ErrorKind::OutcomeUnknown {
                    self.unknown_since = Some(sent);
                }
                Err(error)
            }
            Err(_) => {
                self.unknown_since = Some(sent);
                let whole = if limit == self.terms.lease { ", the whole lease" } else { "" };
                let context = format!("no reply within {}{whole}", humantime::format_duration(limit));
                Err(Error::new(ErrorKind::OutcomeUnknown, context))
            }
        }
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

    async fn clean_up(mut self) {
        // Whoever queues behind within the process need not wait for this.
        self.ticket = None;
        let until = self.unknown_since.map_or_else(|| Instant::now() + WAITERS_LIVE, |sent| sent + self.terms.lease);
        if self.queued || self.unknown_since.is_some() {
            sweep(&self.core, &self.claim, until, self.unknown_since.is_some(), self.terms.command_timeout).await;
        }
    }
}

async fn pass(ticket: &mut Option<Ticket>) {
    if let Some(ticket) = ticket {
        ticket.pass().await;
    }
}

async fn hint(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
