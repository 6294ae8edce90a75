//! Opening a SQLite file that other processes may be opening, too.

use std::time::Duration;

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::PATIENCE;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// A pool on the file that `options` name, which is made when absent; what was written stays so over a power cut.
pub(super) async fn open(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE);
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            // Whoever turns a new file to WAL wants it alone, and the busy time-out does not count there.
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(PAUSE).await,
            done => return done,
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // SQLITE_BUSY is the low byte of all its kinds.
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_open_a_new_file_at_once() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let options = SqliteConnectOptions::new().filename(folder.path().join("new.db"));
            let opening: Vec<_> = (0..8).map(|_| tokio::spawn(open(options.clone(), 2))).collect();
            for opened in opening {
                let pool = opened.await.unwrap().unwrap();
                let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await.unwrap();
                assert_eq!(mode, "wal");
            }
        }
    }
}
