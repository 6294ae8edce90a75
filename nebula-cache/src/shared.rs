//! Reading and writing the shared level: envelopes, ages, tags, and what to do when it does not answer.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::channel::Invalid;
use crate::clock::millis;
use crate::core::{ALL, tag_hash, within};
use crate::entry::{Cached, Loaded, Stored};
use crate::envelope::{self, Header};
use crate::error::{Error, ErrorKind, Result};
use crate::generations::Mark;
use crate::inner::{Fence, Inner, Place};
use crate::key::CacheKey;
use crate::slow::Question;
use crate::stats::Event;
use crate::store::{Fill, Loader, StoreKey};
use crate::telemetry;

/// How long a lease lasts when its holder is not heard of any more. It is renewed every third of it.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// Something out of the shared level.
pub(crate) struct Found<V> {
    pub(crate) stored: Stored<V>,
    pub(crate) age: Age,
}

/// When the cache as a whole was invalidated last, as it was known after something had been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    epoch: u64,
    sequence: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Good, but to be refreshed.
    Aging,
    /// To be refreshed, and served meanwhile.
    Stale,
    /// To be served only if loading fails.
    LastResort,
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Whether the shared level must not be believed about this key: an eviction is still on its way there.
    pub(crate) fn is_unsettled(&self, hash: u64) -> bool {
        self.core.outbox.is_unsettled(&[hash, self.hash, ALL])
    }

    /// One call to the shared level, unless the breaker keeps it away; patience is bounded and failures are counted.
    pub(crate) async fn ask<T>(
        &self,
        question: Question<'_>,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let began = Instant::now();
        let Ok(pass) = self.core.breaker.pass(began) else {
            return Err(Error::new(ErrorKind::Unavailable, "it failed too often and is left alone for a moment"));
        };
        let result = within(self.policy.shared_timeout, call).await;
        let ended = Instant::now();
        let time = ended - began;
        self.stats.shared_in(time);
        self.shared_seconds.read().record(time.as_secs_f64());
        if time >= self.policy.slow_shared {
            self.stats.count_slow_shared();
            telemetry::slow_shared(&self.name, question.operation);
            if self.warned_of_slowness.may(&self.core.clock) {
                question.warn(&self.name, time);
            }
        }
        pass.ended(result.as_ref().is_err_and(Error::is_retryable), ended);
        if let Err(error) = &result {
            self.stats.count(Event::SharedError);
            if self.may_warn() {
                warn!(cache = %self.name, %error, "the shared cache failed");
            }
        }
        result
    }

    /// What the shared level holds that is still good for something.
    pub(crate) async fn read(&self, key: &StoreKey, fence: Fence) -> Result<Option<Found<V>>> {
        let Some(store) = &self.core.store else { return Ok(None) };
        match self.ask(Question::about("get", key), store.get(key, self.policy.idle)).await {
            Ok(Some(bytes)) => self.open(bytes, fence, &mut None).await,
            Ok(None) => Ok(None),
            Err(error) if error.kind() == ErrorKind::WrongType => {
                self.stats.count(Event::Undecodable);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the bytes stand for, if that is good for something.
    ///
    /// Fails if it is not known whether it was evicted. What is found out about evictions of the whole cache holds for all
    /// values that were read together, and is handed on in `newest`.
    pub(crate) async fn open(
        &self,
        bytes: Bytes,
        fence: Fence,
        newest: &mut Option<Newest>,
    ) -> Result<Option<Found<V>>> {
        let Some(codec) = &self.codec else { return Ok(None) };
        let (header, value) = match envelope::open(bytes, self.policy.max_value) {
            Ok(opened) => opened,
            Err(error) => return Ok(self.undecodable(&error)),
        };
        if header.codec != codec.id() || header.schema != self.policy.schema {
            // Of another version of the program, during and after a deployment: no reason to worry.
            self.stats.count(Event::OtherSchema);
            return Ok(None);
        }
        let now = self.core.clock.now();
        let age = self.core.tracker.server_time_at(now).saturating_sub(header.written);
        if age >= header.keep_for {
            return Ok(None);
        }
        let tags = match newest.filter(|newest| newest.epoch == header.epoch && header.tags.is_empty()) {
            Some(newest) if newest.sequence <= header.sequence => Vec::new(),
            Some(_) => return Ok(None),
            None => {
                let written = (header.epoch, header.sequence);
                let Some(tags) = self.vet(written, &header.tags, newest).await? else { return Ok(None) };
                tags
            }
        };
        let value = match (!header.absent).then(|| codec.decode(&value)).transpose() {
            Ok(value) => value,
            Err(error) => return Ok(self.undecodable(&error)),
        };
        let times = self.times_at(now, header.fresh_for, header.keep_for, age, fence.hot);
        let age = match now {
            _ if now >= times.stale => Age::LastResort,
            _ if now >= times.fresh => Age::Stale,
            _ if now >= times.refresh => Age::Aging,
            _ => Age::Fresh,
        };
        Ok(Some(Found { stored: Stored::new(value, self.meta(fence, times, &tags)), age }))
    }

    fn undecodable<T>(&self, error: &Error) -> Option<T> {
        self.stats.count(Event::Undecodable);
        if self.may_warn() {
            warn!(cache = %self.name, %error, "a stored value counts as missing");
        }
        None
    }

    /// Marks for the tags, if neither they nor the cache were invalidated after `sequence` of `epoch`.
    /// Without tags, leaves in `known` what is known of the cache.
    pub(crate) async fn vet(
        &self,
        (epoch, sequence): (u64, u64),
        tags: &[u64],
        known: &mut Option<Newest>,
    ) -> Result<Option<Vec<Mark>>> {
        if epoch != self.core.tracker.position().epoch || self.core.outbox.is_unsettled(tags) {
            return Ok(None);
        }
        if tags.is_empty()
            && let Some(sequence_of_cache) = self.vetted(epoch)
        {
            *known = Some(Newest { epoch, sequence: sequence_of_cache });
            return Ok((sequence_of_cache <= sequence).then(Vec::new));
        }
        let changes = self.core.tracker.changes();
        // Before the versions: an invalidation that comes after them kills the mark.
        let marks = tags.iter().map(|tag| self.core.generations.mark(*tag)).collect();
        let hashes = || [self.hash, ALL].into_iter().chain(tags.iter().copied());
        let mut newest = self.core.tracker.newest(epoch, hashes());
        if newest.is_none() {
            let wide = [Invalid::Cache(self.hash), Invalid::All];
            let items: Vec<Invalid> = wide.into_iter().chain(tags.iter().copied().map(Invalid::Tag)).collect();
            self.core.learn(epoch, &items, self.policy.shared_timeout).await?;
            newest = self.core.tracker.newest(epoch, hashes());
        }
        if let ([], Some(sequence)) = (tags, newest) {
            *known = Some(Newest { epoch, sequence });
            // What is learnt counts as a change, so it is found at the next time.
            self.vetted.set([changes, epoch, sequence]);
        }
        Ok(newest.is_some_and(|newest| newest <= sequence).then_some(marks))
    }

    /// When the cache as a whole was invalidated last in this epoch, if that was found out before and nothing has changed.
    fn vetted(&self, epoch: u64) -> Option<u64> {
        let changes = self.core.tracker.changes();
        let [then, of, sequence] = self.vetted.get();
        (then == changes && of == epoch).then_some(sequence)
    }

    /// The bytes to store for a value, or for the knowledge that there is none.
    pub(crate) fn seal(&self, value: Option<&V>, life: Life, fence: &Fence, tags: &[u64]) -> Result<Bytes> {
        let Some(codec) = &self.codec else {
            return Err(Error::new(ErrorKind::Unsupported, "a local cache has no shared level"));
        };
        let encoded = value.map(|value| codec.encode(value)).transpose()?.unwrap_or_default();
        let size = encoded.len();
        if size > self.policy.max_value {
            self.stats.count(Event::TooLarge);
            let limit = self.policy.max_value;
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the value has {size} bytes, at most {limit} are stored"),
            ));
        }
        if tags.len() > usize::from(u16::MAX) {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the value has {} tags, at most 65535 are stored", tags.len()),
            ));
        }
        if size > self.policy.warn_above && self.may_warn() {
            warn!(cache = %self.name, size, "a large value is stored in the shared cache");
        }
        let header = Header {
            absent: value.is_none(),
            codec: codec.id(),
            schema: self.policy.schema,
            written: self.core.tracker.server_time(&self.core.clock),
            fresh_for: millis(life.fresh),
            keep_for: millis(life.keep),
            epoch: fence.position.epoch,
            sequence: fence.position.sequence,
            tags: tags.to_vec(),
        };
        Ok(envelope::seal(&header, &encoded, self.policy.compress_above))
    }

    /// How long a value lives, jitter taken off; `None` if it is not to be cached.
    pub(crate) fn life(&self, ttl: Option<Duration>, absent: bool) -> Option<Life> {
        let default = if absent { self.policy.null_ttl } else { self.policy.ttl };
        let fresh = self.policy.jittered(ttl.unwrap_or(default).min(crate::policy::MAX_TTL));
        // Nothing is gained by knowing what was absent long ago.
        let keep = if absent { fresh } else { fresh + self.policy.after_life() };
        (millis(fresh) > 0).then_some(Life { fresh, keep })
    }

    /// How long the shared level holds what lives so long.
    pub(crate) fn stored_for(&self, life: Life) -> Duration {
        self.policy.idle.map_or(life.keep, |idle| idle.min(life.keep))
    }

    /// Stores what was loaded in both levels, unless it was evicted meanwhile; in the shared one only if there is a loader
    /// with a lease. Also says whether that lease has ended.
    pub(crate) async fn store(
        &self,
        place: &Place<K>,
        fence: Fence,
        loaded: Loaded<V>,
        loader: Option<Loader>,
    ) -> (Option<Cached<V>>, bool) {
        let Loaded { value, ttl, tags } = loaded;
        let Some(life) = self.life(ttl, value.is_none()) else {
            let stored = Stored::new(value, self.meta(fence, self.times(0, 0, false), &[]));
            return (stored.cached(false), false);
        };
        let tags: Vec<u64> = tags.iter().map(|tag| tag_hash(tag)).collect();
        let sealed = loader.map(|loader| (loader, self.seal(value.as_ref(), life, &fence, &tags)));
        let (stored, may_stay) = self.entry(value, life, fence, &tags).await;
        let filled = match sealed {
            Some((loader, Ok(value))) => {
                let fill = Fill { key: place.id.clone(), loader, value, ttl: self.stored_for(life) };
                self.fill(&fill).await
            }
            Some((_, Err(error))) => {
                if self.may_warn() {
                    warn!(cache = %self.name, %error, "a loaded value is not shared");
                }
                None
            }
            None => None,
        };
        if may_stay && filled != Some(false) {
            self.keep(&place.key, &stored);
        }
        (stored.cached(false), filled.is_some())
    }

    /// A new entry for the local level, and whether it may stay there: its tags may have been evicted since `fence`.
    pub(crate) async fn entry(&self, value: Option<V>, life: Life, fence: Fence, tags: &[u64]) -> (Stored<V>, bool) {
        let marks = match tags {
            [] => Some(Vec::new()),
            _ => {
                let written = (fence.position.epoch, fence.position.sequence);
                self.vet(written, tags, &mut None).await.ok().flatten()
            }
        };
        let times = self.times(millis(life.fresh), millis(life.keep), fence.hot);
        let stored = Stored::new(value, self.meta(fence, times, marks.as_deref().unwrap_or_default()));
        (stored, marks.is_some())
    }

    /// Lets other loaders in, after `back_off`.
    pub(crate) async fn give_up(&self, key: &StoreKey, loader: Option<Loader>, back_off: Duration) {
        if let (Some(loader), Some(store)) = (loader, &self.core.store) {
            // If it fails the lease ends by itself.
            let _ = self.ask(Question::about("abandon", key), store.abandon(key, loader, back_off)).await;
        }
    }

    /// Renews leases for ever.
    pub(crate) async fn renew(&self, keys: &[StoreKey], loader: Loader) -> Infallible {
        loop {
            sleep(LEASE / 3).await;
            if let Some(store) = &self.core.store {
                let renew = |key| self.ask(Question::about("renew", key), store.renew(key, loader, LEASE));
                join_all(keys.iter().map(renew)).await;
            }
        }
    }

    /// Whether the value was stored; `None` if that is unknown.
    pub(crate) async fn fill(&self, fill: &Fill) -> Option<bool> {
        let store = self.core.store.as_ref()?;
        let filled = self.ask(Question::about("fill", &fill.key), store.fill(fill)).await.ok()?;
        if !filled {
            self.stats.count(Event::RefusedByFence);
        }
        Some(filled)
    }
}

/// How long a value lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) fresh: Duration,
    /// The time for which it is a last resort included.
    pub(crate) keep: Duration,
}
