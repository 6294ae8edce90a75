//! Proofs in the memory of one process.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::store::{ProofKey, ProofRecord, ProofStore};
use crate::error::Error;

/// Keeps proofs in this process; second factors that were set up end with it, so this is for tests and single-process
/// programs. Clones share them. Memory is bounded by the records that have not ended.
#[derive(Clone, Default)]
pub struct MemoryProofStore(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    records: HashMap<ProofKey, ProofRecord>,
    sweep_at: usize,
}

impl MemoryProofStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records are kept at the moment, ended ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for MemoryProofStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryProofStore").field("records", &self.len()).finish()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ProofStore for MemoryProofStore {
    async fn load(&self, key: &ProofKey) -> Result<Option<ProofRecord>, Error> {
        Ok(self.0.lock().records.get(key).cloned())
    }

    async fn put(
        &self,
        key: &ProofKey,
        expected: Option<u64>,
        record: &ProofRecord,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let mut kept = self.0.lock();
        let stored = match (kept.records.entry(key.clone()), expected) {
            (Entry::Vacant(entry), None) => {
                entry.insert(record.clone());
                true
            }
            (Entry::Occupied(mut entry), Some(revision)) if entry.get().revision == revision => {
                entry.insert(record.clone());
                true
            }
            _ => false,
        };
        // Sweeping whenever the number has doubled costs each record a constant amount of work.
        if kept.records.len() > kept.sweep_at {
            kept.records.retain(|_, record| record.expires_at >= now);
            kept.sweep_at = kept.records.len() * 2 + 256;
        }
        Ok(stored)
    }

    async fn remove(&self, key: &ProofKey, expected: u64) -> Result<bool, Error> {
        match self.0.lock().records.entry(key.clone()) {
            Entry::Occupied(entry) if entry.get().revision == expected => {
                entry.remove();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        let mut kept = self.0.lock();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let over = kept.records.iter().filter(|(_, record)| record.expires_at < before);
        let over: Vec<ProofKey> = over.take(limit).map(|(key, _)| key.clone()).collect();
        for key in &over {
            kept.records.remove(key);
        }
        Ok(u64::try_from(over.len()).unwrap_or(u64::MAX))
    }

    async fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}
