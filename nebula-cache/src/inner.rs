//! One cache: its two levels, and what is valid in them.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use metrics::Histogram;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::behind::Behind;
use crate::bloom::KeyFilter;
use crate::channel::Position;
use crate::clock::{OnceASecond, millis};
use crate::codec::Codec;
use crate::core::{Core, Registered, key_hash};
use crate::entry::{Cached, Meta, More, Stored, Times};
use crate::error::Result;
use crate::flight::Flights;
use crate::generations::Mark;
use crate::hot::Hot;
use crate::key::CacheKey;
use crate::local::{Cause, Local};
use crate::policy::Policy;
use crate::snapshot::{CacheSnapshot, Evictions};
use crate::stats::{CLASSES, EVENTS, Event, Stats};
use crate::store::StoreKey;
use crate::telemetry;
use crate::together::Together;

pub(crate) struct Inner<K, V> {
    pub(crate) core: Arc<Core>,
    pub(crate) name: Arc<str>,
    pub(crate) hash: u64,
    pub(crate) policy: Policy,
    pub(crate) codec: Option<Arc<dyn Codec<V>>>,
    pub(crate) local: Option<Local<K, V>>,
    /// Counts how often everything became invalid.
    pub(crate) clears: AtomicU32,
    pub(crate) flights: Flights<K, V>,
    pub(crate) permits: Semaphore,
    pub(crate) stats: Stats,
    /// What the facade `metrics` was told.
    pub(crate) reported: Mutex<([u64; EVENTS], Evictions)>,
    /// See [`Self::vet`]: changes of the versions, epoch, sequence.
    pub(crate) vetted: Together<3>,
    /// The handle of a histogram, looked up once a second.
    pub(crate) shared_seconds: RwLock<Histogram>,
    pub(crate) warned: OnceASecond,
    pub(crate) warned_of_slowness: OnceASecond,
    pub(crate) behind: OnceLock<Behind<K, V>>,
    pub(crate) filter: Option<Arc<dyn KeyFilter>>,
    pub(crate) hot: Option<Hot<K>>,
}

/// The state of a key before anything about it was read: what was read or loaded is valid while this stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fence {
    /// How far the invalidations had been followed.
    pub(crate) position: Position,
    pub(crate) mark: Mark,
    /// How often the cache had been cleared.
    pub(crate) clears: u32,
    /// Whether the key was hot.
    pub(crate) hot: bool,
}

/// A key in all its forms.
pub(crate) struct Place<K> {
    pub(crate) key: K,
    pub(crate) id: StoreKey,
    pub(crate) hash: u64,
}

/// What the local level has to say.
pub(crate) enum Look<V> {
    /// An answer; `refresh` says that it should be renewed in the background.
    Answer { stored: Stored<V>, stale: bool, refresh: bool },
    /// Nothing; perhaps something for when all else fails.
    Nothing(Option<Cached<V>>),
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Whether values of this cache are in the shared level as well.
    pub(crate) fn is_shared(&self) -> bool {
        self.codec.is_some() && self.core.store.is_some()
    }

    pub(crate) fn key_hash(&self, key: &[u8]) -> u64 {
        key_hash(&self.name, key)
    }

    pub(crate) fn clears(&self) -> u32 {
        self.clears.load(Ordering::Acquire)
    }

    pub(crate) fn id(&self, bytes: &[u8]) -> StoreKey {
        StoreKey::new(Arc::clone(&self.name), Bytes::copy_from_slice(bytes))
    }

    pub(crate) fn place(&self, key: &K, bytes: &[u8]) -> Place<K> {
        let id = self.id(bytes);
        Place { key: key.clone(), hash: id.hash(), id }
    }

    pub(crate) fn fence(&self, hash: u64) -> Fence {
        self.fence_from(self.core.tracker.position(), hash)
    }

    /// With how far the invalidations had been followed at some time before.
    pub(crate) fn fence_from(&self, position: Position, hash: u64) -> Fence {
        let hot = self.hot.as_ref().is_some_and(|hot| hot.is_hot(hash));
        Fence { position, mark: self.core.generations.mark(hash), clears: self.clears(), hot }
    }

    /// Whether nothing was invalidated since.
    #[inline]
    pub(crate) fn stands(&self, fence: &Fence) -> bool {
        self.core.generations.is_current(fence.mark) && fence.clears == self.clears()
    }

    /// Whether nothing has invalidated the entry, whatever its age.
    #[inline]
    pub(crate) fn is_valid(&self, meta: &Meta) -> bool {
        self.stands(&meta.fence)
            && meta.more.as_ref().is_none_or(|more| more.tags.iter().all(|tag| self.core.generations.is_current(*tag)))
    }

    /// The common case: a value in the local level of which there is nothing more to say.
    #[inline]
    pub(crate) fn quick(&self, key: &K) -> Option<Stored<V>> {
        let stored = self.local.as_ref()?.get(key)?;
        let meta = stored.meta();
        if !meta.is_quick(self.core.clock.now()) {
            return None;
        }
        let invalidations = self.core.generations.total();
        meta.is_still_valid(invalidations, || self.stands(&meta.fence)).then_some(stored)
    }

    /// All other cases.
    pub(crate) fn look(&self, key: &K) -> Look<V> {
        let Some(stored) = self.local.as_ref().and_then(|local| local.get(key)) else { return Look::Nothing(None) };
        let meta = stored.meta();
        let now = self.core.clock.now();
        if meta.more.as_ref().is_some_and(|more| !more.touch(now)) {
            self.end(key, &stored, Cause::Expired);
            return Look::Nothing(None);
        }
        if self.is_valid(meta) {
            if now < meta.times.local {
                let refresh = now >= meta.times.refresh;
                return Look::Answer { stored, stale: false, refresh };
            }
            // With a shared level, somebody else may have refreshed it there.
            if !self.is_shared() && now < meta.times.stale {
                let stale = now >= meta.times.fresh;
                return Look::Answer { stored, stale, refresh: true };
            }
        } else if self.core.tracker.is_trusted()
            || self.policy.fail_safe.is_zero()
            || !self.core.generations.is_current(meta.fence.mark)
        {
            // Evicted, here or elsewhere: never again, not even for lack of anything better. That it may have been evicted
            // elsewhere while this node is cut off is what the fail-safe accepts.
            self.end(key, &stored, Cause::Invalidated);
            return Look::Nothing(None);
        }
        if now >= meta.times.keep {
            self.end(key, &stored, Cause::Expired);
            return Look::Nothing(None);
        }
        Look::Nothing(stored.cached(true))
    }

    fn end(&self, key: &K, stored: &Stored<V>, cause: Cause) {
        if let Some(local) = &self.local {
            local.end(key, stored, cause);
        }
    }

    /// Why an entry would not be served any more.
    fn ended(&self, meta: &Meta) -> Option<Cause> {
        let now = self.core.clock.now();
        if now >= meta.times.keep || meta.more.as_ref().is_some_and(|more| more.is_idle(now)) {
            return Some(Cause::Expired);
        }
        (!self.is_valid(meta)).then_some(Cause::Invalidated)
    }

    /// From when to when a value is good that is written now; all in milliseconds.
    pub(crate) fn times(&self, fresh: u64, keep: u64, hot: bool) -> Times {
        self.times_at(self.core.clock.precise(), fresh, keep, 0, hot)
    }

    /// The same for one that at `now` was `age` old.
    pub(crate) fn times_at(&self, now: u64, fresh: u64, keep: u64, age: u64, hot: bool) -> Times {
        let from_now = |after: u64| now + after.saturating_sub(age);
        let mut local = fresh.saturating_sub(age);
        if self.is_shared() {
            local = local.min(millis(match &self.hot {
                Some(found) if hot => found.options.local_ttl,
                _ => self.policy.local_ttl,
            }));
            if let Some(idle) = self.policy.idle {
                // The shared level has to hear now and then that the value is in use.
                local = local.min(millis(idle) / 2);
            }
        }
        if !self.core.tracker.is_trusted() {
            // Evictions elsewhere are not heard of.
            local = local.min(millis(self.core.bound));
        }
        let refresh = match self.policy.refresh_ahead {
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                clippy::cast_possible_truncation,
                reason = "milliseconds of at most ten years"
            )]
            Some(part) => from_now((fresh as f64 * part) as u64),
            None => u64::MAX,
        };
        let while_refreshed = millis(self.policy.stale_while_revalidate);
        Times {
            local: now + local,
            refresh,
            fresh: from_now(fresh),
            stale: from_now((fresh + while_refreshed).min(keep.max(fresh))),
            keep: from_now(keep),
        }
    }

    pub(crate) fn meta(&self, fence: Fence, times: Times, tags: &[Mark]) -> Meta {
        let idle = self.policy.idle.map_or(0, millis);
        let more = (idle != 0 || !tags.is_empty())
            .then(|| Box::new(More { tags: tags.into(), idle, used: AtomicU64::new(self.core.clock.now()) }));
        Meta::new(fence, times, more)
    }

    /// Puts an entry into the local level unless it is invalid already.
    pub(crate) fn keep(&self, key: &K, stored: &Stored<V>) {
        let cold = self.hot.as_ref().is_some_and(|hot| hot.options.only && !stored.meta().fence.hot);
        if let Some(local) = &self.local
            && !cold
            && self.is_valid(stored.meta())
        {
            local.insert(key, stored.clone(), |meta| self.ended(meta));
        }
    }

    /// Whether there is certainly nothing under the key.
    pub(crate) fn is_excluded(&self, key: &[u8]) -> bool {
        let excluded = self.filter.as_ref().is_some_and(|filter| filter.excludes(key));
        if excluded {
            self.stats.count(Event::Excluded);
        }
        excluded
    }

    /// There will be something under the key.
    pub(crate) async fn admit(&self, key: &[u8]) -> Result<()> {
        match &self.filter {
            Some(filter) => filter.add(key).await,
            None => Ok(()),
        }
    }

    /// Counts what a caller gets.
    #[inline]
    pub(crate) fn serve(&self, cached: Option<Cached<V>>, from: Event) -> Option<Cached<V>> {
        self.stats.count(from);
        match &cached {
            Some(cached) if cached.is_stale() => self.stats.count(Event::Stale),
            None if !matches!(from, Event::Miss) => self.stats.count(Event::NullHit),
            _ => {}
        }
        cached
    }

    /// At most one warning a second for each cache.
    pub(crate) fn may_warn(&self) -> bool {
        self.warned.may(&self.core.clock)
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Registered for Inner<K, V> {
    fn distrust(&self) {
        self.clears.fetch_add(1, Ordering::AcqRel);
        self.core.generations.note();
    }

    fn snapshot(&self) -> CacheSnapshot {
        let stats = &self.stats;
        let ends = CLASSES.iter().copied().map(Some).chain([None]);
        CacheSnapshot {
            name: self.name.to_string(),
            entries: self.local.as_ref().map_or(0, Local::len),
            weight: self.local.as_ref().map_or(0, Local::weight),
            capacity: self.policy.local_capacity,
            local_hits: stats.get(Event::LocalHit),
            shared_hits: stats.get(Event::SharedHit),
            misses: stats.get(Event::Miss),
            known_absent: stats.get(Event::NullHit),
            hot_keys: self.hot_keys(),
            excluded: stats.get(Event::Excluded),
            stale_served: stats.get(Event::Stale),
            loads: stats.get(Event::Load),
            failed_loads: stats.get(Event::LoadFailed),
            timed_out_loads: stats.get(Event::LoadTimedOut),
            slow_loads: stats.get(Event::SlowLoad),
            joined_loads: stats.get(Event::Joined),
            loading: self.flights.len(),
            load_histogram: ends.clone().zip(stats.loads().counts()).collect(),
            shared_histogram: ends.zip(stats.shared().counts()).collect(),
            slow_shared: stats.slow_shared(),
            refused_fills: stats.get(Event::RefusedByFence),
            undecodable: stats.get(Event::Undecodable),
            other_schema: stats.get(Event::OtherSchema),
            shared_errors: stats.get(Event::SharedError),
            puts: stats.get(Event::Put),
            evicted: stats.get(Event::Evict),
            evictions: self.local.as_ref().map_or_else(Default::default, Local::evictions),
        }
    }

    fn heat(&self, key: u64) {
        self.heat_key(key);
    }

    fn housekeeping(&self) {
        self.turn_hot_keys();
        self.flights.clean(self.policy.back_off.1);
        // A recorder may have been installed since.
        *self.shared_seconds.write() = telemetry::shared(&self.name);
        let (counts, evictions) =
            (self.stats.all(), self.local.as_ref().map_or_else(Default::default, Local::evictions));
        let mut reported = self.reported.lock();
        for (place, (now, before)) in counts.iter().zip(&reported.0).enumerate() {
            if now > before {
                telemetry::counted(place, &self.name, now - before);
            }
        }
        telemetry::evicted(&self.name, &evictions, &reported.1);
        *reported = (counts, evictions);
        if let Some(local) = &self.local {
            telemetry::size(&self.name, local.len(), local.weight());
        }
    }
}

impl<K, V> fmt::Debug for Inner<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}
