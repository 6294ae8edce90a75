//! A backend whose answers to settlements are late: what was settled happens long before the caller knows.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::time::Duration;

use async_trait::async_trait;
use nebula_delay_queue::{
    Bury, Cancel, Claimed, DeadLetter, DelayQueueConsumer, DelayQueueProducer, MemoryDelayQueue, MessageId, QueueName,
    QueueStats, RawMessage, Receipt, Replay, Reschedule, Result, Retry, Schedule, SendOutcome, Settled, Wakeups,
};
use tokio::time::sleep;

#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) inner: MemoryDelayQueue,
    pub(crate) by: Duration,
}

#[async_trait]
impl DelayQueueProducer for Late {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        self.inner.enqueue(queue, message).await
    }
    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        self.inner.enqueue_batch(queue, messages).await
    }
    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        self.inner.cancel(queue, id).await
    }
    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        self.inner.reschedule(queue, id, schedule).await
    }
    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[async_trait]
impl DelayQueueConsumer for Late {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        self.inner.claim(queue, max, lease).await
    }
    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        self.inner.ack(queue, receipts).await
    }
    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let settled = self.inner.retry(queue, requests).await;
        sleep(self.by).await;
        settled
    }
    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        self.inner.extend(queue, receipts, lease).await
    }
    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        let settled = self.inner.bury(queue, requests).await;
        sleep(self.by).await;
        settled
    }
    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        self.inner.dead_letters(queue, skip, limit).await
    }
    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        let replay = self.inner.replay(queue, id).await;
        sleep(self.by).await;
        replay
    }
    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        self.inner.purge(queue, id).await
    }
    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        self.inner.stats(queue).await
    }
    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        self.inner.wakeups(queue)
    }
}
