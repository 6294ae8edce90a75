//! The embedded backend.

mod quorum;
mod slot;

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
use crate::lock::{Attempt, Busy, Claim, DistributedLock, Holder, Mode, Place};
use crate::owner::Owner;
use crate::watch::{Hint, Watch};
use slot::Slot;

/// How long a waiter of a fair lock, and a waiting writer, is believed to be alive without being heard of.
const HEARTBEAT: Duration = Duration::from_secs(3);

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
    slots: HashMap<LockKey, Slot>,
    /// When to look at which key again, so that what is over is swept without scanning.
    ends: BTreeSet<(Instant, LockKey, Owner)>,
    /// Who wants to hear about a key; an entry lives as long as its watches.
    watches: HashMap<LockKey, watch::Sender<()>>,
    last_fence: u64,
    /// The last number of a place in a queue.
    last_place: u64,
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
        table.slots.values().filter(|slot| slot.is_held()).count()
    }

    /// How many keys anybody holds or waits for.
    #[must_use]
    pub fn keys(&self) -> usize {
        let mut table = self.table.lock();
        table.sweep(Instant::now());
        table.slots.len()
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
    /// Removes what is over.
    fn sweep(&mut self, now: Instant) {
        while let Some((end, ..)) = self.ends.first()
            && *end <= now
        {
            if let Some((_, key, _)) = self.ends.pop_first()
                && self.slots.get_mut(&key).is_some_and(|slot| slot.prune(now))
            {
                self.settle(&key);
            }
        }
    }

    /// Something changed that others may wait for.
    fn settle(&mut self, key: &LockKey) {
        if self.slots.get(key).is_some_and(Slot::is_empty) {
            self.slots.remove(key);
        }
        self.wake(key);
    }

    /// One counter for all keys: greater than the clock says, so that tokens kept elsewhere outlive this process.
    /// If a quorum proposes a token, the clock is that of the node which did.
    fn next_fence(&mut self, proposal: Option<Fence>) -> Fence {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let least = proposal.map_or_else(|| u64::try_from(clock()).unwrap_or(u64::MAX), Fence::get);
        self.last_fence = least.max(self.last_fence.saturating_add(1));
        Fence::new(self.last_fence)
    }

    /// Gives a free key to whoever is next in its queue: until that claim would have counted as dead, so that it is in nobody's
    /// way for longer if it has died.
    fn hand_over(&mut self, key: &LockKey, now: Instant) {
        let Some(next) = self.slots.get_mut(key).and_then(Slot::next) else { return };
        let fence = self.next_fence(None);
        let end = next.end.min(now + next.lease);
        self.slots.entry(key.clone()).or_default().hand_over(&next, fence, end);
        self.ends.insert((end, key.clone(), next.owner));
    }

    /// What a claim is told when something has changed. One that stands in a queue is called when it is its turn.
    fn news(&self, claim: &Claim) -> Option<Hint> {
        let slot = self.slots.get(claim.key()).filter(|_| claim.mode() == Mode::Fair);
        match slot.map(|slot| (slot.handed_to(claim.owner()), slot.is_held())) {
            Some((Some((place, fence)), _)) => Some(Hint::HandedOver { place, fence }),
            Some((None, true)) => None,
            Some((None, false)) | None => Some(Hint::Look),
        }
    }

    fn wake(&mut self, key: &LockKey) {
        if let Some(sender) = self.watches.get(key)
            && sender.send(()).is_err()
        {
            self.watches.remove(key);
        }
    }
}

impl MemoryLock {
    fn attempt(&self, claim: &Claim, lease: Duration, proposal: Option<Fence>) -> Attempt {
        let now = Instant::now();
        let end = now + lease;
        let mut table = self.table.lock();
        table.sweep(now);
        let (key, owner) = (claim.key(), *claim.owner());
        let slot = table.slots.entry(key.clone()).or_default();
        // An attempt that comes late does not cut what a renewal has added.
        let end = slot.end_of(&owner).map_or(end, |old| old.max(end));
        if let Some((fence, old)) = slot.extend(claim, end) {
            table.ends.remove(&(old, key.clone(), owner));
            table.ends.insert((end, key.clone(), owner));
            if claim.mode() == Mode::Read {
                // It may have been a writer until now.
                table.wake(key);
            }
            return Attempt::Acquired(fence);
        }
        if slot.admits(claim) {
            let fence = table.next_fence(proposal);
            table.slots.entry(key.clone()).or_default().hold(claim, fence, end);
            table.ends.insert((end, key.clone(), owner));
            return Attempt::Acquired(fence);
        }
        let dead = now + HEARTBEAT;
        table.last_place += 1;
        let number = table.last_place;
        let slot = table.slots.entry(key.clone()).or_default();
        let (heard, place) = slot.wait(claim, lease.min(HEARTBEAT), dead, number);
        let rest = slot.rest(now).unwrap_or(HEARTBEAT);
        let waits = matches!(claim.mode(), Mode::Fair | Mode::Write);
        if waits {
            if let Some(heard) = heard {
                table.ends.remove(&(heard, key.clone(), owner));
            }
            table.ends.insert((dead, key.clone(), owner));
        }
        let busy = Busy::new().with_retry_after(if waits { rest.min(HEARTBEAT / 3) } else { rest });
        Attempt::Busy(match place {
            Some(place) => busy.with_place(Place::new(place, HEARTBEAT)),
            None => busy,
        })
    }

    fn hear(&self, claim: &Claim, changes: watch::Receiver<()>) -> Watch {
        let state = (changes, Arc::clone(&self.table), claim.clone());
        Watch::new(stream::unfold(state, async |(mut changes, table, claim)| {
            loop {
                changes.changed().await.ok()?;
                let news = table.lock().news(&claim);
                if let Some(hint) = news {
                    return Some((hint, (changes, table, claim)));
                }
            }
        }))
    }
}

#[async_trait]
impl DistributedLock for MemoryLock {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        Ok(self.attempt(claim, lease, None))
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let now = Instant::now();
        let end = now + lease;
        let mut table = self.table.lock();
        table.sweep(now);
        let (key, owner) = (claim.key(), *claim.owner());
        let Some((_, old)) = table.slots.get_mut(key).and_then(|slot| slot.extend(claim, end)) else {
            return Ok(false);
        };
        table.ends.remove(&(old, key.clone(), owner));
        table.ends.insert((end, key.clone(), owner));
        Ok(true)
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        let now = Instant::now();
        let mut table = self.table.lock();
        table.sweep(now);
        let (key, owner) = (claim.key(), *claim.owner());
        let Some(slot) = table.slots.get_mut(key) else { return Ok(false) };
        let end = slot.release(&owner);
        let waited = slot.stop_waiting(&owner);
        if let Some(end) = end {
            table.ends.remove(&(end, key.clone(), owner));
        }
        if end.is_some() || waited {
            if claim.mode() == Mode::Fair {
                table.hand_over(key, now);
            }
            table.settle(key);
        }
        Ok(end.is_some())
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        let mut table = self.table.lock();
        table.watches.retain(|_, sender| !sender.is_closed());
        let receiver = table.watches.entry(claim.key().clone()).or_insert_with(|| watch::channel(()).0).subscribe();
        drop(table);
        Ok(self.hear(claim, receiver))
    }

    fn join_watch(&self, claim: &Claim) -> Option<Watch> {
        let table = self.table.lock();
        let receiver = table.watches.get(claim.key()).filter(|sender| !sender.is_closed())?.subscribe();
        drop(table);
        Some(self.hear(claim, receiver))
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        let now = Instant::now();
        let mut table = self.table.lock();
        table.sweep(now);
        Ok(table.slots.get(key).and_then(|slot| slot.holder(now)))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLock").field("keys", &self.table.lock().slots.len()).finish_non_exhaustive()
    }
}
