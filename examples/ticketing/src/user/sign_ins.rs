//! Where sign-ins are kept when processes share them.

use std::time::Duration;

use nebula_auth::{Auth, AuthConfig, SqlRefreshStore, proof::SqlProofStore, secrecy::SecretString};
use sqlx::postgres::PgPoolOptions;

use crate::storage::{Database, Primary};

/// Connections to the server. They are not those of the sale.
const CONNECTIONS: u32 = 8;
/// How long to wait for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// On the PostgreSQL server at `url`, or the one of several that takes writes; it is followed as long as the answer lives.
pub(super) async fn on_postgres(
    settings: &AuthConfig,
    url: &SecretString,
    database: &Database,
) -> Result<(Auth, Primary), Box<dyn std::error::Error + Send + Sync>> {
    let unusable = "the PostgreSQL server that the configuration names in auth.session.url cannot be used";
    let primary = match &database.primary {
        Some(primary) if primary.is_at(url) => primary.clone(),
        _ => Primary::find(url, |options| options)
            .await
            .map_err(|error| format!("{unusable}: {}", crate::problem::chain(&error)))?,
    };
    let pool = primary.pool(PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE));
    nebula_auth::migrate(&pool).await?;
    let auth = settings.connect_with_stores(SqlRefreshStore::new(pool.clone()), SqlProofStore::new(pool))?;
    Ok((auth, primary))
}
