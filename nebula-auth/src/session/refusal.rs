//! Why a refresh was refused.

use std::fmt;

use crate::token::TokenRefusal;

/// Why a refresh token was not exchanged. The [`code`](Self::code)s are stable and safe to show to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshRefusal {
    /// The token itself is not acceptable: forged, malformed, an access token, of another issuer.
    Token(TokenRefusal),
    /// The session has reached its end; the user must log in again.
    SessionExpired,
    /// The session was ended.
    SessionRevoked,
    /// The token had been used before; the session is now ended.
    Reused,
    /// The session asked for was granted fewer scopes.
    InvalidScope,
    /// The user was deleted or disabled.
    SubjectInactive,
}

impl RefreshRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Token(TokenRefusal::Expired) | Self::SessionExpired => "session_expired",
            Self::Token(refusal) => refusal.code(),
            Self::SessionRevoked => "session_revoked",
            Self::Reused => "family_revoked",
            Self::InvalidScope => "invalid_scope",
            Self::SubjectInactive => "user_not_active",
        }
    }

    /// The `error` of RFC 6749, 5.2.
    #[must_use]
    pub const fn oauth_error(self) -> &'static str {
        match self {
            Self::InvalidScope => "invalid_scope",
            _ => "invalid_grant",
        }
    }
}

impl fmt::Display for RefreshRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(TokenRefusal::Expired) | Self::SessionExpired => "the session has expired; log in again",
            Self::Token(refusal) => return refusal.fmt(f),
            Self::SessionRevoked => "the session has been ended; log in again",
            Self::Reused => "the refresh token had been used before, so the session was ended; log in again",
            Self::InvalidScope => "the session was not granted that scope",
            Self::SubjectInactive => "the account is not active",
        })
    }
}

impl std::error::Error for RefreshRefusal {}
