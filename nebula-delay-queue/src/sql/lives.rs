//! Statements about the lives of messages, each in the words of its database.

use async_trait::async_trait;
use sqlx::Database;

/// Times are in microseconds.
#[async_trait]
pub trait Lives: Database {
    /// Adds an array of events.
    async fn add_events(connection: &mut Self::Connection, rows: &str) -> sqlx::Result<()>;
    /// Notes what an array of messages is waiting for, each of them once.
    async fn note_lives(connection: &mut Self::Connection, rows: &str) -> sqlx::Result<()>;
    /// The latest events, in any order.
    async fn read_events(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        limit: i64,
    ) -> sqlx::Result<Vec<String>>;
    /// What is due by a time, and when.
    async fn pending(
        connection: &mut Self::Connection,
        queue: &str,
        by: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<(String, i64)>>;
    /// Queues of which anything is known.
    async fn traced_queues(connection: &mut Self::Connection) -> sqlx::Result<Vec<String>>;
    /// Removes what is older.
    async fn sweep_events(connection: &mut Self::Connection, before: i64, limit: i64) -> sqlx::Result<u64>;
    /// Removes what is older and waits for nothing that is not.
    async fn sweep_lives(connection: &mut Self::Connection, before: i64, limit: i64) -> sqlx::Result<u64>;
}

macro_rules! lives {
    ($database:ty, $folder:literal) => {
        #[async_trait]
        impl Lives for $database {
            async fn add_events(connection: &mut Self::Connection, rows: &str) -> sqlx::Result<()> {
                let query = sqlx::query(include_str!(concat!($folder, "/trace/events.sql")));
                query.bind(rows).execute(connection).await.map(drop)
            }

            async fn note_lives(connection: &mut Self::Connection, rows: &str) -> sqlx::Result<()> {
                let query = sqlx::query(include_str!(concat!($folder, "/trace/lives.sql")));
                query.bind(rows).execute(connection).await.map(drop)
            }

            async fn read_events(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                limit: i64,
            ) -> sqlx::Result<Vec<String>> {
                let query = sqlx::query_scalar(include_str!(concat!($folder, "/trace/read.sql")));
                query.bind(queue).bind(id).bind(limit).fetch_all(connection).await
            }

            async fn pending(
                connection: &mut Self::Connection,
                queue: &str,
                by: i64,
                limit: i64,
            ) -> sqlx::Result<Vec<(String, i64)>> {
                let query = sqlx::query_as(include_str!(concat!($folder, "/trace/pending.sql")));
                query.bind(queue).bind(by).bind(limit).fetch_all(connection).await
            }

            async fn traced_queues(connection: &mut Self::Connection) -> sqlx::Result<Vec<String>> {
                sqlx::query_scalar(include_str!(concat!($folder, "/trace/queues.sql"))).fetch_all(connection).await
            }

            async fn sweep_events(connection: &mut Self::Connection, before: i64, limit: i64) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/trace/sweep_events.sql")));
                Ok(query.bind(before).bind(limit).execute(connection).await?.rows_affected())
            }

            async fn sweep_lives(connection: &mut Self::Connection, before: i64, limit: i64) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/trace/sweep_lives.sql")));
                Ok(query.bind(before).bind(before).bind(limit).execute(connection).await?.rows_affected())
            }
        }
    };
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(super) use lives;
