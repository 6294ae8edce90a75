//! The embedded backend: this process's memory, on tokio's time.

mod state;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use self::state::State;
use crate::{
    Bury, Cancel, Claimed, Clock, DeadLetter, DelayQueueConsumer, DelayQueueProducer, MOST_PEEKED, MessageId, Pending,
    QueueName, QueueStats, RawMessage, Receipt, Replay, Reschedule, Result, Retry, Schedule, SendOutcome, Settled,
    TokioClock, WakeupHub, Wakeups, clock::floor_ms,
};

/// Queues in this process's memory: for tests, and for programs whose messages may die with them.
///
/// It counts time on tokio's clock, so a test that pauses tokio's time jumps fifteen minutes ahead in no time. Clones
/// share their queues.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> nebula_delay_queue::Result<()> {
/// use std::time::Duration;
/// use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue};
///
/// let queue = DelayQueue::new(MemoryDelayQueue::new());
/// let message = DelayMessage::builder().body("hello").delay(Duration::from_secs(900)).build()?;
/// assert!(queue.send("greetings", &message).await?.is_accepted());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryDelayQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Box<dyn Clock>,
    queues: Mutex<HashMap<QueueName, State>>,
    hub: WakeupHub,
}

impl Default for Shared {
    fn default() -> Self {
        Self { clock: Box::new(TokioClock::new()), queues: Mutex::default(), hub: WakeupHub::default() }
    }
}

impl MemoryDelayQueue {
    /// Empty queues on tokio's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty queues on a clock of your own.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self(Arc::new(Shared { clock: Box::new(clock), ..Shared::default() }))
    }

    /// Runs `change` on the queue's state and passes on what became due earlier than before.
    fn with<R>(&self, queue: &QueueName, change: impl FnOnce(&mut State, u64) -> R) -> R {
        let now = floor_ms(self.0.clock.now());
        let mut queues = self.0.queues.lock();
        let state = match queues.get_mut(queue) {
            Some(state) => state,
            None => queues.entry(queue.clone()).or_default(),
        };
        let result = change(state, now);
        let head = state.head();
        drop(queues);
        if let Some(head) = head {
            self.0.hub.offer(queue, head);
        }
        result
    }
}

#[async_trait]
impl DelayQueueProducer for MemoryDelayQueue {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        message.check()?;
        let due = message.schedule.due_ms(self.0.clock.now());
        Ok(self.with(queue, |state, _| state.insert(message, due)))
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        for message in &messages {
            message.check()?;
        }
        let now = self.0.clock.now();
        Ok(self.with(queue, |state, _| {
            let insert = |message: RawMessage| {
                let due = message.schedule.due_ms(now);
                state.insert(message, due)
            };
            messages.into_iter().map(insert).collect()
        }))
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        Ok(self.with(queue, |state, now| state.cancel(id, now)))
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        schedule.check()?;
        let due = schedule.due_ms(self.0.clock.now());
        Ok(self.with(queue, |state, now| state.reschedule(id, due, now)))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl DelayQueueConsumer for MemoryDelayQueue {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        Ok(self.with(queue, |state, now| {
            let claimed = state.claim(max, lease, now);
            self.0.hub.observe(queue, state.head());
            claimed
        }))
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        Ok(self.with(queue, |state, _| receipts.iter().map(|receipt| state.ack(receipt)).collect()))
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let now = self.0.clock.now();
        Ok(self.with(queue, |state, _| requests.iter().map(|request| state.retry(request, now)).collect()))
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        Ok(self.with(queue, |state, now| receipts.iter().map(|receipt| state.extend(receipt, lease, now)).collect()))
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        Ok(self.with(queue, |state, now| requests.iter().map(|request| state.bury(request, now)).collect()))
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        Ok(self.with(queue, |state, _| state.dead_letters(skip, limit)))
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        Ok(self.with(queue, |state, now| state.replay(id, now)))
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        Ok(self.with(queue, |state, _| state.purge(id)))
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        Ok(self.with(queue, |state, now| state.stats(now)))
    }

    async fn peek(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        Ok(self.with(queue, |state, now| state.peek(limit.min(MOST_PEEKED), now)))
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        let queues = self.0.queues.lock();
        let mut names: Vec<_> =
            queues.iter().filter(|(_, state)| !state.is_empty()).map(|(name, _)| name.clone()).collect();
        names.sort();
        Ok(names)
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        self.0.hub.subscribe(queue)
    }
}
