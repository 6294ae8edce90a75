//! The trait of the invalidation channel, and its value types.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::Stream;

use crate::error::Result;

/// What became invalid, as 64-bit hashes that all nodes compute alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalid {
    /// One key of one cache.
    Key(u64),
    /// Everything with this tag.
    Tag(u64),
    /// A whole cache.
    Cache(u64),
    /// Everything.
    All,
}

/// A place in the order of all invalidations.
///
/// `epoch` is drawn at random when the log is created; `sequence` counts from 1; `mark` is drawn for each batch, so that a
/// log that lost its end in a failover and grew again is not mistaken for the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which log.
    pub epoch: u64,
    /// Which batch of it.
    pub sequence: u64,
    /// What the batch is known by.
    pub mark: u64,
}

impl Position {
    /// Whether it is a place in some log at all: epochs are never 0.
    pub(crate) const fn sequence_known(&self) -> bool {
        self.epoch != 0
    }
}

/// Invalidations that were published together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Who published.
    pub node: u64,
    /// What became invalid.
    pub items: Arc<[Invalid]>,
    /// Keys that the publisher found to be read a lot. A hint: nothing depends on its arrival.
    pub hot: Arc<[HotKey]>,
}

/// A key that is read a lot, by the hashes of its cache and its own, which all nodes compute alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HotKey {
    /// The cache.
    pub cache: u64,
    /// The key.
    pub key: u64,
}

/// A batch with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The place of the batch before; equal to one's own position if nothing is missing.
    pub after: Position,
    /// The batch's own place.
    pub at: Position,
    /// The batch.
    pub batch: Batch,
    /// When, in milliseconds of the server's clock since 1970.
    pub time: u64,
}

/// What a listener is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Heard {
    /// Somebody published.
    Published(Published),
    /// Messages may be missing: look with [`InvalidationChannel::since`].
    MaybeLost,
}

/// What [`InvalidationChannel::listen`] returns: what is published from now on. Its end means: listen again.
pub type Listening = Pin<Box<dyn Stream<Item = Heard> + Send>>;

/// What happened after a place.
#[derive(Clone, Debug)]
pub struct CatchUp {
    /// The present end of the log.
    pub head: Position,
    /// What was published since, in order and without a gap; `None` if that is not known any more.
    pub missed: Option<Vec<Published>>,
    /// The server's clock, in milliseconds since 1970.
    pub time: u64,
}

/// Tells all nodes what became invalid, in one order for all.
///
/// # Contract
/// - `publish` appends a batch and announces it, at once; places follow each other without gaps.
/// - `since` with the present end returns nothing missed; with an earlier place all that came after it; with a place
///   that the log does not know, or no longer remembers what followed it, `None`. Without a place it returns the end.
/// - `listen` yields what is published after it returned, and perhaps what was shortly before, while nothing disturbs it;
///   afterwards it says `MaybeLost`.
///   Nothing is repeated or out of order without that a listener could tell by the places.
/// - `versions` returns, for each tag or cache, the sequence of the last batch that invalidated it in the present epoch;
///   0 for never. If that has been forgotten it returns a sequence that is not smaller.
/// - Once an epoch has ended it never comes back.
#[async_trait]
pub trait InvalidationChannel: fmt::Debug + Send + Sync + 'static {
    /// Appends and announces.
    ///
    /// # Errors
    /// When it is not known to be published.
    async fn publish(&self, batch: &Batch) -> Result<Position>;

    /// What happened after a place.
    ///
    /// # Errors
    /// When the channel cannot say.
    async fn since(&self, after: Option<Position>) -> Result<CatchUp>;

    /// Listens.
    ///
    /// # Errors
    /// When that is not possible now.
    async fn listen(&self) -> Result<Listening>;

    /// When tags and caches were invalidated last: the epoch, and a sequence for each.
    ///
    /// # Errors
    /// When the channel cannot say.
    async fn versions(&self, items: &[Invalid]) -> Result<(u64, Vec<u64>)>;
}

#[async_trait]
impl<C: InvalidationChannel + ?Sized> InvalidationChannel for Arc<C> {
    async fn publish(&self, batch: &Batch) -> Result<Position> {
        (**self).publish(batch).await
    }

    async fn since(&self, after: Option<Position>) -> Result<CatchUp> {
        (**self).since(after).await
    }

    async fn listen(&self) -> Result<Listening> {
        (**self).listen().await
    }

    async fn versions(&self, items: &[Invalid]) -> Result<(u64, Vec<u64>)> {
        (**self).versions(items).await
    }
}
