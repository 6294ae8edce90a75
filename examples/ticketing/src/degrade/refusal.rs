//! Refuses what is given up, before anything else is done for it.

use axum::{
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};

use super::{Class, Degrade};
use crate::problem::{Code, Problem};

/// Seconds that a client is asked to wait, for each level: whoever matters least comes back last.
const WAIT: u32 = 5;

/// What answers a request that the level gives up.
pub fn refusal(degrade: &Degrade, request: &Request) -> Option<Response> {
    let level = degrade.level();
    if level.number() == 0 {
        return None;
    }
    let path = request.extensions().get::<MatchedPath>()?;
    let class = Class::of(request.method(), path.as_str()).filter(|class| level.refuses(*class))?;
    metrics::counter!("ticketing_degradation_refusals_total", "class" => class.as_str()).increment(1);
    let problem = Problem::new(Code::Degraded, "There is too much to do: orders and payments go first.")
        .with("class", class.as_str())
        .retry_after(WAIT * u32::from(level.number()));
    Some(problem.into_response())
}
