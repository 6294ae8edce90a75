//! Behaviour: too many requests in a minute, or too little time between two.

use nebula_cache::rate_limit::{RateLimiter, Request};

use crate::{
    ids::UserId,
    problem::{Problem, Result},
};

/// Requests of a buyer, as people make them.
pub const CONDUCT_USER: &str = "conduct.user";
/// Requests from a network, as people make them.
pub const CONDUCT_ADDRESS: &str = "conduct.ip";
/// The pause between two requests of a buyer.
pub const CONDUCT_GAP: &str = "conduct.gap";
/// How often somebody may behave abnormally before they are blacklisted.
pub const STRIKES: &str = "conduct.strikes";

/// How a buyer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// As people do.
    Ordinary,
    /// Too fast or too often: to be challenged.
    Abnormal,
    /// So often abnormal that the buyer has just been blacklisted.
    Banned,
}

/// Watches how buyers ask. What counts as abnormal, and how often it may be, are rules of the rate limiter: they are counted
/// where all limits are, and can be changed while the platform runs.
#[derive(Clone, Debug)]
pub struct Behaviour(RateLimiter);

impl Behaviour {
    /// Counts with this limiter.
    #[must_use]
    pub fn new(limiter: RateLimiter) -> Self {
        Self(limiter)
    }

    /// Counts a request of this buyer from this network, and says what it looks like.
    ///
    /// # Errors
    ///
    /// The counters failed.
    ///
    /// # Cancel safety
    ///
    /// The request may have been counted.
    pub async fn observe(&self, user: UserId, network: &str) -> Result<Conduct> {
        let key = user.0.as_bytes();
        let request = Request::new().limit(CONDUCT_GAP, key).limit(CONDUCT_USER, key).limit(CONDUCT_ADDRESS, network);
        let decision = self.0.decide(&request).await.map_err(Problem::unavailable)?;
        if decision.is_allowed() {
            return Ok(Conduct::Ordinary);
        }
        // For what an address does nobody has strikes: behind it there may be a whole school.
        let own = decision.standings().iter().take(2).flatten().any(|standing| !standing.allowed);
        if !own {
            return Ok(Conduct::Abnormal);
        }
        let strike = self.0.check(STRIKES, key).await.map_err(Problem::unavailable)?;
        Ok(if strike.is_allowed() { Conduct::Abnormal } else { Conduct::Banned })
    }
}
