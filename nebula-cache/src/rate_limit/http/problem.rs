//! What a refused client is told.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::super::decision::Decision;
use super::headers::seconds;

/// Why a request is not passed on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// 429, or 500 if the service is put together wrongly or names rules that do not exist.
    pub status: StatusCode,
    /// The decision; none for status 500.
    pub decision: Option<Decision>,
    /// The rules that refuse.
    pub violated: Vec<String>,
}

impl Refusal {
    /// When it is worth while to try again, in whole seconds and at least one; none if nobody knows.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        let time = self.decision.as_ref().map_or(Duration::ZERO, Decision::retry_after);
        (self.status == StatusCode::TOO_MANY_REQUESTS && !time.is_zero()).then(|| seconds(time))
    }
}

/// The answer by default: a problem document (RFC 9457) with the names of the rules and the seconds to wait.
pub fn problem_json<B: From<String>>(refusal: &Refusal) -> Response<B> {
    let body = match refusal.status {
        StatusCode::TOO_MANY_REQUESTS => json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Too many requests",
            "status": 429,
            "violated-policies": refusal.violated,
            "retry-after": refusal.retry_after(),
        }),
        status => json!({ "type": "about:blank", "title": "Internal server error", "status": status.as_u16() }),
    };
    let mut response = Response::new(B::from(body.to_string()));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
