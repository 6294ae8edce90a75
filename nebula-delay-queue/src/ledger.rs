//! What is known of messages beside the broker that carries them.

mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

pub use self::memory::MemoryLedger;
#[cfg(feature = "redis")]
pub use self::redis::RedisLedger;
use crate::{MessageId, QueueName, QueueStats, Result};

/// Where a message is, as a ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerState {
    /// On its way to the broker, which has not confirmed it. The record's time is when it may be forgotten.
    Sending,
    /// Waits, until the record's time at least.
    Waiting,
    /// In the hands of a worker, until the record's time.
    Leased,
    /// A dead letter since the record's time.
    Dead,
    /// Done, cancelled or purged: copies that still come are not handed out. The record's time is when it may be forgotten.
    Over,
}

impl LedgerState {
    /// All states, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Sending, Self::Waiting, Self::Leased, Self::Dead, Self::Over];

    /// The state as a number, for storing it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Sending => 0,
            Self::Waiting => 1,
            Self::Leased => 2,
            Self::Dead => 3,
            Self::Over => 4,
        }
    }

    /// The state of a number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// What is known of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRecord {
    /// Another one with every change; at most 63 bits.
    pub version: u64,
    /// Where the message is.
    pub state: LedgerState,
    /// See [`LedgerState`]; milliseconds since 1970, by the ledger's clock.
    pub at_ms: u64,
    /// What stores keep and do not look at: a line of text.
    pub detail: String,
}

/// A request to write a record.
#[derive(Clone, Debug)]
pub struct LedgerChange {
    /// The message.
    pub id: MessageId,
    /// The version that the record must have for this to happen; `None`: there must be no record.
    pub expected: Option<u64>,
    /// The record from then on.
    pub record: LedgerRecord,
    /// What becomes of the content.
    pub content: LedgerContent,
}

/// What a change does to the content that is kept with a record.
#[derive(Clone)]
pub enum LedgerContent {
    /// Nothing.
    Keep,
    /// There is none any more.
    Clear,
    /// This is it.
    Set(Bytes),
}

/// Contents are the users' data: they stay out of logs.
impl fmt::Debug for LedgerContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("Keep"),
            Self::Clear => f.write_str("Clear"),
            Self::Set(content) => write!(f, "Set({} bytes)", content.len()),
        }
    }
}

/// Records, and the time at which they were read.
#[derive(Clone, Debug, Default)]
pub struct LedgerView {
    /// By the ledger's clock.
    pub now_ms: u64,
    /// In the order of the ids asked for.
    pub records: Vec<Option<LedgerRecord>>,
}

/// Keeps an index of messages beside a broker, which cannot find them by their ids.
///
/// With [`RabbitDelayQueue::with_ledger`](crate::RabbitDelayQueue::with_ledger), a broker's queues cancel, reschedule and
/// recognise duplicates as those of any other backend. A ledger knows nothing of what its records mean: it stores them,
/// each under the condition that nobody has changed it meanwhile.
///
/// # Contract
///
/// - `read` answers in the order of the ids.
/// - `swap` writes a record exactly if its version is the one expected, atomically for each id; the others of a call are
///   written nevertheless. The answers are in the order of the changes. No id occurs twice in one call.
/// - Content is stored with the record that brings it and lasts until a record clears or replaces it.
/// - A record may be forgotten from its time on if it is `Sending` or `Over`; no other is.
/// - `next` is the least time of all `Waiting` and `Leased` records.
/// - `counts` are of `Waiting` and `Leased` records whose time has come (backlog; overdue if it came [a
///   while](QueueStats::OVERDUE) ago), those `Waiting` and `Leased` whose time has not (delayed, leased), and of `Dead`
///   ones; the lateness is that of the least time that has come.
/// - `forget_dead` removes all `Dead` records and tells how many.
/// - Ids of different queues are independent.
#[async_trait]
pub trait MessageLedger: fmt::Debug + Send + Sync + 'static {
    /// What is known of messages.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn read(&self, queue: &QueueName, ids: &[MessageId]) -> Result<LedgerView>;

    /// Writes records that nobody has changed meanwhile; tells which.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which records were written.
    async fn swap(&self, queue: &QueueName, changes: &[LedgerChange]) -> Result<Vec<bool>>;

    /// The content kept with a record.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn content(&self, queue: &QueueName, id: &MessageId) -> Result<Option<Bytes>>;

    /// The ledger's time, and when the next message may be handed out.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn next(&self, queue: &QueueName) -> Result<(u64, Option<u64>)>;

    /// How many messages are where.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn counts(&self, queue: &QueueName) -> Result<QueueStats>;

    /// Removes the records of all dead letters.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open how many were removed.
    async fn forget_dead(&self, queue: &QueueName) -> Result<u64>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<L: MessageLedger + ?Sized> MessageLedger for Arc<L> {
    async fn read(&self, queue: &QueueName, ids: &[MessageId]) -> Result<LedgerView> {
        (**self).read(queue, ids).await
    }

    async fn swap(&self, queue: &QueueName, changes: &[LedgerChange]) -> Result<Vec<bool>> {
        (**self).swap(queue, changes).await
    }

    async fn content(&self, queue: &QueueName, id: &MessageId) -> Result<Option<Bytes>> {
        (**self).content(queue, id).await
    }

    async fn next(&self, queue: &QueueName) -> Result<(u64, Option<u64>)> {
        (**self).next(queue).await
    }

    async fn counts(&self, queue: &QueueName) -> Result<QueueStats> {
        (**self).counts(queue).await
    }

    async fn forget_dead(&self, queue: &QueueName) -> Result<u64> {
        (**self).forget_dead(queue).await
    }
}
