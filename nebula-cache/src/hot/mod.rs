//! Hot keys: the few that are read far more often than the rest, on whichever node.

mod sketch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::Deserialize;

use crate::cache::Cache;
use crate::channel::HotKey;
use crate::clock::millis;
use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::inner::Inner;
use crate::key::CacheKey;
use sketch::{Sketch, drawn};

/// How hot keys are found and what becomes of them; for
/// [`CacheBuilder::with_hot_keys`](crate::CacheBuilder::with_hot_keys).
///
/// A part of all reads is counted, in a fixed amount of memory. Keys that are read on one node more often than the
/// threshold within a second are hot on all nodes: their values stay in the local level until they end, however short the
/// others stay there. What is not set here may be by configuration, under `hot-keys`; the defaults stand at each option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[must_use]
pub struct HotKeys {
    threshold: Option<u32>,
    top: Option<usize>,
    sample: Option<u32>,
    #[serde(deserialize_with = "duration::optional")]
    hold: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    local_ttl: Option<Duration>,
    only_hot_in_local: Option<bool>,
}

impl HotKeys {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From how many reads a second on one node a key is hot (default 500).
    pub const fn with_threshold(mut self, reads: u32) -> Self {
        self.threshold = Some(reads);
        self
    }

    /// How many keys each node finds hot at most (default 64): those that are read most.
    pub const fn with_top(mut self, keys: usize) -> Self {
        self.top = Some(keys);
        self
    }

    /// Counts one in so many reads (default 16).
    pub const fn with_sample(mut self, one_in: u32) -> Self {
        self.sample = Some(one_in);
        self
    }

    /// How long a key stays hot when it is not read so often any more (default 30 s).
    pub const fn with_hold(mut self, time: Duration) -> Self {
        self.hold = Some(time);
        self
    }

    /// How long values of hot keys stay in the local level (default: until they end), instead of
    /// [`with_local_ttl`](crate::CacheBuilder::with_local_ttl).
    pub const fn with_local_ttl(mut self, ttl: Duration) -> Self {
        self.local_ttl = Some(ttl);
        self
    }

    /// Keeps nothing but hot keys in the local level: for large values.
    pub const fn only_hot_in_local(mut self) -> Self {
        self.only_hot_in_local = Some(true);
        self
    }

    /// With what is not set taken from `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            threshold: self.threshold.or(other.threshold),
            top: self.top.or(other.top),
            sample: self.sample.or(other.sample),
            hold: self.hold.or(other.hold),
            local_ttl: self.local_ttl.or(other.local_ttl),
            only_hot_in_local: self.only_hot_in_local.or(other.only_hot_in_local),
        }
    }

    pub(crate) fn settled(self) -> Result<Heating> {
        let heating = Heating {
            threshold: self.threshold.unwrap_or(500),
            top: self.top.unwrap_or(64),
            sample: self.sample.unwrap_or(16),
            hold: self.hold.unwrap_or(Duration::from_secs(30)),
            local_ttl: self.local_ttl.unwrap_or(crate::policy::MAX_TTL),
            only: self.only_hot_in_local.unwrap_or(false),
        };
        let zero = heating.threshold == 0 || heating.top == 0 || heating.sample == 0;
        if zero || heating.hold < Duration::from_secs(2) || heating.local_ttl.is_zero() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "hot keys need a threshold, a number and a sample above zero, and a hold of at least two seconds",
            ));
        }
        Ok(heating)
    }
}

/// [`HotKeys`] when everything is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heating {
    threshold: u32,
    top: usize,
    sample: u32,
    hold: Duration,
    pub(crate) local_ttl: Duration,
    pub(crate) only: bool,
}

/// The hot keys of one cache.
pub(crate) struct Hot<K> {
    pub(crate) options: Heating,
    sketch: Sketch,
    /// Above the threshold within this second, with the number of reads.
    candidates: Mutex<HashMap<u64, (K, u32)>>,
    /// By hash.
    hot: RwLock<HashMap<u64, Heat<K>>>,
    any: AtomicBool,
}

struct Heat<K> {
    until: u64,
    /// Known where it was found: the key, and reads in the last second in which it was above the threshold.
    found: Option<(K, u32)>,
}

impl<K: CacheKey> Hot<K> {
    pub(crate) fn new(options: Heating) -> Self {
        Self {
            options,
            sketch: Sketch::new(),
            candidates: Mutex::default(),
            hot: RwLock::default(),
            any: AtomicBool::new(false),
        }
    }

    /// Counts a read, or does not.
    #[inline]
    fn read(&self, key: &K, hash: impl FnOnce() -> u64) {
        if drawn(self.options.sample) {
            self.count(key, hash());
        }
    }

    fn count(&self, key: &K, hash: u64) {
        let reads = self.sketch.add(hash).saturating_mul(self.options.sample);
        if reads < self.options.threshold {
            return;
        }
        let mut candidates = self.candidates.lock();
        if let Some((_, most)) = candidates.get_mut(&hash) {
            *most = reads;
        } else if candidates.len() < self.options.top * 16 {
            candidates.insert(hash, (key.clone(), reads));
        }
    }

    pub(crate) fn is_hot(&self, hash: u64) -> bool {
        self.any.load(Ordering::Relaxed) && self.hot.read().contains_key(&hash)
    }

    /// To be called every second; returns what other nodes have to be told.
    fn turn(&self, now: u64) -> Vec<u64> {
        let mut found: Vec<(u64, (K, u32))> = self.candidates.lock().drain().collect();
        self.sketch.clear();
        found.sort_unstable_by_key(|(_, (_, reads))| std::cmp::Reverse(*reads));
        found.truncate(self.options.top);
        let hold = millis(self.options.hold);
        let mut hot = self.hot.write();
        hot.retain(|_, heat| heat.until > now);
        let mut news = Vec::new();
        for (hash, found) in found {
            let known = hot.get(&hash).map_or(0, |heat| heat.until);
            // Others are reminded in time.
            if known < now + hold / 2 {
                news.push(hash);
                hot.insert(hash, Heat { until: now + hold, found: Some(found) });
            } else if let Some(heat) = hot.get_mut(&hash) {
                heat.found = Some(found);
            }
        }
        self.any.store(!hot.is_empty(), Ordering::Relaxed);
        news
    }

    /// Another node says that the key is hot.
    fn heat(&self, hash: u64, now: u64) {
        let mut hot = self.hot.write();
        // Many nodes may each have their own.
        if hot.len() < self.options.top * 16 || hot.contains_key(&hash) {
            let until = now + millis(self.options.hold);
            hot.entry(hash).and_modify(|heat| heat.until = until).or_insert(Heat { until, found: None });
            self.any.store(true, Ordering::Relaxed);
        }
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// A read of the key.
    #[inline]
    pub(crate) fn note_read(&self, key: &K) {
        if let Some(hot) = &self.hot {
            self.note_read_in(hot, key);
        }
    }

    #[inline(never)]
    fn note_read_in(&self, hot: &Hot<K>, key: &K) {
        hot.read(key, || self.key_hash(&key.key_bytes()));
    }

    pub(crate) fn turn_hot_keys(&self) {
        let Some(hot) = &self.hot else { return };
        let news = hot.turn(self.core.clock.precise());
        if !news.is_empty() {
            self.core.hot.lock().extend(news.into_iter().map(|key| HotKey { cache: self.hash, key }));
        }
        crate::telemetry::hot(&self.name, hot.hot.read().len());
    }

    pub(crate) fn heat_key(&self, hash: u64) {
        if let Some(hot) = &self.hot {
            hot.heat(hash, self.core.clock.precise());
        }
    }

    pub(crate) fn hot_keys(&self) -> usize {
        self.hot.as_ref().map_or(0, |hot| hot.hot.read().len())
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// The keys that this node found hot, with about how often a second they were read; the hottest first. Empty for a
    /// cache that was not built [`with_hot_keys`](crate::CacheBuilder::with_hot_keys).
    #[must_use]
    pub fn hot_keys(&self) -> Vec<(K, u32)> {
        let Some(hot) = &self.inner.hot else { return Vec::new() };
        let mut keys: Vec<_> = hot.hot.read().values().filter_map(|heat| heat.found.clone()).collect();
        keys.sort_unstable_by_key(|(_, reads)| std::cmp::Reverse(*reads));
        keys
    }

    /// Whether the key is hot, here or on another node.
    #[must_use]
    pub fn is_hot(&self, key: &K) -> bool {
        self.inner.hot.as_ref().is_some_and(|hot| hot.is_hot(self.inner.key_hash(&key.key_bytes())))
    }
}
