//! A backend whose keys all begin with a prefix.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::key::{IntoLockKey, LockKey};
use crate::lock::{Attempt, Claim, DistributedLock, Holder};
use crate::watch::Watch;

/// Puts a prefix before every key, so that whoever gets this backend cannot touch the locks of others: a plug-in, say, or
/// one tenant. (Where one manager uses several prefixes, [`LockManager::with_prefix`](crate::LockManager::with_prefix) is
/// simpler.)
///
/// ```
/// use nebula_lock::{LockManager, MemoryLock, Prefixed};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = MemoryLock::new();
/// let (a, b) = (Prefixed::new(server.clone(), "a:")?, Prefixed::new(server.clone(), "b:")?);
/// let guard = LockManager::new(a).lock("seat:1").await?;
/// assert!(LockManager::new(b).try_lock("seat:1").await?.is_some());
/// assert!(LockManager::new(server).try_lock("a:seat:1").await?.is_none());
/// # guard.release().await;
/// # Ok::<_, nebula_lock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Prefixed<L> {
    inner: L,
    prefix: Arc<str>,
}

impl<L> Prefixed<L> {
    /// Puts `prefix` before every key of `inner`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) for a prefix that no key can have: an empty or too long one,
    /// or one with control characters.
    pub fn new(inner: L, prefix: impl IntoLockKey) -> Result<Self> {
        Ok(Self { inner, prefix: prefix.into_lock_key()?.as_str().into() })
    }

    fn key(&self, key: &LockKey) -> Result<LockKey> {
        key.clone().prefixed(&self.prefix)
    }

    fn claim(&self, claim: &Claim) -> Result<Claim> {
        Ok(Claim::new(self.key(claim.key())?, *claim.owner()).with_mode(claim.mode()))
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<L: DistributedLock> DistributedLock for Prefixed<L> {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        self.inner.try_acquire(&self.claim(claim)?, lease).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.inner.renew(&self.claim(claim)?, lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.inner.release(&self.claim(claim)?).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        self.inner.watch(&self.claim(claim)?).await
    }

    fn join_watch(&self, claim: &Claim) -> Option<Watch> {
        self.inner.join_watch(&self.claim(claim).ok()?)
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.inner.inspect(&self.key(key)?).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}
