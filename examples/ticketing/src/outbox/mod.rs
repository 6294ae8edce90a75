//! Messages that commit with the change they speak of, and the time-outs of orders.
//!
//! The outbox is the SQL backend of `nebula-delay-queue` on the platform's own database: a message that is recorded in
//! the transaction of a payment exists exactly if the payment does. Whoever handles one may see it twice, so every
//! handler is idempotent.

mod messages;
mod notice;

use std::{sync::Arc, time::Duration};

use nebula_delay_queue::{
    DelayMessage, DelayMessageBuilder, DelayQueueBackend, Error as QueueError, Outbox as RelayOutbox, QueueName,
    RetryPolicy, SqlDelayQueue,
};
use serde::Serialize;

use self::messages::RECORDED;
pub use self::{
    messages::{FOLLOW, Follow, ISSUE, Issue, NOTICE, REFUND, REMIND, Refund, Step, TIMEOUT, Timeout},
    notice::{Notice, Topic},
};
use crate::{
    ids::OrderId,
    problem::{Problem, Result},
    storage::{Connection, Pool},
    telemetry::context,
};

/// A message that the outbox knows where to send.
pub trait Recorded: Serialize + Sync {
    /// Its queue.
    const QUEUE: &'static str;

    /// Its identity: a second message with it changes nothing while the first waits.
    fn id(&self) -> String;
}

/// Ten tries over about a quarter of an hour: what this process cannot do now, it or another does after a restart.
fn patiently() -> RetryPolicy {
    RetryPolicy::exponential(10, Duration::from_millis(500)).with_max(Duration::from_secs(300))
}

/// Whoever handles the message goes on with the trace of whoever sent it.
fn traced<M>(message: DelayMessageBuilder<M>) -> DelayMessageBuilder<M> {
    match context::current() {
        Some(part) => message.trace_context(part.to_string()),
        None => message,
    }
}

/// The SQL backend of `nebula-delay-queue` on the platform's own database, whichever it is.
#[derive(Clone, Debug)]
pub enum Messages {
    /// In the file.
    Sqlite(SqlDelayQueue),
    /// On the server.
    Postgres(SqlDelayQueue<sqlx::Postgres>),
}

impl Messages {
    /// Prepares the database for messages.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn open(pool: &Pool) -> std::result::Result<Self, QueueError> {
        Ok(match pool {
            Pool::Sqlite(pool) => {
                SqlDelayQueue::migrate(pool).await?;
                Self::Sqlite(SqlDelayQueue::new(pool.clone()))
            }
            Pool::Postgres(pool) => {
                SqlDelayQueue::migrate(pool).await?;
                Self::Postgres(SqlDelayQueue::new(pool.clone()))
            }
        })
    }

    /// The same messages for workers, who do not care where they come from.
    #[must_use]
    pub fn backend(&self) -> Arc<dyn DelayQueueBackend> {
        match self {
            Self::Sqlite(queue) => Arc::new(queue.clone()),
            Self::Postgres(queue) => Arc::new(queue.clone()),
        }
    }

    async fn enqueue<M: Serialize + Sync>(
        &self,
        connection: &mut Connection<'_>,
        queue: &QueueName,
        message: &DelayMessage<M>,
    ) -> Result<()> {
        let sent = match (self, connection) {
            (Self::Sqlite(messages), Connection::Sqlite(connection)) => {
                messages.enqueue_in(connection, queue, message).await
            }
            (Self::Postgres(messages), Connection::Postgres(connection)) => {
                messages.enqueue_in(connection, queue, message).await
            }
            _ => return Err(Problem::internal("the messages live in another database than the transaction")),
        };
        sent.map(drop).map_err(Problem::unavailable)
    }

    /// For the relay, which moves it on to a queue that lives elsewhere.
    async fn enqueue_for_relay<M: Serialize + Sync>(
        &self,
        connection: &mut Connection<'_>,
        queue: &QueueName,
        message: &DelayMessage<M>,
    ) -> Result<()> {
        let sent = match (self, connection) {
            (Self::Sqlite(messages), Connection::Sqlite(connection)) => {
                RelayOutbox::new(messages.clone()).enqueue_in(connection, queue, message).await
            }
            (Self::Postgres(messages), Connection::Postgres(connection)) => {
                RelayOutbox::new(messages.clone()).enqueue_in(connection, queue, message).await
            }
            _ => return Err(Problem::internal("the messages live in another database than the transaction")),
        };
        sent.map(drop).map_err(Problem::unavailable)
    }

    fn notify_relay(&self, queue: &QueueName) {
        match self {
            Self::Sqlite(messages) => RelayOutbox::new(messages.clone()).notify(queue),
            Self::Postgres(messages) => RelayOutbox::new(messages.clone()).notify(queue),
        }
    }

    fn notify(&self, queue: &QueueName) {
        match self {
            Self::Sqlite(messages) => messages.notify(queue),
            Self::Postgres(messages) => messages.notify(queue),
        }
    }
}

/// Records messages within the caller's transaction.
#[derive(Clone, Debug)]
pub struct Outbox {
    messages: Messages,
}

impl Outbox {
    /// An outbox for these messages.
    #[must_use]
    pub fn new(messages: Messages) -> Self {
        Self { messages }
    }

    /// Records a message: it exists if, and only if, the transaction commits.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn record<M: Recorded + Clone>(&self, connection: &mut Connection<'_>, message: &M) -> Result<()> {
        let builder = DelayMessage::builder().body(message.clone()).id(message.id()).retry(patiently());
        let message = traced(builder).build().map_err(Problem::internal)?;
        let queue = QueueName::new(M::QUEUE).map_err(Problem::internal)?;
        self.messages.enqueue(connection, &queue, &message).await
    }

    /// Call after the commit: the workers of this process look at once instead of at their next poll.
    pub fn wake(&self) {
        for name in RECORDED.into_iter().filter_map(|name| QueueName::new(name).ok()) {
            self.messages.notify(&name);
        }
    }
}

/// Arms the time-outs of orders in the transaction that writes the order, for a queue of this full name. So an order has
/// its time-out wherever the queue lives, and can be placed while that cannot be reached.
#[derive(Clone, Debug)]
pub enum Timeouts {
    /// The queue is in the same database.
    Database(Messages, QueueName),
    /// The queue is elsewhere: a relay moves the time-out on.
    Relayed(Messages, QueueName),
}

impl Timeouts {
    /// Arms a time-out: it exists if, and only if, the transaction commits.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn arm_in(&self, connection: &mut Connection<'_>, order: OrderId, after: Duration) -> Result<()> {
        let message = message(order, after)?;
        match self {
            Self::Database(messages, queue) => messages.enqueue(connection, queue, &message).await,
            Self::Relayed(messages, queue) => messages.enqueue_for_relay(connection, queue, &message).await,
        }
    }

    /// Call after the commit: a relay looks at once instead of at its next poll.
    pub fn wake(&self) {
        if let Self::Relayed(messages, queue) = self {
            messages.notify_relay(queue);
        }
    }
}

fn message(order: OrderId, after: Duration) -> Result<DelayMessage<Timeout>> {
    let builder = DelayMessage::builder().body(Timeout { order }).id(order.to_string()).delay(after);
    traced(builder.retry(patiently())).build().map_err(Problem::internal)
}
