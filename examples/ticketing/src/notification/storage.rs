//! Where notices are kept.

use std::path::Path;

use nebula_notification::SqlStore;
use sqlx::postgres::PgPoolOptions;

use super::sealer::Sealed;
use crate::{
    personal::Vault,
    storage::{Database, side_file},
};

/// Where they are within the data folder, when the database is a file.
pub(crate) const FILE: &str = "notices.db";

/// Connections to a server. They are not those of the sale, which never waits for a notice.
const CONNECTIONS: u32 = 4;

/// The store, sealed: in a file of its own beside the platform's, or in tables of its own on the same server.
pub(super) async fn open(
    data: &Path,
    database: &Database,
    vault: &Vault,
) -> std::result::Result<SqlStore, Box<dyn std::error::Error + Send + Sync>> {
    let mut file = None;
    let store = match &database.primary {
        None => SqlStore::new(file.insert(side_file(&data.join(FILE)).await?).clone()),
        Some(primary) => SqlStore::new(primary.pool(PgPoolOptions::new().max_connections(CONNECTIONS))),
    };
    let store = store.with_sealer(Sealed(vault.clone()));
    store.migrate().await?;
    let sealed = store.seal_existing().await?;
    // What lay open may still be in the log. Where another process is at it, its end does this.
    if let Some(file) = file.filter(|_| sealed > 0)
        && let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&file).await
    {
        tracing::info!(error = crate::problem::chain(&error), "the log of the notices was not emptied");
    }
    Ok(store)
}
