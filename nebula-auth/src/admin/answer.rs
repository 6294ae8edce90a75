//! What handlers answer.

use axum::{
    Json,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    access::AccessError,
    axum::problem,
    error::{Error, ErrorKind},
    rbac::{NameError, PermissionError, RbacOutcome, RbacRefusal},
};

/// A value, as it is now.
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        ([(CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}

/// A part of a list, and where the rest begins.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// To be given as `after` (or `before`) for the next part.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// Of everything, what comes after a key.
    pub(super) fn of<K: AsRef<str>>(
        all: impl Iterator<Item = (K, T)>,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Self> {
        let mut found: Vec<(K, T)> =
            all.filter(|(key, _)| after.is_none_or(|after| key.as_ref() > after)).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(key, _)| key.as_ref().to_owned());
        Answer(Self { items: found.into_iter().map(|(_, item)| item).collect(), next })
    }
}

/// Why there is no answer. As a response it is `application/problem+json`.
pub(super) enum Failure {
    Access(AccessError),
    Refused(RbacRefusal),
    /// The request cannot be read.
    Invalid(StatusCode, String),
    Unknown(&'static str),
    /// The application has not given this part.
    Absent(&'static str),
    Error(Error),
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::Invalid(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<PermissionError> for Failure {
    fn from(error: PermissionError) -> Self {
        Self::Invalid(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// 204 for a change that is made.
pub(super) fn changed(outcome: RbacOutcome) -> Result<StatusCode, Failure> {
    outcome.into_result().map(|_| StatusCode::NO_CONTENT).map_err(Failure::Refused)
}

const fn status(refusal: &RbacRefusal) -> StatusCode {
    match refusal {
        RbacRefusal::NotAllowed { .. } | RbacRefusal::Escalation { .. } => StatusCode::FORBIDDEN,
        RbacRefusal::Unknown { .. } => StatusCode::NOT_FOUND,
        RbacRefusal::Invalid(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Access(error) => error.into_response(),
            Self::Refused(refusal) => problem(status(&refusal), refusal.code(), &refusal.to_string(), None),
            Self::Invalid(status, detail) => problem(status, "invalid", &detail, None),
            Self::Unknown(what) => problem(StatusCode::NOT_FOUND, "unknown", &format!("there is no such {what}"), None),
            Self::Absent(what) => {
                problem(StatusCode::NOT_IMPLEMENTED, "absent", &format!("this application administers no {what}"), None)
            }
            Self::Error(error) => {
                tracing::warn!(target: "nebula_auth", %error, "a request to the admin API failed");
                let (status, code) = match error.kind() {
                    ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, "invalid"),
                    ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
                    ErrorKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                };
                // The cause may name what is behind the server.
                let detail = if code == "invalid" { error.to_string() } else { "try again in a moment".to_owned() };
                problem(status, code, &detail, None)
            }
        }
    }
}

/// A count, by name.
pub(super) fn count(name: &str, number: u64) -> Answer<serde_json::Value> {
    Answer(json!({ name: number }))
}
