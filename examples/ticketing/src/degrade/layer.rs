//! Refuses what is given up, before anything else is done for it.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Class, Degrade};
use crate::problem::{Code, Problem};

/// Seconds that a client is asked to wait, for each level: whoever matters least comes back last.
const WAIT: u32 = 5;

/// Lets pass what the level does not give up.
pub async fn layer(State(degrade): State<Degrade>, request: Request, next: Next) -> Response {
    let level = degrade.level();
    if level.number() > 0
        && let Some(path) = request.extensions().get::<MatchedPath>()
        && let Some(class) = Class::of(request.method(), path.as_str())
        && level.refuses(class)
    {
        metrics::counter!("ticketing_degradation_refusals_total", "class" => class.as_str()).increment(1);
        let detail = "There is too much to do: orders and payments go first.";
        return Problem::new(Code::Degraded, detail)
            .with("class", class.as_str())
            .retry_after(WAIT * u32::from(level.number()))
            .into_response();
    }
    next.run(request).await
}
