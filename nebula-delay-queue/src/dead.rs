//! Dead letters and statistics: what operators look at.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::RawMessage;

/// Why a message is not tried any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeadReason {
    /// Every attempt failed.
    RetriesExhausted,
    /// Its leases ran out without a word more often than it may be tried: it probably kills the process.
    Abandoned,
    /// The handler said so.
    Rejected(String),
    /// The body is not what the listener expects.
    Undecodable,
    /// It came to a worker only after its time to live.
    Expired,
}

impl DeadReason {
    /// A short name, for logs and metric labels.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RetriesExhausted => "retries-exhausted",
            Self::Abandoned => "abandoned",
            Self::Rejected(_) => "rejected",
            Self::Undecodable => "undecodable",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(f, "rejected: {reason}"),
            other => f.write_str(other.name()),
        }
    }
}

/// A message that is not tried any more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The message.
    pub message: RawMessage,
    /// How often it was handed out.
    pub attempts: u32,
    /// Why it died.
    pub reason: DeadReason,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it died, by the backend's clock.
    pub died: SystemTime,
}

impl DeadLetter {
    /// A dead letter.
    #[must_use]
    pub fn new(
        message: RawMessage,
        attempts: u32,
        reason: DeadReason,
        last_error: Option<String>,
        died: SystemTime,
    ) -> Self {
        Self { message, attempts, reason, last_error, died }
    }
}

/// What became of a request to replay a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dead letter that was not found is not replayed"]
pub enum Replay {
    /// It is due now.
    Replayed,
    /// There is no such dead letter.
    NotFound,
}

/// How many messages of a queue are where, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueStats {
    /// All that wait, due or not: `backlog` and `delayed`. `None` from a backend that does not count the delayed.
    pub total: Option<u64>,
    /// Due and waiting to be claimed, those whose lease ended included.
    pub backlog: u64,
    /// Those of the backlog that could have been claimed for at least [`OVERDUE`](Self::OVERDUE). `None` from a backend that
    /// does not see how long its messages have been waiting.
    pub overdue: Option<u64>,
    /// Not due yet, those that wait for a retry included.
    pub delayed: u64,
    /// Being handled under a lease.
    pub leased: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the message that waits longest could have been claimed; zero when none waits. From a backend that leaves
    /// `overdue` out, that of the messages which this process holds.
    pub oldest_lateness: Duration,
}

impl QueueStats {
    /// How long a message can have been claimed without being called overdue: a second. Workers that keep up take
    /// messages within milliseconds.
    pub const OVERDUE: Duration = Duration::from_secs(1);

    /// Statistics of a backend that counts everything; [`with_overdue`](Self::with_overdue) tells the one count that does not
    /// follow from the others.
    #[must_use]
    pub const fn new(backlog: u64, delayed: u64, leased: u64, dead: u64, oldest_lateness: Duration) -> Self {
        let total = Some(backlog.saturating_add(delayed));
        Self { total, backlog, overdue: None, delayed, leased, dead, oldest_lateness }
    }

    /// How many of the backlog are overdue.
    #[must_use]
    pub const fn with_overdue(mut self, overdue: u64) -> Self {
        self.overdue = Some(overdue);
        self
    }

    /// Says that there may be delayed messages beyond those counted.
    #[must_use]
    pub const fn without_total(mut self) -> Self {
        self.total = None;
        self
    }

    /// Whether nothing waits, as far as the backend can tell, and nothing is being handled.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.backlog == 0 && self.delayed == 0 && self.leased == 0
    }
}

/// An empty queue's.
impl Default for QueueStats {
    fn default() -> Self {
        Self::new(0, 0, 0, 0, Duration::ZERO).with_overdue(0)
    }
}

/// From when a message that could be claimed is overdue, in milliseconds since 1970.
pub(crate) const fn overdue_since(now_ms: u64) -> u64 {
    now_ms.saturating_sub(QueueStats::OVERDUE.as_millis() as u64)
}
