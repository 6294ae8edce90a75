//! What a store of proofs must be able to do.

use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::error::Error;

/// What a record is about. The id is a hash, so that a store holds neither names nor addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProofKey {
    kind: &'static str,
    id: String,
}

impl ProofKey {
    /// The record of that kind about these things, in this order. A kind has at most 32 bytes.
    #[must_use]
    pub fn of(kind: &'static str, about: &[&str]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"nebula-auth proof v1");
        for part in about {
            // With their lengths, so that no two lists read the same.
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { kind, id: URL_SAFE_NO_PAD.encode(hash.finish().as_ref()) }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The id: 43 characters of base64url.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A record as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofRecord {
    /// Another one with every write, never seen before: whoever holds an old one has an old record.
    pub revision: u64,
    /// When the record is of no more use.
    pub expires_at: SystemTime,
    /// What it says; secrets in it are hashed or encrypted.
    pub body: Vec<u8>,
}

impl fmt::Debug for ProofRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofRecord").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// Keeps small records and decides who writes them: failed attempts, second factors, one-time codes, logins under way.
///
/// What counts, how often, and for how long is decided by this crate; a store only compares and swaps. Revisions fit
/// into a signed 64-bit number.
///
/// # Contract
/// - `load` returns what was stored, expired or not, and nothing for keys that hold nothing.
/// - `put` without an expected revision stores only where nothing is; with one, only over the record of that revision.
///   It says whether it did.
/// - `remove` removes only the record of that revision, and says whether it did.
/// - Of any number of concurrent `put`s and `remove`s that expect the same, exactly one succeeds, also across processes.
/// - Records of different kinds with the same id are different records.
/// - `purge` removes records whose end is before the given time, at most `limit` at a time, and counts them.
#[async_trait]
pub trait ProofStore: fmt::Debug + Send + Sync + 'static {
    /// The record of that key.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn load(&self, key: &ProofKey) -> Result<Option<ProofRecord>, Error>;

    /// Stores a record, if what is there is what is expected. The present is for stores that make room by themselves.
    ///
    /// # Errors
    /// If the store cannot answer; the record may have been stored.
    ///
    /// # Cancel safety
    /// The record may or may not have been stored.
    async fn put(
        &self,
        key: &ProofKey,
        expected: Option<u64>,
        record: &ProofRecord,
        now: SystemTime,
    ) -> Result<bool, Error>;

    /// Removes a record, if it is the expected one.
    ///
    /// # Errors
    /// If the store cannot answer; the record may have been removed.
    ///
    /// # Cancel safety
    /// The record may or may not have been removed.
    async fn remove(&self, key: &ProofKey, expected: u64) -> Result<bool, Error>;

    /// Removes records that ended before `before`.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The records may or may not have been removed; repeating it is harmless.
    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// If it does not.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn health(&self) -> Result<(), Error>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ProofStore + ?Sized> ProofStore for Arc<T> {
    async fn load(&self, key: &ProofKey) -> Result<Option<ProofRecord>, Error> {
        (**self).load(key).await
    }

    async fn put(
        &self,
        key: &ProofKey,
        expected: Option<u64>,
        record: &ProofRecord,
        now: SystemTime,
    ) -> Result<bool, Error> {
        (**self).put(key, expected, record, now).await
    }

    async fn remove(&self, key: &ProofKey, expected: u64) -> Result<bool, Error> {
        (**self).remove(key, expected).await
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        (**self).purge(before, limit).await
    }

    async fn health(&self) -> Result<(), Error> {
        (**self).health().await
    }
}
