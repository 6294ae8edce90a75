//! One resource in several segments, each with a lock of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::{LockGuard, Release};
use crate::hash::fnv1a;
use crate::key::{IntoLockKey, LockKey};
use crate::manager::LockManager;
use crate::multi::AcquireAll;

/// A resource that is divided into segments, so that as many callers can work on it at the same time: a stock of 1,000
/// tickets as ten of 100, say. A caller works on whatever segment it gets.
///
/// ```
/// # use nebula_lock::{LockManager, MemoryLock, SegmentedLock};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let locks = LockManager::new(MemoryLock::new());
/// let stock = SegmentedLock::new(locks, "stock:42", 10)?;
/// let segment = stock.lock().await?;
/// println!("selling from part {} of 10", segment.index());
/// segment.release().await;
/// # Ok::<_, nebula_lock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SegmentedLock {
    manager: LockManager,
    segments: Arc<[LockKey]>,
    allocation: Allocation,
    next: Arc<AtomicUsize>,
}

/// With which segment a caller begins.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// One after the other, beginning anywhere: the callers of a process spread evenly.
    #[default]
    RoundRobin,
    /// Any: also processes that were started together spread.
    Random,
    /// The first one: segments are filled, or used up, in order.
    InOrder,
}

/// A segment that is held.
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct SegmentGuard {
    index: usize,
    guard: LockGuard,
}

impl SegmentedLock {
    /// The resource `key` in `segments` segments, whose keys are `key#0`, `key#1` and so on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`] for a key that is none with its suffix, and for no segments.
    pub fn new(manager: LockManager, key: impl IntoLockKey, segments: usize) -> Result<Self> {
        let key = key.into_lock_key()?;
        if segments == 0 {
            return Err(Error::new(ErrorKind::InvalidKey, "a resource of no segments").with_key(key));
        }
        let segments = (0..segments).map(|index| LockKey::new(format!("{key}#{index}"))).collect::<Result<_>>()?;
        let next = Arc::new(AtomicUsize::new(rand::random_range(0..1 << 16)));
        Ok(Self { manager, segments, allocation: Allocation::default(), next })
    }

    /// Sets with which segment a caller begins.
    #[must_use]
    pub const fn with_allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// How many segments there are.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Takes a segment that is free; if none is, waits for the one it began with.
    ///
    /// # Errors
    ///
    /// As [`LockManager::lock`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`LockManager::lock`].
    pub async fn lock(&self) -> Result<SegmentGuard> {
        self.lock_from(self.first()).await
    }

    /// As [`lock`](Self::lock), beginning with [the segment of `name`](Self::segment_of), whatever the allocation.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`LockManager::lock`].
    pub async fn lock_for(&self, name: impl AsRef<str> + Send) -> Result<SegmentGuard> {
        self.lock_from(self.segment_of(name)).await
    }

    /// The segment at which `name` begins, a user's id for instance: the same one in every process.
    ///
    /// ```
    /// # use nebula_lock::{LockManager, MemoryLock, SegmentedLock};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let locks = LockManager::new(MemoryLock::new());
    /// let stock = SegmentedLock::new(locks, "stock:42", 20)?;
    /// let segment = stock.lock_for("user:4711").await?;
    /// assert_eq!(segment.index(), stock.segment_of("user:4711"));
    /// # segment.release().await;
    /// # Ok::<_, nebula_lock::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn segment_of(&self, name: impl AsRef<str>) -> usize {
        let segments = self.segments.len() as u64;
        usize::try_from(fnv1a(name.as_ref().as_bytes()) % segments).unwrap_or_default()
    }

    async fn lock_from(&self, first: usize) -> Result<SegmentGuard> {
        let start = Instant::now();
        if let Some(guard) = self.try_from(first).await? {
            return Ok(guard);
        }
        let rest = self.manager.options().wait.saturating_sub(start.elapsed());
        // A wait of zero would ask once more and nothing else; the answer is known.
        let guard = self.manager.lock(&self.segments[first]).wait(rest.max(Duration::from_millis(1))).await?;
        Ok(SegmentGuard { index: first, guard })
    }

    /// Takes a segment that is free; `None` if none is.
    ///
    /// # Errors
    ///
    /// As [`LockManager::try_lock`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`LockManager::try_lock`].
    pub async fn try_lock(&self) -> Result<Option<SegmentGuard>> {
        self.try_from(self.first()).await
    }

    /// Takes the segment `index`, to come back to what one has in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`] if there is no such segment; otherwise as [`LockManager::lock`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`LockManager::lock`].
    pub async fn lock_segment(&self, index: usize) -> Result<SegmentGuard> {
        let Some(key) = self.segments.get(index) else {
            let context = format!("segment {index} of {}", self.segments.len());
            return Err(Error::new(ErrorKind::InvalidKey, context));
        };
        Ok(SegmentGuard { index, guard: self.manager.lock(key).await? })
    }

    /// Asks for all segments, to count or to divide anew what is in them.
    pub fn lock_all(&self) -> AcquireAll {
        self.manager.lock_all(self.segments.iter())
    }

    fn first(&self) -> usize {
        match self.allocation {
            Allocation::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed) % self.segments.len(),
            Allocation::Random => rand::random_range(0..self.segments.len()),
            Allocation::InOrder => 0,
        }
    }

    async fn try_from(&self, first: usize) -> Result<Option<SegmentGuard>> {
        let count = self.segments.len();
        for index in (first..first + count).map(|index| index % count) {
            if let Some(guard) = self.manager.try_lock(&self.segments[index]).await? {
                return Ok(Some(SegmentGuard { index, guard }));
            }
        }
        Ok(None)
    }
}

impl SegmentGuard {
    /// Which segment it is, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The guard of its lock: fence, loss, protected work.
    pub const fn guard(&self) -> &LockGuard {
        &self.guard
    }

    /// Releases the segment; as [`LockGuard::release`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`LockGuard::release`].
    pub async fn release(self) -> Release {
        self.guard.release().await
    }
}
