//! `nebula.auth.mfa`

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::{duration, error::Error, mfa::FactorKey};

/// `nebula.auth.mfa`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct MfaConfig {
    /// Whether those who have set up a second factor are asked for it at login.
    pub enabled: bool,
    /// Whether those who have not are refused.
    pub required: bool,
    /// The secret under which factors and codes are kept: at least 32 random bytes. Needed if enabled.
    pub key: Option<SecretString>,
    /// The name that authenticator apps show. Default: `nebula.auth.jwt.issuer`.
    pub issuer: Option<String>,
    /// How many steps of 30 s a device's clock may be off, either way. Default: 1.
    pub skew: u64,
    /// How many recovery codes there are. Default: 10.
    pub recovery_codes: usize,
    /// Codes by message.
    pub code: CodeConfig,
}

impl Default for MfaConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            required: false,
            key: None,
            issuer: None,
            skew: 1,
            recovery_codes: 10,
            code: CodeConfig::default(),
        }
    }
}

/// `nebula.auth.mfa.code`: one-time codes by message.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct CodeConfig {
    /// How many digits. Default: 6.
    pub digits: u32,
    /// How long a code can be used. Default: 5 min.
    #[serde(deserialize_with = "duration::deserialize")]
    pub expiration: Duration,
    /// How many attempts a code has. Default: 5.
    pub attempts: u32,
    /// How long to wait between two codes. Default: 1 min.
    #[serde(deserialize_with = "duration::deserialize")]
    pub cool_down: Duration,
}

impl Default for CodeConfig {
    fn default() -> Self {
        Self { digits: 6, expiration: Duration::from_mins(5), attempts: 5, cool_down: Duration::from_mins(1) }
    }
}

impl MfaConfig {
    pub(super) fn factor_key(&self) -> Result<FactorKey, Error> {
        let Some(key) = &self.key else {
            return Err(Error::config(
                "nebula.auth.mfa.key is not set; second factors and codes are kept under it (`openssl rand -base64 48`)",
            ));
        };
        FactorKey::new(key)
    }
}
