//! Everything that changes the database goes through here, each change in a transaction.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::{PgPool, SqlitePool};
use thiserror::Error;

use super::{batches::Batches, sql::Connection, transactions};
use crate::telemetry::context::Carrier;

/// Runs writes in transactions: on SQLite in shared ones, on PostgreSQL each in its own.
#[derive(Clone, Debug)]
pub struct Writer(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(Batches),
    Postgres(PgPool),
}

/// Why a write was not done, or is not known to be done.
#[derive(Clone, Debug, Error)]
pub enum WriterError {
    /// Too many writes are waiting.
    #[error("too many writes are waiting for the database")]
    Overloaded,
    /// The writer has stopped.
    #[error("the database writer has stopped")]
    Stopped,
    /// The database did not answer in time: the write is not in it, or nobody can tell.
    #[error("the database did not answer in time")]
    Late,
    /// The transaction could not be begun or committed: nothing of it is in the database, or nobody can tell.
    #[error("the database transaction failed")]
    Transaction(#[source] Arc<sqlx::Error>),
}

impl From<WriterError> for crate::problem::Problem {
    fn from(error: WriterError) -> Self {
        match error {
            WriterError::Overloaded => Self::new(crate::problem::Code::Busy, "Too many orders at this moment."),
            error => Self::unavailable(error),
        }
    }
}

impl Writer {
    /// Starts the task that owns the writing connection of `pool`.
    #[must_use]
    pub fn sqlite(pool: SqlitePool) -> Self {
        Self(Engine::Sqlite(Batches::start(pool)))
    }

    /// Writes over the connections of `pool`.
    #[must_use]
    pub fn postgres(pool: PgPool) -> Self {
        Self(Engine::Postgres(pool))
    }

    /// Runs `work` in a transaction and answers after the commit.
    ///
    /// `work` runs once; when it answers `Err`, what it wrote is rolled back and the error returned.
    ///
    /// # Errors
    ///
    /// [`WriterError`] converted into `E` when the transaction failed: the write is then not in the database, or, when
    /// the commit itself failed, possibly is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the work began skips it; later, the work is committed or rolled back as a whole, and
    /// its answer discarded.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WriterError> + Send + 'static,
        F: for<'a, 'c> FnOnce(&'a mut Connection<'c>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        match &self.0 {
            // Another task does the work.
            Engine::Sqlite(batches) => {
                let asked = Carrier::here();
                batches.run(Box::new(move |connection| Box::pin(asked.over(work(connection))))).await
            }
            Engine::Postgres(pool) => transactions::run(pool, work).await,
        }
    }
}
