//! The SQL backend: durable, and part of the caller's transactions.

#[cfg_attr(not(feature = "rabbitmq"), allow(dead_code, reason = "ledgers are for brokers"))]
mod beside;
mod connection;
mod consumer;
mod database;
mod error;
#[cfg(feature = "rabbitmq")]
mod ledger;
mod lives;
mod marks;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod session;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod traces;

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::Serialize;
use sqlx::Pool;

pub(crate) use self::error::sql_error;
#[cfg(feature = "rabbitmq")]
pub use self::ledger::SqlLedger;
use self::{connection::Connection, database::Dialect};
pub use self::{marks::SqlIdempotency, traces::SqlTrace};
use crate::{
    Cancel, Clock, DelayMessage, DelayQueueProducer, Error, ErrorKind, MessageId, QueueName, RawMessage, Reschedule,
    Result, Schedule, SendOutcome, WakeupHub, clock::floor_ms,
};

/// A database that queues can live in: `sqlx::Sqlite` (feature `sqlite`), `sqlx::Postgres` (feature `postgres`), or
/// `sqlx::MySql` (feature `mysql`), which is MariaDB as well.
///
/// Sealed: which statements it takes is not part of the interface.
pub trait SqlDatabase: Dialect {}

impl<DB: Dialect> SqlDatabase for DB {}

/// Queues in a database, shared by all processes that use it.
///
/// Messages survive every crash that the database survives. [`enqueue_in`](Self::enqueue_in) stores a message inside
/// the caller's transaction: it exists exactly when the transaction commits, which is the outbox pattern without an
/// outbox. Clones share the pool and wake each other's workers.
///
/// ```
/// # #[cfg(feature = "sqlite")]
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
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
///
/// The type parameter is the database, and follows from the pool: `SqlDelayQueue` (SQLite),
/// `SqlDelayQueue<sqlx::Postgres>`, or `SqlDelayQueue<sqlx::MySql>` (MySQL and MariaDB).
///
/// # Several processes
///
/// Workers in other processes hear of a new message within their poll interval, 100 ms by default.
///
/// On SQLite, processes may share one file (in WAL mode, with a busy timeout; sqlx sets one of 5 s). Due times and leases
/// are counted on the wall clock, which processes on one machine share.
///
/// On a server, workers pass over what others are taking at that moment (`SKIP LOCKED`). Due times and leases are counted
/// on the server's clock, whatever those of the clients say. A clock that jumps moves deliveries, and never lets two
/// workers hold a valid token.
pub struct SqlDelayQueue<
    #[cfg(feature = "sqlite")] DB: SqlDatabase = sqlx::Sqlite,
    #[cfg(not(feature = "sqlite"))] DB: SqlDatabase,
> {
    pool: Pool<DB>,
    clock: Option<Arc<dyn Clock>>,
    hub: WakeupHub,
    timeout: Duration,
}

impl<DB: SqlDatabase> Clone for SqlDelayQueue<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), clock: self.clock.clone(), hub: self.hub.clone(), timeout: self.timeout }
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlDelayQueue<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlDelayQueue")
            .field("database", &DB::NAME)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<DB: SqlDatabase> SqlDelayQueue<DB> {
    /// Queues in a database that [`migrate`](Self::migrate) has prepared.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool, clock: None, hub: WakeupHub::default(), timeout: Duration::from_secs(10) }
    }

    /// Counts time on another clock, so that tests can jump ahead.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
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
    pub async fn migrate(pool: &Pool<DB>) -> Result<()> {
        DB::migrate(pool).await.map_err(sql_error("migrating the delay queue's tables"))
    }

    /// Stores a message on the caller's connection, usually inside its transaction.
    ///
    /// On SQLite, start such a transaction with `BEGIN IMMEDIATE`: it cannot wait when one that has read turns to
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
        connection: &mut DB::Connection,
        queue: &QueueName,
        message: &DelayMessage<T>,
    ) -> Result<SendOutcome> {
        let message = message.encode()?;
        let now = self.now(connection).await?;
        row::insert_one::<DB>(connection, queue, &message, now).await
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
        connection: &mut DB::Connection,
        queue: &QueueName,
        messages: impl IntoIterator<Item = &'a DelayMessage<T>> + Send,
    ) -> Result<Vec<SendOutcome>> {
        let raw = messages.into_iter().map(DelayMessage::encode).collect::<Result<Vec<_>>>()?;
        let now = self.now(connection).await?;
        row::insert_many::<DB>(connection, queue, &raw, now).await
    }

    /// Wakes this process's workers of a queue, after a transaction with new messages was committed.
    pub fn notify(&self, queue: &QueueName) {
        self.hub.notify(queue);
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    /// Stores a message as it is.
    pub(crate) async fn insert_in(
        &self,
        connection: &mut DB::Connection,
        queue: &QueueName,
        message: &RawMessage,
        now: SystemTime,
    ) -> Result<SendOutcome> {
        row::insert_one::<DB>(connection, queue, message, now).await
    }

    /// The time by which messages are due: the database's, unless a test has its own.
    pub(crate) async fn now(&self, connection: &mut DB::Connection) -> Result<SystemTime> {
        match &self.clock {
            Some(clock) => Ok(clock.now()),
            None => DB::now(connection).await.map_err(sql_error("asking for the time")),
        }
    }

    async fn now_ms(&self, connection: &mut DB::Connection) -> Result<i64> {
        Ok(as_i64(floor_ms(self.now(connection).await?)))
    }

    async fn connection(&self, context: &'static str) -> Result<Connection<DB>> {
        Ok(Connection::new(self.pool.acquire().await.map_err(sql_error(context))?))
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
impl<DB: SqlDatabase> DelayQueueProducer for SqlDelayQueue<DB> {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        message.check()?;
        let context = "storing a message";
        let stored = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now(&mut connection).await?;
            let outcome = row::insert_one::<DB>(&mut connection, queue, &message, now).await?;
            connection.done((outcome, message.schedule.due_ms(now)))
        });
        let (outcome, due_ms) = stored.await?;
        self.hub.offer(queue, due_ms);
        Ok(outcome)
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        for message in &messages {
            message.check()?;
        }
        let context = "storing messages";
        let stored = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now(&mut connection).await?;
            let outcomes = row::insert_many::<DB>(&mut connection, queue, &messages, now).await?;
            connection.done((outcomes, now))
        });
        let (outcomes, now) = stored.await?;
        if let Some(first) = messages.iter().map(|message| message.schedule.due_ms(now)).min() {
            self.hub.offer(queue, first);
        }
        Ok(outcomes)
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        let context = "cancelling a message";
        let cancelled = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now_ms(&mut connection).await?;
            let cancelled = DB::cancel(&mut connection, queue.as_str(), id.as_str(), now).await;
            connection.done(cancelled.map_err(sql_error(context))?)
        });
        Ok(if cancelled.await? > 0 { Cancel::Cancelled } else { Cancel::NotFound })
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        schedule.check()?;
        let context = "rescheduling a message";
        let moved = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let time = self.now(&mut connection).await?;
            let (now, due_ms) = (as_i64(floor_ms(time)), schedule.due_ms(time));
            let moved = DB::reschedule(&mut connection, queue.as_str(), id.as_str(), now, as_i64(due_ms)).await;
            connection.done((moved.map_err(sql_error(context))?, due_ms))
        });
        let (moved, due_ms) = moved.await?;
        if moved == 0 {
            return Ok(Reschedule::NotFound);
        }
        self.hub.offer(queue, due_ms);
        Ok(Reschedule::Rescheduled)
    }

    async fn ping(&self) -> Result<()> {
        let context = "asking for a sign of life";
        self.within(context, async {
            let mut connection = self.connection(context).await?;
            DB::ping(&mut connection).await.map_err(sql_error(context))?;
            connection.done(())
        })
        .await
    }
}

/// Milliseconds as databases store them.
fn as_i64(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
