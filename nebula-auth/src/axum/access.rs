//! Refusals as responses, and proofs as extractors.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};

use super::problem;
use crate::access::{AccessError, AuthContext, DeclaredPermission, Granted};

impl IntoResponse for AccessError {
    /// `application/problem+json` (RFC 9457): 401 for those who have to prove who they are, with what to do; 403 for those
    /// who may not.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::FORBIDDEN);
        // What is needed is the server's business, except that a proof is.
        let detail = match &self {
            Self::Forbidden { .. } => "you may not do this".to_owned(),
            Self::NoContext => "nobody is known to be asking".to_owned(),
            other => other.to_string(),
        };
        problem(status, self.code(), &detail, self.challenge())
    }
}

/// The proof, or a response that says why there is none. The request has to come through the
/// [`AuthLayer`](super::AuthLayer).
impl<S: Send + Sync, P: DeclaredPermission> FromRequestParts<S> for Granted<P> {
    type Rejection = AccessError;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, AccessError> {
        Self::obtain().await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AuthContext {
    type Rejection = AccessError;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, AccessError> {
        Self::current()
    }
}
