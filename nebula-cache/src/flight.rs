//! Loads under way, one for each key.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::entry::Cached;
use crate::error::{Error, ErrorKind};
use crate::inner::Fence;
use crate::key::CacheKey;
use crate::stats::Event;

/// How a load ended for those who wait for it, and where the value came from.
pub(crate) type Outcome<V> = Result<(Option<Cached<V>>, Event), Error>;

/// A load under way.
pub(crate) struct Flight<V> {
    /// The state before anything was read: whoever asks after an invalidation must not join.
    pub(crate) fence: Fence,
    outcome: watch::Sender<Option<Outcome<V>>>,
}

impl<V: Send + Sync> Flight<V> {
    pub(crate) fn new(fence: Fence) -> Self {
        Self { fence, outcome: watch::Sender::new(None) }
    }

    /// Answers those who wait, unless they have an answer already.
    pub(crate) fn answer(&self, outcome: Outcome<V>) {
        self.outcome.send_if_modified(|present| {
            let first = present.is_none();
            if first {
                *present = Some(outcome);
            }
            first
        });
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    pub(crate) async fn outcome(&self) -> Outcome<V> {
        let mut outcome = self.outcome.subscribe();
        let gone = || Error::new(ErrorKind::ShutDown, "the load was given up");
        match outcome.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_else(|| Err(gone())),
            Err(_) => Err(gone()),
        }
    }
}

/// What a call does about a missing key.
pub(crate) enum Role<V> {
    /// It loads.
    Lead(Arc<Flight<V>>),
    /// It waits.
    Follow(Arc<Flight<V>>),
}

/// A key whose loads fail is left alone for a while.
struct Failure {
    error: Error,
    until: Instant,
    count: u32,
}

const SHARDS: usize = 16;

/// So many failures are remembered in each shard.
const FAILURES: usize = 1024;

struct Shard<K, V> {
    flights: HashMap<K, Arc<Flight<V>>>,
    failures: HashMap<K, Failure>,
}

pub(crate) struct Flights<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    hasher: RandomState,
}

impl<K: CacheKey, V: Send + Sync> Flights<K, V> {
    pub(crate) fn new() -> Self {
        let shard = |_| Mutex::new(Shard { flights: HashMap::new(), failures: HashMap::new() });
        Self { shards: std::array::from_fn(shard), hasher: RandomState::default() }
    }

    /// Joins the load of the key if it is `joinable`, or else begins a new one.
    pub(crate) fn join(&self, key: &K, joinable: impl Fn(&Flight<V>) -> bool, new: impl Fn() -> Flight<V>) -> Role<V> {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.flights.get(key)
            && joinable(flight)
        {
            return Role::Follow(Arc::clone(flight));
        }
        let flight = Arc::new(new());
        shard.flights.insert(key.clone(), Arc::clone(&flight));
        Role::Lead(flight)
    }

    /// The load is over.
    pub(crate) fn leave(&self, key: &K, flight: &Arc<Flight<V>>) {
        let mut shard = self.shard(key);
        if shard.flights.get(key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            shard.flights.remove(key);
        }
    }

    /// Why the key is left alone now, if it is.
    pub(crate) fn backing_off(&self, key: &K) -> Option<Error> {
        let shard = self.shard(key);
        let failure = shard.failures.get(key)?;
        (failure.until > Instant::now()).then(|| failure.error.clone())
    }

    /// The key is left alone for a time that depends on how often in a row it failed; returns that time.
    pub(crate) fn failed(&self, key: &K, error: Error, pause: impl FnOnce(u32) -> Duration) -> Duration {
        let mut shard = self.shard(key);
        let count = shard.failures.get(key).map_or(1, |failure| failure.count.saturating_add(1));
        if shard.failures.len() >= FAILURES && count == 1 {
            let now = Instant::now();
            shard.failures.retain(|_, failure| failure.until > now);
            if shard.failures.len() >= FAILURES {
                return pause(count);
            }
        }
        let pause = pause(count);
        shard.failures.insert(key.clone(), Failure { error, until: Instant::now() + pause, count });
        pause
    }

    pub(crate) fn succeeded(&self, key: &K) {
        self.shard(key).failures.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().flights.len()).sum()
    }

    /// Forgets failures that ended longer ago than they lasted at most.
    pub(crate) fn clean(&self, longest: Duration) {
        let now = Instant::now();
        for shard in &self.shards {
            shard.lock().failures.retain(|_, failure| failure.until + longest > now);
        }
    }

    fn shard(&self, key: &K) -> parking_lot::MutexGuard<'_, Shard<K, V>> {
        #[allow(clippy::cast_possible_truncation, reason = "the remainder is small")]
        let place = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        self.shards[place].lock()
    }
}
