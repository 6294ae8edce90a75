//! Who did what, and whether they were let: a log that cannot be changed unnoticed.

mod chain;
mod file;
mod journal;
mod log;
mod memory;
mod query;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) mod sql;
mod tracing;

pub(crate) use self::journal::{Journal, fingerprint};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::sql::SqlAuditSink;
pub use self::{
    chain::{AuditEntry, AuditRecord, Decision, EntryHash, PendingEntry, Verification, verify},
    file::FileAuditSink,
    log::{Appended, AuditLog, AuditSink, LogPlace},
    memory::MemoryAuditSink,
    query::{AuditPage, AuditQuery},
    tracing::TracingAuditSink,
};
