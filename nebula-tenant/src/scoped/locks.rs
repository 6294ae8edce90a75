//! Locks of one tenant.

use nebula_lock::{Acquire, LockManager, TryAcquire};

use super::key;
use crate::error::Error;

/// Locks that each tenant has for itself, over a manager that all share. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use nebula_lock::{LockManager, MemoryLock};
/// use nebula_tenant::{TenantContext, scoped::TenantLocks};
///
/// let locks = TenantLocks::new(LockManager::new(MemoryLock::new()));
/// let (star, moon) = (TenantContext::of("star".parse()?), TenantContext::of("moon".parse()?));
/// let held = star.scope(async { Ok::<_, nebula_tenant::Error>(locks.lock("seat:12")?.await) }).await???;
/// assert!(moon.scope(async { locks.try_lock("seat:12") }).await??.await?.is_some(), "another seat");
/// assert_eq!(held.release().await, nebula_lock::Release::Released);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TenantLocks {
    manager: LockManager,
}

impl TenantLocks {
    /// Over this manager.
    #[must_use]
    pub const fn new(manager: LockManager) -> Self {
        Self { manager }
    }

    /// [`LockManager::lock`] for the tenant whose work it is.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`](crate::ErrorKind::NoTenant) if nobody said whose.
    pub fn lock(&self, name: &str) -> Result<Acquire, Error> {
        Ok(self.manager.lock(key([name])?))
    }

    /// [`LockManager::try_lock`] for the tenant whose work it is.
    ///
    /// # Errors
    /// As those of [`lock`](Self::lock).
    pub fn try_lock(&self, name: &str) -> Result<TryAcquire, Error> {
        Ok(self.manager.try_lock(key([name])?))
    }

    /// [`LockManager::read`] for the tenant whose work it is.
    ///
    /// # Errors
    /// As those of [`lock`](Self::lock).
    pub fn read(&self, name: &str) -> Result<Acquire, Error> {
        Ok(self.manager.read(key([name])?))
    }

    /// [`LockManager::write`] for the tenant whose work it is.
    ///
    /// # Errors
    /// As those of [`lock`](Self::lock).
    pub fn write(&self, name: &str) -> Result<Acquire, Error> {
        Ok(self.manager.write(key([name])?))
    }
}
