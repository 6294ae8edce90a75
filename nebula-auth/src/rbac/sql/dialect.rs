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

    /// Adds an entry to the audit log. A number that is taken is no row, or a unique violation where that leaves a transaction
    /// usable.
    const APPEND: &'static str = include_str!("../../audit/sql/insert.sql");

    /// A statement in this database's words: the files have `@now`, and `$1`, `$2`, … once each and in order.
    fn words(sql: &'static str) -> SqlStr {
        if sql.contains("@now") {
            AssertSqlSafe(sql.replace("@now", Self::NOW)).into_sql_str()
        } else {
            sql.into_sql_str()
        }
    }

    /// Creates or upgrades tables.
    async fn migrate(pool: &Pool<Self>, tables: &Tables) -> sqlx::Result<()>;

    /// Leaves every number of a change of roles that was given out before far behind.
    async fn after_restore(pool: &Pool<Self>) -> sqlx::Result<()>;
}

/// Tables that belong together, in the words of every database.
#[derive(Debug)]
#[allow(dead_code, reason = "each field is read by the feature of its database")]
pub struct Tables {
    /// How many of the migrations were applied.
    pub version: &'static str,
    pub sqlite: Migrations,
    pub postgres: Migrations,
    pub mysql: Migrations,
}

/// What makes tables in one database.
#[derive(Debug)]
pub struct Migrations {
    /// Makes the table that `version` reads.
    pub schema: &'static str,
    /// Applied in order, each once, and each counts itself. Never edit one that was released; add another.
    pub steps: &'static [&'static str],
}

impl Migrations {
    fn after(&self, version: i64) -> impl Iterator<Item = &'static str> {
        self.steps.iter().copied().skip(usize::try_from(version).unwrap_or(0))
    }
}

macro_rules! leap {
    ($pool:ident) => {{
        use sqlx::Connection as _;

        let mut connection = super::Lease::take($pool).await?;
        let mut transaction = connection.begin_with(Self::BEGIN).await?;
        sqlx::query(include_str!("statements/leap.sql")).execute(&mut *transaction).await?;
        sqlx::query(include_str!("statements/advance_policy.sql")).execute(&mut *transaction).await?;
        transaction.commit().await?;
        connection.done(())
    }};
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
macro_rules! migrate_in_transaction {
    ($pool:ident, $version:expr, $migrations:expr, $begin:expr) => {{
        let mut transaction = $pool.begin_with($begin).await?;
        sqlx::raw_sql($migrations.schema).execute(&mut *transaction).await?;
        let version: i64 = sqlx::query_scalar($version).fetch_one(&mut *transaction).await?;
        for migration in $migrations.after(version) {
            sqlx::raw_sql(migration).execute(&mut *transaction).await?;
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

    async fn migrate(pool: &Pool<Self>, tables: &Tables) -> sqlx::Result<()> {
        migrate_in_transaction!(pool, tables.version, tables.sqlite, Self::BEGIN)
    }

    async fn after_restore(pool: &Pool<Self>) -> sqlx::Result<()> {
        leap!(pool)
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl Dialect for sqlx::Postgres {
    const REMOTE: bool = true;
    const NOW: &'static str = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)";
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    const APPEND: &'static str = include_str!("../../audit/sql/insert_postgres.sql");

    /// The lock is advisory and ends with the transaction; its number is as good as any.
    async fn migrate(pool: &Pool<Self>, tables: &Tables) -> sqlx::Result<()> {
        let begin = "BEGIN; SELECT pg_advisory_xact_lock(5139802741260947133)";
        migrate_in_transaction!(pool, tables.version, tables.postgres, begin)
    }

    async fn after_restore(pool: &Pool<Self>) -> sqlx::Result<()> {
        leap!(pool)
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
    async fn migrate(pool: &Pool<Self>, tables: &Tables) -> sqlx::Result<()> {
        use sqlx::Connection as _;

        let mut connection = pool.acquire().await?.detach();
        let locked: Option<i64> = sqlx::query_scalar(include_str!("mysql/lock.sql")).fetch_one(&mut connection).await?;
        if locked != Some(1) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        sqlx::raw_sql(tables.mysql.schema).execute(&mut connection).await?;
        let version: i64 = sqlx::query_scalar(tables.version).fetch_one(&mut connection).await?;
        for migration in tables.mysql.after(version) {
            sqlx::raw_sql(migration).execute(&mut connection).await?;
        }
        connection.close().await
    }

    async fn after_restore(pool: &Pool<Self>) -> sqlx::Result<()> {
        leap!(pool)
    }
}
