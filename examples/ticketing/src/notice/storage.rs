//! Where notices are kept, and what they have to know of their reader.

use nebula_notification::SqlStore;
use sqlx::postgres::PgPoolOptions;

use super::sealer::Sealed;
use crate::{
    config::Config,
    ids::UserId,
    personal::{PHONE, Vault},
    problem::Result,
    storage::{Database, side_file, sql::query},
    user::address,
};

/// Where they are within the data folder, when the database is a file.
pub(crate) const FILE: &str = "notices.db";

/// Connections to a server. They are not those of the sale, which never waits for a notice.
const CONNECTIONS: u32 = 4;

/// The store, sealed: in a file of its own beside the platform's, or in tables of its own on the same server.
pub(super) async fn open(
    config: &Config,
    database: &Database,
    vault: &Vault,
) -> std::result::Result<SqlStore, Box<dyn std::error::Error + Send + Sync>> {
    let mut file = None;
    let store = match &database.primary {
        None => SqlStore::new(file.insert(side_file(&config.data.join(FILE)).await?).clone()),
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

/// Who reads a notice.
pub(super) struct Reader {
    pub(super) email: String,
    /// The number for text messages: confirmed, and wanted.
    pub(super) phone: Option<String>,
    pub(super) language: String,
}

/// The buyer, if it is a person: accounts of rehearsals have no password, and nobody reads what they get.
pub(super) async fn reader(database: &Database, vault: &Vault, user: UserId) -> Result<Option<Reader>> {
    let found = "SELECT email_index, email_sealed, language, \
                 CASE WHEN phone_index IS NOT NULL AND text_messages = 1 THEN phone_sealed END AS phone_sealed \
                 FROM users WHERE id = $1 AND password_hash IS NOT NULL";
    let Some(row) = query(found).bind(user).fetch_optional(&database.read).await? else { return Ok(None) };
    let email = address(vault, &user.to_string(), row.get("email_sealed")?, row.get("email_index")?).await?;
    let phone = match row.get::<Option<String>>("phone_sealed")? {
        Some(sealed) => Some(vault.unseal(PHONE, &user.to_string(), &sealed).await?),
        None => None,
    };
    Ok(Some(Reader { email, phone, language: row.get("language")? }))
}
