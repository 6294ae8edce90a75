//! How often buyers may order: by address, by buyer, and all together.

use std::time::Duration;

use axum::http::HeaderMap;
use nebula_cache::{
    CacheError,
    rate_limit::{Quota, RateLimiter, Request, Rule, WhenDown, http::Headers},
};

use crate::{
    ids::{SessionId, UserId},
    problem::{Code, Problem, Result},
    risk::{CONDUCT_ADDRESS, CONDUCT_GAP, CONDUCT_USER, STRIKES},
};

/// Orders from a network: people behind one address share it.
pub const BY_ADDRESS: &str = "order.ip";
/// Orders of a buyer.
pub const BY_USER: &str = "order.user";
/// Orders of a sale, from everybody.
pub const BY_SESSION: &str = "order.session";
/// Challenges that a buyer may ask for.
pub const CHALLENGES: &str = "challenge.user";
/// Prices and coupons that a buyer may ask for: also how many codes somebody may try.
pub const QUOTES: &str = "quote.user";

/// All of them: what may be changed while the platform runs.
pub const RULES: [&str; 9] =
    [BY_ADDRESS, BY_USER, BY_SESSION, CHALLENGES, QUOTES, CONDUCT_USER, CONDUCT_ADDRESS, CONDUCT_GAP, STRIKES];

/// The rules, where the configuration has none of these names.
///
/// # Errors
///
/// Never with the numbers that stand here.
pub fn default_rules() -> Result<[Rule; 9], CacheError> {
    let minute = Duration::from_secs(60);
    let rolling = |name, limit, window| Rule::new(name, Quota::rolling(limit, window)?);
    Ok([
        Rule::new(BY_ADDRESS, Quota::rate(300, minute)?.with_burst(300)?)?,
        Rule::new(BY_USER, Quota::rate(60, minute)?.with_burst(10)?)?,
        // Very many share this one: each process takes tokens in portions.
        Rule::new(BY_SESSION, Quota::rate(1_000, Duration::from_secs(1))?.with_burst(10_000)?)?
            .with_lease(100, Duration::from_millis(200))?,
        rolling(CHALLENGES, 20, 10 * minute)?,
        Rule::new(QUOTES, Quota::rate(60, minute)?.with_burst(30)?)?,
        rolling(CONDUCT_USER, 30, minute)?,
        rolling(CONDUCT_ADDRESS, 600, minute)?,
        Rule::new(CONDUCT_GAP, Quota::rate(1, Duration::from_millis(100))?.with_burst(1)?)?
            .with_when_down(WhenDown::Open),
        rolling(STRIKES, 10, 10 * minute)?.with_when_down(WhenDown::Open),
    ])
}

/// Counts and refuses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Limits(RateLimiter);

impl Limits {
    /// Limits with the rules of this limiter.
    #[must_use]
    pub fn new(limiter: RateLimiter) -> Self {
        Self(limiter)
    }

    /// The limiter.
    #[must_use]
    pub fn limiter(&self) -> &RateLimiter {
        &self.0
    }

    /// Counts an order. Answers how long to wait when there were too many, zero otherwise, and adds what answers say about it.
    ///
    /// # Errors
    ///
    /// The counters failed.
    ///
    /// # Cancel safety
    ///
    /// The order may have been counted.
    pub async fn order(
        &self,
        network: &str,
        user: UserId,
        session: SessionId,
        headers: &mut HeaderMap,
    ) -> Result<Duration> {
        let request = Request::new()
            .limit(BY_ADDRESS, network)
            .limit(BY_USER, user.0.as_bytes())
            .limit(BY_SESSION, session.0.as_bytes());
        let decision = self.0.decide(&request).await.map_err(Problem::unavailable)?;
        Headers::Standard.describe(&self.0, &[BY_ADDRESS, BY_USER, BY_SESSION], &decision, headers);
        if decision.is_allowed() {
            return Ok(Duration::ZERO);
        }
        Ok(decision.retry_after().max(Duration::from_millis(1)))
    }

    /// Whether a buyer may ask for another challenge; it is counted.
    ///
    /// # Errors
    ///
    /// [`Code::RateLimited`], or the counters failed.
    ///
    /// # Cancel safety
    ///
    /// It may have been counted.
    pub async fn challenge(&self, user: UserId) -> Result<()> {
        self.once_more(CHALLENGES, user).await
    }

    /// Whether a buyer may ask for another price, or try another coupon; it is counted.
    ///
    /// # Errors
    ///
    /// [`Code::RateLimited`], or the counters failed.
    ///
    /// # Cancel safety
    ///
    /// It may have been counted.
    pub async fn quote(&self, user: UserId) -> Result<()> {
        self.once_more(QUOTES, user).await
    }

    async fn once_more(&self, rule: &str, user: UserId) -> Result<()> {
        let decision = self.0.check(rule, user.0.as_bytes()).await.map_err(Problem::unavailable)?;
        if decision.is_allowed() { Ok(()) } else { Err(limited(decision.retry_after())) }
    }
}

/// The problem that says how long to wait.
#[must_use]
pub fn limited(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1);
    let detail = format!("That was too often. Try again in {seconds} seconds.");
    Problem::new(Code::RateLimited, detail).retry_after(seconds)
}
