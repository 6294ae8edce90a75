//! Tenants in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Saved, Tenant, TenantStore};
use crate::error::Error;
use crate::id::TenantId;

/// Tenants in memory: for tests, and for programs that read them from their configuration.
#[derive(Debug, Default)]
pub struct MemoryTenants {
    kept: Mutex<BTreeMap<TenantId, (Tenant, BTreeSet<String>)>>,
}

type Kept = BTreeMap<TenantId, (Tenant, BTreeSet<String>)>;

impl MemoryTenants {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn taken(kept: &Kept, tenant: &Tenant) -> bool {
    let mut others = kept.iter().filter(|(id, _)| **id != tenant.id);
    others.any(|(_, (other, _))| !other.domains.is_disjoint(&tenant.domains))
}

#[async_trait]
impl TenantStore for MemoryTenants {
    async fn insert(&self, tenant: &Tenant) -> Result<Saved, Error> {
        Ok(self.with(|kept| {
            if kept.contains_key(&tenant.id) {
                return Saved::IdTaken;
            }
            if taken(kept, tenant) {
                return Saved::DomainTaken;
            }
            let tenant = Tenant { version: 1, ..tenant.clone() };
            kept.insert(tenant.id.clone(), (tenant.clone(), BTreeSet::new()));
            Saved::Done(tenant)
        }))
    }

    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error> {
        Ok(self.with(|kept| kept.get(id).map(|(tenant, _)| tenant.clone())))
    }

    async fn owner(&self, domain: &str) -> Result<Option<TenantId>, Error> {
        Ok(self.with(|kept| {
            kept.values().find(|(tenant, _)| tenant.domains.contains(domain)).map(|(tenant, _)| tenant.id.clone())
        }))
    }

    async fn replace(&self, tenant: &Tenant) -> Result<Saved, Error> {
        Ok(self.with(|kept| {
            match kept.get(&tenant.id) {
                None => return Saved::Missing,
                Some((present, _)) if present.version != tenant.version => return Saved::Stale,
                Some(_) if taken(kept, tenant) => return Saved::DomainTaken,
                Some(_) => {}
            }
            let tenant = Tenant { version: tenant.version + 1, ..tenant.clone() };
            if let Some((present, _)) = kept.get_mut(&tenant.id) {
                *present = tenant.clone();
            }
            Saved::Done(tenant)
        }))
    }

    async fn page(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error> {
        Ok(self.with(|kept| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            kept.range::<TenantId, _>((from, Bound::Unbounded)).take(limit).map(|(_, (it, _))| it.clone()).collect()
        }))
    }

    async fn marks(&self, id: &TenantId) -> Result<BTreeSet<String>, Error> {
        Ok(self.with(|kept| kept.get(id).map(|(_, marks)| marks.clone()).unwrap_or_default()))
    }

    async fn mark(&self, id: &TenantId, step: &str) -> Result<(), Error> {
        self.with(|kept| {
            if let Some((_, marks)) = kept.get_mut(id) {
                marks.insert(step.to_owned());
            }
        });
        Ok(())
    }
}
