//! Sessions: the sales calendar, and prices.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Requirement;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::{One, Publication, change_one, changed};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    ids::{PlanId, SessionId, ShowId},
    merchant::AtDesk,
    money::Money,
    office::{Desk, catalog},
    problem::{Problem, Result},
    show::{catalog::money, store},
    storage::sql::Row,
};

/// Most seats of a session that one buyer may be let have.
const SEATS_PER_USER: u32 = 10_000;
/// The longest and the shortest time that an unpaid order keeps its seats, in seconds.
const HOLD: std::ops::RangeInclusive<u64> = 30..=24 * 60 * 60;

const FIND: &str = "SELECT s.id, s.show_id, s.plan_id, s.starts_at, s.sale_opens_at, s.sale_closes_at, s.hold_ms, \
                    s.seats_per_user, s.published, s.version, w.title, w.title_zh, v.name AS venue \
                    FROM sessions s JOIN shows w ON w.id = s.show_id JOIN plans p ON p.id = s.plan_id \
                    JOIN venues v ON v.id = p.venue_id WHERE s.id = $1 AND w.hidden = 0";
const LIST: &str = "SELECT s.id, s.show_id, s.plan_id, s.starts_at, s.sale_opens_at, s.sale_closes_at, s.hold_ms, \
                    s.seats_per_user, s.published, s.version, w.title, w.title_zh, v.name AS venue \
                    FROM sessions s JOIN shows w ON w.id = s.show_id JOIN plans p ON p.id = s.plan_id \
                    JOIN venues v ON v.id = p.venue_id WHERE s.starts_at >= $1 AND s.starts_at < $2 AND w.hidden = 0 \
                    ORDER BY s.starts_at, s.id LIMIT 500";

/// When a session is and is sold, and to how many.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
struct Times {
    starts_at: Millis,
    sale_opens_at: Millis,
    sale_closes_at: Millis,
    /// How long an unpaid order keeps its seats.
    hold_seconds: u64,
    /// Most seats one buyer may have.
    seats_per_user: u32,
}

/// A session as its merchant sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskSession {
    id: SessionId,
    show_id: ShowId,
    plan_id: PlanId,
    title: String,
    title_zh: String,
    venue: String,
    #[serde(flatten)]
    times: Times,
    /// Price by category. A category without one is not for sale.
    prices: BTreeMap<String, Money>,
    /// Whether buyers can find it, if they can find its show.
    published: bool,
    version: i64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Calendar {
    sessions: Vec<DeskSession>,
}

/// A session to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewDeskSession {
    show_id: ShowId,
    plan_id: PlanId,
    #[serde(flatten)]
    times: Times,
    prices: BTreeMap<String, Money>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct TimesChange {
    /// The version that you read.
    version: i64,
    #[serde(flatten)]
    times: Times,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PricesChange {
    /// The version that you read.
    version: i64,
    prices: BTreeMap<String, Money>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Range {
    /// Sessions that begin then or later; all if absent.
    #[param(value_type = Option<String>)]
    from: Option<Millis>,
    /// Sessions that begin earlier.
    #[param(value_type = Option<String>)]
    to: Option<Millis>,
}

impl Times {
    fn checked(self) -> Result<Self> {
        if self.sale_opens_at >= self.sale_closes_at {
            return Err(Problem::invalid("sale_opens_at", "The sale must open before it closes."));
        }
        if self.sale_closes_at > self.starts_at {
            return Err(Problem::invalid(
                "sale_closes_at",
                "The sale must close when the performance begins, or earlier.",
            ));
        }
        if !HOLD.contains(&self.hold_seconds) {
            let detail = format!("{} to {} seconds.", HOLD.start(), HOLD.end());
            return Err(Problem::invalid("hold_seconds", detail));
        }
        if !(1..=SEATS_PER_USER).contains(&self.seats_per_user) {
            return Err(Problem::invalid("seats_per_user", format!("1 to {SEATS_PER_USER}.")));
        }
        Ok(self)
    }

    fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }
}

/// Prices fit the plan: its categories only, in one currency.
async fn check_prices(app: &App, plan: PlanId, prices: &BTreeMap<String, Money>) -> Result<()> {
    let plan = app.catalog.plan(plan).await?;
    let known: BTreeSet<_> = plan.categories.iter().map(|category| category.name.as_str()).collect();
    if let Some(unknown) = prices.keys().find(|name| !known.contains(name.as_str())) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Problem::invalid("prices", format!("The plan has no category `{unknown}`, only: {known}.")));
    }
    let currencies: BTreeSet<_> = prices.values().map(|price| price.currency.code()).collect();
    if currencies.len() != 1 {
        return Err(Problem::invalid("prices", "At least one price, and all in one currency."));
    }
    Ok(())
}

pub(super) fn desk() -> Desk {
    let write = || Requirement::permission::<catalog::Write>();
    Desk::new()
        .routes(Requirement::permission::<catalog::Read>(), routes!(list))
        .routes(write(), routes!(create))
        .routes(write(), routes!(change))
        .routes(write(), routes!(price))
        .routes(Requirement::permission::<catalog::Publish>(), routes!(publish))
}

async fn session(app: &App, desk: &AtDesk, row: &Row) -> Result<DeskSession> {
    let id: SessionId = row.get("id")?;
    let prices =
        desk.scope.query("SELECT category, minor, currency FROM session_prices WHERE session_id = $1").bind(id);
    let prices = prices.fetch_all(&app.database.read).await?;
    let prices = prices.iter().map(|row| {
        let currency: String = row.get("currency")?;
        Ok((row.get("category")?, money(row.get("minor")?, &currency)?))
    });
    let (hold, published): (i64, i64) = (row.get("hold_ms")?, row.get("published")?);
    Ok(DeskSession {
        id,
        show_id: row.get("show_id")?,
        plan_id: row.get("plan_id")?,
        title: row.get("title")?,
        title_zh: row.get("title_zh")?,
        venue: row.get("venue")?,
        times: Times {
            starts_at: Millis(row.get("starts_at")?),
            sale_opens_at: Millis(row.get("sale_opens_at")?),
            sale_closes_at: Millis(row.get("sale_closes_at")?),
            hold_seconds: u64::try_from(hold / 1_000).unwrap_or(0),
            seats_per_user: row.get("seats_per_user")?,
        },
        prices: prices.collect::<Result<_>>()?,
        published: published != 0,
        version: row.get("version")?,
    })
}

async fn read(app: &App, desk: &AtDesk, id: SessionId) -> Result<Json<DeskSession>> {
    let row = desk.scope.query(FIND).bind(id).fetch_optional(&app.database.read).await?;
    session(app, desk, &row.ok_or_else(|| Problem::not_found("session"))?).await.map(Json)
}

/// The sales calendar.
#[utoipa::path(
    operation_id = "desk_sessions_list",
    get, path = "/desk/{merchant}/sessions", tag = "desk", params(("merchant" = String, Path), Range),
    responses((status = OK, body = Calendar), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk, Query(range): Query<Range>) -> Result<Json<Calendar>> {
    let rows = desk
        .scope
        .query(LIST)
        .bind(range.from.map_or(i64::MIN, |from| from.0))
        .bind(range.to.map_or(i64::MAX, |to| to.0))
        .fetch_all(&app.database.read)
        .await?;
    let mut sessions = Vec::with_capacity(rows.len());
    for row in &rows {
        sessions.push(session(&app, &desk, row).await?);
    }
    Ok(Json(Calendar { sessions }))
}

/// Add a session. Buyers do not find it before it is published.
#[utoipa::path(
    operation_id = "desk_sessions_create",
    post, path = "/desk/{merchant}/sessions", tag = "desk", params(("merchant" = String, Path)),
    request_body = NewDeskSession, responses(
        (status = CREATED, body = DeskSession),
        (status = NOT_FOUND, description = "`not-found`: the show or the plan"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn create(
    State(app): State<App>,
    desk: AtDesk,
    Json(body): Json<NewDeskSession>,
) -> Result<(StatusCode, Json<DeskSession>)> {
    let times = body.times.checked()?;
    let own = desk.scope.query("SELECT id FROM plans WHERE id = $1").bind(body.plan_id);
    if !own.exists(&app.database.read).await? {
        return Err(Problem::not_found("plan"));
    }
    check_prices(&app, body.plan_id, &body.prices).await?;
    let scope = desk.scope.clone();
    let id = app
        .database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let own = scope.query("SELECT id FROM shows WHERE id = $1 AND hidden = 0").bind(body.show_id);
                if !own.exists(&mut *connection).await? {
                    return Err(Problem::not_found("show"));
                }
                let new = store::NewSession {
                    show: body.show_id,
                    plan: body.plan_id,
                    starts_at: times.starts_at,
                    sale_opens_at: times.sale_opens_at,
                    sale_closes_at: times.sale_closes_at,
                    hold: times.hold(),
                    seats_per_user: times.seats_per_user,
                    prices: body.prices,
                };
                // Whose the show is, the session is.
                let id = store::insert_session(connection, &new).await?;
                let draft = scope.query("UPDATE sessions SET published = 0 WHERE id = $1").bind(id);
                draft.execute(connection).await?;
                Ok(id)
            })
        })
        .await?;
    desk.note(&app, "session:create", id).await?;
    Ok((StatusCode::CREATED, read(&app, &desk, id).await?))
}

/// Change when a session is and is sold.
#[utoipa::path(
    operation_id = "desk_sessions_change",
    put, path = "/desk/{merchant}/sessions/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = SessionId, Path)), request_body = TimesChange, responses(
        (status = OK, body = DeskSession),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn change(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<SessionId>>,
    Json(body): Json<TimesChange>,
) -> Result<Json<DeskSession>> {
    let (id, times) = (one.id, body.times.checked()?);
    let update = desk
        .scope
        .query(
            "UPDATE sessions SET starts_at = $1, sale_opens_at = $2, sale_closes_at = $3, hold_ms = $4, \
             seats_per_user = $5, version = version + 1 WHERE id = $6 AND version = $7",
        )
        .bind(times.starts_at.0)
        .bind(times.sale_opens_at.0)
        .bind(times.sale_closes_at.0)
        .bind(i64::try_from(times.hold().as_millis()).unwrap_or(i64::MAX))
        .bind(times.seats_per_user)
        .bind(id)
        .bind(body.version);
    change_one(&app, &desk, update, FIND, id, "session").await?;
    seen(&app, id).await;
    desk.note(&app, "session:change", id).await?;
    read(&app, &desk, id).await
}

/// Replace the prices of a session. Orders that were placed keep theirs.
#[utoipa::path(
    operation_id = "desk_sessions_price",
    put, path = "/desk/{merchant}/sessions/{id}/prices", tag = "desk",
    params(("merchant" = String, Path), ("id" = SessionId, Path)), request_body = PricesChange, responses(
        (status = OK, body = DeskSession),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn price(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<SessionId>>,
    Json(body): Json<PricesChange>,
) -> Result<Json<DeskSession>> {
    let id = one.id;
    let Json(known) = read(&app, &desk, id).await?;
    check_prices(&app, known.plan_id, &body.prices).await?;
    let scope = desk.scope.clone();
    app.database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let rows = scope.query("UPDATE sessions SET version = version + 1 WHERE id = $1 AND version = $2");
                let rows = rows.bind(id).bind(body.version).execute(&mut *connection).await?;
                changed(connection, &scope, rows, FIND, id, "session").await?;
                let old = scope.query("DELETE FROM session_prices WHERE session_id = $1").bind(id);
                old.execute(&mut *connection).await?;
                store::insert_prices(connection, id, &body.prices).await?;
                Ok::<_, Problem>(())
            })
        })
        .await?;
    seen(&app, id).await;
    desk.note(&app, "session:price", id).await?;
    read(&app, &desk, id).await
}

/// Put a session on sale, or take it off. Its orders stay.
#[utoipa::path(
    operation_id = "desk_sessions_publish",
    put, path = "/desk/{merchant}/sessions/{id}/publication", tag = "desk",
    params(("merchant" = String, Path), ("id" = SessionId, Path)), request_body = Publication, responses(
        (status = OK, body = DeskSession),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
    ), security(("bearer" = [])))]
async fn publish(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<SessionId>>,
    Json(body): Json<Publication>,
) -> Result<Json<DeskSession>> {
    let id = one.id;
    let sql = "UPDATE sessions SET published = $1, version = version + 1 WHERE id = $2 AND version = $3";
    let update = desk.scope.query(sql).bind(body.published).bind(id).bind(body.version);
    change_one(&app, &desk, update, FIND, id, "session").await?;
    seen(&app, id).await;
    desk.note(&app, if body.published { "session:publish" } else { "session:unpublish" }, id).await?;
    read(&app, &desk, id).await
}

/// Lets buyers of this process see it with their next request, and those of others a moment later.
async fn seen(app: &App, id: SessionId) {
    app.catalog.forget_session(id).await;
}
