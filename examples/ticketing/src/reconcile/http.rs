//! Stock reports at the desk of operators.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::{Granted, Requirement};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    StockOutcome, StockRun,
    storage::{self, Kept, Named},
};
use crate::{
    app::App,
    audit::Audit,
    clock::Millis,
    http::{Json, Path},
    ids::SessionId,
    office::{Desk, Why, reason, stock},
    problem::{Code, Problem, Result},
    routine::STOCK,
    user::Buyer,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<stock::Read>(), routes!(stock_reports))
        .routes(Requirement::permission::<stock::Read>(), routes!(stock_reports_of))
        .routes(Requirement::permission::<stock::Repair>(), routes!(compare_stock))
        .routes(Requirement::permission::<stock::Repair>(), routes!(recount_stock))
}

/// Most runs and sessions in an answer.
const RUNS: u32 = 24;
const SESSIONS: u32 = 200;
/// Most reports of one session.
const REPORTS: u32 = 50;

/// The report of a session.
#[derive(Debug, Serialize, ToSchema)]
struct StockReport {
    /// The session.
    session_id: SessionId,
    /// When it was looked at.
    at: Millis,
    /// What came out.
    outcome: StockOutcome,
    /// How many differences there were, before they were mended.
    differences: u32,
    /// What was found at last.
    #[schema(value_type = Audit)]
    audit: serde_json::Value,
}

impl From<Kept> for StockReport {
    fn from(kept: Kept) -> Self {
        let Kept { session, at, outcome, differences, report } = kept;
        Self { session_id: session, at, outcome, differences, audit: report }
    }
}

/// The latest report of a session, with what the session is called.
#[derive(Debug, Serialize, ToSchema)]
struct NamedStockReport {
    /// The show.
    title: String,
    /// In Chinese.
    title_zh: String,
    /// When the performance begins.
    starts_at: Millis,
    /// The report.
    #[serde(flatten)]
    report: StockReport,
}

impl From<Named> for NamedStockReport {
    fn from(Named { kept, title, title_zh, starts_at }: Named) -> Self {
        Self { title, title_zh, starts_at, report: kept.into() }
    }
}

/// What is known of the stock.
#[derive(Debug, Serialize, ToSchema)]
struct StockSummary {
    /// The latest runs, the newest first.
    runs: Vec<StockRun>,
    /// The latest report of each session that was on sale in the last two weeks, those with differences first.
    sessions: Vec<NamedStockReport>,
}

/// The latest comparisons of the stock: ledger, orders, money and tickets of every session on sale, each hour.
#[utoipa::path(
    get, operation_id = "stock_reports", path = "/admin/stock-reports", tag = "admin",
    responses((status = 200, body = StockSummary), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn stock_reports(State(app): State<App>, _: Granted<stock::Read>) -> Result<Json<StockSummary>> {
    let database = app.stock_reports.database();
    let runs = storage::runs(database, RUNS).await?;
    let sessions = storage::latest(database, SESSIONS).await?.into_iter().map(NamedStockReport::from).collect();
    Ok(Json(StockSummary { runs, sessions }))
}

/// The reports of a session, the newest first.
#[utoipa::path(
    get, operation_id = "stock_reports_of", path = "/admin/stock-reports/{id}", tag = "admin",
    params(("id" = SessionId, Path)),
    responses(
        (status = 200, body = Vec<StockReport>),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`: none of this session"),
    ),
    security(("bearer" = []))
)]
async fn stock_reports_of(
    State(app): State<App>,
    _: Granted<stock::Read>,
    Path(id): Path<SessionId>,
) -> Result<Json<Vec<StockReport>>> {
    let reports = storage::of_session(app.stock_reports.database(), id, REPORTS).await?;
    if reports.is_empty() {
        return Err(Problem::not_found("report"));
    }
    Ok(Json(reports.into_iter().map(StockReport::from).collect()))
}

/// Compare the stock of all sessions on sale now, in the background. If a process is at it already, that is enough.
#[utoipa::path(
    post, operation_id = "compare_stock", path = "/admin/stock-reports", tag = "admin",
    responses((status = 202, description = "It begins"), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn compare_stock(State(app): State<App>, _: Granted<stock::Repair>, who: Buyer) -> Result<StatusCode> {
    match app.jobs.run_now(STOCK).await {
        Err(problem) if problem.code == Code::JobRunning => {}
        begun => begun?,
    }
    app.office.changed(&who.id.to_string(), "stock.compare", "stock:*", "asked for").await?;
    Ok(StatusCode::ACCEPTED)
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
struct Recounted {
    /// What the new report says.
    outcome: StockOutcome,
}

/// Count the seats of a session anew from the database, which is right about what is sold and who holds.
///
/// Buyers are asked to wait for a moment. Money and tickets that do not agree are not mended by it.
#[utoipa::path(
    post, operation_id = "recount_stock", path = "/admin/stock-reports/{id}/recount", tag = "admin",
    params(("id" = SessionId, Path)), request_body = Why,
    responses(
        (status = 200, body = Recounted),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
        (status = 503, description = "`one-moment`, `unavailable`: the ledger or the database"),
    ),
    security(("bearer" = []))
)]
async fn recount_stock(
    State(app): State<App>,
    _: Granted<stock::Repair>,
    who: Buyer,
    Path(id): Path<SessionId>,
    Json(cause): Json<Why>,
) -> Result<Json<Recounted>> {
    let reason = reason(&cause.reason)?;
    let outcome = app.stock_reports.recount(id).await?;
    app.office.changed(&who.id.to_string(), "stock.recount", &format!("session:{id}"), reason).await?;
    Ok(Json(Recounted { outcome }))
}
