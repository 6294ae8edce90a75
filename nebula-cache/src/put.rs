//! Writing into a cache.

use std::sync::Arc;

use crate::cache::Cache;
use crate::channel::{Invalid, Position};
use crate::core::tag_hash;
use crate::entry::Loaded;
use crate::error::{Error, ErrorKind, Result};
use crate::inner::{Fence, Inner, Place};
use crate::key::{CacheKey, checked};
use crate::slow::Question;
use crate::stats::Event;

impl<K: CacheKey, V: Send + Sync + 'static> Cache<K, V> {
    /// Caches a value on this node and in the shared level, and makes other nodes forget theirs.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`], [`ErrorKind::Codec`], or what the shared level or the channel reports. The key is evicted
    /// then, so that no older value stays.
    ///
    /// # Cancel safety
    /// Once polled it takes place, whether or not it is awaited.
    pub async fn put(&self, key: K, value: V) -> Result<Position> {
        self.put_with(key, Loaded::value(value)).await
    }

    /// Caches a value with a time to live or tags of its own, or the knowledge that there is none.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    /// Once polled it takes place, whether or not it is awaited.
    pub async fn put_with(&self, key: K, loaded: Loaded<V>) -> Result<Position> {
        let inner = &self.inner;
        inner.core.running()?;
        let bytes = checked(&key)?;
        let place = inner.place(&key, &bytes);
        let writing = Writing { fence: inner.fence(place.hash), inner: Arc::clone(inner), place };
        let written = inner.core.tasks.spawn(writing.run(loaded)).await;
        written.unwrap_or_else(|_| Err(Error::new(ErrorKind::ShutDown, "the runtime ended")))
    }
}

struct Writing<K, V> {
    fence: Fence,
    inner: Arc<Inner<K, V>>,
    place: Place<K>,
}

impl<K: CacheKey, V: Send + Sync + 'static> Writing<K, V> {
    async fn run(self, loaded: Loaded<V>) -> Result<Position> {
        let inner = &self.inner;
        inner.stats.count(Event::Put);
        let Loaded { value, ttl, tags } = loaded;
        if value.is_some()
            && let Err(error) = inner.admit(self.place.id.key()).await
        {
            drop(inner.evict_place(&self.place));
            return Err(error);
        }
        let Some(life) = inner.life(ttl, value.is_none()) else { return inner.evict_place(&self.place).await };
        let tags: Vec<u64> = tags.iter().map(|tag| tag_hash(tag)).collect();
        if inner.is_shared()
            && let Some(store) = &inner.core.store
        {
            let stored = match inner.seal(value.as_ref(), life, &self.fence, &tags) {
                Ok(bytes) => {
                    let (id, ttl) = (&self.place.id, inner.stored_for(life));
                    inner.ask(Question::about("put", id), store.put(id, bytes, ttl)).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = stored {
                // The older value must not stay, and if the new one got through it must not be known here alone.
                drop(inner.evict_place(&self.place));
                return Err(error);
            }
        }
        match inner.core.generations.supersede(self.fence.mark) {
            Some(mark) => {
                let (stored, may_stay) = inner.entry(value, life, Fence { mark, ..self.fence }, &tags).await;
                if may_stay {
                    inner.keep(&self.place.key, &stored);
                }
            }
            // Something else happened meanwhile, and who was first is not known.
            None => inner.core.generations.invalidate(self.place.hash),
        }
        if inner.core.channel.is_none() {
            return Ok(self.fence.position);
        }
        inner.core.outbox.send(Vec::new(), vec![Invalid::Key(self.place.hash)], false).await
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Evicts the key; that is under way when this returns, whether or not it is awaited.
    pub(crate) fn evict_place(&self, place: &Place<K>) -> impl Future<Output = Result<Position>> + Send + use<K, V> {
        self.core.generations.invalidate(place.hash);
        let sent = self.core.channel.is_some().then(|| {
            let keys = if self.is_shared() { vec![place.id.clone()] } else { Vec::new() };
            self.core.outbox.send(keys, vec![Invalid::Key(place.hash)], true)
        });
        let position = self.core.tracker.position();
        async move {
            match sent {
                Some(sent) => sent.await,
                None => Ok(position),
            }
        }
    }
}
