//! What no handler may do to a client: keep it waiting for ever, or end in a panic.

use std::{any::Any, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    config::HttpConfig,
    problem::{Code, Problem},
};

/// What operators have made in one go, as large as they say: it may take as long as preparations may.
const PREPARATIONS: [&str; 1] = ["/api/v1/admin/rehearsals"];

/// How long the head of an answer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    request: Duration,
    preparation: Duration,
}

impl Deadlines {
    pub(super) fn of(limits: &HttpConfig) -> Self {
        Self { request: limits.request_timeout, preparation: limits.preparation_timeout.max(limits.request_timeout) }
    }

    pub(super) fn of_path(self, path: &str) -> Duration {
        if PREPARATIONS.contains(&path) { self.preparation } else { self.request }
    }
}

/// Answers `timeout` when the head of the answer takes too long. A stream that has begun may last.
pub(super) async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Timeout, format!("There was no answer within {limit:?}.")).into_response(),
    }
}

/// Turns a panic into `internal`.
#[allow(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
pub(super) fn panicked(payload: Box<dyn Any + Send + 'static>) -> axum::http::Response<Body> {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    Problem::internal(format!("a handler panicked: {}", text.unwrap_or("without a text"))).into_response()
}

/// Scripts, styles and connections from here only, nothing inline, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                                       form-action 'self'; frame-ancestors 'none'";

/// The same for the document browser, whose logo carries one style element of its own.
const DOCUMENTS_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                                form-action 'self'; frame-ancestors 'none'; \
                                style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];

/// Headers that narrow what a browser does with an answer.
pub(super) fn security_headers(headers: &mut HeaderMap) {
    headers.reserve(2 * HEADERS.len());
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Answers are somebody's own unless the handler says otherwise.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// For the document browser.
pub(super) async fn documents_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCUMENTS_POLICY));
    response
}

/// Leaves of what a client says about encodings whether it wants the one that there is. Whoever wants none of all gets
/// the answer as it is, which is better than none.
pub(super) fn encodings(headers: &mut HeaderMap) {
    let wanted = wants_gzip(headers);
    headers.remove(header::ACCEPT_ENCODING);
    if wanted {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

fn wants_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut named, mut any) = (None, None);
    for part in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.trim().parse::<f32>().ok());
        let wanted = quality.is_some_and(|quality| quality > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => named = Some(wanted),
            "*" => any = Some(wanted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// A strong entity tag names one sequence of bytes: the compressed answer gets a tag of its own.
pub(super) fn tag_encoded(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(tag) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok())
        && let Some(bare) = tag.strip_suffix('"').filter(|_| !tag.starts_with("W/"))
        && let Ok(tag) = HeaderValue::from_str(&format!("{bare}-gzip\""))
    {
        headers.insert(header::ETAG, tag);
    }
}

/// Whether `If-None-Match` names this tag, plain or compressed.
#[must_use]
pub fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    let bare = tag.trim_matches('"');
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|candidate| {
            let candidate = candidate.strip_prefix("W/").unwrap_or(candidate).trim_matches('"');
            candidate == "*" || candidate == bare || candidate.strip_suffix("-gzip") == Some(bare)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_wanted_by_its_name_or_by_a_star() {
        for (value, wanted) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("*;q=0, gzip", true),
            ("gzip;q=x, br, *;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(wants_gzip(&headers), wanted, "{value}");
        }
    }

    #[test]
    fn only_preparations_may_take_longer() {
        let limits = HttpConfig { request_timeout: Duration::from_secs(3), ..HttpConfig::default() };
        let deadlines = Deadlines::of(&limits);
        assert_eq!(deadlines.of_path(PREPARATIONS[0]), limits.preparation_timeout);
        for path in ["/api/v1/orders", "/api/v1/admin/rehearsals/1", "/"] {
            assert_eq!(deadlines.of_path(path), limits.request_timeout, "{path}");
        }
        // Whoever gives all requests more time has not taken any from these.
        let patient = Deadlines::of(&HttpConfig { request_timeout: Duration::from_secs(600), ..limits });
        assert_eq!(patient.of_path(PREPARATIONS[0]), Duration::from_secs(600));
    }

    #[test]
    fn entity_tags_match_plain_compressed_and_in_lists() {
        for (value, matches) in [
            ("\"abc\"", true),
            ("\"abc-gzip\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"abcd\"", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]);
            assert_eq!(none_match(&headers, "\"abc\""), matches, "{value}");
        }
        assert!(!none_match(&HeaderMap::new(), "\"abc\""));
    }
}
