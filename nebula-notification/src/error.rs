//! What can go wrong, and whether trying again can help.

use std::{borrow::Cow, error::Error as StdError, fmt};

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An address that no message can go to, such as a number that is no telephone number.
    InvalidRecipient,
    /// A notification that is not allowed: nobody to send it to, a time in the past, a header with a line break.
    InvalidNotification,
    /// A template that cannot be rendered or stored.
    InvalidTemplate,
    /// There is no template of that name.
    UnknownTemplate,
    /// Parameters that are missing, unknown, or not of the type that the template asks for.
    InvalidParams,
    /// What came as receipts are none.
    InvalidReceipt,
    /// More bytes than may be sent.
    TooLarge,
    /// The configuration is contradictory or names a provider that is not compiled in.
    ConfigInvalid,
    /// A store or a server cannot be reached or refuses to work for now.
    Unavailable,
    /// What is stored cannot be understood.
    Corrupt,
    /// The notifier has been shut down.
    Closed,
    /// A fault of this crate or of the machine, such as a random number generator that fails.
    Internal,
}

impl ErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::InvalidRecipient => "invalid recipient",
            Self::InvalidNotification => "invalid notification",
            Self::InvalidTemplate => "invalid template",
            Self::UnknownTemplate => "unknown template",
            Self::InvalidParams => "invalid parameters",
            Self::InvalidReceipt => "invalid receipt",
            Self::TooLarge => "too large",
            Self::ConfigInvalid => "invalid configuration",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "stored data not understood",
            Self::Closed => "notifier shut down",
            Self::Internal => "internal error",
        }
    }
}

/// A failure: the input is not allowed, or a store could not say.
///
/// What a provider says is never an `Error`, it is an [`Outcome`](crate::Outcome); what a limit, a wish of the recipient or a
/// check of a code says is a value as well.
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// A new error of a kind, with what was being done. Never put an address, a code or a secret into it.
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

    /// Whether the same call may succeed later. With the same idempotency key it never sends twice.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable)
    }

    pub(crate) fn internal(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, context)
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
