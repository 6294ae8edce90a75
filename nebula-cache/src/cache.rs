//! The typed handle of one cache.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::RwLock;
use tokio::sync::Semaphore;

use crate::behind::Behind;
use crate::builder::CacheBuilder;
use crate::core::{Registered, cache_hash};
use crate::entry::{Cached, Loaded, Lookup};
use crate::error::{Error, ErrorKind, Result};
use crate::flight::{Flight, Flights, Role};
use crate::hot::{Hot, HotKeys};
use crate::inner::{Inner, Look};
use crate::key::{CacheKey, checked};
use crate::load::{Load, Loading};
use crate::local::Local;
use crate::shared::{Age, Found};
use crate::snapshot::CacheSnapshot;
use crate::stats::Event;
use crate::telemetry;
use crate::together::Together;

/// A cache of values `V` under keys `K`: a local level in this process and, for most caches, a shared level behind it.
///
/// Cheap to clone. Made by [`CacheManager::cache`](crate::CacheManager::cache).
///
/// ```
/// use nebula_cache::CacheManager;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// async fn from_database(id: u64) -> std::io::Result<Option<String>> {
///     Ok((id == 7).then(|| "Ada".to_owned()))
/// }
///
/// let users = CacheManager::local().cache::<u64, String>("users").build()?;
/// let ada = users.get_or_load(&7, from_database(7)).await?.expect("she exists");
/// assert_eq!(*ada, "Ada");
/// assert!(users.get_or_load(&8, from_database(8)).await?.is_none());
/// # Ok::<_, nebula_cache::Error>(())
/// # }).unwrap();
/// ```
pub struct Cache<K, V> {
    pub(crate) inner: Arc<Inner<K, V>>,
}

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    pub(crate) fn new(builder: CacheBuilder<K, V>) -> Result<Self> {
        let CacheBuilder { core, name, policy, codec, weigh, behind, filter } = builder;
        let hash = cache_hash(&name);
        let local = match policy.local_capacity {
            0 => None,
            capacity => Some(Local::new(capacity, weigh)?),
        };
        let hot = policy.hot.map(HotKeys::settled).transpose()?.map(Hot::new);
        let pace = policy.behind.settled()?;
        let permits = Semaphore::new(policy.max_loads.min(Semaphore::MAX_PERMITS));
        let inner = Arc::new(Inner {
            core: Arc::clone(&core),
            name: Arc::clone(&name),
            hash,
            policy,
            codec,
            local,
            clears: Default::default(),
            flights: Flights::new(),
            permits,
            stats: Default::default(),
            reported: Default::default(),
            vetted: Together::new([u64::MAX; 3]),
            shared_seconds: RwLock::new(telemetry::shared(&name)),
            warned: Default::default(),
            warned_of_slowness: Default::default(),
            behind: Default::default(),
            filter,
            hot,
        });
        let registered: Arc<dyn Registered> = Arc::<Inner<K, V>>::clone(&inner);
        core.register(&name, Arc::downgrade(&registered))?;
        if let Some(plan) = behind {
            // It was empty: nobody else has the cache yet.
            let _ = inner.behind.set(Behind::start(plan, pace, &inner));
        }
        Ok(Self { inner })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What is cached under the key; `None` if nothing is, or if it is known that there is no value. Use
    /// [`lookup`](Self::lookup) to tell these apart.
    ///
    /// # Errors
    /// When the shared level had to be asked and cannot say.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn get(&self, key: &K) -> Result<Option<Cached<V>>> {
        self.inner.note_read(key);
        if let Some(stored) = self.inner.quick(key) {
            return Ok(self.inner.serve(stored.cached(false), Event::LocalHit));
        }
        Ok(match self.peek(key).await? {
            Lookup::Found(value) => Some(value),
            Lookup::KnownAbsent | Lookup::Miss => None,
        })
    }

    /// What is cached under the key.
    ///
    /// # Errors
    /// When the shared level had to be asked and cannot say.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn lookup(&self, key: &K) -> Result<Lookup<V>> {
        self.inner.note_read(key);
        self.peek(key).await
    }

    async fn peek(&self, key: &K) -> Result<Lookup<V>> {
        let inner = &*self.inner;
        inner.core.running()?;
        let bytes = checked(key)?;
        let fallback = match inner.look(key) {
            Look::Answer { stored, stale, .. } => {
                return Ok(Lookup::from(inner.serve(stored.cached(stale), Event::LocalHit)));
            }
            Look::Nothing(fallback) => fallback,
        };
        if let Some(stored) = inner.unwritten(key) {
            return Ok(Lookup::from(inner.serve(stored.cached(false), Event::LocalHit)));
        }
        if inner.is_excluded(&bytes) {
            return Ok(Lookup::KnownAbsent);
        }
        let id = inner.is_shared().then(|| inner.id(&bytes)).filter(|id| !inner.is_unsettled(id.hash()));
        let found = match &id {
            Some(id) => inner.read(id, inner.fence(id.hash())).await,
            None => Ok(None),
        };
        match (found, fallback) {
            (Ok(Some(Found { stored, age })), _) if age != Age::LastResort => {
                let stale = age == Age::Stale;
                if !stale {
                    inner.keep(key, &stored);
                }
                Ok(Lookup::from(inner.serve(stored.cached(stale), Event::SharedHit)))
            }
            (Err(_), Some(stale)) => Ok(Lookup::from(inner.serve(Some(stale), Event::LocalHit))),
            (found, _) => {
                inner.stats.count(Event::Miss);
                found.map(|_| Lookup::Miss)
            }
        }
    }

    /// What is cached under the key, or else what `load` returns, which is cached then. `load` is not polled if it is not
    /// needed.
    ///
    /// However many ask for the same key at the same time, on however many nodes, one `load` is run. It goes on when its
    /// caller is gone. When it fails, the next attempts for this key wait (see
    /// [`with_back_off`](CacheBuilder::with_back_off)); until then callers get the error, or a stale value if the cache
    /// was built [`with_fail_safe`](CacheBuilder::with_fail_safe).
    ///
    /// # Errors
    /// [`ErrorKind::Loader`] with the loader's error as source; [`ErrorKind::LoadTimeout`], [`ErrorKind::Overloaded`].
    /// That the shared level cannot be reached is no error: the value is loaded then.
    ///
    /// # Cancel safety
    /// Once polled a load goes on without the caller, and its value is cached.
    pub async fn get_or_load<L, E>(
        &self,
        key: &K,
        load: impl Future<Output = Result<L, E>> + Send + 'static,
    ) -> Result<Option<Cached<V>>>
    where
        L: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.inner.note_read(key);
        if let Some(stored) = self.inner.quick(key) {
            return Ok(self.inner.serve(stored.cached(false), Event::LocalHit));
        }
        let load = load.map(|result| match result {
            Ok(loaded) => Ok(loaded.into()),
            Err(error) => Err(Error::new(ErrorKind::Loader, "no value").with_source(error)),
        });
        self.obtain(key, load.boxed()).await
    }

    async fn obtain(&self, key: &K, load: Load<V>) -> Result<Option<Cached<V>>> {
        let inner = &self.inner;
        inner.core.running()?;
        let bytes = checked(key)?;
        let fallback = match inner.look(key) {
            Look::Answer { stored, stale, refresh } => {
                if refresh && inner.flights.backing_off(key).is_none() {
                    self.fly(key, &bytes, None, load);
                }
                return Ok(inner.serve(stored.cached(stale), Event::LocalHit));
            }
            Look::Nothing(fallback) => fallback,
        };
        if let Some(stored) = inner.unwritten(key) {
            return Ok(inner.serve(stored.cached(false), Event::LocalHit));
        }
        if inner.is_excluded(&bytes) {
            return Ok(None);
        }
        if let Some(error) = inner.flights.backing_off(key) {
            // Another node may have been luckier.
            if inner.is_shared()
                && let Ok(Lookup::Found(value)) = self.peek(key).await
            {
                return Ok(Some(value));
            }
            inner.stats.count(Event::Miss);
            return fallback.map(|stale| inner.serve(Some(stale), Event::Miss)).ok_or(error);
        }
        let flight = self.fly(key, &bytes, fallback, load);
        match flight.outcome().await {
            Ok((cached, from)) => Ok(inner.serve(cached, from)),
            Err(error) => {
                inner.stats.count(Event::Miss);
                Err(error)
            }
        }
    }

    /// Joins the load of the key, or begins one.
    fn fly(&self, key: &K, bytes: &[u8], fallback: Option<Cached<V>>, load: Load<V>) -> Arc<Flight<V>> {
        let inner = &self.inner;
        let hash = inner.key_hash(bytes);
        let joinable = |flight: &Flight<V>| inner.stands(&flight.fence);
        match inner.flights.join(key, joinable, || Flight::new(inner.fence(hash))) {
            Role::Follow(flight) => {
                inner.stats.count(Event::Joined);
                flight
            }
            Role::Lead(flight) => {
                let place = inner.place(key, bytes);
                let loading = Loading { inner: Arc::clone(inner), place, flight: Arc::clone(&flight), fallback };
                self.inner.core.tasks.spawn(loading.run(load));
                flight
            }
        }
    }

    /// Counts and states, for monitoring.
    #[must_use]
    pub fn snapshot(&self) -> CacheSnapshot {
        self.inner.snapshot()
    }
}

impl<V> From<Option<Cached<V>>> for Lookup<V> {
    fn from(cached: Option<Cached<V>>) -> Self {
        cached.map_or(Self::KnownAbsent, Self::Found)
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
