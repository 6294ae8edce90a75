//! Building a filter from its source: at the start, when it is full, and when it is wanted.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, interval, sleep};
use tracing::{debug, info, warn};

use super::bits::{Bits, Geometry, Replica, key_hash};
use super::source::KeySource;
use super::store::{BloomStore, Generation};
use super::sync::PIECE;
use super::{FULL, Filling, Inner, PATIENCE};
use crate::core::within;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Lease, Loader};

/// How long a builder that is not heard of keeps others out. It is renewed every third of it.
const LEASE: Duration = Duration::from_secs(10);

/// How long the store may take to make room for a generation, or to make it the current one: every shard has to be touched.
/// Below the lease, which is not renewed meanwhile.
const MOVE: Duration = Duration::from_secs(8);

/// Pause after a failed build, doubled up to the second with each.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// How often it looks whether a build is wanted.
const STEP: Duration = Duration::from_millis(500);

/// So many keys are read between two looks at the clock.
const KEYS: usize = 1000;

enum Attempt {
    Built,
    /// Another node builds.
    Busy,
    /// There are more keys than it was made for.
    TooSmall,
}

pub(super) async fn run(inner: Weak<Inner>) {
    let mut failures = 0;
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let wanted = strong.is_wanted();
        if wanted {
            strong.building.store(true, Ordering::Relaxed);
            let result = strong.build().await;
            strong.building.store(false, Ordering::Relaxed);
            match result {
                Ok(true) => {
                    failures = 0;
                    strong.builds.fetch_add(1, Ordering::Relaxed);
                }
                Ok(false) => failures = 0,
                Err(error) => {
                    failures += 1;
                    warn!(filter = %strong.name, %error, "a bloom filter could not be built");
                }
            }
            strong.announce();
        }
        let pause = PAUSE.0.saturating_mul(1 << u32::min(failures, 16)).min(PAUSE.1);
        let wake = async {
            match failures {
                0 => strong.wake.notified().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wake => {}
            () = sleep(if failures == 0 { STEP } else { pause }) => {}
        }
    }
}

impl Inner {
    /// A filter without a source knows that there is nothing yet.
    pub(super) fn begin_empty(&self) -> Result<()> {
        self.held.write().current = Some(self.empty(self.capacity)?);
        self.announce();
        Ok(())
    }

    fn generation(&self, capacity: u64) -> Result<Generation> {
        let geometry = Geometry::for_keys(capacity, self.rate)?.in_shards(self.shard);
        Ok(Generation { id: rand::random::<u64>().max(1), geometry, capacity, items: 0 })
    }

    fn empty(&self, capacity: u64) -> Result<Arc<Filling>> {
        let generation = self.generation(capacity)?;
        Ok(Arc::new(Filling { generation, bits: Bits::own(generation.geometry)?, items: 0.into() }))
    }

    fn is_wanted(&self) -> bool {
        let full = self.is_full();
        let held = self.held.read();
        let (known, has) = match self.store {
            None => (true, held.current.is_some()),
            Some(_) => (held.asked, held.state.current.is_some()),
        };
        let old = |every| held.since.is_some_and(|since| since.elapsed() >= every);
        known && (!has || full || self.rebuild.load(Ordering::Acquire) || self.every.is_some_and(old))
    }

    /// Builds it as large as it has to be; `false` if another node does.
    async fn build(&self) -> Result<bool> {
        let Some(source) = &self.source else { return Ok(false) };
        // Another node may just have done it.
        self.look().await?;
        if !self.is_wanted() {
            return Ok(false);
        }
        let items = self.held.read().current.as_ref().map_or(0, |current| current.items.load(Ordering::Relaxed));
        let mut capacity = self.capacity.max(if self.is_full() { items.saturating_mul(2) } else { items });
        loop {
            let began = Instant::now();
            let attempt = match &self.store {
                None => self.build_here(&**source, capacity).await,
                Some(store) => self.build_there(&**source, &**store, capacity).await,
            };
            self.progress.end();
            match attempt? {
                Attempt::Built => {
                    self.rebuild.store(false, Ordering::Release);
                    let keys = self.progress.read().done;
                    info!(filter = %self.name, keys, time = ?began.elapsed(), "a bloom filter was built");
                    return Ok(true);
                }
                Attempt::Busy => {
                    // Another node has heard the same wish.
                    self.rebuild.store(false, Ordering::Release);
                    return Ok(false);
                }
                Attempt::TooSmall => capacity = capacity.saturating_mul(2),
            }
        }
    }

    async fn build_here(&self, source: &dyn KeySource, capacity: u64) -> Result<Attempt> {
        let next = self.empty(capacity)?;
        self.held.write().next = Some(Arc::clone(&next));
        let _gone = OnDrop(|| self.held.write().next = None);
        // From here on insertions go to both; those before are remembered.
        self.recent.lock().iter().for_each(|hash| next.insert(*hash));
        if !self.read(source, &next, None).await? {
            return Ok(Attempt::TooSmall);
        }
        let mut held = self.held.write();
        (held.current, held.since) = (Some(next), Some(Instant::now()));
        drop(held);
        Ok(Attempt::Built)
    }

    async fn build_there(&self, source: &dyn KeySource, store: &dyn BloomStore, capacity: u64) -> Result<Attempt> {
        let builder = Loader::random();
        let next = self.generation(capacity)?;
        let name = &*self.name;
        if within(MOVE, store.begin(name, builder, &next, LEASE)).await? != Lease::Granted {
            return Ok(Attempt::Busy);
        }
        let lease = Held { store, name, builder };
        let work = async {
            let filling =
                Filling { generation: next, bits: Bits::Replica(Replica::new(next.geometry)?), items: 0.into() };
            // What was inserted before insertions went to both, and perhaps committed after the source is read.
            let recent = within(PATIENCE, store.recent(name)).await?;
            recent.iter().for_each(|hash| filling.insert(*hash));
            if !self.read(source, &filling, Some(&lease)).await? {
                return Ok(Attempt::TooSmall);
            }
            let Bits::Replica(replica) = &filling.bits else { return Ok(Attempt::TooSmall) };
            let mut offset = 0;
            while offset < next.geometry.bytes() {
                let length = PIECE.min(next.geometry.bytes() - offset);
                #[allow(clippy::cast_possible_truncation, reason = "what is in memory fits")]
                let piece = replica.bytes(offset as usize, length as usize);
                within(PATIENCE, store.upload(name, &next, offset, piece.into())).await?;
                lease.keep().await?;
                offset += length;
            }
            match within(MOVE, store.finish(name, builder, &next, filling.items.load(Ordering::Relaxed))).await? {
                true => Ok(Attempt::Built),
                false => Err(Error::new(ErrorKind::Unavailable, "another node builds it now, or the store lost it")),
            }
        };
        let attempt = work.await;
        if !matches!(attempt, Ok(Attempt::Built))
            && let Err(error) = within(PATIENCE, store.abandon(name, builder)).await
        {
            debug!(filter = name, %error, "the builder's lease ends by itself");
        }
        if attempt.is_ok() {
            self.look().await?;
        }
        attempt
    }

    /// Reads the source to its end; `false` if there are too many keys.
    async fn read(&self, source: &dyn KeySource, filling: &Filling, lease: Option<&Held<'_>>) -> Result<bool> {
        self.progress.begin(source.total());
        let mut held = interval(LEASE / 3);
        let mut keys = source.keys().ready_chunks(KEYS);
        loop {
            let keys = tokio::select! {
                biased;
                _ = held.tick() => {
                    if let Some(lease) = lease {
                        lease.keep().await?;
                    }
                    continue;
                }
                keys = keys.next() => keys,
            };
            let Some(keys) = keys else { return Ok(true) };
            let read = keys.len() as u64;
            for key in keys {
                let key = key.map_err(|error| {
                    self.progress.add(0, 1);
                    Error::new(ErrorKind::Loader, "the source of a bloom filter failed").with_source(error)
                })?;
                filling.insert(key_hash(&key));
            }
            self.progress.add(read, 0);
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            if filling.items.load(Ordering::Relaxed) as f64 > filling.generation.capacity as f64 * FULL {
                return Ok(false);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The right to build a shared filter.
struct Held<'a> {
    store: &'a dyn BloomStore,
    name: &'a str,
    builder: Loader,
}

impl Held<'_> {
    async fn keep(&self) -> Result<()> {
        match within(PATIENCE, self.store.renew(self.name, self.builder, LEASE)).await {
            Ok(false) => Err(Error::new(ErrorKind::Unavailable, "another node builds it now")),
            // One renewal may fail.
            _ => Ok(()),
        }
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
