//! Extractors whose refusals are problems that say where the error is.

use axum::{
    Json as AxumJson,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path as AxumPath, Request, rejection::BytesRejection},
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Serialize, de::DeserializeOwned};

use crate::problem::{Code, Problem, Result};

/// A JSON body, in and out.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A body as it was sent.
#[derive(Clone, Debug)]
pub struct Body(pub Bytes);

/// Parameters of the path.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// Parameters after the question mark.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Code::UnsupportedMediaType, "Send `Content-Type: application/json`."));
        }
        let Body(body) = Body::from_request(request, state).await?;
        if has_nul(&body) {
            return Err(malformed(NUL.to_owned(), "."));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            malformed(error.inner().to_string(), &path)
        })?;
        deserializer.end().map_err(|error| malformed(error.to_string(), "."))?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        Bytes::from_request(request, state).await.map(Self).map_err(unreadable)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        AxumJson(self.0).into_response()
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        // A path that cannot be read names nothing that exists.
        if parts.uri.path().contains("%00") {
            return Err(Problem::new(Code::NotFound, NUL));
        }
        let AxumPath(value) = AxumPath::from_request_parts(parts, state).await.map_err(|rejection| {
            Problem::new(Code::NotFound, format!("There is no such resource: {}", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(malformed(NUL.to_owned(), "query"));
        }
        let axum::extract::Query(value) = axum::extract::Query::try_from_uri(&parts.uri)
            .map_err(|rejection| malformed(rejection.body_text(), "query"))?;
        Ok(Self(value))
    }
}

/// Bytes of a body that is too long that are read all the same.
const THROWN_AWAY: usize = 64 << 20;

/// The whole body, if it has at most so many bytes. What is more is read and thrown away, up to a point: a browser that is still
/// sending does not hear why it should not.
///
/// # Errors
///
/// [`Code::BodyTooLarge`] with the limit, [`Code::MalformedRequest`] when it ends early.
///
/// # Cancel safety
///
/// What was read is lost.
pub async fn read_at_most(body: axum::body::Body, most: usize) -> Result<Bytes> {
    let mut stream = body.into_data_stream();
    let (mut read, mut total) = (Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let broken = |error| Problem::new(Code::MalformedRequest, "The body could not be read.").caused_by(error);
        let chunk = chunk.map_err(broken)?;
        total = total.saturating_add(chunk.len());
        if total <= most {
            read.extend_from_slice(&chunk);
        } else if total > most.saturating_add(THROWN_AWAY) {
            break;
        }
    }
    if total > most {
        return Err(Problem::new(Code::BodyTooLarge, format!("At most {most} bytes.")).with("limit", most));
    }
    Ok(read.into())
}

/// PostgreSQL keeps no such text, and nobody types one.
const NUL: &str = "The character U+0000 stands in no text here.";

/// Whether a string in this JSON has the character U+0000, which has to be escaped there.
fn has_nul(json: &[u8]) -> bool {
    const ESCAPE: &[u8] = b"\\u0000";
    let places = json.windows(ESCAPE.len()).enumerate().filter(|(_, window)| *window == ESCAPE);
    // A backslash that is escaped itself begins nothing.
    let escaped = |at: usize| json.iter().take(at).rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    places.into_iter().any(|(at, _)| !escaped(at))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn malformed(detail: String, path: &str) -> Problem {
    // `?` stands for a place that has no name, such as the end of the text.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let path = if path.is_empty() { "." } else { path };
    Problem::new(Code::MalformedRequest, detail).with("path", path)
}

fn unreadable(rejection: BytesRejection) -> Problem {
    if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(Code::BodyTooLarge, "The body is larger than this resource accepts.")
    } else {
        Problem::new(Code::MalformedRequest, "The body could not be read.").caused_by(rejection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_has_as_many_bytes_as_it_may() {
        let chunks = |count: usize| {
            let chunks = (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![7; 1_000])));
            axum::body::Body::from_stream(futures_util::stream::iter(chunks))
        };
        assert_eq!(read_at_most(chunks(5), 5_000).await.unwrap().len(), 5_000);
        assert_eq!(read_at_most(axum::body::Body::empty(), 0).await.unwrap().len(), 0);
        for body in [chunks(6), chunks(100_000)] {
            assert_eq!(read_at_most(body, 5_000).await.unwrap_err().code, Code::BodyTooLarge);
        }
        let broken = futures_util::stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("cut"))]);
        let broken = read_at_most(axum::body::Body::from_stream(broken), 5_000).await;
        assert_eq!(broken.unwrap_err().code, Code::MalformedRequest);
    }

    #[test]
    fn nul_is_found_where_it_is_meant() {
        for (json, found) in [
            (r#""a\u0000b""#, true),
            (r#"{"\u0000": 1}"#, true),
            (r#""\\\u0000""#, true),
            (r#""\\u0000""#, false),
            (r#""\u00001""#, true),
            (r#""\u0001 u0000 0""#, false),
            ("", false),
        ] {
            assert_eq!(has_nul(json.as_bytes()), found, "{json}");
        }
    }
}
