//! The SQL backend: durable, embedded, and part of the caller's transactions. On SQLite.

mod consumer;
mod error;
mod migrate;
mod row;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Serialize;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

pub(crate) use self::error::sql_error;
use crate::{
    Cancel, Clock, DelayMessage, DelayQueueProducer, Error, ErrorKind, MessageId, QueueName, RawMessage, Reschedule,
    Result, Schedule, SendOutcome, SystemClock, WakeupHub, clock::floor_ms,
};

/// Queues in an SQLite database, shared by all processes that open the file.
///
/// Messages survive every crash that the database survives. [`enqueue_in`](Self::enqueue_in) stores a message inside
/// the caller's transaction: it exists exactly when the transaction commits, which is the outbox pattern without an
/// outbox. Clones share the pool and wake each other's workers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use nebula_delay_queue::{DelayMessage, DelayQueue, SqlDelayQueue};
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
///
/// SqlDelayQueue::migrate(&pool).await?;
/// let sql = SqlDelayQueue::new(pool.clone());
/// let queue = DelayQueue::new(sql.clone());
/// let name = queue.name("order.timeout")?;
///
/// let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
/// // … insert the order …
/// let timeout = DelayMessage::builder().body(4711).delay(Duration::from_secs(900)).build()?;
/// sql.enqueue_in(&mut tx, &name, &timeout).await?;
/// tx.commit().await?;
/// sql.notify(&name); // optional: spares this process's workers up to one poll interval
/// # Ok(()) }
/// ```
///
/// # Several processes
///
/// They may share one file (in WAL mode, with a busy timeout; sqlx sets one of 5 s). Leases are taken by a single
/// conditional update. Workers in other processes hear of a new message within their poll interval, 100 ms by default.
/// Due times and leases are counted on the wall clock, which processes on one machine share; a clock that jumps moves
/// deliveries, and never lets two workers hold a valid token.
#[derive(Clone, Debug)]
pub struct SqlDelayQueue {
    pool: SqlitePool,
    clock: Arc<dyn Clock>,
    hub: WakeupHub,
    timeout: Duration,
}

impl SqlDelayQueue {
    /// Queues in a database that [`migrate`](Self::migrate) has prepared.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool, clock: Arc::new(SystemClock), hub: WakeupHub::default(), timeout: Duration::from_secs(10) }
    }

    /// Counts time on another clock, so that tests can jump ahead.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long any operation may take, waiting for a connection and for locks included. 10 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Creates or updates this crate's tables (all named `nebula_delay_…`, with a version table of their own).
    ///
    /// Idempotent, and safe when several processes start at once. A database that a newer version has migrated is
    /// left alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] if another connection holds the database for too long, and what the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the database as it was or fully migrated.
    pub async fn migrate(pool: &SqlitePool) -> Result<()> {
        migrate::migrate(pool).await
    }

    /// Stores a message on the caller's connection, usually inside its transaction.
    ///
    /// Start such a transaction with `BEGIN IMMEDIATE`: SQLite cannot wait when a transaction that has read turns to
    /// writing. After the commit, [`notify`](Self::notify) wakes the workers of this process.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Codec`] and [`ErrorKind::TooLarge`] for bad input, and what the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message is part of the transaction: roll it back.
    pub async fn enqueue_in<T: Serialize + Sync>(
        &self,
        connection: &mut SqliteConnection,
        queue: &QueueName,
        message: &DelayMessage<T>,
    ) -> Result<SendOutcome> {
        row::insert_one(connection, queue, &message.encode()?, self.clock.now()).await
    }

    /// Stores several messages on the caller's connection, in one statement per 500.
    ///
    /// # Errors
    ///
    /// As [`enqueue_in`](Self::enqueue_in).
    ///
    /// # Cancel safety
    ///
    /// As [`enqueue_in`](Self::enqueue_in).
    pub async fn enqueue_batch_in<'a, T: Serialize + Sync + 'a>(
        &self,
        connection: &mut SqliteConnection,
        queue: &QueueName,
        messages: impl IntoIterator<Item = &'a DelayMessage<T>> + Send,
    ) -> Result<Vec<SendOutcome>> {
        let raw = messages.into_iter().map(DelayMessage::encode).collect::<Result<Vec<_>>>()?;
        row::insert_many(connection, queue, &raw, self.clock.now()).await
    }

    /// Wakes this process's workers of a queue, after a transaction with new messages was committed.
    pub fn notify(&self, queue: &QueueName) {
        self.hub.notify(queue);
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    fn now_ms(&self) -> i64 {
        as_i64(floor_ms(self.clock.now()))
    }

    async fn connection(&self, context: &'static str) -> Result<PoolConnection<Sqlite>> {
        self.pool.acquire().await.map_err(sql_error(context))
    }

    /// Runs an operation within the deadline.
    async fn within<R>(&self, context: &'static str, work: impl Future<Output = Result<R>> + Send) -> Result<R> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{context} took longer than {:?}", self.timeout))),
        }
    }
}

#[async_trait]
impl DelayQueueProducer for SqlDelayQueue {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        message.check()?;
        let now = self.clock.now();
        let outcome = self
            .within("storing a message", async {
                let mut connection = self.connection("storing a message").await?;
                row::insert_one(&mut connection, queue, &message, now).await
            })
            .await?;
        self.hub.offer(queue, message.schedule.due_ms(now));
        Ok(outcome)
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        for message in &messages {
            message.check()?;
        }
        let now = self.clock.now();
        let outcomes = self
            .within("storing messages", async {
                let mut connection = self.connection("storing messages").await?;
                row::insert_many(&mut connection, queue, &messages, now).await
            })
            .await?;
        if let Some(first) = messages.iter().map(|message| message.schedule.due_ms(now)).min() {
            self.hub.offer(queue, first);
        }
        Ok(outcomes)
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        let cancel = sqlx::query(include_str!("sql/sqlite/cancel.sql"))
            .bind(queue.as_str())
            .bind(id.as_str())
            .bind(self.now_ms());
        let context = "cancelling a message";
        let done = self.within(context, async { cancel.execute(&self.pool).await.map_err(sql_error(context)) }).await?;
        Ok(if done.rows_affected() > 0 { Cancel::Cancelled } else { Cancel::NotFound })
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        schedule.check()?;
        let due_ms = schedule.due_ms(self.clock.now());
        let reschedule = sqlx::query(include_str!("sql/sqlite/reschedule.sql"))
            .bind(queue.as_str())
            .bind(id.as_str())
            .bind(self.now_ms())
            .bind(as_i64(due_ms));
        let context = "rescheduling a message";
        let done =
            self.within(context, async { reschedule.execute(&self.pool).await.map_err(sql_error(context)) }).await?;
        if done.rows_affected() == 0 {
            return Ok(Reschedule::NotFound);
        }
        self.hub.offer(queue, due_ms);
        Ok(Reschedule::Rescheduled)
    }

    async fn ping(&self) -> Result<()> {
        // Asks the table, not only the connection: a database that was not migrated is not healthy.
        let ping = sqlx::query("SELECT 1 FROM nebula_delay_message LIMIT 1");
        let context = "asking for a sign of life";
        self.within(context, async { ping.execute(&self.pool).await.map_err(sql_error(context)) }).await?;
        Ok(())
    }
}

/// Milliseconds as SQLite stores them.
fn as_i64(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
