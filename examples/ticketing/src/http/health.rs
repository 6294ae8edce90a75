//! Is the process alive, and can it work?

use axum::extract::State;
use serde::Serialize;

use super::Json;
use crate::{
    app::App,
    problem::{Code, Problem, Result},
};

/// State of the process.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = OK, body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Everything that a request needs can be reached.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = OK, body = Health),
    (status = SERVICE_UNAVAILABLE, description = "`unavailable`: `parts` names what cannot be reached"),
))]
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Health>> {
    if app.stopping.is_cancelled() {
        return Err(Problem::new(Code::Unavailable, "The server is stopping."));
    }
    let failures = app.unreachable().await;
    if failures.is_empty() {
        return Ok(Json(Health { status: "ok" }));
    }
    let parts: Vec<_> = failures.iter().map(|(part, _)| *part).collect();
    let detail = format!("Not reachable: {}.", parts.join(", "));
    let causes = failures.into_iter().map(|(part, cause)| format!("{part}: {cause}")).collect::<Vec<_>>().join("; ");
    Err(Problem::new(Code::Unavailable, detail).with("parts", parts).caused_by(causes))
}
