//! Setting up a filter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bits::{Geometry, SHARD};
use super::source::KeySource;
use super::store::BloomStore;
use super::{BloomFilter, Inner, build, sync};
use crate::duration;
use crate::error::{Error, ErrorKind, Result};

/// Sets up a [`BloomFilter`].
#[must_use = "call `local` or `shared`"]
pub struct BloomBuilder {
    name: Arc<str>,
    capacity: u64,
    rate: f64,
    bound: Duration,
    every: Option<Duration>,
    shard: u64,
    source: Option<Arc<dyn KeySource>>,
}

/// The options of one filter in configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct BloomSection {
    capacity: Option<u64>,
    false_positive_rate: Option<f64>,
    #[serde(deserialize_with = "duration::optional")]
    staleness_bound: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    rebuild_every: Option<Duration>,
    shard_size: Option<u64>,
}

impl BloomBuilder {
    pub(super) fn new(name: Arc<str>) -> Self {
        let bound = Duration::from_secs(2);
        Self { name, capacity: 1_000_000, rate: 0.01, bound, every: None, shard: SHARD, source: None }
    }

    /// What configuration says; options that are set later win.
    pub(crate) fn configured(mut self, section: &BloomSection) -> Self {
        self.capacity = section.capacity.unwrap_or(self.capacity);
        self.rate = section.false_positive_rate.unwrap_or(self.rate);
        self.bound = section.staleness_bound.unwrap_or(self.bound);
        self.every = section.rebuild_every.or(self.every);
        self.shard = section.shard_size.unwrap_or(self.shard);
        self
    }

    /// How many keys are expected (default 1,000,000): it grows with the first build if there are more.
    pub const fn with_capacity(mut self, keys: u64) -> Self {
        self.capacity = keys;
        self
    }

    /// Which part of the keys that do not exist may pass (default 0.01) when it is full.
    pub const fn with_false_positive_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Where the keys come from.
    pub fn with_source(mut self, source: impl KeySource) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// How long a replica that is cut off is believed (default 2 s).
    pub const fn with_staleness_bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Builds it again so often, to be rid of keys that were deleted (default: only when it is full).
    pub const fn with_rebuild_every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }

    /// How large in bytes a value in the store may be (default 64 MB, from 1 KiB to 512 MiB): the bits of a larger filter are spread
    /// over several, which a cluster keeps on different servers.
    pub const fn with_shard_size(mut self, bytes: u64) -> Self {
        self.shard = bytes;
        self
    }

    /// A filter in this process, for keys that are added by this process alone. Without a source it begins empty, and all
    /// keys there are have to be inserted.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for values that cannot work.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn local(self) -> Result<BloomFilter> {
        self.start(None)
    }

    /// A filter that all nodes share through `store`, for example a [`RedisShared`](crate::RedisShared).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for values that cannot work, and without a source: if the store lost the filter,
    /// nobody could tell it from an empty one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn shared(self, store: impl BloomStore) -> Result<BloomFilter> {
        if self.source.is_none() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "a shared bloom filter needs a source"));
        }
        self.start(Some(Arc::new(store)))
    }

    pub(crate) fn check(&self) -> Result<()> {
        Geometry::for_keys(self.capacity, self.rate)?;
        crate::builder::check_name(&self.name, "a bloom filter")?;
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&self.bound) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "the staleness bound has to be between 100 ms and a minute",
            ));
        }
        if !(1024..=512 * 1024 * 1024).contains(&self.shard) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "a shard of a bloom filter has between 1 KiB and 512 MiB",
            ));
        }
        if self.every.is_some_and(|time| time < Duration::from_secs(1)) {
            return Err(Error::new(ErrorKind::ConfigInvalid, "a bloom filter is rebuilt once a second at most"));
        }
        Ok(())
    }

    fn start(self, store: Option<Arc<dyn BloomStore>>) -> Result<BloomFilter> {
        self.check()?;
        let inner = Arc::new(Inner {
            name: self.name,
            capacity: self.capacity,
            rate: self.rate,
            bound: self.bound,
            every: self.every,
            shard: self.shard,
            source: self.source,
            store,
            held: Default::default(),
            recent: Default::default(),
            start: Instant::now(),
            confirmed: Default::default(),
            trusted: Default::default(),
            progress: Default::default(),
            building: Default::default(),
            builds: Default::default(),
            rebuild: Default::default(),
            wake: Default::default(),
        });
        if inner.source.is_none() {
            inner.begin_empty()?;
        }
        let stop = CancellationToken::new();
        if inner.store.is_some() {
            tokio::spawn(stop.clone().run_until_cancelled_owned(sync::run(Arc::downgrade(&inner))));
        }
        if inner.source.is_some() {
            tokio::spawn(stop.clone().run_until_cancelled_owned(build::run(Arc::downgrade(&inner))));
        }
        Ok(BloomFilter { inner, _stop: Arc::new(stop.drop_guard()) })
    }
}

impl fmt::Debug for BloomBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomBuilder")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}
