//! A whole backend, and the traits behind an `Arc`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    Bury, Cancel, Claimed, DeadLetter, DelayQueueConsumer, DelayQueueProducer, MessageId, Pending, QueueName,
    QueueStats, RawMessage, Receipt, Replay, Reschedule, Result, Retry, Schedule, SendOutcome, Settled, Wakeups,
};

/// What a backend can do beyond delivering, retrying and burying, which all can.
///
/// What it cannot is refused with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported); asking first is for those
/// who choose another way then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It finds messages by their id: `cancel`, `reschedule`, and duplicates that are known when they are sent. Without
    /// it every send is `Accepted`, and duplicates are sorted out when they take effect.
    pub finds_by_id: bool,
    /// `stats` counts the delayed messages, and with them all that wait and those that are overdue; otherwise the delayed are
    /// zero and the others `None`.
    pub counts_delayed: bool,
    /// A claim tells when the next message is due, rather than a hint when it is.
    pub knows_next_due: bool,
}

impl Capabilities {
    /// Everything.
    pub const FULL: Self = Self { finds_by_id: true, counts_delayed: true, knows_next_due: true };
}

/// Both halves in one: what a [`DelayQueue`](crate::DelayQueue) is made of. Implemented for whatever implements both.
pub trait DelayQueueBackend: DelayQueueProducer + DelayQueueConsumer {}

impl<B: DelayQueueProducer + DelayQueueConsumer + ?Sized> DelayQueueBackend for B {}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: DelayQueueProducer + ?Sized> DelayQueueProducer for Arc<B> {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        (**self).enqueue(queue, message).await
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        (**self).enqueue_batch(queue, messages).await
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        (**self).cancel(queue, id).await
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        (**self).reschedule(queue, id, schedule).await
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn ping(&self) -> Result<()> {
        (**self).ping().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: DelayQueueConsumer + ?Sized> DelayQueueConsumer for Arc<B> {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        (**self).claim(queue, max, lease).await
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        (**self).ack(queue, receipts).await
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        (**self).retry(queue, requests).await
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        (**self).extend(queue, receipts, lease).await
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        (**self).bury(queue, requests).await
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        (**self).dead_letters(queue, skip, limit).await
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        (**self).replay(queue, id).await
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        (**self).purge(queue, id).await
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        (**self).stats(queue).await
    }

    async fn peek(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        (**self).peek(queue, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        (**self).queues().await
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        (**self).wakeups(queue)
    }

    fn poll_interval(&self) -> Duration {
        (**self).poll_interval()
    }
}
