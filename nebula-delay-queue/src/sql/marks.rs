//! Marks of what took effect, in a database: also in the transaction that the effect is part of.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use sqlx::Pool;

use super::{
    SqlDatabase, SqlDelayQueue, as_i64,
    error::sql_error,
    session::{SWEPT, Session, now_ms},
};
use crate::{
    Begin, IdempotencyStore, LeaseToken, MessageId, QueueName, Result,
    clock::{duration_ms, lease_ms},
};

/// Remembers in a database what took effect, for all processes that use it.
///
/// [`finish_in`](Self::finish_in) closes the gap that every other store has: the mark is written in the transaction of the
/// effect, so that both are there or neither is, wherever a process dies.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use nebula_delay_queue::{DelayQueue, MemoryDelayQueue, Received, SqlIdempotency};
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(2).connect("sqlite::memory:?cache=shared").await?;
///
/// SqlIdempotency::migrate(&pool).await?;
/// let store = SqlIdempotency::new(pool.clone());
/// let queue = DelayQueue::new(MemoryDelayQueue::new());
/// let marks = store.clone();
/// let handler = move |order: Received<i64>| {
///     let (pool, marks) = (pool.clone(), marks.clone());
///     async move {
///         let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
///         if marks.finish_in(&mut tx, order.queue(), order.id()).await? {
///             // … the effect, on `tx` …
///             tx.commit().await?;
///         }
///         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
///     }
/// };
/// // `idempotent` lets no two workers handle one message at a time, and spares the handler what is done.
/// let worker = queue.worker("order.timeout")?.handle(handler).idempotent(store).start()?;
/// # queue.shutdown(Duration::ZERO).await;
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
///
/// Marks that have ended are removed beside the work, every second; [`sweep`](Self::sweep) removes them all at once.
pub struct SqlIdempotency<
    #[cfg(feature = "sqlite")] DB: SqlDatabase = sqlx::Sqlite,
    #[cfg(not(feature = "sqlite"))] DB: SqlDatabase,
> {
    session: Session<DB>,
    keep: Duration,
}

impl<DB: SqlDatabase> Clone for SqlIdempotency<DB> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), keep: self.keep }
    }
}

impl<DB: SqlDatabase> SqlIdempotency<DB> {
    /// Marks in a database that [`migrate`](Self::migrate) has prepared.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { session: Session::new(pool), keep: Duration::from_secs(24 * 3600) }
    }

    /// How long any operation may take, waiting for a connection and for locks included. 10 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.session.timeout = timeout;
        self
    }

    /// How long marks of [`finish_in`](Self::finish_in) last: longer than any duplicate can be late. 24 hours by default.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
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

    /// Marks a message as done on the caller's connection, inside its transaction: the mark exists exactly when the
    /// effect does. `false` if the message took effect before: roll back, there is nothing to do.
    ///
    /// Of several transactions at once, one gets `true`; the others wait for it, and get `false` if it commits.
    ///
    /// # Errors
    ///
    /// What the database reports: on MySQL and MariaDB also [`ErrorKind::Busy`](crate::ErrorKind::Busy), when it ends one of
    /// several transactions that wait for the same message. Roll back and let the message be tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the mark is part of the transaction: roll it back.
    pub async fn finish_in(&self, connection: &mut DB::Connection, queue: &QueueName, id: &MessageId) -> Result<bool> {
        let context = "marking a message as done";
        let now = now_ms::<DB>(connection).await?;
        let until = now.saturating_add(as_i64(duration_ms(self.keep)));
        let (queue, id) = (queue.as_str(), id.as_str());
        if DB::insert_mark(connection, queue, id, None, until).await.map_err(sql_error(context))? {
            return Ok(true);
        }
        DB::finish_mark(connection, queue, id, until, now).await.map_err(sql_error(context))
    }

    /// Removes all marks that have ended; tells how many.
    ///
    /// # Errors
    ///
    /// What the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open how many were removed.
    pub async fn sweep(&self) -> Result<u64> {
        let context = "removing old marks";
        let mut swept = 0;
        loop {
            let some = self.session.within(context, async {
                let mut connection = self.session.connection(context).await?;
                let now = now_ms::<DB>(&mut connection).await?;
                let swept = DB::sweep_marks(&mut connection, now, SWEPT).await.map_err(sql_error(context))?;
                connection.done(swept)
            });
            match some.await? {
                0 => return Ok(swept),
                some => swept += some,
            }
        }
    }
}

#[async_trait]
impl<DB: SqlDatabase> IdempotencyStore for SqlIdempotency<DB> {
    async fn begin(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, lease: Duration) -> Result<Begin> {
        let context = "beginning a message";
        let (queue, id, token) = (queue.as_str(), id.as_str(), token.to_string());
        self.session
            .within(context, async {
                let mut connection = self.session.connection(context).await?;
                let failed = sql_error(context);
                loop {
                    let now = now_ms::<DB>(&mut connection).await?;
                    let until = now.saturating_add(as_i64(lease_ms(lease)));
                    let mine =
                        DB::insert_mark(&mut connection, queue, id, Some(&token), until).await.map_err(failed)?
                            || DB::begin_mark(&mut connection, queue, id, &token, until, now).await.map_err(failed)?;
                    if mine {
                        return connection.done(Begin::Fresh);
                    }
                    // Another one may have been waited for.
                    let now = now_ms::<DB>(&mut connection).await?;
                    match DB::read_mark(&mut connection, queue, id, now).await.map_err(failed)? {
                        Some((true, _)) => return connection.done(Begin::Done),
                        Some((false, until)) => {
                            // Leases are a millisecond longer than asked for, as times are rounded down.
                            let left = u64::try_from(until - now - 1).unwrap_or(0).max(1);
                            return connection.done(Begin::Busy(Duration::from_millis(left)));
                        }
                        // It was abandoned in between.
                        None => {}
                    }
                }
            })
            .await
    }

    async fn complete(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, keep: Duration) -> Result<bool> {
        let context = "completing a message";
        let (queue, id, token) = (queue.as_str(), id.as_str(), token.to_string());
        self.session
            .within(context, async {
                let mut connection = self.session.connection(context).await?;
                let failed = sql_error(context);
                let now = now_ms::<DB>(&mut connection).await?;
                if self.session.sweeps("marks") {
                    DB::sweep_marks(&mut connection, now, SWEPT).await.map_err(failed)?;
                }
                let until = now.saturating_add(as_i64(duration_ms(keep)));
                let done = DB::complete_mark(&mut connection, queue, id, &token, until, now).await.map_err(failed)?
                    // Nobody else has begun: the mark was removed as old.
                    || DB::insert_mark(&mut connection, queue, id, None, until).await.map_err(failed)?;
                connection.done(done)
            })
            .await
    }

    async fn abandon(&self, queue: &QueueName, id: &MessageId, token: LeaseToken) -> Result<()> {
        let context = "abandoning a message";
        self.session
            .within(context, async {
                let mut connection = self.session.connection(context).await?;
                let token = token.to_string();
                let done = DB::abandon_mark(&mut connection, queue.as_str(), id.as_str(), &token).await;
                connection.done(done.map_err(sql_error(context))?)
            })
            .await
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlIdempotency<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlIdempotency").field("database", &DB::NAME).field("keep", &self.keep).finish_non_exhaustive()
    }
}
