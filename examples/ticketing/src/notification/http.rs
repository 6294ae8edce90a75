//! Inboxes over HTTP.

use std::{convert::Infallible, time::Duration, time::SystemTime, time::UNIX_EPOCH};

use axum::{
    Router,
    extract::State,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt};
use nebula_notification::{InboxMessage, InboxQuery, InboxState};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Notices;
use crate::{
    app::App,
    clock::Millis,
    delivery::failed,
    http::{Json, Query},
    problem::{Problem, Result},
    user::Buyer,
};

/// Silence after which a comment is sent, so that nobody in between closes the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Most messages that are marked at once.
const MARKED: usize = 200;

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(state)).routes(routes!(read)).routes(routes!(events))
}

/// The page of messages that are shown instead of sent, if they are.
pub fn development(notices: &Notices) -> Router<App> {
    match notices.development() {
        Some(outbox) => Router::new().nest("/dev/outbox", outbox.router()),
        None => Router::new(),
    }
}

/// A message.
#[derive(Serialize, utoipa::ToSchema)]
struct Message {
    id: String,
    /// What it is about: `tickets-issued`, `order-ended`, `refund-agreed`, `refund-refused`, `refund-done` or `sale-opens`.
    topic: String,
    title: Option<String>,
    text: String,
    created_at: Millis,
    /// When it was read.
    read_at: Option<Millis>,
}

/// How many messages there are.
#[derive(Serialize, utoipa::ToSchema)]
struct Counts {
    unread: u64,
    total: u64,
}

/// Messages, the latest first.
#[derive(Serialize, utoipa::ToSchema)]
struct Page {
    messages: Vec<Message>,
    /// Where the next page begins, if there may be one.
    next: Option<String>,
    counts: Counts,
}

impl From<InboxState> for Counts {
    fn from(state: InboxState) -> Self {
        Self { unread: state.unread, total: state.total }
    }
}

impl From<InboxMessage> for Message {
    fn from(message: InboxMessage) -> Self {
        Self {
            id: message.id,
            topic: message.template,
            title: message.title,
            text: message.text,
            created_at: millis(message.created),
            read_at: message.seen.map(millis),
        }
    }
}

fn millis(time: SystemTime) -> Millis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Only those that were not read.
    #[serde(default)]
    unread: bool,
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 100; 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// My messages.
#[utoipa::path(get, operation_id = "list_inbox", path = "/inbox", tag = "account", params(Asked), security(("bearer" = [])), responses(
    (status = OK, body = Page),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn list(State(app): State<App>, buyer: Buyer, Query(asked): Query<Asked>) -> Result<Json<Page>> {
    let limit = asked.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "1 to 100."));
    }
    if asked.before.as_ref().is_some_and(|id| id.len() > 64 || id.chars().any(char::is_control)) {
        return Err(Problem::invalid("before", "`next` of the page before."));
    }
    let mut query = InboxQuery::new().limit(limit);
    query.unread = asked.unread;
    query.before = asked.before;
    let (inbox, user) = (app.notices.inbox(), buyer.id.to_string());
    let found = inbox.list(&user, &query).await.map_err(failed)?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|message| message.id.clone());
    let counts = inbox.state(&user).await.map_err(failed)?.into();
    Ok(Json(Page { messages: found.into_iter().map(Message::from).collect(), next, counts }))
}

/// How many messages I have.
#[utoipa::path(get, operation_id = "inbox_state", path = "/inbox/state", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = Counts),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn state(State(app): State<App>, buyer: Buyer) -> Result<Json<Counts>> {
    Ok(Json(app.notices.inbox().state(&buyer.id.to_string()).await.map_err(failed)?.into()))
}

/// Which messages were read.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// These, at most 200; left out: all of them.
    #[schema(max_items = 200)]
    ids: Option<Vec<String>>,
}

/// Mark messages of mine as read.
#[utoipa::path(post, operation_id = "read_inbox", path = "/inbox/read", tag = "account", request_body = Read, security(("bearer" = [])), responses(
    (status = OK, body = Counts),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn read(State(app): State<App>, buyer: Buyer, Json(read): Json<Read>) -> Result<Json<Counts>> {
    let (inbox, user) = (app.notices.inbox(), buyer.id.to_string());
    match read.ids {
        // A database takes no NUL in a text; an id has none.
        Some(ids) if ids.len() > MARKED || ids.iter().any(|id| id.len() > 64 || id.chars().any(char::is_control)) => {
            return Err(Problem::invalid("ids", "At most 200 ids of messages."));
        }
        Some(ids) => inbox.mark_read(&user, &ids).await.map_err(failed)?,
        None => inbox.mark_all_read(&user).await.map_err(failed)?,
    };
    Ok(Json(inbox.state(&user).await.map_err(failed)?.into()))
}

/// Server-sent events `inbox`: how many messages I have, now and after every change.
#[utoipa::path(get, operation_id = "inbox_events", path = "/inbox/events", tag = "account", security(("bearer" = [])), responses(
    (status = OK, description = "The stream; `data` of `inbox` as shown", content_type = "text/event-stream", body = Counts),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn events(State(app): State<App>, buyer: Buyer) -> impl IntoResponse {
    let told = app.notices.inbox().watch(&buyer.id.to_string()).map(|state| {
        let event = Event::default().event("inbox").json_data(Counts::from(state));
        event.unwrap_or_default()
    });
    let told = told.take_until(app.stopping.clone().cancelled_owned());
    let events = Sse::new(infallible(told)).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    // A proxy that collects the stream before passing it on would make it anything but live.
    ([("x-accel-buffering", "no")], events)
}

fn infallible<T>(items: impl Stream<Item = T>) -> impl Stream<Item = std::result::Result<T, Infallible>> {
    items.map(Ok)
}
