//! Where wrapped keys are kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// A data key, as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Counts from 1; the highest one seals.
    pub version: u32,
    /// The name of the master key that wrapped it.
    pub master: String,
    /// The key itself, of no use without that.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("version", &self.version)
            .field("master", &self.master)
            .finish_non_exhaustive()
    }
}

/// Keeps the wrapped keys of all tenants, apart from their data and from its backups: a key that can be restored was not erased.
///
/// # Contract
/// - `add` of a version that is there, or of any version after `erase`, changes nothing and is `false`.
/// - `erase` is final for the tenant: `load` says so with [`ErrorKind::NoKey`] from then on.
/// - What `add` and `erase` have answered is not lost.
/// - A call whose future is dropped was done, or was not, and never by half.
#[async_trait]
pub trait KeyStore: Send + Sync + fmt::Debug + 'static {
    /// All versions, lowest first; empty for a tenant that never had one.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] after [`erase`](Self::erase), [`ErrorKind::Unavailable`] if it cannot say.
    async fn load(&self, tenant: &TenantId) -> Result<Vec<WrappedKey>, Error>;

    /// Adds a version. Says whether it did.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it cannot say; the key may have been added.
    async fn add(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error>;

    /// Replaces what is there of this version, wrapped anew by another master key. Says whether it did.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it cannot say.
    async fn rewrap(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error>;

    /// Erases all keys of a tenant for good, and with them everything that they sealed.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it cannot say.
    async fn erase(&self, tenant: &TenantId) -> Result<(), Error>;
}

/// Keys in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryKeyStore {
    /// `None`: erased.
    keys: Mutex<HashMap<TenantId, Option<Vec<WrappedKey>>>>,
}

impl MemoryKeyStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<TenantId, Option<Vec<WrappedKey>>>) -> T) -> T {
        act(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl KeyStore for MemoryKeyStore {
    async fn load(&self, tenant: &TenantId) -> Result<Vec<WrappedKey>, Error> {
        match self.with(|keys| keys.get(tenant).cloned()) {
            Some(Some(keys)) => Ok(keys),
            Some(None) => Err(Error::new(ErrorKind::NoKey, "the tenant's keys were erased")),
            None => Ok(Vec::new()),
        }
    }

    async fn add(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error> {
        Ok(self.with(|keys| {
            let Some(versions) = keys.entry(tenant.clone()).or_insert_with(|| Some(Vec::new())) else { return false };
            if versions.iter().any(|known| known.version == key.version) {
                return false;
            }
            versions.push(key);
            versions.sort_by_key(|key| key.version);
            true
        }))
    }

    async fn rewrap(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error> {
        Ok(self.with(|keys| {
            let versions = keys.get_mut(tenant).and_then(Option::as_mut);
            let known = versions.and_then(|versions| versions.iter_mut().find(|known| known.version == key.version));
            known.map(|known| *known = key).is_some()
        }))
    }

    async fn erase(&self, tenant: &TenantId) -> Result<(), Error> {
        self.with(|keys| keys.insert(tenant.clone(), None));
        Ok(())
    }
}
