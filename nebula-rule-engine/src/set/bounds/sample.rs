//! From suspects to purchases.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::CounterExample;
use super::side::Side;
use super::walk::Suspect;
use crate::budget::Budget;
use crate::error::Result;
use crate::expr::{Expression, Ir};
use crate::facts::Facts;
use crate::money::{Currency, Money, Rounding};
use crate::schema::{Field, Schema};
use crate::set::action::Act;
use crate::set::{Basket, Line, ProofLine, RuleSet};
use crate::types::Type;
use crate::value::Val;

/// How many purchases are tried for one suspect.
const MAX_TRIES: usize = 2_000;
/// How many values of one fact.
const MAX_VALUES: usize = 8;

/// Values worth trying, by the place of the fact.
type Pools = BTreeMap<usize, Vec<Val>>;
/// The facts of a line, in the order of their schema.
type Kind<'a> = Vec<(&'a Field, Val)>;

/// A purchase that passes the bound, if one is found.
pub(super) fn example(set: &RuleSet, side: Side, suspect: &Suspect, dust: Decimal) -> Option<CounterExample> {
    let pools = pools(set);
    let read = &set.reads.facts;
    let facts: Vec<(&Field, Vec<Val>)> = set
        .schema
        .fields()
        .iter()
        .enumerate()
        .map(|(place, field)| {
            let mut values = suspect.facts.get(&place).cloned().unwrap_or_else(|| values(field, pools.get(&place)));
            if !read.contains(&place) {
                values.truncate(1);
            }
            (field, values)
        })
        .collect();
    let baskets = baskets(set, suspect, &pools);
    let mut tries = 0;
    let ways: usize = facts.iter().map(|(_, values)| values.len()).fold(1, usize::saturating_mul);
    for way in 0..ways.min(MAX_TRIES) {
        // Not in order where there are too many: a stride that is prime to most numbers of ways reaches all facts.
        let way = if ways > MAX_TRIES { way.wrapping_mul(7919) % ways } else { way };
        let Some(facts) = pick(&set.schema, &facts, way) else { continue };
        for basket in &baskets {
            tries += 1;
            if tries > MAX_TRIES {
                return None;
            }
            if let Ok(Some(example)) = passes(set, side, &facts, basket, dust) {
                return Some(example);
            }
        }
    }
    None
}

fn pick(schema: &std::sync::Arc<Schema>, facts: &[(&Field, Vec<Val>)], mut way: usize) -> Option<Facts> {
    let mut builder = schema.facts();
    for (field, values) in facts {
        let value = values.get(way % values.len().max(1))?;
        way /= values.len().max(1);
        builder = builder.set(field.name(), value.to_value(field.ty()));
    }
    builder.build().ok()
}

/// Whether the purchase passes the bound by more than rounding does.
fn passes(set: &RuleSet, side: Side, facts: &Facts, basket: &Basket, dust: Decimal) -> Result<Option<CounterExample>> {
    let mut meter = Budget::default().with_deadline(None).start();
    let (priced, bound) = set.unbounded(facts, basket, side == Side::Floor, &mut meter)?;
    let digits = set.currency().minor_digits();
    let (subtotal, total) = (priced.subtotal.amount(), priced.total.amount());
    let (bound, beyond) = match side {
        Side::Floor => (Rounding::Up.apply(bound, digits), bound.min(subtotal) - total),
        Side::Cap => (Rounding::Down.apply(bound, digits), total - bound.max(subtotal)),
    };
    if beyond <= dust {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for line in basket.lines() {
        let facts = line.checked(&set.line_facts)?.to_json();
        lines.push(ProofLine { id: line.id.clone(), price: line.price, quantity: line.quantity, facts });
    }
    Ok(Some(CounterExample {
        facts: facts.to_json(),
        lines,
        rules: priced.fired().into_iter().map(str::to_owned).collect(),
        subtotal: priced.subtotal,
        total: priced.total,
        bound: Money::new(bound, set.currency()),
    }))
}

/// The constants that conditions compare facts with, and their neighbours.
fn pools(set: &RuleSet) -> Pools {
    let mut pools = Pools::new();
    for rule in &set.rules {
        rule.rest.iter().chain(&rule.lines).for_each(|condition| mentioned(condition.ir(), &mut pools));
        if let Act::Bundle { parts, .. } = &rule.act {
            parts.iter().for_each(|(lines, _)| mentioned(lines.ir(), &mut pools));
        }
    }
    for derived in &set.tables {
        for (place, values) in derived.table.samples() {
            pools.entry(place).or_default().extend(values);
        }
    }
    for values in pools.values_mut() {
        let mut known = Vec::new();
        for value in values.drain(..) {
            if known.len() < MAX_VALUES && !known.contains(&value) {
                known.push(value);
            }
        }
        *values = known;
    }
    pools
}

fn mentioned(ir: &Ir, pools: &mut Pools) {
    ir.visit(&mut |ir| {
        let (fact, constants): (&Ir, Vec<&Val>) = match ir {
            Ir::Compare(_, one, other) => match (one.as_ref(), other.as_ref()) {
                (fact, Ir::Const(value)) | (Ir::Const(value), fact) => (fact, vec![value]),
                _ => return,
            },
            Ir::Between(fact, low, high, _) => {
                let ends = [low, high].into_iter().filter_map(|end| match end.as_ref() {
                    Ir::Const(value) => Some(value),
                    _ => None,
                });
                (fact, ends.collect())
            }
            Ir::OneOf(fact, constants) => (fact, constants.iter().collect()),
            _ => return,
        };
        // `tags` in `contains(tags, 'x')` and the like are not guessed.
        if let Ir::Fact(place) = fact {
            let pool = pools.entry(*place).or_default();
            for value in constants {
                pool.push(value.clone());
                if let Val::Num(number) = value {
                    let near = [number.checked_add(Decimal::ONE), number.checked_sub(Decimal::ONE)];
                    pool.extend(near.into_iter().flatten().map(Val::Num));
                }
            }
        }
    });
}

/// Values of a fact that no condition of the suspects pins down.
fn values(field: &Field, pool: Option<&Vec<Val>>) -> Vec<Val> {
    let mut values: Vec<Val> = pool.cloned().unwrap_or_default();
    values.extend(field.default().cloned());
    let number = |it: i64| Val::Num(it.into());
    match field.ty() {
        Type::Bool => values.extend([Val::Bool(false), Val::Bool(true)]),
        Type::Int | Type::Decimal | Type::Money(_) => values.extend([number(1), number(0), number(30), number(100)]),
        Type::Text if values.is_empty() => values.push(Val::Text("x".into())),
        Type::Text => {}
        Type::Enum(names) => values.extend(names.iter().take(MAX_VALUES).cloned().map(Val::Text)),
        // All months, and hours and weekdays of all kinds.
        Type::DateTime => values.extend((1..=12_i8).filter_map(|month| {
            let at = jiff::civil::DateTime::new(2026, month, 2 * month - 1, 2 * month - 2, 30, 0, 0).ok()?;
            let offset = jiff::tz::Offset::UTC;
            Some(Val::Time(crate::value::Moment::new(offset.to_timestamp(at).ok()?, offset)))
        })),
        Type::Duration => values.push(Val::Span(jiff::SignedDuration::from_hours(1))),
        Type::List(_) => values.push(Val::List(Vec::new().into())),
    }
    values
}

/// Baskets that cost what the suspect says, with lines that the suspect's rules concern.
fn baskets(set: &RuleSet, suspect: &Suspect, pools: &Pools) -> Vec<Basket> {
    let conditions: Vec<&Expression> = suspect
        .rules
        .iter()
        .flat_map(|rule| {
            let rule = &set.rules[*rule];
            let parts = match &rule.act {
                Act::Bundle { parts, .. } => parts.as_slice(),
                _ => &[],
            };
            rule.lines.iter().chain(parts.iter().map(|(lines, _)| lines))
        })
        .collect();
    let mut units: Vec<u32> = vec![1, 2, 10, 100];
    let wanted = suspect.facts.get(&(set.total_place() + 1)).and_then(|values| values.first());
    if let Some(Val::Num(wanted)) = wanted {
        units.insert(0, u32::try_from(*wanted).unwrap_or(1).max(1));
    }
    for rule in &suspect.rules {
        match &set.rules[*rule].act {
            Act::BuyGet { buy, get, .. } => units.push(buy.saturating_add(*get)),
            Act::Tiers { steps, .. } => units.extend(steps.iter().filter_map(|(from, _)| u32::try_from(*from).ok())),
            Act::Bundle { parts, .. } => units.extend(parts.iter().map(|(_, quantity)| *quantity)),
            _ => {}
        }
    }
    units.retain(|units| *units > 0);
    units.truncate(8);
    let line_facts = line_facts(set, pools);
    let mut baskets = Vec::new();
    for units in units {
        // One line that as many conditions as possible take, or one line for each.
        let together = |facts: &&Kind<'_>| fits(set, facts, units, suspect.subtotal, &conditions);
        let one = line_facts.iter().max_by_key(together);
        baskets.extend(one.and_then(|facts| basket(set.currency(), suspect.subtotal, units, &[facts])));
        let each: Vec<&Kind<'_>> = conditions
            .iter()
            .filter_map(|condition| {
                let alone = |facts: &&Kind<'_>| fits(set, facts, units, suspect.subtotal, &[condition]);
                line_facts.iter().max_by_key(alone)
            })
            .collect();
        if each.len() > 1 {
            baskets.extend(basket(set.currency(), suspect.subtotal, units, &each));
        }
    }
    baskets
}

/// How many of the conditions such a line meets.
fn fits(set: &RuleSet, facts: &Kind<'_>, units: u32, subtotal: Decimal, conditions: &[&Expression]) -> usize {
    let mut values = vec![Val::Bool(false); set.inner.fields().len()];
    let price = subtotal / Decimal::from(units.max(1));
    values.extend([Val::Text("line 1".into()), Val::Num(price), Val::Num(units.into()), Val::Num(subtotal)]);
    values.extend(facts.iter().map(|(_, value)| value.clone()));
    let holds = |condition: &&&Expression| {
        let mut meter = Budget::default().with_deadline(None).start();
        condition.run(&values, None, &mut meter).and_then(|it| it.bool()).unwrap_or(false)
    };
    conditions.iter().filter(holds).count()
}

/// Facts of lines, in the order of their schema.
fn line_facts<'a>(set: &'a RuleSet, pools: &Pools) -> Vec<Kind<'a>> {
    let first = set.inner.fields().len() + 4;
    let mut all = vec![Vec::new()];
    for (place, field) in set.line_facts.fields().iter().enumerate() {
        let values = values(field, pools.get(&(first + place)));
        let mut next = Vec::new();
        for known in &all {
            for value in &values {
                let mut facts: Kind<'_> = known.clone();
                facts.push((field, value.clone()));
                next.push(facts);
            }
        }
        next.truncate(64);
        all = next;
    }
    all
}

/// `units` units of each kind of line, which together cost about `subtotal`.
fn basket(currency: Currency, subtotal: Decimal, units: u32, kinds: &[&Kind<'_>]) -> Option<Basket> {
    let count = Decimal::from(units).checked_mul(kinds.len().into())?;
    let each = subtotal.checked_div(count)?.round_dp(currency.minor_digits());
    let lines = kinds.iter().enumerate().map(|(place, facts)| {
        let line = Line::new(format!("line {}", place + 1), Money::new(each, currency), units);
        facts.iter().fold(line, |line, (field, value)| line.with(field.name(), value.to_value(field.ty())))
    });
    Some(Basket::new(lines))
}
