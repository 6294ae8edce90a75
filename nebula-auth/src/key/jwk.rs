//! Keys of others, as they publish them (RFC 7517).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Algorithm, KeySet, VerifyingKey};
use crate::error::{Error, ErrorKind};

/// More keys than any issuer has.
const MAX_KEYS: usize = 32;

impl KeySet {
    /// The keys of a JWK set that verify with one of these algorithms. Others are left out: those for encryption, of
    /// other kinds or sizes, without an id, and shared secrets, which nobody publishes in good faith.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] for what is no JWK set, for one of more than 32 keys, and for two usable keys of one id.
    pub fn from_jwks(set: &Value, algorithms: &[Algorithm]) -> Result<Self, Error> {
        let invalid = |text| Error::new(ErrorKind::InvalidKey, text);
        let keys = set.get("keys").and_then(Value::as_array).ok_or_else(|| invalid("this is no JWK set"))?;
        if keys.len() > MAX_KEYS {
            return Err(invalid("a JWK set may hold at most 32 keys"));
        }
        let mut found = Self::empty();
        for key in keys.iter().filter_map(Value::as_object).filter_map(|key| parse(key, algorithms)) {
            found = found.with_verifying(key)?;
        }
        Ok(found)
    }
}

fn parse(key: &Map<String, Value>, algorithms: &[Algorithm]) -> Option<VerifyingKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let algorithm = match (text("kty")?, text("crv")) {
        ("EC", Some("P-256")) => Algorithm::ES256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
        ("RSA", None) => Algorithm::RS256,
        _ => return None,
    };
    let named = key.get("alg").is_none_or(|name| name.as_str() == Some(algorithm.as_str()));
    let signs = key.get("use").is_none_or(|name| name.as_str() == Some("sig"));
    if !named || !signs || !algorithms.contains(&algorithm) {
        return None;
    }
    let kid = text("kid")?;
    let verifying = match algorithm {
        Algorithm::ES256 => {
            let mut point = vec![4];
            for coordinate in [bytes("x")?, bytes("y")?] {
                point.extend_from_slice(&coordinate);
            }
            VerifyingKey::from_raw(kid, algorithm, &point)
        }
        Algorithm::EdDSA => VerifyingKey::from_raw(kid, algorithm, &bytes("x")?),
        _ => VerifyingKey::rs256(kid, &bytes("n")?, &bytes("e")?),
    };
    verifying.ok()
}
