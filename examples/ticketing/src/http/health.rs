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

/// Whether the process can sell.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Readiness {
    /// `degraded` when something is away that orders and payments can do without.
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    /// What cannot be reached at this moment.
    #[schema(value_type = Vec<String>)]
    parts: Vec<&'static str>,
}

/// Everything that orders and payments need can be reached, and what is listed is loaded.
///
/// What they can do without for a while is named and takes no server out of a balancer: all servers share it.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = OK, body = Readiness),
    (status = SERVICE_UNAVAILABLE, description = "`unavailable`: `parts` names what cannot be reached, `loading` says how many sessions are `loaded` of `all` after the start"),
))]
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Readiness>> {
    if app.stopping.is_cancelled() {
        return Err(Problem::new(Code::Unavailable, "The server is stopping."));
    }
    if let Some(loading) = app.warmth.progress() {
        let detail = format!("{} of {} sessions are loaded.", loading.loaded, loading.all);
        return Err(Problem::new(Code::Unavailable, detail).with("loading", loading));
    }
    if app.catalog.is_warming() {
        return Err(Problem::new(Code::Unavailable, "The sessions on sale are being loaded."));
    }
    let away = app.unreachable().await;
    let parts: Vec<_> = away.iter().map(|away| away.part).collect();
    if !away.iter().any(|away| away.needed) {
        let status = if parts.is_empty() { "ok" } else { "degraded" };
        return Ok(Json(Readiness { status, parts }));
    }
    let detail = format!("Not reachable: {}.", parts.join(", "));
    let causes: Vec<_> = away.into_iter().map(|away| format!("{}: {}", away.part, away.cause)).collect();
    Err(Problem::new(Code::Unavailable, detail).with("parts", parts).caused_by(causes.join("; ")))
}
