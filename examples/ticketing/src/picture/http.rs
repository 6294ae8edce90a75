//! Files of pictures, for browsers.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::domain::FileName;
use crate::{
    app::App,
    http::{Path, none_match},
    problem::{Problem, Result},
};

/// Whoever has it need never ask again.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The routes of this module.
pub fn routes() -> Router<App> {
    Router::new().route("/pictures/{name}", get(file))
}

async fn file(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    let name: FileName = name.parse().map_err(|_| Problem::not_found("picture"))?;
    let tag = name.tag();
    let etag = HeaderValue::from_str(&tag).map_err(Problem::internal)?;
    let lasting = [(header::CACHE_CONTROL, FOR_GOOD), (header::ETAG, etag)];
    // What it holds follows from its name: whoever names it has it.
    if none_match(&headers, &tag) && !is_any(&headers) {
        return Ok((StatusCode::NOT_MODIFIED, lasting).into_response());
    }
    let content = app.pictures.file(&name).await?.ok_or_else(|| Problem::not_found("picture"))?;
    Ok((lasting, [(header::CONTENT_TYPE, "image/jpeg")], content).into_response())
}

/// `If-None-Match: *` asks whether there is one at all.
fn is_any(headers: &HeaderMap) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().any(|value| value.as_bytes() == b"*")
}
