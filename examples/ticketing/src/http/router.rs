//! One router from the routers of the modules.

use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Head of the OpenAPI document; the paths come from the modules.
#[derive(Debug, OpenApi)]
#[openapi(info(title = "Nebula ticketing", version = "1"))]
struct Head;

/// The routes of every module. Each one annotates its handlers and exports them as `routes()`.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}

/// Everything that is served.
pub fn router(app: App) -> axum::Router {
    documented().split_for_parts().0.with_state(app)
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> Document {
    documented().into_openapi()
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Head::openapi()).nest("/api/v1", api())
}
