//! What can be decided for one cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::behind::{Plan, WriteBehind, WriteSink};
use crate::bloom::KeyFilter;
use crate::cache::Cache;
use crate::codec::Codec;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::hot::HotKeys;
use crate::key::CacheKey;
use crate::local::Weigh;
use crate::policy::Policy;

/// Sets up a [`Cache`]; from [`CacheManager::cache`](crate::CacheManager::cache). The defaults stand at each option, and
/// configuration may have changed them.
///
/// ```
/// use std::time::Duration;
/// use nebula_cache::CacheManager;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let trains = CacheManager::local()
///     .cache::<String, Vec<String>>("trains")
///     .with_ttl(Duration::from_secs(3600))
///     .with_fail_safe(Duration::from_secs(600))
///     .build()?;
/// # Ok::<_, nebula_cache::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "call `build`"]
pub struct CacheBuilder<K, V> {
    pub(crate) core: Arc<Core>,
    pub(crate) name: Arc<str>,
    pub(crate) policy: Policy,
    pub(crate) codec: Option<Arc<dyn Codec<V>>>,
    pub(crate) weigh: Option<Weigh<K, V>>,
    pub(crate) behind: Option<Plan<K, V>>,
    pub(crate) filter: Option<Arc<dyn KeyFilter>>,
}

impl<K: CacheKey, V: Send + Sync + 'static> CacheBuilder<K, V> {
    pub(crate) fn new(core: &Arc<Core>, name: Arc<str>) -> Self {
        let policy = core.policy_of(&name);
        Self { core: Arc::clone(core), name, policy, codec: None, weigh: None, behind: None, filter: None }
    }

    /// How values become bytes for the shared level (default: [`Postcard`](crate::Postcard)).
    pub fn with_codec(mut self, codec: impl Codec<V>) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// The version of the value's type (default 0). Raise it when the type changes: what was stored with another version, or
    /// with another codec, counts as missing and is replaced; nobody tries to decode it.
    ///
    /// While programs of both versions run, each loads again what the other has replaced, and evictions of either reach both:
    /// they share the key, and its lease.
    ///
    /// ```
    /// use nebula_cache::{CacheManager, MemoryShared};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let shared = MemoryShared::new();
    /// let (old, new) = (CacheManager::new(shared.clone()).await?, CacheManager::new(shared).await?);
    /// let before = old.cache::<u64, String>("users").build()?;
    /// before.put(7, "Ada".to_owned()).await?;
    /// // Now a user has a year of birth, too.
    /// let after = new.cache::<u64, (String, u16)>("users").with_schema(1).build()?;
    /// assert!(after.get(&7).await?.is_none());
    /// assert_eq!(after.snapshot().other_schema, 1);
    /// # Ok::<_, nebula_cache::Error>(())
    /// # }).unwrap();
    /// ```
    pub const fn with_schema(mut self, schema: u32) -> Self {
        self.policy.schema = schema;
        self
    }

    /// How long values are fresh (default 5 min).
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.policy.ttl = ttl;
        self
    }

    /// Which part of the time to live is left out at random, so that values stored together do not end together
    /// (default 0.1).
    pub const fn with_jitter(mut self, part: f64) -> Self {
        self.policy.jitter = part;
        self
    }

    /// How long it is remembered that there is no value (default 30 s); zero: not at all.
    pub const fn with_null_ttl(mut self, ttl: Duration) -> Self {
        self.policy.null_ttl = ttl;
        self
    }

    /// Forgets values that were not read for so long (default: never).
    pub const fn with_idle_ttl(mut self, ttl: Duration) -> Self {
        self.policy.idle = Some(ttl);
        self
    }

    /// How long a value may stay in the local level before the shared one is asked again (default 5 min).
    pub const fn with_local_ttl(mut self, ttl: Duration) -> Self {
        self.policy.local_ttl = ttl;
        self
    }

    /// How many values the local level holds (default 10,000); none: there is no local level.
    pub const fn with_local_capacity(mut self, entries: u64) -> Self {
        self.policy.local_capacity = entries;
        self
    }

    /// Bounds the local level by weight instead of number: bytes, say.
    pub fn with_local_weight(
        mut self,
        capacity: u64,
        weigh: impl Fn(&K, Option<&V>) -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.policy.local_capacity = capacity;
        self.weigh = Some(Arc::new(weigh));
        self
    }

    /// For how long after its time to live a value is served while it is being refreshed (default: not).
    pub const fn with_stale_while_revalidate(mut self, time: Duration) -> Self {
        self.policy.stale_while_revalidate = time;
        self
    }

    /// For how long after its time to live a value is served when loading fails (default: not).
    pub const fn with_fail_safe(mut self, time: Duration) -> Self {
        self.policy.fail_safe = time;
        self
    }

    /// Refreshes a value in the background when it is read after this part of its time to live (default: not).
    pub const fn with_refresh_ahead(mut self, part: f64) -> Self {
        self.policy.refresh_ahead = Some(part);
        self
    }

    /// After so long callers get a stale value, if there is one, while loading goes on (default: never).
    pub const fn with_soft_timeout(mut self, time: Duration) -> Self {
        self.policy.soft_timeout = Some(time);
        self
    }

    /// After so long a load is given up (default 10 s, at most 4 min).
    pub const fn with_load_timeout(mut self, time: Duration) -> Self {
        self.policy.load_timeout = time;
        self
    }

    /// How long a key is left alone after loading it failed; doubles from `min` to `max` with each failure in a row
    /// (default 100 ms to 5 s).
    pub const fn with_back_off(mut self, min: Duration, max: Duration) -> Self {
        self.policy.back_off = (min, max);
        self
    }

    /// How many loads may be under way at once in this process (default 256).
    pub const fn with_max_loads(mut self, loads: usize) -> Self {
        self.policy.max_loads = loads;
        self
    }

    /// How long the shared level may take for an answer (default 500 ms).
    pub const fn with_shared_timeout(mut self, time: Duration) -> Self {
        self.policy.shared_timeout = time;
        self
    }

    /// From when an answer of the shared level counts as slow and is worth a warning, at most one a second (default 100 ms).
    /// Warnings have the operation, the time and the hash of the key, never the key.
    pub const fn with_slow_shared(mut self, time: Duration) -> Self {
        self.policy.slow_shared = time;
        self
    }

    /// From which size in bytes values are compressed in the shared level (default 4 KiB; needs the feature `zstd`).
    pub const fn with_compress_above(mut self, bytes: usize) -> Self {
        self.policy.compress_above = bytes;
        self
    }

    /// From which encoded size in bytes a value is worth a warning, and from which it is refused by the shared level
    /// (default 64 KiB and 1 MiB).
    pub const fn with_size_limits(mut self, warn: usize, max: usize) -> Self {
        self.policy.warn_above = warn;
        self.policy.max_value = max;
        self
    }

    /// From when a load counts as slow and is worth a warning (default 1 s).
    pub const fn with_slow_load(mut self, time: Duration) -> Self {
        self.policy.slow_load = time;
        self
    }

    /// Finds hot keys and keeps them in the local level, on all nodes (default: not, unless configuration says so).
    pub fn with_hot_keys(mut self, options: HotKeys) -> Self {
        self.policy.hot = Some(options.or(self.policy.hot.unwrap_or_default()));
        self
    }

    /// Asks `filter` before anything is looked for outside of this process: what certainly does not exist is not loaded, so
    /// that made-up keys never reach the source. Keys that are put or written are added to it; others have to be added by
    /// whoever creates them, before it is committed.
    pub fn with_filter(mut self, filter: impl KeyFilter) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Lets [`Cache::write_behind`] write to `sink`.
    pub fn with_write_behind(mut self, sink: impl WriteSink<K, V>, options: WriteBehind) -> Self
    where
        V: Clone,
    {
        self.policy.behind = options.or(self.policy.behind);
        self.behind = Some(Plan { sink: Arc::new(sink), clone: V::clone });
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// [`ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for values that cannot work, or if the manager has a cache of
    /// this name.
    pub fn build(self) -> Result<Cache<K, V>> {
        self.policy.check()?;
        check_name(&self.name, "a cache")?;
        Cache::new(self)
    }
}

/// Names become parts of keys and labels.
pub(crate) fn check_name(name: &str, whose: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if name.is_empty() || name.len() > 200 || !name.bytes().all(plain) {
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            format!("the name of {whose} has 1 to 200 letters, digits, `-`, `_`, `.` or `/`: {name:?}"),
        ));
    }
    Ok(())
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}
