//! Configuration under `nebula.auth`.

mod connect;
mod database;
mod jwt;
mod mfa;
mod parts;
mod rbac;
mod throttle;

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

pub use self::{
    connect::Auth,
    jwt::{JwtConfig, PublicKeyConfig},
    mfa::{CodeConfig, MfaConfig},
    rbac::RbacConfig,
    throttle::ThrottleConfig,
};
use crate::{
    duration,
    error::Error,
    oidc::{OAuthSettings, OidcSettings},
    password::{Argon2Params, PasswordHasher, PasswordPolicy},
};

/// Everything under `nebula.auth`. Durations are numbers of seconds or text such as `2h 30m`.
///
/// ```
/// use nebula_auth::AuthConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config: AuthConfig = serde_json::from_str(r#"{
///     "jwt": {
///         "secret": "mZ3vK8tQ1xW6yR4pL9cN2bH7dF5gJ0sA+uE/iO1k",
///         "issuer": "https://auth.example.org",
///         "audience": "orders-api",
///         "expiration": 7200,
///         "refresh-expiration": "7d"
///     }
/// }"#)?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let auth = config.connect().await?;
/// # let _ = (auth.passwords, auth.tokens, auth.sessions);
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthConfig {
    /// Tokens and their keys.
    pub jwt: JwtConfig,
    /// Sessions.
    #[serde(default)]
    pub session: SessionConfig,
    /// Passwords.
    #[serde(default)]
    pub password: PasswordConfig,
    /// Roles and permissions: [`Auth::permissions`].
    #[serde(default)]
    pub rbac: RbacConfig,
    /// Further factors.
    #[serde(default)]
    pub mfa: MfaConfig,
    /// How fast attempts may follow one another.
    #[serde(default)]
    pub throttle: ThrottleConfig,
    /// OpenID providers by the name that the application gives them (feature `oidc`).
    #[serde(default)]
    pub oidc: BTreeMap<String, OidcSettings>,
    /// Providers that speak OAuth 2.0 only, likewise.
    #[serde(default)]
    pub oauth: BTreeMap<String, OAuthSettings>,
}

/// `nebula.auth.session`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct SessionConfig {
    /// Where sessions are kept, and with them what the throttle and further factors need.
    pub store: SessionStoreKind,
    /// The database: its URL, or the path of a SQLite file. Created (SQLite) and migrated if need be.
    pub url: Option<SecretString>,
    /// Ends sessions that are not refreshed for this long.
    #[serde(deserialize_with = "duration::deserialize_option")]
    pub idle_timeout: Option<Duration>,
    /// For how long a refresh token yields the same successor again. Default: 10 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub grace: Duration,
    /// Whether every access token's session is looked up, so that a logout takes effect at once. Default: yes.
    pub check: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            store: SessionStoreKind::Memory,
            url: None,
            idle_timeout: None,
            grace: Duration::from_secs(10),
            check: true,
        }
    }
}

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SessionStoreKind {
    /// In this process.
    Memory,
    /// In SQLite (feature `sqlite`).
    Sqlite,
    /// In PostgreSQL (feature `postgres`).
    Postgres,
    /// In MySQL or MariaDB (feature `mysql`).
    #[serde(alias = "mariadb")]
    Mysql,
}

/// `nebula.auth.password`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PasswordConfig {
    /// Memory of argon2id in KiB. Default: 19456.
    pub memory_kib: u32,
    /// Passes of argon2id. Default: 2.
    pub passes: u32,
    /// Lanes of argon2id. Default: 1.
    pub lanes: u32,
    /// Least number of characters of new passwords. Default: 8.
    pub min_length: usize,
    /// Greatest number of bytes of new passwords. Default: 1024.
    pub max_bytes: usize,
    /// How many hashes may run at once. Default: the number of cores.
    pub max_concurrent: Option<usize>,
    /// How long a hash waits for its turn before the call fails as busy. Default: 5 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub queue_deadline: Duration,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        let (params, policy) = (Argon2Params::default(), PasswordPolicy::default());
        Self {
            memory_kib: params.memory_kib(),
            passes: params.passes(),
            lanes: params.lanes(),
            min_length: policy.min_chars(),
            max_bytes: policy.max_bytes(),
            max_concurrent: None,
            queue_deadline: Duration::from_secs(5),
        }
    }
}

impl PasswordConfig {
    /// The hasher that these settings describe.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for settings below their floor.
    pub fn hasher(&self) -> Result<PasswordHasher, Error> {
        let mut hasher = PasswordHasher::new()
            .with_params(Argon2Params::new(self.memory_kib, self.passes, self.lanes)?)
            .with_policy(PasswordPolicy::new(self.min_length, self.max_bytes)?)
            .with_queue_deadline(self.queue_deadline);
        match self.max_concurrent {
            Some(0) => return Err(Error::config("nebula.auth.password.max-concurrent must be at least 1")),
            Some(concurrent) => hasher = hasher.with_max_concurrent(concurrent),
            None => {}
        }
        Ok(hasher)
    }
}
