use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What went wrong, seen from the side of whoever has to react.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no server to talk to right now; the command was **not sent** or the server refused to run it at all
    /// (it is loading its data, the cluster is down, it has too many clients).
    Unavailable,
    /// The link broke while the command was under way: it may or may not have been executed.
    Disconnected,
    /// No reply within the response timeout: the command may have been executed, or may still be.
    Timeout,
    /// The user name or password is wrong, or none was given and one is needed.
    AuthFailed,
    /// The user may not do this (ACL).
    PermissionDenied,
    /// The server takes no writes: it is a replica, or its disk is full (`MISCONF`), or it lacks replicas.
    ReadOnly,
    /// The server is at `maxmemory`.
    OutOfMemory,
    /// The key holds another type of value.
    WrongType,
    /// The script is not in the server's cache. [`Script`](crate::Script) handles this itself.
    NoScript,
    /// Another node of a cluster owns the key, or the keys of one command belong to several nodes.
    ClusterRedirect,
    /// The configuration cannot work.
    ConfigInvalid,
    /// The reply was not what the protocol or the caller's type allows.
    Protocol,
    /// The server refused the command for another reason.
    Rejected,
    /// The object was shut down.
    Closed,
}

impl ErrorKind {
    /// Whether the same command may succeed later without anybody changing anything.
    ///
    /// Look at [`outcome_unknown`](Self::outcome_unknown) before repeating what is not idempotent.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Disconnected | Self::Timeout | Self::ReadOnly | Self::ClusterRedirect)
    }

    /// Whether the command may have been executed although it failed.
    #[must_use]
    pub const fn outcome_unknown(self) -> bool {
        matches!(self, Self::Disconnected | Self::Timeout)
    }
}

/// An error of this crate: its kind, what was attempted, and the driver's error.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Wraps an error of the driver, with what was attempted.
    #[must_use]
    pub fn from_redis(source: redis::RedisError, context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(classify(&source), context).with_source(source)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// Whether the command may have been executed although it failed.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        self.kind.outcome_unknown()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.context),
            None => f.write_str(&self.context),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<redis::RedisError> for Error {
    fn from(source: redis::RedisError) -> Self {
        Self::from_redis(source, "redis command failed")
    }
}

/// Sorts an error of the driver.
///
/// The other crates of the kit map their error kinds from this.
///
/// ```
/// use nebula_redis::{ErrorKind, classify, redis};
///
/// let lost = redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
/// assert_eq!(classify(&lost), ErrorKind::Disconnected);
/// assert!(classify(&lost).outcome_unknown());
/// ```
#[must_use]
pub fn classify(error: &redis::RedisError) -> ErrorKind {
    use redis::{ErrorKind as Driver, ServerErrorKind as Server};
    match error.kind() {
        Driver::Io => classify_io(error),
        Driver::AuthenticationFailed => ErrorKind::AuthFailed,
        Driver::InvalidClientConfig | Driver::EmptySentinelList | Driver::RESP3NotSupported => ErrorKind::ConfigInvalid,
        Driver::MasterNameNotFoundBySentinel
        | Driver::NoValidReplicasFoundBySentinel
        | Driver::ClusterConnectionNotFound => ErrorKind::Unavailable,
        Driver::Parse | Driver::UnexpectedReturnType => ErrorKind::Protocol,
        Driver::Server(Server::BusyLoading | Server::TryAgain | Server::ClusterDown | Server::MasterDown) => {
            ErrorKind::Unavailable
        }
        Driver::Server(Server::NoScript) => ErrorKind::NoScript,
        Driver::Server(Server::Moved | Server::Ask | Server::CrossSlot) => ErrorKind::ClusterRedirect,
        Driver::Server(Server::ReadOnly) => ErrorKind::ReadOnly,
        Driver::Server(Server::NoPerm) => ErrorKind::PermissionDenied,
        Driver::Server(Server::ResponseError)
            if error.detail().is_some_and(|text| text.starts_with("max number of clients")) =>
        {
            ErrorKind::Unavailable
        }
        _ => classify_code(error.code().unwrap_or_default()),
    }
}

/// Error codes that the driver does not know: the first word of the server's reply.
fn classify_code(code: &str) -> ErrorKind {
    match code {
        "NOAUTH" | "WRONGPASS" => ErrorKind::AuthFailed,
        "OOM" => ErrorKind::OutOfMemory,
        "WRONGTYPE" => ErrorKind::WrongType,
        "MISCONF" | "NOREPLICAS" => ErrorKind::ReadOnly,
        // A script or module keeps the server busy; this command was not run.
        "BUSY" => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

fn classify_io(error: &redis::RedisError) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match io_kind(error) {
        _ if error.is_timeout() => ErrorKind::Timeout,
        Some(
            Io::NotConnected
            | Io::ConnectionRefused
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NetworkDown
            | Io::AddrNotAvailable
            | Io::NotFound,
        ) => ErrorKind::Unavailable,
        _ => ErrorKind::Disconnected,
    }
}

/// The driver shares its I/O error as an `Arc`, and it is the `Arc` that it names as its source.
fn io_kind(error: &redis::RedisError) -> Option<std::io::ErrorKind> {
    let source = std::error::Error::source(error)?;
    let shared = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>();
    let io = match shared {
        Some(shared) => shared.downcast_ref::<std::io::Error>(),
        None => source.downcast_ref::<std::io::Error>(),
    };
    io.map(std::io::Error::kind)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn io_errors_are_sorted_by_whether_the_command_was_sent() {
        for (io, kind) in [
            (io::ErrorKind::ConnectionRefused, ErrorKind::Unavailable),
            (io::ErrorKind::NotConnected, ErrorKind::Unavailable),
            (io::ErrorKind::HostUnreachable, ErrorKind::Unavailable),
            (io::ErrorKind::ConnectionReset, ErrorKind::Disconnected),
            (io::ErrorKind::BrokenPipe, ErrorKind::Disconnected),
            (io::ErrorKind::UnexpectedEof, ErrorKind::Disconnected),
            (io::ErrorKind::TimedOut, ErrorKind::Timeout),
        ] {
            let error = redis::RedisError::from(io::Error::from(io));
            assert_eq!(classify(&error), kind, "{io:?}");
            assert_eq!(kind.outcome_unknown(), kind != ErrorKind::Unavailable);
            assert!(kind.is_retryable());
        }
    }

    #[test]
    fn an_error_says_what_was_attempted_and_why_it_failed() {
        let error = Error::from_redis(io::Error::from(io::ErrorKind::ConnectionReset).into(), "cannot hold the seat");
        assert_eq!(error.to_string(), "cannot hold the seat: connection reset");
        assert!(std::error::Error::source(&error).is_some());
    }
}
