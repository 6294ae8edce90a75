//! The trait of what nodes share of a bloom filter, and its value types.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::bits::Geometry;
use crate::error::Result;
use crate::store::{Lease, Loader};

/// One filling of a filter: what it holds is never taken out again; a rebuilt filter is another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Drawn at random.
    pub id: u64,
    /// Where its bits are.
    pub geometry: Geometry,
    /// How many keys it is made for.
    pub capacity: u64,
    /// How many keys were new when they were inserted, about.
    pub items: u64,
}

/// A place in the log of insertions. `mark` is drawn for each insertion, so that a log that lost its end is not mistaken
/// for the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BloomPlace {
    /// Counts insertions, from 1.
    pub sequence: u64,
    /// What the insertion is known by.
    pub mark: u64,
}

/// The state of a shared filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BloomState {
    /// The generation that answers, once there is one.
    pub current: Option<Generation>,
    /// The generation that is being built.
    pub next: Option<Generation>,
    /// The end of the log of insertions.
    pub place: BloomPlace,
}

/// What was inserted after a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// These hashes.
    Inserted(Vec<u64>),
    /// It is not remembered any more: the bits have to be read again.
    Forgotten,
    /// The store has lost insertions that it had accepted. The current generation was dropped for that.
    Lost,
}

/// The answer to [`BloomStore::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The hashes are in; so many of them were new in the current generation.
    Done(u64),
    /// The generations are others now: ask for the state.
    Moved,
}

/// What nodes share of their bloom filters, by name.
///
/// # Contract
/// - `insert` puts the hashes into both generations of the state it was given and into the log; if these are not the
///   generations any more, or bits of one are gone, it answers `Moved` and the log has nothing of it. When it fails, or
///   answers that, bits in several shards may have been set nevertheless: that costs a false positive, never a wrong "no".
/// - `since` with a place that the log remembers returns exactly what was inserted after it, in any order; with one that
///   it has forgotten `Forgotten`; with one that it has never had, because it lost its end, `Lost`, once the current
///   generation is gone. The state is of the same moment.
/// - `recent` returns what the log remembers: at least the last 1,000 insertions.
/// - `begin` lets one builder at a time begin a next generation; insertions go there, too, from that moment on.
/// - `renew` prolongs a builder's lease if it has it, and never brings it back.
/// - `upload` puts bits aside; `finish` adds them to the next generation and makes that the current one if the builder
///   still has the lease and nothing of it is missing, or else does nothing and answers `false`.
/// - Each of a generation's shards is a value of its own, on whatever server it belongs to; offsets count through all of them.
/// - `read` returns bits of a generation; fewer than asked for if that generation does not exist any more.
#[async_trait]
pub trait BloomStore: fmt::Debug + Send + Sync + 'static {
    /// The state, and what was inserted after `after`.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn since(&self, name: &str, after: Option<BloomPlace>) -> Result<(BloomState, Since)>;

    /// Inserts hashes, at most 100.
    ///
    /// # Errors
    /// When it is not known that they were inserted.
    async fn insert(&self, name: &str, state: &BloomState, hashes: &[u64]) -> Result<Inserted>;

    /// What was inserted lately.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn recent(&self, name: &str) -> Result<Vec<u64>>;

    /// Bits of a generation.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn read(&self, name: &str, generation: &Generation, offset: u64, length: u64) -> Result<Bytes>;

    /// Asks to build the next generation.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn begin(&self, name: &str, builder: Loader, next: &Generation, lease: Duration) -> Result<Lease>;

    /// Keeps the lease for `lease` from now on, if the builder has it.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn renew(&self, name: &str, builder: Loader, lease: Duration) -> Result<bool>;

    /// Puts bits of the next generation aside.
    ///
    /// # Errors
    /// When it is not known that they were stored.
    async fn upload(&self, name: &str, generation: &Generation, offset: u64, bits: Bytes) -> Result<()>;

    /// Makes the next generation the current one; it holds `items` keys besides those inserted meanwhile.
    ///
    /// # Errors
    /// When it is not known whether that happened.
    async fn finish(&self, name: &str, builder: Loader, next: &Generation, items: u64) -> Result<bool>;

    /// Lets other builders in.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn abandon(&self, name: &str, builder: Loader) -> Result<()>;
}

#[async_trait]
impl<S: BloomStore + ?Sized> BloomStore for Arc<S> {
    async fn since(&self, name: &str, after: Option<BloomPlace>) -> Result<(BloomState, Since)> {
        (**self).since(name, after).await
    }

    async fn insert(&self, name: &str, state: &BloomState, hashes: &[u64]) -> Result<Inserted> {
        (**self).insert(name, state, hashes).await
    }

    async fn recent(&self, name: &str) -> Result<Vec<u64>> {
        (**self).recent(name).await
    }

    async fn read(&self, name: &str, generation: &Generation, offset: u64, length: u64) -> Result<Bytes> {
        (**self).read(name, generation, offset, length).await
    }

    async fn begin(&self, name: &str, builder: Loader, next: &Generation, lease: Duration) -> Result<Lease> {
        (**self).begin(name, builder, next, lease).await
    }

    async fn renew(&self, name: &str, builder: Loader, lease: Duration) -> Result<bool> {
        (**self).renew(name, builder, lease).await
    }

    async fn upload(&self, name: &str, generation: &Generation, offset: u64, bits: Bytes) -> Result<()> {
        (**self).upload(name, generation, offset, bits).await
    }

    async fn finish(&self, name: &str, builder: Loader, next: &Generation, items: u64) -> Result<bool> {
        (**self).finish(name, builder, next, items).await
    }

    async fn abandon(&self, name: &str, builder: Loader) -> Result<()> {
        (**self).abandon(name, builder).await
    }
}
