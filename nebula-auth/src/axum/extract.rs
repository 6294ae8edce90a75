//! The extractors.

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};

use super::{
    header::bearer,
    rejection::{AuthRefusal, AuthRejection},
};
use crate::token::{Principal, TokenService, Verdict};

/// The caller, proven by a bearer token. Requests without one never reach the handler.
///
/// Works with every state from which a [`TokenService`] can be taken:
///
/// ```
/// use axum::{Router, extract::FromRef, routing::get};
/// use nebula_auth::{TokenService, axum::Authenticated};
///
/// #[derive(Clone, FromRef)]
/// struct App {
///     tokens: TokenService,
/// }
///
/// async fn who_am_i(Authenticated(principal): Authenticated) -> String {
///     principal.subject().to_owned()
/// }
///
/// # fn app(tokens: TokenService) -> Router {
/// Router::new().route("/me", get(who_am_i)).with_state(App { tokens })
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated(pub Principal);

/// The caller, if the request carries credentials. Credentials that are not acceptable are still rejected: a client
/// that believes to be logged in is told that it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaybeAuthenticated(pub Option<Principal>);

pub(super) async fn principal_of(parts: &Parts, tokens: &TokenService) -> Result<Option<Principal>, AuthRejection> {
    let Some(token) = bearer(&parts.headers, &parts.uri)? else { return Ok(None) };
    match tokens.verify(token).await {
        Ok(Verdict::Accepted(principal)) => Ok(Some(principal)),
        Ok(Verdict::Refused(refusal)) => Err(AuthRefusal::Token(refusal).into()),
        Err(error) => Err(AuthRejection::unavailable(error)),
    }
}

impl<S> FromRequestParts<S> for Authenticated
where
    S: Send + Sync,
    TokenService: FromRef<S>,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        match principal_of(parts, &TokenService::from_ref(state)).await? {
            Some(principal) => Ok(Self(principal)),
            None => Err(AuthRefusal::Missing.into()),
        }
    }
}

impl<S> OptionalFromRequestParts<S> for Authenticated
where
    S: Send + Sync,
    TokenService: FromRef<S>,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, AuthRejection> {
        Ok(principal_of(parts, &TokenService::from_ref(state)).await?.map(Self))
    }
}

impl<S> FromRequestParts<S> for MaybeAuthenticated
where
    S: Send + Sync,
    TokenService: FromRef<S>,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        principal_of(parts, &TokenService::from_ref(state)).await.map(Self)
    }
}
