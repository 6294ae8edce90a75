//! Databases that a configuration names.

use super::{Auth, AuthConfig, SessionStoreKind};
use crate::error::{Error, ErrorKind};

impl AuthConfig {
    #[allow(clippy::match_single_binding, reason = "there may be no database")]
    pub(super) async fn connect_database(&self) -> Result<Auth, Error> {
        match self.session.store {
            #[cfg(feature = "sqlite")]
            SessionStoreKind::Sqlite => self.connect_sqlite().await,
            #[cfg(feature = "postgres")]
            SessionStoreKind::Postgres => self.connect_server::<sqlx::Postgres>().await,
            #[cfg(feature = "mysql")]
            SessionStoreKind::Mysql => self.connect_server::<sqlx::MySql>().await,
            other => Err(not_compiled_in(other)),
        }
    }

    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    fn url(&self) -> Result<&str, Error> {
        use secrecy::ExposeSecret as _;

        let url = self.session.url.as_ref();
        Ok(url
            .ok_or_else(|| Error::config("nebula.auth.session.url is not set; the store needs a database"))?
            .expose_secret())
    }

    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    async fn connect_pool<DB: crate::rbac::RbacDatabase>(&self, pool: sqlx::Pool<DB>) -> Result<Auth, Error>
    where
        crate::SqlRefreshStore<DB>: crate::RefreshStore,
        crate::proof::SqlProofStore<DB>: crate::proof::ProofStore,
        crate::rbac::SqlRbacStore<DB>: crate::rbac::RbacStore,
    {
        use crate::{SqlRefreshStore, proof::SqlProofStore, rbac::SqlRbacStore};

        crate::session::migrate(&pool).await?;
        let auth = self.connect_with_stores(SqlRefreshStore::new(pool.clone()), SqlProofStore::new(pool.clone()))?;
        if self.rbac.enabled {
            SqlRbacStore::migrate(&pool).await?;
        }
        auth.with_roles_in(SqlRbacStore::new(pool)).await
    }

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    async fn connect_server<DB: crate::rbac::RbacDatabase>(&self) -> Result<Auth, Error>
    where
        crate::SqlRefreshStore<DB>: crate::RefreshStore,
        crate::proof::SqlProofStore<DB>: crate::proof::ProofStore,
        crate::rbac::SqlRbacStore<DB>: crate::rbac::RbacStore,
    {
        use std::time::Duration;

        use sqlx::pool::PoolOptions;

        // The cause could quote the URL, which may hold a password.
        let options: <DB::Connection as sqlx::Connection>::Options =
            self.url()?.parse().map_err(|_| Error::config("nebula.auth.session.url is no usable URL"))?;
        let pool = PoolOptions::<DB>::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(|error| Error::unavailable("the session database could not be opened", error))?;
        self.connect_pool(pool).await
    }

    #[cfg(feature = "sqlite")]
    async fn connect_sqlite(&self) -> Result<Auth, Error> {
        use std::{str::FromStr as _, time::Duration};

        use tokio::time::{Instant, sleep};

        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

        let url = self.url()?;
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(Error::config("nebula.auth.session.url names a database in memory; use the store `memory`"));
        }
        let options = if url.starts_with("sqlite:") {
            SqliteConnectOptions::from_str(url)
                .map_err(|_| Error::config("nebula.auth.session.url is no usable SQLite URL"))?
        } else {
            SqliteConnectOptions::new().filename(url)
        };
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A revocation that was confirmed must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let deadline = Instant::now() + Duration::from_secs(10);
        let pool = loop {
            match SqlitePoolOptions::new().max_connections(4).connect_with(options.clone()).await {
                // Several processes may start at once. Whoever turns a new file to WAL wants it alone, and SQLite's busy
                // time-out does not count there.
                Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
                done => {
                    break done
                        .map_err(|error| Error::unavailable("the session database could not be opened", error))?;
                }
            }
        };
        self.connect_pool(pool).await
    }
}

fn not_compiled_in(store: SessionStoreKind) -> Error {
    let name = match store {
        SessionStoreKind::Memory => "memory",
        SessionStoreKind::Sqlite => "sqlite",
        SessionStoreKind::Postgres => "postgres",
        SessionStoreKind::Mysql => "mysql",
    };
    let there: Vec<&str> = [
        ("`memory`", true),
        ("`sqlite`", cfg!(feature = "sqlite")),
        ("`postgres`", cfg!(feature = "postgres")),
        ("`mysql`", cfg!(feature = "mysql")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect();
    Error::new(
        ErrorKind::NotCompiledIn,
        format!(
            "nebula.auth.session.store is `{name}`, which is not compiled in; enable the feature `{name}` of nebula-auth \
             (compiled in: {})",
            there.join(", ")
        ),
    )
}

#[cfg(feature = "sqlite")]
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // SQLITE_BUSY is the low byte of all its kinds.
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}
