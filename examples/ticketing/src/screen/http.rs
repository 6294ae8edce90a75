//! Screens at a merchant's desk.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, sse::Event},
};
use futures_util::StreamExt;
use nebula_auth::access::Requirement;
use serde::Deserialize;
use tokio_stream::wrappers::WatchStream;
use utoipa_axum::routes;

use super::view::ScreenView;
use crate::{
    app::App,
    http::{Path, live},
    ids::SessionId,
    merchant::AtDesk,
    office::{Desk, sale},
    problem::{Code, Problem, Result},
};

/// How long the first frame may take.
const FIRST: Duration = Duration::from_secs(10);
/// A stream ends after this time, and whoever watches asks again: rights that were taken away end with it.
const LASTS: Duration = Duration::from_secs(120);

/// What this module has for merchants.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<sale::Audit>(), routes!(screen_now))
        .routes(Requirement::permission::<sale::Audit>(), routes!(screen_live))
}

/// What the path names besides the merchant.
#[derive(Clone, Copy, Debug, Deserialize)]
struct One {
    id: SessionId,
}

/// The live screen of a sale, as it is now.
///
/// Orders and revenue are added up from the orders; the funnel, the refusals and the series are counted by the servers and
/// are a second or two behind.
#[utoipa::path(
    operation_id = "desk_screen",
    get, path = "/desk/{merchant}/sessions/{id}/screen", tag = "desk",
    params(("merchant" = String, Path), ("id" = SessionId, Path)),
    responses(
        (status = OK, body = ScreenView),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = SERVICE_UNAVAILABLE, description = "`one-moment`: nothing is painted yet"),
    ), security(("bearer" = [])))]
async fn screen_now(State(app): State<App>, desk: AtDesk, Path(One { id }): Path<One>) -> Result<impl IntoResponse> {
    own(&app, &desk, id).await?;
    let mut frames = app.screens.watch(id);
    let late = || Problem::new(Code::OneMoment, "The screen of this sale is being painted.");
    let frame = tokio::time::timeout(FIRST, frames.wait_for(Option::is_some)).await.map_err(|_| late())?;
    let frame = frame.ok().and_then(|frame| (*frame).clone()).ok_or_else(late)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], frame.to_string()))
}

/// The live screen of a sale, as server-sent events.
///
/// `screen`: the whole screen, whenever a figure has changed, four times a second at most. The stream ends after two minutes:
/// ask again then. A comment is sent in silence every 15 seconds.
#[utoipa::path(
    operation_id = "desk_screen_live",
    get, path = "/desk/{merchant}/sessions/{id}/screen/live", tag = "desk",
    params(("merchant" = String, Path), ("id" = SessionId, Path)),
    responses(
        (status = OK, description = "The stream; `data` of `screen` as shown", content_type = "text/event-stream", body = ScreenView),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
    ), security(("bearer" = [])))]
async fn screen_live(State(app): State<App>, desk: AtDesk, Path(One { id }): Path<One>) -> Result<impl IntoResponse> {
    own(&app, &desk, id).await?;
    let frames = WatchStream::new(app.screens.watch(id));
    let events = frames.filter_map(|frame: Option<Arc<str>>| async move {
        frame.map(|frame| Event::default().event("screen").data(&*frame))
    });
    Ok(live(events.take_until(tokio::time::sleep(LASTS))))
}

/// Whether the session is this merchant's.
async fn own(app: &App, desk: &AtDesk, id: SessionId) -> Result<()> {
    let session = app.catalog.session(id).await?;
    if session.merchant == *desk.merchant() { Ok(()) } else { Err(Problem::not_found("session")) }
}
