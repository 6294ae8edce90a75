//! What all caches of a manager share.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::breaker::CircuitBreaker;
use crate::channel::{HotKey, Invalid, InvalidationChannel, Position};
use crate::clock::{Clock, OnceASecond};
use crate::error::{Error, ErrorKind, Result};
use crate::generations::Generations;
use crate::key::stable_hash;
use crate::outbox::Outbox;
use crate::policy::Policy;
use crate::slow::Question;
use crate::snapshot::CacheSnapshot;
use crate::store::SharedStore;
use crate::tracker::Tracker;

/// What the manager does with each of its caches.
pub(crate) trait Registered: Send + Sync {
    /// Makes everything in the local level invalid.
    fn distrust(&self);
    fn snapshot(&self) -> CacheSnapshot;
    /// Hands what was counted since the last time to the facade `metrics`; throws out what has ended.
    fn housekeeping(&self);
    /// Another node says that the key with this hash is hot.
    fn heat(&self, key: u64);
}

pub(crate) struct Core {
    pub(crate) node: u64,
    pub(crate) clock: Clock,
    pub(crate) generations: Generations,
    pub(crate) tracker: Tracker,
    pub(crate) store: Option<Arc<dyn SharedStore>>,
    pub(crate) channel: Option<Arc<dyn InvalidationChannel>>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) bound: Duration,
    pub(crate) policy: Policy,
    /// What configuration says about single caches.
    named: BTreeMap<String, Policy>,
    caches: RwLock<HashMap<u64, Weak<dyn Registered>>>,
    /// Found hot and not yet told.
    pub(crate) hot: Mutex<Vec<HotKey>>,
    /// Questions that concern all caches and were answered late.
    pub(crate) slow_shared: AtomicU64,
    pub(crate) warned_of_slowness: OnceASecond,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Whether it was shut down: asked at every call, for which the token would take a lock.
    stopped: AtomicBool,
}

/// What a manager is made of.
pub(crate) struct Parts {
    pub(crate) store: Option<Arc<dyn SharedStore>>,
    pub(crate) channel: Option<Arc<dyn InvalidationChannel>>,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) bound: Duration,
    pub(crate) policy: Policy,
    pub(crate) named: BTreeMap<String, Policy>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            node: rand::random(),
            clock: Clock::new(),
            generations: Generations::new(),
            tracker: Tracker::new(parts.channel.is_none()),
            store: parts.store,
            channel: parts.channel,
            outbox: Arc::default(),
            breaker: parts.breaker,
            bound: parts.bound,
            policy: parts.policy,
            named: parts.named,
            caches: RwLock::default(),
            hot: Mutex::default(),
            slow_shared: AtomicU64::new(0),
            warned_of_slowness: OnceASecond::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn policy_of(&self, cache: &str) -> Policy {
        self.named.get(cache).unwrap_or(&self.policy).clone()
    }

    pub(crate) fn register(&self, name: &str, cache: Weak<dyn Registered>) -> Result<()> {
        self.running()?;
        let mut caches = self.caches.write();
        caches.retain(|_, cache| cache.strong_count() > 0);
        if caches.insert(cache_hash(name), cache).is_some() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!("there is a cache {name:?} already: clone it instead of building it again"),
            ));
        }
        Ok(())
    }

    pub(crate) fn running(&self) -> Result<()> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::ShutDown, "the cache manager was shut down"));
        }
        Ok(())
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.stop.cancel();
    }

    pub(crate) fn caches(&self) -> Vec<Arc<dyn Registered>> {
        self.caches.read().values().filter_map(Weak::upgrade).collect()
    }

    /// Carries out in the local levels what was invalidated.
    pub(crate) fn apply(&self, items: &[Invalid]) {
        for item in items {
            match item {
                Invalid::Key(hash) | Invalid::Tag(hash) => self.generations.invalidate(*hash),
                Invalid::Cache(hash) => {
                    let cache = self.caches.read().get(hash).and_then(Weak::upgrade);
                    if let Some(cache) = cache {
                        cache.distrust();
                    }
                }
                Invalid::All => self.distrust_all(),
            }
        }
    }

    /// Passes on what another node found hot.
    pub(crate) fn heat(&self, keys: &[HotKey]) {
        for HotKey { cache, key } in keys {
            let cache = self.caches.read().get(cache).and_then(Weak::upgrade);
            if let Some(cache) = cache {
                cache.heat(*key);
            }
        }
    }

    /// Remembers when tags and caches were invalidated.
    pub(crate) fn note(&self, items: &[Invalid], at: Position) {
        for item in items {
            match item {
                Invalid::Key(_) => {}
                Invalid::Tag(hash) | Invalid::Cache(hash) => self.tracker.invalidated(*hash, at),
                Invalid::All => self.tracker.invalidated(ALL, at),
            }
        }
    }

    pub(crate) fn distrust_all(&self) {
        for cache in self.caches() {
            cache.distrust();
        }
    }

    /// Makes versions of tags and caches known, as far as they are not.
    pub(crate) async fn learn(&self, epoch: u64, items: &[Invalid], patience: Duration) -> Result<()> {
        let Some(channel) = &self.channel else { return Ok(()) };
        let unknown: Vec<Invalid> =
            items.iter().copied().filter(|item| self.tracker.version(epoch, item.hash()).is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let round = self.tracker.round();
        let _watched = self.watched(Question::new("versions", &[]));
        let (found, versions) = within(patience, channel.versions(&unknown)).await?;
        let hashes: Vec<u64> = unknown.iter().map(Invalid::hash).collect();
        self.tracker.learn(round, found, &hashes, &versions);
        Ok(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("node", &self.node)
            .field("store", &self.store)
            .field("channel", &self.channel)
            .field("caches", &self.caches.read().len())
            .finish_non_exhaustive()
    }
}

/// The hash under which everything is invalidated.
pub(crate) const ALL: u64 = 0;

impl Invalid {
    /// Its hash; that of [`Invalid::All`] is 0.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        match self {
            Self::Key(hash) | Self::Tag(hash) | Self::Cache(hash) => *hash,
            Self::All => ALL,
        }
    }
}

pub(crate) fn cache_hash(name: &str) -> u64 {
    stable_hash(&[b"cache", name.as_bytes()])
}

pub(crate) fn tag_hash(tag: &str) -> u64 {
    stable_hash(&[b"tag", tag.as_bytes()])
}

pub(crate) fn key_hash(cache: &str, key: &[u8]) -> u64 {
    stable_hash(&[b"key", cache.as_bytes(), key])
}

/// The answer, unless it takes too long.
pub(crate) async fn within<T>(patience: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(patience, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::OutcomeUnknown, "no answer in time")),
    }
}
