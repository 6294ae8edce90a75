//! The one error type of the crate.

use std::{borrow::Cow, error::Error as StdError, fmt};

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot be used.
    Config,
    /// There is no tenant here, and what was called needs one.
    NoTenant,
    /// Another tenant's work is being done here.
    Conflict,
    /// A statement that the wall does not let pass.
    Refused,
    /// A key is not here, or was erased.
    NoKey,
    /// A sealed value, or a wrapped key, that was changed, or belongs elsewhere.
    Altered,
    /// A store or a database could not answer.
    Unavailable,
    /// There is no such tenant.
    Unknown,
    /// The tenant is not active.
    Inactive,
    /// Code that was given to this crate failed.
    Step,
}

impl ErrorKind {
    /// A stable lower-case name for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::NoTenant => "no_tenant",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::NoKey => "no_key",
            Self::Altered => "altered",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Step => "step",
        }
    }
}

/// A failure: what kind, in which situation, and caused by what.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The situation in which it happened.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
