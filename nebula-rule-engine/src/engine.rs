//! What applications hold: the rules in force, and how they are asked.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::budget::Budget;
use crate::cache::PriceCache;
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::facts::Facts;
use crate::recorder::Recorder;
use crate::set::{Basket, Detail, PriceProof, Priced, RuleSet, RuleSetDef, Shadow, Version};
use rust_decimal::Decimal;

/// How many sets before the one in force are kept for [`RuleEngine::roll_back_to`].
const HISTORY: usize = 16;

/// What is asked of the floor and the cap of rules before they are put in force. On prices, both hold in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBounds {
    /// Nothing.
    #[default]
    Hold,
    /// Rules for which a purchase is found that passes a bound are refused.
    RefuseBroken,
    /// So are rules for which that cannot be excluded.
    RefuseUnproven,
}

/// What a price is when the budget is used up before it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBudget {
    /// An error.
    #[default]
    Fail,
    /// The list price. The trace says that no rule was applied, and why. Everything but the budget is still an error.
    ListPrice,
}

/// What became of rules that were compared with recorded prices before they were to serve.
#[derive(Clone, Debug, PartialEq)]
pub enum Published {
    /// They are in force.
    InForce(Shadow),
    /// They are not: the revenue would change by too much, or some recorded basket has no price under them.
    Refused(Shadow),
}

/// The rules in force. Clones share them.
///
/// [`publish`](Self::publish) puts new rules in their place at once, after checks and tests; whoever is pricing keeps the
/// set that it began with. A set that is refused changes nothing.
///
/// ```
/// use nebula_rule_engine::{Basket, Line, RuleEngine, RuleSetDef};
///
/// let rules = |percent: u32| RuleSetDef::from_json(&format!(r#"{{
///     "name": "shop", "currency": "CNY",
///     "phases": [{{ "id": "sale", "groups": [{{ "id": "all" }}] }}],
///     "rules": [{{ "id": "sale", "group": "all", "order": 1, "then": {{ "percent-off": {percent} }} }}]
/// }}"#));
/// let engine = RuleEngine::new(&rules(10)?)?;
/// let facts = engine.current().schema().facts().build()?;
/// let basket = Basket::new([Line::new("book", "50.00 CNY".parse()?, 2)]);
/// assert_eq!(engine.price(&facts, &basket)?.total.to_string(), "90.00 CNY");
///
/// assert!(engine.publish(&rules(110)?).is_err());
/// assert_eq!(engine.price(&facts, &basket)?.total.to_string(), "90.00 CNY");
/// engine.publish(&rules(20)?)?;
/// assert_eq!(engine.price(&facts, &basket)?.total.to_string(), "80.00 CNY");
/// engine.roll_back()?;
/// assert_eq!(engine.price(&facts, &basket)?.total.to_string(), "90.00 CNY");
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuleEngine {
    rules: Arc<Rules>,
    budget: Budget,
    on_budget: OnBudget,
    on_bounds: OnBounds,
    detail: Detail,
    cache: Option<Arc<PriceCache>>,
    recorder: Option<Recorder>,
}

#[derive(Debug)]
struct Rules {
    /// Read without a lock.
    current: ArcSwap<RuleSet>,
    /// The sets before, the latest first. Held while sets are exchanged.
    before: Mutex<VecDeque<Arc<RuleSet>>>,
}

impl Rules {
    fn put(&self, set: Arc<RuleSet>) {
        self.exchange(&mut self.before.lock(), set);
    }

    /// Chooses one of the sets before, and puts it in force before anybody else puts another.
    fn put_back(&self, choose: impl FnOnce(&VecDeque<Arc<RuleSet>>) -> Result<Arc<RuleSet>>) -> Result<Arc<RuleSet>> {
        let mut before = self.before.lock();
        let set = choose(&before)?;
        self.exchange(&mut before, Arc::clone(&set));
        Ok(set)
    }

    fn exchange(&self, before: &mut VecDeque<Arc<RuleSet>>, set: Arc<RuleSet>) {
        before.retain(|known| known.version() != set.version());
        let version = set.version().clone();
        let last = self.current.swap(set);
        if *last.version() != version {
            before.push_front(last);
        }
        before.truncate(HISTORY);
    }
}

impl RuleEngine {
    /// Compiles and tests `def`, and puts it in force.
    ///
    /// # Errors
    ///
    /// As [`RuleSet::compile`] and [`RuleSet::test`].
    pub fn new(def: &RuleSetDef) -> Result<Self> {
        let rules = Rules { current: ArcSwap::from_pointee(checked(def)?), before: Mutex::default() };
        Ok(Self {
            rules: Arc::new(rules),
            budget: Budget::default(),
            on_budget: OnBudget::default(),
            on_bounds: OnBounds::default(),
            detail: Detail::default(),
            cache: None,
            recorder: None,
        })
    }

    /// What is asked of the floor and the cap of rules that are published from now on.
    #[must_use]
    pub const fn with_on_bounds(mut self, on_bounds: OnBounds) -> Self {
        self.on_bounds = on_bounds;
        self
    }

    /// Remembers up to `prices` prices, by the version of the rules, the lines and the facts that the rules read. Where rules
    /// read the clock through their windows alone, a price counts until the next of them begins or ends, and not longer.
    ///
    /// Nothing is remembered under [`Detail::Full`], whose reasons mention facts that changed nothing.
    #[must_use]
    pub fn with_cache(mut self, prices: usize) -> Self {
        self.cache = Some(Arc::new(PriceCache::new(prices)));
        self
    }

    /// Records prices, to try new rules on them before they serve.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// What one price may cost.
    #[must_use]
    pub const fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What a price is when the budget is used up.
    #[must_use]
    pub const fn with_on_budget(mut self, on_budget: OnBudget) -> Self {
        self.on_budget = on_budget;
        self
    }

    /// How much of the way to a price is written down.
    #[must_use]
    pub const fn with_detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The rules in force. Several prices that have to agree are asked of one and the same set.
    #[must_use]
    pub fn current(&self) -> Arc<RuleSet> {
        self.rules.current.load_full()
    }

    /// Puts `def` in force if it is sound and passes its tests.
    ///
    /// # Errors
    ///
    /// As [`RuleSet::compile`] and [`RuleSet::test`]; the rules in force stay.
    pub fn publish(&self, def: &RuleSetDef) -> Result<Arc<RuleSet>> {
        let set = Arc::new(self.checked(def)?);
        self.rules.put(Arc::clone(&set));
        Ok(set)
    }

    /// An engine with rules of its own and the options of this one. Prices are recorded by that one alone.
    #[cfg(feature = "reload")]
    pub(crate) fn beside(&self, def: &RuleSetDef) -> Result<Self> {
        let rules = Rules { current: ArcSwap::from_pointee(self.checked(def)?), before: Mutex::default() };
        Ok(Self { rules: Arc::new(rules), recorder: None, ..self.clone() })
    }

    /// Compiles and tests `def` without putting it in force.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn dry_run(&self, def: &RuleSetDef) -> Result<RuleSet> {
        self.checked(def)
    }

    /// Puts `def` in force if it is sound, passes its tests, can price all `recorded` baskets, and changes the revenue from
    /// them by at most `max_percent` in either direction. Otherwise the rules in force stay; the comparison says why. The
    /// budget holds for each price, without its deadline.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish) and [`RuleSet::shadow`].
    pub fn publish_after_shadow<'a>(
        &self,
        def: &RuleSetDef,
        recorded: impl IntoIterator<Item = &'a PriceProof>,
        max_percent: Decimal,
    ) -> Result<Published> {
        let set = Arc::new(self.checked(def)?);
        // How busy this machine is says nothing about the rules; the other limits bound each price all the same.
        let shadow = set.shadow(recorded, self.budget.with_deadline(None))?;
        let change = shadow.percent().unwrap_or_default().abs();
        if shadow.failed > 0 || change > max_percent {
            return Ok(Published::Refused(shadow));
        }
        self.rules.put(set);
        Ok(Published::InForce(shadow))
    }

    /// Puts the set before the one in force back; a second time, that one again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if nothing was published since the start.
    pub fn roll_back(&self) -> Result<Arc<RuleSet>> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no set before this one");
        self.rules.put_back(|before| before.front().cloned().ok_or_else(missing))
    }

    /// Puts an earlier set back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if `version` is none of [`versions`](Self::versions).
    pub fn roll_back_to(&self, version: &Version) -> Result<Arc<RuleSet>> {
        let missing = || Error::new(ErrorKind::NotFound, format!("the version {version} is not kept"));
        self.rules.put_back(|before| {
            let current = std::iter::once(self.current());
            let mut known = before.iter().cloned().chain(current);
            known.find(|set| set.version() == version).ok_or_else(missing)
        })
    }

    /// The version in force and up to 16 before it, the latest first.
    #[must_use]
    pub fn versions(&self) -> Vec<Version> {
        let before = self.rules.before.lock();
        let current = self.rules.current.load();
        std::iter::once(&*current).chain(before.iter()).map(|set| set.version().clone()).collect()
    }

    fn checked(&self, def: &RuleSetDef) -> Result<RuleSet> {
        let set = checked(def)?;
        if self.on_bounds == OnBounds::Hold {
            return Ok(set);
        }
        let proof = set.prove_bounds();
        let broken = proof.counter_examples().next().is_some();
        if broken || (self.on_bounds == OnBounds::RefuseUnproven && !proof.holds()) {
            let problem = Problem::error("", proof.to_string().trim_end());
            let context = format!("rule set `{}`", set.definition().name);
            return Err(Error::new(ErrorKind::BoundPassed, context).with_problems(vec![problem]));
        }
        Ok(set)
    }

    /// Prices `basket` by the rules in force.
    ///
    /// # Errors
    ///
    /// As [`RuleSet::price`]; those of the budget only under [`OnBudget::Fail`].
    pub fn price(&self, facts: &Facts, basket: &Basket) -> Result<Priced> {
        let set = self.current();
        if let Some(recorder) = self.recorder.as_ref().filter(|recorder| recorder.is_due()) {
            // What cannot be priced is told below.
            set.prove(facts, basket, &mut self.budget.start()).map(|proof| recorder.record(proof)).ok();
        }
        let fresh = || set.price(facts, basket, &mut self.budget.start(), self.detail);
        let priced = match self.cache.as_deref().filter(|_| self.detail != Detail::Full) {
            Some(cache) => cache.price(&set, facts, basket, self.detail, fresh),
            None => fresh(),
        };
        match priced {
            Err(error) if error.is_budget() && self.on_budget == OnBudget::ListPrice => {
                set.list_price(basket, &error.to_string())
            }
            priced => priced,
        }
    }

    /// Prices `basket` by the rules in force, and writes down what is needed to do it again.
    ///
    /// # Errors
    ///
    /// As [`RuleSet::prove`]: a price that the budget kept from being computed cannot be proven.
    pub fn prove(&self, facts: &Facts, basket: &Basket) -> Result<PriceProof> {
        self.current().prove(facts, basket, &mut self.budget.start())
    }
}

fn checked(def: &RuleSetDef) -> Result<RuleSet> {
    let set = RuleSet::compile(def)?;
    set.test()?;
    Ok(set)
}
