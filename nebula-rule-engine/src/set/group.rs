//! What happens when several rules of a group apply.

use rust_decimal::Decimal;

use super::action::{Effect, settle};
use super::trace::PassedOver;
use super::{Group, RuleSet, Stacking};
use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Result};
use crate::money::{Money, Rounding, allocate};
use crate::number::{div, mul, sum};
use crate::set::Most;
use crate::value::Val;

/// A rule of a group and what it does on the prices that the group found.
pub(super) type Candidate = (usize, Effect);

/// What one rule really changed.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) rule: usize,
    pub(super) changes: Vec<(usize, Decimal)>,
    pub(super) arithmetic: String,
}

impl RuleSet {
    /// Applies the policy of `group` to candidates in their order, and changes `prices`.
    pub(super) fn stack(
        &self,
        group: &Group,
        candidates: Vec<Candidate>,
        prices: &mut [Decimal],
        facts: &[Val],
        meter: &mut Meter,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Vec<Done>> {
        let mut chosen = candidates;
        match group.stacking {
            Stacking::Best => {
                let mut best: Option<(usize, Decimal)> = None;
                for (place, (_, effect)) in chosen.iter().enumerate() {
                    let total = effect.total()?;
                    if best.is_none_or(|(_, least)| total < least) {
                        best = Some((place, total));
                    }
                }
                if let Some((place, _)) = best {
                    self.keep(&mut chosen, place, "takes off at least as much", passed_over);
                }
            }
            Stacking::First | Stacking::Exclusive if !chosen.is_empty() => {
                self.keep(&mut chosen, 0, "comes first", passed_over);
            }
            _ => {}
        }
        let mut left = prices.to_vec();
        let mut done = Vec::with_capacity(chosen.len());
        for (rule, effect) in chosen {
            let changes = settle(&mut left, &effect.changes)?;
            done.push(Done { rule, changes, arithmetic: effect.arithmetic });
        }
        if let Some(limit) = &group.limit {
            self.limit(limit, &mut done, prices, facts, meter)?;
        }
        for done in &mut done {
            done.changes = settle(prices, &done.changes)?;
        }
        for unchanged in done.extract_if(.., |done| done.changes.is_empty()) {
            let rule = self.rules[unchanged.rule].id.to_string();
            passed_over.push(PassedOver { rule, reason: "it changes no price".to_owned() });
        }
        Ok(done)
    }

    fn keep(&self, all: &mut Vec<Candidate>, place: usize, why: &str, passed_over: &mut Vec<PassedOver>) {
        let kept = all.swap_remove(place);
        let winner = &self.rules[kept.0].id;
        all.sort_by_key(|(rule, _)| *rule);
        for (rule, _) in all.drain(..) {
            let reason = format!("`{winner}` of the same group {why}");
            passed_over.push(PassedOver { rule: self.rules[rule].id.to_string(), reason });
        }
        all.push(kept);
    }

    /// Shortens discounts, each in proportion, so that together they are not more than the limit.
    fn limit(
        &self,
        limit: &Most,
        done: &mut [Done],
        prices: &[Decimal],
        facts: &[Val],
        meter: &mut Meter,
    ) -> Result<()> {
        let digits = self.currency().minor_digits();
        let most = match limit {
            Most::Amount(amount) => amount.run(facts, None, meter)?.num()?,
            Most::Percent(percent) => percent.run(facts, None, meter)?.num()?,
        };
        let of_prices = matches!(limit, Most::Percent(_));
        if most < Decimal::ZERO || (of_prices && most > Decimal::ONE_HUNDRED) {
            let context = format!("a limit of {most}{} is out of range", if of_prices { " %" } else { "" });
            return Err(Error::new(ErrorKind::BadAmount, context));
        }
        let most = if of_prices { div(mul(sum(prices.iter().copied())?, most)?, Decimal::ONE_HUNDRED)? } else { most };
        let most = Rounding::Down.apply(most, digits);
        let mut wanted = Vec::with_capacity(done.len());
        for done in done.iter() {
            wanted.push(-sum(done.changes.iter().map(|(_, change)| *change))?);
        }
        let together = sum(wanted.iter().copied())?;
        if together <= most {
            return Ok(());
        }
        for (done, allowed) in done.iter_mut().zip(allocate(most, &wanted, digits)?) {
            let weights: Vec<Decimal> = done.changes.iter().map(|(_, change)| -*change).collect();
            if weights.is_empty() {
                continue;
            }
            let shares = allocate(allowed, &weights, digits)?;
            done.changes.iter_mut().zip(shares).for_each(|((_, change), share)| *change = -share);
            if !done.arithmetic.is_empty() {
                done.arithmetic = format!(
                    "{}, shortened to the group's limit of {}",
                    done.arithmetic,
                    Money::new(most, self.currency())
                );
            }
        }
        Ok(())
    }
}
