//! What became of a message: its life, written down as it happens.

mod memory;
mod recorder;
#[cfg(feature = "redis")]
mod redis;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::memory::MemoryTrace;
pub(crate) use self::recorder::Recorder;
#[cfg(feature = "redis")]
pub use self::redis::RedisTrace;
use crate::{DeadReason, MessageId, QueueName, Result};

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TraceEvent {
    /// When, by the clock of the process that saw it.
    pub at: SystemTime,
    /// What.
    pub what: Happened,
}

/// What can happen to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happened {
    /// It was accepted, and is due at this time.
    Scheduled {
        /// By the sender's clock.
        due: SystemTime,
    },
    /// It was sent again and refused as a duplicate.
    Duplicate,
    /// It was moved to another time.
    Rescheduled {
        /// By the sender's clock.
        due: SystemTime,
    },
    /// It was taken back.
    Cancelled,
    /// A worker got it.
    Delivered {
        /// Counted from 1.
        attempt: u32,
        /// How long after it could have been claimed.
        lateness: Duration,
    },
    /// Its handler failed; it comes again.
    Retried {
        /// After this pause.
        after: Duration,
        /// What went wrong.
        error: Option<String>,
    },
    /// A worker gave it back without having handled it.
    Returned,
    /// A worker lost its lease.
    LeaseLost,
    /// It is done.
    Done,
    /// It became a dead letter.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What went wrong last.
        error: Option<String>,
    },
    /// The dead letter was given a new life.
    Replayed,
    /// The dead letter was deleted.
    Purged,
}

impl Happened {
    /// When the next thing should happen to it: `Some(None)` if nothing need happen any more.
    pub(crate) fn expects(&self, at: SystemTime) -> Option<Option<SystemTime>> {
        match self {
            Self::Scheduled { due } | Self::Rescheduled { due } => Some(Some(*due)),
            Self::Retried { after, .. } => Some(Some(at + *after)),
            Self::Returned | Self::LeaseLost | Self::Replayed => Some(Some(at)),
            // What its worker does not finish comes back to another when the lease ends, and is delivered again.
            Self::Delivered { .. } | Self::Done | Self::Dead { .. } | Self::Cancelled | Self::Purged => Some(None),
            Self::Duplicate => None,
        }
    }
}

/// By their times: events of one message come from several tasks and processes.
pub(crate) fn in_order(mut events: Vec<TraceEvent>) -> Vec<TraceEvent> {
    events.sort_by_key(|event| event.at);
    events
}

/// An event with the message that it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traced {
    /// The queue.
    pub queue: QueueName,
    /// The message.
    pub id: MessageId,
    /// The event.
    pub event: TraceEvent,
}

/// A message that has not been delivered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// The message.
    pub id: MessageId,
    /// When it is, or was, due.
    pub due: SystemTime,
}

impl Pending {
    /// A message that is due at a time.
    #[must_use]
    pub fn new(id: MessageId, due: SystemTime) -> Self {
        Self { id, due }
    }
}

/// Keeps the lives of messages, for [`DelayQueue::with_trace`](crate::DelayQueue::with_trace).
///
/// # Contract
///
/// - `trace` returns the events of a message in the order of their times; the latest ones, if there are very many.
/// - `pending` returns messages whose latest event (by its time, [`Duplicate`](Happened::Duplicate) apart) leaves something to
///   happen at or before a time, the longest due first.
/// - Events may be recorded in any order, by several processes at once.
/// - `queues` names every queue that anything was recorded about.
/// - What is older than the store remembers is forgotten.
#[async_trait]
pub trait TraceStore: fmt::Debug + Send + Sync + 'static {
    /// Writes events down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which were written.
    async fn record(&self, events: &[Traced]) -> Result<()>;

    /// The life of a message; empty if nothing is known.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>>;

    /// At most `limit` messages that should have been delivered by a time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>>;

    /// All queues.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn queues(&self) -> Result<Vec<QueueName>>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: TraceStore + ?Sized> TraceStore for Arc<S> {
    async fn record(&self, events: &[Traced]) -> Result<()> {
        (**self).record(events).await
    }

    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>> {
        (**self).trace(queue, id).await
    }

    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>> {
        (**self).pending(queue, by, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        (**self).queues().await
    }
}
