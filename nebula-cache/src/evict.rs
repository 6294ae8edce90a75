//! Evicting from a cache.

use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use crate::cache::Cache;
use crate::channel::{Invalid, Position};
use crate::error::Result;
use crate::key::{CacheKey, checked};
use crate::stats::Event;

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// Evicts the key from all levels of all nodes, and makes sure that no load that is under way brings it back.
    ///
    /// Call it after the change of what was cached is committed. When it returns, this node and the shared level have
    /// evicted it; other nodes hear of it within moments, and [`caught_up`](crate::CacheManager::caught_up) tells when.
    ///
    /// # Errors
    /// When the shared level or the channel cannot be reached: it is tried again in the background until it succeeds or
    /// the manager is shut down, and this node does not believe the shared level about the key until then.
    ///
    /// # Cancel safety
    /// Once polled the eviction takes place, whether or not it is awaited.
    pub async fn evict(&self, key: &K) -> Result<Position> {
        self.evict_many(std::slice::from_ref(key)).await
    }

    /// Evicts several keys at once, as [`evict`](Self::evict) does.
    ///
    /// # Errors
    /// As `evict`.
    ///
    /// # Cancel safety
    /// Once polled the evictions take place, whether or not they are awaited.
    pub async fn evict_many(&self, keys: &[K]) -> Result<Position> {
        let inner = &*self.inner;
        inner.core.running()?;
        let bytes = keys.iter().map(checked).collect::<Result<Vec<_>>>()?;
        inner.stats.add(Event::Evict, keys.len() as u64);
        let items: Vec<Invalid> = bytes.iter().map(|bytes| Invalid::Key(inner.key_hash(bytes))).collect();
        inner.core.apply(&items);
        if let Some(local) = &inner.local {
            keys.iter().for_each(|key| local.remove(key));
        }
        if inner.core.channel.is_none() || keys.is_empty() {
            return Ok(inner.core.tracker.position());
        }
        let stored = match inner.is_shared() {
            true => keys.iter().zip(&bytes).map(|(key, bytes)| inner.place(key, bytes).id).collect(),
            false => Vec::new(),
        };
        inner.core.outbox.send(stored, items, true).await
    }

    /// Evicts the key now, and once more after `pause`: for loaders that read a replica of the database, which may give the
    /// old value for some time after the change. The second one is not waited for, and not made if the manager is shut down
    /// before.
    ///
    /// Loads that are under way need no second eviction, see [`evict`](Self::evict); and a replica that lags for longer
    /// than `pause` still leaves the old value behind.
    ///
    /// # Errors
    /// As `evict`, for the first one.
    ///
    /// # Cancel safety
    /// Once polled both evictions take place, whether or not they are awaited.
    pub async fn evict_twice(&self, key: &K, pause: Duration) -> Result<Position> {
        let core = &self.inner.core;
        core.running()?;
        checked(key)?;
        let (cache, again, stop) = (self.clone(), key.clone(), core.stop.clone());
        core.tasks.spawn(async move {
            if stop.run_until_cancelled(sleep(pause)).await.is_some()
                && let Err(error) = cache.evict(&again).await
            {
                debug!(cache = cache.name(), %error, "the second eviction is tried again later");
            }
        });
        self.evict(key).await
    }

    /// Evicts everything from this cache on all nodes, by declaring what is stored old: nothing is searched or deleted.
    ///
    /// # Errors
    /// When the channel cannot be reached; it is tried again in the background. This node is done in any case.
    ///
    /// # Cancel safety
    /// Once polled the eviction takes place, whether or not it is awaited.
    pub async fn clear(&self) -> Result<Position> {
        self.inner.core.invalidate(Invalid::Cache(self.inner.hash)).await
    }
}
