//! Backends that are broken on purpose: each has to be noticed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use nebula_lock::{Attempt, Claim, DistributedLock, Hint, Holder, LockKey, Owner, Result, Watch};
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
    /// Whatever place a lock was handed over to counts as the present one.
    AnyPlace,
    /// Waiters that died stay in line. (The server's part.)
    NoPrune,
    /// A guard tells of the loss later than its lease allows. (The caller's part.)
    LateWord,
    /// The server's clock runs 5 % fast. (The server's part.)
    FastClock,
}

/// A backend with a defect.
#[derive(Debug)]
pub(crate) struct Defective {
    inner: Arc<dyn DistributedLock>,
    defect: Option<Defect>,
    /// What claims that have just opened a watch were told before.
    told: Arc<Told>,
}

type Told = Mutex<HashMap<Owner, (Attempt, bool)>>;

impl Defective {
    pub(crate) fn new(inner: Arc<dyn DistributedLock>, defect: Option<Defect>) -> Self {
        Self { inner, defect, told: Arc::default() }
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
        if self.has(Defect::AnyPlace) {
            return Ok(with_any_place(watch?, *claim.owner(), Arc::clone(&self.told)));
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

fn with_any_place(watch: Watch, owner: Owner, told: Arc<Told>) -> Watch {
    Watch::new(stream::unfold((watch, told), move |(mut watch, told): (Watch, Arc<Told>)| async move {
        let hint = match watch.changed().await {
            Hint::HandedOver { place, fence } => {
                let present = match told.lock().get(&owner) {
                    Some((Attempt::Busy(busy), _)) => busy.place().map(|place| place.number()),
                    _ => None,
                };
                Hint::HandedOver { place: present.unwrap_or(place), fence }
            }
            hint => hint,
        };
        Some((hint, (watch, told)))
    }))
}
