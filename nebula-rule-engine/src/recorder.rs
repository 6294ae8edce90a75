//! Recorded prices, for trying new rules on them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::set::PriceProof;

/// The latest prices. Clones share them.
///
/// ```
/// use nebula_rule_engine::{Basket, Line, Recorder, RuleEngine, RuleSetDef};
///
/// let rules = RuleSetDef::from_json(r#"{ "name": "shop", "currency": "CNY", "phases": [{ "id": "p", "groups": [] }] }"#)?;
/// let recorder = Recorder::new(1_000).every(2);
/// let engine = RuleEngine::new(&rules)?.with_recorder(recorder.clone());
/// let facts = engine.current().schema().facts().build()?;
/// for _ in 0..10 {
///     engine.price(&facts, &Basket::new([Line::new("book", "50 CNY".parse()?, 2)]))?;
/// }
/// assert_eq!(recorder.recorded().len(), 5);
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder {
    prices: Arc<Mutex<VecDeque<Arc<PriceProof>>>>,
    asked: Arc<AtomicU64>,
    capacity: usize,
    every: u64,
}

impl Recorder {
    /// Keeps the latest `capacity` prices.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { prices: Arc::default(), asked: Arc::default(), capacity, every: 1 }
    }

    /// Records one of so many prices; all without it. A price that is recorded is computed twice.
    #[must_use]
    pub fn every(mut self, every: u32) -> Self {
        self.every = u64::from(every.max(1));
        self
    }

    /// Records a price.
    pub fn record(&self, proof: PriceProof) {
        let mut prices = self.prices.lock();
        while prices.len() >= self.capacity.max(1) {
            prices.pop_front();
        }
        prices.push_back(Arc::new(proof));
    }

    /// What is recorded, the oldest first.
    #[must_use]
    pub fn recorded(&self) -> Vec<Arc<PriceProof>> {
        self.prices.lock().iter().cloned().collect()
    }

    /// Whether the price that is asked for now is one to record.
    pub(crate) fn is_due(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every)
    }
}
