//! All resolvers together.

use std::{fmt, sync::Arc};

use http::request::Parts;
use metrics::counter;
use tracing::{info, warn};

use super::{Hint, ResolveRefusal, Resolver, TenantDirectory, TenantStatus};
use crate::id::TenantId;

/// Everything that can say whose a request is, and the directory that knows who is served. Cheap to clone.
#[derive(Clone)]
pub struct Resolvers {
    all: Arc<[Box<dyn Resolver>]>,
    directory: Arc<dyn TenantDirectory>,
}

impl Resolvers {
    /// None so far; every request is refused.
    pub fn builder(directory: impl TenantDirectory + 'static) -> ResolversBuilder {
        ResolversBuilder { all: Vec::new(), directory: Arc::new(directory) }
    }

    /// Whose the request is.
    ///
    /// # Errors
    /// A [`ResolveRefusal`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn resolve(&self, request: &Parts) -> Result<TenantId, ResolveRefusal> {
        let resolved = self.agreed(request).await;
        if let Err(refusal) = &resolved {
            counter!("nebula_tenant_requests_refused_total", "reason" => refusal.code()).increment(1);
        }
        resolved
    }

    async fn agreed(&self, request: &Parts) -> Result<TenantId, ResolveRefusal> {
        let mut agreed: Option<(&'static str, TenantId)> = None;
        for resolver in self.all.iter() {
            let tenant = match resolver.resolve(request) {
                Ok(None) => continue,
                Ok(Some(Hint::Tenant(tenant))) => tenant,
                Ok(Some(Hint::Domain(domain))) => self.of_domain(&domain).await?,
                Err(_) => return Err(ResolveRefusal::Malformed),
            };
            match &agreed {
                None => agreed = Some((resolver.name(), tenant)),
                Some((_, first)) if *first == tenant => {}
                Some((name, first)) => {
                    info!(said_by = name, but_by = resolver.name(), "parts of a request name different tenants");
                    crate::audit::conflict("request", first, &tenant);
                    return Err(ResolveRefusal::Conflict);
                }
            }
        }
        let (_, tenant) = agreed.ok_or(ResolveRefusal::Missing)?;
        match self.directory.status(&tenant).await {
            Ok(Some(TenantStatus::Active)) => Ok(tenant),
            Ok(Some(TenantStatus::Preparing)) => Err(ResolveRefusal::Preparing),
            Ok(Some(TenantStatus::Suspended)) => Err(ResolveRefusal::Suspended),
            Ok(Some(TenantStatus::Archived | TenantStatus::Erasing | TenantStatus::Erased)) => {
                Err(ResolveRefusal::Archived)
            }
            Ok(None) => Err(ResolveRefusal::Unknown),
            Err(error) => {
                warn!(%error, "the directory of tenants does not answer");
                Err(ResolveRefusal::Unavailable)
            }
        }
    }

    async fn of_domain(&self, domain: &str) -> Result<TenantId, ResolveRefusal> {
        match self.directory.by_domain(domain).await {
            Ok(tenant) => tenant.ok_or(ResolveRefusal::Unknown),
            Err(error) => {
                warn!(%error, "the directory of tenants does not answer");
                Err(ResolveRefusal::Unavailable)
            }
        }
    }
}

impl fmt::Debug for Resolvers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.all.iter().map(|resolver| resolver.name()).collect();
        f.debug_struct("Resolvers").field("all", &names).finish_non_exhaustive()
    }
}

/// Collects resolvers.
#[must_use]
pub struct ResolversBuilder {
    all: Vec<Box<dyn Resolver>>,
    directory: Arc<dyn TenantDirectory>,
}

impl ResolversBuilder {
    /// One more.
    pub fn with(mut self, resolver: impl Resolver) -> Self {
        self.all.push(Box::new(resolver));
        self
    }

    /// All of them.
    #[must_use]
    pub fn build(self) -> Resolvers {
        Resolvers { all: self.all.into(), directory: self.directory }
    }
}

impl fmt::Debug for ResolversBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolversBuilder").field("resolvers", &self.all.len()).finish_non_exhaustive()
    }
}
