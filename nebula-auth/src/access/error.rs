//! Why somebody was not let through.

use std::time::Duration;

use crate::error::Error;

/// Why somebody was not let through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// There is no [`AuthContext`](super::AuthContext) here: the layer is missing, or the task was spawned without it.
    #[error(
        "nobody is known to be asking; spawn tasks with `spawn_with_auth`, and put requests through the auth layer"
    )]
    NoContext,
    /// Whoever asks has not said who they are.
    #[error("this needs a login")]
    Unauthenticated,
    /// Whoever asks may not.
    #[error("`{needed}` is needed")]
    Forbidden {
        /// What is missing.
        needed: String,
    },
    /// Whoever asks has to prove again who they are, with more than one factor.
    #[error("this needs a second factor shown within the last {}", humantime::format_duration(*within))]
    StepUp {
        /// How recent the proof has to be.
        within: Duration,
    },
    /// It cannot be known at the moment whether they may.
    #[error("permissions cannot be checked at the moment")]
    Unavailable(#[source] Error),
}

impl AccessError {
    /// A stable machine-readable name, safe to show to clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoContext => "no_auth_context",
            Self::Unauthenticated => "missing_credentials",
            Self::Forbidden { .. } => "permission_denied",
            Self::StepUp { .. } => "step_up_required",
            Self::Unavailable(_) => "auth_unavailable",
        }
    }

    /// 401 for those who have to prove who they are or to prove it again, 403 for those who may not whoever they are, 503
    /// while that cannot be known.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unauthenticated | Self::StepUp { .. } => 401,
            Self::NoContext | Self::Forbidden { .. } => 403,
            Self::Unavailable(_) => 503,
        }
    }

    /// The value of `WWW-Authenticate`, where there is something that the client can do (RFC 6750, RFC 9470).
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        match self {
            Self::Unauthenticated => Some("Bearer".to_owned()),
            Self::StepUp { within } => {
                Some(format!(r#"Bearer error="insufficient_user_authentication", max_age="{}""#, within.as_secs()))
            }
            _ => None,
        }
    }
}
