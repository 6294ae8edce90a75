//! The key under which factors are kept.

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{error::Error, key::check_secret};

/// The secret under which second factors are encrypted and codes are hashed in the store, so that a stolen copy of the
/// store is worth nothing. Keep it apart from the database; without it, everybody has to set up their factors again.
#[derive(Clone)]
pub struct FactorKey(hmac::Key);

impl FactorKey {
    /// From at least 32 random bytes, for example the text that `openssl rand -base64 48` prints.
    ///
    /// # Errors
    /// [`ErrorKind::WeakSecret`](crate::ErrorKind::WeakSecret) for fewer than 32 bytes, known placeholders and repetitive
    /// text.
    pub fn new(secret: &SecretString) -> Result<Self, Error> {
        let secret = secret.expose_secret().as_bytes();
        check_secret("the key of second factors (nebula.auth.mfa.key)", secret)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// A new one, for tests and for programs that keep everything in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if no random numbers can be had.
    pub fn generate() -> Result<Self, Error> {
        let mut secret = [0u8; 32];
        crate::random::fill(&mut secret)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// What only who has the key can compute, for one use and one thing.
    pub(super) fn mac(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&purpose).chain(parts) {
            // With their lengths, so that no two lists read the same.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut mac = [0u8; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

impl fmt::Debug for FactorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactorKey([redacted])")
    }
}
