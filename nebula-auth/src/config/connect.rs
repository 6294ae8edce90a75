//! From configuration to working parts.

use std::sync::Arc;

use super::{AuthConfig, SessionStoreKind};
use crate::{
    audit::AuditLog,
    error::Error,
    mfa::Totp,
    password::PasswordHasher,
    proof::{MemoryProofStore, ProofStore},
    rbac::{MemoryRbacStore, PermissionEvaluator, RbacStore},
    session::{MemoryRefreshStore, RefreshStore, SessionService},
    throttle::Throttle,
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
    /// Where failed attempts, second factors and codes are kept.
    pub proofs: Arc<dyn ProofStore>,
    /// Slows guessing down.
    pub throttle: Throttle,
    /// Time-based codes, if `nebula.auth.mfa.enabled` says so.
    pub totp: Option<Totp>,
    /// Roles and permissions, if `nebula.auth.rbac.enabled` says so: kept where sessions are, or where
    /// [`with_permissions`](Self::with_permissions) says.
    pub permissions: Option<PermissionEvaluator>,
    pub(super) audit: Option<AuditLog>,
    pub(super) config: Arc<AuthConfig>,
}

impl Auth {
    /// Roles and permissions as `nebula.auth.rbac` describes them, kept in that store.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if roles are not enabled; whatever the store reports.
    ///
    /// # Cancel safety
    /// Safe: nothing is left behind.
    pub async fn with_permissions(mut self, store: impl RbacStore) -> Result<Self, Error> {
        let options = self.config.rbac.evaluator_options()?;
        let evaluator = PermissionEvaluator::start(store, options).await?;
        self.permissions = Some(self.config.rbac.between_processes(evaluator).await?);
        Ok(self)
    }

    pub(super) async fn with_roles_in(self, store: impl RbacStore) -> Result<Self, Error> {
        if self.config.rbac.enabled { self.with_permissions(store).await } else { Ok(self) }
    }
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
    /// [`WeakSecret`](crate::ErrorKind::WeakSecret), [`InvalidKey`](crate::ErrorKind::InvalidKey) or
    /// [`Config`](crate::ErrorKind::Config) for settings that cannot be used;
    /// [`NotCompiledIn`](crate::ErrorKind::NotCompiledIn) for what was left out when the crate was compiled;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the
    /// database cannot be opened.
    ///
    /// # Cancel safety
    /// The database may have been created; connecting again is harmless.
    pub async fn connect(&self) -> Result<Auth, Error> {
        self.check()?;
        match self.session.store {
            SessionStoreKind::Memory => {
                if self.session.url.is_some() {
                    return Err(Error::config(
                        "nebula.auth.session.url is set, but nebula.auth.session.store is `memory`, which has no use for it; name \
                         the database there: `sqlite`, `postgres` or `mysql`",
                    ));
                }
                if self.rbac.enabled && self.rbac.redis.is_some() {
                    return Err(Error::config(
                        "nebula.auth.rbac.redis is set, but nebula.auth.session.store is `memory`, which other processes do not \
                         see; set it to a database",
                    ));
                }
                self.connect_with(MemoryRefreshStore::new())?.with_roles_in(MemoryRbacStore::new()).await
            }
            _ => self.connect_database().await,
        }
    }

    /// Builds everything on a store of the application's choice, for example one on its own pool; the configured
    /// store is not looked at. Failed attempts are counted in this process. Where roles are kept, say to
    /// [`Auth::with_permissions`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect), except what concerns the store; and [`ErrorKind::Config`](crate::ErrorKind::Config)
    /// if second factors are enabled: they would be forgotten with this process, and who has one would be let in without.
    pub fn connect_with(&self, store: impl RefreshStore) -> Result<Auth, Error> {
        self.check()?;
        if self.mfa.enabled {
            return Err(Error::config(
                "nebula.auth.mfa.enabled needs second factors to survive this process: set nebula.auth.session.store to a \
                 database, or give a store of proofs to `connect_with_stores`",
            ));
        }
        self.connect_with_stores(store, MemoryProofStore::new())
    }

    /// The same, with a store for failed attempts, second factors and codes as well.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), except what concerns the stores.
    pub fn connect_with_stores(&self, store: impl RefreshStore, proofs: impl ProofStore) -> Result<Auth, Error> {
        self.check()?;
        let tokens = self.jwt.tokens()?;
        let mut sessions = SessionService::new(tokens.clone(), store)
            .with_lifetime(self.jwt.refresh_expiration)?
            .with_grace(self.session.grace)?;
        if let Some(timeout) = self.session.idle_timeout {
            sessions = sessions.with_idle_timeout(timeout)?;
        }
        let tokens = if self.session.check { tokens.with_session_check(sessions.session_check()) } else { tokens };
        let proofs: Arc<dyn ProofStore> = Arc::new(proofs);
        let (account, source) = self.throttle.back_offs()?;
        let throttle = Throttle::new(Arc::clone(&proofs)).with_account(account).with_source(source);
        let totp = match self.mfa.enabled {
            false => None,
            true => {
                let issuer = self.mfa.issuer.clone().or_else(|| self.jwt.issuer.clone()).unwrap_or_default();
                let totp = Totp::new(Arc::clone(&proofs), self.mfa.factor_key()?, issuer)
                    .with_skew(self.mfa.skew)?
                    .with_recovery_codes(self.mfa.recovery_codes)?
                    .with_back_off(account);
                Some(totp)
            }
        };
        let (passwords, config) = (self.password.hasher()?, Arc::new(self.clone()));
        Ok(Auth { passwords, tokens, sessions, proofs, throttle, totp, permissions: None, audit: None, config })
    }

    /// What can be told before anything is opened.
    fn check(&self) -> Result<(), Error> {
        self.jwt.tokens()?;
        if self.jwt.refresh_expiration < self.jwt.expiration {
            return Err(Error::config("nebula.auth.jwt.refresh-expiration must not be shorter than expiration"));
        }
        self.throttle.back_offs()?;
        self.rbac.check()?;
        if self.mfa.enabled {
            self.mfa.factor_key()?;
        } else if self.mfa.required {
            return Err(Error::config("nebula.auth.mfa.required is true, but nebula.auth.mfa.enabled is not"));
        }
        #[cfg(not(feature = "oidc"))]
        if !self.oidc.is_empty() || !self.oauth.is_empty() {
            return Err(Error::new(
                crate::error::ErrorKind::NotCompiledIn,
                "nebula.auth.oidc or nebula.auth.oauth is set, which is not compiled in; enable the feature `oidc` of nebula-auth",
            ));
        }
        Ok(())
    }
}
