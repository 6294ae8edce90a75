//! The log, and where it is kept.

use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{
    chain::{AuditEntry, AuditRecord, EntryHash, PendingEntry},
    query::{AuditPage, AuditQuery},
};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind},
};

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is kept.
    Yes,
    /// Somebody else has written an entry with this number.
    Taken,
}

/// What two handles have in common that write in the same transactions, such as a pool of connections.
#[derive(Clone)]
pub struct LogPlace(Arc<dyn Any + Send + Sync>);

impl LogPlace {
    /// Equal for clones of one `Arc`.
    #[must_use]
    pub fn of<T: Send + Sync + 'static>(shared: Arc<T>) -> Self {
        Self(shared)
    }
}

impl PartialEq for LogPlace {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl Eq for LogPlace {}

impl fmt::Debug for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogPlace({:p})", Arc::as_ptr(&self.0))
    }
}

/// Keeps entries, and never changes or removes one.
///
/// # Contract
/// - `last` is the entry with the highest number that `append` has kept, whichever process did.
/// - `append` keeps an entry if there is none with its number, and says `Taken` otherwise: of any number of concurrent
///   ones with the same number exactly one is kept.
/// - `read` returns the entries after a number, in order, at most as many as asked for. A sink that cannot be read says so
///   with [`ErrorKind::InvalidInput`].
#[async_trait]
pub trait AuditSink: fmt::Debug + Send + Sync + 'static {
    /// Number and hash of the last entry.
    ///
    /// # Errors
    /// If the sink cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error>;

    /// Keeps an entry.
    ///
    /// # Errors
    /// If the sink cannot answer; the entry may have been kept.
    ///
    /// # Cancel safety
    /// The entry is kept or not.
    async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error>;

    /// Entries after that number.
    ///
    /// # Errors
    /// If the sink cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error>;

    /// Where entries are kept, if a store of roles could write them there in its own transactions
    /// ([`RbacStore::log_place`](crate::rbac::RbacStore::log_place)).
    fn place(&self) -> Option<LogPlace> {
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: AuditSink + ?Sized> AuditSink for Arc<T> {
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error> {
        (**self).last().await
    }

    async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error> {
        (**self).append(entry).await
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        (**self).read(after, limit).await
    }

    fn place(&self) -> Option<LogPlace> {
        (**self).place()
    }
}

/// Number and hash of an entry; nothing for the place before the first.
type Place = Option<(u64, EntryHash)>;

/// Writes an audit log. Clones write the same one.
///
/// Each entry holds a hash over itself and the one before, so that a change, an insertion or a removal shows
/// ([`verify`](super::verify)). Several processes may write one log.
///
/// ```
/// use nebula_auth::audit::{AuditLog, AuditRecord, Decision, MemoryAuditSink, Verification};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let log = AuditLog::new(MemoryAuditSink::new());
/// let record = AuditRecord {
///     who: "ann".into(),
///     what: "order:delete".into(),
///     on: "order 7".into(),
///     decision: Decision::Denied,
///     reason: "permission_denied".into(),
///     request_id: Some("r-1".into()),
/// };
/// log.write(record).await?;
/// assert!(matches!(log.verify().await?, Verification::Intact { entries: 1, .. }));
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct AuditLog {
    sink: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    /// What this process believes to be the last entry.
    last: Arc<Mutex<Option<Place>>>,
}

impl AuditLog {
    /// A log that is kept there.
    pub fn new(sink: impl AuditSink) -> Self {
        Self { sink: Arc::new(sink), clock: Arc::new(SystemClock), last: Arc::default() }
    }

    /// Dates entries by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// If the sink cannot answer; the entry may have been written. [`ErrorKind::Busy`] if others keep writing first.
    ///
    /// # Cancel safety
    /// The entry is written or not.
    pub async fn write(&self, record: AuditRecord) -> Result<AuditEntry, Error> {
        let mut known = self.last.lock().await;
        for _ in 0..100 {
            // Forgotten until the outcome is known: after an error or a drop it is read again.
            let last = match known.take() {
                Some(last) => last,
                None => self.sink.last().await?,
            };
            let entry = AuditEntry::after(last, self.clock.now(), record.clone());
            if self.sink.append(&entry).await? == Appended::Yes {
                *known = Some(Some((entry.number, entry.hash)));
                return Ok(entry);
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to the audit log first; try again"))
    }

    /// A record that somebody else writes, in a transaction where this log is kept.
    pub(crate) fn pending(&self, record: AuditRecord) -> PendingEntry {
        PendingEntry { at: self.clock.now(), record }
    }

    pub(crate) fn place(&self) -> Option<LogPlace> {
        self.sink.place()
    }

    /// Entries after that number, at most so many.
    ///
    /// # Errors
    /// If the sink cannot answer or cannot be read.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        self.sink.read(after, limit).await
    }

    /// Entries that fit, newest first. Looks through at most 10,000 of them; if there are more, `next` says where to go on.
    ///
    /// # Errors
    /// If the sink cannot answer or cannot be read.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn query(&self, query: &AuditQuery) -> Result<AuditPage, Error> {
        let end = match query.before {
            Some(before) => before,
            None => self.sink.last().await?.map_or(1, |(number, _)| number.saturating_add(1)),
        };
        query.run(&*self.sink, end).await
    }

    /// Looks at the whole log.
    ///
    /// # Errors
    /// If the sink cannot answer or cannot be read.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn verify(&self) -> Result<super::Verification, Error> {
        const PAGE: u32 = 1000;
        let (mut number, mut last) = (0, EntryHash::START);
        loop {
            let page = self.sink.read(number, PAGE).await?;
            for entry in &page {
                number += 1;
                if entry.number != number || entry.previous != last || !entry.is_intact() {
                    return Ok(super::Verification::Broken { number });
                }
                last = entry.hash;
            }
            if page.is_empty() {
                return Ok(super::Verification::Intact { entries: number, last });
            }
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("sink", &self.sink).finish_non_exhaustive()
    }
}
