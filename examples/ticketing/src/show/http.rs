//! The catalog over HTTP.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nebula_auth::access::Requirement;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    listing::{Session, Show},
    plan::SeatMap,
    rehearsal,
};
use crate::{
    app::App,
    http::{Json, Path, none_match},
    ids::{SessionId, ShowId},
    merchant::Storefront,
    office::{self, Desk},
    problem::{Problem, Result},
};

/// The shows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Shows {
    shows: Vec<Show>,
}

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_shows))
        .routes(routes!(list_shows_of))
        .routes(routes!(get_show))
        .routes(routes!(get_session))
        .routes(routes!(get_seat_map))
}

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<office::rehearsal::Create>(), routes!(rehearsal::create_rehearsal))
        .merge(super::desk::desk())
}

/// The shows with sessions to come. On a merchant's own domain, that merchant's.
#[utoipa::path(get, path = "/shows", tag = "catalog", responses((status = OK, body = Shows)))]
async fn list_shows(State(app): State<App>, storefront: Storefront) -> Result<Json<Shows>> {
    let mut shows = app.catalog.shows_of(storefront.0.as_ref()).await?;
    // Of merchants that are suspended nothing is sold.
    let mut served = std::collections::BTreeMap::new();
    for show in &shows {
        if !served.contains_key(&show.merchant) {
            served.insert(show.merchant.clone(), app.merchants.is_active(&show.merchant).await?);
        }
    }
    shows.retain(|show| served.get(&show.merchant).copied().unwrap_or(false));
    Ok(Json(Shows { shows }))
}

/// The shows of one merchant, on the platform's address.
#[utoipa::path(get, path = "/m/{merchant}/shows", tag = "catalog", params(("merchant" = String, Path)), responses(
    (status = OK, body = Shows),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn list_shows_of(app: State<App>, storefront: Storefront) -> Result<Json<Shows>> {
    list_shows(app, storefront).await
}

/// One show.
#[utoipa::path(get, path = "/shows/{id}", tag = "catalog", params(("id" = ShowId, Path)), responses(
    (status = OK, body = Show),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn get_show(State(app): State<App>, storefront: Storefront, Path(id): Path<ShowId>) -> Result<Json<Show>> {
    let show = app.catalog.show(id).await?;
    storefront.check(&show.merchant, "show")?;
    if !app.merchants.is_active(&show.merchant).await? {
        return Err(Problem::not_found("show"));
    }
    Ok(Json(show))
}

/// One session: times, limits, prices.
#[utoipa::path(get, path = "/sessions/{id}", tag = "catalog", params(("id" = SessionId, Path)), responses(
    (status = OK, body = Session),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn get_session(
    State(app): State<App>,
    storefront: Storefront,
    Path(id): Path<SessionId>,
) -> Result<Json<Session>> {
    Ok(Json(Session::from(&*storefront.session(&app, id).await?)))
}

/// The layout of a session's seats. It does not change: keep it, and ask with `If-None-Match`.
///
/// The index of a seat in `seats` is its `position` in the live state.
#[utoipa::path(get, path = "/sessions/{id}/seatmap", tag = "catalog", params(("id" = SessionId, Path)), responses(
    (status = OK, body = SeatMap<'_>, headers(("etag" = String))),
    (status = NOT_MODIFIED, description = "You have it"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn get_seat_map(
    State(app): State<App>,
    storefront: Storefront,
    Path(id): Path<SessionId>,
    headers: HeaderMap,
) -> Result<Response> {
    let info = storefront.session(&app, id).await?;
    let plan = &info.plan;
    let tag = HeaderValue::from_str(&plan.etag).map_err(Problem::internal)?;
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"))];
    if none_match(&headers, &plan.etag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((caching, kind, plan.layout.clone()).into_response())
}
