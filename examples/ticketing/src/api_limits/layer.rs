//! Refuses what is too much, before anything else is done for it.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use nebula_cache::rate_limit::http::Headers;

use super::{ApiLimits, Class};
use crate::admission::limits::limited;

/// Lets pass as many requests as the server takes.
pub async fn layer(State(limits): State<ApiLimits>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let Some(class) = path.and_then(|path| Class::of(request.method(), path.as_str())) else {
        return next.run(request).await;
    };
    let limit = limits.of(class);
    match limit.take() {
        Ok(()) => next.run(request).await,
        Err(standing) => {
            let mut response = limited(standing.retry_after).with("limit", class.as_str()).into_response();
            Headers::Standard.describe_one(class.as_str(), limit.limiter.quota(), standing, response.headers_mut());
            response
        }
    }
}
