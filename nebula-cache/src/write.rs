//! Write-through: the source first, then the cache, with the key fenced off meanwhile.

use std::error::Error as StdError;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::timeout;

use crate::cache::Cache;
use crate::channel::{Invalid, Position};
use crate::entry::Loaded;
use crate::error::{Error, ErrorKind, Result};
use crate::inner::{Fence, Inner, Place};
use crate::key::{CacheKey, checked};
use crate::slow::Question;
use crate::stats::Event;
use crate::store::{Lease, Loader};
use crate::{core::tag_hash, shared::LEASE};

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// Writes to the source with `write`, then caches `loaded`: what the source holds after it, `None` if nothing.
    ///
    /// While `write` runs, the key's lease keeps loaders of other nodes waiting for the new value. If two write the same
    /// key at the same time, in whatever order the source takes them, neither value is cached: which one is left is not
    /// known, so the key is evicted. The same if `write` fails, which may have changed the source nevertheless.
    ///
    /// ```
    /// use nebula_cache::CacheManager;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// async fn rename_in_database(id: u64, name: String) -> std::io::Result<()> {
    ///     Ok(())
    /// }
    ///
    /// let names = CacheManager::local().cache::<u64, String>("names").build()?;
    /// names.write_through(&7, Some("Ada".to_owned()), rename_in_database(7, "Ada".to_owned())).await?;
    /// assert_eq!(*names.get(&7).await?.expect("cached"), "Ada");
    /// # Ok::<_, nebula_cache::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Writer`] with the error of `write` as source, or [`ErrorKind::OutcomeUnknown`] if it takes longer than
    /// [`with_load_timeout`](crate::CacheBuilder::with_load_timeout) allows; the key is evicted then. Other errors mean
    /// that the source has been written and the cache could not be reached: the eviction is tried again until it can. If a
    /// [filter](crate::CacheBuilder::with_filter) cannot take the key, nothing is written.
    ///
    /// # Cancel safety
    /// Once polled it takes place, whether or not it is awaited.
    pub async fn write_through<L, E>(
        &self,
        key: &K,
        loaded: L,
        write: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<Position>
    where
        L: Into<Loaded<V>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let inner = &self.inner;
        inner.core.running()?;
        let bytes = checked(key)?;
        let place = inner.place(key, &bytes);
        let through = Through { fence: inner.fence(place.hash), inner: Arc::clone(inner), place };
        let write = write
            .map(|written| written.map_err(|error| Error::new(ErrorKind::Writer, "not written").with_source(error)));
        let written = inner.core.tasks.spawn(through.run(loaded.into(), write.boxed())).await;
        written.unwrap_or_else(|_| Err(Error::new(ErrorKind::OutcomeUnknown, "writing panicked, or the runtime ended")))
    }
}

struct Through<K: CacheKey, V: Send + Sync + 'static> {
    fence: Fence,
    inner: Arc<Inner<K, V>>,
    place: Place<K>,
}

impl<K: CacheKey, V: Send + Sync + 'static> Through<K, V> {
    async fn run(self, loaded: Loaded<V>, write: impl Future<Output = Result<()>> + Send) -> Result<Position> {
        let inner = &self.inner;
        if loaded.value.is_some() {
            inner.admit(self.place.id.key()).await?;
        }
        let loader = self.lease().await;
        // Whatever happens from here on, even a panic of `write`: what was cached before must not stay.
        let unless_done = EvictUnlessDone { through: &self, armed: true };
        let written = tokio::select! {
            biased;
            written = timeout(inner.policy.load_timeout, write) => written,
            never = async {
                match loader {
                    Some(loader) => inner.renew(std::slice::from_ref(&self.place.id), loader).await,
                    None => std::future::pending().await,
                }
            } => match never {},
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(Error::new(ErrorKind::OutcomeUnknown, "the source did not answer in time")),
        }
        inner.stats.count(Event::Put);
        if !self.cache(loaded, loader).await {
            return unless_done.now().await;
        }
        unless_done.disarm();
        match inner.core.channel {
            Some(_) => inner.core.outbox.send(Vec::new(), vec![Invalid::Key(self.place.hash)], false).await,
            None => Ok(self.fence.position),
        }
    }

    /// The key's lease, if there is a shared level and nobody else loads or writes.
    async fn lease(&self) -> Option<Loader> {
        let inner = &self.inner;
        let store = inner.core.store.as_ref().filter(|_| inner.is_shared() && !inner.is_unsettled(self.place.hash))?;
        let loader = Loader::random();
        let id = &self.place.id;
        let begun = inner.ask(Question::about("begin", id), store.begin(id, loader, LEASE)).await.ok()?;
        (begun.lease == Lease::Granted).then_some(loader)
    }

    /// Caches the new value if nothing has happened to the key since the write began.
    async fn cache(&self, loaded: Loaded<V>, loader: Option<Loader>) -> bool {
        let inner = &self.inner;
        if inner.is_shared() && loader.is_none() {
            return false;
        }
        let Loaded { value, ttl, tags } = loaded;
        let Some(life) = inner.life(ttl, value.is_none()) else { return false };
        let tags: Vec<u64> = tags.iter().map(|tag| tag_hash(tag)).collect();
        if let Some(loader) = loader {
            let sealed = inner.seal(value.as_ref(), life, &self.fence, &tags);
            let Ok(bytes) = sealed else { return false };
            let fill =
                crate::store::Fill { key: self.place.id.clone(), loader, value: bytes, ttl: inner.stored_for(life) };
            if inner.fill(&fill).await != Some(true) {
                return false;
            }
        }
        let Some(mark) = inner.core.generations.supersede(self.fence.mark) else { return false };
        let (stored, may_stay) = inner.entry(value, life, Fence { mark, ..self.fence }, &tags).await;
        if may_stay {
            inner.keep(&self.place.key, &stored);
        }
        true
    }
}

struct EvictUnlessDone<'a, K: CacheKey, V: Send + Sync + 'static> {
    through: &'a Through<K, V>,
    armed: bool,
}

impl<K: CacheKey, V: Send + Sync + 'static> EvictUnlessDone<'_, K, V> {
    fn disarm(mut self) {
        self.armed = false;
    }

    fn now(mut self) -> impl Future<Output = Result<Position>> + Send + use<K, V> {
        self.armed = false;
        self.through.inner.evict_place(&self.through.place)
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Drop for EvictUnlessDone<'_, K, V> {
    fn drop(&mut self) {
        if self.armed {
            drop(self.through.inner.evict_place(&self.through.place));
        }
    }
}
