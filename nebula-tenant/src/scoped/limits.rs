//! Rate limits of one tenant.

use nebula_cache::rate_limit::{Decision, RateLimiter};

use super::key;
use crate::error::{Error, ErrorKind};

/// Limits that each tenant has for itself, over a limiter that all share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TenantLimiter {
    limiter: RateLimiter,
}

impl TenantLimiter {
    /// Over this limiter.
    #[must_use]
    pub const fn new(limiter: RateLimiter) -> Self {
        Self { limiter }
    }

    /// Decides about one key of the tenant whose work it is, under one rule, at a cost of 1.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose, [`ErrorKind::Config`] if the limiter refuses rule or key, which is its source.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether it was charged.
    pub async fn check(&self, rule: &str, name: &str) -> Result<Decision, Error> {
        let key = key([name])?;
        self.limiter.check(rule, &key).await.map_err(failed)
    }

    /// How a key of the tenant stands; nothing is charged.
    ///
    /// # Errors
    /// As those of [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn peek(&self, rule: &str, name: &str) -> Result<Decision, Error> {
        let key = key([name])?;
        self.limiter.peek(rule, &key).await.map_err(failed)
    }
}

fn failed(error: nebula_cache::Error) -> Error {
    Error::new(ErrorKind::Config, "the limiter does not decide about this").with_source(error)
}
