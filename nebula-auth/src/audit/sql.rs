//! An audit log in a database.

use std::fmt;

use async_trait::async_trait;
use sqlx::{Pool, Row};

use super::{
    chain::{AuditEntry, EntryHash, PendingEntry},
    log::{Appended, AuditSink, LogPlace},
};
use crate::{
    error::Error,
    rbac::{
        RbacDatabase,
        sql::{Dialect, Lease, within},
    },
};

/// Keeps entries in the table `nebula_auth_audit`, which
/// [`SqlRbacStore::migrate`](crate::rbac::SqlRbacStore::migrate) makes. Any number of processes may write it: of two
/// entries with one number the database keeps the first.
///
/// On the pool of a [`SqlRbacStore`](crate::rbac::SqlRbacStore), changes of roles and users are written in the transaction
/// that makes them.
///
/// Triggers refuse to change or to remove rows. Give the application's account the right to insert into and to read the
/// table, and no other: then the log is append-only even for whoever takes the application over, who could drop triggers.
pub struct SqlAuditSink<DB: RbacDatabase> {
    pool: Pool<DB>,
}

impl<DB: RbacDatabase> SqlAuditSink<DB> {
    /// A log on that pool.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

impl<DB: RbacDatabase> fmt::Debug for SqlAuditSink<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlAuditSink").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Somebody else's entry has the number. SQLite reports what a trigger refuses with a code of its own (1811): the trigger on
/// inserts refuses numbers that are taken, and nothing else.
fn is_taken(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.is_unique_violation() || error.code().as_deref() == Some("1811")
}

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

/// The rows of the log, also for whoever is in a transaction.
#[async_trait]
pub(crate) trait Rows: Dialect {
    async fn last(connection: &mut Self::Connection) -> sqlx::Result<Option<(u64, EntryHash)>>;

    /// Leaves a transaction usable if the number is taken.
    async fn append(connection: &mut Self::Connection, entry: &AuditEntry) -> sqlx::Result<Appended>;

    /// Appends what becomes an entry only by the one before it.
    async fn follow(connection: &mut Self::Connection, pending: &PendingEntry, commit: u64) -> sqlx::Result<()>;
}

macro_rules! sink {
    ($database:ty) => {
        #[async_trait]
        impl Rows for $database {
            async fn last(connection: &mut Self::Connection) -> sqlx::Result<Option<(u64, EntryHash)>> {
                let query = sqlx::query(Self::words(include_str!("sql/last.sql")));
                let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
                let (number, hash): (i64, String) = (row.try_get("number")?, row.try_get_unchecked("hash")?);
                let hash = EntryHash::from_text(&hash).ok_or_else(|| damaged("not a hash"))?;
                Ok(Some((u64::try_from(number).map_err(damaged)?, hash)))
            }

            async fn append(connection: &mut Self::Connection, entry: &AuditEntry) -> sqlx::Result<Appended> {
                let body = serde_json::to_string(entry).map_err(|error| sqlx::Error::Encode(error.into()))?;
                let query = sqlx::query(Self::words(Self::APPEND));
                let query = query.bind(i64::try_from(entry.number).map_err(damaged)?).bind(entry.at_ms);
                let query = query.bind(&entry.record.who).bind(entry.hash.to_string()).bind(body);
                match query.execute(connection).await {
                    Ok(done) if done.rows_affected() == 0 => Ok(Appended::Taken),
                    Ok(_) => Ok(Appended::Yes),
                    Err(sqlx::Error::Database(error)) if is_taken(&*error) => Ok(Appended::Taken),
                    Err(error) => Err(error),
                }
            }

            async fn follow(
                connection: &mut Self::Connection,
                pending: &PendingEntry,
                commit: u64,
            ) -> sqlx::Result<()> {
                for _ in 0..100 {
                    let last = Self::last(&mut *connection).await?;
                    if Self::append(&mut *connection, &pending.entry(last, commit)).await? == Appended::Yes {
                        return Ok(());
                    }
                }
                Err(sqlx::Error::Protocol("others kept writing to the audit log first".to_owned()))
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl AuditSink for SqlAuditSink<$database> {
            async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error> {
                within(TIMEOUT, "the audit log could not be read", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let last = <$database as Rows>::last(&mut connection).await?;
                    connection.done(last)
                })
                .await
            }

            async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error> {
                within(TIMEOUT, "an audit entry could not be stored", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let appended = <$database as Rows>::append(&mut connection, entry).await?;
                    connection.done(appended)
                })
                .await
            }

            async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error> {
                within(TIMEOUT, "the audit log could not be read", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let query = sqlx::query(<$database as Dialect>::words(include_str!("sql/read.sql")));
                    let query = query.bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(i64::from(limit));
                    let mut entries = Vec::new();
                    for row in query.fetch_all(&mut *connection).await? {
                        let body: String = row.try_get_unchecked("body")?;
                        entries.push(serde_json::from_str(&body).map_err(damaged)?);
                    }
                    connection.done(entries)
                })
                .await
            }

            fn place(&self) -> Option<LogPlace> {
                Some(LogPlace::of(self.pool.connect_options()))
            }
        }
    };
}

#[cfg(feature = "sqlite")]
sink!(sqlx::Sqlite);
#[cfg(feature = "postgres")]
sink!(sqlx::Postgres);
#[cfg(feature = "mysql")]
sink!(sqlx::MySql);
