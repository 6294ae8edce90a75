//! The trait of whatever accepts messages.

use std::fmt;

use async_trait::async_trait;

use crate::{Capabilities, MessageId, QueueName, RawMessage, Result, Schedule};

/// What became of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// Stored: it will be delivered at least once.
    Accepted(MessageId),
    /// A message with this id is in the queue already. Nothing was changed.
    Duplicate(MessageId),
}

impl SendOutcome {
    /// The id of the message, new or old.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        match self {
            Self::Accepted(id) | Self::Duplicate(id) => id,
        }
    }

    /// Whether this call stored the message.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message that was not found may be running right now"]
pub enum Cancel {
    /// It will not be delivered (again).
    Cancelled,
    /// Unknown, already taken by a consumer, done, or a dead letter.
    NotFound,
}

/// What became of a request to reschedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message that was not found may be running right now"]
pub enum Reschedule {
    /// It is due at the new time.
    Rescheduled,
    /// Unknown, already taken by a consumer, done, or a dead letter.
    NotFound,
}

/// Accepts messages: the half of a backend that senders need.
///
/// Applications use it through [`DelayQueue`](crate::DelayQueue), which encodes bodies and checks limits.
///
/// # Contract
///
/// - An accepted message is delivered at least once, as durably as the backend stores things.
/// - A message is never delivered before its due time by the backend's clock.
/// - While a message with an id is in the queue (waiting, claimed or dead), another one with that id is a `Duplicate`
///   and changes nothing. Ids of different queues are independent. An id is free again once its message is
///   acknowledged, cancelled or purged.
/// - The outcomes of a batch are in the order of its messages; a second message with the same id within one batch is a
///   `Duplicate`. A batch that fails may have been accepted in part: send it again, the ids sort it out.
/// - A cancelled message is not delivered any more. A message that a consumer holds is `NotFound`.
/// - Rescheduling moves a waiting message, earlier or later, and keeps everything else.
/// - `Err` means that the backend could not say; it never stands for a refusal.
#[async_trait]
pub trait DelayQueueProducer: fmt::Debug + Send + Sync + 'static {
    /// Stores one message.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was stored. Sending it again is safe.
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome>;

    /// Stores several messages; cheaper than one by one.
    ///
    /// # Cancel safety
    ///
    /// As [`enqueue`](Self::enqueue), for any part of the batch.
    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>>;

    /// Takes back a message that is waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was cancelled. Cancelling again is safe.
    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel>;

    /// Moves a message that is waiting to another time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was moved. Rescheduling again is safe.
    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule>;

    /// What this backend can do. Everything by default.
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    /// Asks the backend for a sign of life.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn ping(&self) -> Result<()>;
}
