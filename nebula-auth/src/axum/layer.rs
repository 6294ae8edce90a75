//! Finds out who is asking, once for each request.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use tower::{Layer, Service};

use super::{extract::principal_of, rejection::AuthRejection};
use crate::{
    access::{AccessError, AuthContext, SessionRoles},
    audit::{AuditLog, AuditRecord, Decision},
    rbac::PermissionEvaluator,
    token::TokenService,
};

/// Puts each request into an [`AuthContext`]: that of the bearer token's subject, or an anonymous one if it has no token.
/// Requests whose token is not acceptable end here.
///
/// The id of a request for the audit log is taken from `x-request-id`, which a proxy or an outer layer sets.
#[derive(Debug, Clone)]
pub struct AuthLayer {
    tokens: TokenService,
    evaluator: PermissionEvaluator,
    audit: Option<AuditLog>,
    roles: Option<SessionRoles>,
    refusals: Option<Refusals>,
}

/// Why a request was not let through.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Its credentials are not acceptable.
    Credentials(AuthRejection),
    /// Whoever asks may not, or has to prove more.
    Access(AccessError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Credentials(rejection) => rejection.into_response(),
            Self::Access(error) => error.into_response(),
        }
    }
}

/// How the application words refusals.
#[derive(Clone)]
pub(super) struct Refusals(Arc<dyn Fn(Refusal) -> Response + Send + Sync>);

impl Refusals {
    pub(super) fn answer(&self, refusal: Refusal) -> Response {
        (self.0)(refusal)
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals")
    }
}

impl AuthLayer {
    /// Tokens are verified by one, permissions known by the other.
    #[must_use]
    pub const fn new(tokens: TokenService, evaluator: PermissionEvaluator) -> Self {
        Self { tokens, evaluator, audit: None, roles: None, refusals: None }
    }

    /// Writes decisions to that log.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// Lets each session use the roles only that it has activated. One read of the store per request; while it does not
    /// answer, nobody with a session is let through.
    #[must_use]
    pub fn with_session_roles(mut self, roles: SessionRoles) -> Self {
        self.roles = Some(roles);
        self
    }

    /// Answers refusals of this layer and of the [`SecureRouter`](super::SecureRouter) within it in the application's own
    /// words. Without it they are problem details (RFC 9457).
    ///
    /// ```
    /// use axum::{http::StatusCode, response::IntoResponse};
    /// use nebula_auth::axum::{AuthLayer, Refusal};
    ///
    /// # fn short(layer: AuthLayer) -> AuthLayer {
    /// layer.with_refusals(|refusal| match refusal {
    ///     Refusal::Access(error) if error.status() == 403 => StatusCode::NOT_FOUND.into_response(),
    ///     other => other.into_response(),
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn with_refusals(mut self, answer: impl Fn(Refusal) -> Response + Send + Sync + 'static) -> Self {
        self.refusals = Some(Refusals(Arc::new(answer)));
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, layer: self.clone() }
    }
}

/// Writes down that credentials were not taken.
async fn note(log: Option<&AuditLog>, on: String, request_id: Option<String>, reason: &str) {
    let Some(log) = log else { return };
    let (who, what, reason) = (String::new(), "login:token".to_owned(), reason.to_owned());
    let record = AuditRecord { who, what, on, decision: Decision::Denied, reason, request_id };
    if let Err(error) = log.write(record).await {
        tracing::warn!(target: "nebula_auth", %error, "a refusal could not be written to the audit log");
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
        let AuthLayer { tokens, evaluator, audit, roles, refusals } = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let id = parts.headers.get("x-request-id").and_then(|value| value.to_str().ok());
            let id = id.filter(|id| id.len() <= 128).map(str::to_owned);
            // Without the query, which may hold what no log should.
            let path: String = parts.uri.path().chars().take(256).collect();
            let target = format!("{} {path}", parts.method);
            let context = match principal_of(&parts, &tokens).await {
                Ok(Some(principal)) => {
                    let chosen = match &roles {
                        Some(roles) => roles.active(&principal).await,
                        None => Ok(None),
                    };
                    match chosen {
                        Ok(Some(chosen)) => AuthContext::new(principal, evaluator).with_chosen(chosen),
                        Ok(None) => AuthContext::new(principal, evaluator),
                        // Without knowing which roles are in use, it could be too many.
                        Err(error) => {
                            let refusal = Refusal::Access(AccessError::Unavailable(error));
                            return Ok(match refusals {
                                Some(refusals) => refusals.answer(refusal),
                                None => refusal.into_response(),
                            });
                        }
                    }
                }
                Ok(None) => AuthContext::anonymous(evaluator),
                Err(rejection) => {
                    note(audit.as_ref(), target, id, rejection.refusal().code()).await;
                    let refusal = Refusal::Credentials(rejection);
                    return Ok(match refusals {
                        Some(refusals) => refusals.answer(refusal),
                        None => refusal.into_response(),
                    });
                }
            };
            if let Some(refusals) = refusals {
                parts.extensions.insert(refusals);
            }
            let context = context.with_target(target);
            let context = match id {
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
