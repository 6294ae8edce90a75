//! An audit log as events.

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    chain::{AuditEntry, EntryHash},
    log::{Appended, AuditSink, LogPlace},
};
use crate::error::{Error, ErrorKind};

/// Writes entries as events of `tracing` (target `nebula_auth::audit`), for whatever collects those. The chain begins anew
/// with every process, and cannot be read back here.
#[derive(Debug, Default)]
pub struct TracingAuditSink(Mutex<Option<(u64, EntryHash)>>);

impl TracingAuditSink {
    /// A chain that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl AuditSink for TracingAuditSink {
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error> {
        Ok(*self.0.lock())
    }

    async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error> {
        let mut last = self.0.lock();
        if last.is_some_and(|(number, _)| number >= entry.number) {
            return Ok(Appended::Taken);
        }
        *last = Some((entry.number, entry.hash));
        drop(last);
        // As JSON: what people call themselves cannot break out of its line.
        let json = serde_json::to_string(entry)
            .map_err(|error| Error::internal("an audit entry could not be written as JSON").with_source(error))?;
        tracing::info!(target: "nebula_auth::audit", entry = json, "audit");
        Ok(Appended::Yes)
    }

    async fn read(&self, _after: u64, _limit: u32) -> Result<Vec<AuditEntry>, Error> {
        Err(Error::new(ErrorKind::InvalidInput, "an audit log that goes to tracing cannot be read back"))
    }

    fn place(&self) -> Option<LogPlace> {
        None
    }
}
