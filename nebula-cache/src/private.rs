//! What the expansions of `#[cached]`, `#[cache_put]` and `#[cache_evict]` call. Not part of the public interface.
#![allow(missing_docs, missing_debug_implementations, reason = "not part of the public interface")]

use std::error::Error as StdError;
use std::time::Duration;

use tokio::runtime::Handle;
use tracing::warn;

use crate::cache::Cache;
use crate::entry::Loaded;
use crate::error::{CacheError, ErrorKind, Result};
use crate::key::CacheKey;

/// The cache; `&expr` of anything that dereferences to one coerces to the argument.
#[must_use]
pub fn cache<K, V>(cache: &Cache<K, V>) -> Cache<K, V> {
    cache.clone()
}

/// A key of the type that the cache wants.
pub fn key<K, V>(_: &Cache<K, V>, key: K) -> K {
    key
}

/// What goes with a value into the cache.
pub struct Options<F> {
    ttl: Option<Duration>,
    null: bool,
    tags: Vec<String>,
    unless: F,
}

pub fn options<K, V, F: Fn(&V) -> bool>(
    _: &Cache<K, V>,
    ttl: Option<Duration>,
    null: bool,
    tags: Vec<String>,
    unless: F,
) -> Options<F> {
    Options { ttl, null, tags, unless }
}

impl<F> Options<F> {
    /// How the value is cached, or with a time to live of zero: not at all.
    fn loaded<V>(self, value: Option<V>) -> Loaded<V>
    where
        F: Fn(&V) -> bool,
    {
        let skip = match &value {
            Some(value) => (self.unless)(value),
            None => !self.null,
        };
        let absent = value.is_none();
        let mut loaded = Loaded { value, ttl: None, tags: Vec::new() };
        for tag in self.tags {
            loaded = loaded.with_tag(tag);
        }
        match self.ttl {
            _ if skip => loaded.with_ttl(Duration::ZERO),
            Some(ttl) if !absent => loaded.with_ttl(ttl),
            _ => loaded,
        }
    }
}

/// The cached value, or what the function returns.
pub async fn cached<K, V, E, F>(
    cache: Cache<K, V>,
    key: K,
    options: Options<F>,
    load: impl Future<Output = Result<Option<V>, E>> + Send + 'static,
) -> Result<Option<V>, CacheError>
where
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    F: Fn(&V) -> bool + Send + Sync + 'static,
{
    let load = async move { load.await.map(|value| options.loaded(value)) };
    Ok(cache.get_or_load(&key, load).await?.map(|cached| V::clone(&cached)))
}

/// For functions that have no room for "there is none".
pub fn fallible<V, E: From<CacheError>>(answer: Result<Option<V>>) -> Result<V, E> {
    match answer {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(CacheError::new(ErrorKind::Loader, "it is cached that there is no value").into()),
        Err(error) => Err(error.into()),
    }
}

/// For functions that have no room for failures: `None` if they have to run without the cache.
pub fn optional<V>(answer: Result<Option<V>>) -> Option<Option<V>> {
    answer.inspect_err(|error| warn!(%error, "not answered by the cache")).ok()
}

/// By what a value is cached.
enum PutKey<K, G> {
    Key(K),
    Of(G),
}

/// A put that is to follow. If it is dropped before, a key that is known is evicted: it may have changed.
pub struct Put<K: CacheKey, V: Send + Sync + 'static, F, G> {
    cache: Cache<K, V>,
    key: Option<PutKey<K, G>>,
    options: Option<Options<F>>,
}

pub fn put_by_key<K, V, F>(cache: &Cache<K, V>, key: K, options: Options<F>) -> Put<K, V, F, fn(&V) -> K>
where
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    F: Fn(&V) -> bool,
{
    Put { cache: cache.clone(), key: Some(PutKey::Key(key)), options: Some(options) }
}

pub fn put_by_value<K, V, F, G>(cache: &Cache<K, V>, key: G, options: Options<F>) -> Put<K, V, F, G>
where
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    F: Fn(&V) -> bool,
    G: Fn(&V) -> K,
{
    Put { cache: cache.clone(), key: Some(PutKey::Of(key)), options: Some(options) }
}

impl<K, V, F, G> Put<K, V, F, G>
where
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    F: Fn(&V) -> bool,
    G: Fn(&V) -> K,
{
    /// `None` if the function failed, `Some(None)` if there is no value.
    pub async fn finish(mut self, result: Option<Option<&V>>) {
        let (Some(key), Some(options), Some(value)) = (self.key.take(), self.options.take(), result) else { return };
        let key = match (key, value) {
            (PutKey::Key(key), _) => key,
            (PutKey::Of(of), Some(value)) => of(value),
            (PutKey::Of(_), None) => return,
        };
        if let Err(error) = self.cache.put_with(key, options.loaded(value.cloned())).await {
            warn!(cache = self.cache.name(), %error, "not cached");
        }
    }
}

impl<K: CacheKey, V: Send + Sync + 'static, F, G> Drop for Put<K, V, F, G> {
    fn drop(&mut self) {
        if let Some(PutKey::Key(key)) = self.key.take() {
            evict_later(self.cache.clone(), Some(key));
        }
    }
}

/// An eviction that is to follow. If it is dropped before, it takes place: what was cached may have changed.
pub struct Evict<K: CacheKey, V: Send + Sync + 'static> {
    cache: Cache<K, V>,
    /// Everything, if there is no key.
    key: Option<K>,
    armed: bool,
}

impl<K: CacheKey, V: Send + Sync + 'static> Evict<K, V> {
    #[must_use]
    pub fn all(cache: &Cache<K, V>) -> Self {
        Self { cache: cache.clone(), key: None, armed: true }
    }

    #[must_use]
    pub fn key(cache: &Cache<K, V>, key: K) -> Self {
        Self { cache: cache.clone(), key: Some(key), armed: true }
    }

    pub async fn finish(mut self, succeeded: bool) {
        self.armed = false;
        if succeeded {
            evict(&self.cache, self.key.as_ref()).await;
        }
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Drop for Evict<K, V> {
    fn drop(&mut self) {
        if self.armed {
            evict_later(self.cache.clone(), self.key.take());
        }
    }
}

async fn evict<K: CacheKey, V: Send + Sync + 'static>(cache: &Cache<K, V>, key: Option<&K>) {
    let evicted = match key {
        Some(key) => cache.evict(key).await,
        None => cache.clear().await,
    };
    if let Err(error) = evicted {
        warn!(cache = cache.name(), %error, "the eviction is tried again");
    }
}

fn evict_later<K: CacheKey, V: Send + Sync + 'static>(cache: Cache<K, V>, key: Option<K>) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { evict(&cache, key.as_ref()).await });
    }
}
