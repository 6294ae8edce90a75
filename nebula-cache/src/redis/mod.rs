//! The Redis backend.

mod bloom;
mod error;
mod log;
mod message;
mod promotion;
mod scripts;
mod slow;
mod values;

pub use slow::SlowCommand;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nebula_redis::Subscriber;

/// The shared level and the invalidation channel on one Redis (6.2 or newer): a server, a master behind Sentinel, or a
/// cluster.
///
/// Commands go over any connection of the `redis` crate; invalidations of other nodes arrive over the [`Subscriber`].
///
/// ```no_run
/// use nebula_cache::{CacheManager, RedisShared};
/// use nebula_cache::nebula_redis::RedisConfig;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = RedisConfig::new("redis://cache.internal/");
/// let caches = CacheManager::new(RedisShared::new(redis.connect().await?, redis.subscriber()?)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisShared<C> {
    connection: C,
    subscriber: Subscriber,
    namespace: Arc<str>,
    /// Found out when it first refuses: the connection takes no commands over several slots of a cluster.
    slot_by_slot: Arc<AtomicBool>,
}

impl<C> RedisShared<C> {
    /// Values and invalidations over `connection`, with a listener on `subscriber`.
    #[must_use]
    pub fn new(connection: C, subscriber: Subscriber) -> Self {
        Self { connection, subscriber, namespace: "nebula:cache".into(), slot_by_slot: Arc::default() }
    }

    /// Sets what the names of all keys and the channel begin with; `nebula:cache` by default. Managers with the same
    /// namespace share their caches.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }
}

impl<C> fmt::Debug for RedisShared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisShared").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
