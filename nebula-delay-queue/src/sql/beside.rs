//! Statements about what stands beside the messages: marks of what took effect, and the ledger of a broker's messages.

use async_trait::async_trait;
use sqlx::Database;

use super::database::Counts;

/// Statements about marks, each in the words of its database.
#[async_trait]
pub trait Marks: Database {
    /// Marks a message that has no mark; `false` if it has one. Without a token, as done.
    async fn insert_mark(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        token: Option<&str>,
        until: i64,
    ) -> sqlx::Result<bool>;
    /// Takes a mark that is this token's already or has ended; tells whether.
    async fn begin_mark(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        token: &str,
        until: i64,
        now: i64,
    ) -> sqlx::Result<bool>;
    /// Makes a mark say done, unless somebody else is at it.
    async fn complete_mark(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        token: &str,
        until: i64,
        now: i64,
    ) -> sqlx::Result<bool>;
    /// Makes a mark say done, whoever is at it, unless it does already.
    async fn finish_mark(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        until: i64,
        now: i64,
    ) -> sqlx::Result<bool>;
    /// Removes a token's mark.
    async fn abandon_mark(connection: &mut Self::Connection, queue: &str, id: &str, token: &str) -> sqlx::Result<()>;
    /// Whether a message is done, and until when that or its lease counts.
    async fn read_mark(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        now: i64,
    ) -> sqlx::Result<Option<(bool, i64)>>;
    /// Removes marks that have ended; tells how many.
    async fn sweep_marks(connection: &mut Self::Connection, now: i64, limit: i64) -> sqlx::Result<u64>;
}

/// A row of the ledger.
#[derive(Debug)]
pub struct LedgerRow {
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) state: i64,
    pub(super) at_ms: i64,
    pub(super) detail: String,
}

/// A row to be written.
#[derive(Debug)]
pub struct NewLedgerRow<'a> {
    pub(super) id: &'a str,
    pub(super) expected: Option<i64>,
    pub(super) version: i64,
    pub(super) state: i64,
    pub(super) at_ms: i64,
    pub(super) detail: &'a str,
    /// `None` keeps what is there.
    pub(super) content: Option<Option<&'a [u8]>>,
}

/// Statements about the ledger, each in the words of its database.
#[async_trait]
pub trait Ledgers: Database {
    /// Rows of an array of ids, in any order.
    async fn read_ledger(connection: &mut Self::Connection, queue: &str, ids: &str) -> sqlx::Result<Vec<LedgerRow>>;
    /// Writes a row if it is as expected; tells whether.
    async fn write_ledger(connection: &mut Self::Connection, queue: &str, row: &NewLedgerRow<'_>)
    -> sqlx::Result<bool>;
    /// The content of a row.
    async fn ledger_content(connection: &mut Self::Connection, queue: &str, id: &str) -> sqlx::Result<Option<Vec<u8>>>;
    /// The least time of what waits or is leased.
    async fn ledger_next(connection: &mut Self::Connection, queue: &str) -> sqlx::Result<Option<i64>>;
    /// Counts.
    async fn ledger_counts(connection: &mut Self::Connection, queue: &str, now: i64) -> sqlx::Result<Counts>;
    /// Removes the dead.
    async fn forget_dead(connection: &mut Self::Connection, queue: &str) -> sqlx::Result<u64>;
    /// Removes what may be forgotten.
    async fn sweep_ledger(connection: &mut Self::Connection, queue: &str, now: i64, limit: i64) -> sqlx::Result<u64>;
}

macro_rules! beside {
    ($database:ty, $folder:literal) => {
        #[async_trait]
        impl Marks for $database {
            async fn insert_mark(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                token: Option<&str>,
                until: i64,
            ) -> sqlx::Result<bool> {
                let query = sqlx::query(include_str!(concat!($folder, "/mark/insert.sql"))).bind(queue).bind(id);
                match query.bind(token).bind(until).execute(connection).await {
                    Ok(done) => Ok(done.rows_affected() > 0),
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                    Err(error) => Err(error),
                }
            }

            async fn begin_mark(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                token: &str,
                until: i64,
                now: i64,
            ) -> sqlx::Result<bool> {
                let query = sqlx::query(include_str!(concat!($folder, "/mark/begin.sql"))).bind(token).bind(until);
                let query = query.bind(queue).bind(id).bind(token).bind(now);
                Ok(query.execute(connection).await?.rows_affected() > 0)
            }

            async fn complete_mark(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                token: &str,
                until: i64,
                now: i64,
            ) -> sqlx::Result<bool> {
                let query = sqlx::query(include_str!(concat!($folder, "/mark/complete.sql"))).bind(until).bind(queue);
                Ok(query.bind(id).bind(token).bind(now).execute(connection).await?.rows_affected() > 0)
            }

            async fn finish_mark(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                until: i64,
                now: i64,
            ) -> sqlx::Result<bool> {
                let query = sqlx::query(include_str!(concat!($folder, "/mark/done.sql"))).bind(until).bind(queue);
                Ok(query.bind(id).bind(now).execute(connection).await?.rows_affected() > 0)
            }

            async fn abandon_mark(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                token: &str,
            ) -> sqlx::Result<()> {
                let query = sqlx::query(include_str!(concat!($folder, "/mark/abandon.sql")));
                query.bind(queue).bind(id).bind(token).execute(connection).await.map(drop)
            }

            async fn read_mark(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                now: i64,
            ) -> sqlx::Result<Option<(bool, i64)>> {
                let query = sqlx::query_as::<_, (i64, i64)>(include_str!(concat!($folder, "/mark/read.sql")));
                let found = query.bind(queue).bind(id).bind(now).fetch_optional(connection).await?;
                Ok(found.map(|(done, until)| (done != 0, until)))
            }

            async fn sweep_marks(connection: &mut Self::Connection, now: i64, limit: i64) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/mark/sweep.sql"))).bind(now).bind(limit);
                Ok(query.execute(connection).await?.rows_affected())
            }
        }

        #[async_trait]
        impl Ledgers for $database {
            async fn read_ledger(
                connection: &mut Self::Connection,
                queue: &str,
                ids: &str,
            ) -> sqlx::Result<Vec<LedgerRow>> {
                let query = sqlx::query(include_str!(concat!($folder, "/ledger/read.sql"))).bind(ids).bind(queue);
                let row = |row: <$database as Database>::Row| {
                    Ok(LedgerRow {
                        id: row.try_get("id")?,
                        version: row.try_get("version")?,
                        state: row.try_get("state")?,
                        at_ms: row.try_get("at_ms")?,
                        detail: row.try_get("detail")?,
                    })
                };
                query.try_map(row).fetch_all(connection).await
            }

            async fn write_ledger(
                connection: &mut Self::Connection,
                queue: &str,
                row: &NewLedgerRow<'_>,
            ) -> sqlx::Result<bool> {
                let content = row.content.flatten();
                let done = match row.expected {
                    None => {
                        let query = sqlx::query(include_str!(concat!($folder, "/ledger/insert.sql")));
                        let query = query.bind(queue).bind(row.id).bind(row.version).bind(row.state);
                        query.bind(row.at_ms).bind(row.detail).bind(content).execute(connection).await
                    }
                    Some(expected) => {
                        let query = sqlx::query(include_str!(concat!($folder, "/ledger/update.sql")));
                        let query = query.bind(row.version).bind(row.state).bind(row.at_ms).bind(row.detail);
                        let query = query.bind(i64::from(row.content.is_none())).bind(content);
                        query.bind(queue).bind(row.id).bind(expected).execute(connection).await
                    }
                };
                match done {
                    Ok(done) => Ok(done.rows_affected() > 0),
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                    Err(error) => Err(error),
                }
            }

            async fn ledger_content(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
            ) -> sqlx::Result<Option<Vec<u8>>> {
                let query = sqlx::query_scalar(include_str!(concat!($folder, "/ledger/content.sql")));
                let found: Option<Option<Vec<u8>>> = query.bind(queue).bind(id).fetch_optional(connection).await?;
                Ok(found.flatten())
            }

            async fn ledger_next(connection: &mut Self::Connection, queue: &str) -> sqlx::Result<Option<i64>> {
                let query = sqlx::query_scalar(include_str!(concat!($folder, "/ledger/next.sql")));
                query.bind(queue).bind(queue).fetch_one(connection).await
            }

            async fn ledger_counts(connection: &mut Self::Connection, queue: &str, now: i64) -> sqlx::Result<Counts> {
                let query = sqlx::query_as(include_str!(concat!($folder, "/ledger/counts.sql")));
                let query = query.bind(now).bind(now).bind(now).bind(now).bind(overdue_ms(now)).bind(queue);
                query.fetch_one(connection).await
            }

            async fn forget_dead(connection: &mut Self::Connection, queue: &str) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/ledger/forget_dead.sql")));
                Ok(query.bind(queue).execute(connection).await?.rows_affected())
            }

            async fn sweep_ledger(
                connection: &mut Self::Connection,
                queue: &str,
                now: i64,
                limit: i64,
            ) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/ledger/sweep.sql")));
                Ok(query.bind(queue).bind(now).bind(limit).execute(connection).await?.rows_affected())
            }
        }
    };
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(super) use beside;
