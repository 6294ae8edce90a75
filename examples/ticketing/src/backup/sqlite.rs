//! Copies of databases in files, while others write to them.

use std::path::Path;

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{BackupError, file};

/// One transaction's view of the whole file, checked afterwards.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::Database(from.to_owned(), error);
    let name = to.to_str().ok_or_else(|| BackupError::Nothing(to.to_owned()))?;
    let mut connection = open(from).await.map_err(failed)?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;

    let mut copied = open(to).await.map_err(failed)?;
    let findings: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut copied).await.map_err(failed)?;
    copied.close().await.map_err(failed)?;
    if findings != ["ok"] {
        return Err(BackupError::Unsound { name: name.to_owned(), finding: findings.join("; ") });
    }
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(file(to))
}

async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    SqliteConnection::connect_with(&options.busy_timeout(std::time::Duration::from_secs(30))).await
}
