//! The one error type of the crate.

use std::{borrow::Cow, error::Error as StdError, fmt};

/// What kind of failure an [`Error`] is.
///
/// A token that is expired, a password that does not match, a session that was revoked: those are *refusals* and come
/// back as values. An `Error` means that the question could not be answered, or that the program is set up wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot be used: a missing issuer, a lifetime of zero, a parameter below the floor.
    Config,
    /// A value given by the caller can never be used: an empty subject, a malformed scope, a session id that is taken.
    InvalidInput,
    /// A signing secret is too short, a known placeholder, or visibly not random.
    WeakSecret,
    /// A key is malformed or does not fit the algorithm it was given for.
    InvalidKey,
    /// A stored password hash cannot be read.
    InvalidHash,
    /// The configuration asks for something that is not compiled in.
    NotCompiledIn,
    /// Too many password hashes are waiting; try again shortly.
    Busy,
    /// A store, a breach list or another part behind a trait could not answer.
    Unavailable,
    /// Something the crate relies on failed unexpectedly (random numbers, a worker thread).
    Internal,
}

impl ErrorKind {
    /// A stable lower-case name for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::InvalidInput => "invalid_input",
            Self::WeakSecret => "weak_secret",
            Self::InvalidKey => "invalid_key",
            Self::InvalidHash => "invalid_hash",
            Self::NotCompiledIn => "not_compiled_in",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failure: what kind, in which situation, and caused by what.
///
/// No secret, token, password or hash ever appears in its texts.
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

    /// For implementers of this crate's traits: the part behind the trait could not answer.
    pub fn unavailable(
        context: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::new(ErrorKind::Unavailable, context).with_source(source)
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn config(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, context)
    }

    pub(crate) fn internal(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, context)
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
        matches!(self.kind, ErrorKind::Busy | ErrorKind::Unavailable)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind).field("context", &self.context);
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
