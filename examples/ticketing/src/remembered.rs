//! What a process asks the database for again and again, remembered for a moment: loads each key once at a time. Nobody
//! tells other processes of changes, so the moment is short. What processes share is in nebula-cache, as the
//! [catalog](crate::show::Catalog) is.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, OnceLock},
    time::Duration,
};

use metrics::{Counter, Gauge, counter, gauge};
use parking_lot::Mutex;
use tokio::{sync::OnceCell, time::Instant};

use crate::problem::Result;

/// Values by key, bounded in number and, if wanted, in age.
pub struct Cache<K, V> {
    name: &'static str,
    entries: Mutex<HashMap<K, Entry<V>>>,
    capacity: usize,
    keep: Option<Duration>,
    /// Looked up at the first read, when whoever collects them is there.
    meters: OnceLock<Meters>,
}

struct Meters {
    hits: Counter,
    misses: Counter,
    entries: Gauge,
}

struct Entry<V> {
    since: Instant,
    cell: Arc<OnceCell<V>>,
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("entries", &self.entries.lock().len()).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash + Send + Sync, V: Clone + Send + Sync> Cache<K, V> {
    /// Keeps at most `capacity` values, each for `keep` (`None`: until it has to make room). Reads are counted under `name`.
    #[must_use]
    pub fn new(name: &'static str, capacity: usize, keep: Option<Duration>) -> Self {
        Self { name, entries: Mutex::new(HashMap::new()), capacity, keep, meters: OnceLock::new() }
    }

    /// The value of `key`, from memory or from `load`. Callers that ask for a key at the same time share one `load`.
    /// A failure is not kept.
    ///
    /// # Errors
    ///
    /// What `load` answers.
    ///
    /// # Cancel safety
    ///
    /// Safe: when the caller that loads is dropped, one that waits loads instead.
    pub async fn get<F, Fut>(&self, key: K, load: F) -> Result<V>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<V>> + Send,
    {
        let cell = self.cell(&key);
        let meters = self.meters.get_or_init(|| self.meters());
        if cell.initialized() {
            meters.hits.increment(1);
        } else {
            meters.misses.increment(1);
            self.tell_size();
        }
        let loaded = cell.get_or_try_init(load).await.cloned();
        if loaded.is_err() {
            self.forget_cell(&key, &cell);
            self.tell_size();
        }
        loaded
    }

    /// Drops what is known about `key`.
    pub fn forget(&self, key: &K) {
        self.entries.lock().remove(key);
        self.tell_size();
    }

    /// Drops everything.
    pub fn forget_all(&self) {
        self.entries.lock().clear();
        self.tell_size();
    }

    #[allow(clippy::cast_precision_loss, reason = "no cache is that large")]
    fn meters(&self) -> Meters {
        gauge!("ticketing_cache_capacity", "cache" => self.name).set(self.capacity as f64);
        Meters {
            hits: counter!("ticketing_cache_reads_total", "cache" => self.name, "outcome" => "hit"),
            misses: counter!("ticketing_cache_reads_total", "cache" => self.name, "outcome" => "miss"),
            entries: gauge!("ticketing_cache_entries", "cache" => self.name),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "no cache is that large")]
    fn tell_size(&self) {
        if let Some(meters) = self.meters.get() {
            meters.entries.set(self.entries.lock().len() as f64);
        }
    }

    fn cell(&self, key: &K) -> Arc<OnceCell<V>> {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let fresh = |entry: &Entry<V>| self.keep.is_none_or(|keep| now.duration_since(entry.since) < keep);
        if let Some(entry) = entries.get(key).filter(|entry| fresh(entry)) {
            return Arc::clone(&entry.cell);
        }
        if entries.len() >= self.capacity {
            entries.retain(|_, entry| fresh(entry));
        }
        if entries.len() >= self.capacity
            && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(key, _)| key.clone())
        {
            entries.remove(&oldest);
        }
        let cell = Arc::new(OnceCell::new());
        entries.insert(key.clone(), Entry { since: now, cell: Arc::clone(&cell) });
        cell
    }

    fn forget_cell(&self, key: &K, cell: &Arc<OnceCell<V>>) {
        let mut entries = self.entries.lock();
        if entries.get(key).is_some_and(|entry| Arc::ptr_eq(&entry.cell, cell) && !cell.initialized()) {
            entries.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::problem::Problem;

    #[tokio::test(start_paused = true)]
    async fn loads_once_keeps_for_a_while_and_forgets() {
        let cache = Cache::new("test", 2, Some(Duration::from_secs(1)));
        let loads = AtomicU32::new(0);
        let load = || async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<_, Problem>(loads.fetch_add(1, Ordering::Relaxed))
        };
        let (a, b) = tokio::join!(cache.get(1, load), cache.get(1, load));
        assert_eq!((a.unwrap(), b.unwrap()), (0, 0));
        tokio::time::advance(Duration::from_millis(900)).await;
        assert_eq!(cache.get(1, load).await.unwrap(), 0);
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(cache.get(1, load).await.unwrap(), 1);
        cache.forget(&1);
        assert_eq!(cache.get(1, load).await.unwrap(), 2);
        for key in 2..20 {
            cache.get(key, load).await.unwrap();
        }
        assert_eq!(cache.entries.lock().len(), 2);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let cache: Cache<u8, u8> = Cache::new("test", 2, None);
        assert!(cache.get(1, || async { Err(Problem::not_found("thing")) }).await.is_err());
        assert_eq!(cache.entries.lock().len(), 0);
        assert_eq!(cache.get(1, || async { Ok(7) }).await.unwrap(), 7);
    }
}
