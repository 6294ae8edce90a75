//! Proofs in a database, shared by all processes that use it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use sqlx::{Pool, Row as _};

use super::store::{ProofKey, ProofRecord, ProofStore};
use crate::{
    clock::{from_unix_millis, unix_millis},
    error::Error,
    rbac::{
        RbacDatabase,
        sql::{Dialect, Lease, within},
    },
};

/// Keeps proofs in SQLite, PostgreSQL or MySQL (MariaDB), in the table `nebula_auth_proof`. Run
/// [`migrate`](crate::migrate) first. Every decision is one conditional statement; use a pool on the primary.
pub struct SqlProofStore<DB: RbacDatabase> {
    pool: Pool<DB>,
    timeout: Duration,
}

impl<DB: RbacDatabase> SqlProofStore<DB> {
    /// A store on that pool.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool, timeout: Duration::from_secs(10) }
    }

    /// How long any operation may take, waiting for a connection and for locks included. 10 s by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<DB: RbacDatabase> Clone for SqlProofStore<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), timeout: self.timeout }
    }
}

impl<DB: RbacDatabase> fmt::Debug for SqlProofStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlProofStore").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

fn stored(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// The text of a file, in the words of a database.
macro_rules! words {
    ($database:ty, $file:literal) => {
        <$database as Dialect>::words(include_str!(concat!("statements/", $file, ".sql")))
    };
}

macro_rules! store {
    ($database:ty) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl ProofStore for SqlProofStore<$database> {
            async fn load(&self, key: &ProofKey) -> Result<Option<ProofRecord>, Error> {
                within(self.timeout, "a proof could not be read", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let query = sqlx::query(words!($database, "load")).bind(key.kind()).bind(key.id());
                    let row = query.fetch_optional(&mut *connection).await?;
                    let record = row.map(|row| -> sqlx::Result<ProofRecord> {
                        Ok(ProofRecord {
                            revision: u64::try_from(row.try_get_unchecked::<i64, _>("revision")?).unwrap_or(0),
                            expires_at: from_unix_millis(row.try_get_unchecked("expires_at")?),
                            body: row.try_get_unchecked("body")?,
                        })
                    });
                    connection.done(record.transpose()?)
                })
                .await
            }

            async fn put(
                &self,
                key: &ProofKey,
                expected: Option<u64>,
                record: &ProofRecord,
                _now: SystemTime,
            ) -> Result<bool, Error> {
                within(self.timeout, "a proof could not be stored", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let text = match expected {
                        None => words!($database, "insert"),
                        Some(_) => words!($database, "replace"),
                    };
                    let query = sqlx::query(text)
                        .bind(stored(record.revision))
                        .bind(unix_millis(record.expires_at))
                        .bind(&record.body[..])
                        .bind(key.kind())
                        .bind(key.id());
                    let query = match expected {
                        None => query,
                        Some(revision) => query.bind(stored(revision)),
                    };
                    match query.execute(&mut *connection).await {
                        Ok(done) => connection.done(done.rows_affected() == 1),
                        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => connection.done(false),
                        Err(error) => Err(error),
                    }
                })
                .await
            }

            async fn remove(&self, key: &ProofKey, expected: u64) -> Result<bool, Error> {
                within(self.timeout, "a proof could not be removed", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let query = sqlx::query(words!($database, "remove")).bind(key.kind()).bind(key.id());
                    let done = query.bind(stored(expected)).execute(&mut *connection).await?;
                    connection.done(done.rows_affected() == 1)
                })
                .await
            }

            async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
                within(self.timeout, "ended proofs could not be removed", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let query = sqlx::query(words!($database, "purge")).bind(unix_millis(before));
                    let done = query.bind(i64::from(limit)).execute(&mut *connection).await?;
                    connection.done(done.rows_affected())
                })
                .await
            }

            async fn health(&self) -> Result<(), Error> {
                within(self.timeout, "the store of proofs does not answer", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    sqlx::query(words!($database, "health")).fetch_optional(&mut *connection).await?;
                    connection.done(())
                })
                .await
            }
        }
    };
}

#[cfg(feature = "sqlite")]
store!(sqlx::Sqlite);
#[cfg(feature = "postgres")]
store!(sqlx::Postgres);
#[cfg(feature = "mysql")]
store!(sqlx::MySql);
