//! The blacklist in the back office.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::{Granted, Requirement};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::blacklist::{Ban, Entry, Kind};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    office::{Desk, blacklist, reason},
    problem::{Code, Problem, Result},
    user::Buyer,
};

/// Longest time of an entry that ends.
const LONGEST: u64 = 366 * 24 * 60 * 60;

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<blacklist::Read>(), routes!(blacklisted))
        .routes(Requirement::permission::<blacklist::Edit>(), routes!(blacklist_put))
        .routes(Requirement::permission::<blacklist::Edit>(), routes!(blacklist_remove))
}

/// The blacklist.
#[derive(Debug, Serialize, ToSchema)]
struct List {
    entries: Vec<Entry>,
}

/// Who may not buy, the newest first.
#[utoipa::path(
    get, path = "/admin/blacklist", tag = "admin",
    responses((status = 200, body = List), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn blacklisted(State(app): State<App>, _: Granted<blacklist::Read>) -> Result<Json<List>> {
    Ok(Json(List { entries: app.admission.blacklist().all().await? }))
}

/// Somebody to be put on the list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEntry {
    kind: Kind,
    /// The account's identifier, an address or network, or the device.
    value: String,
    /// Why.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// For so many seconds; left out: until it is taken back.
    #[schema(minimum = 1, maximum = 31_622_400)]
    seconds: Option<u64>,
}

/// Put an account, a network or a device on the list, or change its entry.
#[utoipa::path(
    post, path = "/admin/blacklist", tag = "admin", request_body = NewEntry,
    responses(
        (status = 201, body = Entry),
        (status = 403, description = "`forbidden`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn blacklist_put(
    State(app): State<App>,
    _: Granted<blacklist::Edit>,
    who: Buyer,
    Json(new): Json<NewEntry>,
) -> Result<(StatusCode, Json<Entry>)> {
    if new.seconds.is_some_and(|seconds| !(1..=LONGEST).contains(&seconds)) {
        let detail = format!("`seconds` is 1 to {LONGEST}; leave it out for an entry without an end.");
        return Err(Problem::new(Code::InvalidValue, detail).with("field", "seconds"));
    }
    let until = new.seconds.map(|seconds| Millis::now().plus(std::time::Duration::from_secs(seconds)));
    let ban = Ban::new(new.kind, &new.value, &new.reason, until)?;
    let who = who.id.to_string();
    let entry = app.admission.blacklist().put(ban, Some(who.clone())).await?;
    app.office.changed(&who, "blacklist.put", &entry.value, &entry.reason).await?;
    Ok((StatusCode::CREATED, Json(entry)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Removal {
    /// Why.
    reason: String,
}

/// Take an entry off the list.
#[utoipa::path(
    delete, path = "/admin/blacklist/{id}", tag = "admin", params(("id" = Uuid, Path), Removal),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn blacklist_remove(
    State(app): State<App>,
    _: Granted<blacklist::Edit>,
    who: Buyer,
    Path(id): Path<Uuid>,
    Query(removal): Query<Removal>,
) -> Result<StatusCode> {
    let reason = reason(&removal.reason)?;
    let removed = app.admission.blacklist().remove(id).await?.ok_or_else(|| Problem::not_found("entry"))?;
    app.office.changed(&who.id.to_string(), "blacklist.remove", &removed.value, reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
