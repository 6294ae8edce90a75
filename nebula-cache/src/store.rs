//! The trait of the shared level, and its value types.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::core::key_hash;
use crate::error::Result;

/// The name of a value in the shared level: the cache's name and the key's bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreKey {
    cache: Arc<str>,
    key: Bytes,
    /// Of both, for all that needs it: it is computed once.
    hash: u64,
}

impl StoreKey {
    /// The key `key` of the cache `cache`.
    #[must_use]
    pub fn new(cache: impl Into<Arc<str>>, key: impl Into<Bytes>) -> Self {
        let (cache, key) = (cache.into(), key.into());
        let hash = key_hash(&cache, &key);
        Self { cache, key, hash }
    }

    /// The cache's name.
    #[must_use]
    pub fn cache(&self) -> &str {
        &self.cache
    }

    /// The key's bytes.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Debug for StoreKey {
    /// Without the key: it may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKey").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Whoever loads a value: 128 random bits, so that nobody ends somebody else's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loader(u128);

impl Loader {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The answer to [`SharedStore::begin`].
#[derive(Clone, Debug)]
pub struct Begun {
    /// What is stored now; somebody may have stored it since the caller looked.
    pub value: Option<Bytes>,
    /// Whether the caller has the lease, or how long somebody else still has it.
    pub lease: Lease,
}

/// Who may load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The caller.
    Granted,
    /// Somebody else, at most for so long.
    Busy(Duration),
}

/// A value to be stored if nothing has happened to its key since its load began.
#[derive(Clone, Debug)]
pub struct Fill {
    /// Where.
    pub key: StoreKey,
    /// The one who must still have the lease.
    pub loader: Loader,
    /// What.
    pub value: Bytes,
    /// For how long.
    pub ttl: Duration,
}

/// The shared level: bytes under keys, seen by all nodes.
///
/// # Contract
/// - `get` returns what was stored last, until its time is over; it never returns what was evicted.
/// - `get_many` answers in the order of the keys, with one round trip for each server that is concerned.
/// - `get` with `touch` keeps a value for that long from now, never shortening to nothing a value that it returns.
/// - `begin` grants the lease of a key to one loader at a time; a loader that asks again keeps it. It ends by time, by
///   `fill`, by `abandon`, and by every `put` and `evict`.
/// - `renew` prolongs the lease if the loader has it, and never brings it back.
/// - `fill` stores the value and ends the lease if the loader has it, or else stores nothing and answers `false`: what was
///   loaded while the key was put or evicted never comes back.
/// - `put` stores the value and ends the lease, whoever has it.
/// - `evict` removes the value and ends the lease, at once.
/// - `abandon` keeps other loaders out for `back_off` longer, if the loader has the lease.
/// - Any bytes are keys and values; keys of different caches never meet.
/// - A call that fails to reach the server is an error, never a miss.
#[async_trait]
pub trait SharedStore: fmt::Debug + Send + Sync + 'static {
    /// What is stored under the key.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn get(&self, key: &StoreKey, touch: Option<Duration>) -> Result<Option<Bytes>>;

    /// What is stored under each of the keys.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>>;

    /// Asks for the lease to load the key.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn begin(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<Begun>;

    /// Keeps the lease for `lease` from now on, if the loader has it.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn renew(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<bool>;

    /// Stores a loaded value unless something has happened to its key meanwhile.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn fill(&self, fill: &Fill) -> Result<bool>;

    /// Gives up a load: others may try after `back_off`.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn abandon(&self, key: &StoreKey, loader: Loader, back_off: Duration) -> Result<()>;

    /// Stores a value.
    ///
    /// # Errors
    /// When the store cannot say.
    async fn put(&self, key: &StoreKey, value: Bytes, ttl: Duration) -> Result<()>;

    /// Removes values.
    ///
    /// # Errors
    /// When the store cannot say; some of the keys may be evicted then.
    async fn evict(&self, keys: &[StoreKey]) -> Result<()>;

    /// A sign of life.
    ///
    /// # Errors
    /// When there is none.
    async fn ping(&self) -> Result<()>;
}

#[async_trait]
impl<S: SharedStore + ?Sized> SharedStore for Arc<S> {
    async fn get(&self, key: &StoreKey, touch: Option<Duration>) -> Result<Option<Bytes>> {
        (**self).get(key, touch).await
    }

    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>> {
        (**self).get_many(keys).await
    }

    async fn begin(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<Begun> {
        (**self).begin(key, loader, lease).await
    }

    async fn renew(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<bool> {
        (**self).renew(key, loader, lease).await
    }

    async fn fill(&self, fill: &Fill) -> Result<bool> {
        (**self).fill(fill).await
    }

    async fn abandon(&self, key: &StoreKey, loader: Loader, back_off: Duration) -> Result<()> {
        (**self).abandon(key, loader, back_off).await
    }

    async fn put(&self, key: &StoreKey, value: Bytes, ttl: Duration) -> Result<()> {
        (**self).put(key, value, ttl).await
    }

    async fn evict(&self, keys: &[StoreKey]) -> Result<()> {
        (**self).evict(keys).await
    }

    async fn ping(&self) -> Result<()> {
        (**self).ping().await
    }
}
