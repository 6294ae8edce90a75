//! The handle that applications hold.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    Bound, Cancel, DeadLetter, DelayMessage, DelayQueueBackend, DelayQueueListener, Drained, Error, ErrorKind,
    MessageId, QueueName, QueueStats, RawMessage, Replay, Reschedule, Result, RetryPolicy, Schedule, SendOutcome,
    WorkerBuilder,
    observed::{Observed, Tallies},
    telemetry,
    trace::Recorder,
    worker::WorkerControl,
};

/// Sends typed messages, starts workers, and looks after both. Cheap to clone; clones share everything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> nebula_delay_queue::Result<()> {
/// use std::time::Duration;
/// use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Received};
///
/// let queue = DelayQueue::new(MemoryDelayQueue::new());
/// let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
/// let worker = queue.worker("order.timeout")?.handle(move |order: Received<u64>| {
///     let told = told.clone();
///     async move { told.send(order.into_body()).map_err(|_| "nobody listens") }
/// }).start()?;
///
/// let message = DelayMessage::builder().body(4711).delay(Duration::from_secs(15 * 60)).build()?;
/// queue.send("order.timeout", &message).await?;
/// assert_eq!(hears.recv().await, Some(4711)); // a quarter of an hour later
///
/// worker.shutdown(Duration::from_secs(5)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DelayQueue {
    /// The backend as it was given, and as it is used: watched.
    pub(crate) inner: Arc<dyn DelayQueueBackend>,
    pub(crate) backend: Arc<dyn DelayQueueBackend>,
    pub(crate) tallies: Tallies,
    pub(crate) recorder: Option<Recorder>,
    shared: Arc<Shared>,
    prefix: Option<QueueName>,
    retry: RetryPolicy,
}

struct Shared {
    closed: CancellationToken,
    workers: Mutex<Vec<WorkerControl>>,
}

/// A sign of life.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Health {
    /// How long the backend took to answer.
    pub round_trip: Duration,
    /// How many workers of this handle are running.
    pub workers: usize,
}

impl DelayQueue {
    /// A handle over a backend, or over an `Arc<dyn DelayQueueBackend>`.
    #[must_use]
    pub fn new(backend: impl DelayQueueBackend) -> Self {
        telemetry::describe();
        let inner: Arc<dyn DelayQueueBackend> = Arc::new(backend);
        let tallies = Tallies::default();
        Self {
            backend: Arc::new(Observed::new(Arc::clone(&inner), tallies.clone(), None)),
            inner,
            tallies,
            recorder: None,
            shared: Arc::new(Shared { closed: CancellationToken::new(), workers: Mutex::default() }),
            prefix: None,
            retry: RetryPolicy::default(),
        }
    }

    /// Puts `prefix.` before every queue name, for example to keep two deployments on one server apart.
    #[must_use]
    pub fn with_prefix(mut self, prefix: QueueName) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// Sets the retry policy of workers and messages that have none of their own. Three times after 60 s by default.
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The backend, for what this handle does not offer.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn DelayQueueBackend> {
        &self.backend
    }

    /// The full name of a queue, prefix included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if it is not a queue name.
    pub fn name<Q>(&self, queue: Q) -> Result<QueueName>
    where
        Q: TryInto<QueueName>,
        Q::Error: Into<Error>,
    {
        let name = queue.try_into().map_err(Into::into)?;
        match &self.prefix {
            Some(prefix) => QueueName::new(format!("{prefix}.{name}")),
            None => Ok(name),
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`], [`ErrorKind::Codec`] and [`ErrorKind::TooLarge`] for bad input,
    /// [`ErrorKind::Closed`] after [`shutdown`](Self::shutdown), and what the backend reports. After a retryable error,
    /// sending the same message again is safe.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was stored. Sending the same message again is safe.
    pub async fn send<Q, T>(&self, queue: Q, message: &DelayMessage<T>) -> Result<SendOutcome>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
        T: Serialize + Sync,
    {
        let queue = self.open(queue)?;
        self.put(&queue, message.encode()?).await
    }

    /// Sends a message as backends store it: for layers that change the envelope on its way.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_raw<Q>(&self, queue: Q, message: RawMessage) -> Result<SendOutcome>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let queue = self.open(queue)?;
        message.check()?;
        self.put(&queue, message).await
    }

    async fn put(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        let outcome = self.backend.enqueue(queue, message).await?;
        telemetry::sent(queue, std::slice::from_ref(&outcome));
        Ok(outcome)
    }

    /// Sends several messages; the outcomes are in their order.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). A batch that fails may have been accepted in part; sending it again is safe.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send), for any part of the batch.
    pub async fn send_batch<'a, Q, T, M>(&self, queue: Q, messages: M) -> Result<Vec<SendOutcome>>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
        T: Serialize + Sync + 'a,
        M: IntoIterator<Item = &'a DelayMessage<T>> + Send,
    {
        let queue = self.open(queue)?;
        let raw = messages.into_iter().map(DelayMessage::encode).collect::<Result<Vec<_>>>()?;
        if raw.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self.backend.enqueue_batch(&queue, raw).await?;
        telemetry::sent(&queue, &outcomes);
        Ok(outcomes)
    }

    /// Takes back a message that no worker has taken yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name or id, and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was cancelled. Cancelling again is safe.
    pub async fn cancel<Q, I>(&self, queue: Q, id: I) -> Result<Cancel>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
        I: TryInto<MessageId> + Send,
        I::Error: Into<Error>,
    {
        let (queue, id) = (self.name(queue)?, id.try_into().map_err(Into::into)?);
        self.backend.cancel(&queue, &id).await
    }

    /// Moves a message that no worker has taken yet to another time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name or id, [`ErrorKind::InvalidMessage`] for a delay over a year, and what
    /// the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was moved. Rescheduling again is safe.
    pub async fn reschedule<Q, I>(&self, queue: Q, id: I, schedule: Schedule) -> Result<Reschedule>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
        I: TryInto<MessageId> + Send,
        I::Error: Into<Error>,
    {
        let (queue, id) = (self.name(queue)?, id.try_into().map_err(Into::into)?);
        schedule.check()?;
        self.backend.reschedule(&queue, &id, schedule).await
    }

    /// How many messages of a queue are where. Also sets the backlog gauges.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name, and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn stats<Q>(&self, queue: Q) -> Result<QueueStats>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let queue = self.name(queue)?;
        let stats = self.backend.stats(&queue).await?;
        telemetry::stats(&queue, &stats);
        Ok(stats)
    }

    /// Dead letters, the longest dead first: `limit` of them after the first `skip`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name, and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn dead_letters<Q>(&self, queue: Q, skip: usize, limit: usize) -> Result<Vec<DeadLetter>>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let queue = self.name(queue)?;
        self.backend.dead_letters(&queue, skip, limit).await
    }

    /// Gives a dead letter a new life: due at once, no attempts counted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name or id, and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it was replayed. Replaying again is safe.
    pub async fn replay<Q, I>(&self, queue: Q, id: I) -> Result<Replay>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
        I: TryInto<MessageId> + Send,
        I::Error: Into<Error>,
    {
        let (queue, id) = (self.open(queue)?, id.try_into().map_err(Into::into)?);
        self.backend.replay(&queue, &id).await
    }

    /// Deletes one dead letter, or with `None` all of the queue, for good; returns how many.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad name, and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open what was deleted. Purging again is safe.
    pub async fn purge<Q>(&self, queue: Q, id: Option<&MessageId>) -> Result<u64>
    where
        Q: TryInto<QueueName> + Send,
        Q::Error: Into<Error>,
    {
        let queue = self.name(queue)?;
        self.backend.purge(&queue, id).await
    }

    /// Starts to describe a worker of a queue.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if it is not a queue name.
    pub fn worker<Q>(&self, queue: Q) -> Result<WorkerBuilder>
    where
        Q: TryInto<QueueName>,
        Q::Error: Into<Error>,
    {
        Ok(WorkerBuilder::new(self.clone(), self.name(queue)?, self.retry.clone()))
    }

    /// Describes the worker that a listener of `#[delay_queue_listener]` asks for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if the listener names no valid queue.
    pub fn listen<L: DelayQueueListener>(&self, listener: Bound<L>) -> Result<WorkerBuilder<L>> {
        let (queue, options, listener) = listener.into_parts();
        Ok(self.worker(queue.as_str())?.with_options(options).listener(listener))
    }

    /// Asks the backend for a sign of life.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] after [`shutdown`](Self::shutdown), and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    pub async fn health(&self) -> Result<Health> {
        self.check_open()?;
        let started = Instant::now();
        self.backend.ping().await?;
        let workers = self.shared.workers.lock().iter().filter(|worker| worker.is_running()).count();
        Ok(Health { round_trip: started.elapsed(), workers })
    }

    /// Refuses further messages and drains all workers of this handle and its clones: those that handle a message may
    /// finish it within `timeout`, the rest goes back to the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the workers shutting down by themselves.
    pub async fn shutdown(&self, timeout: Duration) -> Drained {
        self.shared.closed.cancel();
        let workers = std::mem::take(&mut *self.shared.workers.lock());
        for worker in &workers {
            worker.stop(timeout);
        }
        let mut drained = Drained::default();
        for worker in workers {
            drained += worker.stopped().await;
        }
        drained
    }

    pub(crate) fn register(&self, worker: WorkerControl) -> Result<()> {
        let mut workers = self.shared.workers.lock();
        self.check_open()?;
        workers.retain(WorkerControl::is_running);
        workers.push(worker);
        Ok(())
    }

    fn open<Q>(&self, queue: Q) -> Result<QueueName>
    where
        Q: TryInto<QueueName>,
        Q::Error: Into<Error>,
    {
        self.check_open()?;
        self.name(queue)
    }

    pub(crate) fn closed(&self) -> CancellationToken {
        self.shared.closed.clone()
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.shared.closed.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, "this delay queue was shut down"));
        }
        Ok(())
    }
}

impl fmt::Debug for DelayQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayQueue")
            .field("backend", &self.inner)
            .field("prefix", &self.prefix)
            .field("retry", &self.retry)
            .field("closed", &self.shared.closed.is_cancelled())
            .finish_non_exhaustive()
    }
}
