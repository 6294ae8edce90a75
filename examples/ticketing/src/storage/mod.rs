//! The database: one file that several processes on this machine may share.

mod writer;

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use self::writer::{Writer, WriterError};

/// How long to wait for a connection, or for another process to finish writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Readers on a pool, writers through one [`Writer`].
#[derive(Clone, Debug)]
pub struct Database {
    /// For reading. A write through it would work, but wait for the writer's lock.
    pub read: SqlitePool,
    /// For everything that changes something.
    pub write: Writer,
    /// For the delay queue, which claims and settles messages in transactions of its own. It is the writer's one
    /// connection: in a line for that connection nobody sleeps, as they would in SQLite's busy time-out.
    pub queue: SqlitePool,
}

impl Database {
    /// Opens the file, creating it when absent, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or a migration fails.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An accepted order must survive a power cut, not only a crash of this process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
        let write = pool(1).connect_with(options.clone()).await?;
        migrate(&write).await?;
        let read = pool(4).connect_with(options).await?;
        Ok(Self { read, queue: write.clone(), write: Writer::start(write) })
    }
}

/// The migrations, oldest first. Never edit one that was released: append.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_init.sql")];

async fn migrate(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let done: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(done).unwrap_or(0)) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", index + 1)))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}
