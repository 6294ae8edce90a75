//! The state of the platform at the desk of operators.

use axum::extract::State;
use nebula_auth::access::{Granted, Requirement};
use utoipa_axum::routes;

use super::{SystemState, state};
use crate::{
    app::App,
    http::Json,
    office::{Desk, system},
    problem::Result,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new().routes(Requirement::permission::<system::Read>(), routes!(system_state))
}

/// Locks, caches, limits, breakers, and what is given up: of the process that answers.
#[utoipa::path(
    get, operation_id = "system_state", path = "/admin/system", tag = "admin",
    responses(
        (status = 200, body = SystemState),
        (status = 403, description = "`forbidden`"),
        (status = 503, description = "`unavailable`: the locks or the database"),
    ),
    security(("bearer" = []))
)]
async fn system_state(State(app): State<App>, _: Granted<system::Read>) -> Result<Json<SystemState>> {
    Ok(Json(state(&app).await?))
}
