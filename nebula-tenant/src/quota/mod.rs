//! How much each tenant may use at a time, and whose turn it is.
//!
//! Requests per second and work at once are counted in this process (requests in all of them together by `Quotas::with_rates`, with the
//! feature `rate-limit`); what is stored and which jobs wait is counted in a
//! [`UsageStore`]. Tenants wait for a common capacity in turns: one that sends a thousand requests waits behind itself, and the next
//! one's first request behind one of them at most for each place.

mod fair;
mod labels;
#[cfg(feature = "rate-limit")]
mod rates;
#[cfg(feature = "sql")]
mod sql;
mod usage;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::sql::SqlUsage;

use self::fair::Fair;
pub use self::{
    fair::Permit,
    labels::TenantLabels,
    usage::{MemoryUsage, Resource, Taken, UsageStore},
};
use crate::audit::{self, AuditEvent};
use crate::context::current;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::registry::TenantRegistry;

/// What a plan allows. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quota {
    /// Requests per second, in the long run.
    pub requests_per_second: Option<u32>,
    /// Requests at once that were saved up; as many as in a second unless said.
    pub burst: Option<u32>,
    /// Requests that are worked on at a time.
    pub concurrency: Option<u32>,
    /// Bytes that are kept.
    pub storage: Option<u64>,
    /// Jobs that wait or run.
    pub jobs: Option<u64>,
}

/// Whether work may begin.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Admission {
    /// It may, until the permit is dropped.
    Granted(Permit),
    /// Too many requests: not before this time is over.
    TooMany {
        /// When it may be tried again.
        retry_after: Duration,
    },
    /// Too many of the tenant's requests wait, or this one has waited for too long.
    Busy,
}

/// Admits work of tenants. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use nebula_tenant::quota::{Admission, Quota, Quotas};
/// use nebula_tenant::registry::{MemoryTenants, Tenant, TenantRegistry};
/// use nebula_tenant::{TenantContext, TenantId};
///
/// let star: TenantId = "star".parse()?;
/// let tenants = TenantRegistry::new(MemoryTenants::new());
/// tenants.insert(&Tenant::new(star.clone()).with_plan("free")).await?;
/// let quotas = Quotas::new(tenants, 64).with_plan("free", Quota { requests_per_second: Some(1), ..Quota::default() });
///
/// TenantContext::of(star).scope(async {
///     assert!(matches!(quotas.admit().await?, Admission::Granted(_)));
///     assert!(matches!(quotas.admit().await?, Admission::TooMany { .. }));
///     Ok::<_, nebula_tenant::Error>(())
/// }).await??;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Quotas {
    registry: TenantRegistry,
    plans: Arc<HashMap<String, Quota>>,
    otherwise: Quota,
    fair: Fair,
    usage: Arc<dyn UsageStore>,
    labels: TenantLabels,
    patience: Duration,
    #[cfg(feature = "rate-limit")]
    rates: Option<nebula_cache::rate_limit::RateLimiter>,
}

impl Quotas {
    /// So much work at once, for the tenants of the registry. Without plans, nobody has a limit of its own.
    #[must_use]
    pub fn new(registry: TenantRegistry, at_once: usize) -> Self {
        Self {
            registry,
            plans: Arc::default(),
            otherwise: Quota::default(),
            fair: Fair::new(at_once.max(1), 1_000),
            usage: Arc::new(MemoryUsage::new()),
            labels: TenantLabels::new(100),
            patience: Duration::from_secs(10),
            #[cfg(feature = "rate-limit")]
            rates: None,
        }
    }

    /// What tenants of this plan may.
    #[must_use]
    pub fn with_plan(mut self, name: impl Into<String>, quota: Quota) -> Self {
        Arc::make_mut(&mut self.plans).insert(name.into(), quota);
        self
    }

    /// What tenants of other plans may.
    #[must_use]
    pub const fn with_default(mut self, quota: Quota) -> Self {
        self.otherwise = quota;
        self
    }

    /// Where stored bytes and jobs are counted; in memory unless said.
    #[must_use]
    pub fn with_usage(mut self, store: impl UsageStore) -> Self {
        self.usage = Arc::new(store);
        self
    }

    /// How long to wait for a turn; 10 seconds unless said.
    #[must_use]
    pub const fn with_patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// How many requests of one tenant may wait; 1000 unless said. Say so before it is cloned.
    #[must_use]
    pub fn with_waiting(mut self, requests: usize) -> Self {
        self.fair = Fair::new(self.fair.at_once(), requests);
        self
    }

    /// How many tenants have metrics of their own; 100 unless said.
    #[must_use]
    pub fn with_labels(mut self, labels: TenantLabels) -> Self {
        self.labels = labels;
        self
    }

    /// Waits until work of the tenant whose work it is may begin.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose, [`ErrorKind::Unknown`] if there is no such tenant,
    /// [`ErrorKind::Unavailable`] if the registry cannot say.
    ///
    /// # Cancel safety
    /// The place in the queue is given up; the request stays counted.
    pub async fn admit(&self) -> Result<Admission, Error> {
        let tenant = current()?;
        let quota = self.quota_of(&tenant).await?;
        let label = self.labels.of(&tenant);
        let refused = |resource: &'static str| {
            counter!("nebula_tenant_quota_refused_total", "tenant" => label.clone(), "resource" => resource)
                .increment(1);
            audit::record(&AuditEvent::Quota { tenant: tenant.clone(), resource });
        };
        if let Err(retry_after) = self.request(&tenant, &quota).await? {
            refused("requests");
            return Ok(Admission::TooMany { retry_after });
        }
        let began = Instant::now();
        let Some(turn) = self.fair.queue(&tenant, quota.concurrency) else {
            refused("concurrency");
            return Ok(Admission::Busy);
        };
        let Ok(Ok(permit)) = timeout(self.patience, turn).await else {
            refused("concurrency");
            return Ok(Admission::Busy);
        };
        counter!("nebula_tenant_admitted_total", "tenant" => label.clone()).increment(1);
        histogram!("nebula_tenant_waited_seconds", "tenant" => label).record(began.elapsed().as_secs_f64());
        Ok(Admission::Granted(permit))
    }

    /// Takes some of what the tenant whose work it is may keep or have waiting.
    ///
    /// # Errors
    /// As those of [`admit`](Self::admit), and those of the store.
    ///
    /// # Cancel safety
    /// It may have been taken.
    pub async fn take(&self, resource: Resource, amount: u64) -> Result<Taken, Error> {
        let tenant = current()?;
        let quota = self.quota_of(&tenant).await?;
        let limit = match resource {
            Resource::Storage => quota.storage,
            Resource::Jobs => quota.jobs,
        };
        let taken = self.usage.take(&tenant, resource, amount, limit).await?;
        if let Taken::Refused { .. } = taken {
            let (label, resource) = (self.labels.of(&tenant), resource.as_str());
            counter!("nebula_tenant_quota_refused_total", "tenant" => label, "resource" => resource).increment(1);
            audit::record(&AuditEvent::Quota { tenant, resource });
        }
        Ok(taken)
    }

    /// Gives back what was taken.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose, and those of the store.
    ///
    /// # Cancel safety
    /// It may have been given back.
    pub async fn give_back(&self, resource: Resource, amount: u64) -> Result<(), Error> {
        self.usage.give_back(&current()?, resource, amount).await
    }

    /// Whether a request keeps the tenant's pace; when it may be tried again if not.
    #[cfg_attr(
        not(feature = "rate-limit"),
        allow(clippy::unused_async, reason = "a limiter is asked over the network")
    )]
    async fn request(&self, tenant: &TenantId, quota: &Quota) -> Result<Result<(), Duration>, Error> {
        #[cfg(feature = "rate-limit")]
        if let Some(limiter) = &self.rates {
            return rates::request(limiter, tenant, quota).await;
        }
        Ok(self.fair.request(tenant, quota))
    }

    async fn quota_of(&self, id: &TenantId) -> Result<Quota, Error> {
        let tenant = self.registry.get(id).await?;
        let tenant = tenant.ok_or_else(|| Error::new(ErrorKind::Unknown, format!("there is no tenant {id}")))?;
        Ok(self.plans.get(&tenant.plan).copied().unwrap_or(self.otherwise))
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas")
            .field("plans", &self.plans)
            .field("otherwise", &self.otherwise)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}
