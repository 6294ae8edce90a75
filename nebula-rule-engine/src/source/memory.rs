//! Rules that the program itself holds.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Document, Format, Loaded, RuleSource, too_large};
use crate::error::Result;
use crate::set::MAX_BYTES;

/// A document in memory: for tests, and for programs that get their rules by other ways. Clones share it.
#[derive(Clone, Debug)]
pub struct MemorySource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    document: Mutex<Document>,
    news: Notify,
}

impl MemorySource {
    /// A source with this document.
    #[must_use]
    pub fn new(text: impl Into<String>, format: Format) -> Self {
        let document = Mutex::new(Document::new(text.into(), format));
        Self { shared: Arc::new(Shared { document, news: Notify::new() }) }
    }

    /// Puts another document in its place, and wakes who watches.
    pub fn set(&self, text: impl Into<String>, format: Format) {
        *self.shared.document.lock() = Document::new(text.into(), format);
        self.shared.news.notify_one();
    }
}

#[async_trait]
impl RuleSource for MemorySource {
    async fn load(&self, known: Option<&str>) -> Result<Loaded> {
        let document = self.shared.document.lock();
        if document.text.len() > MAX_BYTES {
            return Err(too_large("a document in memory"));
        }
        Ok(if known == Some(document.tag.as_str()) { Loaded::Unchanged } else { Loaded::Document(document.clone()) })
    }

    async fn changed(&self) {
        self.shared.news.notified().await;
    }
}
