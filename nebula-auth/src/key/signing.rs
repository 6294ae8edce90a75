//! Keys that sign.

use std::fmt;

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{EncodingKey, crypto::aws_lc};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Algorithm, VerifyingKey, check_kid, secret, verifying::invalid};
use crate::error::{Error, ErrorKind};

/// A key that signs with one algorithm under one key id. Its `Debug` shows neither secret nor private part.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// A shared secret for HS256.
    ///
    /// # Errors
    /// [`ErrorKind::WeakSecret`] for fewer than 32 bytes, known placeholders and repetitive text.
    pub fn hs256(kid: impl Into<String>, secret: impl AsRef<[u8]>) -> Result<Self, Error> {
        let secret = secret.as_ref();
        secret::check(secret::SIGNING, secret)?;
        let kid = check_kid(kid.into())?;
        let verifying = VerifyingKey::hs256(kid.clone(), secret)?;
        Ok(Self { kid, algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret), verifying })
    }

    /// A shared secret whose key id is derived from it, so that two processes with the same configuration agree on it
    /// and a changed secret gets another id by itself.
    ///
    /// # Errors
    /// As for [`hs256`](Self::hs256).
    pub fn hs256_named_by_hash(secret: impl AsRef<[u8]>) -> Result<Self, Error> {
        let mut input = b"nebula-auth key id v1:".to_vec();
        input.extend_from_slice(secret.as_ref());
        let hash = digest::digest(&digest::SHA256, &input);
        Self::hs256(URL_SAFE_NO_PAD.encode(&hash.as_ref()[..9]), secret)
    }

    /// A new ES256 or EdDSA key pair, or a new random HS256 secret.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] for an unusable key id; [`ErrorKind::Internal`] if no random numbers can be had.
    pub fn generate(algorithm: Algorithm, kid: impl Into<String>) -> Result<Self, Error> {
        let failed = |_| Error::internal("a key could not be generated");
        match algorithm {
            Algorithm::HS256 => {
                let mut secret = [0u8; 48];
                crate::random::fill(&mut secret)?;
                Self::hs256(kid, secret)
            }
            Algorithm::ES256 => {
                let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                    .map_err(failed)?;
                Self::from_pkcs8_der(kid, algorithm, der.as_ref())
            }
            Algorithm::EdDSA => {
                let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
                Self::from_pkcs8_der(kid, algorithm, der.as_ref())
            }
            Algorithm::RS256 => Err(verifies_only()),
        }
    }

    /// An ES256 or EdDSA key from a PKCS#8 PEM text (`-----BEGIN PRIVATE KEY-----`), as written by
    /// `openssl genpkey -algorithm ed25519` or
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the text is no such key, or one of another algorithm or curve.
    pub fn from_pem(kid: impl Into<String>, algorithm: Algorithm, pem: &SecretString) -> Result<Self, Error> {
        let pem = pem.expose_secret().as_bytes();
        let parsed = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
            Algorithm::HS256 => return Err(Error::new(ErrorKind::InvalidKey, "HS256 takes a secret, not a PEM text")),
            Algorithm::RS256 => return Err(verifies_only()),
        };
        let key = parsed.map_err(|error| invalid(algorithm).with_source(error))?;
        Self::from_pkcs8_der(kid, algorithm, key.as_bytes())
    }

    /// An ES256 or EdDSA key from PKCS#8 in binary form.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] as for [`from_pem`](Self::from_pem).
    pub fn from_pkcs8_der(kid: impl Into<String>, algorithm: Algorithm, der: &[u8]) -> Result<Self, Error> {
        let (key, public) = match algorithm {
            Algorithm::ES256 => {
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| invalid(algorithm))?;
                (EncodingKey::from_ec_der(der), pair.public_key().as_ref().to_vec())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| invalid(algorithm))?;
                (EncodingKey::from_ed_der(der), pair.public_key().as_ref().to_vec())
            }
            Algorithm::HS256 => return Err(Error::new(ErrorKind::InvalidKey, "HS256 takes a secret, not PKCS#8")),
            Algorithm::RS256 => return Err(verifies_only()),
        };
        let kid = check_kid(kid.into())?;
        let verifying = VerifyingKey::from_raw(kid.clone(), algorithm, &public)?;
        Ok(Self { kid, algorithm, key, verifying })
    }

    /// The private key as PKCS#8 PEM, to be kept in a secret store; nothing for a shared secret.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Option<SecretString> {
        if self.algorithm == Algorithm::HS256 {
            return None;
        }
        let body = STANDARD.encode(self.key.as_bytes());
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = tail;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Some(SecretString::from(pem))
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

    /// The half that verifies.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = "the token could not be signed";
        (aws_lc::DEFAULT_PROVIDER.signer_factory)(&self.algorithm.library(), &self.key)
            .map_err(|error| Error::internal(failed).with_source(error))?
            .try_sign(message)
            .map_err(|_| Error::internal(failed))
    }
}

fn verifies_only() -> Error {
    Error::new(ErrorKind::InvalidKey, "RS256 only verifies; sign with EdDSA, ES256 or HS256")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
