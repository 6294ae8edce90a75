//! Why a login with a provider came to nothing.

use std::fmt;

use crate::token::TokenRefusal;

/// Why a login with a provider came to nothing. The [`code`](Self::code)s are stable and safe to show to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OidcRefusal {
    /// No login of that `state` is under way in this browser.
    StateMismatch,
    /// The login has come back before.
    StateReplayed,
    /// The answer is that of another provider than the one that was asked (RFC 9207).
    WrongIssuer,
    /// The provider says no: its user did not agree, or it does not know us.
    Denied,
    /// The provider does not take the code: it was made up, used before, or belongs to another login (PKCE).
    CodeRejected,
    /// The ID token is not acceptable.
    Token(TokenRefusal),
    /// The ID token belongs to another login.
    NonceMismatch,
    /// The place to return to is not one of this site.
    OpenRedirect,
}

impl OidcRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::StateMismatch => "state_mismatch",
            Self::StateReplayed => "state_replayed",
            Self::WrongIssuer => "wrong_issuer",
            Self::Denied => "access_denied",
            Self::CodeRejected => "pkce_mismatch",
            Self::Token(refusal) => refusal.code(),
            Self::NonceMismatch => "nonce_mismatch",
            Self::OpenRedirect => "open_redirect_blocked",
        }
    }
}

impl fmt::Display for OidcRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StateMismatch => "no such login is under way in this browser; begin again",
            Self::StateReplayed => "this login has come back before; begin again",
            Self::WrongIssuer => "the answer is that of another provider",
            Self::Denied => "the provider did not agree to the login",
            Self::CodeRejected => "the provider does not take the code; begin again",
            Self::Token(refusal) => return refusal.fmt(f),
            Self::NonceMismatch => "the provider's token belongs to another login",
            Self::OpenRedirect => "the place to return to is not one of this site",
        })
    }
}

impl std::error::Error for OidcRefusal {}

impl From<TokenRefusal> for OidcRefusal {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}
