//! A shared level in this process that fails as told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use nebula_cache::{
    Batch, Begun, CatchUp, Error, ErrorKind, Fill, Heard, Invalid, InvalidationChannel, Listening, Loader,
    MemoryShared, Position, Result, SharedStore, StoreKey,
};
use tokio::time::sleep;

/// A shared level whose server can go away and whose messages can get lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flaky {
    pub(crate) server: MemoryShared,
    down: Arc<AtomicBool>,
    pub(crate) deaf: Arc<AtomicBool>,
    pub(crate) twice: Arc<AtomicBool>,
    /// Whether the log has forgotten what was missed.
    pub(crate) forgetful: Arc<AtomicBool>,
    /// Whether whoever asks for the log or for its news waits for ever.
    pub(crate) silent: Arc<AtomicBool>,
    /// How long reads of single values and evictions take, in milliseconds.
    pub(crate) slow: Arc<AtomicU64>,
}

impl Flaky {
    pub(crate) fn over(server: &MemoryShared) -> Self {
        Self { server: server.clone(), ..Self::default() }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    async fn slowly(&self) {
        let time = self.slow.load(Ordering::SeqCst);
        if time > 0 {
            sleep(Duration::from_millis(time)).await;
        }
    }

    async fn unless_silent(&self) {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn up(&self) -> Result<&MemoryShared> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Unavailable, "cut off")),
            false => Ok(&self.server),
        }
    }
}

#[async_trait]
impl SharedStore for Flaky {
    async fn get(&self, key: &StoreKey, touch: Option<Duration>) -> Result<Option<Bytes>> {
        self.slowly().await;
        self.up()?.get(key, touch).await
    }
    async fn get_many(&self, keys: &[StoreKey]) -> Result<Vec<Option<Bytes>>> {
        self.up()?.get_many(keys).await
    }
    async fn begin(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<Begun> {
        self.up()?.begin(key, loader, lease).await
    }
    async fn renew(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Result<bool> {
        self.up()?.renew(key, loader, lease).await
    }
    async fn fill(&self, fill: &Fill) -> Result<bool> {
        self.up()?.fill(fill).await
    }
    async fn abandon(&self, key: &StoreKey, loader: Loader, back_off: Duration) -> Result<()> {
        self.up()?.abandon(key, loader, back_off).await
    }
    async fn put(&self, key: &StoreKey, value: Bytes, ttl: Duration) -> Result<()> {
        self.up()?.put(key, value, ttl).await
    }
    async fn evict(&self, keys: &[StoreKey]) -> Result<()> {
        self.slowly().await;
        self.up()?.evict(keys).await
    }
    async fn ping(&self) -> Result<()> {
        self.up()?.ping().await
    }
}

#[async_trait]
impl InvalidationChannel for Flaky {
    async fn publish(&self, batch: &Batch) -> Result<Position> {
        self.up()?.publish(batch).await
    }
    async fn since(&self, after: Option<Position>) -> Result<CatchUp> {
        self.unless_silent().await;
        let caught_up = self.up()?.since(after).await?;
        Ok(match self.forgetful.load(Ordering::SeqCst) {
            true => CatchUp { missed: None, ..caught_up },
            false => caught_up,
        })
    }
    async fn listen(&self) -> Result<Listening> {
        self.unless_silent().await;
        let this = self.clone();
        let heard = self.up()?.listen().await?;
        Ok(heard
            .flat_map(move |heard| {
                let lost = [&this.deaf, &this.down, &this.silent].iter().any(|it| it.load(Ordering::SeqCst));
                let times = if this.twice.load(Ordering::SeqCst) { 2 } else { 1 };
                let heard: Vec<Heard> = (0..times).map(|_| heard.clone()).filter(|_| !lost).collect();
                futures_util::stream::iter(heard)
            })
            .boxed())
    }
    async fn versions(&self, items: &[Invalid]) -> Result<(u64, Vec<u64>)> {
        self.up()?.versions(items).await
    }
}
