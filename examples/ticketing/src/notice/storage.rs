//! Where notices are kept, and what they have to know of their reader.

use nebula_notification::SqlStore;
use sqlx::postgres::PgPoolOptions;

use crate::{
    config::Config,
    ids::UserId,
    problem::Result,
    storage::{Database, Pool, side_file, sql::query},
};

/// Where they are within the data folder, when the database is a file.
pub(crate) const FILE: &str = "notices.db";

/// Connections to a server. They are not those of the sale, which never waits for a notice.
const CONNECTIONS: u32 = 4;

/// The store: in a file of its own beside the platform's, or in tables of its own on the same server.
pub(super) async fn open(
    config: &Config,
    database: &Database,
) -> std::result::Result<SqlStore, Box<dyn std::error::Error + Send + Sync>> {
    let store = match &database.read {
        Pool::Sqlite(_) => SqlStore::new(side_file(&config.data.join(FILE)).await?),
        Pool::Postgres(pool) => {
            let options = pool.connect_options().as_ref().clone();
            SqlStore::new(PgPoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options))
        }
    };
    store.migrate().await?;
    Ok(store)
}

/// Who reads a notice.
pub(super) struct Reader {
    pub(super) email: String,
    pub(super) language: String,
}

/// The buyer, if it is a person: accounts of rehearsals have no password, and nobody reads what they get.
pub(super) async fn reader(database: &Database, user: UserId) -> Result<Option<Reader>> {
    let found = query("SELECT email, language FROM users WHERE id = $1 AND password_hash IS NOT NULL").bind(user);
    let row = found.fetch_optional(&database.read).await?;
    row.map(|row| Ok(Reader { email: row.get("email")?, language: row.get("language")? })).transpose()
}
