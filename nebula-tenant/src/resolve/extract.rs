//! The tenant of a request, for handlers of axum.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header, request::Parts};

use crate::context::current;
use crate::id::TenantId;

/// The tenant whose work a handler of axum does. Put a [`TenantLayer`](super::TenantLayer) around the routes.
///
/// ```
/// use nebula_tenant::resolve::CurrentTenant;
///
/// async fn halls(CurrentTenant(tenant): CurrentTenant) -> String {
///     format!("the halls of {tenant}")
/// }
/// # let _: axum::Router = axum::Router::new().route("/halls", axum::routing::get(halls));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentTenant(pub TenantId);

/// A handler that needs a tenant, on a route without one: a mistake of the program's, answered with 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this route is not behind a TenantLayer")]
pub struct NoTenantLayer;

impl IntoResponse for NoTenantLayer {
    fn into_response(self) -> Response {
        let body = r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#;
        let json = HeaderValue::from_static("application/problem+json");
        (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, json)], body).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentTenant {
    type Rejection = NoTenantLayer;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, NoTenantLayer> {
        current().map(Self).map_err(|error| {
            tracing::error!(%error, "a handler that needs a tenant");
            NoTenantLayer
        })
    }
}
