//! An audit log in a database.

use std::fmt;

use async_trait::async_trait;
use sqlx::{Pool, Row};

use super::{
    chain::{AuditEntry, EntryHash},
    log::{Appended, AuditSink},
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
/// Give the application's account the right to insert into and to read the table, and no other: then the log is
/// append-only even for whoever takes the application over.
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

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

macro_rules! sink {
    ($database:ty) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl AuditSink for SqlAuditSink<$database> {
            async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error> {
                within(TIMEOUT, "the audit log could not be read", async {
                    let mut connection = Lease::take(&self.pool).await?;
                    let query = sqlx::query(<$database as Dialect>::words(include_str!("sql/last.sql")));
                    let row = query.fetch_optional(&mut *connection).await?;
                    let last = row.map(|row| -> sqlx::Result<_> {
                        let (number, hash): (i64, String) = (row.try_get("number")?, row.try_get_unchecked("hash")?);
                        let hash = EntryHash::from_text(&hash).ok_or_else(|| damaged("not a hash"))?;
                        Ok((u64::try_from(number).map_err(damaged)?, hash))
                    });
                    connection.done(last.transpose()?)
                })
                .await
            }

            async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error> {
                within(TIMEOUT, "an audit entry could not be stored", async {
                    let body = serde_json::to_string(entry).map_err(|error| sqlx::Error::Encode(error.into()))?;
                    let mut connection = Lease::take(&self.pool).await?;
                    let query = sqlx::query(<$database as Dialect>::words(include_str!("sql/insert.sql")));
                    let query = query.bind(i64::try_from(entry.number).map_err(damaged)?).bind(entry.at_ms);
                    let query = query.bind(&entry.record.who).bind(entry.hash.to_string()).bind(body);
                    match query.execute(&mut *connection).await {
                        Ok(_) => connection.done(Appended::Yes),
                        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                            connection.done(Appended::Taken)
                        }
                        Err(error) => Err(error),
                    }
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
        }
    };
}

#[cfg(feature = "sqlite")]
sink!(sqlx::Sqlite);
#[cfg(feature = "postgres")]
sink!(sqlx::Postgres);
#[cfg(feature = "mysql")]
sink!(sqlx::MySql);
