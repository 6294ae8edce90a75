//! The lives of messages, in a database.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use serde::Serialize;
use sqlx::{Connection as _, Pool};

use super::{
    SqlDatabase, SqlDelayQueue,
    error::sql_error,
    row::json,
    session::{SWEPT, Session},
};
use crate::{MessageId, Pending, QueueName, Result, TraceEvent, TraceStore, Traced, trace::in_order};

/// As many of a message's events are told.
const EVENTS: i64 = 64;
/// How often events are written, if the database ends one of several transactions that wait for each other.
const TRIES: u32 = 4;

/// Keeps the lives of messages in a database, for all processes that use it, for seven days unless
/// [`keep`](Self::keep) says otherwise.
///
/// The queues themselves may live elsewhere: on RabbitMQ, say.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use nebula_delay_queue::{DelayMessage, DelayQueue, SqlDelayQueue, SqlTrace};
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
///
/// SqlTrace::migrate(&pool).await?;
/// let queue = DelayQueue::new(SqlDelayQueue::new(pool.clone())).with_trace(SqlTrace::new(pool));
/// let message = DelayMessage::builder().id("4711").body(4711).build()?;
/// queue.send("order.timeout", &message).await?;
/// assert_eq!(queue.trace("order.timeout", "4711").await?.len(), 2); // scheduled, and due
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
pub struct SqlTrace<
    #[cfg(feature = "sqlite")] DB: SqlDatabase = sqlx::Sqlite,
    #[cfg(not(feature = "sqlite"))] DB: SqlDatabase,
> {
    session: Session<DB>,
    keep: Duration,
}

impl<DB: SqlDatabase> Clone for SqlTrace<DB> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), keep: self.keep }
    }
}

impl<DB: SqlDatabase> SqlTrace<DB> {
    /// Lives in a database that [`migrate`](Self::migrate) has prepared.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { session: Session::new(pool), keep: Duration::from_secs(7 * 24 * 3600) }
    }

    /// How long an event is kept, and how long an undelivered message is missed.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// How long any operation may take, waiting for a connection and for locks included. 10 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.session.timeout = timeout;
        self
    }

    /// Creates or updates this crate's tables, as [`SqlDelayQueue::migrate`] does.
    ///
    /// # Errors
    ///
    /// As [`SqlDelayQueue::migrate`].
    ///
    /// # Cancel safety
    ///
    /// As [`SqlDelayQueue::migrate`].
    pub async fn migrate(pool: &Pool<DB>) -> Result<()> {
        SqlDelayQueue::<DB>::migrate(pool).await
    }

    async fn write(&self, events: &str, lives: &str) -> Result<()> {
        let context = "recording events";
        let failed = sql_error(context);
        self.session
            .within(context, async {
                let mut connection = self.session.connection(context).await?;
                if self.session.sweeps("traces") {
                    let before = micros(SystemTime::now().checked_sub(self.keep).unwrap_or(UNIX_EPOCH));
                    DB::sweep_events(&mut connection, before, SWEPT).await.map_err(failed)?;
                    DB::sweep_lives(&mut connection, before, SWEPT).await.map_err(failed)?;
                }
                let mut tx = connection.begin_with(DB::WRITING).await.map_err(failed)?;
                DB::note_lives(&mut tx, lives).await.map_err(failed)?;
                DB::add_events(&mut tx, events).await.map_err(failed)?;
                tx.commit().await.map_err(failed)?;
                connection.done(())
            })
            .await
    }
}

#[derive(Serialize)]
struct EventRow<'a> {
    queue: &'a str,
    id: &'a str,
    at: i64,
    event: String,
}

#[derive(Serialize)]
struct LifeRow<'a> {
    queue: &'a str,
    id: &'a str,
    seen: i64,
    says: i64,
    due: Option<i64>,
}

#[async_trait]
impl<DB: SqlDatabase> TraceStore for SqlTrace<DB> {
    async fn record(&self, events: &[Traced]) -> Result<()> {
        let mut rows = Vec::with_capacity(events.len());
        let mut lives = BTreeMap::new();
        for Traced { queue, id, event } in events {
            let (queue, id, at) = (queue.as_str(), id.as_str(), micros(event.at));
            rows.push(EventRow { queue, id, at, event: json(event)? });
            let life = lives.entry((queue, id)).or_insert(LifeRow { queue, id, seen: 0, says: 0, due: None });
            life.seen = life.seen.max(at);
            if let Some(due) = event.what.expects(event.at).filter(|_| at >= life.says) {
                (life.says, life.due) = (at, due.map(micros));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let (rows, lives) = (json(&rows)?, json(&lives.into_values().collect::<Vec<_>>())?);
        let mut tries = 1;
        loop {
            match self.write(&rows, &lives).await {
                Err(error) if error.kind() == crate::ErrorKind::Busy && tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>> {
        let context = "reading a life";
        let read = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let events = DB::read_events(&mut connection, queue.as_str(), id.as_str(), EVENTS).await;
            connection.done(events.map_err(sql_error(context))?)
        });
        // The latest came first; what a newer version wrote is passed over.
        Ok(in_order(read.await?.iter().rev().filter_map(|event| serde_json::from_str(event).ok()).collect()))
    }

    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>> {
        let context = "reading what is pending";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let found = DB::pending(&mut connection, queue.as_str(), micros(by), limit).await;
            connection.done(found.map_err(sql_error(context))?)
        });
        let time = |us: i64| UNIX_EPOCH + Duration::from_micros(us.unsigned_abs());
        read.await?.into_iter().map(|(id, due)| Ok(Pending::new(MessageId::new(id)?, time(due)))).collect()
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        let context = "reading the queues";
        let read = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let names = DB::traced_queues(&mut connection).await;
            connection.done(names.map_err(sql_error(context))?)
        });
        read.await?.into_iter().map(QueueName::new).collect()
    }
}

/// Microseconds since 1970.
fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl<DB: SqlDatabase> fmt::Debug for SqlTrace<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTrace").field("database", &DB::NAME).field("keep", &self.keep).finish_non_exhaustive()
    }
}
