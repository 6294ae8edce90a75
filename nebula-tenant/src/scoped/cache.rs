//! Cached values of one tenant.

use std::borrow::Cow;
use std::error::Error as StdError;

use nebula_cache::{Cache, CacheKey, Cached, Loaded, Position};

use crate::context::{TenantContext, current};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// A key of one tenant's values. It cannot be made without the tenant whose work it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantKey<K> {
    tenant: TenantId,
    key: K,
}

impl<K> TenantKey<K> {
    /// The key of the tenant whose work it is.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose.
    pub fn new(key: K) -> Result<Self, Error> {
        Ok(Self { tenant: current()?, key })
    }
}

impl<K: CacheKey> CacheKey for TenantKey<K> {
    fn key_bytes(&self) -> Cow<'_, [u8]> {
        let (name, key) = (self.tenant.as_str(), self.key.key_bytes());
        let mut bytes = format!("{}:{name}{}:", name.len(), key.len()).into_bytes();
        bytes.extend_from_slice(&key);
        bytes.into()
    }
}

/// A cache in which each tenant has values of its own.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use nebula_cache::CacheManager;
/// use nebula_tenant::{TenantContext, current, scoped::TenantCache};
///
/// let names = TenantCache::<u32, String>::new(CacheManager::local().cache("names").build()?);
/// for tenant in ["star", "moon"] {
///     let load = || async { Ok::<_, nebula_tenant::Error>(Some(current()?.to_string())) };
///     let name = TenantContext::of(tenant.parse()?).scope(names.get_or_load(7, load())).await??;
///     assert_eq!(*name.expect("it was loaded"), tenant);
/// }
/// assert!(names.get(7).await.is_err(), "nobody said whose");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TenantCache<K, V> {
    cache: Cache<TenantKey<K>, V>,
}

impl<K, V> Clone for TenantCache<K, V> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> TenantCache<K, V> {
    /// Over this cache.
    #[must_use]
    pub const fn new(cache: Cache<TenantKey<K>, V>) -> Self {
        Self { cache }
    }

    /// [`Cache::get`] for the tenant whose work it is.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose, [`ErrorKind::Unavailable`] with the cache's error as its source.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn get(&self, key: K) -> Result<Option<Cached<V>>, Error> {
        let key = TenantKey::new(key)?;
        self.cache.get(&key).await.map_err(failed)
    }

    /// [`Cache::get_or_load`] for the tenant whose work it is. The value is loaded as the same tenant's work, wherever that is.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Once polled a load goes on without the caller.
    pub async fn get_or_load<L, E>(
        &self,
        key: K,
        load: impl Future<Output = Result<L, E>> + Send + 'static,
    ) -> Result<Option<Cached<V>>, Error>
    where
        L: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let key = TenantKey::new(key)?;
        let load = TenantContext::of(key.tenant.clone()).wrap(load);
        self.cache.get_or_load(&key, load).await.map_err(failed)
    }

    /// [`Cache::put`] for the tenant whose work it is.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Once polled it takes place.
    pub async fn put(&self, key: K, value: V) -> Result<Position, Error> {
        self.cache.put(TenantKey::new(key)?, value).await.map_err(failed)
    }

    /// [`Cache::evict`] for the tenant whose work it is.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Once polled it takes place.
    pub async fn evict(&self, key: K) -> Result<Position, Error> {
        let key = TenantKey::new(key)?;
        self.cache.evict(&key).await.map_err(failed)
    }
}

fn failed(error: nebula_cache::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the cache does not answer").with_source(error)
}
