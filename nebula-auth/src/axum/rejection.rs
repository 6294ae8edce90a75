//! What a request without acceptable credentials gets.

use std::fmt;

use axum::{
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};

use super::problem;
use crate::{error::Error, token::TokenRefusal};

/// Why a request was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthRefusal {
    /// No `Authorization` header.
    Missing,
    /// An `Authorization` header of another scheme than `Bearer`.
    OtherScheme,
    /// `Bearer` without exactly one well-formed token.
    MalformedCredentials,
    /// More than one set of credentials.
    Ambiguous,
    /// The token was refused.
    Token(TokenRefusal),
    /// It cannot be known at the moment whether the token is still good.
    Unavailable,
}

impl AuthRefusal {
    /// A stable machine-readable name, safe to show to clients.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing_credentials",
            Self::OtherScheme | Self::MalformedCredentials => "malformed_credentials",
            Self::Ambiguous => "ambiguous_credentials",
            Self::Token(refusal) => refusal.code(),
            Self::Unavailable => "auth_unavailable",
        }
    }

    /// 401, except 400 for ambiguous requests and 503 while the session store is away.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750, 3). A request without credentials gets no error code.
    #[must_use]
    pub fn challenge(self) -> Option<String> {
        match self {
            Self::Unavailable => None,
            Self::Missing | Self::OtherScheme => Some("Bearer".to_owned()),
            Self::Ambiguous => Some(format!(r#"Bearer error="invalid_request", error_description="{self}""#)),
            _ => Some(format!(r#"Bearer error="invalid_token", error_description="{self}""#)),
        }
    }
}

impl fmt::Display for AuthRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the request carries no credentials",
            Self::OtherScheme => "the credentials are of another scheme than Bearer",
            Self::MalformedCredentials => "the credentials are malformed",
            Self::Ambiguous => "the request carries more than one set of credentials",
            Self::Token(refusal) => return refusal.fmt(f),
            Self::Unavailable => "the credentials cannot be checked at the moment",
        })
    }
}

impl From<TokenRefusal> for AuthRefusal {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}

/// The rejection of the extractors. As a response it is `application/problem+json` (RFC 9457) with `code` as stable
/// member; applications with an error type of their own convert it with `From<AuthRejection>` and keep
/// [`refusal`](Self::refusal) and [`www_authenticate`](Self::www_authenticate).
#[derive(Debug)]
pub struct AuthRejection {
    refusal: AuthRefusal,
    cause: Option<Error>,
}

impl AuthRejection {
    /// A rejection for that reason.
    #[must_use]
    pub const fn new(refusal: AuthRefusal) -> Self {
        Self { refusal, cause: None }
    }

    pub(super) const fn unavailable(cause: Error) -> Self {
        Self { refusal: AuthRefusal::Unavailable, cause: Some(cause) }
    }

    /// The reason.
    #[must_use]
    pub const fn refusal(&self) -> AuthRefusal {
        self.refusal
    }

    /// The stable name of the reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.refusal.code()
    }

    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.refusal.status()
    }

    /// The header of the response that tells clients how to authenticate.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<HeaderValue> {
        self.refusal.challenge().and_then(|challenge| HeaderValue::from_str(&challenge).ok())
    }
}

impl From<AuthRefusal> for AuthRejection {
    fn from(refusal: AuthRefusal) -> Self {
        Self::new(refusal)
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl std::error::Error for AuthRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        problem(self.status(), self.code(), &self.refusal.to_string(), self.refusal.challenge())
    }
}
