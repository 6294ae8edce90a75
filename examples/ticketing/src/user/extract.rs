//! The signed-in user as a handler's argument.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use nebula_auth::{
    TokenRefusal, TokenService,
    axum::{AuthRefusal, AuthRejection, Authenticated},
};

use super::Role;
use crate::{
    app::App,
    ids::UserId,
    problem::{Code, Problem, Result},
};

/// A signed-in user of any role.
#[derive(Clone, Copy, Debug)]
pub struct Buyer {
    /// The account.
    pub id: UserId,
    /// What it may do, as the database says now.
    pub role: Role,
}

/// A signed-in administrator.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
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
        let Authenticated(principal) = Authenticated::from_request_parts(parts, app).await?;
        let gone = || Problem::new(Code::TokenInvalid, "The account does not exist any more.");
        let id = principal.subject().parse().map_err(|_| gone())?;
        let role = app.users.role(id).await?.ok_or_else(gone)?;
        Ok(Self { id, role })
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match Buyer::from_request_parts(parts, app).await? {
            Buyer { id, role: Role::Admin } => Ok(Self { id }),
            Buyer { .. } => Err(Problem::new(Code::Forbidden, "Only an administrator may do this.")),
        }
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
