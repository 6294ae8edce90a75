//! Codes on paper, for those who lose their second factor.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::FactorKey;
use crate::{
    error::{Error, ErrorKind},
    random,
};

/// 128 bits: beyond guessing, so that a keyed hash is enough to store them.
const ENTROPY_BYTES: usize = 16;
/// Below this a store would have to hash them as slowly as passwords.
const MIN_ENTROPY_BYTES: usize = 14;
const MAX_COUNT: usize = 20;
const GROUP: usize = 4;

/// New recovery codes, to be shown once. Each works once, instead of a time-based code.
#[derive(Clone)]
pub struct RecoveryCodes(Vec<SecretString>);

impl RecoveryCodes {
    pub(super) fn generate(count: usize) -> Result<Self, Error> {
        Self::with_entropy(count, ENTROPY_BYTES)
    }

    /// So many codes of so many random bytes each.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for no code or more than 20, and for fewer than 14 bytes (112 bits): such codes could be
    /// found out from a stolen store.
    pub fn with_entropy(count: usize, bytes: usize) -> Result<Self, Error> {
        if !(1..=MAX_COUNT).contains(&count) || !(MIN_ENTROPY_BYTES..=64).contains(&bytes) {
            return Err(Error::new(
                ErrorKind::Config,
                "there are 1 to 20 recovery codes, and each needs at least 112 random bits (14 bytes)",
            ));
        }
        let mut codes = Vec::with_capacity(count);
        for _ in 0..count {
            let mut random_bytes = vec![0u8; bytes];
            random::fill(&mut random_bytes)?;
            let text = BASE32_NOPAD.encode(&random_bytes).to_ascii_lowercase();
            let mut grouped = String::with_capacity(text.len() + text.len() / GROUP);
            for (at, letter) in text.chars().enumerate() {
                if at > 0 && at % GROUP == 0 {
                    grouped.push('-');
                }
                grouped.push(letter);
            }
            codes.push(grouped.into());
        }
        Ok(Self(codes))
    }

    /// The codes.
    #[must_use]
    pub fn codes(&self) -> &[SecretString] {
        &self.0
    }

    pub(super) fn hashes(&self, key: &FactorKey, subject: &str) -> Vec<[u8; 32]> {
        self.0.iter().map(|code| hash(key, subject, code.expose_secret())).collect()
    }
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryCodes([redacted; {}])", self.0.len())
    }
}

/// However it was typed: with or without hyphens and spaces, in capitals or not.
fn hash(key: &FactorKey, subject: &str, typed: &str) -> [u8; 32] {
    let plain: String =
        typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    key.mac("recovery code v1", &[subject, &plain])
}

/// Which of the hashes is that of the code. All are compared, whichever fits, and in constant time.
pub(super) fn position(key: &FactorKey, subject: &str, typed: &str, hashes: &[[u8; 32]]) -> Option<usize> {
    let presented = hash(key, subject, typed);
    let mut found = None;
    for (at, hash) in hashes.iter().enumerate() {
        if bool::from(hash.ct_eq(&presented)) {
            found = Some(at);
        }
    }
    found
}
