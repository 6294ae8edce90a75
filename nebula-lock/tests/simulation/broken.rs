//! Backends that are broken on purpose: each has to be noticed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_lock::{Attempt, Claim, DistributedLock, Holder, LockKey, Owner, Result, Watch};
use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A release deletes the lock, whoever holds it.
    BlindDelete,
    /// A renewal that comes too late takes the lock anew, and the holder believes that it has had it all the time.
    RenewAfterLoss,
    /// A renewal without a reply counts as one that succeeded.
    SilenceIsConsent,
    /// Whoever begins to wait does not look again once the watch is open.
    NoSecondLook,
    /// Waiters that died stay in line. (The server's part.)
    NoPrune,
    /// The server's clock runs 5 % fast. (The server's part.)
    FastClock,
}

/// A backend with a defect.
#[derive(Debug)]
pub(crate) struct Defective {
    inner: Arc<dyn DistributedLock>,
    defect: Option<Defect>,
    /// What claims that have just opened a watch were told before.
    told: Mutex<HashMap<Owner, (Attempt, bool)>>,
}

impl Defective {
    pub(crate) fn new(inner: Arc<dyn DistributedLock>, defect: Option<Defect>) -> Self {
        Self { inner, defect, told: Mutex::default() }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

#[async_trait]
impl DistributedLock for Defective {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        if self.has(Defect::NoSecondLook)
            && let Some((attempt, true)) = self.told.lock().remove(claim.owner())
        {
            return Ok(attempt);
        }
        let attempt = self.inner.try_acquire(claim, lease).await?;
        self.told.lock().insert(*claim.owner(), (attempt.clone(), false));
        Ok(attempt)
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        match self.inner.renew(claim, lease).await {
            Ok(false) if self.has(Defect::RenewAfterLoss) => {
                Ok(matches!(self.inner.try_acquire(claim, lease).await?, Attempt::Acquired(_)))
            }
            Err(_) if self.has(Defect::SilenceIsConsent) => Ok(true),
            reply => reply,
        }
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        if self.has(Defect::BlindDelete)
            && let Some(holder) = self.inner.inspect(claim.key()).await?
        {
            return self.inner.release(&holder.claim(claim.key().clone())).await;
        }
        self.inner.release(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        let watch = self.inner.watch(claim).await;
        if let Some((_, watched)) = self.told.lock().get_mut(claim.owner()) {
            *watched = true;
        }
        watch
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.inner.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}
