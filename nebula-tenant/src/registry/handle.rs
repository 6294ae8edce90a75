//! The handle that applications hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::{Saved, Tenant, TenantStore};
use crate::directory::{TenantDirectory, TenantStatus};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// How many names and domains are kept in memory, known or not.
const KEPT: usize = 10_000;
/// How long they are, until the store is asked again.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// What became of a change of a tenant's status.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Changed {
    /// It was changed, or was so already.
    Done(Tenant),
    /// From this status there is no way to the other one.
    NotFrom(TenantStatus),
    /// There is no such tenant.
    Unknown,
}

/// Knows the tenants, from memory. Cheap to clone.
///
/// What another process changes is noticed here within [`with_kept`](Self::with_kept); what this one changes, at once.
#[derive(Clone)]
pub struct TenantRegistry {
    shared: Arc<Shared>,
    kept_for: Duration,
}

struct Shared {
    store: Box<dyn TenantStore>,
    tenants: Cache<TenantId, Held<Arc<Tenant>>>,
    domains: Cache<Box<str>, Held<TenantId>>,
    /// Counts changes: what was read before one is not remembered after it.
    changes: AtomicU64,
}

#[derive(Clone)]
struct Held<T> {
    value: Option<T>,
    until: Instant,
}

impl<T: Clone> Held<T> {
    fn fresh(self) -> Option<Option<T>> {
        (Instant::now() < self.until).then_some(self.value)
    }
}

impl TenantRegistry {
    /// Of the tenants in that store.
    #[must_use]
    pub fn new(store: impl TenantStore) -> Self {
        let (tenants, domains) = (Cache::new(KEPT), Cache::new(KEPT));
        let shared = Shared { store: Box::new(store), tenants, domains, changes: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), kept_for: KEPT_FOR }
    }

    /// How long an answer is kept; 10 seconds unless said.
    #[must_use]
    pub const fn with_kept(mut self, time: Duration) -> Self {
        self.kept_for = time;
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn TenantStore {
        &*self.shared.store
    }

    /// The tenant of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store had to be asked and cannot say.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn get(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, Error> {
        if let Some(known) = self.shared.tenants.get(id).and_then(Held::fresh) {
            return Ok(known);
        }
        let before = self.shared.changes.load(Ordering::SeqCst);
        let value = self.shared.store.get(id).await?.map(Arc::new);
        let held = Held { value: value.clone(), until: Instant::now() + self.kept_for };
        self.shared.tenants.insert(id.clone(), held);
        // Looking after it was inserted: a change in between removes it, or is seen here.
        if self.shared.changes.load(Ordering::SeqCst) != before {
            self.shared.tenants.remove(id);
        }
        Ok(value)
    }

    /// Adds a tenant as it is. See [`Lifecycle::create`](super::Lifecycle::create) for one that needs something made first.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a domain or the plan's name cannot be one, [`ErrorKind::Unavailable`] if the store cannot say.
    ///
    /// # Cancel safety
    /// It may have been added.
    pub async fn insert(&self, tenant: &Tenant) -> Result<Saved, Error> {
        tenant.check()?;
        let saved = self.shared.store.insert(tenant).await;
        self.forget();
        saved
    }

    /// Saves a tenant that was read and changed.
    ///
    /// # Errors
    /// As those of [`insert`](Self::insert).
    ///
    /// # Cancel safety
    /// It may have been saved.
    pub async fn save(&self, tenant: &Tenant) -> Result<Saved, Error> {
        tenant.check()?;
        let saved = self.shared.store.replace(tenant).await;
        self.forget();
        saved
    }

    /// Stops serving a tenant, until it is [resumed](Self::resume).
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot say.
    ///
    /// # Cancel safety
    /// It may have been changed.
    pub async fn suspend(&self, id: &TenantId) -> Result<Changed, Error> {
        self.change(id, &[TenantStatus::Active], TenantStatus::Suspended).await
    }

    /// Serves a suspended or archived tenant again.
    ///
    /// # Errors
    /// As those of [`suspend`](Self::suspend).
    ///
    /// # Cancel safety
    /// It may have been changed.
    pub async fn resume(&self, id: &TenantId) -> Result<Changed, Error> {
        self.change(id, &[TenantStatus::Suspended, TenantStatus::Archived], TenantStatus::Active).await
    }

    /// Ends serving a tenant. What it has is kept.
    ///
    /// # Errors
    /// As those of [`suspend`](Self::suspend).
    ///
    /// # Cancel safety
    /// It may have been changed.
    pub async fn archive(&self, id: &TenantId) -> Result<Changed, Error> {
        self.change(id, &[TenantStatus::Active, TenantStatus::Suspended], TenantStatus::Archived).await
    }

    pub(super) async fn change(
        &self,
        id: &TenantId,
        from: &[TenantStatus],
        to: TenantStatus,
    ) -> Result<Changed, Error> {
        self.edit(id, from, to, |tenant| Tenant { status: to, ..tenant }).await
    }

    pub(super) async fn edit(
        &self,
        id: &TenantId,
        from: &[TenantStatus],
        to: TenantStatus,
        edit: impl Fn(Tenant) -> Tenant + Send + Sync,
    ) -> Result<Changed, Error> {
        loop {
            let Some(tenant) = self.shared.store.get(id).await? else { return Ok(Changed::Unknown) };
            if tenant.status == to {
                self.forget();
                return Ok(Changed::Done(tenant));
            }
            if !from.contains(&tenant.status) {
                return Ok(Changed::NotFrom(tenant.status));
            }
            match self.save(&edit(tenant)).await? {
                Saved::Done(tenant) => return Ok(Changed::Done(tenant)),
                Saved::Missing => return Ok(Changed::Unknown),
                // Somebody else was quicker. Each time that happens, somebody got further.
                Saved::Stale => {}
                Saved::IdTaken | Saved::DomainTaken => {
                    return Err(Error::new(ErrorKind::Config, "a store that calls a tenant's own domain taken"));
                }
            }
        }
    }

    fn forget(&self) {
        self.shared.changes.fetch_add(1, Ordering::SeqCst);
        self.shared.tenants.clear();
        self.shared.domains.clear();
    }
}

#[async_trait]
impl TenantDirectory for TenantRegistry {
    async fn status(&self, tenant: &TenantId) -> Result<Option<TenantStatus>, Error> {
        Ok(self.get(tenant).await?.map(|tenant| tenant.status))
    }

    async fn by_domain(&self, domain: &str) -> Result<Option<TenantId>, Error> {
        if let Some(known) = self.shared.domains.get(domain).and_then(Held::fresh) {
            return Ok(known);
        }
        let before = self.shared.changes.load(Ordering::SeqCst);
        let value = self.shared.store.owner(domain).await?;
        let held = Held { value: value.clone(), until: Instant::now() + self.kept_for };
        self.shared.domains.insert(domain.into(), held);
        if self.shared.changes.load(Ordering::SeqCst) != before {
            self.shared.domains.remove(domain);
        }
        Ok(value)
    }
}

impl fmt::Debug for TenantRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRegistry")
            .field("store", &self.shared.store)
            .field("kept_for", &self.kept_for)
            .finish_non_exhaustive()
    }
}
