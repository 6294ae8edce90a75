//! Prices that need not be computed again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::facts::Facts;
use crate::money::Money;
use crate::set::{Basket, Detail, Priced, RuleSet, Version};
use crate::value::Val;

/// Name, price, quantity, and the facts that are read.
type LineKey = (Box<str>, Money, u32, Box<[Val]>);

/// What a price depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    version: Version,
    detail: Detail,
    /// Between which edges of windows the clock stands.
    stretch: usize,
    facts: Box<[Val]>,
    lines: Box<[LineKey]>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Arc<Key>, Arc<Priced>>,
    old: HashMap<Arc<Key>, Arc<Priced>>,
}

/// Prices of two generations: when the young one is full, it takes the place of the old one. What is asked for in the old
/// one becomes young again, so that what is in use stays.
pub(crate) struct PriceCache {
    prices: Mutex<Generations>,
    generation: usize,
}

impl fmt::Debug for PriceCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prices = self.prices.lock();
        f.debug_struct("PriceCache").field("prices", &(prices.young.len() + prices.old.len())).finish_non_exhaustive()
    }
}

impl PriceCache {
    pub(crate) fn new(prices: usize) -> Self {
        Self { prices: Mutex::default(), generation: prices.div_ceil(2).max(1) }
    }

    /// The price of `basket` by `set`: remembered, or from `compute`. Errors are not remembered.
    pub(crate) fn price(
        &self,
        set: &RuleSet,
        facts: &Facts,
        basket: &Basket,
        detail: Detail,
        compute: impl FnOnce() -> Result<Priced>,
    ) -> Result<Priced> {
        let Some(key) = key(set, facts, basket, detail) else { return compute() };
        if let Some(known) = self.find(&key) {
            return Ok(known.as_ref().clone());
        }
        let priced = compute()?;
        self.keep(Arc::new(key), Arc::new(priced.clone()));
        Ok(priced)
    }

    fn find(&self, key: &Key) -> Option<Arc<Priced>> {
        let mut prices = self.prices.lock();
        if let Some(known) = prices.young.get(key) {
            return Some(Arc::clone(known));
        }
        let (key, known) = prices.old.remove_entry(key)?;
        self.put(&mut prices, key, Arc::clone(&known));
        Some(known)
    }

    fn keep(&self, key: Arc<Key>, priced: Arc<Priced>) {
        self.put(&mut self.prices.lock(), key, priced);
    }

    fn put(&self, prices: &mut Generations, key: Arc<Key>, priced: Arc<Priced>) {
        if prices.young.len() >= self.generation {
            prices.old = std::mem::take(&mut prices.young);
        }
        prices.young.insert(key, priced);
    }
}

/// `None` for what has no price: it is computed, and the error told.
fn key(set: &RuleSet, facts: &Facts, basket: &Basket, detail: Detail) -> Option<Key> {
    let reads = set.reads();
    if facts.schema() != set.schema() {
        return None;
    }
    let values = facts.values();
    let stretch = match reads.clock {
        Some(clock) => {
            let at = values.get(clock)?.ordinal()?;
            reads.edges.partition_point(|edge| *edge <= crate::domain::Cut { at, after: false })
        }
        None => 0,
    };
    let pick = |values: &[Val], places: &[usize]| -> Option<Box<[Val]>> {
        places.iter().map(|place| values.get(*place).cloned()).collect()
    };
    let lines = basket.lines().iter().map(|line| {
        let own = line.checked(set.line_schema()).ok()?;
        Some((line.id.as_str().into(), line.price, line.quantity, pick(own.values(), &reads.lines)?))
    });
    Some(Key {
        version: set.version().clone(),
        detail,
        stretch,
        facts: pick(values, &reads.facts)?,
        lines: lines.collect::<Option<_>>()?,
    })
}
