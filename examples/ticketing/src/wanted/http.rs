//! The list of a buyer over HTTP.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::storage;
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    ids::ShowId,
    merchant::Storefront,
    problem::{Problem, Result},
    show::Show,
    user::Buyer,
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(add, remove))
}

/// A show that you want to see.
#[derive(Debug, Serialize, ToSchema)]
struct WantedShow {
    /// Since when.
    since: Millis,
    show: Show,
}

/// A page of them, the latest first.
#[derive(Debug, Serialize, ToSchema)]
struct WantedPage {
    shows: Vec<WantedShow>,
    /// Pass as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ShowId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageParams {
    /// 1 to 100, 20 if absent.
    limit: Option<u32>,
    /// The last show of the page before.
    after: Option<ShowId>,
}

/// The shows that you want to see. Those that cannot be found any more are left out.
#[utoipa::path(get, operation_id = "wanted_shows", path = "/me/wanted", tag = "account", params(PageParams),
    security(("bearer" = [])), responses(
    (status = OK, body = WantedPage),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`: no such show to go on after"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn list(
    State(app): State<App>,
    storefront: Storefront,
    buyer: Buyer,
    Query(page): Query<PageParams>,
) -> Result<Json<WantedPage>> {
    let limit = page.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "`limit` is 1 to 100."));
    }
    let pool = &app.database.read;
    let after = match page.after {
        None => None,
        Some(show) => Some(storage::find(pool, buyer.id, show).await?.ok_or_else(|| Problem::not_found("show"))?),
    };
    let mut entries = storage::list(pool, buyer.id, after, limit + 1).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more).map(|entry| entry.show);
    let ids: Vec<ShowId> = entries.iter().map(|entry| entry.show).collect();
    let mut known = app.catalog.shows_by_id(&ids).await?;
    let mut shows = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(show) = known.remove(&entry.show) else { continue };
        if storefront.shows(&show.merchant) && app.merchants.is_active(&show.merchant).await? {
            shows.push(WantedShow { since: entry.at, show });
        }
    }
    Ok(Json(WantedPage { shows, next }))
}

/// Put a show on your list. You are told a day before its sale opens.
#[utoipa::path(put, operation_id = "want_show", path = "/me/wanted/{id}", tag = "account", params(("id" = ShowId, Path)),
    security(("bearer" = [])), responses(
    (status = NO_CONTENT, description = "It is there, now or since before"),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn add(
    State(app): State<App>,
    storefront: Storefront,
    buyer: Buyer,
    Path(id): Path<ShowId>,
) -> Result<StatusCode> {
    let show = app.catalog.show(id).await?;
    storefront.check(&show.merchant, "show")?;
    if !app.merchants.is_active(&show.merchant).await? {
        return Err(Problem::not_found("show"));
    }
    let user = buyer.id;
    app.database.write.run(move |connection| Box::pin(async move { storage::add(connection, user, id).await })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a show off your list.
#[utoipa::path(delete, operation_id = "unwant_show", path = "/me/wanted/{id}", tag = "account",
    params(("id" = ShowId, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT, description = "It is not there, now or since before"),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn remove(State(app): State<App>, buyer: Buyer, Path(id): Path<ShowId>) -> Result<StatusCode> {
    let user = buyer.id;
    let removed =
        app.database.write.run(move |connection| Box::pin(async move { storage::remove(connection, user, id).await }));
    removed.await?;
    Ok(StatusCode::NO_CONTENT)
}
