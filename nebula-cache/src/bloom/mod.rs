//! Bloom filters: what certainly does not exist is not looked for.

mod bits;
mod build;
mod builder;
mod memory;
mod source;
mod store;
mod sync;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::DropGuard;

use crate::clock::millis;
use crate::core::within;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{CacheKey, checked};
use crate::progress::{Gauge, Progress};
use bits::Bits;
pub use bits::Geometry;
pub use builder::BloomBuilder;
pub(crate) use builder::BloomSection;
pub(crate) use memory::Filters;
pub use source::{KeySource, SourceError};
pub use store::{BloomPlace, BloomState, BloomStore, Generation, Inserted, Since};

/// Says which keys certainly do not exist; see [`CacheBuilder::with_filter`](crate::CacheBuilder::with_filter).
///
/// # Contract
/// - `excludes` is true only for keys that were never added, or were added elsewhere within the last moments.
/// - After `add` returned `Ok`, `excludes` is false for the key: here at once, elsewhere within the staleness bound.
#[async_trait]
pub trait KeyFilter: fmt::Debug + Send + Sync + 'static {
    /// Whether there is certainly nothing under the key.
    fn excludes(&self, key: &[u8]) -> bool;

    /// From now on there may be something under the key.
    ///
    /// # Errors
    /// When it is not known that other nodes will hear of it.
    async fn add(&self, key: &[u8]) -> Result<()>;
}

/// Remembers which keys there are, in about 10 bits for each, and never forgets one: "no" is certain, "yes" is not.
///
/// It builds itself from a [`KeySource`] and answers "maybe" to everything until it has, and whenever it is not certain to
/// know all keys: that is what [`is_trusted`](Self::is_trusted) says. When it is 80 % full it builds itself again, larger,
/// while it goes on answering; what is inserted meanwhile goes to both. Keys that were deleted leave with the next rebuild.
///
/// [`BloomBuilder::local`] keeps it in this process, for keys that only this process adds. [`BloomBuilder::shared`] shares
/// it: the bits are in Redis, one node builds, each node answers from a replica that follows the log of insertions, and a
/// replica that has not seen the end of the log for the staleness bound (2 s) answers "maybe".
///
/// Insert a key *before* the change that creates it is committed: after the commit somebody may ask.
///
/// ```
/// use nebula_cache::BloomFilter;
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let users = BloomFilter::builder("users")
///     .with_capacity(1_000_000)
///     .with_source(|| futures_util::stream::iter(["ada", "bob"].map(|name| Ok::<_, std::io::Error>(name.into()))))
///     .local()?;
/// users.ready(Duration::from_secs(10)).await?;
/// assert!(users.may_contain(&"ada"));
/// assert!(!users.may_contain(&"eve"));
/// users.insert(&"eve").await?;
/// assert!(users.may_contain(&"eve"));
/// # Ok::<_, nebula_cache::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct BloomFilter {
    inner: Arc<Inner>,
    /// Ends the tasks with the last handle.
    _stop: Arc<DropGuard>,
}

struct Inner {
    name: Arc<str>,
    capacity: u64,
    rate: f64,
    bound: Duration,
    every: Option<Duration>,
    /// Most bytes in one shard.
    shard: u64,
    source: Option<Arc<dyn KeySource>>,
    store: Option<Arc<dyn BloomStore>>,
    held: RwLock<Held>,
    /// What was inserted lately, for a build that begins now. A shared filter's log has that.
    recent: Mutex<VecDeque<u64>>,
    start: Instant,
    /// Milliseconds from `start` to when the replica was known to have everything; 0 for never.
    confirmed: AtomicU64,
    trusted: watch::Sender<bool>,
    progress: Gauge,
    building: AtomicBool,
    builds: AtomicU64,
    rebuild: AtomicBool,
    wake: Notify,
}

#[derive(Default)]
struct Held {
    current: Option<Arc<Filling>>,
    /// Of a filter of this process alone: what is being built.
    next: Option<Arc<Filling>>,
    /// How far `current` has followed the log.
    place: Option<BloomPlace>,
    /// What the store said last, if it was ever asked.
    state: BloomState,
    asked: bool,
    /// Since when `current` is the generation.
    since: Option<Instant>,
}

struct Filling {
    generation: Generation,
    bits: Bits,
    items: AtomicU64,
}

impl Filling {
    fn insert(&self, hash: u64) {
        if self.bits.insert(hash) {
            self.items.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The state of a filter, for monitoring.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BloomSnapshot {
    /// Its name.
    pub name: String,
    /// Whether it answers "no" at all.
    pub trusted: bool,
    /// Keys in it, about.
    pub items: u64,
    /// Keys it is made for.
    pub capacity: u64,
    /// The part of absent keys that it does not recognise, by the number of keys in it.
    pub false_positive_rate: f64,
    /// Its size in memory.
    pub bytes: u64,
    /// Over how many values of the store its bits are spread.
    pub shards: u32,
    /// Whether this node is building it.
    pub building: bool,
    /// How often this node has built it.
    pub builds: u64,
    /// How far the present, or last, building is.
    pub progress: Progress,
}

/// How long one call to the store may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many insertions are carried over into a filter that is built.
const RECENT: usize = 20_000;

/// Most hashes in one call.
const BATCH: usize = 100;

/// From which part of its capacity on a filter is built again.
const FULL: f64 = 0.8;

impl BloomFilter {
    /// To set one up. The name is that of the filter on all nodes.
    pub fn builder(name: impl Into<Arc<str>>) -> BloomBuilder {
        BloomBuilder::new(name.into())
    }

    /// `false` if the key was certainly never inserted; `true` if it was, or perhaps was, or if the filter is not sure to
    /// know everything.
    #[must_use]
    pub fn may_contain<K: CacheKey>(&self, key: &K) -> bool {
        !self.inner.excludes(&key.key_bytes())
    }

    /// Remembers the key.
    ///
    /// # Errors
    /// As [`insert_many`](Self::insert_many).
    ///
    /// # Cancel safety
    /// It may or may not have been inserted.
    pub async fn insert<K: CacheKey>(&self, key: &K) -> Result<()> {
        self.insert_many(std::slice::from_ref(key)).await
    }

    /// Remembers the keys.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`]; what the store reports: then other nodes may not know all of them, and it has to be tried
    /// again.
    ///
    /// # Cancel safety
    /// Any part may have been inserted.
    pub async fn insert_many<K: CacheKey>(&self, keys: &[K]) -> Result<()> {
        let hashes = keys.iter().map(|key| Ok(bits::key_hash(&checked(key)?))).collect::<Result<Vec<_>>>()?;
        self.inner.insert(&hashes).await
    }

    /// Whether a "no" can be had at present.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.inner.is_trusted()
    }

    /// Waits until the filter is built and current.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it is not within `patience`. It can be used nevertheless.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn ready(&self, patience: Duration) -> Result<()> {
        // The task that announces it may not have noticed yet that the bound is over.
        self.inner.announce();
        let mut trusted = self.inner.trusted.subscribe();
        match timeout(patience, trusted.wait_for(|trusted| *trusted)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, "the bloom filter is not built yet")),
        }
    }

    /// Builds the filter again from its source in the background, to be rid of keys that were deleted.
    pub fn rebuild(&self) {
        self.inner.rebuild.store(true, Ordering::Release);
        self.inner.wake.notify_one();
    }

    /// How far the present, or last, building on this node is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.inner.progress.read()
    }

    /// The state, for monitoring.
    #[must_use]
    pub fn snapshot(&self) -> BloomSnapshot {
        let inner = &self.inner;
        let current = inner.held.read().current.clone();
        let items = current.as_ref().map_or(0, |filling| filling.items.load(Ordering::Relaxed));
        let generation = current.map(|filling| filling.generation);
        BloomSnapshot {
            name: inner.name.to_string(),
            trusted: inner.is_trusted(),
            items,
            capacity: generation.map_or(inner.capacity, |it| it.capacity),
            false_positive_rate: generation.map_or(1.0, |it| it.geometry.false_positive_rate(items)),
            bytes: generation.map_or(0, |it| it.geometry.bytes()),
            shards: generation.map_or(0, |it| it.geometry.shards),
            building: inner.building.load(Ordering::Relaxed),
            builds: inner.builds.load(Ordering::Relaxed),
            progress: inner.progress.read(),
        }
    }
}

#[async_trait]
impl KeyFilter for BloomFilter {
    fn excludes(&self, key: &[u8]) -> bool {
        self.inner.excludes(key)
    }

    async fn add(&self, key: &[u8]) -> Result<()> {
        self.inner.insert(&[bits::key_hash(key)]).await
    }
}

impl Inner {
    fn excludes(&self, key: &[u8]) -> bool {
        let held = self.held.read();
        // First the clock, then the bits: the other way round, a replica that catches up in between would vouch for what it
        // did not know.
        let Some(current) = held.current.as_ref().filter(|_| self.is_current()) else { return false };
        !current.bits.contains(bits::key_hash(key))
    }

    fn is_trusted(&self) -> bool {
        self.held.read().current.is_some() && self.is_current()
    }

    /// Whether all that was inserted anywhere before the staleness bound is in.
    fn is_current(&self) -> bool {
        if self.store.is_none() {
            return true;
        }
        let confirmed = self.confirmed.load(Ordering::Acquire);
        confirmed != 0 && self.now().saturating_sub(confirmed) < millis(self.bound)
    }

    /// Milliseconds since the start, never 0.
    fn now(&self) -> u64 {
        millis(self.start.elapsed()) + 1
    }

    async fn insert(&self, hashes: &[u64]) -> Result<()> {
        self.insert_here(hashes);
        if let Some(store) = &self.store {
            for hashes in hashes.chunks(BATCH) {
                self.insert_there(&**store, hashes).await?;
            }
        }
        if self.is_full() {
            self.wake.notify_one();
        }
        Ok(())
    }

    fn insert_here(&self, hashes: &[u64]) {
        if self.store.is_none() {
            // First of all: a build that begins between here and below takes it from there.
            let mut recent = self.recent.lock();
            recent.extend(hashes);
            let surplus = recent.len().saturating_sub(RECENT);
            recent.drain(..surplus);
        }
        let held = self.held.read();
        for filling in [&held.current, &held.next].into_iter().flatten() {
            hashes.iter().for_each(|hash| filling.insert(*hash));
        }
    }

    async fn insert_there(&self, store: &dyn BloomStore, hashes: &[u64]) -> Result<()> {
        for _ in 0..10 {
            let state = self.held.read().state;
            match within(PATIENCE, store.insert(&self.name, &state, hashes)).await? {
                Inserted::Done(_) => return Ok(()),
                Inserted::Moved => {
                    let (state, _) = within(PATIENCE, store.since(&self.name, None)).await?;
                    self.held.write().state = state;
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the bloom filter's generations changed again and again"))
    }

    /// Whether it is to be built again because of what is in it.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn is_full(&self) -> bool {
        let held = self.held.read();
        held.current.as_ref().is_some_and(|current| {
            current.items.load(Ordering::Relaxed) as f64 >= current.generation.capacity as f64 * FULL
        })
    }

    /// Tells those who wait whether it can be trusted.
    fn announce(&self) {
        let trusted = self.is_trusted();
        self.trusted.send_if_modified(|before| std::mem::replace(before, trusted) != trusted);
        crate::telemetry::bloom_trusted(&self.name, trusted);
    }
}

impl fmt::Debug for BloomFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomFilter").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
