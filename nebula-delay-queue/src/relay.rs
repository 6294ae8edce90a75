//! The outbox: messages that commit with the caller's transaction, and the relay that moves them on.

mod config;
mod envelope;
mod run;
mod status;

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::{config::RelayConfig, status::RelayStatus};
use self::{run::Line, status::Tally};
use crate::{
    DelayMessage, DelayQueueBackend, Error, ErrorKind, QueueName, Result, SendOutcome, SqlDatabase, SqlDelayQueue,
};

/// What the queues of an outbox begin with.
const PREFIX: &str = "outbox";

/// Stores messages in a database, inside the caller's transaction, for a [`Relay`] to move on to where they are worked
/// off: a broker or a Redis server, which have no part in such transactions.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Outbox, Relay, SqlDelayQueue};
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
///
/// SqlDelayQueue::migrate(&pool).await?;
/// let sql = SqlDelayQueue::new(pool.clone());
/// let target = MemoryDelayQueue::new(); // or on RabbitMQ, or on Redis
/// let relay = Relay::new(sql.clone(), target.clone()).queue("order.timeout")?.start()?;
///
/// let outbox = Outbox::new(sql);
/// let name = "order.timeout".try_into()?;
/// let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
/// // … insert the order …
/// let timeout = DelayMessage::builder().body(4711).delay(Duration::from_secs(900)).build()?;
/// outbox.enqueue_in(&mut tx, &name, &timeout).await?;
/// tx.commit().await?;
/// outbox.notify(&name); // optional: spares the relay of this process up to one poll interval
///
/// let queue = DelayQueue::new(target);
/// while queue.stats("order.timeout").await?.delayed == 0 {
///     tokio::time::sleep(Duration::from_millis(1)).await;
/// }
/// relay.shutdown(Duration::from_secs(10)).await;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
pub struct Outbox<
    #[cfg(feature = "sqlite")] DB: SqlDatabase = sqlx::Sqlite,
    #[cfg(not(feature = "sqlite"))] DB: SqlDatabase,
> {
    sql: SqlDelayQueue<DB>,
}

impl<DB: SqlDatabase> Outbox<DB> {
    /// An outbox in a database that [`SqlDelayQueue::migrate`] has prepared.
    #[must_use]
    pub fn new(sql: SqlDelayQueue<DB>) -> Self {
        Self { sql }
    }

    /// Stores a message for a queue on the caller's connection, inside its transaction. Its delay counts from now.
    ///
    /// # Errors
    ///
    /// As [`SqlDelayQueue::enqueue_in`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message is part of the transaction: roll it back.
    pub async fn enqueue_in<T: Serialize + Sync>(
        &self,
        connection: &mut DB::Connection,
        queue: &QueueName,
        message: &DelayMessage<T>,
    ) -> Result<SendOutcome> {
        let message = message.encode()?;
        let now = self.sql.now(connection).await?;
        let packed = envelope::pack(message, now);
        packed.check()?;
        self.sql.insert_in(connection, &outbox(queue)?, &packed, now).await
    }

    /// Wakes the relay of this process, after a transaction with new messages was committed.
    pub fn notify(&self, queue: &QueueName) {
        if let Ok(queue) = outbox(queue) {
            self.sql.notify(&queue);
        }
    }
}

impl<DB: SqlDatabase> Clone for Outbox<DB> {
    fn clone(&self) -> Self {
        Self { sql: self.sql.clone() }
    }
}

impl<DB: SqlDatabase> fmt::Debug for Outbox<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("sql", &self.sql).finish()
    }
}

/// The queue in which the messages for a queue wait to be moved.
fn outbox(queue: &QueueName) -> Result<QueueName> {
    QueueName::new(format!("{PREFIX}.{queue}"))
}

/// Moves the messages of an [`Outbox`] to another backend: id, due time, priority, time to live, retry policy and headers
/// stay what they are.
///
/// A message leaves the outbox when the other backend has confirmed it. A relay may die at any moment, and several may run
/// at once, in as many processes: nothing gets lost. What was confirmed shortly before a death is moved again when its
/// lease ends (30 s), and is a duplicate there: refused by its id while the first one is in the queue, and otherwise a
/// case for [`idempotent`](crate::WorkerBuilder::idempotent) handlers, as every duplicate is. The order is not kept.
///
/// Due times pass from clock to clock as what is left of the delay, so that neither has to be right. A message that the
/// other backend refuses for good (too large for it, say) becomes a dead letter of the outbox: queue `outbox.<name>`.
#[derive(Debug)]
#[must_use = "a relay moves nothing until it is started"]
pub struct Relay {
    source: Arc<dyn DelayQueueBackend>,
    target: Arc<dyn DelayQueueBackend>,
    queues: Vec<QueueName>,
    batch: usize,
    lease: Duration,
}

impl Relay {
    /// From the database in which an [`Outbox`] stores messages, to a backend.
    pub fn new(source: impl DelayQueueBackend, target: impl DelayQueueBackend) -> Self {
        let (source, target) = (Arc::new(source), Arc::new(target));
        Self { source, target, queues: Vec::new(), batch: 200, lease: Duration::from_secs(30) }
    }

    /// Moves the messages for this queue as well; the full name, prefix included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if it is not a queue name, or too long by the seven characters of `outbox.`.
    pub fn queue<Q>(mut self, queue: Q) -> Result<Self>
    where
        Q: TryInto<QueueName>,
        Q::Error: Into<Error>,
    {
        let queue = queue.try_into().map_err(Into::into)?;
        outbox(&queue)?;
        self.queues.push(queue);
        Ok(self)
    }

    /// As many messages are moved at a time. 200 by default, 500 at most.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.clamp(1, 500);
        self
    }

    /// How long messages are kept from other relays while this one moves them: longer than the other backend's deadline.
    /// 30 s by default.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Starts to move messages, until [`RunningRelay::shutdown`], or until all its clones are dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] without a queue, or without a tokio runtime.
    pub fn start(self) -> Result<RunningRelay> {
        if self.queues.is_empty() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "a relay needs at least one queue"));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "a relay needs a tokio runtime").with_source(error)
        })?;
        let (stop, abort, tally) = (CancellationToken::new(), CancellationToken::new(), Tally::default());
        let (done, ended) = watch::channel(());
        for queue in self.queues {
            let line = Line {
                source: Arc::clone(&self.source),
                target: Arc::clone(&self.target),
                outbox: outbox(&queue)?,
                queue,
                batch: self.batch,
                lease: self.lease,
                stop: stop.clone(),
                tally: tally.clone(),
            };
            let (done, abort) = (done.clone(), abort.clone());
            runtime.spawn(async move {
                let _ = abort.run_until_cancelled(line.run()).await;
                drop(done);
            });
        }
        let guards = Arc::new((stop.clone().drop_guard(), abort.clone().drop_guard()));
        Ok(RunningRelay { stop, abort, tally, ended, _guards: guards })
    }
}

/// A relay at work.
#[derive(Clone, Debug)]
pub struct RunningRelay {
    stop: CancellationToken,
    abort: CancellationToken,
    tally: Tally,
    ended: watch::Receiver<()>,
    _guards: Arc<(DropGuard, DropGuard)>,
}

impl RunningRelay {
    /// What it has done since it was started.
    #[must_use]
    pub fn status(&self) -> RelayStatus {
        self.tally.read()
    }

    /// Takes no further messages, and waits for those that are being moved; after `timeout` they are left to their
    /// leases. Tells whether all was finished.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the relay stopping by itself.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        self.stop.cancel();
        let mut ended = self.ended.clone();
        // Answers with an error when the last of the senders, one for each queue, is dropped.
        let finished = tokio::time::timeout(timeout, async { while ended.changed().await.is_ok() {} }).await.is_ok();
        self.abort.cancel();
        finished
    }
}
