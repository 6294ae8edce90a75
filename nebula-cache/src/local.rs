//! The local level: a bounded store in this process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::entry::Stored;
use crate::error::{Error, ErrorKind, Result};
use crate::key::CacheKey;

/// The weight of one entry; `None` stands for a value that is known to be absent.
pub(crate) type Weigh<K, V> = Arc<dyn Fn(&K, Option<&V>) -> u64 + Send + Sync>;

struct Weights<K, V>(Option<Weigh<K, V>>);

impl<K, V> Clone for Weights<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Weighter<K, Stored<V>> for Weights<K, V> {
    fn weight(&self, key: &K, stored: &Stored<V>) -> u64 {
        match (&self.0, stored) {
            (None, _) => 1,
            (Some(weigh), Stored::Present(present)) => weigh(key, Some(&present.value)).max(1),
            (Some(weigh), Stored::Absent(_)) => weigh(key, None).max(1),
        }
    }
}

#[derive(Clone)]
struct Count {
    evicted: Arc<AtomicU64>,
}

impl<K, V> Lifecycle<K, Stored<V>> for Count {
    // Entries leave while their shard is locked; they are dropped when it is free again.
    type RequestState = [Option<(K, Stored<V>)>; 2];

    fn on_evict(&self, state: &mut Self::RequestState, key: K, value: Stored<V>) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
        if let Some(free) = state.iter_mut().find(|place| place.is_none()) {
            *free = Some((key, value));
        }
    }
}

pub(crate) struct Local<K, V> {
    entries: Cache<K, Stored<V>, Weights<K, V>, RandomState, Count>,
    evicted: Arc<AtomicU64>,
    replaced: AtomicU64,
}

impl<K: CacheKey, V> Local<K, V> {
    pub(crate) fn new(capacity: u64, weigh: Option<Weigh<K, V>>) -> Result<Self> {
        let items = usize::try_from(capacity).unwrap_or(usize::MAX).min(100_000);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(capacity)
            .build()
            .map_err(|error| Error::new(ErrorKind::ConfigInvalid, format!("the local level: {error}")))?;
        let evicted = Arc::<AtomicU64>::default();
        let count = Count { evicted: Arc::clone(&evicted) };
        Ok(Self {
            entries: Cache::with_options(options, Weights(weigh), RandomState::default(), count),
            evicted,
            replaced: AtomicU64::new(0),
        })
    }

    #[inline]
    pub(crate) fn get(&self, key: &K) -> Option<Stored<V>> {
        self.entries.get(key)
    }

    pub(crate) fn insert(&self, key: K, stored: Stored<V>) {
        // The store reports a value that makes room for its successor like one that makes room for others.
        if self.entries.contains_key(&key) {
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        self.entries.insert(key, stored);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.entries.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.entries.weight()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed).saturating_sub(self.replaced.load(Ordering::Relaxed))
    }
}

impl<K, V> fmt::Debug for Local<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}
