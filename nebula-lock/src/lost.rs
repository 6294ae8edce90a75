//! The loss of a lock.

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::key::LockKey;

/// The lock is lost: another owner may hold it now. Final; a lost lock never comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    key: LockKey,
    reason: LossReason,
}

/// Why a lock was lost.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// The lease ended by the local clock: it was not to be renewed, or no renewal succeeded in time.
    Expired,
    /// The backend said that the hold is gone: expired there, released by force, or wiped out.
    Gone,
    /// The longest hold that the manager allows was reached.
    MaxHold,
    /// The manager was shut down and the lock was not released in time.
    ShutDown,
}

impl Lost {
    pub(crate) const fn new(key: LockKey, reason: LossReason) -> Self {
        Self { key, reason }
    }

    /// The key of the lock.
    #[must_use]
    pub const fn key(&self) -> &LockKey {
        &self.key
    }

    /// Why it was lost.
    #[must_use]
    pub const fn reason(&self) -> LossReason {
        self.reason
    }
}

impl LossReason {
    /// The value of the `reason` label of metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Gone => "gone",
            Self::MaxHold => "max_hold",
            Self::ShutDown => "shut_down",
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            LossReason::Expired => "its lease ended",
            LossReason::Gone => "the backend no longer has it",
            LossReason::MaxHold => "it was held for too long",
            LossReason::ShutDown => "its manager was shut down",
        };
        write!(f, "lock `{}` lost: {reason}", self.key)
    }
}

impl std::error::Error for Lost {}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::new(ErrorKind::Lost, "the protected work was stopped").with_key(&lost.key).with_source(lost)
    }
}
