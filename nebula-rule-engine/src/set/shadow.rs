//! What other rules would have made of recorded prices.

use rust_decimal::Decimal;
use serde::Serialize;

use super::proof::PriceProof;
use super::{Detail, RuleSet, Version};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::money::Money;
use crate::number::{add, div, mul, sub};

/// How many changed prices are told one by one.
const MAX_EXAMPLES: usize = 20;

/// Recorded prices beside those of another set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shadow {
    /// The version that was tried.
    pub version: Version,
    /// How many prices were compared.
    pub decisions: usize,
    /// How many are different.
    pub changed: usize,
    /// How many cannot be computed by the set: facts that it does not know, errors.
    pub failed: usize,
    /// The recorded totals of those that could be compared.
    pub before: Money,
    /// And what they would have been.
    pub after: Money,
    /// Some of those that are different or failed.
    pub examples: Vec<Changed>,
}

/// A recorded price that would have been another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changed {
    /// Its place among the recorded prices, from 0.
    pub place: usize,
    /// What was paid.
    pub before: Money,
    /// What it would have been, or why there is no price.
    pub after: std::result::Result<Money, String>,
}

impl Shadow {
    /// The change of the revenue in per cent; `None` if there was no revenue.
    #[must_use]
    pub fn percent(&self) -> Option<Decimal> {
        let change = sub(self.after.amount(), self.before.amount()).ok()?;
        div(mul(change, Decimal::ONE_HUNDRED).ok()?, self.before.amount()).ok()
    }
}

impl RuleSet {
    /// Prices recorded baskets anew, each within `budget`, and compares.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Currency`] if a recorded price is in another currency; [`ErrorKind::Overflow`]. A price that this set
    /// cannot compute is counted.
    pub fn shadow<'a>(&self, recorded: impl IntoIterator<Item = &'a PriceProof>, budget: Budget) -> Result<Shadow> {
        let nothing = Money::new(Decimal::ZERO, self.currency());
        let mut shadow = Shadow {
            version: self.version.clone(),
            decisions: 0,
            changed: 0,
            failed: 0,
            before: nothing,
            after: nothing,
            examples: Vec::new(),
        };
        for (place, proof) in recorded.into_iter().enumerate() {
            let before = proof.priced().total;
            if before.currency() != self.currency() {
                let context = format!("a price in {} beside rules in {}", before.currency(), self.currency());
                return Err(Error::new(ErrorKind::Currency, context));
            }
            shadow.decisions += 1;
            let priced = proof
                .input(self)
                .and_then(|(facts, basket)| self.price(&facts, &basket, &mut budget.start(), Detail::Off));
            let after = match priced {
                Ok(priced) => {
                    shadow.before = Money::new(add(shadow.before.amount(), before.amount())?, self.currency());
                    shadow.after = Money::new(add(shadow.after.amount(), priced.total.amount())?, self.currency());
                    if priced.total == before {
                        continue;
                    }
                    shadow.changed += 1;
                    Ok(priced.total)
                }
                Err(error) => {
                    shadow.failed += 1;
                    Err(error.to_string())
                }
            };
            if shadow.examples.len() < MAX_EXAMPLES {
                shadow.examples.push(Changed { place, before, after });
            }
        }
        Ok(shadow)
    }
}
