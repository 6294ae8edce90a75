//! Counts what passes through a backend, and writes the lives of messages down.

use std::{collections::HashMap, sync::Arc, time::Duration, time::SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    Bury, Cancel, Capabilities, Claimed, DeadLetter, DelayQueueBackend, DelayQueueConsumer, DelayQueueProducer,
    Happened, MessageId, Pending, QueueName, QueueStats, RawMessage, Receipt, Replay, Reschedule, Result, Retry,
    Schedule, SendOutcome, Settled, Wakeups, trace::Recorder,
};

/// What passed through one queue of a handle (and its clones), since the handle was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Messages accepted.
    pub accepted: u64,
    /// Messages refused as duplicates.
    pub duplicates: u64,
    /// Messages taken back.
    pub cancelled: u64,
    /// Messages handed to a worker, each time.
    pub delivered: u64,
    /// Messages done.
    pub done: u64,
    /// Failed attempts that are followed by another.
    pub retried: u64,
    /// Deliveries given back unhandled.
    pub returned: u64,
    /// Messages that became dead letters.
    pub dead: u64,
    /// Deliveries whose lease was lost.
    pub lease_lost: u64,
    /// How late the deliveries were.
    pub lateness: Lateness,
}

/// How late deliveries were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lateness {
    /// How many were at most as late as the bound of the same place in [`BOUNDS`](Self::BOUNDS), and not as early as the
    /// bound before; the last counts those beyond all bounds.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// The latest.
    pub max: Duration,
}

impl Lateness {
    /// The upper bounds of the counts.
    pub const BOUNDS: [Duration; 14] = [
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(200),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(2),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(60),
    ];

    fn note(&mut self, lateness: Duration) {
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < lateness)] += 1;
        self.max = self.max.max(lateness);
    }

    /// A bound that at least this share (0.0 to 1.0) of the deliveries met; the latest of all if no bound was met.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let needed = (self.counts.iter().sum::<u64>() as f64 * share.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= needed
        });
        place.and_then(|place| Self::BOUNDS.get(place)).map_or(self.max, |bound| self.max.min(*bound))
    }
}

/// The counts of all queues; shared by the clones of a handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies(Arc<Mutex<HashMap<QueueName, Counts>>>);

impl Tallies {
    pub(crate) fn of(&self, queue: &QueueName) -> Counts {
        self.0.lock().get(queue).cloned().unwrap_or_default()
    }

    fn change(&self, queue: &QueueName, change: impl FnOnce(&mut Counts)) {
        let mut tallies = self.0.lock();
        match tallies.get_mut(queue) {
            Some(counts) => change(counts),
            None => change(tallies.entry(queue.clone()).or_default()),
        }
    }
}

/// A backend that is watched.
#[derive(Debug)]
pub(crate) struct Observed {
    inner: Arc<dyn DelayQueueBackend>,
    tallies: Tallies,
    recorder: Option<Recorder>,
}

impl Observed {
    pub(crate) fn new(inner: Arc<dyn DelayQueueBackend>, tallies: Tallies, recorder: Option<Recorder>) -> Self {
        Self { inner, tallies, recorder }
    }

    fn record(&self, queue: &QueueName, id: &MessageId, at: SystemTime, what: impl FnOnce() -> Happened) {
        if let Some(recorder) = &self.recorder {
            recorder.record(queue, id, at, what());
        }
    }

    /// Noted as of when the sending began: what is due at once may be delivered before it ends.
    fn sent(&self, queue: &QueueName, began: SystemTime, schedules: &[Schedule], outcomes: &[SendOutcome]) {
        let accepted = outcomes.iter().filter(|outcome| outcome.is_accepted()).count() as u64;
        self.tallies.change(queue, |counts| {
            counts.accepted += accepted;
            counts.duplicates += outcomes.len() as u64 - accepted;
        });
        let Some(recorder) = &self.recorder else { return };
        for (outcome, schedule) in outcomes.iter().zip(schedules) {
            let what = match outcome {
                SendOutcome::Accepted(_) => Happened::Scheduled { due: due(*schedule, began) },
                SendOutcome::Duplicate(_) => Happened::Duplicate,
            };
            recorder.record(queue, outcome.id(), began, what);
        }
    }

    /// Notes how settlements ended, as of when they began: what is retried may be delivered again before that call ends.
    fn settled<R>(
        &self,
        (queue, began): (&QueueName, SystemTime),
        requests: &[R],
        results: &[Settled],
        receipt: impl Fn(&R) -> &Receipt,
        count: impl Fn(&mut Counts, &R),
        what: impl Fn(&R) -> Happened,
    ) {
        self.tallies.change(queue, |counts| {
            for (request, result) in requests.iter().zip(results) {
                match result {
                    Settled::Done => count(counts, request),
                    Settled::Stale => counts.lease_lost += 1,
                }
            }
        });
        for (request, result) in requests.iter().zip(results) {
            self.record(queue, &receipt(request).id, began, || match result {
                Settled::Done => what(request),
                Settled::Stale => Happened::LeaseLost,
            });
        }
    }
}

fn due(schedule: Schedule, now: SystemTime) -> SystemTime {
    match schedule {
        Schedule::After(delay) => now + delay,
        Schedule::At(time) => time,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl DelayQueueProducer for Observed {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        let (schedule, began) = (message.schedule, SystemTime::now());
        let outcome = self.inner.enqueue(queue, message).await?;
        self.sent(queue, began, &[schedule], std::slice::from_ref(&outcome));
        Ok(outcome)
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        let schedules: Vec<_> = messages.iter().map(|message| message.schedule).collect();
        let began = SystemTime::now();
        let outcomes = self.inner.enqueue_batch(queue, messages).await?;
        self.sent(queue, began, &schedules, &outcomes);
        Ok(outcomes)
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        let began = SystemTime::now();
        let cancel = self.inner.cancel(queue, id).await?;
        if cancel == Cancel::Cancelled {
            self.tallies.change(queue, |counts| counts.cancelled += 1);
            self.record(queue, id, began, || Happened::Cancelled);
        }
        Ok(cancel)
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        let began = SystemTime::now();
        let reschedule = self.inner.reschedule(queue, id, schedule).await?;
        if reschedule == Reschedule::Rescheduled
            && let Some(recorder) = &self.recorder
        {
            recorder.record(queue, id, began, Happened::Rescheduled { due: due(schedule, began) });
        }
        Ok(reschedule)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl DelayQueueConsumer for Observed {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        let claimed = self.inner.claim(queue, max, lease).await?;
        if !claimed.deliveries.is_empty() {
            self.tallies.change(queue, |counts| {
                counts.delivered += claimed.deliveries.len() as u64;
                claimed.deliveries.iter().for_each(|delivery| counts.lateness.note(delivery.lateness));
            });
        }
        let came = SystemTime::now();
        for delivery in &claimed.deliveries {
            let what = || Happened::Delivered { attempt: delivery.attempt, lateness: delivery.lateness };
            self.record(queue, &delivery.message.id, came, what);
        }
        Ok(claimed)
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        let began = SystemTime::now();
        let results = self.inner.ack(queue, receipts).await?;
        self.settled((queue, began), receipts, &results, |it| it, |counts, _| counts.done += 1, |_| Happened::Done);
        Ok(results)
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let began = SystemTime::now();
        let results = self.inner.retry(queue, requests).await?;
        let count = |counts: &mut Counts, request: &Retry| {
            *if request.counted { &mut counts.retried } else { &mut counts.returned } += 1;
        };
        let what = |request: &Retry| match request.counted {
            true => Happened::Retried { after: request.after, error: request.error.clone() },
            false => Happened::Returned,
        };
        self.settled((queue, began), requests, &results, |request| &request.receipt, count, what);
        Ok(results)
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        self.inner.extend(queue, receipts, lease).await
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        let began = SystemTime::now();
        let results = self.inner.bury(queue, requests).await?;
        let what = |request: &Bury| Happened::Dead { reason: request.reason.clone(), error: request.error.clone() };
        self.settled((queue, began), requests, &results, |it| &it.receipt, |counts, _| counts.dead += 1, what);
        Ok(results)
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        self.inner.dead_letters(queue, skip, limit).await
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        let began = SystemTime::now();
        let replay = self.inner.replay(queue, id).await?;
        if replay == Replay::Replayed {
            self.record(queue, id, began, || Happened::Replayed);
        }
        Ok(replay)
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        let began = SystemTime::now();
        let purged = self.inner.purge(queue, id).await?;
        if let Some(id) = id
            && purged > 0
        {
            self.record(queue, id, began, || Happened::Purged);
        }
        Ok(purged)
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        self.inner.stats(queue).await
    }

    async fn peek(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        self.inner.peek(queue, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        self.inner.queues().await
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        self.inner.wakeups(queue)
    }

    fn poll_interval(&self) -> Duration {
        self.inner.poll_interval()
    }
}
