//! Finds out who is asking, once for each request.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use tower::{Layer, Service};

use super::extract::principal_of;
use crate::{access::AuthContext, audit::AuditLog, rbac::PermissionEvaluator, token::TokenService};

/// Puts each request into an [`AuthContext`]: that of the bearer token's subject, or an anonymous one if it has no token.
/// Requests whose token is not acceptable end here.
///
/// The id of a request for the audit log is taken from `x-request-id`, which a proxy or an outer layer sets.
#[derive(Debug, Clone)]
pub struct AuthLayer {
    tokens: TokenService,
    evaluator: PermissionEvaluator,
    audit: Option<AuditLog>,
}

impl AuthLayer {
    /// Tokens are verified by one, permissions known by the other.
    #[must_use]
    pub const fn new(tokens: TokenService, evaluator: PermissionEvaluator) -> Self {
        Self { tokens, evaluator, audit: None }
    }

    /// Writes decisions to that log.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, layer: self.clone() }
    }
}

/// What [`AuthLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    inner: S,
    layer: AuthLayer,
}

impl<S> Service<Request<Body>> for AuthService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let AuthLayer { tokens, evaluator, audit } = self.layer.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let context = match principal_of(&parts, &tokens).await {
                Ok(Some(principal)) => AuthContext::new(principal, evaluator),
                Ok(None) => AuthContext::anonymous(evaluator),
                Err(rejection) => return Ok(rejection.into_response()),
            };
            let id = parts.headers.get("x-request-id").and_then(|value| value.to_str().ok());
            let context = match id.filter(|id| id.len() <= 128) {
                Some(id) => context.with_request_id(id),
                None => context,
            };
            let context = match audit {
                Some(log) => context.with_audit(log),
                None => context,
            };
            context.scope(inner.call(Request::from_parts(parts, body))).await
        })
    }
}
