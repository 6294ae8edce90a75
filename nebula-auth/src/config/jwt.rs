//! `nebula.auth.jwt`

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::{
    clock::SystemClock,
    duration,
    error::{Error, ErrorKind},
    key::{Algorithm, KeySet, SigningKey, VerifyingKey},
    remote::RemoteKeys,
    token::TokenService,
};

/// `nebula.auth.jwt`: exactly one of `secret` and `private-key`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JwtConfig {
    /// Shared secret for HS256: at least 32 random bytes.
    #[serde(default)]
    pub secret: Option<SecretString>,
    /// Secrets that were replaced and still verify.
    #[serde(default)]
    pub previous_secrets: Vec<SecretString>,
    /// Private key as PKCS#8 PEM, for the `algorithm` below.
    #[serde(default)]
    pub private_key: Option<SecretString>,
    /// The algorithm of the private key. Default: EdDSA.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    /// The id of the signing key. Needed with `private-key`; derived from a `secret`.
    #[serde(default)]
    pub key_id: Option<String>,
    /// Further keys that verify.
    #[serde(default)]
    pub public_keys: Vec<PublicKeyConfig>,
    /// Where another issuer's keys are published, which verify access tokens as well (feature `http`).
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// How many verified tokens are remembered, so that the next request with the same one costs a hash instead of a
    /// signature. Default: none.
    #[serde(default)]
    pub verified_cache: Option<usize>,
    /// Who issues the tokens; checked at every verification. Required.
    #[serde(default)]
    pub issuer: Option<String>,
    /// For whom the tokens are; checked at every verification. Required.
    #[serde(default)]
    pub audience: Option<String>,
    /// Life of access tokens. Default: 2 h.
    #[serde(default = "two_hours", deserialize_with = "duration::deserialize")]
    pub expiration: Duration,
    /// Life of sessions, however often they are refreshed. Default: 7 d.
    #[serde(default = "seven_days", deserialize_with = "duration::deserialize")]
    pub refresh_expiration: Duration,
    /// How far clocks may differ. Default: 5 s.
    #[serde(default = "five_seconds", deserialize_with = "duration::deserialize")]
    pub leeway: Duration,
}

/// A key that only verifies.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublicKeyConfig {
    /// Its id.
    pub key_id: String,
    /// Its algorithm: ES256 or EdDSA.
    pub algorithm: Algorithm,
    /// The key as PEM.
    pub pem: String,
}

const fn two_hours() -> Duration {
    Duration::from_hours(2)
}

const fn seven_days() -> Duration {
    Duration::from_hours(7 * 24)
}

const fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

impl JwtConfig {
    /// The keys that these settings describe.
    ///
    /// # Errors
    /// [`ErrorKind::WeakSecret`], [`ErrorKind::InvalidKey`], or [`ErrorKind::Config`] for none or two signing keys.
    pub fn keys(&self) -> Result<KeySet, Error> {
        let active = match (&self.secret, &self.private_key) {
            (Some(secret), None) => self.shared(secret)?,
            (None, Some(pem)) => {
                let algorithm = self.algorithm.unwrap_or(Algorithm::EdDSA);
                let kid = self.key_id.clone().ok_or_else(|| {
                    Error::config("nebula.auth.jwt.key-id is not set; a private key needs an id that changes with it")
                })?;
                SigningKey::from_pem(kid, algorithm, pem)?
            }
            _ => {
                return Err(Error::config("set exactly one of nebula.auth.jwt.secret and nebula.auth.jwt.private-key"));
            }
        };
        let mut keys = KeySet::new(active);
        for secret in &self.previous_secrets {
            let retired = SigningKey::hs256_named_by_hash(secret.expose_secret())?;
            keys = keys.with_verifying(retired.verifying_key().clone())?;
        }
        for key in &self.public_keys {
            keys = keys.with_verifying(VerifyingKey::from_pem(&key.key_id, key.algorithm, &key.pem)?)?;
        }
        Ok(keys)
    }

    fn shared(&self, secret: &SecretString) -> Result<SigningKey, Error> {
        if self.algorithm.is_some_and(|algorithm| algorithm != Algorithm::HS256) {
            return Err(Error::new(ErrorKind::InvalidKey, "nebula.auth.jwt.secret can only sign with HS256"));
        }
        match &self.key_id {
            Some(kid) => SigningKey::hs256(kid, secret.expose_secret()),
            None => SigningKey::hs256_named_by_hash(secret.expose_secret()),
        }
    }

    /// The service that these settings describe, without a session check.
    ///
    /// # Errors
    /// As [`keys`](Self::keys), and [`ErrorKind::Config`] for a missing issuer or audience or for unusable times.
    pub fn tokens(&self) -> Result<TokenService, Error> {
        let (issuer, audience) = (self.issuer.clone().unwrap_or_default(), self.audience.clone().unwrap_or_default());
        // The keys come first: a weak secret is the more urgent thing to say.
        let mut tokens = TokenService::new(self.keys()?, issuer, audience)?
            .with_access_ttl(self.expiration)?
            .with_leeway(self.leeway)?
            .with_clock(SystemClock);
        if let Some(uri) = &self.jwks_uri {
            tokens = tokens.with_remote_keys(remote(uri)?);
        }
        match self.verified_cache {
            Some(capacity) => tokens.with_verified_cache(capacity),
            None => Ok(tokens),
        }
    }
}

#[cfg(feature = "http")]
fn remote(uri: &str) -> Result<RemoteKeys, Error> {
    let keys = crate::remote::HttpKeys::new(uri)?;
    Ok(RemoteKeys::new(keys, [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256]))
}

#[cfg(not(feature = "http"))]
fn remote(_: &str) -> Result<RemoteKeys, Error> {
    Err(Error::new(
        ErrorKind::NotCompiledIn,
        "nebula.auth.jwt.jwks-uri is set, which is not compiled in; enable the feature `http` of nebula-auth",
    ))
}
