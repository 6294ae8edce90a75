//! What can go wrong, and whether trying again can help.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The same type under a name that stays clear beside other crates' errors: `impl From<LockError> for AppError`.
pub type LockError = Error;

/// A failure. That a lock is held by somebody else is no failure: see [`try_lock`](crate::LockManager::try_lock).
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    key: Option<String>,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The classes of failures. Match on what you handle and leave the rest to a catch-all arm.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The lock was not free within the time the caller wanted to wait.
    WaitTimeout,
    /// The lock was lost while it was needed.
    Lost,
    /// The backend cannot be reached. Nothing was changed as far as is known.
    Unavailable,
    /// No reply came; the command may or may not have been carried out. Clean-up is under way.
    OutcomeUnknown,
    /// The key is empty, too long or contains control characters.
    InvalidKey,
    /// The lease is zero, absurdly long, or was used up before the reply arrived.
    InvalidLease,
    /// The waiting time is absurdly long.
    InvalidWait,
    /// Something that is not a lock is stored under the lock's key.
    WrongType,
    /// The server takes no writes: a replica, or a master cut off from its replicas.
    ReadOnly,
    /// The server has no memory left for the lock.
    OutOfMemory,
    /// Fewer replicas than demanded knew of the lock in time. It was given back.
    NotReplicated,
    /// The server refused the credentials or the command.
    Auth,
    /// The configuration cannot work as written.
    ConfigInvalid,
    /// The backend does not offer what was asked of it.
    Unsupported,
    /// The manager has been shut down.
    ShutDown,
    /// The backend reported something else.
    Backend,
}

impl Error {
    /// An error of `kind`; `context` says what was tried or what is wrong.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), key: None, source: None }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the key of the lock it is about, unless it has one.
    #[must_use]
    pub fn with_key(mut self, key: impl fmt::Display) -> Self {
        self.key.get_or_insert_with(|| key.to_string());
        self
    }

    /// The class of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The key of the lock it is about.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether the same call may succeed later without anybody mending anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::WaitTimeout
                | ErrorKind::Lost
                | ErrorKind::Unavailable
                | ErrorKind::OutcomeUnknown
                | ErrorKind::ReadOnly
                | ErrorKind::NotReplicated
                | ErrorKind::OutOfMemory
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(key) = &self.key {
            write!(f, " (lock `{key}`)")?;
        }
        write!(f, ": {}", self.context)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaitTimeout => "lock not free in time",
            Self::Lost => "lock lost",
            Self::Unavailable => "lock backend unavailable",
            Self::OutcomeUnknown => "outcome unknown",
            Self::InvalidKey => "invalid lock key",
            Self::InvalidLease => "invalid lease",
            Self::InvalidWait => "invalid waiting time",
            Self::WrongType => "not a lock",
            Self::ReadOnly => "lock backend is read-only",
            Self::OutOfMemory => "lock backend is out of memory",
            Self::NotReplicated => "lock not replicated",
            Self::Auth => "lock backend refused access",
            Self::ConfigInvalid => "invalid configuration",
            Self::Unsupported => "unsupported",
            Self::ShutDown => "lock manager shut down",
            Self::Backend => "lock backend failed",
        })
    }
}
