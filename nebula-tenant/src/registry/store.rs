//! Where tenants are kept.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Tenant;
use crate::error::Error;
use crate::id::TenantId;

/// What became of a tenant that was to be saved.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Saved {
    /// It was, and looks like this now.
    Done(Tenant),
    /// There is, or was, one of this name.
    IdTaken,
    /// One of its domains is another's.
    DomainTaken,
    /// Somebody else has saved it since it was read.
    Stale,
    /// There is none of this name.
    Missing,
}

/// Keeps tenants.
///
/// # Contract
/// - `insert` keeps a tenant as version 1. A name that was ever used is `IdTaken`, and nothing changes.
/// - A domain is one tenant's: `insert` and `replace` say `DomainTaken` otherwise, and nothing changes.
/// - `replace` is done if the version is the one that is kept, which then counts up: of several at once, one is done and the
///   others are `Stale`. A name that is not known is `Missing`.
/// - `get` gives what was saved last; `owner` follows the domains, and a domain that was given up is nobody's.
/// - `page` is ordered by the bytes of the names, begins after the name given, and has at most so many.
/// - `mark` is remembered for its tenant alone; marking again changes nothing.
/// - A call whose future is dropped was done, or was not, and never by half.
#[async_trait]
pub trait TenantStore: Send + Sync + fmt::Debug + 'static {
    /// Keeps a new tenant.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if it cannot say; it may have been kept.
    async fn insert(&self, tenant: &Tenant) -> Result<Saved, Error>;

    /// The tenant of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if it cannot say.
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error>;

    /// Whose a domain is.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    async fn owner(&self, domain: &str) -> Result<Option<TenantId>, Error>;

    /// Keeps a tenant instead of the one of the same name and version.
    ///
    /// # Errors
    /// As those of [`insert`](Self::insert).
    async fn replace(&self, tenant: &Tenant) -> Result<Saved, Error>;

    /// Some of all tenants, in order.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    async fn page(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error>;

    /// The steps that were done for a tenant.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    async fn marks(&self, id: &TenantId) -> Result<BTreeSet<String>, Error>;

    /// Remembers that a step was done.
    ///
    /// # Errors
    /// As those of [`insert`](Self::insert).
    async fn mark(&self, id: &TenantId, step: &str) -> Result<(), Error>;
}

#[async_trait]
impl<S: TenantStore + ?Sized> TenantStore for Arc<S> {
    async fn insert(&self, tenant: &Tenant) -> Result<Saved, Error> {
        (**self).insert(tenant).await
    }

    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error> {
        (**self).get(id).await
    }

    async fn owner(&self, domain: &str) -> Result<Option<TenantId>, Error> {
        (**self).owner(domain).await
    }

    async fn replace(&self, tenant: &Tenant) -> Result<Saved, Error> {
        (**self).replace(tenant).await
    }

    async fn page(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error> {
        (**self).page(after, limit).await
    }

    async fn marks(&self, id: &TenantId) -> Result<BTreeSet<String>, Error> {
        (**self).marks(id).await
    }

    async fn mark(&self, id: &TenantId, step: &str) -> Result<(), Error> {
        (**self).mark(id, step).await
    }
}
