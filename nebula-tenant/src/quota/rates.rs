//! Requests per second over all processes, counted by a limiter.

use std::time::Duration;

use nebula_cache::rate_limit::{Quota as Rate, RateLimiter, Rule};

use super::{Quota, Quotas};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

impl Quotas {
    /// The rules that [`with_rates`](Self::with_rates) asks its limiter for: one for each pace that some plan allows.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a pace that the limiter cannot keep, which is its source.
    pub fn rules(&self) -> Result<Vec<Rule>, Error> {
        let mut paces: Vec<_> = self.plans.values().chain([&self.otherwise]).filter_map(pace).collect();
        paces.sort_unstable();
        paces.dedup();
        let rule = |(rate, burst): (u32, u32)| {
            let quota = Rate::rate(rate.into(), Duration::from_secs(1))?.with_burst(burst.into())?;
            Rule::new(name((rate, burst)), quota)
        };
        paces.into_iter().filter(|(rate, _)| *rate > 0).map(|pace| rule(pace).map_err(failed)).collect()
    }

    /// Counts requests by this limiter, which has the [`rules`](Self::rules): on Redis, a tenant's pace holds over all processes together.
    /// What is worked on at a time is counted in each process nevertheless.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use nebula_cache::rate_limit::{MemoryRates, RateLimiter};
    /// use nebula_tenant::quota::{Quota, Quotas};
    /// use nebula_tenant::registry::{MemoryTenants, TenantRegistry};
    ///
    /// let free = Quota { requests_per_second: Some(5), ..Quota::default() };
    /// let quotas = Quotas::new(TenantRegistry::new(MemoryTenants::new()), 64).with_plan("free", free);
    /// let limiter = RateLimiter::builder(MemoryRates::new()).with_rules(quotas.rules()?).start().await?;
    /// let quotas = quotas.with_rates(limiter);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_rates(mut self, limiter: RateLimiter) -> Self {
        self.rates = Some(limiter);
        self
    }
}

/// Whether a request keeps the pace; when it may be tried again if not.
pub(super) async fn request(
    limiter: &RateLimiter,
    tenant: &TenantId,
    quota: &Quota,
) -> Result<Result<(), Duration>, Error> {
    match pace(quota) {
        None => Ok(Ok(())),
        Some((0, _)) => Ok(Err(Duration::MAX)),
        Some(pace) => {
            let decision = limiter.check(&name(pace), tenant.as_str()).await.map_err(failed)?;
            Ok(if decision.is_allowed() { Ok(()) } else { Err(decision.retry_after()) })
        }
    }
}

fn pace(quota: &Quota) -> Option<(u32, u32)> {
    let rate = quota.requests_per_second?;
    Some((rate, quota.burst.unwrap_or(rate).max(1)))
}

fn name((rate, burst): (u32, u32)) -> String {
    format!("tenant-{rate}-{burst}")
}

fn failed(error: nebula_cache::Error) -> Error {
    Error::new(ErrorKind::Config, "the limiter does not keep this pace").with_source(error)
}
