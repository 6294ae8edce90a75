//! One resource in several segments, each with a lock of its own.

mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::entropy;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{LockGuard, Release};
use crate::hash::fnv1a;
use crate::key::{IntoLockKey, LockKey};
use crate::manager::LockManager;
use crate::multi::AcquireAll;
pub use request::{AcquireSegment, TryAcquireSegment};

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
        let next = Arc::new(AtomicUsize::new(entropy::below(1 << 16)));
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

    /// Asks for a segment that is free, and waits for any of them if none is; see [`AcquireSegment`] for what can be set, and for
    /// errors.
    pub fn lock(&self) -> AcquireSegment {
        AcquireSegment::new(self, Ok(self.from(self.first())))
    }

    /// As [`lock`](Self::lock), beginning with [the segment of `name`](Self::segment_of), whatever the allocation.
    pub fn lock_for(&self, name: impl AsRef<str>) -> AcquireSegment {
        AcquireSegment::new(self, Ok(self.from(self.segment_of(name))))
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

    /// Asks once for a segment that is free; `None` if none is.
    pub fn try_lock(&self) -> TryAcquireSegment {
        TryAcquireSegment::new(self, self.from(self.first()))
    }

    /// Asks for the segment `index`, to come back to what one has in it. [`ErrorKind::InvalidKey`] if there is no such segment.
    pub fn lock_segment(&self, index: usize) -> AcquireSegment {
        let known = if index < self.segments.len() {
            Ok(vec![index])
        } else {
            Err(Error::new(ErrorKind::InvalidKey, format!("segment {index} of {}", self.segments.len())))
        };
        AcquireSegment::new(self, known)
    }

    /// Asks for all segments, to count or to divide anew what is in them.
    pub fn lock_all(&self) -> AcquireAll {
        self.manager.lock_all(self.segments.iter())
    }

    fn first(&self) -> usize {
        match self.allocation {
            Allocation::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed) % self.segments.len(),
            Allocation::Random => entropy::below(self.segments.len()),
            Allocation::InOrder => 0,
        }
    }

    /// All segments, beginning with `first`.
    fn from(&self, first: usize) -> Vec<usize> {
        let count = self.segments.len();
        (first..first + count).map(|index| index % count).collect()
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
