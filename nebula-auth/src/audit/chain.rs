//! Entries, each bound to the one before it.

use std::{fmt, time::SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::rbac::millis;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decision {
    /// It was let through.
    Granted,
    /// It was not.
    Denied,
    /// Something was changed.
    Changed,
    /// A change is about to be made. If no other entry says what came of it, that is open.
    Attempted,
}

/// What happened. No field may hold a secret: the log keeps and shows them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Who did it; empty for somebody unknown.
    pub who: String,
    /// What they did: the permission, or the name of a change.
    pub what: String,
    /// To what; empty if that is not known here.
    pub on: String,
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// The request.
    pub request_id: Option<String>,
}

/// SHA-256 over an entry and everything before it. As text it is base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryHash([u8; 32]);

impl EntryHash {
    /// What the first entry follows.
    pub const START: Self = Self([0; 32]);

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryHash({self})")
    }
}

impl Serialize for EntryHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryHash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::from_text(&text).ok_or_else(|| serde::de::Error::custom("not a hash of an audit entry"))
    }
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its place, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970 on the clock of the process that wrote it.
    pub at_ms: i64,
    /// What happened.
    pub record: AuditRecord,
    /// The hash of the entry before.
    pub previous: EntryHash,
    /// The hash of this one.
    pub hash: EntryHash,
}

impl AuditEntry {
    pub(crate) fn after(last: Option<(u64, EntryHash)>, at: SystemTime, record: AuditRecord) -> Self {
        let (number, previous) = last.unwrap_or((0, EntryHash::START));
        let (number, at_ms) = (number + 1, millis::of(at));
        Self { number, at_ms, hash: hash(number, at_ms, &record, previous), record, previous }
    }

    /// Whether the hash belongs to the rest.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.hash == hash(self.number, self.at_ms, &self.record, self.previous)
    }
}

/// Every field with its length before it, so that no two records read the same.
fn hash(number: u64, at_ms: i64, record: &AuditRecord, previous: EntryHash) -> EntryHash {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    part(b"nebula-auth audit 1");
    part(&previous.0);
    part(&number.to_be_bytes());
    part(&at_ms.to_be_bytes());
    for text in [&record.who, &record.what, &record.on, &record.reason] {
        part(text.as_bytes());
    }
    part(match record.decision {
        Decision::Granted => b"granted",
        Decision::Denied => b"denied",
        Decision::Changed => b"changed",
        Decision::Attempted => b"attempted",
    });
    part(&[u8::from(record.request_id.is_some())]);
    part(record.request_id.as_deref().unwrap_or_default().as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    EntryHash(bytes)
}

/// A record of a change that is written in the transaction of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// When, on the log's clock.
    pub at: SystemTime,
    /// What happened; the reason is still open.
    pub record: AuditRecord,
}

impl PendingEntry {
    /// The entry that follows the last one, for the commit of that number.
    #[must_use]
    pub fn entry(&self, last: Option<(u64, EntryHash)>, commit: u64) -> AuditEntry {
        AuditEntry::after(last, self.at, AuditRecord { reason: format!("commit {commit}"), ..self.record.clone() })
    }
}

/// What a look at the log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Every entry follows the one before it. The last number and hash are what to keep elsewhere: whoever can rewrite the
    /// whole log can rewrite every hash in it, and cutting off its end leaves no trace inside it.
    Intact {
        /// How many entries there are.
        entries: u64,
        /// The hash of the last one.
        last: EntryHash,
    },
    /// This entry was changed, or one before it was added or removed.
    Broken {
        /// Where an entry with this number should be.
        number: u64,
    },
}

/// Looks at a log from its first entry on.
pub fn verify<'a>(entries: impl IntoIterator<Item = &'a AuditEntry>) -> Verification {
    let (mut number, mut last) = (0, EntryHash::START);
    for entry in entries {
        number += 1;
        if entry.number != number || entry.previous != last || !entry.is_intact() {
            return Verification::Broken { number };
        }
        last = entry.hash;
    }
    Verification::Intact { entries: number, last }
}
