//! Warm-up: fills a cache before it is asked, at the start and on a schedule.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::cache::Cache;
use crate::core::within;
use crate::entry::Loaded;
use crate::error::{Error, ErrorKind, Result};
use crate::key::CacheKey;
use crate::progress::{Gauge, Progress};
use crate::shared::LEASE;
use crate::store::{Fill, Lease, Loader, StoreKey};

/// How long a node waits before it looks again whether another one has finished.
const POLL: Duration = Duration::from_millis(250);

/// How long the shared level may take for an answer about who warms up.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it is remembered that a warm-up without a schedule was done: nodes that start together share one.
const ONCE: Duration = Duration::from_secs(600);

/// Pause after a warm-up that failed altogether, doubled with each up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

type Keys<K> = Arc<dyn Fn() -> BoxStream<'static, Result<K>> + Send + Sync>;
type LoadMany<K, V> = Arc<dyn Fn(Vec<K>) -> BoxFuture<'static, Result<HashMap<K, Loaded<V>>>> + Send + Sync>;

/// Sets up a warm-up; from [`Cache::warm_up`].
#[must_use = "call `start`"]
pub struct WarmUpBuilder<K, V> {
    cache: Cache<K, V>,
    keys: Keys<K>,
    load: LoadMany<K, V>,
    total: Option<u64>,
    batch: usize,
    concurrency: usize,
    rate: Option<u32>,
    every: Option<Duration>,
    one_node: bool,
}

/// A warm-up under way. It ends with its last handle, or with the manager.
#[derive(Clone)]
pub struct WarmUp {
    progress: Arc<Gauge>,
    state: watch::Receiver<State>,
    _stop: Arc<DropGuard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Once at least.
    Warm,
    Stopped,
}

/// What [`WarmUp::ready`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Readiness {
    /// The cache is warm: by this node's work or another's.
    Warm,
    /// The deadline came first, or the warm-up was stopped: the cache works, and loads what is missing.
    Cold,
}

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// Fills the cache with the values of `keys`, which is asked for a stream of keys each time; `load` loads a batch of
    /// them. Keys that are cached are not loaded again, and nothing stale stays: what is evicted while it is loaded is not
    /// stored, and nothing is published.
    ///
    /// ```
    /// use nebula_cache::{CacheManager, Readiness};
    /// use std::collections::HashMap;
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let trains = CacheManager::local().cache::<u64, String>("trains").build()?;
    /// async fn from_database(numbers: Vec<u64>) -> std::io::Result<HashMap<u64, Option<String>>> {
    ///     Ok(numbers.into_iter().map(|number| (number, Some(format!("G{number}")))).collect())
    /// }
    ///
    /// let keys = || futures_util::stream::iter((0..500).map(Ok::<u64, std::io::Error>));
    /// let warm_up = trains.warm_up(keys, from_database).with_total(500).with_rate(100_000).start()?;
    /// assert_eq!(warm_up.ready(Duration::from_secs(10)).await, Readiness::Warm);
    /// assert_eq!(warm_up.progress().done, 500);
    /// # Ok::<_, nebula_cache::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn warm_up<S, E1, F, L, E2>(
        &self,
        keys: impl Fn() -> S + Send + Sync + 'static,
        load: impl Fn(Vec<K>) -> F + Send + Sync + 'static,
    ) -> WarmUpBuilder<K, V>
    where
        S: Stream<Item = Result<K, E1>> + Send + 'static,
        E1: Into<Box<dyn StdError + Send + Sync>>,
        F: Future<Output = Result<HashMap<K, L>, E2>> + Send + 'static,
        L: Into<Loaded<V>>,
        E2: Into<Box<dyn StdError + Send + Sync>>,
    {
        let failed = |what: &'static str, error: Box<dyn StdError + Send + Sync>| {
            Error::new(ErrorKind::Loader, what).with_source(error)
        };
        let keys: Keys<K> = Arc::new(move || {
            keys().map(move |key| key.map_err(|error| failed("the source of keys failed", error.into()))).boxed()
        });
        let load: LoadMany<K, V> = Arc::new(move |keys| {
            let loaded = load(keys).map(move |loaded| match loaded {
                Ok(loaded) => Ok(loaded.into_iter().map(|(key, loaded)| (key, loaded.into())).collect()),
                Err(error) => Err(failed("no values", error.into())),
            });
            loaded.boxed()
        });
        WarmUpBuilder {
            cache: self.clone(),
            keys,
            load,
            total: None,
            batch: 100,
            concurrency: 4,
            rate: None,
            every: None,
            one_node: true,
        }
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> WarmUpBuilder<K, V> {
    /// How many keys there are, for the progress.
    pub const fn with_total(mut self, keys: u64) -> Self {
        self.total = Some(keys);
        self
    }

    /// How many keys are loaded at once (default 100).
    pub const fn with_batch(mut self, keys: usize) -> Self {
        self.batch = keys;
        self
    }

    /// How many batches are loaded at the same time (default 4).
    pub const fn with_concurrency(mut self, batches: usize) -> Self {
        self.concurrency = batches;
        self
    }

    /// How many keys are loaded in a second at most (default: no limit).
    pub const fn with_rate(mut self, keys_a_second: u32) -> Self {
        self.rate = Some(keys_a_second);
        self
    }

    /// Does it again so often (default: once).
    pub const fn with_every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }

    /// Lets every node warm itself up; by default one of them fills the shared level for all, if there is one.
    pub const fn on_every_node(mut self) -> Self {
        self.one_node = false;
        self
    }

    /// Starts.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for values that cannot work, [`ErrorKind::ShutDown`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Result<WarmUp> {
        let core = Arc::clone(&self.cache.inner.core);
        core.running()?;
        let zero = self.batch == 0 || self.concurrency == 0 || self.rate == Some(0);
        if zero || self.every.is_some_and(|every| every < Duration::from_secs(1)) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "a warm-up needs a batch, a concurrency and a rate above zero, and at least a second between two",
            ));
        }
        let progress = Arc::<Gauge>::default();
        let (told, state) = watch::channel(State::Running);
        let stop = CancellationToken::new();
        let work = Work { builder: self, progress: Arc::clone(&progress), told };
        let (until, also) = (stop.clone(), core.stop.clone());
        core.tasks.spawn(async move {
            until.run_until_cancelled(also.run_until_cancelled(work.run())).await;
        });
        Ok(WarmUp { progress, state, _stop: Arc::new(stop.drop_guard()) })
    }
}

impl WarmUp {
    /// How far the present, or last, warm-up of this node is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.read()
    }

    /// Whether the cache has been warmed up once, here or, if nodes share the work, by another node.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        *self.state.borrow() == State::Warm
    }

    /// Waits until the cache is warm, but no longer than `deadline`: the gate for a readiness probe, which a slow database
    /// must not keep closed for ever.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn ready(&self, deadline: Duration) -> Readiness {
        let mut state = self.state.clone();
        match timeout(deadline, state.wait_for(|state| *state != State::Running)).await {
            Ok(Ok(state)) if *state == State::Warm => Readiness::Warm,
            _ => Readiness::Cold,
        }
    }
}

struct Work<K, V> {
    builder: WarmUpBuilder<K, V>,
    progress: Arc<Gauge>,
    told: watch::Sender<State>,
}

impl<K, V> Drop for Work<K, V> {
    fn drop(&mut self) {
        self.told.send_if_modified(|state| {
            let running = *state == State::Running;
            if running {
                *state = State::Stopped;
            }
            running
        });
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Work<K, V> {
    async fn run(self) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            if self.once().await {
                failures = 0;
                self.told.send_replace(State::Warm);
                match self.builder.every {
                    Some(every) => sleep_until(began + every).await,
                    None => return,
                }
            } else {
                sleep(PAUSE.0.saturating_mul(1 << u32::min(failures, 16)).min(PAUSE.1)).await;
                failures += 1;
            }
        }
    }

    /// One warm-up, this node's or another's that it waits for; `false` if nothing came of it.
    async fn once(&self) -> bool {
        let inner = &self.builder.cache.inner;
        let Some(store) = inner.core.store.as_ref().filter(|_| self.builder.one_node && inner.is_shared()) else {
            return self.fill().await;
        };
        // A name that no cache can have.
        let key = StoreKey::new(format!("{}:warm-up", inner.name), "");
        let loader = Loader::random();
        loop {
            match within(PATIENCE, store.begin(&key, loader, LEASE)).await {
                Ok(begun) if begun.value.is_some() => {
                    if begun.lease == Lease::Granted {
                        inner.give_up(&key, Some(loader), Duration::ZERO).await;
                    }
                    return true;
                }
                Ok(begun) if begun.lease == Lease::Granted => break,
                Ok(_) => sleep(POLL).await,
                Err(error) => {
                    warn!(cache = %inner.name, %error, "nobody can say who warms up: this node does");
                    return self.fill().await;
                }
            }
        }
        let filled = tokio::select! {
            biased;
            filled = self.fill() => filled,
            never = inner.renew(std::slice::from_ref(&key), loader) => match never {},
        };
        if !filled {
            inner.give_up(&key, Some(loader), Duration::ZERO).await;
            return false;
        }
        // Nodes whose turn comes a little later find that it was done.
        let ttl = self.builder.every.map_or(ONCE, |every| every.mul_f64(0.9));
        let done = Fill { key, loader, value: Bytes::from_static(b"done"), ttl };
        if let Err(error) = within(PATIENCE, store.fill(&done)).await {
            warn!(cache = %inner.name, %error, "other nodes do not know that the cache is warm");
        }
        true
    }

    /// Loads everything; `false` if all of it failed.
    async fn fill(&self) -> bool {
        let WarmUpBuilder { cache, concurrency, .. } = &self.builder;
        self.progress.begin(self.builder.total);
        self.batches().for_each_concurrent(*concurrency, |keys| self.load(keys)).await;
        self.progress.end();
        let progress = self.progress.read();
        let Progress { done, failed, elapsed_ms, .. } = progress;
        info!(cache = cache.name(), done, failed, elapsed_ms, "warmed up");
        done > 0 || failed == 0
    }

    /// The keys in batches, not faster than allowed.
    fn batches(&self) -> impl Stream<Item = Vec<Result<K>>> + Send {
        let rate = self.builder.rate;
        let keys = (self.builder.keys)().chunks(self.builder.batch);
        stream::unfold((keys, Instant::now()), move |(mut keys, mut due)| async move {
            let batch = keys.next().await?;
            if let Some(rate) = rate {
                sleep_until(due).await;
                due = due.max(Instant::now()) + Duration::from_secs(batch.len() as u64) / rate;
            }
            Some((batch, (keys, due)))
        })
    }

    async fn load(&self, batch: Vec<Result<K>>) {
        let cache = &self.builder.cache;
        let mut error = None;
        let all = batch.len() as u64;
        let keys: Vec<K> =
            batch.into_iter().filter_map(|key| key.map_err(|broken| error = Some(broken)).ok()).collect();
        let mut done = keys.len() as u64;
        let load = Arc::clone(&self.builder.load);
        if let Err(broken) = cache.get_many_or_load(&keys, move |missing| load(missing)).await {
            (done, error) = (0, Some(broken));
        }
        self.progress.add(done, all - done);
        if let Some(error) = error
            && cache.inner.may_warn()
        {
            warn!(cache = cache.name(), %error, "a part of the warm-up failed");
        }
    }
}

impl fmt::Debug for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmUp").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

impl<K, V> fmt::Debug for WarmUpBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmUpBuilder").field("cache", &self.cache).finish_non_exhaustive()
    }
}
