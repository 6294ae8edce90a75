//! A store of rate limits in this process that fails as told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nebula_cache::rate_limit::{Book, Changes, Charge, MemoryRates, RateLimitStore, Verdict};
use nebula_cache::{Error, ErrorKind};
use tokio::time::sleep;

/// A store elsewhere, as far as the handle knows, that counts questions and can fail or take its time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    inner: MemoryRates,
    questions: Arc<AtomicU64>,
    down: Arc<AtomicBool>,
    pub(crate) slow: Arc<AtomicU64>,
}

impl Remote {
    pub(crate) fn questions(&self) -> u64 {
        self.questions.load(Ordering::SeqCst)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn up(&self) -> Result<(), Error> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Unavailable, "down, for the test")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl RateLimitStore for Remote {
    async fn decide(&self, charges: &[Charge<'_>]) -> Result<Verdict, Error> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(self.slow.load(Ordering::SeqCst))).await;
        self.up()?;
        self.inner.decide(charges).await
    }

    async fn book(&self, node: u64, known: u64) -> Result<Book, Error> {
        self.up()?;
        self.inner.book(node, known).await.map(|book| Book { nodes: 4, ..book })
    }

    async fn replace(&self, expected: u64, above: u64, text: &str) -> Result<Option<u64>, Error> {
        self.up()?;
        self.inner.replace(expected, above, text).await
    }

    async fn watch(&self) -> Result<Changes, Error> {
        self.inner.watch().await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.up()
    }
}
