//! The embedded backend.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Result;
use crate::fence::Fence;
use crate::key::LockKey;
use crate::lock::{Attempt, Busy, Claim, DistributedLock, Holder, Watch};
use crate::owner::Owner;

/// Locks within one process. Clones share their locks, as connections to one server do.
///
/// Leases count on Tokio's clock, so a test under `tokio::time::pause` can let half an hour pass in no time.
///
/// ```
/// use nebula_lock::{LockManager, MemoryLock};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = MemoryLock::new();
/// let (here, there) = (LockManager::new(server.clone()), LockManager::new(server));
/// let guard = here.lock("seat:1").await?;
/// assert!(there.try_lock("seat:1").await?.is_none());
/// # guard.release().await;
/// # Ok::<_, nebula_lock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct MemoryLock {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    held: HashMap<LockKey, Entry>,
    /// The same holds in the order of their ends, so that abandoned ones are swept without scanning.
    ends: BTreeSet<(Instant, LockKey)>,
    /// Who wants to hear about a key; an entry lives as long as its watches.
    watches: HashMap<LockKey, watch::Sender<()>>,
    last_fence: u64,
}

struct Entry {
    owner: Owner,
    fence: Fence,
    end: Instant,
}

impl MemoryLock {
    /// A backend without any lock held.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many locks are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        let mut table = self.table.lock();
        table.sweep(Instant::now());
        table.held.len()
    }

    /// How many keys are being watched by waiting callers.
    #[must_use]
    pub fn watched(&self) -> usize {
        let mut table = self.table.lock();
        table.watches.retain(|_, sender| !sender.is_closed());
        table.watches.len()
    }
}

impl Table {
    /// Removes the holds whose lease has passed.
    fn sweep(&mut self, now: Instant) {
        while let Some((end, _)) = self.ends.first()
            && *end <= now
        {
            if let Some((_, key)) = self.ends.pop_first() {
                self.held.remove(&key);
                self.wake(&key);
            }
        }
    }

    fn hold(&mut self, claim: &Claim, fence: Fence, end: Instant) {
        let entry = Entry { owner: *claim.owner(), fence, end };
        if let Some(old) = self.held.insert(claim.key().clone(), entry) {
            self.ends.remove(&(old.end, claim.key().clone()));
        }
        self.ends.insert((end, claim.key().clone()));
    }

    fn owned_fence(&self, claim: &Claim) -> Option<Fence> {
        self.held.get(claim.key()).filter(|entry| entry.owner == *claim.owner()).map(|entry| entry.fence)
    }

    /// One counter for all keys: greater than the clock says, so that tokens kept elsewhere outlive this process.
    fn next_fence(&mut self) -> Fence {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        self.last_fence = u64::try_from(clock).unwrap_or(u64::MAX).max(self.last_fence.saturating_add(1));
        Fence::new(self.last_fence)
    }

    fn wake(&mut self, key: &LockKey) {
        if let Some(sender) = self.watches.get(key)
            && sender.send(()).is_err()
        {
            self.watches.remove(key);
        }
    }
}

#[async_trait]
impl DistributedLock for MemoryLock {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let now = Instant::now();
        let mut table = self.table.lock();
        table.sweep(now);
        if let Some(entry) = table.held.get(claim.key())
            && entry.owner != *claim.owner()
        {
            return Ok(Attempt::Busy(Busy::new().with_retry_after(entry.end - now)));
        }
        let fence = table.owned_fence(claim).unwrap_or_else(|| table.next_fence());
        table.hold(claim, fence, now + lease);
        Ok(Attempt::Acquired(fence))
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let now = Instant::now();
        let mut table = self.table.lock();
        table.sweep(now);
        let Some(fence) = table.owned_fence(claim) else { return Ok(false) };
        table.hold(claim, fence, now + lease);
        Ok(true)
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        let mut table = self.table.lock();
        table.sweep(Instant::now());
        if table.owned_fence(claim).is_none() {
            return Ok(false);
        }
        if let Some(entry) = table.held.remove(claim.key()) {
            table.ends.remove(&(entry.end, claim.key().clone()));
        }
        table.wake(claim.key());
        Ok(true)
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        let mut table = self.table.lock();
        table.watches.retain(|_, sender| !sender.is_closed());
        let receiver = table.watches.entry(claim.key().clone()).or_insert_with(|| watch::channel(()).0).subscribe();
        drop(table);
        Ok(Watch::new(stream::unfold(receiver, async |mut receiver| {
            receiver.changed().await.ok().map(|()| ((), receiver))
        })))
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        let now = Instant::now();
        let mut table = self.table.lock();
        table.sweep(now);
        Ok(table.held.get(key).map(|entry| Holder::new(entry.owner, entry.fence, entry.end - now)))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLock").field("held", &self.table.lock().held.len()).finish_non_exhaustive()
    }
}
