//! Seating plans: checked and shown before anything is stored.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use nebula_auth::access::Requirement;
use serde::Serialize;
use utoipa_axum::{router::UtoipaMethodRouter, routes};

use super::One;
use crate::{
    app::App,
    http::{Body, Json, Path},
    ids::{PlanId, VenueId},
    import::{Findings, plan},
    merchant::AtDesk,
    office::{Desk, catalog},
    problem::{Code, Problem, Result},
    show::{Category, Seat, StandingArea, best::Rows, seated, store},
};

/// What a file has in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CheckedPlan {
    /// Whether it can be stored.
    usable: bool,
    /// What forbids it, each with its place.
    problems: Vec<String>,
    /// What was ignored or assumed.
    notes: Vec<String>,
    /// What it would look like, if it can be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<PlanPreview>,
}

/// A plan that is not stored.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PlanPreview {
    name: String,
    width: f64,
    height: f64,
    categories: Vec<Category>,
    #[schema(value_type = Vec<Object>)]
    areas: serde_json::Value,
    seats: Vec<Seat>,
    /// What zones, standing areas and categories are called in Chinese, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    names_zh: BTreeMap<String, String>,
    /// Standing areas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standing: Vec<StandingArea>,
}

/// A stored plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct StoredPlan {
    id: PlanId,
    name: String,
    venue_id: VenueId,
    /// Number of seats and standing places by category.
    seats: BTreeMap<String, usize>,
    /// Whether the very same plan was there already.
    reused: bool,
    notes: Vec<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PlanHead {
    id: PlanId,
    name: String,
    venue_id: VenueId,
    venue: String,
    /// The categories, which need prices.
    categories: Vec<Category>,
    /// What zones, standing areas and categories are called in Chinese, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    names_zh: BTreeMap<String, String>,
    /// Number of seats, standing places included.
    seats: usize,
    /// Number of standing places.
    standing: usize,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskPlans {
    plans: Vec<PlanHead>,
}

pub(super) fn desk() -> Desk {
    let write = || Requirement::permission::<catalog::Write>();
    let read = || Requirement::permission::<catalog::Read>();
    Desk::new()
        .routes(read(), routes!(list))
        .routes(read(), routes!(layout))
        .routes(write(), upload(routes!(check)))
        .routes(write(), upload(routes!(store_plan)))
}

/// Files are larger than other requests.
fn upload((schemas, paths, handlers): UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    (schemas, paths, handlers.layer(DefaultBodyLimit::max(plan::MAX_BYTES)))
}

/// Reads a file, off the threads that answer other requests.
async fn read(json: Bytes) -> Result<(Option<store::NewPlan>, Findings)> {
    tokio::task::spawn_blocking(move || {
        let mut findings = Findings::default();
        (plan::read(&json, &mut findings), findings)
    })
    .await
    .map_err(Problem::internal)
}

/// Look at a seating plan (the format of the pretix editor) without storing it.
#[utoipa::path(
    operation_id = "plans_check",
    post, path = "/desk/{merchant}/plans/check", tag = "desk", params(("merchant" = String, Path)),
    request_body = Object, responses((status = OK, body = CheckedPlan)), security(("bearer" = [])))]
async fn check(_: AtDesk, Body(body): Body) -> Result<Json<CheckedPlan>> {
    let (plan, findings) = read(body).await?;
    let preview = plan.map(|plan| {
        let rows = Rows::new(&plan.seats, &plan.areas);
        PlanPreview {
            name: plan.name,
            width: plan.width,
            height: plan.height,
            categories: plan.categories,
            areas: plan.areas,
            seats: seated(&plan.seats).to_vec(),
            names_zh: plan.names_zh,
            standing: rows.standing().iter().map(StandingArea::from).collect(),
        }
    });
    let (problems, notes) = (findings.problems().to_vec(), findings.notes());
    Ok(Json(CheckedPlan { usable: preview.is_some(), problems, notes, preview }))
}

/// Store a seating plan of a venue. It never changes afterwards: another one is another plan.
#[utoipa::path(
    operation_id = "plans_store_plan",
    post, path = "/desk/{merchant}/venues/{id}/plans", tag = "desk",
    params(("merchant" = String, Path), ("id" = VenueId, Path)), request_body = Object, responses(
        (status = CREATED, body = StoredPlan),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`plan-refused`"),
    ), security(("bearer" = [])))]
async fn store_plan(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<VenueId>>,
    Body(body): Body,
) -> Result<(StatusCode, Json<StoredPlan>)> {
    let (plan, findings) = read(body).await?;
    let Some(plan) = plan else {
        let problem = Problem::new(Code::PlanRefused, "The seating plan cannot be used.");
        return Err(problem.with("problems", findings.problems()).with("notes", findings.notes()));
    };
    let mut seats: BTreeMap<String, usize> = BTreeMap::new();
    for seat in &plan.seats {
        *seats.entry(seat.category.to_string()).or_default() += 1;
    }
    let (venue, scope, name) = (one.id, desk.scope.clone(), plan.name.clone());
    let (id, reused) = app
        .database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let own = scope.query("SELECT id FROM venues WHERE id = $1").bind(venue);
                if !own.exists(&mut *connection).await? {
                    return Err(Problem::not_found("venue"));
                }
                let known = scope.query("SELECT id FROM plans WHERE venue_id = $1 AND digest = $2");
                let known = known.bind(venue).bind(&plan.digest).fetch_optional(&mut *connection).await?;
                match known {
                    Some(row) => Ok((row.get("id")?, true)),
                    // Whose the venue is, the plan is.
                    None => Ok((store::insert_plan(connection, venue, &plan, |_| {}).await?, false)),
                }
            })
        })
        .await?;
    desk.note(&app, "plan:create", id).await?;
    Ok((StatusCode::CREATED, Json(StoredPlan { id, name, venue_id: venue, seats, reused, notes: findings.notes() })))
}

/// The merchant's seating plans.
#[utoipa::path(
    operation_id = "plans_list",
    get, path = "/desk/{merchant}/plans", tag = "desk", params(("merchant" = String, Path)),
    responses((status = OK, body = DeskPlans), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk) -> Result<Json<DeskPlans>> {
    let sql = "SELECT p.id, p.name, p.venue_id, v.name AS venue FROM plans p JOIN venues v ON v.id = p.venue_id \
               ORDER BY p.created_at DESC LIMIT 200";
    let mut plans = Vec::new();
    for row in desk.scope.query(sql).fetch_all(&app.database.read).await? {
        let id: PlanId = row.get("id")?;
        let plan = app.catalog.plan(id).await?;
        plans.push(PlanHead {
            id,
            name: row.get("name")?,
            venue_id: row.get("venue_id")?,
            venue: row.get("venue")?,
            categories: plan.categories.clone(),
            names_zh: plan.names_zh.clone(),
            seats: plan.seats.len(),
            standing: plan.seats.len() - seated(&plan.seats).len(),
        });
    }
    Ok(Json(DeskPlans { plans }))
}

/// The layout of a seating plan, as `GET /sessions/{id}/seatmap` answers it.
#[utoipa::path(
    operation_id = "plans_layout",
    get, path = "/desk/{merchant}/plans/{id}/layout", tag = "desk",
    params(("merchant" = String, Path), ("id" = PlanId, Path)),
    responses((status = OK, body = Object), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn layout(State(app): State<App>, desk: AtDesk, Path(one): Path<One<PlanId>>) -> Result<Response> {
    if !desk.scope.query("SELECT id FROM plans WHERE id = $1").bind(one.id).exists(&app.database.read).await? {
        return Err(Problem::not_found("plan"));
    }
    let plan = app.catalog.plan(one.id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], plan.layout.clone()).into_response())
}
