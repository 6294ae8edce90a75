//! What handles messages: the trait, closures, and what they may answer.

use std::{
    any::Any, collections::BTreeMap, fmt, future::Future, marker::PhantomData, time::Duration, time::SystemTime,
};

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::{Delivery, MessageId, Priority, QueueName, WorkerOptions, message::TRACEPARENT};

/// The error of a handler: anything that can be shown.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a handler says about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Done: the message is removed.
    Done,
    /// Not now: again after this pause. It counts as an attempt like any other; after the last one the message dies.
    RetryAfter(Duration),
    /// Never: the message becomes a dead letter with this reason.
    DeadLetter(String),
}

/// Handles the messages of one queue.
///
/// An `Err` or a panic is a failed attempt: the message is tried again as its retry policy says, and becomes a dead
/// letter after the last retry. Every message may come more than once (a worker may die between the effect and the
/// acknowledgement), so effects must be idempotent; [`Received::id`] is the key for that.
///
/// ```
/// use nebula_delay_queue::{DelayQueueListener, HandlerError, Outcome, Received};
///
/// #[derive(Debug)]
/// struct OrderTimeout;
///
/// impl DelayQueueListener for OrderTimeout {
///     type Message = u64;
///
///     async fn on_message(&self, order: Received<u64>) -> Result<Outcome, HandlerError> {
///         println!("order {} was not paid in time", order.body());
///         Ok(Outcome::Done)
///     }
/// }
/// ```
pub trait DelayQueueListener: Send + Sync + 'static {
    /// The type of the bodies. A body that is something else makes a dead letter.
    type Message: DeserializeOwned + Send + 'static;

    /// Handles one message.
    ///
    /// # Cancel safety
    ///
    /// The worker drops the future at the handler deadline, when the lease is lost, and when a drain takes too long.
    /// The message is then delivered again.
    fn on_message(
        &self,
        message: Received<Self::Message>,
    ) -> impl Future<Output = Result<Outcome, HandlerError>> + Send;
}

/// A message in a handler's hands.
#[derive(Clone)]
pub struct Received<T> {
    body: T,
    queue: QueueName,
    id: MessageId,
    attempt: u32,
    due: SystemTime,
    lateness: Duration,
    priority: Priority,
    headers: BTreeMap<String, String>,
    lease: CancellationToken,
}

impl<T> Received<T> {
    pub(crate) fn new(queue: QueueName, delivery: Delivery, body: T, lease: CancellationToken) -> Self {
        let Delivery { message, attempt, due, lateness, .. } = delivery;
        Self {
            body,
            queue,
            id: message.id,
            attempt,
            due,
            lateness,
            priority: message.priority,
            headers: message.headers,
            lease,
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.body
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> T {
        self.body
    }

    /// The queue it came from, prefix included.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The message's identity, the same in every attempt: the key for idempotent effects.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When it was due for the first time, by the backend's clock.
    #[must_use]
    pub fn due(&self) -> SystemTime {
        self.due
    }

    /// How long after it could have been claimed it was.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        self.lateness
    }

    /// Its priority.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    /// The sender's W3C `traceparent`.
    #[must_use]
    pub fn trace_context(&self) -> Option<&str> {
        self.header(TRACEPARENT)
    }

    /// Completes when the lease is lost, after which another worker may handle the message. The worker drops the
    /// handler then; give this future to work that the handler spawned elsewhere.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn lease_lost(&self) -> impl Future<Output = ()> + Send + use<T> {
        self.lease.clone().cancelled_owned()
    }
}

/// Bodies and header values stay out of logs.
impl<T> fmt::Debug for Received<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("queue", &self.queue)
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .field("lateness", &self.lateness)
            .finish_non_exhaustive()
    }
}

/// What a closure or a `#[delay_queue_listener]` function may return: `()`, an [`Outcome`], or a `Result` of either.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "returns `()`, an `Outcome`, or a `Result` of either whose error is an `Error + Send + Sync` or a text"
)]
pub trait IntoOutcome {
    /// The handler's answer.
    ///
    /// # Errors
    ///
    /// The handler's own error, which means a failed attempt.
    fn into_outcome(self) -> Result<Outcome, HandlerError>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        Ok(Outcome::Done)
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        Ok(self)
    }
}

impl<T: IntoOutcome, E: Into<HandlerError>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Result<Outcome, HandlerError> {
        self.map_err(Into::into)?.into_outcome()
    }
}

/// A closure as a listener; see [`listener_fn`].
pub struct ListenerFn<F, T>(F, PhantomData<fn(T)>);

impl<F, T> fmt::Debug for ListenerFn<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListenerFn")
    }
}

/// Makes a listener of an async closure.
///
/// ```
/// use nebula_delay_queue::{Received, listener_fn};
///
/// let listener = listener_fn(|order: Received<u64>| async move {
///     println!("order {} was not paid in time", order.body());
/// });
/// ```
pub fn listener_fn<F, T, Fut>(handler: F) -> ListenerFn<F, T>
where
    F: Fn(Received<T>) -> Fut + Send + Sync + 'static,
    T: DeserializeOwned + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send,
{
    ListenerFn(handler, PhantomData)
}

impl<F, T, Fut> DelayQueueListener for ListenerFn<F, T>
where
    F: Fn(Received<T>) -> Fut + Send + Sync + 'static,
    T: DeserializeOwned + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send,
{
    type Message = T;

    async fn on_message(&self, message: Received<T>) -> Result<Outcome, HandlerError> {
        (self.0)(message).await.into_outcome()
    }
}

/// A listener together with its queue and the worker's options; what `#[delay_queue_listener]` makes, for
/// [`DelayQueue::listen`](crate::DelayQueue::listen).
#[derive(Clone, Debug)]
pub struct Bound<L> {
    queue: String,
    options: WorkerOptions,
    listener: L,
}

impl<L: DelayQueueListener> Bound<L> {
    /// Binds a listener to a queue.
    pub fn new(queue: impl Into<String>, options: WorkerOptions, listener: L) -> Self {
        Self { queue: queue.into(), options, listener }
    }

    /// The queue's name, without prefix.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) fn into_parts(self) -> (String, WorkerOptions, L) {
        (self.queue, self.options, self.listener)
    }
}

/// What a handler said when it panicked.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}
