//! Administration over HTTP: templates, records, statistics, sending again, and a page for people.

mod handlers;
mod page;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use axum::{
    Router,
    extract::State,
    http::{Request, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::notifier::Notifier;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdminAction {
    /// See templates, and how they look filled in.
    ReadTemplates,
    /// Store and remove templates.
    WriteTemplates,
    /// See jobs with their attempts (addresses are masked), statistics and circuits.
    ReadRecords,
    /// Send failed jobs again, and call waiting ones back.
    Resend,
}

/// Says who may do what. There are no routes without one.
#[async_trait]
pub trait AdminGuard: Send + Sync + 'static {
    /// Whether whoever asks may do that; what to answer if not: `401` or `403`. The request's extensions have what the
    /// application's own layers have found out.
    ///
    /// # Errors
    /// The answer to somebody who may not.
    async fn allow(&self, request: &Parts, action: AdminAction) -> Result<(), Response>;
}

#[async_trait]
impl<F: Fn(&Parts, AdminAction) -> bool + Send + Sync + 'static> AdminGuard for F {
    async fn allow(&self, request: &Parts, action: AdminAction) -> Result<(), Response> {
        if self(request, action) { Ok(()) } else { Err(axum::http::StatusCode::FORBIDDEN.into_response()) }
    }
}

/// Administration of a [`Notifier`].
///
/// | route | needs |
/// |---|---|
/// | `GET /page`, its files | nothing: they are the same for everybody and show what the others give |
/// | `GET /templates`, `GET /templates/{name}?version=`, `GET /templates/{name}/versions`, `POST /templates/{name}/preview` | [`ReadTemplates`](AdminAction::ReadTemplates) |
/// | `PUT /templates/{name}?expected=`, `DELETE /templates/{name}` | [`WriteTemplates`](AdminAction::WriteTemplates) |
/// | `GET /jobs?tenant=&address=&notification=&template=&status=&since=&until=&before=&limit=`, `GET /jobs/{id}`, `GET /statistics?since=&until=`, `GET /circuits` | [`ReadRecords`](AdminAction::ReadRecords) |
/// | `POST /jobs/{id}/resend`, `POST /jobs/{id}/cancel` | [`Resend`](AdminAction::Resend) |
///
/// Times are milliseconds since 1970. Changes have to say `content-type: application/json` or `x-requested-with`, which a page from elsewhere
/// cannot without being asked first: so a cookie alone changes nothing.
///
/// ```
/// use axum::{Router, http::request::Parts};
/// use nebula_notification::{Admin, AdminAction, Notifier};
///
/// #[derive(Clone)]
/// struct Operator; // put there by the application's own layer, after it has checked who asks
///
/// # fn app(notifier: Notifier) -> Router {
/// let guard = |parts: &Parts, _: AdminAction| parts.extensions.get::<Operator>().is_some();
/// Router::new().nest("/admin/notification", Admin::new(notifier, guard).router())
/// # }
/// ```
#[derive(Clone)]
pub struct Admin {
    notifier: Notifier,
    guard: Arc<dyn AdminGuard>,
}

impl Admin {
    /// The administration of that notifier, by whom the guard lets.
    #[must_use]
    pub fn new(notifier: Notifier, guard: impl AdminGuard) -> Self {
        Self { notifier, guard: Arc::new(guard) }
    }

    /// The routes, to be nested under a path of yours.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let needs = |action: AdminAction, routes: Router<Self>| {
            let state = (self.guard.clone(), action);
            routes.layer(axum::middleware::from_fn_with_state(state, guarded))
        };
        let read_templates = Router::new()
            .route("/templates", get(handlers::templates))
            .route("/templates/{name}", get(handlers::template))
            .route("/templates/{name}/versions", get(handlers::versions))
            .route("/templates/{name}/preview", post(handlers::preview));
        let write_templates = Router::new()
            .route("/templates/{name}", axum::routing::put(handlers::put_template).delete(handlers::remove_template));
        let read_records = Router::new()
            .route("/jobs", get(handlers::jobs))
            .route("/jobs/{id}", get(handlers::job))
            .route("/statistics", get(handlers::statistics))
            .route("/circuits", get(handlers::circuits));
        let resend = Router::new()
            .route("/jobs/{id}/resend", post(handlers::resend))
            .route("/jobs/{id}/cancel", post(handlers::cancel));
        Router::new()
            .route("/page", get(page::page))
            .route("/page/{file}", get(page::file))
            .merge(needs(AdminAction::ReadTemplates, read_templates))
            .merge(needs(AdminAction::WriteTemplates, write_templates))
            .merge(needs(AdminAction::ReadRecords, read_records))
            .merge(needs(AdminAction::Resend, resend))
            .with_state(self)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("notifier", &self.notifier).finish_non_exhaustive()
    }
}

/// Asks the guard before anything is read.
async fn guarded(
    State((guard, action)): State<(Arc<dyn AdminGuard>, AdminAction)>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = guard.allow(&parts, action).await {
        return refusal;
    }
    if !parts.method.is_safe() && !is_ours(&parts) {
        return axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Whether a page from elsewhere would have needed leave to send it.
fn is_ours(parts: &Parts) -> bool {
    let json = |value: &axum::http::HeaderValue| value.as_bytes().starts_with(b"application/json");
    parts.headers.get("content-type").is_some_and(json) || parts.headers.contains_key("x-requested-with")
}
