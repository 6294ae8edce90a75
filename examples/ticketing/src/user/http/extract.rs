//! The signed-in user as a handler's argument.

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{header, request::Parts},
};
use nebula_auth::{
    TokenRefusal, TokenService,
    axum::{AuthRefusal, AuthRejection, Authenticated},
};

use crate::{
    app::App,
    ids::UserId,
    problem::{Code, Problem, Result},
};

/// A signed-in user, whatever their roles.
#[derive(Clone, Copy, Debug)]
pub struct Buyer {
    /// The account.
    pub id: UserId,
}

impl FromRef<App> for TokenService {
    fn from_ref(app: &App) -> Self {
        app.users.tokens().clone()
    }
}

impl FromRequestParts<App> for Buyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let found = <Authenticated as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        let Authenticated(principal) = found;
        let gone = || Problem::new(Code::TokenInvalid, "The account does not exist any more.");
        let id: UserId = principal.subject().parse().map_err(|_| gone())?;
        tracing::Span::current().record("user_id", tracing::field::display(id));
        if app.users.exists(id).await? { Ok(Self { id }) } else { Err(gone()) }
    }
}

/// Nobody when no credentials are sent; wrong ones are refused.
impl OptionalFromRequestParts<App> for Buyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<App>>::from_request_parts(parts, app).await.map(Some)
    }
}

impl From<AuthRejection> for Problem {
    fn from(rejection: AuthRejection) -> Self {
        let code = match rejection.refusal() {
            AuthRefusal::Missing | AuthRefusal::OtherScheme => Code::Unauthenticated,
            AuthRefusal::Token(TokenRefusal::Expired) => Code::TokenExpired,
            AuthRefusal::Ambiguous => Code::MalformedRequest,
            AuthRefusal::Unavailable => return Self::unavailable(rejection),
            _ => Code::TokenInvalid,
        };
        Self::new(code, rejection.to_string()).with("reason", rejection.code())
    }
}
