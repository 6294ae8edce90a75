use axum::{
    Json, Router,
    extract::{OriginalUri, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

use super::outbox::{DevelopmentOutbox, ShownMessage};
use crate::web::{headers, page_at};

impl DevelopmentOutbox {
    /// The page, in English and Chinese, and `messages.json` beside it, to be nested under a path of yours. It is for everybody who
    /// reaches this machine: listen on `127.0.0.1`.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/", get(page))
            .route("/outbox.css", get(style))
            .route("/outbox.js", get(script))
            .route("/messages.json", get(messages).delete(clear))
            .with_state(self.clone())
    }
}

/// Files are named relative to the page, so its path has to end with a slash: the base says which path that is.
async fn page(OriginalUri(uri): OriginalUri) -> Response {
    page_at(uri.path(), include_str!("outbox.html"))
}

async fn style() -> Response {
    (headers("text/css; charset=utf-8"), include_str!("outbox.css")).into_response()
}

async fn script() -> Response {
    (headers("text/javascript; charset=utf-8"), include_str!("outbox.js")).into_response()
}

async fn messages(State(outbox): State<DevelopmentOutbox>) -> Json<Vec<ShownMessage>> {
    Json(outbox.messages())
}

async fn clear(State(outbox): State<DevelopmentOutbox>) -> StatusCode {
    outbox.clear();
    StatusCode::NO_CONTENT
}
