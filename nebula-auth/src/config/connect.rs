//! From configuration to working parts.

use super::{AuthConfig, SessionStoreKind};
use crate::{
    error::{Error, ErrorKind},
    password::PasswordHasher,
    session::{MemoryRefreshStore, RefreshStore, SessionService},
    token::TokenService,
};

/// The parts that a configuration describes, ready for use. Clones share everything.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Passwords.
    pub passwords: PasswordHasher,
    /// Access tokens; checks their sessions if so configured.
    pub tokens: TokenService,
    /// Sessions and refresh tokens.
    pub sessions: SessionService,
}

#[cfg(feature = "axum")]
impl ::axum::extract::FromRef<Auth> for TokenService {
    fn from_ref(auth: &Auth) -> Self {
        auth.tokens.clone()
    }
}

#[cfg(feature = "axum")]
impl ::axum::extract::FromRef<Auth> for SessionService {
    fn from_ref(auth: &Auth) -> Self {
        auth.sessions.clone()
    }
}

impl AuthConfig {
    /// Builds everything, with sessions in the configured store.
    ///
    /// # Errors
    /// [`ErrorKind::WeakSecret`], [`ErrorKind::InvalidKey`] or [`ErrorKind::Config`] for settings that cannot be
    /// used; [`ErrorKind::NotCompiledIn`] for a store whose feature is off; [`ErrorKind::Unavailable`] if the
    /// database cannot be opened.
    ///
    /// # Cancel safety
    /// The database may have been created; connecting again is harmless.
    pub async fn connect(&self) -> Result<Auth, Error> {
        self.check()?;
        match self.session.store {
            SessionStoreKind::Memory => self.connect_with(MemoryRefreshStore::new()),
            SessionStoreKind::Sqlite => self.connect_sqlite().await,
        }
    }

    /// Builds everything on a store of the application's choice, for example one on its own pool; the configured
    /// store is not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), except what concerns the store.
    pub fn connect_with(&self, store: impl RefreshStore) -> Result<Auth, Error> {
        self.check()?;
        let tokens = self.jwt.tokens()?;
        let mut sessions = SessionService::new(tokens.clone(), store)
            .with_lifetime(self.jwt.refresh_expiration)?
            .with_grace(self.session.grace)?;
        if let Some(timeout) = self.session.idle_timeout {
            sessions = sessions.with_idle_timeout(timeout)?;
        }
        let tokens = if self.session.check { tokens.with_session_check(sessions.session_check()) } else { tokens };
        Ok(Auth { passwords: self.password.hasher()?, tokens, sessions })
    }

    /// What can be told before anything is opened.
    fn check(&self) -> Result<(), Error> {
        self.jwt.tokens()?;
        if self.jwt.refresh_expiration < self.jwt.expiration {
            return Err(Error::config("nebula.auth.jwt.refresh-expiration must not be shorter than expiration"));
        }
        if self.mfa.enabled {
            return Err(Error::new(
                ErrorKind::NotCompiledIn,
                "nebula.auth.mfa.enabled is true, but this version demands no second factor; set it to false",
            ));
        }
        Ok(())
    }

    #[cfg(not(feature = "sqlite"))]
    async fn connect_sqlite(&self) -> Result<Auth, Error> {
        Err(Error::new(
            ErrorKind::NotCompiledIn,
            "nebula.auth.session.store is `sqlite`, which is not compiled in; enable the feature `sqlite` of \
             nebula-auth (compiled in: `memory`)",
        ))
    }

    #[cfg(feature = "sqlite")]
    async fn connect_sqlite(&self) -> Result<Auth, Error> {
        use std::{str::FromStr as _, time::Duration};

        use secrecy::ExposeSecret as _;
        use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

        let url = self
            .session
            .url
            .as_ref()
            .ok_or_else(|| Error::config("nebula.auth.session.url is not set; the store `sqlite` needs a database"))?
            .expose_secret();
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
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(|error| Error::unavailable("the session database could not be opened", error))?;
        crate::session::migrate(&pool).await?;
        self.connect_with(crate::session::SqliteRefreshStore::new(pool))
    }
}
