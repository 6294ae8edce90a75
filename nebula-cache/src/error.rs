//! What can go wrong, and whether trying again can help.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The same type under a name that stays clear beside other crates' errors: `impl From<CacheError> for AppError`.
pub type CacheError = Error;

/// A failure. That nothing is cached is no failure.
///
/// Cheap to clone, because all who wait for one load are told of its failure. The key is never part of it: keys may hold
/// personal data.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The classes of failures. Match on what you handle and leave the rest to a catch-all arm.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The loader failed; its own error is the source.
    Loader,
    /// The source could not be written; its own error is the source.
    Writer,
    /// The loader did not finish in time.
    LoadTimeout,
    /// Too many loads are under way.
    Overloaded,
    /// The shared level cannot be reached, or did not answer in time.
    Unavailable,
    /// The link broke after the command was sent: it may or may not have been carried out.
    OutcomeUnknown,
    /// The key is too long.
    InvalidKey,
    /// The value is larger than allowed.
    TooLarge,
    /// The value cannot be encoded, or what is stored cannot be decoded.
    Codec,
    /// Something that is not a cached value is stored under the key.
    WrongType,
    /// The server takes no writes: a replica, or a master cut off from its replicas.
    ReadOnly,
    /// The server has no memory left.
    OutOfMemory,
    /// The server refused the credentials or the command.
    Auth,
    /// The configuration cannot work as written.
    ConfigInvalid,
    /// The backend does not offer what was asked of it.
    Unsupported,
    /// There is no rate limit of this name.
    UnknownRule,
    /// More was asked of a rate limit than it ever allows at once.
    CostAboveBurst,
    /// The manager has been shut down.
    ShutDown,
    /// The backend reported something else.
    Backend,
}

impl Error {
    /// An error of `kind`; `context` says what was tried or what is wrong.
    #[must_use]
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// The class of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error of the loader, if that is what failed and it is of this type.
    ///
    /// ```
    /// use nebula_cache::{CacheManager, ErrorKind};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let cache = CacheManager::local().cache::<u64, String>("names").build()?;
    /// let failing = async { Err::<Option<String>, _>(std::io::Error::from(std::io::ErrorKind::NotFound)) };
    /// let error = cache.get_or_load(&7, failing).await.unwrap_err();
    /// let theirs = error.loader_error::<std::io::Error>().expect("that is what it was");
    /// assert_eq!(theirs.kind(), std::io::ErrorKind::NotFound);
    /// # Ok::<_, nebula_cache::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn loader_error<E: StdError + 'static>(&self) -> Option<&E> {
        self.source.as_deref().filter(|_| self.kind == ErrorKind::Loader)?.downcast_ref()
    }

    /// Whether the same call may succeed later without anybody mending anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Loader
                | ErrorKind::Writer
                | ErrorKind::LoadTimeout
                | ErrorKind::Overloaded
                | ErrorKind::Unavailable
                | ErrorKind::OutcomeUnknown
                | ErrorKind::ReadOnly
                | ErrorKind::OutOfMemory
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.context)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loader => "the loader failed",
            Self::Writer => "the write failed",
            Self::LoadTimeout => "not loaded in time",
            Self::Overloaded => "too many loads",
            Self::Unavailable => "shared cache unavailable",
            Self::OutcomeUnknown => "outcome unknown",
            Self::InvalidKey => "invalid cache key",
            Self::TooLarge => "value too large",
            Self::Codec => "not a value of this cache",
            Self::WrongType => "not a cached value",
            Self::ReadOnly => "shared cache is read-only",
            Self::OutOfMemory => "shared cache is out of memory",
            Self::Auth => "shared cache refused access",
            Self::ConfigInvalid => "invalid configuration",
            Self::Unsupported => "unsupported",
            Self::UnknownRule => "unknown rate limit",
            Self::CostAboveBurst => "more than the rate limit ever allows",
            Self::ShutDown => "cache manager shut down",
            Self::Backend => "shared cache failed",
        })
    }
}
