//! Refuses what is too much, before anything else is done for it.

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use nebula_cache::rate_limit::http::Headers;

use super::{ApiLimits, Class};
use crate::admission::limits::limited;

/// What answers a request that is one more than the server takes. Counts the others.
pub fn refusal(limits: &ApiLimits, request: &Request) -> Option<Response> {
    let path = request.extensions().get::<MatchedPath>()?;
    let class = Class::of(request.method(), path.as_str())?;
    let limit = limits.of(class);
    let standing = limit.take().err()?;
    let mut response = limited(standing.retry_after).with("limit", class.as_str()).into_response();
    Headers::Standard.describe_one(class.as_str(), limit.limiter.quota(), standing, response.headers_mut());
    Some(response)
}
