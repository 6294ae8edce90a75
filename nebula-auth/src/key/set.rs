//! One key that signs, several that verify.

use serde_json::{Value, json};

use super::{Algorithm, SigningKey, VerifyingKey};
use crate::error::{Error, ErrorKind};

/// The keys of one issuer: at most one signs, several verify. To rotate, make the new key the active one and keep the
/// old one verifying until the last token signed with it has expired.
///
/// ```
/// use nebula_auth::{Algorithm, KeySet, SigningKey};
///
/// # fn main() -> Result<(), nebula_auth::Error> {
/// let old = SigningKey::generate(Algorithm::EdDSA, "2026-10")?;
/// let new = SigningKey::generate(Algorithm::EdDSA, "2026-11")?;
/// let keys = KeySet::new(new).with_verifying(old.verifying_key().clone())?;
/// assert_eq!(keys.jwks()["keys"].as_array().map(Vec::len), Some(2));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct KeySet {
    active: Option<SigningKey>,
    verifying: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set whose one key signs and verifies.
    #[must_use]
    pub fn new(active: SigningKey) -> Self {
        let verifying = vec![active.verifying_key().clone()];
        Self { active: Some(active), verifying }
    }

    /// A set that only verifies, for services that never issue tokens.
    #[must_use]
    pub fn verify_only(key: VerifyingKey) -> Self {
        Self { active: None, verifying: vec![key] }
    }

    /// A set without keys of its own, for services whose keys are all remote.
    #[must_use]
    pub const fn empty() -> Self {
        Self { active: None, verifying: Vec::new() }
    }

    /// How many keys verify.
    #[must_use]
    pub fn len(&self) -> usize {
        self.verifying.len()
    }

    /// Whether no key verifies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verifying.is_empty()
    }

    /// Adds a key that verifies.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the set already has a key of that id.
    pub fn with_verifying(mut self, key: VerifyingKey) -> Result<Self, Error> {
        if self.get(key.kid()).is_some() {
            return Err(Error::new(ErrorKind::InvalidKey, format!("the key id {:?} is used twice", key.kid())));
        }
        self.verifying.push(key);
        Ok(self)
    }

    /// The key that signs.
    #[must_use]
    pub const fn active(&self) -> Option<&SigningKey> {
        self.active.as_ref()
    }

    /// The verifying key of that id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.iter().find(|key| key.kid() == kid)
    }

    /// The key for a token that names none: only if the algorithm leaves no choice.
    pub(crate) fn only_key_of(&self, algorithm: Algorithm) -> Option<&VerifyingKey> {
        let mut fitting = self.verifying.iter().filter(|key| key.algorithm() == algorithm);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// The public keys as JWK set (RFC 7517), to be served at `/.well-known/jwks.json`. Shared secrets are left out.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.verifying.iter().filter_map(VerifyingKey::to_jwk).collect::<Vec<_>>() })
    }
}
