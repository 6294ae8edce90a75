//! The public half of a key (or, for HS256, the shared secret used only to verify).

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, crypto::aws_lc};
use serde_json::{Value, json};

use super::{Algorithm, check_kid, secret};
use crate::error::{Error, ErrorKind};

/// Verifies signatures of one algorithm under one key id.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    /// An ES256 or EdDSA key from its PEM form (`-----BEGIN PUBLIC KEY-----`).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the text is no such key, or one of another algorithm or curve.
    pub fn from_pem(kid: impl Into<String>, algorithm: Algorithm, pem: &str) -> Result<Self, Error> {
        let parsed = match algorithm {
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
            Algorithm::HS256 => return Err(no_public_half()),
            Algorithm::RS256 => return Err(only_as_jwk()),
        };
        let key = parsed.map_err(|error| invalid(algorithm).with_source(error))?;
        let raw = key.try_get_as_bytes().map_err(|error| invalid(algorithm).with_source(error))?.to_vec();
        Self::from_raw(kid, algorithm, &raw)
    }

    /// An ES256 key as uncompressed point (65 bytes) or an EdDSA key (32 bytes).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the bytes are no point of the curve.
    pub fn from_raw(kid: impl Into<String>, algorithm: Algorithm, public: &[u8]) -> Result<Self, Error> {
        let key = match algorithm {
            Algorithm::ES256 if public.len() == 65 && public[0] == 4 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).map_err(|_| invalid(algorithm))?;
                DecodingKey::from_ec_der(public)
            }
            Algorithm::EdDSA if public.len() == 32 => {
                ParsedPublicKey::new(&ED25519, public).map_err(|_| invalid(algorithm))?;
                DecodingKey::from_ed_der(public)
            }
            Algorithm::HS256 => return Err(no_public_half()),
            Algorithm::RS256 => return Err(only_as_jwk()),
            _ => return Err(invalid(algorithm)),
        };
        Ok(Self { kid: check_kid(kid.into())?, algorithm, key })
    }

    /// A retired shared secret that still verifies.
    ///
    /// # Errors
    /// [`ErrorKind::WeakSecret`] for secrets that [`SigningKey::hs256`](super::SigningKey::hs256) refuses as well.
    pub fn hs256(kid: impl Into<String>, secret: impl AsRef<[u8]>) -> Result<Self, Error> {
        secret::check(secret::SIGNING, secret.as_ref())?;
        let key = DecodingKey::from_secret(secret.as_ref());
        Ok(Self { kid: check_kid(kid.into())?, algorithm: Algorithm::HS256, key })
    }

    /// An RSA key of 2048 to 8192 bits, of another issuer.
    pub(super) fn rs256(kid: impl Into<String>, modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let algorithm = Algorithm::RS256;
        let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
        let small_exponent =
            exponent.len() <= 8 && exponent.last().is_some_and(|byte| byte & 1 == 1) && exponent != [1];
        if !(256..=1024).contains(&significant) || modulus.first() == Some(&0) || !small_exponent {
            return Err(invalid(algorithm));
        }
        Ok(Self {
            kid: check_kid(kid.into())?,
            algorithm,
            key: DecodingKey::from_rsa_raw_components(modulus, exponent),
        })
    }

    /// The key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm of this key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's signature of `message`: the bare cryptographic check, for envelopes of your
    /// own. Tokens are verified by [`TokenService::verify`](crate::TokenService::verify).
    #[must_use]
    pub fn verify_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies(message, &signature.to_vec())
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        // The provider is named here rather than taken from the process, so that another crate which switches on
        // jsonwebtoken's second provider cannot make this one panic.
        (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&self.algorithm.library(), &self.key)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }

    /// The key as JSON Web Key (RFC 7517); nothing for a shared secret.
    #[must_use]
    pub fn to_jwk(&self) -> Option<Value> {
        let raw = self.key.try_get_as_bytes().ok()?;
        match self.algorithm {
            Algorithm::HS256 | Algorithm::RS256 => None,
            Algorithm::ES256 => {
                let (x, y) = raw.get(1..65)?.split_at(32);
                Some(json!({
                    "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                }))
            }
            Algorithm::EdDSA => Some(json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid,
                "x": URL_SAFE_NO_PAD.encode(raw),
            })),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

pub(super) fn invalid(algorithm: Algorithm) -> Error {
    Error::new(ErrorKind::InvalidKey, format!("this is not a usable {algorithm} key"))
}

fn only_as_jwk() -> Error {
    Error::new(ErrorKind::InvalidKey, "RS256 keys are those of other issuers, and come as JWK set")
}

fn no_public_half() -> Error {
    Error::new(ErrorKind::InvalidKey, "HS256 has no public key; use `VerifyingKey::hs256` with the shared secret")
}
