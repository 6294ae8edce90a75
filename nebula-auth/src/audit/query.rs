//! Finding entries.

use super::{
    chain::{AuditEntry, Decision},
    log::AuditSink,
};
use crate::error::Error;

/// How many entries are read at once.
const WINDOW: u32 = 500;

/// How many are looked at for one question.
const MOST: u64 = 10_000;

/// Which entries of a log are wanted. What is not given does not matter.
///
/// ```
/// use nebula_auth::audit::{AuditQuery, Decision};
///
/// let refused = AuditQuery { decision: Some(Decision::Denied), ..AuditQuery::default() };
/// # let _ = refused;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Older than the entry of that number.
    pub before: Option<u64>,
    /// At most so many; 50 by default.
    pub limit: u32,
    /// By whom, exactly.
    pub who: Option<String>,
    /// What was done, exactly.
    pub what: Option<String>,
    /// What was decided.
    pub decision: Option<Decision>,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { before: None, limit: 50, who: None, what: None, decision: None }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// To be given as [`AuditQuery::before`] for older ones; nothing if there are none.
    pub next: Option<u64>,
}

impl AuditQuery {
    fn fits(&self, entry: &AuditEntry) -> bool {
        let record = &entry.record;
        self.who.as_ref().is_none_or(|who| *who == record.who)
            && self.what.as_ref().is_none_or(|what| *what == record.what)
            && self.decision.is_none_or(|decision| decision == record.decision)
    }

    /// Entries below `end`, in windows from the newest on.
    pub(super) async fn run(&self, sink: &dyn AuditSink, mut end: u64) -> Result<AuditPage, Error> {
        let lowest = end.saturating_sub(MOST);
        let limit = usize::try_from(self.limit.max(1)).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        while end > 1 && end > lowest {
            let after = end.saturating_sub(u64::from(WINDOW) + 1);
            let window = sink.read(after, WINDOW).await?;
            for entry in window.into_iter().rev().filter(|entry| entry.number < end && self.fits(entry)) {
                let number = entry.number;
                entries.push(entry);
                if entries.len() == limit {
                    return Ok(AuditPage { entries, next: (number > 1).then_some(number) });
                }
            }
            end = after + 1;
        }
        Ok(AuditPage { entries, next: (end > 1).then_some(end) })
    }
}
