//! Why a token was refused.

use std::fmt;

/// Why a token was refused. The [`code`](Self::code)s are stable and safe to show to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// Longer than the limit, checked before anything is decoded.
    TooLarge,
    /// Not three parts of canonical, unpadded base64url.
    Malformed,
    /// The header is no JSON object with unique names and the right types.
    MalformedHeader,
    /// An algorithm that is never accepted, or not the one the key is for.
    AlgorithmNotAllowed,
    /// The header demands an extension (`crit`, `b64`) that is not understood.
    CriticalHeader,
    /// A token of another kind: a refresh token where an access token belongs, an ID token, a plain `JWT`.
    WrongTokenType,
    /// No key of that id, or no id and more than one candidate.
    UnknownKey,
    /// The signature does not fit.
    BadSignature,
    /// The claims are no JSON object with unique names and the right types.
    MalformedClaims,
    /// A required claim is absent.
    MissingClaim(&'static str),
    /// Issued by somebody else.
    WrongIssuer,
    /// Meant for another service.
    WrongAudience,
    /// Its time is over.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYetValid,
    /// Valid for longer than this service ever issues.
    LifetimeTooLong,
    /// The token or its session was revoked.
    Revoked,
    /// The subject was deleted or disabled.
    SubjectInactive,
}

impl TokenRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "token_too_large",
            Self::Malformed => "malformed_token",
            Self::MalformedHeader => "malformed_header",
            Self::AlgorithmNotAllowed => "alg_not_allowed",
            Self::CriticalHeader => "crit_not_understood",
            Self::WrongTokenType => "wrong_token_type",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::MalformedClaims => "malformed_claims",
            Self::MissingClaim(_) => "missing_claim",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::Revoked => "token_revoked",
            Self::SubjectInactive => "user_not_active",
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the token is too large",
            Self::Malformed => "the token is malformed",
            Self::MalformedHeader => "the header of the token is malformed",
            Self::AlgorithmNotAllowed => "the algorithm of the token is not allowed",
            Self::CriticalHeader => "the token demands an extension that is not understood",
            Self::WrongTokenType => "a token of another type is needed here",
            Self::UnknownKey => "the token was signed with an unknown key",
            Self::BadSignature => "the signature of the token is wrong",
            Self::MalformedClaims => "the claims of the token are malformed",
            Self::MissingClaim(claim) => return write!(f, "the token lacks the claim {claim}"),
            Self::WrongIssuer => "the token has another issuer",
            Self::WrongAudience => "the token is meant for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::LifetimeTooLong => "the token is valid for too long",
            Self::Revoked => "the token has been revoked",
            Self::SubjectInactive => "the account is not active",
        })
    }
}

impl std::error::Error for TokenRefusal {}
