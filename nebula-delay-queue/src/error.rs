//! What can go wrong, and whether trying again can help.

use std::{borrow::Cow, convert::Infallible, error::Error as StdError, fmt};

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// The class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A queue name, message id or header that is not allowed.
    InvalidName,
    /// A message that is not allowed, such as one delayed by more than a year.
    InvalidMessage,
    /// The body or the headers are over the limit.
    TooLarge,
    /// The body could not be encoded or decoded.
    Codec,
    /// The configuration is contradictory or names a provider that is not compiled in.
    ConfigInvalid,
    /// The backend cannot be reached or refuses to work for now.
    Unavailable,
    /// No answer came within the operation's deadline. The operation may or may not have happened.
    Timeout,
    /// Somebody else holds the database for too long.
    Busy,
    /// The backend does not offer this operation.
    Unsupported,
    /// What is stored cannot be understood.
    Corrupt,
    /// The queue has been shut down.
    Closed,
    /// The backend answered with an error that none of the other kinds describes.
    Backend,
}

impl ErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::InvalidName => "invalid name",
            Self::InvalidMessage => "invalid message",
            Self::TooLarge => "message too large",
            Self::Codec => "body could not be encoded or decoded",
            Self::ConfigInvalid => "invalid configuration",
            Self::Unavailable => "backend unavailable",
            Self::Timeout => "deadline exceeded",
            Self::Busy => "database busy",
            Self::Unsupported => "operation not supported",
            Self::Corrupt => "stored data not understood",
            Self::Closed => "queue shut down",
            Self::Backend => "backend error",
        }
    }
}

/// A failure: the backend could not say, or the input is not allowed.
///
/// A refusal (a duplicate, an unknown id, a lost lease) is never an `Error`, it is a value.
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<BoxError>,
}

impl Error {
    /// A new error of a kind, with what was being done.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync + 'static>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The class of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    ///
    /// Sending the same message again is safe whenever this is true: its id makes the second one a duplicate for as
    /// long as the first one exists.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Busy)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.text(), self.context)
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

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The error and all its sources on one line, for dead letters and logs.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
