//! Handling messages several at a time.

use std::{fmt, future::Future, marker::PhantomData, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::{DelayQueueListener, HandlerError, IntoOutcome, Outcome, Received, error::chain, listener::panic_text};

/// Handles the messages of one queue several at a time, for what is cheaper together: one statement, one request.
///
/// Every message keeps its own lease, attempts and outcome. An `Err` or a panic is a failed attempt of each message in
/// the batch.
pub trait DelayQueueBatchListener: Send + Sync + 'static {
    /// The type of the bodies. A body that is something else makes a dead letter, and the batch does not see it.
    type Message: DeserializeOwned + Send + 'static;

    /// Handles a batch, which is never empty. The outcomes are in the order of the messages, or one for all.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the worker has let go of all messages of the batch: at the handler deadline, when leases are lost,
    /// and when a drain takes too long. The messages are then delivered again.
    fn on_batch(
        &self,
        messages: Vec<Received<Self::Message>>,
    ) -> impl Future<Output = Result<BatchOutcome, HandlerError>> + Send;
}

/// What a handler says about a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum BatchOutcome {
    /// The same for all.
    All(Outcome),
    /// One for each message, in their order.
    Each(Vec<Outcome>),
}

/// What a closure that handles batches may return: what one for single messages may, one outcome for all; or a
/// [`BatchOutcome`].
pub trait IntoBatchOutcome {
    /// The handler's answer.
    ///
    /// # Errors
    ///
    /// The handler's own error, which means a failed attempt of all messages.
    fn into_batch_outcome(self) -> Result<BatchOutcome, HandlerError>;
}

impl IntoBatchOutcome for BatchOutcome {
    fn into_batch_outcome(self) -> Result<BatchOutcome, HandlerError> {
        Ok(self)
    }
}

impl IntoBatchOutcome for () {
    fn into_batch_outcome(self) -> Result<BatchOutcome, HandlerError> {
        Ok(BatchOutcome::All(self.into_outcome()?))
    }
}

impl IntoBatchOutcome for Outcome {
    fn into_batch_outcome(self) -> Result<BatchOutcome, HandlerError> {
        Ok(BatchOutcome::All(self))
    }
}

impl IntoBatchOutcome for Vec<Outcome> {
    fn into_batch_outcome(self) -> Result<BatchOutcome, HandlerError> {
        Ok(BatchOutcome::Each(self))
    }
}

impl<T: IntoBatchOutcome, E: Into<HandlerError>> IntoBatchOutcome for Result<T, E> {
    fn into_batch_outcome(self) -> Result<BatchOutcome, HandlerError> {
        self.map_err(Into::into)?.into_batch_outcome()
    }
}

/// A closure as a batch listener; from [`WorkerBuilder::handle_batch`](crate::WorkerBuilder::handle_batch).
pub struct BatchFn<F, T>(F, PhantomData<fn(T)>);

impl<F, T> BatchFn<F, T> {
    pub(crate) const fn new(handler: F) -> Self {
        Self(handler, PhantomData)
    }
}

impl<F, T> fmt::Debug for BatchFn<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchFn")
    }
}

impl<F, T, Fut> DelayQueueBatchListener for BatchFn<F, T>
where
    F: Fn(Vec<Received<T>>) -> Fut + Send + Sync + 'static,
    T: DeserializeOwned + Send + 'static,
    Fut: Future<Output: IntoBatchOutcome> + Send,
{
    type Message = T;

    async fn on_batch(&self, messages: Vec<Received<T>>) -> Result<BatchOutcome, HandlerError> {
        (self.0)(messages).await.into_batch_outcome()
    }
}

/// Gathers what a worker handles at the same time into batches; from
/// [`WorkerBuilder::batch_listener`](crate::WorkerBuilder::batch_listener).
pub struct Batched<B: DelayQueueBatchListener> {
    listener: Arc<B>,
    max: usize,
    linger: Duration,
    open: Arc<Mutex<Option<Open<B::Message>>>>,
}

/// A batch that still takes messages.
struct Open<T> {
    members: Vec<Member<T>>,
    full: Arc<Notify>,
}

type Answer = Result<Outcome, String>;

struct Member<T> {
    message: Received<T>,
    answer: oneshot::Sender<Answer>,
}

impl<B: DelayQueueBatchListener> Clone for Batched<B> {
    fn clone(&self) -> Self {
        let (listener, open) = (Arc::clone(&self.listener), Arc::clone(&self.open));
        Self { listener, open, max: self.max, linger: self.linger }
    }
}

impl<B: DelayQueueBatchListener> Batched<B> {
    /// Hands `listener` batches of at most `max` messages, waiting for more for at most `linger` after the first.
    #[must_use]
    pub fn new(listener: B, max: usize, linger: Duration) -> Self {
        Self { listener: Arc::new(listener), max: max.max(1), linger, open: Arc::default() }
    }

    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    /// Adds a message to the open batch; opens one if there is none.
    fn join(&self, message: Received<B::Message>) -> oneshot::Receiver<Answer> {
        let (answer, hears) = oneshot::channel();
        let member = Member { message, answer };
        let mut open = self.open.lock();
        match &mut *open {
            Some(batch) => batch.members.push(member),
            None => {
                let full = Arc::new(Notify::new());
                *open = Some(Open { members: vec![member], full: Arc::clone(&full) });
                // A task of its own, because the batch must outlive any one of its messages.
                tokio::spawn(self.clone().close_late(full));
            }
        }
        if let Some(batch) = open.take_if(|batch| batch.members.len() >= self.max) {
            batch.full.notify_one();
            tokio::spawn(self.clone().run(batch.members));
        }
        hears
    }

    /// Closes a batch that has lingered long enough.
    async fn close_late(self, full: Arc<Notify>) {
        if timeout(self.linger, full.notified()).await.is_err() {
            let late = self.open.lock().take_if(|batch| Arc::ptr_eq(&batch.full, &full));
            if let Some(batch) = late {
                self.run(batch.members).await;
            }
        }
    }

    /// Handles a batch, for as long as anybody waits for one of its messages.
    async fn run(self, mut members: Vec<Member<B::Message>>) {
        // Let go of while the batch was gathered.
        members.retain(|member| !member.answer.is_closed());
        if members.is_empty() {
            return;
        }
        let (messages, mut answers): (Vec<_>, Vec<_>) =
            members.into_iter().map(|member| (member.message, member.answer)).unzip();
        let handling = AssertUnwindSafe(async { self.listener.on_batch(messages).await }).catch_unwind();
        let result = tokio::select! {
            result = handling => result,
            _ = join_all(answers.iter_mut().map(oneshot::Sender::closed)) => return,
        };
        let count = answers.len();
        let outcomes: Result<Vec<Outcome>, String> = match result {
            Ok(Ok(BatchOutcome::All(outcome))) => Ok(vec![outcome; count]),
            Ok(Ok(BatchOutcome::Each(outcomes))) if outcomes.len() == count => Ok(outcomes),
            Ok(Ok(BatchOutcome::Each(outcomes))) => {
                Err(format!("the handler gave {} outcomes for {count} messages", outcomes.len()))
            }
            Ok(Err(error)) => Err(chain(&*error)),
            Err(panic) => Err(format!("the handler panicked: {}", panic_text(&*panic))),
        };
        for (place, answer) in answers.into_iter().enumerate() {
            // Nobody waits any more for what was let go.
            let _ = answer.send(match &outcomes {
                Ok(outcomes) => Ok(outcomes[place].clone()),
                Err(error) => Err(error.clone()),
            });
        }
    }
}

impl<B: DelayQueueBatchListener> DelayQueueListener for Batched<B> {
    type Message = B::Message;

    async fn on_message(&self, message: Received<B::Message>) -> Result<Outcome, HandlerError> {
        match self.join(message).await {
            Ok(answer) => answer.map_err(Into::into),
            Err(_) => Err("the batch was abandoned".into()),
        }
    }
}

impl<B: DelayQueueBatchListener> fmt::Debug for Batched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batched").field("max", &self.max).field("linger", &self.linger).finish_non_exhaustive()
    }
}
