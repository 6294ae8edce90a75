//! The door over HTTP.

use axum::extract::State;
use nebula_auth::access::{Granted, Requirement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    door::DoorSession,
    offline::{DoorList, Upload, Uploaded},
    picture::Picture,
    scan::{Judged, Scan, Verdict, unnamed},
    storage::{self, DoorCounts},
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    identity::Holder,
    ids::SessionId,
    merchant::Staff,
    office::{Desk, ticket},
    problem::{Code, Problem, Result},
    show::SessionInfo,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    let door = Requirement::permission::<ticket::CheckIn>;
    Desk::new()
        .routes(door(), routes!(sessions))
        .routes(door(), routes!(look))
        .routes(door(), routes!(check_in, counts))
        .routes(door(), routes!(list))
        .routes(door(), routes!(upload))
}

/// The sessions that a door may be opened for.
#[derive(Debug, Serialize, ToSchema)]
struct DoorSessions {
    sessions: Vec<DoorSession>,
}

/// A code before a scanner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckIn {
    /// What the scanner read, or somebody typed.
    code: String,
    /// Where, 1 to 40 characters.
    gate: String,
}

/// What the staff is told.
#[derive(Debug, Serialize, ToSchema)]
struct CheckedIn {
    #[serde(flatten)]
    verdict: Verdict,
    /// The seat, if the ticket is for this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<DoorSeat>,
    /// Whose it is, where the sale asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Holder>,
}

/// Where somebody sits.
#[derive(Debug, Serialize, ToSchema)]
struct DoorSeat {
    zone: String,
    /// The same in Chinese, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_zh: Option<String>,
    row: String,
    number: String,
    /// A place of a standing area: it has neither row nor number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    standing: bool,
    category: String,
    /// The same in Chinese, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    category_zh: Option<String>,
}

/// The sessions around now.
#[utoipa::path(
    get, operation_id = "door_sessions", path = "/admin/check-in/sessions", tag = "admin",
    responses((status = 200, body = DoorSessions), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn sessions(State(app): State<App>, _: Granted<ticket::CheckIn>, staff: Staff) -> Result<Json<DoorSessions>> {
    Ok(Json(DoorSessions { sessions: app.tickets.door_sessions(&staff.rows(&app).await?).await? }))
}

/// What a camera sees: the middle of its picture, in grey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Sight {
    /// Pixels on a side, an even number.
    #[schema(minimum = 32, maximum = 288)]
    side: u32,
    /// Base64 of half a byte for each pixel, from the upper left one to the right and down: 0 is black, 15 white.
    pixels: String,
}

/// The codes in a picture.
#[derive(Debug, Serialize, ToSchema)]
struct Seen {
    codes: Vec<String>,
}

/// Find the codes in a picture, for browsers that cannot. Nobody is let in by this.
#[utoipa::path(
    post, operation_id = "door_look", path = "/admin/check-in/look", tag = "admin", request_body = Sight,
    responses(
        (status = 200, body = Seen),
        (status = 403, description = "`forbidden`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn look(_: Granted<ticket::CheckIn>, Json(sight): Json<Sight>) -> Result<Json<Seen>> {
    let picture = Picture::new(sight.side, &sight.pixels)?;
    // A few milliseconds of work. A picture that makes the reader fail has no code.
    let codes = tokio::task::spawn_blocking(move || picture.codes()).await.unwrap_or_default();
    Ok(Json(Seen { codes }))
}

/// Let somebody in, once.
///
/// A refusal is an answer: `verdict` is `admitted`, `used` (with when and where), `refunded`, `other-session`, `forged` or
/// `unreadable`. Of two doors that scan one ticket at the same moment, one admits.
#[utoipa::path(
    post, path = "/admin/sessions/{id}/check-in", tag = "admin", params(("id" = SessionId, Path)),
    request_body = CheckIn,
    responses(
        (status = 200, body = CheckedIn),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn check_in(
    State(app): State<App>,
    _: Granted<ticket::CheckIn>,
    staff: Staff,
    Path(id): Path<SessionId>,
    Json(body): Json<CheckIn>,
) -> Result<Json<CheckedIn>> {
    let session = staff.session(&app, id).await?;
    let gate = gate(&body.gate)?;
    let scan = Scan { id: unnamed(), code: body.code, session: id, gate, staff: staff.user, at: Millis::now() };
    let Judged { verdict, order } = app.tickets.scan(scan).await?;
    let holder = match (order, verdict.position()) {
        (Some(order), Some(position)) => app.identities.holder(order, position).await?,
        _ => None,
    };
    Ok(Json(CheckedIn { seat: seat(&session, &verdict), holder, verdict }))
}

/// How many are inside.
#[utoipa::path(
    get, operation_id = "door_counts", path = "/admin/sessions/{id}/check-in", tag = "admin", params(("id" = SessionId, Path)),
    responses((status = 200, body = DoorCounts), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn counts(
    State(app): State<App>,
    _: Granted<ticket::CheckIn>,
    staff: Staff,
    Path(id): Path<SessionId>,
) -> Result<Json<DoorCounts>> {
    staff.session(&app, id).await?;
    Ok(Json(storage::counts(&app.database.read, id).await?))
}

/// The list for a door without a network: hashes of codes, seats, and of names and numbers what the door shows.
#[utoipa::path(
    get, operation_id = "door_list", path = "/admin/sessions/{id}/check-in/list", tag = "admin", params(("id" = SessionId, Path)),
    responses((status = 200, body = DoorList), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn list(
    State(app): State<App>,
    _: Granted<ticket::CheckIn>,
    staff: Staff,
    Path(id): Path<SessionId>,
) -> Result<Json<DoorList>> {
    staff.session(&app, id).await?;
    let holders = app.identities.holders(id).await?;
    Ok(Json(app.tickets.door_list(id, holders).await?))
}

/// Take in the scans of a door that had no network.
///
/// What was told before is passed over. `conflicts` are people who are inside and should not be.
#[utoipa::path(
    post, operation_id = "door_scans", path = "/admin/sessions/{id}/check-in/scans", tag = "admin", params(("id" = SessionId, Path)),
    request_body = Upload,
    responses(
        (status = 200, body = Uploaded),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn upload(
    State(app): State<App>,
    _: Granted<ticket::CheckIn>,
    staff: Staff,
    Path(id): Path<SessionId>,
    Json(mut body): Json<Upload>,
) -> Result<Json<Uploaded>> {
    staff.session(&app, id).await?;
    body.gate = gate(&body.gate)?;
    Ok(Json(app.tickets.upload(id, staff.user, body).await?))
}

fn gate(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
        return Err(
            Problem::new(Code::InvalidValue, "The name of a gate has 1 to 40 characters.").with("field", "gate")
        );
    }
    Ok(name.to_owned())
}

fn seat(session: &SessionInfo, verdict: &Verdict) -> Option<DoorSeat> {
    let place = session.plan.seat(verdict.position()?)?;
    Some(DoorSeat {
        zone: place.zone.to_string(),
        zone_zh: session.plan.zh(&place.zone),
        row: place.row.to_string(),
        number: place.number.clone(),
        standing: place.standing,
        category: place.category.to_string(),
        category_zh: session.plan.zh(&place.category),
    })
}
