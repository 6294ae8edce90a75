//! One load: it looks into the shared level, takes the key's lease there, loads, stores, and answers all who wait.
//!
//! It runs in a task of its own, so that it outlives the caller who began it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::warn;

use crate::entry::{Cached, Loaded};
use crate::error::{Error, ErrorKind, Result};
use crate::flight::{Flight, Outcome};
use crate::inner::{Inner, Place};
use crate::key::CacheKey;
use crate::shared::{Age, Found, LEASE};
use crate::slow::Question;
use crate::stats::Event;
use crate::store::{Lease, Loader};
use crate::telemetry;

/// A caller's loader, started when it is polled.
pub(crate) type Load<V> = BoxFuture<'static, Result<Loaded<V>>>;

/// First and longest pause of those who wait for another node's load.
const POLL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// A load under way. When it is dropped nobody waits any more, however it ended.
pub(crate) struct Loading<K: CacheKey, V: Send + Sync + 'static> {
    pub(crate) inner: Arc<Inner<K, V>>,
    pub(crate) place: Place<K>,
    pub(crate) flight: Arc<Flight<V>>,
    /// What is served if there is nothing better.
    pub(crate) fallback: Option<Cached<V>>,
}

impl<K: CacheKey, V: Send + Sync + 'static> Loading<K, V> {
    pub(crate) async fn run(mut self, load: Load<V>) {
        let began = Instant::now();
        let deadline = began + self.inner.policy.load_timeout;
        let soft = self.inner.policy.soft_timeout.map(|time| began + time);
        // Another load may have ended between the caller's look and this one's beginning.
        if let Some(stored) = self.inner.quick(&self.place.key) {
            return self.land(Ok((stored.cached(false), Event::LocalHit)));
        }
        let mut loader = None;
        if self.inner.is_shared() && !self.inner.is_unsettled(self.place.hash) {
            match timeout_at(deadline, self.consult(soft)).await {
                Ok(Consulted::Answered) => return,
                Ok(Consulted::Load(granted)) => loader = granted,
                Err(_) => return self.fail(Error::new(ErrorKind::LoadTimeout, "another node did not load it in time")),
            }
        }
        match self.patiently(soft, self.load(loader, load, deadline)).await {
            Ok(loaded) => {
                self.inner.flights.succeeded(&self.place.key);
                let cached = self.store(loaded, loader).await;
                self.land(Ok((cached, Event::Miss)));
            }
            Err(error) => {
                let pause = self
                    .inner
                    .flights
                    .failed(&self.place.key, error.clone(), |count| self.inner.policy.back_off(count));
                self.fail(error);
                self.give_up(loader, pause).await;
            }
        }
    }

    /// The last answer. Nobody joins any more before it is given: whoever has it and asks again is to get a load of its own,
    /// if what was loaded is not kept.
    fn land(&self, outcome: Outcome<V>) {
        self.inner.flights.leave(&self.place.key, &self.flight);
        self.flight.answer(outcome);
    }

    fn fail(&self, error: Error) {
        self.land(match &self.fallback {
            Some(stale) => Ok((Some(stale.clone()), Event::Miss)),
            None => Err(error),
        });
    }

    /// Does the work; if it is not done at `soft`, those who wait get what there is meanwhile.
    async fn patiently<T>(&self, soft: Option<Instant>, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let (Some(soft), Some(stale)) = (soft, &self.fallback) {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep_until(soft) => self.flight.answer(Ok((Some(stale.clone()), Event::Miss))),
            }
        }
        work.await
    }

    /// Looks for the value in the shared level, again and again while another node loads it.
    async fn consult(&mut self, soft: Option<Instant>) -> Consulted {
        let inner = Arc::clone(&self.inner);
        let Some(store) = &inner.core.store else { return Consulted::Load(None) };
        let loader = Loader::random();
        let mut pause = POLL.0;
        let Ok(found) = inner.read(&self.place.id, self.flight.fence).await else { return Consulted::Load(None) };
        if self.take(found) {
            return Consulted::Answered;
        }
        loop {
            let question = Question::about("begin", &self.place.id);
            let Ok(begun) = inner.ask(question, store.begin(&self.place.id, loader, LEASE)).await else {
                return Consulted::Load(None);
            };
            if let Some(bytes) = begun.value
                && let Ok(found) = inner.open(bytes, self.flight.fence, &mut None).await
                && self.take(found)
            {
                if begun.lease == Lease::Granted {
                    self.give_up(Some(loader), Duration::ZERO).await;
                }
                return Consulted::Answered;
            }
            match begun.lease {
                Lease::Granted => return Consulted::Load(Some(loader)),
                // Somebody else refreshes it, and those who wait have what there is.
                Lease::Busy(_) if self.flight.is_answered() => return Consulted::Answered,
                Lease::Busy(rest) => {
                    self.patiently(soft, sleep(rest.clamp(Duration::from_millis(1), pause))).await;
                    pause = (pause * 2).min(POLL.1);
                }
            }
        }
    }

    /// Uses what was found; `true` if there is nothing more to be done.
    fn take(&mut self, found: Option<Found<V>>) -> bool {
        let Some(Found { stored, age }) = found else { return false };
        match age {
            Age::Fresh => {
                self.inner.keep(&self.place.key, &stored);
                self.land(Ok((stored.cached(false), Event::SharedHit)));
            }
            Age::Aging => {
                self.inner.keep(&self.place.key, &stored);
                self.flight.answer(Ok((stored.cached(false), Event::SharedHit)));
            }
            Age::Stale => self.flight.answer(Ok((stored.cached(true), Event::SharedHit))),
            Age::LastResort => self.fallback = stored.cached(true).or(self.fallback.take()),
        }
        age == Age::Fresh
    }

    /// Runs the loader; meanwhile the lease is kept.
    async fn load(&self, loader: Option<Loader>, load: Load<V>, deadline: Instant) -> Result<Loaded<V>> {
        let stats = &self.inner.stats;
        let Ok(Ok(_permit)) = timeout_at(deadline, self.inner.permits.acquire()).await else {
            stats.count(Event::Overloaded);
            return Err(Error::new(ErrorKind::Overloaded, "no place became free in time"));
        };
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            result = timeout_at(deadline, load) => result,
            never = self.renew(loader) => match never {},
        };
        self.inner.note_load(began.elapsed(), Some(self.place.hash));
        let Ok(result) = result else {
            stats.count(Event::LoadTimedOut);
            return Err(Error::new(ErrorKind::LoadTimeout, "the loader was given up"));
        };
        stats.count(if result.is_ok() { Event::Load } else { Event::LoadFailed });
        result
    }

    /// Renews the lease for ever. If it has ended, what is loaded will not be stored.
    async fn renew(&self, loader: Option<Loader>) -> Infallible {
        match loader {
            Some(loader) => self.inner.renew(std::slice::from_ref(&self.place.id), loader).await,
            None => std::future::pending().await,
        }
    }

    /// Stores what was loaded, unless it was evicted meanwhile, and gives the lease back.
    async fn store(&self, loaded: Loaded<V>, loader: Option<Loader>) -> Option<Cached<V>> {
        let (cached, lease_ended) = self.inner.store(&self.place, self.flight.fence, loaded, loader).await;
        if !lease_ended {
            self.give_up(loader, Duration::ZERO).await;
        }
        cached
    }

    async fn give_up(&self, loader: Option<Loader>, back_off: Duration) {
        self.inner.give_up(&self.place.id, loader, back_off).await;
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// A load, of one key or of several, took `time`.
    pub(crate) fn note_load(&self, time: Duration, key_hash: Option<u64>) {
        self.stats.loaded_in(time);
        telemetry::loaded(&self.name, time);
        if time >= self.policy.slow_load {
            self.stats.count(Event::SlowLoad);
            if self.may_warn() {
                warn!(cache = %self.name, key_hash, ?time, "a slow load");
            }
        }
    }
}

enum Consulted {
    /// Those who wait have what they need, and nothing is to be loaded.
    Answered,
    Load(Option<Loader>),
}

impl<K: CacheKey, V: Send + Sync + 'static> Drop for Loading<K, V> {
    fn drop(&mut self) {
        if !self.flight.is_answered() {
            let error = Error::new(ErrorKind::Loader, "it panicked, or the runtime ended");
            self.inner.flights.failed(&self.place.key, error.clone(), |count| self.inner.policy.back_off(count));
            self.fail(error);
        }
        self.inner.flights.leave(&self.place.key, &self.flight);
    }
}
