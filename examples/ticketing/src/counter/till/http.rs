//! Tills over HTTP: a clerk's own, and those of a merchant for whoever counts them.

use axum::{extract::State, http::StatusCode};
use jiff::civil::Date;
use nebula_auth::access::Requirement;
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{
    drawer::{self, Key},
    report::{Report, report, shown},
};
use crate::{
    app::App,
    clock::Millis,
    counter::commission,
    day,
    http::{Json, Path, Query},
    ids::UserId,
    merchant::{AtDesk, Staff},
    money::Money,
    office::{Desk, Sight, merchant, order, till},
    problem::{Code, Problem, Result},
};

/// Longest note, in characters.
const NOTE: usize = 200;

/// What tills have for the back office.
pub(in crate::counter) fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<order::Sell>(), routes!(own, open))
        .routes(Requirement::permission::<till::Read>(), routes!(list))
        .routes(Requirement::permission::<till::Close>(), routes!(close))
        .routes(Requirement::permission::<merchant::Read>(), routes!(rate))
        .routes(Requirement::permission::<merchant::Manage>(), routes!(set_rate))
}

/// What lies in a till before the first sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TillOpening)]
struct Opening {
    opening: Money,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfDay {
    /// As 2026-11-22, in China; today if absent.
    day: Option<String>,
}

/// What was counted in a drawer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TillCount)]
struct Count {
    /// Whose till.
    clerk_id: UserId,
    /// Of which day, as 2026-11-22.
    day: String,
    /// How much lay there. Its currency says which of the clerk's tills it is.
    counted: Money,
    /// What is to be said of it, up to 200 characters.
    note: Option<String>,
}

/// What agents keep.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CommissionRate)]
struct Rate {
    /// Of each sale, 0 to 10000.
    #[schema(maximum = 10_000)]
    basis_points: u32,
}

/// Most that a drawer can have, in minor units: what is more is a slip of the finger, and would not add up.
const MOST: i64 = 100_000_000_000;

fn drawerful(field: &str, money: Money) -> Result<Money> {
    if money.minor > MOST {
        let most = Money { minor: MOST, ..money };
        return Err(Problem::invalid(field, format!("At most {most} are in a drawer.")));
    }
    Ok(money)
}

fn of_day(text: &str) -> Result<Date> {
    let day: Option<Date> = text.parse().ok();
    // Further away than anything that could be kept.
    let known = day.filter(|day| (2000..=9000).contains(&day.year()));
    known.ok_or_else(|| Problem::invalid("day", "A day is written 2026-11-22."))
}

/// The tills of a day, or one clerk's of them, as whoever asks sees them.
async fn seen(app: &App, desk: &AtDesk, day: Date, clerk: Option<UserId>) -> Result<Json<Value>> {
    let report = report(app, &desk.scope, day, clerk).await?;
    Ok(Json(shown(&Sight::current().await?, desk.merchant(), clerk, report)?))
}

/// Your till of today at this merchant.
#[utoipa::path(
    operation_id = "counter_till",
    get, path = "/desk/{merchant}/counter/till", tag = "counter", params(("merchant" = String, Path)),
    responses(
        (status = OK, body = Report),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
    ), security(("bearer" = [])))]
async fn own(State(app): State<App>, desk: AtDesk) -> Result<Json<Value>> {
    let today = day::of(Millis::now())?;
    seen(&app, &desk, today, Some(desk.user)).await
}

/// Say what lies in your till of today before the first sale. Until it is counted it can be said again.
#[utoipa::path(
    operation_id = "counter_open_till",
    post, path = "/desk/{merchant}/counter/till", tag = "counter", params(("merchant" = String, Path)),
    request_body = Opening,
    responses(
        (status = OK, body = Report),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`till-closed`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn open(State(app): State<App>, desk: AtDesk, Json(body): Json<Opening>) -> Result<Json<Value>> {
    let opening = drawerful("opening", body.opening)?;
    let (merchant, today) = (desk.merchant().to_string(), day::of(Millis::now())?);
    let key = Key { merchant, clerk: desk.user, day: today, currency: opening.currency };
    app.database
        .write
        .run(move |connection| Box::pin(async move { drawer::put_in(connection, &key, opening).await }))
        .await?;
    desk.note(&app, "till:open", format!("tills/{today} {opening}")).await?;
    seen(&app, &desk, today, Some(desk.user)).await
}

/// What went through the tills of a day, by clerk and method.
#[utoipa::path(
    operation_id = "till_report",
    get, path = "/desk/{merchant}/tills", tag = "counter", params(("merchant" = String, Path), OfDay),
    responses(
        (status = OK, body = Report),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk, Query(asked): Query<OfDay>) -> Result<Json<Value>> {
    let day = match &asked.day {
        Some(text) => of_day(text)?,
        None => day::of(Millis::now())?,
    };
    seen(&app, &desk, day, None).await
}

/// Close a clerk's till with what was counted in its drawer. Nobody closes their own; nothing goes through a closed one.
#[utoipa::path(
    operation_id = "till_close",
    post, path = "/desk/{merchant}/tills/closings", tag = "counter", params(("merchant" = String, Path)),
    request_body = Count,
    responses(
        (status = OK, body = Report),
        (status = FORBIDDEN, description = "`forbidden`, `own-money`"),
        (status = NOT_FOUND, description = "`not-found`: nothing was sold or opened there"),
        (status = CONFLICT, description = "`till-closed`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn close(State(app): State<App>, desk: AtDesk, Json(body): Json<Count>) -> Result<Json<Value>> {
    let (day, counted) = (of_day(&body.day)?, drawerful("counted", body.counted)?);
    let note = body.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE || note.chars().any(char::is_control)) {
        return Err(Problem::invalid("note", format!("A note is one line of up to {NOTE} characters.")));
    }
    if body.clerk_id == desk.user {
        return Err(Problem::new(Code::OwnMoney, "Nobody counts their own till."));
    }
    let (merchant, clerk, by) = (desk.merchant().to_string(), body.clerk_id, desk.user);
    let key = Key { merchant, clerk, day, currency: counted.currency };
    app.database
        .write
        .run(move |connection| Box::pin(async move { drawer::close(connection, &key, by, counted, note).await }))
        .await?;
    desk.note(&app, "till:close", format!("tills/{day}/{clerk} {counted}")).await?;
    seen(&app, &desk, day, None).await
}

/// A merchant's name in a path of the platform's.
async fn known(app: &App, id: &str) -> Result<TenantId> {
    let merchant: TenantId = id.parse().map_err(|_| Problem::not_found("merchant"))?;
    app.merchants.get(&merchant).await?;
    Ok(merchant)
}

/// What agents keep of what they sell for a merchant.
#[utoipa::path(
    operation_id = "commission",
    get, path = "/admin/merchants/{id}/commission", tag = "admin", params(("id" = String, Path)),
    responses(
        (status = OK, body = Rate),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
    ), security(("bearer" = [])))]
async fn rate(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Rate>> {
    let merchant = known(&app, &id).await?;
    let basis_points = commission::of(&app.database.read, &merchant).await?;
    Ok(Json(Rate { basis_points: u32::try_from(basis_points).map_err(Problem::internal)? }))
}

/// Say what agents keep of what they sell for a merchant from now on. What was sold keeps the rate that it was sold for.
#[utoipa::path(
    operation_id = "set_commission",
    put, path = "/admin/merchants/{id}/commission", tag = "admin", params(("id" = String, Path)), request_body = Rate,
    responses(
        (status = NO_CONTENT),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn set_rate(
    State(app): State<App>,
    staff: Staff,
    Path(id): Path<String>,
    Json(body): Json<Rate>,
) -> Result<StatusCode> {
    let merchant = known(&app, &id).await?;
    commission::set(&app.database, &merchant, body.basis_points).await?;
    let (who, rate) = (staff.user.to_string(), format!("{} basis points", body.basis_points));
    app.office.changed(&who, "commission:set", merchant.as_str(), &rate).await?;
    Ok(StatusCode::NO_CONTENT)
}
