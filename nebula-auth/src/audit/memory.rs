//! An audit log in the memory of one process.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    chain::{AuditEntry, EntryHash},
    log::{Appended, AuditSink, LogPlace},
};
use crate::error::Error;

/// Keeps entries in this process, for tests. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryAuditSink(Arc<Mutex<Vec<AuditEntry>>>);

impl MemoryAuditSink {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl AuditSink for MemoryAuditSink {
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error> {
        Ok(self.0.lock().last().map(|entry| (entry.number, entry.hash)))
    }

    async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error> {
        let mut entries = self.0.lock();
        if entries.last().is_some_and(|last| last.number >= entry.number) {
            return Ok(Appended::Taken);
        }
        entries.push(entry.clone());
        Ok(Appended::Yes)
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.0.lock().iter().filter(|entry| entry.number > after).take(limit).cloned().collect())
    }

    fn place(&self) -> Option<LogPlace> {
        None
    }
}
