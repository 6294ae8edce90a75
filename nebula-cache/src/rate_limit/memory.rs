//! Rate limits in this process.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::clock::MicroClock;
use super::shards::Shards;
use super::store::{Book, Changes, Charge, RateLimitStore, Ruling, Verdict};
use crate::error::Result;

/// Rate limits in this process. Clones share what was used. Time is tokio's, so that tests can jump.
///
/// So many keys are remembered, a million by default: those that owe nothing any more are forgotten, and if there are still
/// too many, those that will owe nothing first.
#[derive(Clone, Debug)]
pub struct MemoryRates {
    used: Arc<Shards>,
    book: Arc<Mutex<Book>>,
    news: watch::Sender<u64>,
    clock: MicroClock,
}

impl MemoryRates {
    /// Nothing used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(1_000_000)
    }

    /// Remembers so many keys.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        let clock = MicroClock::steady();
        Self { used: Arc::new(Shards::new(keys)), book: Arc::default(), news: watch::Sender::new(0), clock }
    }

    /// Takes the time from a clock of yours.
    #[must_use]
    pub fn with_clock(mut self, clock: MicroClock) -> Self {
        self.clock = clock;
        self
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.used.len()
    }

    pub(super) fn rule(&self, charges: &[Charge<'_>]) -> Result<Verdict> {
        self.used.decide(charges, self.clock.now())
    }
}

impl Default for MemoryRates {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl RateLimitStore for MemoryRates {
    async fn decide(&self, charges: &[Charge<'_>]) -> Result<Verdict> {
        self.rule(charges)
    }

    async fn book(&self, _node: u64, known: u64) -> Result<Book> {
        let book = self.book.lock();
        let text = if book.version == known { String::new() } else { book.text.clone() };
        Ok(Book { text, ..*book })
    }

    async fn replace(&self, expected: u64, above: u64, text: &str) -> Result<Option<u64>> {
        let mut book = self.book.lock();
        if book.version != expected {
            return Ok(None);
        }
        *book = Book { version: expected.max(above) + 1, text: text.to_owned(), nodes: 0 };
        self.news.send_replace(book.version);
        Ok(Some(book.version))
    }

    async fn watch(&self) -> Result<Changes> {
        let mut news = self.news.subscribe();
        news.mark_unchanged();
        Ok(stream::unfold(news, async |mut news| news.changed().await.ok().map(|()| ((), news))).boxed())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }

    fn decide_at_once(&self, charge: Charge<'_>) -> Option<Ruling> {
        self.used.decide_one(&charge, self.clock.now())
    }
}
