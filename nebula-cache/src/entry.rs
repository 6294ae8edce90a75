//! What the local level holds, and what callers get.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::generations::Mark;
use crate::inner::Fence;

/// When a value stops being good, on the manager's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Until when the local level answers without looking further.
    pub(crate) local: u64,
    /// From when it is refreshed in the background.
    pub(crate) refresh: u64,
    pub(crate) fresh: u64,
    /// Until when it is served while it is refreshed.
    pub(crate) stale: u64,
    /// Until when it is served if there is nothing better.
    pub(crate) keep: u64,
}

/// Under which conditions an entry is valid. What every hit looks at comes first, beside the reference count.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Meta {
    /// Until when a valid entry is served without further thought; 0 if there are rare conditions.
    quick: u64,
    /// The number of all invalidations when it was last found valid.
    seen: AtomicU64,
    pub(crate) fence: Fence,
    pub(crate) times: Times,
    /// The rare conditions.
    pub(crate) more: Option<Box<More>>,
}

impl Meta {
    pub(crate) fn new(fence: Fence, times: Times, more: Option<Box<More>>) -> Self {
        let quick = if more.is_none() { times.local.min(times.refresh) } else { 0 };
        Self { quick, seen: AtomicU64::new(u64::MAX), fence, times, more }
    }

    /// Whether it is served without further thought if it is valid.
    #[inline]
    pub(crate) fn is_quick(&self, now: u64) -> bool {
        now < self.quick
    }

    /// Whether it is valid by `check`, which is asked only if anything was invalidated since it was last.
    #[inline]
    pub(crate) fn is_still_valid(&self, invalidations: u64, check: impl FnOnce() -> bool) -> bool {
        if self.seen.load(Ordering::Relaxed) == invalidations {
            return true;
        }
        let valid = check();
        if valid {
            self.seen.store(invalidations, Ordering::Relaxed);
        }
        valid
    }
}

#[derive(Debug)]
pub(crate) struct More {
    pub(crate) tags: Box<[Mark]>,
    /// Idle time in milliseconds; 0 for none.
    pub(crate) idle: u64,
    pub(crate) used: AtomicU64,
}

impl More {
    /// Whether it was not used in time.
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        self.idle != 0 && now.saturating_sub(self.used.load(Ordering::Relaxed)) >= self.idle
    }

    /// Whether it was used in time; if so it is used now.
    pub(crate) fn touch(&self, now: u64) -> bool {
        if self.idle == 0 {
            return true;
        }
        let used = self.used.load(Ordering::Relaxed);
        if now.saturating_sub(used) >= self.idle {
            return false;
        }
        if used != now {
            self.used.store(now, Ordering::Relaxed);
        }
        true
    }
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct Present<V> {
    pub(crate) meta: Meta,
    pub(crate) value: V,
}

/// A value, or the knowledge that there is none.
pub(crate) enum Stored<V> {
    Present(Arc<Present<V>>),
    Absent(Arc<Meta>),
}

impl<V> Clone for Stored<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Present(present) => Self::Present(Arc::clone(present)),
            Self::Absent(meta) => Self::Absent(Arc::clone(meta)),
        }
    }
}

impl<V> Stored<V> {
    pub(crate) fn new(value: Option<V>, meta: Meta) -> Self {
        match value {
            Some(value) => Self::Present(Arc::new(Present { meta, value })),
            None => Self::Absent(Arc::new(meta)),
        }
    }

    #[inline]
    pub(crate) fn meta(&self) -> &Meta {
        match self {
            Self::Present(present) => &present.meta,
            Self::Absent(meta) => meta,
        }
    }

    /// Whether it is this very entry.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.meta(), other.meta())
    }

    pub(crate) fn cached(self, stale: bool) -> Option<Cached<V>> {
        match self {
            Self::Present(entry) => Some(Cached { entry, stale }),
            Self::Absent(_) => None,
        }
    }
}

/// A value out of a cache: a shared, read-only reference that stays valid whatever happens to the cache.
///
/// ```
/// use nebula_cache::CacheManager;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let names = CacheManager::local().local_cache::<u64, String>("names").build()?;
/// names.put(7, "Ada".to_owned()).await?;
/// let name = names.get(&7).await?.expect("just put");
/// assert_eq!(name.len(), 3);
/// assert!(!name.is_stale());
/// # Ok::<_, nebula_cache::Error>(())
/// # }).unwrap();
/// ```
pub struct Cached<V> {
    entry: Arc<Present<V>>,
    stale: bool,
}

impl<V> Cached<V> {
    /// Whether the value is older than its time to live: served because it is being refreshed, or because nothing better
    /// could be had.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.stale
    }
}

impl<V> Deref for Cached<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.entry.value
    }
}

impl<V> AsRef<V> for Cached<V> {
    fn as_ref(&self) -> &V {
        self
    }
}

impl<V> Clone for Cached<V> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), stale: self.stale }
    }
}

impl<V: fmt::Debug> fmt::Debug for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<V: fmt::Display> fmt::Display for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<V: PartialEq> PartialEq for Cached<V> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<V: PartialEq> PartialEq<V> for Cached<V> {
    fn eq(&self, other: &V) -> bool {
        **self == *other
    }
}

/// The answer to [`Cache::lookup`](crate::Cache::lookup).
#[derive(Clone, Debug)]
pub enum Lookup<V> {
    /// The value is cached.
    Found(Cached<V>),
    /// It is cached that there is none.
    KnownAbsent,
    /// Nothing is cached.
    Miss,
}

/// What a loader found: a value or nothing, and how to cache it.
///
/// Loaders may return a plain `Option<V>` instead.
///
/// ```
/// use std::time::Duration;
/// use nebula_cache::Loaded;
///
/// let seat = Loaded::value("A-12").with_ttl(Duration::from_secs(5)).with_tag("event:7");
/// let nothing: Loaded<&str> = Loaded::absent();
/// ```
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    pub(crate) value: Option<V>,
    pub(crate) ttl: Option<std::time::Duration>,
    pub(crate) tags: Vec<String>,
}

impl<V> Loaded<V> {
    /// There is a value.
    #[must_use]
    pub const fn value(value: V) -> Self {
        Self { value: Some(value), ttl: None, tags: Vec::new() }
    }

    /// There is none.
    #[must_use]
    pub const fn absent() -> Self {
        Self { value: None, ttl: None, tags: Vec::new() }
    }

    /// How long it stays fresh, instead of what the cache says. Zero: it is not cached.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: std::time::Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Adds a tag by which it can be evicted, see [`CacheManager::evict_tag`](crate::CacheManager::evict_tag).
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        Self { value, ttl: None, tags: Vec::new() }
    }
}
