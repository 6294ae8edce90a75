//! The handle that applications hold.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use crate::breaker::{BreakerConfig, BreakerState, CircuitBreaker};
use crate::builder::CacheBuilder;
use crate::channel::{Batch, Invalid, InvalidationChannel, Position};
use crate::clock::TICK;
use crate::codec::Postcard;
use crate::core::{Core, Parts, tag_hash};
use crate::error::{Error, ErrorKind, Result};
use crate::key::CacheKey;
use crate::policy::Policy;
use crate::slow::Question;
use crate::snapshot::Snapshot;
use crate::store::SharedStore;
use crate::{follow, outbox, telemetry};

/// Makes caches, and keeps their local levels in step with those of other nodes.
///
/// One manager for each process and namespace; cheap to clone. Caches keep it alive.
///
/// ```
/// use nebula_cache::{CacheManager, MemoryShared};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let shared = MemoryShared::new();
/// let here = CacheManager::new(shared.clone()).await?;
/// let there = CacheManager::new(shared).await?;
/// let (ours, theirs) = (here.cache::<u64, String>("names").build()?, there.cache::<u64, String>("names").build()?);
///
/// ours.put(7, "Ada".to_owned()).await?;
/// assert_eq!(*theirs.get(&7).await?.expect("shared"), "Ada");
/// let evicted = ours.evict(&7).await?;
/// there.caught_up(evicted, std::time::Duration::from_secs(2)).await?;
/// assert!(theirs.get(&7).await?.is_none());
/// # Ok::<_, nebula_cache::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CacheManager {
    core: Arc<Core>,
}

/// A sign of life, from [`CacheManager::health`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Health {
    /// Time from asking the shared level to its answer; zero without one.
    pub round_trip: Duration,
    /// Whether the invalidations of other nodes are followed.
    pub trusted: bool,
    /// How old the knowledge of invalidations is.
    pub staleness: Duration,
}

/// How [`CacheManager::shutdown`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Shutdown {
    /// Everything under way has ended.
    Drained,
    /// Something was still under way when the time was over.
    TimedOut,
}

impl CacheManager {
    /// Caches in this process alone.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn local() -> Self {
        CacheManagerBuilder::default().start_with(None, None)
    }

    /// Caches with a shared level that also carries the invalidations, with the defaults.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] and the like if the channel cannot be followed.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is left behind.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn new(shared: impl SharedStore + InvalidationChannel + Clone) -> Result<Self> {
        Self::builder().with_shared(shared).start().await
    }

    /// To set options first.
    pub fn builder() -> CacheManagerBuilder {
        CacheManagerBuilder::default()
    }

    /// A cache whose values also live in the shared level, if there is one. Its name is the same on all nodes.
    pub fn cache<K: CacheKey, V: Serialize + DeserializeOwned + Send + Sync + 'static>(
        &self,
        name: impl Into<Arc<str>>,
    ) -> CacheBuilder<K, V> {
        CacheBuilder::new(&self.core, name.into()).with_codec(Postcard)
    }

    /// A cache in this process alone, for values that cannot be serialised. Evictions on other nodes do reach it.
    pub fn local_cache<K: CacheKey, V: Send + Sync + 'static>(&self, name: impl Into<Arc<str>>) -> CacheBuilder<K, V> {
        CacheBuilder::new(&self.core, name.into())
    }

    /// Evicts everything with this tag from all caches of all nodes.
    ///
    /// # Errors
    /// When the channel cannot be reached; it is tried again in the background. This node is done in any case.
    ///
    /// # Cancel safety
    /// Once polled the eviction takes place, whether or not it is awaited.
    pub async fn evict_tag(&self, tag: impl AsRef<str>) -> Result<Position> {
        self.invalidate(Invalid::Tag(tag_hash(tag.as_ref()))).await
    }

    /// Evicts everything from all caches of all nodes, by declaring what is stored old: nothing is searched or deleted.
    ///
    /// # Errors
    /// When the channel cannot be reached; it is tried again in the background. This node is done in any case.
    ///
    /// # Cancel safety
    /// Once polled the eviction takes place, whether or not it is awaited.
    pub async fn clear(&self) -> Result<Position> {
        self.invalidate(Invalid::All).await
    }

    async fn invalidate(&self, item: Invalid) -> Result<Position> {
        self.core.invalidate(item).await
    }

    /// Waits until this node knows of all invalidations up to `position`, which an eviction returned, on whatever node.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it does not within `patience`.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn caught_up(&self, position: Position, patience: Duration) -> Result<()> {
        let mut watch = self.core.tracker.watch();
        let reached = watch.wait_for(|here| here.epoch == position.epoch && here.sequence >= position.sequence);
        match timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, "the invalidation was not heard of in time")),
        }
    }

    /// Whether the shared level answers, and how fresh the knowledge of invalidations is.
    ///
    /// # Errors
    /// What the shared level reports.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn health(&self) -> Result<Health> {
        self.core.running()?;
        let asked = Instant::now();
        if let Some(store) = &self.core.store {
            crate::core::within(self.core.policy.shared_timeout, store.ping()).await?;
        }
        Ok(Health {
            round_trip: asked.elapsed(),
            trusted: self.core.tracker.is_trusted(),
            staleness: Duration::from_millis(self.core.staleness()),
        })
    }

    /// Counts and states of everything, for monitoring.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let core = &self.core;
        let mut caches: Vec<_> = core.caches().iter().map(|cache| cache.snapshot()).collect();
        caches.sort_by(|a, b| a.name.cmp(&b.name));
        Snapshot {
            caches,
            trusted: core.tracker.is_trusted(),
            staleness_ms: core.staleness(),
            invalidation_lag_ms: core.tracker.lag(),
            pending_evictions: core.outbox.len(),
            slow_shared: core.slow_shared.load(Ordering::Relaxed),
            breaker: match core.breaker.state() {
                BreakerState::Closed => "closed",
                BreakerState::Open => "open",
                BreakerState::HalfOpen => "half-open",
            },
            breaker_opened: core.breaker.opened(),
        }
    }

    /// Ends loads and evictions that are under way, for at most `patience`; new calls fail.
    ///
    /// # Cancel safety
    /// The shutdown goes on.
    pub async fn shutdown(&self, patience: Duration) -> Shutdown {
        self.core.stop();
        // Nobody tells this node of evictions any more.
        self.core.distrust_all();
        self.core.tasks.close();
        let drained = timeout(patience, self.core.tasks.wait()).await;
        // What was counted since the last report.
        self.core.caches().iter().for_each(|cache| cache.housekeeping());
        match drained {
            Ok(()) => Shutdown::Drained,
            Err(_) => Shutdown::TimedOut,
        }
    }
}

impl Core {
    /// How old the knowledge of invalidations is, in milliseconds.
    pub(crate) fn staleness(&self) -> u64 {
        match self.channel {
            Some(_) => self.clock.precise().saturating_sub(self.tracker.confirmed()),
            None => 0,
        }
    }

    pub(crate) async fn invalidate(&self, item: Invalid) -> Result<Position> {
        self.running()?;
        self.apply(&[item]);
        if self.channel.is_none() {
            let position = self.tracker.next_alone();
            self.note(&[item], position);
            // Loads that looked between the two must not be taken for later ones.
            self.apply(&[item]);
            return Ok(position);
        }
        self.outbox.send(Vec::new(), vec![item], true).await
    }
}

/// Sets up a [`CacheManager`].
#[derive(Debug, Default)]
#[must_use]
pub struct CacheManagerBuilder {
    store: Option<Arc<dyn SharedStore>>,
    channel: Option<Arc<dyn InvalidationChannel>>,
    breaker: BreakerConfig,
    bound: Option<Duration>,
    policy: Policy,
    named: BTreeMap<String, Policy>,
}

impl CacheManagerBuilder {
    /// The shared level, and the channel by which nodes tell each other what became invalid.
    pub fn with_shared(self, shared: impl SharedStore + InvalidationChannel + Clone) -> Self {
        self.with_store(shared.clone()).with_channel(shared)
    }

    /// The shared level.
    pub fn with_store(mut self, store: impl SharedStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// How nodes tell each other what became invalid.
    pub fn with_channel(mut self, channel: impl InvalidationChannel) -> Self {
        self.channel = Some(Arc::new(channel));
        self
    }

    /// How long this node may answer with what was evicted elsewhere when it is cut off (default 2 s).
    pub fn with_staleness_bound(mut self, bound: Duration) -> Self {
        self.bound = Some(bound);
        self
    }

    /// When the shared level is left alone.
    pub fn with_breaker(mut self, breaker: BreakerConfig) -> Self {
        self.breaker = breaker;
        self
    }

    /// From when an answer of the shared level counts as slow and is worth a warning (default 100 ms): to evictions and
    /// questions about invalidations, and to caches that do not [say otherwise](crate::CacheBuilder::with_slow_shared).
    pub const fn with_slow_shared(mut self, time: Duration) -> Self {
        self.policy.slow_shared = time;
        self
    }

    pub(crate) fn with_policies(mut self, defaults: Policy, named: BTreeMap<String, Policy>) -> Self {
        (self.policy, self.named) = (defaults, named);
        self
    }

    /// Starts the manager and makes sure that it follows the channel.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if there is a shared level but no channel that keeps the local one in step, and for
    /// values that cannot work; otherwise what the channel reports.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is left behind.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(mut self) -> Result<CacheManager> {
        self.policy.check()?;
        self.breaker.check()?;
        let bound = self.bound.unwrap_or(BOUND);
        if !(SHORTEST_BOUND..=LONGEST_BOUND).contains(&bound) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "the staleness bound has to be between 100 ms and a minute",
            ));
        }
        let (store, channel) = (self.store.take(), self.channel.take());
        if store.is_some() && channel.is_none() {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "a shared level without an invalidation channel: other nodes would keep what is evicted here",
            ));
        }
        let channel_used = channel.clone();
        let manager = self.start_with(store, channel);
        if let Some(channel) = channel_used {
            // A first batch, so that a channel that cannot be used is found out now.
            let batch = Batch { node: manager.core.node, items: Arc::default(), hot: Arc::default() };
            let position = crate::core::within(START, channel.publish(&batch)).await?;
            manager.caught_up(position, START).await?;
        }
        Ok(manager)
    }

    fn start_with(
        self,
        store: Option<Arc<dyn SharedStore>>,
        channel: Option<Arc<dyn InvalidationChannel>>,
    ) -> CacheManager {
        let bound = self.bound.unwrap_or(BOUND);
        let breaker = CircuitBreaker::new(self.breaker);
        let parts = Parts { store, channel, breaker, bound, policy: self.policy, named: self.named };
        let core = Arc::new(Core::new(parts));
        let stop = core.stop.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(tick(Arc::downgrade(&core))));
        tokio::spawn(stop.clone().run_until_cancelled_owned(housekeeping(Arc::downgrade(&core))));
        if let Some(channel) = &core.channel {
            let follow = follow::run(Arc::downgrade(&core), Arc::clone(channel), bound);
            tokio::spawn(stop.clone().run_until_cancelled_owned(follow));
        }
        core.tasks.spawn(outbox::run(Arc::downgrade(&core), Arc::clone(&core.outbox), stop));
        CacheManager { core }
    }
}

/// Default staleness bound.
const BOUND: Duration = Duration::from_secs(2);
const SHORTEST_BOUND: Duration = Duration::from_millis(100);
const LONGEST_BOUND: Duration = Duration::from_secs(60);

/// How long the channel may take to prove itself.
const START: Duration = Duration::from_secs(10);

/// How long telling other nodes of hot keys may take.
const HOT: Duration = Duration::from_millis(500);

async fn tick(core: Weak<Core>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        core.clock.tick();
    }
}

async fn housekeeping(core: Weak<Core>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        core.caches().iter().for_each(|cache| cache.housekeeping());
        telemetry::staleness(core.staleness());
        telemetry::evictions_pending(core.outbox.len());
        telemetry::breaker(core.breaker.state() != BreakerState::Closed);
        let hot = std::mem::take(&mut *core.hot.lock());
        if let Some(channel) = core.channel.as_ref().filter(|_| !hot.is_empty()) {
            let batch = Batch { node: core.node, items: Arc::default(), hot: hot.into() };
            let _watched = core.watched(Question::new("publish", &[]));
            if let Err(error) = crate::core::within(HOT, channel.publish(&batch)).await {
                debug!(%error, "hot keys are known on this node alone");
            }
        }
    }
}
