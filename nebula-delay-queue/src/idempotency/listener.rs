//! A listener around a listener that lets no message take effect twice.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Begin, IdempotencyStore};
use crate::{
    DelayQueueListener, HandlerError, LeaseToken, MessageId, Outcome, QueueName, Received, Result, error::chain,
};

/// How long a mark lasts that nobody renews, which is how long a message rests when its process dies.
const LEASE: Duration = Duration::from_secs(30);
const KEEP: Duration = Duration::from_secs(24 * 3600);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Handles each message id once: a message that has been handled is `Done` unseen, and one that another worker is at
/// waits for that. From [`WorkerBuilder::idempotent`](crate::WorkerBuilder::idempotent), or around any listener.
///
/// It answers every duplicate that queues make: messages sent twice, leases that ended too early, acknowledgements that
/// were lost. What it cannot see is the inside of the handler: if the process dies after the effect and before the mark,
/// the next attempt makes the effect again. Where that matters, the mark must be part of the effect: write it in the
/// same database transaction.
///
/// An id counts as done for 24 hours unless [`keep`](Self::keep) says otherwise: an id that is used again within that
/// time is taken for a duplicate. Failed attempts, retries and dead letters leave no mark, so that a replay works.
#[derive(Clone, Debug)]
pub struct Idempotent<L, S> {
    listener: L,
    store: Arc<S>,
    keep: Duration,
    lease: Duration,
}

impl<L: DelayQueueListener, S: IdempotencyStore> Idempotent<L, S> {
    /// Lets `listener` see what `store` does not know.
    #[must_use]
    pub fn new(listener: L, store: S) -> Self {
        Self { listener, store: Arc::new(store), keep: KEEP, lease: LEASE }
    }

    /// How long handled messages are remembered: longer than any duplicate can be late. 24 hours by default.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// How long a message is kept from others when this process dies while it handles it. 30 s by default.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// Keeps the mark alive, until dropped.
    async fn renew(&self, mark: &Mark<S>) -> Infallible {
        loop {
            sleep(self.lease / 3).await;
            if let Err(error) = self.store.begin(&mark.queue, &mark.id, mark.token, self.lease).await {
                tracing::warn!(queue = %mark.queue, id = %mark.id, error = chain(&error), "could not renew a mark");
            }
        }
    }

    /// Records the effect; keeps trying for as long as nobody else can begin.
    async fn complete(&self, mark: &Mark<S>) -> Result<()> {
        let (until, mut pause) = (Instant::now() + self.lease / 2, FIRST_PAUSE);
        loop {
            match self.store.complete(&mark.queue, &mark.id, mark.token, self.keep).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    tracing::error!(queue = %mark.queue, id = %mark.id, "somebody else handles this message as well");
                    return Ok(());
                }
                Err(error) if Instant::now() >= until || !error.is_retryable() => return Err(error),
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// A message that was begun. Dropped without an end, it is given up.
struct Mark<S: IdempotencyStore> {
    store: Arc<S>,
    queue: QueueName,
    id: MessageId,
    token: LeaseToken,
    armed: bool,
}

impl<S: IdempotencyStore> Drop for Mark<S> {
    fn drop(&mut self) {
        if self.armed
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (store, queue, id, token) = (Arc::clone(&self.store), self.queue.clone(), self.id.clone(), self.token);
            runtime.spawn(async move { store.abandon(&queue, &id, token).await });
        }
    }
}

impl<L: DelayQueueListener, S: IdempotencyStore> DelayQueueListener for Idempotent<L, S> {
    type Message = L::Message;

    async fn on_message(&self, message: Received<L::Message>) -> Result<Outcome, HandlerError> {
        let mut mark = Mark {
            store: Arc::clone(&self.store),
            queue: message.queue().clone(),
            id: message.id().clone(),
            token: LeaseToken::random(),
            armed: true,
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.begin(&mark.queue, &mark.id, mark.token, self.lease).await? {
                Begin::Fresh => break,
                Begin::Done => {
                    tracing::info!(queue = %mark.queue, id = %mark.id, "a duplicate of a message that was handled");
                    mark.armed = false;
                    return Ok(Outcome::Done);
                }
                // The handler's deadline bounds this.
                Begin::Busy(left) => sleep(pause.min(left).max(Duration::from_millis(1))).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let outcome = tokio::select! {
            outcome = self.listener.on_message(message) => outcome?,
            never = self.renew(&mark) => match never {},
        };
        if outcome == Outcome::Done {
            mark.armed = false;
            self.complete(&mark).await?;
        }
        Ok(outcome)
    }
}
