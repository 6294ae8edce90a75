use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::error::Result;

/// What a code is stored as: an HMAC-SHA256 of it. Compared in constant time, never shown.
#[derive(Clone, Copy)]
pub struct CodeDigest(pub(crate) [u8; 32]);

impl CodeDigest {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeDigest(..)")
    }
}

/// A code to be stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewCode {
    /// Which scene and address it is for.
    pub key: String,
    /// What it is.
    pub digest: CodeDigest,
    /// How long it holds, from now, never extended.
    pub lifetime: Duration,
    /// How often it may be guessed at.
    pub tries: u32,
    /// How long no other one is issued.
    pub cool_down: Duration,
}

/// Keeps codes.
///
/// # Contract
///
/// - `the_right_code_is_accepted_once`: the right code is accepted, and never again; of two that guess right at once, one is.
/// - `tries_are_counted_first`: a guess is counted before it is compared; after the last try nothing is accepted any more, however
///   many guess at once.
/// - `a_new_code_voids_the_old`: after `put`, only the new code is accepted, with all its tries.
/// - `cooling_down`: until the cool-down is over `put` stores nothing and says how long that takes; a code that was accepted
///   does not end it.
/// - `codes_end`: after its lifetime a code is not accepted; guesses do not extend it.
/// - `revoked_codes_are_gone`: after `revoke` with its digest, a code and its cool-down are gone; a newer code stays.
/// - `keys_are_independent`: what happens to one key changes nothing of another.
#[async_trait]
pub trait CodeStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a code, unless the one before was issued too shortly ago.
    async fn put(&self, code: &NewCode) -> Result<PutCode>;

    /// Counts a try, compares, and removes the code if it is the right one, all in one step.
    async fn guess(&self, key: &str, digest: &CodeDigest) -> Result<Guess>;

    /// Removes a code that was not sent.
    async fn revoke(&self, key: &str, digest: &CodeDigest) -> Result<()>;
}

/// What became of storing a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutCode {
    /// It is stored.
    Stored,
    /// The one before was issued too shortly ago.
    CoolDown {
        /// How long that will be so.
        retry_after: Duration,
    },
}

/// What a guess was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// The right code; it is used up now.
    Right,
    /// A wrong one.
    Wrong,
    /// There is no code, or its tries are used up.
    None,
}
