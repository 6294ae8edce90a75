//! Workers: claim, handle, settle, and drain.

mod control;
mod handle;
mod lease;
mod options;
mod run;
mod settle;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub(crate) use self::control::WorkerControl;
pub use self::{control::Drained, options::WorkerOptions};
use crate::{
    BatchFn, Batched, DelayQueue, DelayQueueBatchListener, DelayQueueListener, Error, ErrorKind, IdempotencyStore,
    Idempotent, IntoBatchOutcome, IntoOutcome, QueueName, Received, Result, RetryPolicy,
    listener::{ListenerFn, listener_fn},
};

/// Describes a worker; from [`DelayQueue::worker`].
#[must_use = "a worker does nothing until `start`"]
pub struct WorkerBuilder<L = ()> {
    handle: DelayQueue,
    queue: QueueName,
    retry: RetryPolicy,
    options: WorkerOptions,
    listener: L,
}

impl WorkerBuilder {
    pub(crate) fn new(handle: DelayQueue, queue: QueueName, retry: RetryPolicy) -> Self {
        Self { handle, queue, retry, options: WorkerOptions::new(), listener: () }
    }

    /// Sets what handles the messages.
    pub fn listener<L: DelayQueueListener>(self, listener: L) -> WorkerBuilder<L> {
        let Self { handle, queue, retry, options, .. } = self;
        WorkerBuilder { handle, queue, retry, options, listener }
    }

    /// Sets an async closure to handle the messages. It may return `()`, an [`Outcome`](crate::Outcome), or a `Result`
    /// of either.
    pub fn handle<F, T, Fut>(self, handler: F) -> WorkerBuilder<ListenerFn<F, T>>
    where
        F: Fn(Received<T>) -> Fut + Send + Sync + 'static,
        T: DeserializeOwned + Send + 'static,
        Fut: Future<Output: IntoOutcome> + Send,
    {
        self.listener(listener_fn(handler))
    }
}

impl WorkerBuilder {
    /// Sets what handles the messages several at a time: at most `max`, waiting for more for at most `linger` after the
    /// first.
    ///
    /// The concurrency counts messages, so it should be `max` times the number of batches that may be handled at the
    /// same time; unless it is set, it becomes `max`.
    pub fn batch_listener<B: DelayQueueBatchListener>(
        self,
        max: usize,
        linger: Duration,
        listener: B,
    ) -> WorkerBuilder<Batched<B>> {
        let mut builder = self.listener(Batched::new(listener, max, linger));
        builder.options = builder.options.concurrency_at_least(builder.listener.max());
        builder
    }

    /// Sets an async closure to handle the messages several at a time, as [`batch_listener`](Self::batch_listener) does.
    /// It may return `()`, an [`Outcome`](crate::Outcome) for all, a `Vec` with one for each, or a `Result` of these.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> nebula_delay_queue::Result<()> {
    /// # use std::time::Duration;
    /// # use nebula_delay_queue::{DelayQueue, MemoryDelayQueue, Received};
    /// # let queue = DelayQueue::new(MemoryDelayQueue::new());
    /// queue.worker("views")?.handle_batch(100, Duration::from_millis(50), |views: Vec<Received<u64>>| async move {
    ///     println!("{} views, one statement", views.len());
    /// }).start()?;
    /// # Ok(()) }
    /// ```
    pub fn handle_batch<F, T, Fut>(
        self,
        max: usize,
        linger: Duration,
        handler: F,
    ) -> WorkerBuilder<Batched<BatchFn<F, T>>>
    where
        F: Fn(Vec<Received<T>>) -> Fut + Send + Sync + 'static,
        T: DeserializeOwned + Send + 'static,
        Fut: Future<Output: IntoBatchOutcome> + Send,
    {
        self.batch_listener(max, linger, BatchFn::new(handler))
    }
}

impl<L: DelayQueueListener> WorkerBuilder<L> {
    /// Lets each message take effect once, however often it comes; see [`Idempotent`].
    pub fn idempotent<S: IdempotencyStore>(self, store: S) -> WorkerBuilder<Idempotent<L, S>> {
        let Self { handle, queue, retry, options, listener } = self;
        WorkerBuilder { handle, queue, retry, options, listener: Idempotent::new(listener, store) }
    }
}

impl<L> WorkerBuilder<L> {
    /// Sets all options at once.
    pub fn with_options(mut self, options: WorkerOptions) -> Self {
        self.options = options;
        self
    }

    /// How many messages are handled at the same time. 8 by default.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.options = self.options.concurrency(concurrency);
        self
    }

    /// How many more messages are held ready. As many as the concurrency by default.
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.options = self.options.prefetch(prefetch);
        self
    }

    /// How long messages are leased, and so how long they rest when this process dies. 30 s by default. Leases are
    /// extended every third of that while the worker lives, however long handlers take.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options = self.options.lease(lease);
        self
    }

    /// How long a handler may take before the attempt counts as failed. 5 minutes by default.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.handler_timeout(timeout);
        self
    }

    /// The retry policy of messages that bring none of their own. The queue's by default.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options = self.options.retry(policy);
        self
    }

    /// How long the worker sleeps at most without asking the backend. The backend's advice by default.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.options = self.options.poll_interval(interval);
        self
    }
}

impl<L: DelayQueueListener> WorkerBuilder<L> {
    /// Starts the worker on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] if an option is out of range or there is no tokio runtime, [`ErrorKind::Closed`] if the
    /// queue was shut down.
    pub fn start(self) -> Result<Worker> {
        self.options.check()?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "a worker needs a tokio runtime").with_source(error)
        })?;
        let (control, done) = WorkerControl::new();
        self.handle.register(control.clone())?;
        let core = run::Core::new(
            Arc::clone(self.handle.backend()),
            self.queue.clone(),
            self.options,
            self.retry,
            self.listener,
            control.clone(),
        );
        runtime.spawn(async move {
            let drained = core.run().await;
            done.send_replace(Some(drained));
        });
        Ok(Worker { queue: self.queue, control })
    }
}

impl<L> fmt::Debug for WorkerBuilder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("queue", &self.queue)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A running worker.
///
/// Dropping it leaves the worker running until [`DelayQueue::shutdown`]; [`shutdown`](Self::shutdown) ends it alone.
/// When the runtime goes away, or the process dies, the messages it held come back as soon as their leases end.
#[derive(Clone, Debug)]
pub struct Worker {
    queue: QueueName,
    control: WorkerControl,
}

impl Worker {
    /// The queue it works on, prefix included.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// Whether it has not stopped yet.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.control.is_running()
    }

    /// Stops claiming, gives back what no handler has begun, lets handlers finish within `timeout`, drops the others and
    /// gives their messages back too, then reports.
    ///
    /// It takes at most `timeout` and a few seconds for the last settlements.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the worker shutting down by itself.
    pub async fn shutdown(&self, timeout: Duration) -> Drained {
        self.control.stop(timeout);
        self.control.stopped().await
    }
}

/// A token that is cancelled when the worker must let go of something.
pub(crate) type Signal = CancellationToken;
