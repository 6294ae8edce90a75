//! Where the databases differ.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Database, Pool, SqlSafeStr as _, SqlStr};

/// What is particular to a database.
#[async_trait]
pub trait Dialect: Database {
    /// Whether a connection may stay silent for ever.
    const REMOTE: bool;
    /// Milliseconds since 1970 on the clock of whoever keeps the data.
    const NOW: &'static str;
    /// How a transaction that will write begins.
    const BEGIN: &'static str;

    /// A statement in this database's words: the files have `@now`, and `$1`, `$2`, … once each and in order.
    fn words(sql: &'static str) -> SqlStr {
        if sql.contains("@now") {
            AssertSqlSafe(sql.replace("@now", Self::NOW)).into_sql_str()
        } else {
            sql.into_sql_str()
        }
    }

    /// Creates or upgrades the tables.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()>;
}

/// Applied in order, each once. Never edit one that was released; add another.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
macro_rules! migrate_in_transaction {
    ($pool:ident, $folder:literal, $begin:expr) => {{
        const MIGRATIONS: &[&str] = &[include_str!(concat!($folder, "/0001_rbac.sql"))];
        let mut transaction = $pool.begin_with($begin).await?;
        sqlx::raw_sql(include_str!(concat!($folder, "/schema.sql"))).execute(&mut *transaction).await?;
        let version: i64 =
            sqlx::query_scalar(include_str!("statements/schema_version.sql")).fetch_one(&mut *transaction).await?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
            sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }};
}

#[cfg(feature = "sqlite")]
#[async_trait]
impl Dialect for sqlx::Sqlite {
    const REMOTE: bool = false;
    const NOW: &'static str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
    // A transaction that has read cannot wait when it turns to writing.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        migrate_in_transaction!(pool, "sqlite", Self::BEGIN)
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl Dialect for sqlx::Postgres {
    const REMOTE: bool = true;
    const NOW: &'static str = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)";
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    /// The lock is advisory and ends with the transaction; its number is as good as any.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        migrate_in_transaction!(pool, "postgres", "BEGIN; SELECT pg_advisory_xact_lock(5139802741260947133)")
    }
}

#[cfg(feature = "mysql")]
#[async_trait]
impl Dialect for sqlx::MySql {
    const REMOTE: bool = true;
    const NOW: &'static str = "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) DIV 1000";
    const BEGIN: &'static str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";

    fn words(sql: &'static str) -> SqlStr {
        let mut text = String::with_capacity(sql.len() + 80);
        let mut rest = sql.split('$');
        text.push_str(rest.next().unwrap_or_default());
        for part in rest {
            text.push('?');
            text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        AssertSqlSafe(text.replace("@now", Self::NOW)).into_sql_str()
    }

    /// Changes of tables end transactions here, so a named lock keeps other processes away, and ends with the
    /// connection.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        use sqlx::Connection as _;

        const MIGRATIONS: &[&str] = &[include_str!("mysql/0001_rbac.sql")];
        let mut connection = pool.acquire().await?.detach();
        let locked: Option<i64> = sqlx::query_scalar(include_str!("mysql/lock.sql")).fetch_one(&mut connection).await?;
        if locked != Some(1) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        sqlx::raw_sql(include_str!("mysql/schema.sql")).execute(&mut connection).await?;
        let version: i64 =
            sqlx::query_scalar(include_str!("statements/schema_version.sql")).fetch_one(&mut connection).await?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
            sqlx::raw_sql(*migration).execute(&mut connection).await?;
        }
        connection.close().await
    }
}
