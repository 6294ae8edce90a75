//! Seats over HTTP: their state now, and the stream of changes.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, sse::Event},
};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Cursor, Update, feed::BatchView, view::SeatsView};
use crate::{
    app::App,
    http::{Path, Query, live},
    ids::SessionId,
    merchant::Storefront,
    problem::{Code, Problem, Result},
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(seats)).routes(routes!(events))
}

/// The state of all seats.
///
/// The index of a letter in `states` is the index of the seat in the session's seat map.
#[utoipa::path(
    get, path = "/sessions/{id}/seats", tag = "seats", params(("id" = SessionId, Path)),
    responses(
        (status = 200, body = SeatsView),
        (status = 404, description = "`not-found`"),
        (status = 503, description = "`one-moment`: the seats are being counted"),
    )
)]
async fn seats(State(app): State<App>, shop: Storefront, Path(id): Path<SessionId>) -> Result<impl IntoResponse> {
    shop.session(&app, id).await?;
    let view = app.inventory.view(id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], view))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsParams {
    /// Begin with what happened after this cursor, from `GET /sessions/{id}/seats` or the `id` of an event.
    after: Option<String>,
}

/// Live changes of seats, as server-sent events.
///
/// * `seats`, with a cursor as `id`: the seats that changed within a moment, and the session's counts.
/// * `reset`: changes were missed. Fetch the seats again and go on listening.
///
/// A comment is sent in silence every 15 seconds.
#[utoipa::path(
    get, path = "/sessions/{id}/events", tag = "seats",
    params(
        ("id" = SessionId, Path), EventsParams,
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`; sent by browsers that connect again"),
    ),
    responses(
        (status = 200, description = "The stream; `data` of `seats` as shown", content_type = "text/event-stream", body = BatchView<'static>),
        (status = 400, description = "`malformed-request`: the cursor cannot be read"),
        (status = 404, description = "`not-found`"),
        (status = 503, description = "`one-moment`: the seats are being counted"),
    )
)]
async fn events(
    State(app): State<App>,
    shop: Storefront,
    Path(id): Path<SessionId>,
    Query(params): Query<EventsParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    shop.session(&app, id).await?;
    let after = cursor(&headers, params.after.as_deref())?;
    Ok(live(app.inventory.listen(id, after).await?.into_stream().map(event)))
}

/// A browser that connects again repeats the address it began with, and knows better in the header.
fn cursor(headers: &HeaderMap, after: Option<&str>) -> Result<Option<Cursor>> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let Some(text) = last.filter(|text| !text.is_empty()).or(after) else { return Ok(None) };
    let bad =
        |error| Problem::new(Code::MalformedRequest, format!("`{text}` is no cursor: {error}")).with("path", "after");
    text.parse().map(Some).map_err(bad)
}

fn event(update: Update) -> Event {
    match update {
        Update::Seats(batch) => Event::default().event("seats").id(batch.cursor.to_string()).data(&batch.json),
        Update::Reset => Event::default().event("reset").data("{}"),
    }
}
