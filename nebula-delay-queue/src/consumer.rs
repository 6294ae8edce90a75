//! The trait of whatever hands messages out, under leases.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    DeadLetter, DeadReason, Error, ErrorKind, MessageId, Pending, QueueName, QueueStats, RawMessage, Result, Wakeups,
    dead::Replay,
};

/// As many waiting messages as [`DelayQueueConsumer::peek`] names at most.
pub const MOST_PEEKED: usize = 1000;

/// Proof of a lease: only who presents it may acknowledge, retry, extend or bury the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseToken(Uuid);

impl LeaseToken {
    /// A token that nobody has used before.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The token as a number, for storing it.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The token of a number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_simple())
    }
}

/// A claimed message's name and the proof of its lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The message.
    pub id: MessageId,
    /// The lease.
    pub token: LeaseToken,
}

/// A message handed out under a lease.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The message.
    pub message: RawMessage,
    /// The proof of the lease.
    pub token: LeaseToken,
    /// How many times it has been handed out, this one included: 1 for the first.
    pub attempt: u32,
    /// When it was due for the first time, by the backend's clock.
    pub due: SystemTime,
    /// How long after it could have been claimed (first due time, end of a retry pause, end of a lost lease) it was.
    pub lateness: Duration,
    /// How long after its first due time it was claimed.
    pub overdue: Duration,
}

impl Delivery {
    /// A delivery whose message has just become due for the first time.
    #[must_use]
    pub fn new(message: RawMessage, token: LeaseToken, attempt: u32, due: SystemTime) -> Self {
        Self { message, token, attempt, due, lateness: Duration::ZERO, overdue: Duration::ZERO }
    }

    /// Says how late it is: after the claimable time, and after the first due time.
    #[must_use]
    pub fn with_lateness(mut self, lateness: Duration, overdue: Duration) -> Self {
        self.lateness = lateness;
        self.overdue = overdue;
        self
    }

    /// What acknowledging it takes.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt { id: self.message.id.clone(), token: self.token }
    }
}

/// The result of a claim.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Claimed {
    /// The messages, most urgent first.
    pub deliveries: Vec<Delivery>,
    /// How long until another message can be claimed if none arrives, by the backend's clock: zero when more are due
    /// now, `None` when there is nothing to wait for (or the backend cannot tell).
    pub next_due: Option<Duration>,
}

impl Claimed {
    /// A claim's result.
    #[must_use]
    pub fn new(deliveries: Vec<Delivery>, next_due: Option<Duration>) -> Self {
        Self { deliveries, next_due }
    }
}

/// Whether a lease was still held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a stale lease means that somebody else may be handling the message"]
pub enum Settled {
    /// The lease was held, and the request is carried out.
    Done,
    /// The lease has passed to somebody else, or the message is gone. Nothing was changed.
    Stale,
}

/// A request to hand a claimed message out again later.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The claimed message.
    pub receipt: Receipt,
    /// The pause before it can be claimed again.
    pub after: Duration,
    /// What went wrong. Kept until the next attempt.
    pub error: Option<String>,
    /// Whether this delivery counts as an attempt. `false` gives it back untouched, as a worker does that shuts down.
    pub counted: bool,
}

/// A request to make a claimed message a dead letter.
#[derive(Clone, Debug)]
pub struct Bury {
    /// The claimed message.
    pub receipt: Receipt,
    /// Why.
    pub reason: DeadReason,
    /// What went wrong last.
    pub error: Option<String>,
}

/// Hands messages out under leases: the half of a backend that workers need.
///
/// Applications use it through [`Worker`](crate::Worker), which extends leases, retries and drains.
///
/// # Contract
///
/// - `claim` returns at most `max` messages that are due, never an early one: by priority first, then by due time.
///   Each is leased to the caller: until the lease ends, no other claim returns it.
/// - A message whose lease ended is claimable again; the attempt counts although nobody reported it.
/// - `ack`, `retry`, `extend` and `bury` act only with the token of the current lease and are `Stale` otherwise. Once
///   another claim returned the message, an older token is always `Stale`. Results are in the order of the requests.
/// - An acknowledged message is gone.
/// - A retried message is claimable after the pause, not earlier; `counted: false` takes back the attempt.
/// - Extending lets the lease end that long after now.
/// - A buried message is not delivered any more. It is listed with its reason, attempts and last error, in the order of
///   death, until it is replayed (due at once, as if never attempted) or purged.
/// - `stats` counts every message in one state: due, delayed, leased or dead. What is due for a second or longer is overdue
///   as well. A backend that cannot count the delayed leaves `total` and `overdue` out.
/// - `peek` names what waits, in the order in which it can be claimed (whatever the priorities), each with the time from which
///   it can; what is leased does not wait, and what waits is not touched. `queues` names every queue that holds a message. A
///   backend that cannot look refuses both.
/// - `wakeups` gives hints, possibly none and possibly spurious: a message may have arrived that is due earlier than
///   what the last claim said.
#[async_trait]
pub trait DelayQueueConsumer: fmt::Debug + Send + Sync + 'static {
    /// Leases up to `max` due messages. Backends may return fewer than are due, but not none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave messages leased to nobody; they return when the lease ends, one attempt older.
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed>;

    /// Removes messages that are done.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which were removed. Acknowledging again is safe (`Stale` for those).
    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>>;

    /// Gives messages back for another attempt.
    ///
    /// # Cancel safety
    ///
    /// As [`ack`](Self::ack).
    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>>;

    /// Lets leases end `lease` from now.
    ///
    /// # Cancel safety
    ///
    /// As [`ack`](Self::ack).
    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>>;

    /// Makes messages dead letters.
    ///
    /// # Cancel safety
    ///
    /// As [`ack`](Self::ack).
    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>>;

    /// Dead letters, the longest dead first, `limit` of them after the first `skip`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Puts a dead letter back into its queue, due at once and with no attempts counted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it was put back. Replaying again is safe.
    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay>;

    /// Deletes one dead letter, or all of the queue, for good; returns how many.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open what was deleted. Purging again is safe.
    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64>;

    /// How many messages are where.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn stats(&self, queue: &QueueName) -> Result<QueueStats>;

    /// Messages that wait to be claimed, those that can be (or could have been) claimed first first: at most `limit` of them, and
    /// at most [`MOST_PEEKED`]. [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) by default: not every backend sees
    /// what it holds.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn peek(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        let _ = limit;
        Err(Error::new(ErrorKind::Unsupported, format!("this backend cannot look into {queue}")))
    }

    /// The queues that hold a message, dead or alive, by name. [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) by
    /// default: not every backend knows.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn queues(&self) -> Result<Vec<QueueName>> {
        Err(Error::new(ErrorKind::Unsupported, "this backend cannot tell which queues there are"))
    }

    /// Hints that a message may have arrived.
    fn wakeups(&self, queue: &QueueName) -> Wakeups;

    /// How long a worker may sleep without asking, whatever it was told: the price of a hint that got lost.
    fn poll_interval(&self) -> Duration {
        Duration::from_secs(1)
    }
}
