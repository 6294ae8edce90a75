//! What applications hold: the rules in force, and how they are asked.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Facts;
use crate::set::{Basket, Detail, PriceProof, Priced, RuleSet, RuleSetDef, Shadow};
use rust_decimal::Decimal;

/// What a price is when the budget is used up before it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
    detail: Detail,
}

#[derive(Debug)]
struct Rules {
    /// Read without a lock.
    current: ArcSwap<RuleSet>,
    /// Held while sets are exchanged.
    previous: Mutex<Option<Arc<RuleSet>>>,
}

impl RuleEngine {
    /// Compiles and tests `def`, and puts it in force.
    ///
    /// # Errors
    ///
    /// As [`RuleSet::compile`] and [`RuleSet::test`].
    pub fn new(def: &RuleSetDef) -> Result<Self> {
        let rules = Rules { current: ArcSwap::from_pointee(checked(def)?), previous: Mutex::new(None) };
        Ok(Self {
            rules: Arc::new(rules),
            budget: Budget::default(),
            on_budget: OnBudget::default(),
            detail: Detail::default(),
        })
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
        let set = Arc::new(checked(def)?);
        let mut previous = self.rules.previous.lock();
        *previous = Some(self.rules.current.swap(Arc::clone(&set)));
        Ok(set)
    }

    /// Puts `def` in force if it is sound, passes its tests, can price all `recorded` baskets, and changes the revenue from
    /// them by at most `max_percent` in either direction. Otherwise the rules in force stay; the comparison says why.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish) and [`RuleSet::shadow`].
    pub fn publish_after_shadow(
        &self,
        def: &RuleSetDef,
        recorded: &[PriceProof],
        max_percent: Decimal,
    ) -> Result<Published> {
        let set = Arc::new(checked(def)?);
        let shadow = set.shadow(recorded, self.budget)?;
        let change = shadow.percent().unwrap_or_default().abs();
        if shadow.failed > 0 || change > max_percent {
            return Ok(Published::Refused(shadow));
        }
        let mut previous = self.rules.previous.lock();
        *previous = Some(self.rules.current.swap(set));
        Ok(Published::InForce(shadow))
    }

    /// Puts the set before the one in force back; a second time, that one again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if nothing was published since the start.
    pub fn roll_back(&self) -> Result<Arc<RuleSet>> {
        let mut previous = self.rules.previous.lock();
        let Some(set) = previous.take() else {
            return Err(Error::new(ErrorKind::NotFound, "there is no set before this one"));
        };
        *previous = Some(self.rules.current.swap(Arc::clone(&set)));
        Ok(set)
    }

    /// Prices `basket` by the rules in force.
    ///
    /// # Errors
    ///
    /// As [`RuleSet::price`]; those of the budget only under [`OnBudget::Fail`].
    pub fn price(&self, facts: &Facts, basket: &Basket) -> Result<Priced> {
        let set = self.current();
        match set.price(facts, basket, &mut self.budget.start(), self.detail) {
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
