//! Evaluation within a budget.

use std::cmp::Ordering;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::functions;
use crate::expr::ir::{Arith, Cmp, Each, Ir};
use crate::value::{Moment, Val};

/// What an expression can see.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    facts: &'a [Val],
    input: Option<&'a Val>,
    items: Vec<Val>,
}

impl<'a> Scope<'a> {
    pub(crate) const fn new(facts: &'a [Val], input: Option<&'a Val>) -> Self {
        Self { facts, input, items: Vec::new() }
    }
}

fn missing() -> Error {
    Error::new(ErrorKind::Invalid, "an expression reads what it was not compiled for")
}

pub(crate) fn evaluate(ir: &Ir, scope: &mut Scope<'_>, meter: &mut Meter) -> Result<Val> {
    meter.spend(1)?;
    Ok(match ir {
        Ir::Const(value) => value.clone(),
        Ir::Fact(place) => scope.facts.get(*place).cloned().ok_or_else(missing)?,
        Ir::Input => scope.input.cloned().ok_or_else(missing)?,
        Ir::Item(out) => {
            let place = scope.items.len().checked_sub(out + 1);
            place.and_then(|place| scope.items.get(place)).cloned().ok_or_else(missing)?
        }
        Ir::Not(inner) => Val::Bool(!evaluate(inner, scope, meter)?.bool()?),
        Ir::Neg(inner) => match evaluate(inner, scope, meter)? {
            Val::Span(it) => Val::Span(it.checked_neg().ok_or_else(|| functions::overflow("a duration"))?),
            other => Val::Num(-other.num()?),
        },
        Ir::Arith(op, one, other, whole) => {
            let (one, other) = (evaluate(one, scope, meter)?, evaluate(other, scope, meter)?);
            arith(*op, &one, &other, *whole)?
        }
        Ir::Compare(cmp, one, other) => {
            let (one, other) = (evaluate(one, scope, meter)?, evaluate(other, scope, meter)?);
            Val::Bool(compare(*cmp, &one, &other)?)
        }
        Ir::And(one, other) => {
            Val::Bool(evaluate(one, scope, meter)?.bool()? && evaluate(other, scope, meter)?.bool()?)
        }
        Ir::Or(one, other) => Val::Bool(evaluate(one, scope, meter)?.bool()? || evaluate(other, scope, meter)?.bool()?),
        Ir::Between(value, low, high, (with_low, with_high)) => {
            let value = evaluate(value, scope, meter)?;
            let above = order(&value, &evaluate(low, scope, meter)?)?;
            let below = order(&value, &evaluate(high, scope, meter)?)?;
            Val::Bool(
                (above.is_gt() || (*with_low && above.is_eq())) && (below.is_lt() || (*with_high && below.is_eq())),
            )
        }
        Ir::OneOf(value, constants) => {
            let value = evaluate(value, scope, meter)?;
            Val::Bool(contains(constants, &value, meter)?)
        }
        Ir::In(value, list) => {
            let (value, list) = (evaluate(value, scope, meter)?, evaluate(list, scope, meter)?);
            let list = list.list()?;
            meter.list(list.len())?;
            Val::Bool(contains(list, &value, meter)?)
        }
        Ir::List(items) => {
            meter.list(items.len())?;
            Val::List(items.iter().map(|item| evaluate(item, scope, meter)).collect::<Result<_>>()?)
        }
        Ir::If(condition, yes, no) => {
            let chosen = if evaluate(condition, scope, meter)?.bool()? { yes } else { no };
            evaluate(chosen, scope, meter)?
        }
        Ir::Call(function, arguments) => {
            let arguments = arguments.iter().map(|it| evaluate(it, scope, meter)).collect::<Result<Vec<_>>>()?;
            functions::call(*function, &arguments, meter)?
        }
        Ir::Each(kind, list, body) => {
            let list = evaluate(list, scope, meter)?;
            let list = Arc::clone(list.list()?);
            meter.list(list.len())?;
            meter.deeper(|meter| each(*kind, &list, body, scope, meter))?
        }
    })
}

fn each(kind: Each, list: &[Val], body: &Ir, scope: &mut Scope<'_>, meter: &mut Meter) -> Result<Val> {
    let mut apply = |item: &Val| {
        scope.items.push(item.clone());
        let result = evaluate(body, scope, meter);
        scope.items.pop();
        result
    };
    Ok(match kind {
        Each::Map => Val::List(list.iter().map(apply).collect::<Result<_>>()?),
        Each::Filter => {
            let mut kept = Vec::new();
            for item in list {
                if apply(item)?.bool()? {
                    kept.push(item.clone());
                }
            }
            Val::List(kept.into())
        }
        Each::All | Each::Some | Each::None => {
            let stops_at = kind != Each::All;
            let mut stopped = false;
            for item in list {
                if apply(item)?.bool()? == stops_at {
                    stopped = true;
                    break;
                }
            }
            Val::Bool(stopped == (kind == Each::Some))
        }
        Each::One | Each::Count => {
            let mut count = 0_u32;
            for item in list {
                count += u32::from(apply(item)?.bool()?);
            }
            if kind == Each::One { Val::Bool(count == 1) } else { Val::Num(count.into()) }
        }
    })
}

fn contains(list: &[Val], value: &Val, meter: &mut Meter) -> Result<bool> {
    for item in list {
        meter.spend(1)?;
        if same(item, value) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Points in time are equal wherever they are read.
pub(crate) fn same(one: &Val, other: &Val) -> bool {
    match (one, other) {
        (Val::Time(one), Val::Time(other)) => one.timestamp() == other.timestamp(),
        _ => one == other,
    }
}

pub(crate) fn order(one: &Val, other: &Val) -> Result<Ordering> {
    match (one, other) {
        (Val::Num(one), Val::Num(other)) => Ok(one.cmp(other)),
        (Val::Time(one), Val::Time(other)) => Ok(one.timestamp().cmp(&other.timestamp())),
        (Val::Span(one), Val::Span(other)) => Ok(one.cmp(other)),
        _ => Err(Error::new(ErrorKind::Invalid, "values without an order are compared")),
    }
}

pub(crate) fn compare(cmp: Cmp, one: &Val, other: &Val) -> Result<bool> {
    match cmp {
        Cmp::Eq => Ok(same(one, other)),
        Cmp::Ne => Ok(!same(one, other)),
        _ => order(one, other).map(|order| cmp.holds(order)),
    }
}

fn arith(op: Arith, one: &Val, other: &Val, whole: bool) -> Result<Val> {
    let overflow = || functions::overflow("a calculation");
    match (one, other) {
        (Val::Num(one), Val::Num(other)) => {
            if matches!(op, Arith::Div | Arith::Rem) && other.is_zero() {
                return Err(Error::new(ErrorKind::DivisionByZero, format!("{one} divided by zero")));
            }
            let result = match op {
                Arith::Add => one.checked_add(*other),
                Arith::Sub => one.checked_sub(*other),
                Arith::Mul => one.checked_mul(*other),
                Arith::Div => one.checked_div(*other),
                Arith::Rem => one.checked_rem(*other),
            }
            .ok_or_else(overflow)?;
            if whole && i64::try_from(result).is_err() {
                return Err(overflow());
            }
            Ok(Val::Num(result))
        }
        (Val::Time(one), Val::Time(other)) if op == Arith::Sub => {
            Ok(Val::Span(one.timestamp().duration_since(other.timestamp())))
        }
        (Val::Time(moment), Val::Span(span)) | (Val::Span(span), Val::Time(moment)) => {
            let moved = match op {
                Arith::Sub => moment.timestamp().checked_sub(*span),
                _ => moment.timestamp().checked_add(*span),
            };
            let offset = moment.offset();
            moved.map(|moved| Val::Time(Moment::new(moved, offset))).map_err(|_| overflow())
        }
        (Val::Span(one), Val::Span(other)) => {
            let result = if op == Arith::Sub { one.checked_sub(*other) } else { one.checked_add(*other) };
            result.map(Val::Span).ok_or_else(overflow)
        }
        (one, other) => {
            one.num()?;
            other.num().map(|_: Decimal| one.clone())
        }
    }
}
