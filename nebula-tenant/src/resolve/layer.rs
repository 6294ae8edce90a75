//! Requests become work of their tenants.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use tower_layer::Layer;
use tower_service::Service;

use super::{ResolveRefusal, Resolvers, TENANT_HEADER};
use crate::context::TenantContext;

/// Runs each request as its tenant's work, and answers those that are nobody's with problem details. The header
/// [`TENANT_HEADER`] does not get further than this.
#[derive(Debug, Clone)]
pub struct TenantLayer {
    resolvers: Resolvers,
}

impl TenantLayer {
    /// Requests belong to whom these resolvers say.
    #[must_use]
    pub const fn new(resolvers: Resolvers) -> Self {
        Self { resolvers }
    }
}

impl<S> Layer<S> for TenantLayer {
    type Service = TenantService<S>;

    fn layer(&self, inner: S) -> TenantService<S> {
        TenantService { inner, resolvers: self.resolvers.clone() }
    }
}

/// What [`TenantLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct TenantService<S> {
    inner: S,
    resolvers: Resolvers,
}

impl<S, I, O> Service<Request<I>> for TenantService<S>
where
    S: Service<Request<I>, Response = Response<O>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    I: Send + 'static,
    O: From<String>,
{
    type Response = Response<O>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<O>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        // The one that is ready is taken along, and another one stays.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let resolvers = self.resolvers.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let tenant = match resolvers.resolve(&parts).await {
                Ok(tenant) => tenant,
                Err(refusal) => return Ok(answer(refusal)),
            };
            parts.headers.remove(TENANT_HEADER);
            parts.extensions.insert(tenant.clone());
            let request = Request::from_parts(parts, body);
            match TenantContext::of(tenant).scope(async move { inner.call(request).await }).await {
                Ok(response) => response,
                // A layer outside of this one does somebody else's work.
                Err(_) => Ok(answer(ResolveRefusal::Conflict)),
            }
        })
    }
}

fn answer<O: From<String>>(refusal: ResolveRefusal) -> Response<O> {
    let mut response = Response::new(O::from(refusal.problem()));
    *response.status_mut() = refusal.status();
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
