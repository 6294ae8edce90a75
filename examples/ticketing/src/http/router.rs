//! One router from the routers of the modules, and what surrounds them all.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use super::{guard, health, observe, openapi::Head, problems, request_id};
use crate::{
    app::App,
    audit, inventory, order, pages, payment,
    problem::{Code, Problem},
    show, user,
};

/// The routes of every module, below `/api/v1`. A module annotates its handlers and exports them as `routes()`.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(user::routes())
        .merge(show::routes())
        .merge(inventory::routes())
        .merge(order::routes())
        .merge(payment::routes())
        .merge(audit::routes())
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Head::openapi())
        .nest("/api/v1", api())
        .merge(payment::mock::routes())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> Document {
    documented().into_openapi()
}

/// Everything that is served.
pub fn router(app: App) -> Router {
    let limits = app.config.http.clone();
    let (routes, document) = documented().split_for_parts();
    routes
        .route("/metrics", get(observe::metrics))
        .route("/problems", get(problems::page))
        .merge(pages::routes())
        .merge(SwaggerUi::new("/api/docs").url("/api/openapi.json", document))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // The last layer is the outermost.
        .layer(DefaultBodyLimit::max(limits.body_limit))
        .layer(from_fn_with_state(limits.request_timeout, guard::timeout))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(CompressionLayer::new())
        .layer(from_fn(guard::tag_encoded))
        .layer(from_fn(guard::security_headers))
        .layer(from_fn(observe::layer))
        .layer(from_fn(request_id::layer))
        .with_state(app)
}

async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let page = (accept.contains("text/html") && !uri.path().starts_with("/api/")).then(pages::not_found).flatten();
    page.unwrap_or_else(|| Problem::new(Code::NotFound, format!("There is nothing at {}.", uri.path())).into_response())
}

async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "The header `Allow` lists the methods of this resource.")
}
