//! Inboxes over HTTP.

use std::{convert::Infallible, fmt, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{StatusCode, request::Parts},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{delete, get, post},
};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;

use super::{Inbox, InboxQuery, InboxState};
use crate::web::Failure;

/// The routes of an inbox: what whoever asks finds in their own.
///
/// | route | what |
/// |---|---|
/// | `GET /?unread=true&before=…&limit=…` | messages, the latest first |
/// | `GET /state` | how many there are, and how many unread |
/// | `POST /read` with `{"ids": […]}` | marks as read |
/// | `POST /read-all` | marks everything as read |
/// | `DELETE /{id}` | removes one |
/// | `GET /events` | server-sent events: `inbox`, with the state now and after every change |
///
/// Who asks is said by a function of the application; whoever it does not know gets `401`. There is no way to ask for the inbox of
/// somebody else.
///
/// ```
/// use axum::{Router, http::request::Parts};
/// use nebula_notification::{Inbox, InboxRoutes, MemoryInbox};
///
/// #[derive(Clone)]
/// struct SignedIn(String); // put there by the application's own layer
///
/// let who = |parts: &Parts| parts.extensions.get::<SignedIn>().map(|user| user.0.clone());
/// let app: Router = Router::new().nest("/inbox", InboxRoutes::new(Inbox::new(MemoryInbox::new()), who).router());
/// ```
#[derive(Clone)]
pub struct InboxRoutes {
    inbox: Inbox,
    who: Arc<Who>,
}

type Who = dyn Fn(&Parts) -> Option<String> + Send + Sync;

impl InboxRoutes {
    /// The routes for that inbox; the function says which user a request is of.
    #[must_use]
    pub fn new(inbox: Inbox, who: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { inbox, who: Arc::new(who) }
    }

    /// The routes, to be nested under a path of yours.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/", get(list))
            .route("/state", get(state))
            .route("/read", post(read))
            .route("/read-all", post(read_all))
            .route("/events", get(events))
            .route("/{id}", delete(remove))
            .with_state(self)
    }
}

impl fmt::Debug for InboxRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxRoutes").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

/// Whose inbox it is.
struct User(String);

impl FromRequestParts<InboxRoutes> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, routes: &InboxRoutes) -> Result<Self, StatusCode> {
        (routes.who)(parts).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    unread: bool,
    before: Option<String>,
    limit: Option<u32>,
}

async fn list(user: User, State(routes): State<InboxRoutes>, Query(asked): Query<Asked>) -> Result<Response, Failure> {
    let query = InboxQuery { unread: asked.unread, before: asked.before, limit: asked.limit };
    Ok(Json(routes.inbox.list(&user.0, &query).await?).into_response())
}

async fn state(user: User, State(routes): State<InboxRoutes>) -> Result<Json<InboxState>, Failure> {
    Ok(Json(routes.inbox.state(&user.0).await?))
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

async fn read(user: User, State(routes): State<InboxRoutes>, Json(which): Json<Ids>) -> Result<Response, Failure> {
    let ids = which.ids.get(..which.ids.len().min(1000)).unwrap_or_default();
    let count = routes.inbox.mark_read(&user.0, ids).await?;
    Ok(Json(json!({ "read": count })).into_response())
}

async fn read_all(user: User, State(routes): State<InboxRoutes>) -> Result<Response, Failure> {
    let count = routes.inbox.mark_all_read(&user.0).await?;
    Ok(Json(json!({ "read": count })).into_response())
}

async fn remove(user: User, State(routes): State<InboxRoutes>, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    let removed = routes.inbox.remove(&user.0, &[id]).await?;
    Ok(if removed > 0 { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn events(
    user: User,
    State(routes): State<InboxRoutes>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let told = routes.inbox.watch(&user.0).map(|state| {
        let event = Event::default().event("inbox");
        Ok(event.json_data(&state).unwrap_or_default())
    });
    Sse::new(told).keep_alive(KeepAlive::default())
}
