//! What routes have in common.

use axum::{
    Json,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::error::{Error, ErrorKind};

/// What pages may do: nothing from elsewhere, nothing inline, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'self'; \
                      form-action 'self'; frame-ancestors 'none'";

/// The headers of a page or of a file of one.
pub(crate) const fn headers(kind: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ]
}

/// A page whose files are beside it, at whichever path it was asked for: with or without a slash at the end.
#[cfg_attr(not(any(feature = "admin", feature = "development")), allow(dead_code, reason = "of use to pages only"))]
pub(crate) fn page_at(path: &str, html: &'static str) -> Response {
    // A path of a request has none of the characters that end an attribute; whatever has is not put in.
    let safe = path.chars().all(|one| one.is_ascii_alphanumeric() || "/-._~%".contains(one));
    let path = if safe { path.trim_end_matches('/') } else { "" };
    (headers("text/html; charset=utf-8"), html.replace("<base href=\"./\">", &format!("<base href=\"{path}/\">")))
        .into_response()
}

/// Why there is no answer, as `application/problem+json`.
pub(crate) enum Failure {
    Error(Error),
    /// There is no such thing.
    #[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "of use to the admin routes only"))]
    Unknown(&'static str),
    /// Somebody else was first, or it is in no state for it.
    #[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "of use to the admin routes only"))]
    Conflict(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({ "status": status.as_u16(), "code": code, "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body).0.to_string()).into_response()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown(what) => problem(StatusCode::NOT_FOUND, "unknown", &format!("there is no such {what}")),
            Self::Conflict(what) => problem(StatusCode::CONFLICT, "conflict", &what),
            Self::Error(error) => {
                let (status, code) = match error.kind() {
                    ErrorKind::Unavailable | ErrorKind::Closed => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
                    ErrorKind::Internal | ErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                    ErrorKind::UnknownTemplate => (StatusCode::NOT_FOUND, "unknown"),
                    _ => (StatusCode::BAD_REQUEST, "invalid"),
                };
                if status.is_server_error() {
                    tracing::warn!(target: "nebula_notification", %error, "a request could not be answered");
                }
                // The cause may name what is behind the server.
                let detail =
                    if status.is_server_error() { "try again in a moment".to_owned() } else { error.to_string() };
                problem(status, code, &detail)
            }
        }
    }
}
