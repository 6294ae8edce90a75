//! What several test files need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(dead_code, reason = "not every test file needs everything")]

use std::path::Path;

use nebula_delay_queue::{
    SqlDatabase, SqlDelayQueue,
    sqlx::{
        Pool, SqlitePool,
        pool::PoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

/// A pool on a database file, as an application would open it.
pub(crate) async fn pool(file: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

/// A pool on a server's database, as an application would open it.
pub(crate) async fn connect<DB: SqlDatabase>(url: &str) -> Pool<DB> {
    PoolOptions::new().max_connections(4).connect(url).await.unwrap()
}

/// Queues in a server's database.
pub(crate) async fn queue<DB: SqlDatabase>(url: &str) -> SqlDelayQueue<DB> {
    let pool = connect(url).await;
    SqlDelayQueue::migrate(&pool).await.unwrap();
    SqlDelayQueue::new(pool)
}
