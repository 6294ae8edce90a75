//! Write-behind: values are cached at once and reach the source later, many at a time.

mod flush;
mod queue;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cache::Cache;
use crate::duration;
use crate::entry::{Loaded, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::inner::Inner;
use crate::key::{CacheKey, checked};
use queue::Queue;

/// The error of a [`WriteSink`]; any error will do.
pub type SinkError = Box<dyn StdError + Send + Sync>;

/// Where write-behind writes to.
///
/// # Contract
/// - `write` writes all of `batch`, in which each key stands once; `None` deletes.
/// - When it fails, any part of the batch may have been written; all of it is offered again, with newer values where there
///   are some. So writing the same value twice has to be harmless.
#[async_trait]
pub trait WriteSink<K, V>: Send + Sync + 'static {
    /// Writes to the source.
    ///
    /// # Errors
    /// When it is not known that everything was written.
    async fn write(&self, batch: &[(K, Option<V>)]) -> Result<(), SinkError>;
}

/// How [`Cache::write_behind`] collects; see [`CacheBuilder::with_write_behind`](crate::CacheBuilder::with_write_behind).
///
/// # What can be lost
/// What waits is in the memory of this process alone. If the process dies, everything accepted within about the last
/// [`delay`](Self::with_delay) is lost, and while the source fails, everything accepted since: at most
/// [`capacity`](Self::with_capacity) keys. [`CacheManager::shutdown`](crate::CacheManager::shutdown) writes what waits. Never
/// use it for what must not be lost: stock, money, orders.
///
/// What is not set here may be by configuration, under `write-behind`; the defaults stand at each option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[must_use]
pub struct WriteBehind {
    capacity: Option<usize>,
    batch: Option<usize>,
    #[serde(deserialize_with = "duration::optional")]
    delay: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    back_off_min: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    back_off_max: Option<Duration>,
}

impl WriteBehind {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys may wait (default 10,000); beyond that writers wait.
    pub const fn with_capacity(mut self, keys: usize) -> Self {
        self.capacity = Some(keys);
        self
    }

    /// How many keys are written at once at most (default 100).
    pub const fn with_batch(mut self, keys: usize) -> Self {
        self.batch = Some(keys);
        self
    }

    /// How long values are collected (default 1 s): several values of one key within it are written once.
    pub const fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// How long the source may take for a batch (default 10 s).
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The pause after a failed write; doubles from `min` to `max` with each failure in a row (default 100 ms to 5 s).
    pub const fn with_back_off(mut self, min: Duration, max: Duration) -> Self {
        (self.back_off_min, self.back_off_max) = (Some(min), Some(max));
        self
    }

    /// With what is not set taken from `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            capacity: self.capacity.or(other.capacity),
            batch: self.batch.or(other.batch),
            delay: self.delay.or(other.delay),
            timeout: self.timeout.or(other.timeout),
            back_off_min: self.back_off_min.or(other.back_off_min),
            back_off_max: self.back_off_max.or(other.back_off_max),
        }
    }

    pub(crate) fn settled(self) -> Result<Pace> {
        let pace = Pace {
            capacity: self.capacity.unwrap_or(10_000),
            batch: self.batch.unwrap_or(100),
            delay: self.delay.unwrap_or(Duration::from_secs(1)),
            timeout: self.timeout.unwrap_or(Duration::from_secs(10)),
            pause: (
                self.back_off_min.unwrap_or(Duration::from_millis(100)),
                self.back_off_max.unwrap_or(Duration::from_secs(5)),
            ),
        };
        let zero = [pace.delay, pace.timeout, pace.pause.0].iter().any(Duration::is_zero);
        if pace.capacity == 0 || pace.batch == 0 || zero || pace.pause.1 < pace.pause.0 {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "write-behind needs a capacity, a batch size, a delay, a timeout and a back-off above zero",
            ));
        }
        Ok(pace)
    }
}

/// [`WriteBehind`] when everything is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    capacity: usize,
    batch: usize,
    delay: Duration,
    timeout: Duration,
    pause: (Duration, Duration),
}

const LOCKS: usize = 64;

/// The write-behind of one cache.
pub(crate) struct Behind<K, V> {
    queue: Arc<Queue<K, V>>,
    clone: fn(&V) -> V,
    /// Whoever writes a key has its lock, so that the cache and the queue see its values in the same order.
    order: [tokio::sync::Mutex<()>; LOCKS],
    /// Dropped with the cache: what waits is written then.
    _gone: DropGuard,
}

/// What the builder was given, before there is a cache.
pub(crate) struct Plan<K, V> {
    pub(crate) sink: Arc<dyn WriteSink<K, V>>,
    pub(crate) clone: fn(&V) -> V,
}

impl<K: CacheKey, V: Send + Sync + 'static> Behind<K, V> {
    /// Starts writing.
    pub(crate) fn start(plan: Plan<K, V>, pace: Pace, cache: &Arc<Inner<K, V>>) -> Self {
        let core = &cache.core;
        let queue = Arc::new(Queue::new(pace.capacity, plan.clone));
        let gone = CancellationToken::new();
        let writer = flush::Writer {
            queue: Arc::clone(&queue),
            pace,
            sink: plan.sink,
            cache: Arc::downgrade(cache),
            name: Arc::clone(&cache.name),
            stop: core.stop.clone(),
            gone: gone.clone(),
        };
        core.tasks.spawn(writer.run());
        Self { queue, clone: plan.clone, order: std::array::from_fn(|_| Default::default()), _gone: gone.drop_guard() }
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// The value that waits to be written, which is newer than what the source has.
    pub(crate) fn unwritten(&self, key: &K) -> Option<Stored<V>> {
        let behind = self.behind.get()?;
        let value = behind.queue.find(key)?;
        let fence = self.fence(self.key_hash(&key.key_bytes()));
        Some(Stored::new(value, self.meta(fence, self.times(0, 0, false), &[])))
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// Caches `loaded` and writes it to the source later, together with others: `None` deletes. Reads on this node give the
    /// new value from now on, whatever the cache forgets; other nodes find it in the shared level.
    ///
    /// Another value for the key replaces the one that waits. While as many keys wait as may, the caller waits, for at
    /// most [`with_load_timeout`](crate::CacheBuilder::with_load_timeout). Read about
    /// [what can be lost](WriteBehind#what-can-be-lost) first.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`] if there is no room in time: then nothing has happened. [`ErrorKind::Unsupported`] for a
    /// cache that was not built [`with_write_behind`](crate::CacheBuilder::with_write_behind). That the shared level cannot
    /// be reached is no error: the value will be written, and older ones are evicted as soon as possible.
    ///
    /// # Cancel safety
    /// Once polled it takes place, whether or not it is awaited.
    pub async fn write_behind(&self, key: K, loaded: impl Into<Loaded<V>>) -> Result<()> {
        let inner = &self.inner;
        inner.core.running()?;
        checked(&key)?;
        if inner.behind.get().is_none() {
            return Err(Error::new(ErrorKind::Unsupported, "the cache was built without write-behind"));
        }
        let accepted = inner.core.tasks.spawn(self.clone().accept(key, loaded.into())).await;
        accepted.unwrap_or_else(|_| Err(Error::new(ErrorKind::ShutDown, "the runtime ended")))
    }

    async fn accept(self, key: K, loaded: Loaded<V>) -> Result<()> {
        let inner = &self.inner;
        let Some(behind) = inner.behind.get() else { return Ok(()) };
        #[allow(clippy::cast_possible_truncation, reason = "the remainder is small")]
        let place = (inner.key_hash(&key.key_bytes()) % LOCKS as u64) as usize;
        let _turn = match behind.order.get(place) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        if loaded.value.is_some() {
            inner.admit(&key.key_bytes()).await?;
        }
        let value = loaded.value.as_ref().map(behind.clone);
        match timeout(inner.policy.load_timeout, behind.queue.push(key.clone(), value)).await {
            Ok(true) => {}
            Ok(false) => return Err(Error::new(ErrorKind::ShutDown, "the cache manager was shut down")),
            Err(_) => return Err(Error::new(ErrorKind::Overloaded, "too many values wait to be written")),
        }
        // The value is safe in the queue; what is wrong with the cache is noted there and mends itself.
        if let Err(error) = self.put_with(key, loaded).await {
            tracing::debug!(cache = self.name(), %error, "written behind, but not cached");
        }
        Ok(())
    }

    /// How many keys wait to be written.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.inner.behind.get().map_or(0, |behind| behind.queue.len())
    }

    /// Waits until everything that waits now has been written.
    ///
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`] if it is not within `patience`; it is tried again nevertheless.
    ///
    /// # Cancel safety
    /// Cancel safe: writing goes on.
    pub async fn flush(&self, patience: Duration) -> Result<()> {
        let Some(behind) = self.inner.behind.get() else { return Ok(()) };
        match timeout(patience, behind.queue.flushed()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::OutcomeUnknown, "not everything has been written in time")),
        }
    }
}

impl<K, V> fmt::Debug for Behind<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").finish_non_exhaustive()
    }
}
