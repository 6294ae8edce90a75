//! Audits over HTTP.

use axum::extract::State;
use nebula_auth::access::Requirement;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::Audit;
use crate::{
    app::App,
    http::{Json, Path, Query},
    ids::SessionId,
    merchant::Staff,
    office::{Desk, sale},
    problem::Result,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new().routes(Requirement::permission::<sale::Audit>(), routes!(audit))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditParams {
    /// How many seconds after its time an unpaid order may still exist; 10 if absent.
    grace_seconds: Option<u32>,
}

/// Check the invariants of a session.
///
/// Every count under `violations` is zero once the queues have come to rest. Nothing is repaired.
#[utoipa::path(
    get, path = "/admin/sessions/{id}/audit", tag = "admin",
    params(("id" = SessionId, Path), AuditParams),
    responses((status = 200, body = Audit), (status = 403, description = "`forbidden`"), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn audit(
    State(app): State<App>,
    staff: Staff,
    Path(id): Path<SessionId>,
    Query(params): Query<AuditParams>,
) -> Result<Json<Audit>> {
    staff.session(&app, id).await?;
    let grace = std::time::Duration::from_secs(params.grace_seconds.unwrap_or(10).into());
    Ok(Json(app.auditor.audit(id, grace).await?))
}
