use std::time::Duration;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is not installed.
    #[error("`{program}` is not installed or not on the PATH; `cargo xtask test` installs every server the tests need")]
    Missing {
        /// Name of the program.
        program: String,
    },
    /// The server ended before it was ready.
    #[error("`{program}` ended with status {status} before it was ready; the end of its log:\n{log}")]
    Ended {
        /// Name of the program.
        program: String,
        /// Exit status as the shell reports it (128 + signal for a signal).
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The server runs but did not become ready in time.
    #[error("`{program}` was not ready after {after:?}, last probe: {probe}; the end of its log:\n{log}")]
    NotReady {
        /// Name of the program.
        program: String,
        /// How long we waited.
        after: Duration,
        /// What the last readiness probe said.
        probe: String,
        /// The last lines of its log.
        log: String,
    },
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    Os {
        /// What was attempted.
        what: String,
        /// The refusal.
        source: std::io::Error,
    },
}

impl StartError {
    pub(crate) fn os(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Os { what, source }
    }

    /// Whether the server ended because somebody else had its port.
    pub(crate) fn port_taken(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.to_ascii_lowercase().contains("address already in use"))
    }
}
