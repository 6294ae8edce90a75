//! Statements for the staff.

use axum::extract::State;
use jiff::civil::Date;
use nebula_auth::access::{Granted, Requirement};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{compare::Report, service::Comparison};
use crate::{
    app::App,
    http::{Json, Path},
    office::{Desk, statement},
    problem::{Code, Problem, Result},
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<statement::Compare>(), routes!(statements))
        .routes(Requirement::permission::<statement::Compare>(), routes!(report, compare))
}

/// Comparisons.
#[derive(Debug, Serialize, ToSchema)]
struct Comparisons {
    /// Of the latest days, the newest first.
    statements: Vec<Comparison>,
}

/// The days whose bills were compared last, with how many differences there were.
#[utoipa::path(
    get, operation_id = "statements", path = "/admin/statements", tag = "admin",
    responses((status = 200, body = Comparisons), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn statements(State(app): State<App>, _: Granted<statement::Compare>) -> Result<Json<Comparisons>> {
    Ok(Json(Comparisons { statements: app.statements.latest(LATEST).await? }))
}

/// Most comparisons in a list.
const LATEST: u32 = 60;

fn day(text: &str) -> Result<Date> {
    text.parse().map_err(|_| Problem::new(Code::InvalidValue, "A day is written 2026-11-22.").with("field", "day"))
}

/// The last comparison of a provider's bill of a day with the books.
#[utoipa::path(
    get, operation_id = "statement_report", path = "/admin/statements/{provider}/{day}", tag = "admin",
    params(("provider" = String, Path), ("day" = String, Path, description = "As 2026-11-22, in China")),
    responses(
        (status = 200, body = Report),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`: not compared yet"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn report(
    State(app): State<App>,
    _: Granted<statement::Compare>,
    Path((provider, text)): Path<(String, String)>,
) -> Result<Json<Report>> {
    Ok(Json(app.statements.report(&provider, day(&text)?).await?))
}

/// Compare a provider's bill of a day that is over with the books, now.
///
/// Every morning the bills of the day before are compared without being asked. Nothing is repaired.
#[utoipa::path(
    post, operation_id = "compare_statement", path = "/admin/statements/{provider}/{day}", tag = "admin",
    params(("provider" = String, Path), ("day" = String, Path, description = "As 2026-11-22, in China")),
    responses(
        (status = 200, body = Report),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`: no such provider"),
        (status = 422, description = "`invalid-value`"),
        (status = 503, description = "`unavailable`: the provider does not give its bill"),
    ),
    security(("bearer" = []))
)]
async fn compare(
    State(app): State<App>,
    _: Granted<statement::Compare>,
    Path((provider, text)): Path<(String, String)>,
) -> Result<Json<Report>> {
    Ok(Json(app.statements.compare(&provider, day(&text)?).await?))
}
