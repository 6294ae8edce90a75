//! Who matches texts.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use thiserror::Error;

use super::{domain::Entry, words::Words};
use crate::ids::ShowId;

/// A show whose texts have the words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The show.
    pub show: ShowId,
    /// How well it answers; more is better.
    pub score: f32,
}

/// The engine cannot say.
#[derive(Debug, Error)]
#[error("the search engine failed: {context}")]
pub struct EngineError {
    context: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EngineError {
    /// While doing what.
    #[must_use]
    pub fn new(context: impl Into<String>) -> Self {
        Self { context: context.into(), source: None }
    }

    /// With the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Finds shows by the words of their texts.
///
/// # Contract
///
/// - A show is found by the words of each of its texts, in every language.
/// - A show is a hit only if it has every word: exactly, as a beginning, or, where spaces end words, with a letter or two
///   mistaken.
/// - What has the word exactly comes before what begins with it, and that before what resembles it; a title counts more than
///   a description.
/// - After `replace` nothing else is found than what it was given; before the first, nothing is, or the engine says that it has nothing yet.
/// - Without words there are no hits.
#[async_trait]
pub trait SearchEngine: fmt::Debug + Send + Sync {
    /// Makes these all that can be found.
    ///
    /// # Errors
    ///
    /// The engine failed; what could be found before still can.
    ///
    /// # Cancel safety
    ///
    /// The old or the new is found.
    async fn replace(&self, entries: Arc<[Entry]>) -> Result<(), EngineError>;

    /// The shows that have all the words, in no particular order.
    ///
    /// # Errors
    ///
    /// The engine failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    async fn find(&self, words: &Words) -> Result<Vec<Hit>, EngineError>;

    /// What can be found: the digest of each show's texts.
    ///
    /// # Errors
    ///
    /// The engine failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    async fn held(&self) -> Result<HashMap<ShowId, u64>, EngineError>;
}
