use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::error::Result;

/// Into how many parts a span is divided: what was used comes back up to a 60th of the span late, and never early.
pub(super) const PARTS: u64 = 60;

/// Counts uses within rolling spans of time.
///
/// # Contract
///
/// - `never_more_than_the_limit`: in no span of that length are more uses allowed than the limit says; also when a thousand ask
///   at once, exactly so many are allowed.
/// - `all_or_nothing`: a decision over several counters charges all of them or, if one refuses, none.
/// - `uses_come_back`: after the span and a 60th of it, a use is forgotten.
/// - `refusals_say_when`: a refusal names the counter and a time after which the same charge can be allowed.
/// - `counting_does_not_charge`: `count` answers how much was used and changes nothing.
#[async_trait]
pub trait LimitStore: fmt::Debug + Send + Sync + 'static {
    /// Charges all counters, or none.
    async fn charge(&self, charges: &[Charge]) -> Result<Ruling>;

    /// How much was used within the span.
    async fn count(&self, key: &str, span: Duration) -> Result<u64>;
}

/// A use of one counter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Charge {
    /// The counter.
    pub key: String,
    /// How many uses are allowed.
    pub limit: u64,
    /// Within this span.
    pub span: Duration,
}

impl Charge {
    /// One use of a counter that allows `limit` uses within `span`.
    #[must_use]
    pub fn new(key: impl Into<String>, limit: u64, span: Duration) -> Self {
        Self { key: key.into(), limit, span }
    }

    /// The length of a part, in milliseconds.
    pub(super) fn part(span: Duration) -> u64 {
        crate::clock::duration_ms(span).div_ceil(PARTS).max(1)
    }
}

/// What a store has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Everything is charged.
    Allowed,
    /// Nothing is.
    Refused {
        /// The first counter that refuses, by its place.
        index: usize,
        /// When the same charge can be allowed.
        retry_after: Duration,
    },
}
