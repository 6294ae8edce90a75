//! From facts and a basket to a price.

use std::collections::HashSet;

use rust_decimal::Decimal;

use super::action::{Effect, Field};
use super::group::Candidate;
use super::trace::{Detail, PassedOver, Priced, PricedLine, Step, TableRows, Trace};
use super::{Basket, Line, Phase, RuleSet, Stacking};
use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expression, same_schema};
use crate::facts::Facts;
use crate::money::{Money, Rounding, allocate};
use crate::number::{add, mul, sub, sum};
use crate::table::Found;
use crate::value::Val;

/// An evaluation on its way.
struct Run<'a> {
    set: &'a RuleSet,
    detail: Detail,
    /// For the inner schema.
    facts: Vec<Val>,
    /// For the line schema without the inner one, line by line.
    lines: Vec<Vec<Val>>,
    quantities: Vec<u32>,
    list: Vec<Decimal>,
    prices: Vec<Decimal>,
    trace: Trace,
}

impl RuleSet {
    /// Prices `basket`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadFact`] for facts of another schema, and lines without units, with the name of another or with a
    /// price that nobody can pay; [`ErrorKind::Currency`]; [`ErrorKind::BadAmount`] for a percentage or an amount out of
    /// range; [`ErrorKind::HitPolicy`]; those of expressions and of the budget.
    pub fn price(&self, facts: &Facts, basket: &Basket, meter: &mut Meter, detail: Detail) -> Result<Priced> {
        let (mut run, subtotal) = self.run(facts, basket, meter, detail)?;
        run.bounds(subtotal, meter)?;
        run.priced(basket, subtotal)
    }

    /// What the rules make of a purchase if nothing holds them back, and the floor or the cap that would, not yet rounded.
    pub(super) fn unbounded(
        &self,
        facts: &Facts,
        basket: &Basket,
        floor: bool,
        meter: &mut Meter,
    ) -> Result<(Priced, Decimal)> {
        let (run, subtotal) = self.run(facts, basket, meter, Detail::Fired)?;
        let missing = || Error::new(ErrorKind::NotFound, "the set has no such bound");
        let bound = if floor { &self.floor } else { &self.cap };
        let bound = bound.as_ref().ok_or_else(missing)?.run(&run.facts, None, meter)?.num()?;
        Ok((run.priced(basket, subtotal)?, bound))
    }

    fn run(&self, facts: &Facts, basket: &Basket, meter: &mut Meter, detail: Detail) -> Result<(Run<'_>, Decimal)> {
        same_schema(&self.schema, facts)?;
        meter.list(basket.lines().len())?;
        let mut run = Run::new(self, facts, basket, meter, detail)?;
        let subtotal = run.total()?;
        for (number, phase) in self.phases.iter().enumerate() {
            run.phase(phase, number == 0, meter)?;
        }
        Ok((run, subtotal))
    }

    /// The price before any rule, for callers who go on without rules when a budget is used up.
    pub(crate) fn list_price(&self, basket: &Basket, reason: &str) -> Result<Priced> {
        let mut lines = Vec::with_capacity(basket.lines().len());
        let mut total = Decimal::ZERO;
        for line in basket.lines() {
            let amount = self.line_total(line)?;
            total = add(total, amount)?;
            let amount = Money::new(amount, self.currency());
            lines.push(PricedLine { id: line.id.clone(), list: amount, price: amount });
        }
        let total = Money::new(total, self.currency());
        let skipped = PassedOver { rule: "*".to_owned(), reason: reason.to_owned() };
        let trace = Trace { passed_over: vec![skipped], ..Trace::default() };
        Ok(Priced { version: self.version.clone(), subtotal: total, total, lines, trace })
    }

    fn line_total(&self, line: &Line) -> Result<Decimal> {
        let bad = |what: &str| Err(Error::new(ErrorKind::BadFact, format!("line `{}`: {what}", line.id)));
        if line.price.currency() != self.currency() {
            let context = format!("line `{}`: {} where {} is wanted", line.id, line.price.currency(), self.currency());
            return Err(Error::new(ErrorKind::Currency, context));
        }
        if line.price.amount() < Decimal::ZERO || !line.price.is_rounded() {
            return bad("the price is negative or has a fraction of the smallest unit");
        }
        if line.quantity == 0 {
            return bad("no units");
        }
        mul(line.price.amount(), line.quantity.into())
    }
}

impl<'a> Run<'a> {
    fn new(set: &'a RuleSet, facts: &Facts, basket: &Basket, meter: &mut Meter, detail: Detail) -> Result<Self> {
        let mut ids = HashSet::new();
        let (mut lines, mut list, mut quantities) = (Vec::new(), Vec::new(), Vec::new());
        let mut units = 0_u64;
        for line in basket.lines() {
            meter.spend(1)?;
            if !ids.insert(line.id.as_str()) {
                return Err(Error::new(ErrorKind::BadFact, format!("line `{}` stands twice", line.id)));
            }
            let total = set.line_total(line)?;
            let own = line.checked(&set.line_facts)?;
            let mut values =
                vec![Val::Text(line.id.as_str().into()), Val::Num(line.price.amount()), Val::Num(line.quantity.into())];
            values.push(Val::Num(total));
            values.extend(own.values().iter().cloned());
            lines.push(values);
            list.push(total);
            quantities.push(line.quantity);
            units += u64::from(line.quantity);
        }
        let subtotal = Val::Num(sum(list.iter().copied())?);
        let mut values = Vec::with_capacity(set.inner.fields().len());
        values.extend(facts.values().iter().cloned());
        values.extend([subtotal.clone(), subtotal, Val::Num(units.into())]);
        // Outputs of tables are filled in before anything reads them.
        values.resize(set.inner.fields().len(), Val::Bool(false));
        Ok(Self { set, detail, facts: values, lines, quantities, prices: list.clone(), list, trace: Trace::default() })
    }

    fn total(&self) -> Result<Decimal> {
        sum(self.prices.iter().copied())
    }

    fn priced(self, basket: &Basket, subtotal: Decimal) -> Result<Priced> {
        let money = |amount| Money::new(amount, self.set.currency());
        let total = self.total()?;
        let lines = basket.lines().iter().zip(self.list.iter().zip(&self.prices));
        let lines = lines.map(|(line, (list, price))| PricedLine {
            id: line.id.clone(),
            list: money(*list),
            price: money(*price),
        });
        Ok(Priced {
            version: self.set.version.clone(),
            subtotal: money(subtotal),
            total: money(total),
            lines: lines.collect(),
            trace: self.trace,
        })
    }

    fn phase(&mut self, phase: &Phase, first: bool, meter: &mut Meter) -> Result<()> {
        let set = self.set;
        let total = Val::Num(self.total()?);
        if let Some(place) = self.facts.get_mut(set.total_place()) {
            *place = total;
        }
        self.tables(phase, first, meter)?;
        let applying = self.applying(phase, meter)?;
        let before = self.prices.clone();
        let mut ended: Option<&str> = None;
        for group in &phase.groups {
            let mut candidates: Vec<Candidate> = Vec::new();
            for number in applying.iter().copied().filter(|number| group.rules.contains(number)) {
                let rule = &set.rules[number];
                let over = |reason: String| PassedOver { rule: rule.id.to_string(), reason };
                if let Some(winner) = ended {
                    self.pass_over(over(format!("the exclusive group `{winner}` ended the phase")));
                    continue;
                }
                if group.stacking == Stacking::Exclusive && self.prices != before {
                    self.pass_over(over("the group is exclusive, and another has changed prices".to_owned()));
                    continue;
                }
                match self.effect(number, meter).map_err(|error| error.at(format_args!("rule `{}`", rule.id)))? {
                    Some(effect) => candidates.push((number, effect)),
                    None => self.pass_over(over("it concerns no line, or too few units".to_owned())),
                }
            }
            let mut passed_over = Vec::new();
            let mut total = self.total()?;
            let done = set
                .stack(group, candidates, &mut self.prices, &self.facts, meter, &mut passed_over)
                .map_err(|error| error.at(format_args!("group `{}`", group.id)))?;
            passed_over.into_iter().for_each(|it| self.pass_over(it));
            if group.stacking == Stacking::Exclusive && !done.is_empty() {
                ended = Some(&group.id);
            }
            for done in done {
                let after = add(total, sum(done.changes.iter().map(|(_, change)| *change))?)?;
                let names = (phase.id.as_ref(), group.id.as_ref(), set.rules[done.rule].id.as_ref());
                self.step(names, (total, after), done.arithmetic, &done.changes)?;
                total = after;
            }
        }
        Ok(())
    }

    fn tables(&mut self, phase: &Phase, first: bool, meter: &mut Meter) -> Result<()> {
        for derived in self.set.tables.iter().filter(|derived| first || derived.every_phase) {
            let (rows, found) = derived.table.run(&self.facts, meter)?;
            let table = &derived.table.definition().id;
            let values = match found {
                Found::One(values) => values,
                Found::Aggregate(value, _) => vec![value],
                Found::Many(rows) => (0..derived.places.len())
                    .map(|column| Val::List(rows.iter().filter_map(|row| row.get(column)).cloned().collect()))
                    .collect(),
                Found::Nothing if derived.table.policy().is_single() || derived.table.policy().is_aggregate() => {
                    let context = format!("table `{table}`: no row applies, and there is no default");
                    return Err(Error::new(ErrorKind::HitPolicy, context));
                }
                Found::Nothing => vec![Val::List(Vec::new().into()); derived.places.len()],
            };
            for (place, value) in derived.places.iter().zip(values) {
                self.facts[*place] = value;
            }
            if self.detail != Detail::Off {
                let (phase, table) = (phase.id.to_string(), table.clone());
                self.trace.tables.push(TableRows { phase, table, rows });
            }
        }
        Ok(())
    }

    /// The rules of the phase whose conditions hold, in order.
    fn applying(&mut self, phase: &Phase, meter: &mut Meter) -> Result<Vec<usize>> {
        let set = self.set;
        let mut applying = Vec::new();
        let unknown = || Error::new(ErrorKind::Invalid, "a rule reads what it was not compiled for");
        meter.spend(u32::try_from(phase.index.columns().len()).unwrap_or(u32::MAX))?;
        let facts = &self.facts;
        let selected = phase.index.select(|fact| facts.get(fact).ok_or_else(unknown))?;
        let mut near = Vec::new();
        phase.index.each(&selected, |row| {
            let number = phase.rules.start + row;
            let rule = &set.rules[number];
            let mut failed = Vec::new();
            for (fact, domain) in &rule.scan {
                meter.spend(1)?;
                if !domain.contains(facts.get(*fact).ok_or_else(unknown)?) {
                    return Ok(true);
                }
            }
            for condition in &rule.rest {
                let holds = condition.run(facts, None, meter).and_then(|it| it.bool());
                if !holds.map_err(|error| error.at(format_args!("rule `{}`", rule.id)))? {
                    failed.push(condition);
                    break;
                }
            }
            match failed.first() {
                None => applying.push(number),
                Some(condition) if self.detail == Detail::Full => near.push((number, RuleSet::not_held(condition))),
                Some(_) => {}
            }
            Ok(true)
        })?;
        if self.detail == Detail::Full {
            phase.index.each_near_miss(&selected, |row, fact| {
                let number = phase.rules.start + row;
                near.push((number, set.wanted(number, fact, &facts[fact])));
            });
            near.sort();
            for (number, reason) in near {
                self.trace.near_misses.push(PassedOver { rule: set.rules[number].id.to_string(), reason });
            }
        }
        Ok(applying)
    }

    fn pass_over(&mut self, it: PassedOver) {
        if self.detail == Detail::Full {
            self.trace.passed_over.push(it);
        }
    }

    fn effect(&self, number: usize, meter: &mut Meter) -> Result<Option<Effect>> {
        let set = self.set;
        let rule = &set.rules[number];
        // Facts of the purchase first, those of a line behind them, as in the schema.
        let mut scratch = Vec::new();
        let mut belongs = |condition: &Expression, line: usize, meter: &mut Meter| {
            if scratch.is_empty() {
                scratch.extend_from_slice(&self.facts);
            }
            scratch.truncate(self.facts.len());
            scratch.extend_from_slice(&self.lines[line]);
            condition.run(&scratch, None, meter)?.bool()
        };
        let mut lines = Vec::with_capacity(self.prices.len());
        for (line, (price, quantity)) in self.prices.iter().zip(&self.quantities).enumerate() {
            let concerned = match &rule.lines {
                None => true,
                Some(condition) => belongs(condition, line, meter)?,
            };
            if concerned {
                lines.push((line, *price, *quantity));
            }
        }
        let field = Field {
            facts: &self.facts,
            lines,
            currency: set.currency(),
            rounding: rule.rounding,
            words: self.detail != Detail::Off,
        };
        rule.act.apply(&field, meter, &mut belongs)
    }

    fn step(
        &mut self,
        (phase, group, rule): (&str, &str, &str),
        (before, after): (Decimal, Decimal),
        arithmetic: String,
        changes: &[(usize, Decimal)],
    ) -> Result<()> {
        if self.detail == Detail::Off {
            return Ok(());
        }
        let money = |amount| Money::new(amount, self.set.currency());
        let step = Step {
            phase: phase.to_owned(),
            group: group.to_owned(),
            rule: rule.to_owned(),
            before: money(before),
            change: money(sub(after, before)?),
            after: money(after),
            arithmetic,
            lines: changes.iter().map(|(line, change)| (*line, money(*change))).collect(),
        };
        self.trace.steps.push(step);
        Ok(())
    }

    /// Floor and cap.
    fn bounds(&mut self, subtotal: Decimal, meter: &mut Meter) -> Result<()> {
        let digits = self.set.currency().minor_digits();
        let set = self.set;
        let total = self.total()?;
        if let Some(floor) = &set.floor {
            let floor = Rounding::Up.apply(floor.run(&self.facts, None, meter)?.num()?, digits);
            if total < floor.min(subtotal) {
                return self.bound("floor", total, floor.min(subtotal), floor);
            }
        }
        if let Some(cap) = &set.cap {
            let cap = Rounding::Down.apply(cap.run(&self.facts, None, meter)?.num()?, digits);
            if total > cap.max(subtotal) {
                return self.bound("cap", total, cap.max(subtotal), cap);
            }
        }
        Ok(())
    }

    /// Takes back as much as is too much, each line in proportion to what it was changed.
    fn bound(&mut self, name: &str, total: Decimal, wanted: Decimal, bound: Decimal) -> Result<()> {
        let change = sub(wanted, total)?;
        let sign = if change.is_sign_negative() { -Decimal::ONE } else { Decimal::ONE };
        let mut weights = Vec::with_capacity(self.list.len());
        for (list, price) in self.list.iter().zip(&self.prices) {
            weights.push((sub(*list, *price)? * sign).max(Decimal::ZERO));
        }
        let parts = allocate(change, &weights, self.set.currency().minor_digits())?;
        let mut changes = Vec::new();
        for (line, (price, part)) in self.prices.iter_mut().zip(parts).enumerate() {
            *price = add(*price, part)?;
            if !part.is_zero() {
                changes.push((line, part));
            }
        }
        let arithmetic = format!("the {name} is {}", Money::new(bound, self.set.currency()));
        self.step(("", "", name), (total, wanted), arithmetic, &changes)
    }
}
