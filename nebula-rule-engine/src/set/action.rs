//! What a rule does to prices.

use rust_decimal::Decimal;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Expression;
use crate::money::{Currency, Rounding, allocate};
use crate::number::{add, div, mul, sub, sum};
use crate::set::TierBy;
use crate::value::Val;

/// A compiled action.
#[derive(Clone, Debug)]
pub(super) enum Act {
    PercentOff(Expression),
    AmountOff(Expression),
    AmountOffEach(Expression),
    PriceEach(Expression),
    PercentOn(Expression),
    AmountOn(Expression),
    BuyGet { buy: u32, get: u32, percent: Expression },
    Tiers { by: TierBy, steps: Vec<(Decimal, Self)> },
    Bundle { parts: Vec<(Expression, u32)>, price: Expression },
}

/// What one rule would change: by line, and how it was computed.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) changes: Vec<(usize, Decimal)>,
    pub(super) arithmetic: String,
}

impl Effect {
    pub(super) fn total(&self) -> Result<Decimal> {
        sum(self.changes.iter().map(|(_, change)| *change))
    }
}

/// The lines that a rule concerns, as it finds them.
#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) facts: &'a [Val],
    /// Place in the basket, price of all units, units.
    pub(super) lines: Vec<(usize, Decimal, u32)>,
    pub(super) currency: Currency,
    pub(super) rounding: Rounding,
    /// Whether arithmetic is written down.
    pub(super) words: bool,
}

fn bad(what: String) -> Error {
    Error::new(ErrorKind::BadAmount, what)
}

impl Field<'_> {
    fn number(&self, expression: &Expression, meter: &mut Meter) -> Result<Decimal> {
        expression.run(self.facts, None, meter)?.num()
    }

    fn amount(&self, expression: &Expression, meter: &mut Meter) -> Result<Decimal> {
        let amount = self.number(expression, meter)?;
        if amount < Decimal::ZERO { Err(bad(format!("the amount {amount} is negative"))) } else { Ok(amount) }
    }

    fn percent(&self, expression: &Expression, meter: &mut Meter, most: Option<u32>) -> Result<Decimal> {
        let percent = self.number(expression, meter)?;
        if percent < Decimal::ZERO || most.is_some_and(|most| percent > most.into()) {
            return Err(bad(format!("{percent} % is out of range")));
        }
        Ok(percent)
    }

    fn round(&self, amount: Decimal) -> Decimal {
        self.rounding.apply(amount, self.currency.minor_digits())
    }

    fn base(&self) -> Result<Decimal> {
        sum(self.lines.iter().map(|(_, amount, _)| *amount))
    }

    fn units(&self) -> u64 {
        self.lines.iter().map(|(.., quantity)| u64::from(*quantity)).sum()
    }

    fn words(&self, words: impl FnOnce() -> String) -> String {
        if self.words { words() } else { String::new() }
    }

    fn money(&self, amount: Decimal) -> String {
        crate::money::Money::new(amount, self.currency).to_string()
    }

    /// `total`, in whole units, divided over the lines by their prices.
    fn spread(&self, total: Decimal, sign: Decimal) -> Result<Vec<(usize, Decimal)>> {
        let weights: Vec<Decimal> = self.lines.iter().map(|(_, amount, _)| *amount).collect();
        let parts = allocate(total, &weights, self.currency.minor_digits())?;
        Ok(self.lines.iter().zip(parts).map(|((line, ..), part)| (*line, part * sign)).collect())
    }
}

/// A percentage of an amount, not yet rounded.
fn share(base: Decimal, percent: Decimal) -> Result<Decimal> {
    div(mul(base, percent)?, Decimal::ONE_HUNDRED)
}

impl Act {
    /// Calls `see` with the amounts and percentages that it computes for a whole purchase.
    pub(super) fn expressions(&self, see: &mut impl FnMut(&Expression)) {
        match self {
            Self::PercentOff(it)
            | Self::AmountOff(it)
            | Self::AmountOffEach(it)
            | Self::PriceEach(it)
            | Self::PercentOn(it)
            | Self::AmountOn(it)
            | Self::BuyGet { percent: it, .. }
            | Self::Bundle { price: it, .. } => see(it),
            Self::Tiers { steps, .. } => steps.iter().for_each(|(_, step)| step.expressions(see)),
        }
    }

    /// Whether prices may rise.
    pub(super) fn may_raise(&self) -> bool {
        match self {
            Self::PriceEach(_) | Self::PercentOn(_) | Self::AmountOn(_) => true,
            Self::Tiers { steps, .. } => steps.iter().any(|(_, step)| step.may_raise()),
            _ => false,
        }
    }

    /// What it would change; nothing where there is nothing to do.
    pub(super) fn apply(
        &self,
        field: &Field<'_>,
        meter: &mut Meter,
        belongs: &mut dyn FnMut(&Expression, usize, &mut Meter) -> Result<bool>,
    ) -> Result<Option<Effect>> {
        if field.lines.is_empty() {
            return Ok(None);
        }
        meter.spend(u32::try_from(field.lines.len()).unwrap_or(u32::MAX))?;
        let base = field.base()?;
        Ok(Some(match self {
            Self::PercentOff(percent) => {
                let percent = field.percent(percent, meter, Some(100))?.normalize();
                let off = field.round(share(base, percent)?).min(base);
                let arithmetic = field.words(|| format!("{percent} % of {}", field.money(base)));
                Effect { changes: field.spread(off, -Decimal::ONE)?, arithmetic }
            }
            Self::PercentOn(percent) => {
                let percent = field.percent(percent, meter, None)?.normalize();
                let on = field.round(share(base, percent)?);
                let arithmetic = field.words(|| format!("{percent} % on {}", field.money(base)));
                Effect { changes: field.spread(on, Decimal::ONE)?, arithmetic }
            }
            Self::AmountOff(amount) => {
                let amount = field.amount(amount, meter)?;
                let off = field.round(amount).min(base);
                let arithmetic = field.words(|| format!("{} off {}", field.money(amount), field.money(base)));
                Effect { changes: field.spread(off, -Decimal::ONE)?, arithmetic }
            }
            Self::AmountOn(amount) => {
                let amount = field.amount(amount, meter)?;
                let on = field.round(amount);
                let arithmetic = field.words(|| format!("{} on {}", field.money(amount), field.money(base)));
                Effect { changes: field.spread(on, Decimal::ONE)?, arithmetic }
            }
            Self::AmountOffEach(amount) => {
                let amount = field.amount(amount, meter)?;
                let mut changes = Vec::with_capacity(field.lines.len());
                for (line, now, quantity) in &field.lines {
                    changes.push((*line, -field.round(mul(amount, (*quantity).into())?).min(*now)));
                }
                let arithmetic = field.words(|| format!("{} off each of {}", field.money(amount), field.units()));
                Effect { changes, arithmetic }
            }
            Self::PriceEach(price) => {
                let price = field.amount(price, meter)?;
                let mut changes = Vec::with_capacity(field.lines.len());
                for (line, now, quantity) in &field.lines {
                    changes.push((*line, sub(field.round(mul(price, (*quantity).into())?), *now)?));
                }
                let arithmetic = field.words(|| format!("{} for each of {}", field.money(price), field.units()));
                Effect { changes, arithmetic }
            }
            Self::BuyGet { buy, get, percent } => return buy_get(field, meter, (*buy, *get), percent),
            Self::Tiers { by, steps } => {
                let reached = match by {
                    TierBy::Amount => base,
                    TierBy::Quantity => field.units().into(),
                };
                let step = steps.iter().rev().find(|(from, _)| *from <= reached);
                let Some((from, act)) = step else { return Ok(None) };
                let Some(effect) = act.apply(field, meter, belongs)? else { return Ok(None) };
                let arithmetic = field.words(|| format!("from {from}: {}", effect.arithmetic));
                Effect { arithmetic, ..effect }
            }
            Self::Bundle { parts, price } => return bundle(field, meter, parts, price, belongs),
        }))
    }
}

fn buy_get(
    field: &Field<'_>,
    meter: &mut Meter,
    (buy, get): (u32, u32),
    percent: &Expression,
) -> Result<Option<Effect>> {
    let percent = field.percent(percent, meter, Some(100))?.normalize();
    let sets = field.units() / (u64::from(buy) + u64::from(get)).max(1);
    let mut left = sets * u64::from(get);
    let reduced = left;
    if left == 0 {
        return Ok(None);
    }
    let mut cheapest = Vec::with_capacity(field.lines.len());
    for (line, now, quantity) in &field.lines {
        cheapest.push((div(*now, (*quantity).into())?, *line, *now, *quantity));
    }
    cheapest.sort_by(|(one, line, ..), (other, beside, ..)| one.cmp(other).then(line.cmp(beside)));
    let mut changes = Vec::new();
    for (_, line, now, quantity) in cheapest {
        let taken = left.min(quantity.into());
        left -= taken;
        if taken > 0 {
            let part = div(mul(now, taken.into())?, quantity.into())?;
            changes.push((line, -field.round(share(part, percent)?).min(now)));
        }
    }
    let arithmetic = field.words(|| format!("{percent} % off the cheapest {reduced} of {}", field.units()));
    Ok(Some(Effect { changes, arithmetic }))
}

fn bundle(
    field: &Field<'_>,
    meter: &mut Meter,
    parts: &[(Expression, u32)],
    price: &Expression,
    belongs: &mut dyn FnMut(&Expression, usize, &mut Meter) -> Result<bool>,
) -> Result<Option<Effect>> {
    let price = field.amount(price, meter)?;
    let mut fits = Vec::with_capacity(parts.len());
    for (lines, _) in parts {
        let mut own = Vec::with_capacity(field.lines.len());
        for (line, ..) in &field.lines {
            own.push(belongs(lines, *line, meter)?);
        }
        fits.push(own);
    }
    let mut left: Vec<u32> = field.lines.iter().map(|(.., quantity)| *quantity).collect();
    let mut sets = 0_u32;
    'sets: loop {
        meter.spend(u32::try_from(parts.len() * field.lines.len()).unwrap_or(u32::MAX))?;
        let mut next = left.clone();
        for ((_, wanted), own) in parts.iter().zip(&fits) {
            let mut wanted = *wanted;
            for (units, _) in next.iter_mut().zip(own).filter(|(_, fits)| **fits) {
                let taken = wanted.min(*units);
                *units -= taken;
                wanted -= taken;
            }
            if wanted > 0 {
                break 'sets;
            }
        }
        left = next;
        sets += 1;
    }
    if sets == 0 {
        return Ok(None);
    }
    let mut weights = Vec::with_capacity(left.len());
    for ((_, now, quantity), left) in field.lines.iter().zip(&left) {
        weights.push(div(mul(*now, (quantity - left).into())?, (*quantity).into())?);
    }
    let base = sum(weights.iter().copied())?;
    let digits = field.currency.minor_digits();
    // Never more than what the units cost, also after rounding.
    let most = Rounding::Down.apply(base, digits);
    let off = field.round(sub(base, mul(price, sets.into())?)?).min(most);
    if off <= Decimal::ZERO {
        return Ok(None);
    }
    let shares = allocate(off, &weights, digits)?;
    let changes = field.lines.iter().zip(shares).map(|((line, ..), share)| (*line, -share)).collect();
    let arithmetic =
        field.words(|| format!("{sets} for {} each, together {} before", field.money(price), field.money(base)));
    Ok(Some(Effect { changes, arithmetic }))
}

/// Adds changes to prices, in order; no price falls below zero. Returns what was really changed.
pub(super) fn settle(prices: &mut [Decimal], changes: &[(usize, Decimal)]) -> Result<Vec<(usize, Decimal)>> {
    let mut settled = Vec::with_capacity(changes.len());
    for (line, change) in changes {
        let Some(price) = prices.get_mut(*line) else { continue };
        let change = (*change).max(-*price);
        *price = add(*price, change)?;
        if !change.is_zero() {
            settled.push((*line, change));
        }
    }
    Ok(settled)
}
