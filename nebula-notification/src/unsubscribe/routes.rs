use std::fmt;

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::UnsubscribeLinks;
use crate::{notifier::Notifier, web::headers};

const HTML: &str = "text/html; charset=utf-8";

/// The page behind [`UnsubscribeLinks`], in English and Chinese.
///
/// A `GET` only asks: mail programs and scanners open links on their own. A `POST` ends marketing at once, as [RFC 8058] wants it:
/// without a cookie, without a login, and with the same answer when it comes twice.
///
/// ```
/// # use nebula_notification::{Notifier, UnsubscribeLinks, UnsubscribeRoutes};
/// # fn app(notifier: Notifier, links: UnsubscribeLinks) -> axum::Router {
/// axum::Router::new().nest("/unsubscribe", UnsubscribeRoutes::new(notifier, links).router())
/// # }
/// ```
///
/// [RFC 8058]: https://www.rfc-editor.org/rfc/rfc8058
#[derive(Clone)]
pub struct UnsubscribeRoutes {
    notifier: Notifier,
    links: UnsubscribeLinks,
}

impl UnsubscribeRoutes {
    /// The page for the wishes that this notifier goes by.
    #[must_use]
    pub const fn new(notifier: Notifier, links: UnsubscribeLinks) -> Self {
        Self { notifier, links }
    }

    /// The routes, to be nested under the path that the links have.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new().route("/", get(ask).post(unsubscribe)).with_state(self)
    }
}

impl fmt::Debug for UnsubscribeRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsubscribeRoutes").field("links", &self.links).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    token: String,
}

fn invalid() -> Response {
    (StatusCode::NOT_FOUND, headers(HTML), include_str!("invalid.html")).into_response()
}

async fn ask(State(routes): State<UnsubscribeRoutes>, Query(asked): Query<Asked>) -> Response {
    match routes.links.read(&asked.token) {
        // The form goes to the address that it came from, token and all.
        Some(_) => (headers(HTML), include_str!("ask.html")).into_response(),
        None => invalid(),
    }
}

async fn unsubscribe(State(routes): State<UnsubscribeRoutes>, Query(asked): Query<Asked>) -> Response {
    match routes.links.unsubscribe(routes.notifier.audience(), &asked.token).await {
        Ok(Some(_)) => (headers(HTML), include_str!("done.html")).into_response(),
        Ok(None) => invalid(),
        Err(error) => crate::web::Failure::from(error).into_response(),
    }
}
