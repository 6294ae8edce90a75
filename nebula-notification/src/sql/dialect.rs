//! Where the databases differ.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Pool, SqlSafeStr as _, SqlStr};

use super::session::{Arg, Cells, Dialect, Row};

const VERSION: &str = include_str!("statements/schema_version.sql");

/// Replaces what the files have for what differs. Texts of ours only: no value is ever part of one.
fn put_in(sql: &str, now: &str, insert: &str, once: &str) -> String {
    sql.replace("@now", now).replace("@insert", insert).replace("@once", once)
}

macro_rules! bind {
    ($query:expr, $args:ident) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Int(number) => query.bind(number),
                Arg::MaybeInt(number) => query.bind(number),
                Arg::Text(text) => query.bind(text),
                Arg::MaybeText(text) => query.bind(text),
                Arg::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}

// MySQL calls texts that are compared byte by byte binary, so the types of columns are not compared.
macro_rules! cells {
    ($row:ty) => {
        impl Cells for $row {
            fn int(&self, column: usize) -> sqlx::Result<i64> {
                sqlx::Row::try_get_unchecked(self, column)
            }

            fn maybe_int(&self, column: usize) -> sqlx::Result<Option<i64>> {
                sqlx::Row::try_get_unchecked(self, column)
            }

            fn text(&self, column: usize) -> sqlx::Result<String> {
                sqlx::Row::try_get_unchecked(self, column)
            }

            fn bytes(&self, column: usize) -> sqlx::Result<Vec<u8>> {
                sqlx::Row::try_get_unchecked(self, column)
            }
        }
    };
}

macro_rules! dialect {
    ($database:ty, $row:ty, { $($own:tt)* }) => {
        cells!($row);

        #[async_trait]
        impl Dialect for $database {
            $($own)*

            async fn undo(connection: &mut Self::Connection) -> sqlx::Result<()> {
                sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
            }

            async fn begin(connection: &mut Self::Connection) -> sqlx::Result<()> {
                sqlx::raw_sql(Self::BEGIN).execute(connection).await.map(drop)
            }

            async fn commit(connection: &mut Self::Connection) -> sqlx::Result<()> {
                sqlx::raw_sql("COMMIT").execute(connection).await.map(drop)
            }

            async fn run(connection: &mut Self::Connection, sql: SqlStr, args: Vec<Arg>) -> sqlx::Result<u64> {
                Ok(bind!(sqlx::query(sql), args).execute(connection).await?.rows_affected())
            }

            async fn rows(connection: &mut Self::Connection, sql: SqlStr, args: Vec<Arg>) -> sqlx::Result<Vec<Row>> {
                let found = bind!(sqlx::query(sql), args).fetch_all(connection).await?;
                Ok(found.into_iter().map(|row| Box::new(row) as Row).collect())
            }
        }
    };
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
macro_rules! migrate_in_transaction {
    ($pool:ident, $schema:expr, $steps:expr, $begin:expr) => {{
        let mut transaction = $pool.begin_with($begin).await?;
        sqlx::raw_sql($schema).execute(&mut *transaction).await?;
        let version: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut *transaction).await?;
        for step in $steps.into_iter().skip(usize::try_from(version).unwrap_or(0)) {
            sqlx::raw_sql(step).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }};
}

#[cfg(feature = "sqlite")]
dialect!(sqlx::Sqlite, sqlx::sqlite::SqliteRow, {
    const CALLED: &'static str = "SQLite";
    const REMOTE: bool = false;
    // A transaction that has read cannot wait when it turns to writing.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    fn words(sql: &str) -> SqlStr {
        let now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
        AssertSqlSafe(put_in(sql, now, "INSERT", "ON CONFLICT DO NOTHING")).into_sql_str()
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        let steps = [include_str!("sqlite/0001_notification.sql"), include_str!("sqlite/0002_open_bodies.sql")];
        migrate_in_transaction!(pool, include_str!("sqlite/schema.sql"), steps, Self::BEGIN)
    }
});

#[cfg(feature = "postgres")]
dialect!(sqlx::Postgres, sqlx::postgres::PgRow, {
    const CALLED: &'static str = "PostgreSQL";
    const REMOTE: bool = true;
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    fn words(sql: &str) -> SqlStr {
        let now = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)";
        let sql = put_in(sql, now, "INSERT", "ON CONFLICT DO NOTHING");
        let mut text = String::with_capacity(sql.len() + 32);
        for (number, part) in sql.split('?').enumerate() {
            if number > 0 {
                text.push('$');
                text.push_str(&number.to_string());
            }
            text.push_str(part);
        }
        AssertSqlSafe(text).into_sql_str()
    }

    /// The lock is advisory and ends with the transaction; its number is as good as any.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        let begin = "BEGIN; SELECT pg_advisory_xact_lock(7214630093581526411)";
        let steps = [include_str!("postgres/0001_notification.sql"), include_str!("postgres/0002_open_bodies.sql")];
        migrate_in_transaction!(pool, include_str!("postgres/schema.sql"), steps, begin)
    }
});

#[cfg(feature = "mysql")]
dialect!(sqlx::MySql, sqlx::mysql::MySqlRow, {
    const CALLED: &'static str = "MySQL";
    const REMOTE: bool = true;
    const BEGIN: &'static str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";

    fn words(sql: &str) -> SqlStr {
        let now = "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) DIV 1000";
        AssertSqlSafe(put_in(sql, now, "INSERT IGNORE", "")).into_sql_str()
    }

    /// Changes of tables end transactions here, so a named lock keeps other processes away, and ends with the connection.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        use sqlx::Connection as _;

        let mut connection = pool.acquire().await?.detach();
        let locked: Option<i64> = sqlx::query_scalar(include_str!("mysql/lock.sql")).fetch_one(&mut connection).await?;
        if locked != Some(1) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        sqlx::raw_sql(include_str!("mysql/schema.sql")).execute(&mut connection).await?;
        let version: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut connection).await?;
        let steps = [include_str!("mysql/0001_notification.sql")];
        for step in steps.into_iter().skip(usize::try_from(version).unwrap_or(0)) {
            sqlx::raw_sql(step).execute(&mut connection).await?;
        }
        connection.close().await
    }
});
