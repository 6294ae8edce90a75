//! A shared level and a channel in this process.

mod log;
mod values;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::bloom::Filters;
use crate::channel::{Batch, CatchUp, Invalid, InvalidationChannel, Listening, Position};
use crate::error::Result;
use crate::store::{Begun, Fill, Loader, SharedStore, StoreKey};
use log::Log;
use values::Values;

/// What several managers in one process share instead of a server: for tests of whatever happens between nodes, and to
/// begin without a server. Clones are the same store. Time is tokio's, so that tests can jump.
///
/// Nothing but time bounds it; in production a cache without a server is [`CacheManager::local`].
///
/// [`CacheManager::local`]: crate::CacheManager::local
#[derive(Clone, Debug, Default)]
pub struct MemoryShared {
    values: Arc<Values>,
    log: Arc<Log>,
    pub(crate) filters: Arc<Filters>,
}

impl MemoryShared {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values and leases are stored.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.values.entries()
    }
}

#[async_trait]
impl SharedStore for MemoryShared {
    async fn get(&self, key: &StoreKey, touch: Option<Duration>) -> Result<Option<Bytes>> {
        Ok(self.values.get(key, touch))
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>> {
        Ok(keys.iter().map(|key| self.values.get(key, None)).collect())
    }

    async fn begin(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<Begun> {
        Ok(self.values.begin(key, loader, lease))
    }

    async fn renew(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<bool> {
        Ok(self.values.renew(key, loader, lease))
    }

    async fn fill(&self, fill: &Fill) -> Result<bool> {
        Ok(self.values.fill(fill))
    }

    async fn abandon(&self, key: &StoreKey, loader: Loader, back_off: Duration) -> Result<()> {
        self.values.abandon(key, loader, back_off);
        Ok(())
    }

    async fn put(&self, key: &StoreKey, value: Bytes, ttl: Duration) -> Result<()> {
        self.values.put(key, value, ttl);
        Ok(())
    }

    async fn evict(&self, keys: &[StoreKey]) -> Result<()> {
        keys.iter().for_each(|key| self.values.evict(key));
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl InvalidationChannel for MemoryShared {
    async fn publish(&self, batch: &Batch) -> Result<Position> {
        Ok(self.log.publish(batch))
    }

    async fn since(&self, after: Option<Position>) -> Result<CatchUp> {
        Ok(self.log.since(after))
    }

    async fn listen(&self) -> Result<Listening> {
        Ok(self.log.listen())
    }

    async fn versions(&self, items: &[Invalid]) -> Result<(u64, Vec<u64>)> {
        Ok(self.log.versions(items))
    }
}
