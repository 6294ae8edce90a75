//! RSA signatures with SHA-256, as the payment providers of China use them.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use thiserror::Error;

/// A key cannot be used. It does not say what the key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    /// The text is neither PEM nor base64.
    #[error("the key is not PEM, nor the base64 between its lines")]
    Text,
    /// It is no RSA key of 2048 bits or more in a form that is known.
    #[error("this is no RSA key of at least 2048 bits")]
    Rsa,
}

/// Signs.
pub(super) struct SigningKey(RsaKeyPair);

/// Checks signatures of one signer.
#[derive(Clone)]
pub(super) struct VerifyingKey(UnparsedPublicKey<Vec<u8>>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

impl SigningKey {
    /// Reads a key in PKCS #8 or PKCS #1.
    pub(super) fn read(text: &str) -> Result<Self, BadKey> {
        let der = der(text)?;
        RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).map(Self).map_err(|_| BadKey::Rsa)
    }

    /// The signature in base64; `None` when the library fails.
    pub(super) fn sign(&self, message: &[u8]) -> Option<String> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(BASE64_STANDARD.encode(signature))
    }
}

impl VerifyingKey {
    /// Reads a public key.
    pub(super) fn read(text: &str) -> Result<Self, BadKey> {
        let der = der(text)?;
        aws_lc_rs::rsa::PublicKey::from_der(&der).map_err(|_| BadKey::Rsa)?;
        Ok(Self(UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)))
    }

    /// Whether this base64 is the signer's signature of the message.
    pub(super) fn is_signed(&self, message: &[u8], signature: &str) -> bool {
        BASE64_STANDARD.decode(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// What stands between the lines of PEM.
fn der(text: &str) -> Result<Vec<u8>, BadKey> {
    let body: String = text.lines().filter(|line| !line.trim_start().starts_with("-----")).map(str::trim).collect();
    let der = BASE64_STANDARD.decode(body).map_err(|_| BadKey::Text)?;
    if der.is_empty() { Err(BadKey::Text) } else { Ok(der) }
}
