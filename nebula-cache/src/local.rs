//! The local level: a bounded store in this process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::entry::{Meta, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::key::CacheKey;
use crate::snapshot::Evictions;

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

/// Hands over what leaves: entries leave while their shard is locked, and are looked at and dropped when it is free again.
#[derive(Clone)]
struct Collect;

impl<K, V> Lifecycle<K, Stored<V>> for Collect {
    type RequestState = Vec<(K, Stored<V>)>;

    fn on_evict(&self, left: &mut Self::RequestState, key: K, value: Stored<V>) {
        left.push((key, value));
    }
}

/// Why an entry leaves the local level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Cause {
    Capacity,
    Expired,
    Invalidated,
    Replaced,
    Explicit,
}

const CAUSES: usize = 5;

#[derive(Debug, Default)]
struct Counts {
    left: [AtomicU64; CAUSES],
    weight: AtomicU64,
}

impl Counts {
    fn count(&self, cause: Cause) {
        if let Some(left) = self.left.get(cause as usize) {
            left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) struct Local<K, V> {
    entries: Cache<K, Stored<V>, Weights<K, V>, RandomState, Collect>,
    weights: Weights<K, V>,
    counts: Counts,
}

impl<K: CacheKey, V> Local<K, V> {
    pub(crate) fn new(capacity: u64, weigh: Option<Weigh<K, V>>) -> Result<Self> {
        let items = usize::try_from(capacity).unwrap_or(usize::MAX).min(100_000);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(capacity)
            .build()
            .map_err(|error| Error::new(ErrorKind::ConfigInvalid, format!("the local level: {error}")))?;
        let weights = Weights(weigh);
        Ok(Self {
            entries: Cache::with_options(options, weights.clone(), RandomState::default(), Collect),
            weights,
            counts: Counts::default(),
        })
    }

    #[inline]
    pub(crate) fn get(&self, key: &K) -> Option<Stored<V>> {
        self.entries.get(key)
    }

    /// `ended` says why an entry would have had to leave anyway.
    pub(crate) fn insert(&self, key: &K, stored: Stored<V>, ended: impl Fn(&Meta) -> Option<Cause>) {
        let mut left = Vec::new();
        let new = stored.clone();
        self.entries.insert_with_lifecycle(key.clone(), stored, &mut left);
        for (old_key, old) in left {
            let cause = match ended(old.meta()) {
                // The store reports a value that makes room for its successor like one that makes room for others, and like
                // one that is too heavy to be let in.
                ended if old_key == *key && !old.is(&new) => {
                    ended.filter(|it| *it == Cause::Expired).unwrap_or(Cause::Replaced)
                }
                ended => ended.unwrap_or(Cause::Capacity),
            };
            self.counts.count(cause);
            if cause == Cause::Capacity {
                self.counts.weight.fetch_add(self.weights.weight(&old_key, &old), Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        if self.entries.remove(key).is_some() {
            self.counts.count(Cause::Explicit);
        }
    }

    /// Removes an entry that has ended, unless there is another one by now.
    pub(crate) fn end(&self, key: &K, stored: &Stored<V>, cause: Cause) {
        if self.entries.remove_if(key, |there| there.is(stored)).is_some() {
            self.counts.count(cause);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.entries.weight()
    }

    pub(crate) fn evictions(&self) -> Evictions {
        let left =
            |cause| self.counts.left.get(cause as usize).map_or(0, |left: &AtomicU64| left.load(Ordering::Relaxed));
        Evictions {
            capacity: left(Cause::Capacity),
            capacity_weight: self.counts.weight.load(Ordering::Relaxed),
            expired: left(Cause::Expired),
            invalidated: left(Cause::Invalidated),
            replaced: left(Cause::Replaced),
            explicit: left(Cause::Explicit),
        }
    }
}

impl<K, V> fmt::Debug for Local<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}
