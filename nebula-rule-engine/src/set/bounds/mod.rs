//! Whether rules can take a price below the floor or above the cap: shown for all facts and baskets when rules are published.
//!
//! The facts are taken apart into the stretches that the conditions tell apart, and the rules into what they can do at
//! most. Totals are bounded by straight lines over the price before any rule (an abstract interpretation over intervals and
//! lines, after Cousot and Cousot, 1977, and Karr, 1976). What the lines hold back no purchase passes; what they let through
//! is tried on real purchases, and the one that passes is the counter-example.

mod range;
mod sample;
mod side;
mod walk;

use std::fmt;

use rust_decimal::Decimal;
use serde::Serialize;

use self::side::Side;
use super::{ProofLine, RuleSet, Stacking, Version};
use crate::money::Money;

/// What is known about a rule set's floor and cap for all facts and baskets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BoundsProof {
    /// The rules.
    pub version: Version,
    /// How many combinations of rules were looked at.
    pub combinations: usize,
    /// Bounds are proven for exact amounts. Rounding of the steps may add so much, and the floor and the cap catch it.
    pub rounding: Money,
    /// Whether rules stay above the floor; nothing if the set has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<BoundCheck>,
    /// Whether rules stay below the cap; nothing if the set has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<BoundCheck>,
}

/// What is known about one bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundCheck {
    /// No combination of rules passes it, whatever the facts and the basket.
    Holds,
    /// This purchase passes it.
    Broken(Box<CounterExample>),
    /// Neither was shown, and why. The bound is still enforced on every price.
    Unknown(String),
}

/// A purchase whose rules together go beyond a bound; on a real price the bound cuts them short.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CounterExample {
    /// The facts, in the form that [`Schema::facts_from_json`](crate::Schema::facts_from_json) reads.
    pub facts: serde_json::Value,
    /// The lines of the basket.
    pub lines: Vec<ProofLine>,
    /// The rules that change the price, in their order.
    pub rules: Vec<String>,
    /// What the lines cost before any rule.
    pub subtotal: Money,
    /// What these rules would make of it.
    pub total: Money,
    /// The bound that this passes.
    pub bound: Money,
}

impl BoundsProof {
    /// Whether every bound that the set has is proven to hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks().all(|(_, check)| *check == BoundCheck::Holds)
    }

    /// The purchases that pass a bound.
    pub fn counter_examples(&self) -> impl Iterator<Item = (&'static str, &CounterExample)> {
        self.checks().filter_map(|(name, check)| match check {
            BoundCheck::Broken(example) => Some((name, example.as_ref())),
            BoundCheck::Holds | BoundCheck::Unknown(_) => None,
        })
    }

    fn checks(&self) -> impl Iterator<Item = (&'static str, &BoundCheck)> {
        let checks = [("floor", &self.floor), ("cap", &self.cap)];
        checks.into_iter().filter_map(|(name, check)| check.as_ref().map(|check| (name, check)))
    }
}

impl fmt::Display for BoundsProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.floor.is_none() && self.cap.is_none() {
            return writeln!(f, "there is neither a floor nor a cap");
        }
        for (name, check) in self.checks() {
            match check {
                BoundCheck::Holds => writeln!(
                    f,
                    "the {name} holds for all facts and baskets ({} combinations of rules, up to {} of rounding)",
                    self.combinations, self.rounding
                )?,
                BoundCheck::Unknown(why) => writeln!(f, "the {name} is not proven: {why}")?,
                BoundCheck::Broken(it) => {
                    writeln!(f, "the {name} of {} is passed: {} becomes {}", it.bound, it.subtotal, it.total)?;
                    writeln!(f, "  by {}", it.rules.join(", then "))?;
                    writeln!(f, "  for {}", it.facts)?;
                    for line in &it.lines {
                        writeln!(f, "  with {} x {} at {} {}", line.quantity, line.id, line.price, line.facts)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl RuleSet {
    /// Shows for all facts and baskets that rules stay between floor and cap, or finds a purchase for which they do not.
    ///
    /// The work is bounded; what is too much to be looked at is [`BoundCheck::Unknown`]. What an expression asks for that is
    /// more than the index answers is taken for possible.
    ///
    /// ```
    /// use nebula_rule_engine::{RuleSet, RuleSetDef};
    ///
    /// let rules = |percent: u32| RuleSetDef::from_json(&format!(r#"{{
    ///     "name": "shop", "currency": "CNY", "floor": "basket.subtotal * 0.5", "facts": {{ "vip": "bool" }},
    ///     "phases": [{{ "id": "sale", "groups": [{{ "id": "all", "stacking": "accumulate" }}] }}],
    ///     "rules": [
    ///         {{ "id": "sale", "group": "all", "order": 1, "then": {{ "percent-off": 30 }} }},
    ///         {{ "id": "vip", "group": "all", "order": 2, "when": "vip", "then": {{ "percent-off": {percent} }} }}
    ///     ]
    /// }}"#));
    /// assert!(RuleSet::compile(&rules(20)?)?.prove_bounds().holds());
    ///
    /// let proof = RuleSet::compile(&rules(25)?)?.prove_bounds();
    /// let (bound, example) = proof.counter_examples().next().unwrap();
    /// assert_eq!((bound, example.rules.join(" "), example.facts["vip"].as_bool()), ("floor", "sale vip".into(), Some(true)));
    /// # Ok::<_, nebula_rule_engine::Error>(())
    /// ```
    #[must_use]
    pub fn prove_bounds(&self) -> BoundsProof {
        let mut combinations = 0;
        let mut check = |side, bound: &Option<crate::expr::Expression>| {
            let bound = bound.as_ref()?;
            let found = walk::look(self, side, bound);
            combinations += found.combinations;
            Some(self.judge(side, found))
        };
        let floor = check(Side::Floor, &self.floor);
        let cap = check(Side::Cap, &self.cap);
        BoundsProof {
            version: self.version.clone(),
            combinations,
            rounding: Money::new(self.dust(), self.currency()),
            floor,
            cap,
        }
    }

    /// Each step rounds by less than one smallest unit, and so does the bound.
    fn dust(&self) -> Decimal {
        let steps = self.phases.iter().flat_map(|phase| &phase.groups).map(|group| match group.stacking {
            Stacking::Accumulate | Stacking::Cap => group.rules.len(),
            Stacking::Best | Stacking::First | Stacking::Exclusive => group.rules.len().min(1),
        });
        let steps = Decimal::from(steps.sum::<usize>() + 1);
        Decimal::new(1, self.currency().minor_digits()).saturating_mul(steps)
    }

    fn judge(&self, side: Side, found: walk::Found) -> BoundCheck {
        for suspect in &found.suspects {
            if let Some(example) = sample::example(self, side, suspect, self.dust()) {
                return BoundCheck::Broken(Box::new(example));
            }
        }
        match (found.suspects.first(), found.gave_up) {
            (None, None) => BoundCheck::Holds,
            (_, Some(why)) => BoundCheck::Unknown(why),
            (Some(suspect), None) => {
                let rules: Vec<&str> = suspect.rules.iter().map(|rule| self.rules[*rule].id.as_ref()).collect();
                let at = Money::new(suspect.subtotal, self.currency());
                BoundCheck::Unknown(format!(
                    "{} might pass it at {at}, and no purchase was found that does",
                    rules.join(", then ")
                ))
            }
        }
    }
}
