//! Many keys at once: one look at the local level, one question to the shared one, one load for the rest.

use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::future::join_all;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, timeout_at};

use crate::cache::Cache;
use crate::entry::{Cached, Loaded};
use crate::error::{Error, ErrorKind, Result};
use crate::inner::{Fence, Inner, Look, Place};
use crate::key::{CacheKey, checked};
use crate::shared::{Age, Found, LEASE};
use crate::slow::Question;
use crate::stats::Event;
use crate::store::{Lease, Loader, StoreKey};

type LoadMany<K, V> = BoxFuture<'static, Result<HashMap<K, Loaded<V>>>>;

/// A key that the local level does not know.
struct Missing<K, V> {
    /// Where the answer belongs.
    at: usize,
    place: Place<K>,
    fence: Fence,
    fallback: Option<Cached<V>>,
}

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// What is cached under each of the keys, in their order; the shared level is asked once for all.
    ///
    /// # Errors
    /// When the shared level had to be asked and cannot say.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn get_many(&self, keys: &[K]) -> Result<Vec<Option<Cached<V>>>> {
        let inner = &*self.inner;
        let Looked { order, mut found, mut missing } = inner.at_hand(keys)?;
        inner.read_many(&mut missing, &mut found).await?;
        inner.stats.add(Event::Miss, missing.len() as u64);
        Ok(in_order(&order, found))
    }

    /// What is cached under each of the keys, in their order; what is missing is loaded with one call of `load` for all
    /// and cached. What `load` does not return is cached as absent.
    ///
    /// Unlike [`get_or_load`](Self::get_or_load) it does not wait for loads of others, nor they for it: two calls at the
    /// same time may load the same keys. No eviction is lost for that.
    ///
    /// # Errors
    /// [`ErrorKind::Loader`] with the loader's error as source, [`ErrorKind::LoadTimeout`], [`ErrorKind::Overloaded`],
    /// unless there are stale values for all that is missing (see
    /// [`with_fail_safe`](crate::CacheBuilder::with_fail_safe)).
    ///
    /// # Cancel safety
    /// Once polled a load goes on without the caller, and its values are cached.
    pub async fn get_many_or_load<L, E, F>(
        &self,
        keys: &[K],
        load: impl FnOnce(Vec<K>) -> F,
    ) -> Result<Vec<Option<Cached<V>>>>
    where
        L: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
        F: Future<Output = Result<HashMap<K, L>, E>> + Send + 'static,
    {
        let inner = &self.inner;
        let Looked { order, mut found, mut missing } = inner.at_hand(keys)?;
        let shared = inner.read_many(&mut missing, &mut found).await.is_ok() && inner.is_shared();
        if !missing.is_empty() {
            inner.stats.add(Event::Miss, missing.len() as u64);
            let load = load(missing.iter().map(|missing| missing.place.key.clone()).collect());
            let load = load.map(|result| match result {
                Ok(loaded) => Ok(loaded.into_iter().map(|(key, loaded)| (key, loaded.into())).collect()),
                Err(error) => Err(Error::new(ErrorKind::Loader, "no values").with_source(error)),
            });
            let work = Arc::clone(inner).load_many(missing, load.boxed(), shared);
            let loaded = inner.core.tasks.spawn(work).await;
            let loaded = loaded.map_err(|_| Error::new(ErrorKind::Loader, "it panicked, or the runtime ended"))??;
            for (at, loaded) in loaded {
                if let Some(place) = found.get_mut(at) {
                    *place = loaded;
                }
            }
        }
        Ok(in_order(&order, found))
    }
}

/// What is asked for, each key once.
struct Looked<K, V> {
    /// For each key asked for, where its answer is.
    order: Vec<usize>,
    found: Vec<Option<Cached<V>>>,
    missing: Vec<Missing<K, V>>,
}

/// The answers in the order of the keys.
fn in_order<V>(order: &[usize], found: Vec<Option<Cached<V>>>) -> Vec<Option<Cached<V>>> {
    if order.len() == found.len() {
        // Each was asked for once.
        return found;
    }
    order.iter().map(|at| found.get(*at).cloned().flatten()).collect()
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// What the local level knows, and what it does not.
    fn at_hand(&self, keys: &[K]) -> Result<Looked<K, V>> {
        self.core.running()?;
        let mut seen: HashMap<&K, usize, RandomState> =
            HashMap::with_capacity_and_hasher(keys.len(), RandomState::default());
        let (mut order, mut found) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        let mut missing = Vec::new();
        // Once for all: before anything was read.
        let position = self.core.tracker.position();
        for key in keys {
            let at = *seen.entry(key).or_insert(found.len());
            order.push(at);
            if at < found.len() {
                continue;
            }
            let bytes = checked(key)?;
            self.note_read(key);
            found.push(match (self.look(key), self.unwritten(key)) {
                (Look::Answer { stored, stale, .. }, _) => self.serve(stored.cached(stale), Event::LocalHit),
                (Look::Nothing(_), Some(stored)) => self.serve(stored.cached(false), Event::LocalHit),
                (Look::Nothing(_), None) if self.is_excluded(&bytes) => None,
                (Look::Nothing(fallback), None) => {
                    let place = self.place(key, &bytes);
                    let fence = self.fence_from(position, place.hash);
                    missing.push(Missing { at, place, fence, fallback });
                    None
                }
            });
        }
        Ok(Looked { order, found, missing })
    }

    /// Takes what the shared level knows out of `missing`. An error leaves everything else in it.
    async fn read_many(&self, missing: &mut Vec<Missing<K, V>>, found: &mut [Option<Cached<V>>]) -> Result<()> {
        let Some(store) = self.core.store.as_ref().filter(|_| self.is_shared()) else { return Ok(()) };
        let settled = self.core.outbox.is_settled();
        let (asked, mut rest): (Vec<_>, Vec<_>) =
            mem::take(missing).into_iter().partition(|it| settled || !self.is_unsettled(it.place.hash));
        // Apart while they are asked for, so that nothing has to be copied.
        let (ids, asked): (Vec<StoreKey>, Vec<_>) = asked
            .into_iter()
            .map(|Missing { at, place: Place { key, id, hash }, fence, fallback }| {
                (id, (at, key, hash, fence, fallback))
            })
            .unzip();
        let (values, mut outcome) = match ids.is_empty() {
            true => (Vec::new(), Ok(())),
            false => match self.ask(Question::new("get_many", &ids), store.get_many(&ids)).await {
                Ok(values) => (values, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            },
        };
        let values = values.into_iter().chain(std::iter::repeat(None));
        let mut newest = None;
        for (((at, key, hash, fence, mut fallback), id), bytes) in asked.into_iter().zip(ids).zip(values) {
            let opened = match bytes {
                Some(bytes) => self.open(bytes, fence, &mut newest).await,
                None => Ok(None),
            };
            match opened {
                Ok(Some(Found { stored, age: Age::LastResort })) => fallback = stored.cached(true),
                Ok(Some(Found { stored, age })) => {
                    if age != Age::Stale {
                        self.keep(&key, &stored);
                    }
                    if let Some(place) = found.get_mut(at) {
                        *place = self.serve(stored.cached(age == Age::Stale), Event::SharedHit);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => outcome = Err(error),
            }
            rest.push(Missing { at, place: Place { key, id, hash }, fence, fallback });
        }
        *missing = rest;
        outcome
    }

    async fn load_many(
        self: Arc<Self>,
        missing: Vec<Missing<K, V>>,
        load: LoadMany<K, V>,
        shared: bool,
    ) -> Result<Vec<(usize, Option<Cached<V>>)>> {
        // Keys that somebody else loads as well are loaded for this caller alone.
        let loader = Loader::random();
        let leased = if shared { self.lease(&missing, loader).await } else { Vec::new() };
        let result = tokio::select! {
            biased;
            result = self.run_many(load) => result,
            never = self.renew(&leased, loader) => match never {},
        };
        let leased: HashSet<StoreKey> = leased.into_iter().collect();
        match result {
            Ok(mut loaded) => {
                let stored = missing.into_iter().map(|missing| {
                    let loaded = loaded.remove(&missing.place.key).unwrap_or_else(Loaded::absent);
                    let loader = leased.contains(&missing.place.id).then_some(loader);
                    let this = &self;
                    async move {
                        let (cached, lease_ended) = this.store(&missing.place, missing.fence, loaded, loader).await;
                        if loader.is_some() && !lease_ended {
                            this.give_up(&missing.place.id, loader, Duration::ZERO).await;
                        }
                        (missing.at, cached)
                    }
                });
                Ok(join_all(stored).await.into_iter().collect())
            }
            Err(error) => {
                join_all(leased.iter().map(|key| self.give_up(key, Some(loader), Duration::ZERO))).await;
                if missing.iter().any(|it| it.fallback.is_none()) {
                    return Err(error);
                }
                self.stats.add(Event::Stale, missing.len() as u64);
                Ok(missing.into_iter().map(|it| (it.at, it.fallback)).collect())
            }
        }
    }

    /// The keys whose lease was granted.
    async fn lease(&self, missing: &[Missing<K, V>], loader: Loader) -> Vec<StoreKey> {
        let Some(store) = &self.core.store else { return Vec::new() };
        let begun = missing.iter().filter(|it| !self.is_unsettled(it.place.hash)).map(async |missing| {
            let id = &missing.place.id;
            let begun = self.ask(Question::about("begin", id), store.begin(id, loader, LEASE)).await.ok()?;
            (begun.lease == Lease::Granted).then(|| id.clone())
        });
        join_all(begun).await.into_iter().flatten().collect()
    }

    async fn run_many(&self, load: LoadMany<K, V>) -> Result<HashMap<K, Loaded<V>>> {
        let deadline = Instant::now() + self.policy.load_timeout;
        let Ok(Ok(_permit)) = timeout_at(deadline, self.permits.acquire()).await else {
            self.stats.count(Event::Overloaded);
            return Err(Error::new(ErrorKind::Overloaded, "no place became free in time"));
        };
        let began = Instant::now();
        let result = timeout_at(deadline, load).await;
        self.note_load(began.elapsed(), None);
        let (event, result) = match result {
            Ok(Ok(loaded)) => (Event::Load, Ok(loaded)),
            Ok(Err(error)) => (Event::LoadFailed, Err(error)),
            Err(_) => (Event::LoadTimedOut, Err(Error::new(ErrorKind::LoadTimeout, "the loader was given up"))),
        };
        self.stats.count(event);
        result
    }
}
