//! The functions that expressions may call. All are pure.

use jiff::civil::Weekday;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use zen_expression::functions::{ClosureFunction, DateMethod, InternalFunction};

use crate::budget::Meter;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::eval::{order, same};
use crate::expr::ir::{Each, Function};
use crate::value::Val;

pub(crate) fn overflow(what: &str) -> Error {
    Error::new(ErrorKind::Overflow, format!("{what} leaves the range of numbers"))
}

/// The allow-list. What is absent here cannot be called.
pub(crate) const fn allowed(function: InternalFunction) -> Option<Function> {
    Some(match function {
        InternalFunction::Abs => Function::Abs,
        InternalFunction::Floor => Function::Floor,
        InternalFunction::Ceil => Function::Ceil,
        InternalFunction::Trunc => Function::Trunc,
        InternalFunction::Round => Function::Round,
        InternalFunction::Sum => Function::Sum,
        InternalFunction::Avg => Function::Avg,
        InternalFunction::Min => Function::Min,
        InternalFunction::Max => Function::Max,
        InternalFunction::Len => Function::Len,
        InternalFunction::Contains => Function::Contains,
        InternalFunction::StartsWith => Function::StartsWith,
        InternalFunction::EndsWith => Function::EndsWith,
        InternalFunction::Upper => Function::Upper,
        InternalFunction::Lower => Function::Lower,
        InternalFunction::Trim => Function::Trim,
        _ => return None,
    })
}

pub(crate) const fn allowed_method(method: DateMethod) -> Option<Function> {
    Some(match method {
        DateMethod::Year => Function::Year,
        DateMethod::Month => Function::Month,
        DateMethod::Day => Function::Day,
        DateMethod::Hour => Function::Hour,
        DateMethod::Minute => Function::Minute,
        DateMethod::Second => Function::Second,
        DateMethod::Weekday => Function::Weekday,
        DateMethod::DayOfYear => Function::DayOfYear,
        DateMethod::Quarter => Function::Quarter,
        _ => return None,
    })
}

pub(crate) const fn allowed_closure(closure: ClosureFunction) -> Option<Each> {
    Some(match closure {
        ClosureFunction::All => Each::All,
        ClosureFunction::Some => Each::Some,
        ClosureFunction::None => Each::None,
        ClosureFunction::One => Each::One,
        ClosureFunction::Count => Each::Count,
        ClosureFunction::Filter => Each::Filter,
        ClosureFunction::Map => Each::Map,
        ClosureFunction::FlatMap => return None,
    })
}

pub(crate) fn call(function: Function, arguments: &[Val], meter: &mut Meter) -> Result<Val> {
    let missing = || Error::new(ErrorKind::Invalid, "a function lacks an argument");
    let first = arguments.first().ok_or_else(missing)?;
    Ok(match function {
        Function::Abs => Val::Num(first.num()?.abs()),
        Function::Floor => Val::Num(first.num()?.floor()),
        Function::Ceil => Val::Num(first.num()?.ceil()),
        Function::Trunc => Val::Num(first.num()?.trunc()),
        Function::Round => {
            let digits = match arguments.get(1) {
                Some(digits) => digits.num()?.to_u32().filter(|digits| *digits <= Decimal::MAX_SCALE),
                None => Some(0),
            };
            let digits = digits.ok_or_else(|| overflow("the number of decimal places"))?;
            Val::Num(first.num()?.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero))
        }
        Function::Sum | Function::Avg => {
            let list = walk(first, meter)?;
            let mut sum = Decimal::ZERO;
            for item in list {
                sum = sum.checked_add(item.num()?).ok_or_else(|| overflow("a sum"))?;
            }
            if function == Function::Avg {
                let count = Decimal::from(list.len());
                sum =
                    sum.checked_div(count).ok_or_else(|| Error::new(ErrorKind::EmptyList, "the average of nothing"))?;
            }
            Val::Num(sum)
        }
        Function::Min | Function::Max => {
            let list = walk(first, meter)?;
            let empty = || Error::new(ErrorKind::EmptyList, "the least or greatest of nothing");
            let (mut best, rest) = list.split_first().ok_or_else(empty)?;
            for item in rest {
                let order = order(item, best)?;
                if (function == Function::Min && order.is_lt()) || (function == Function::Max && order.is_gt()) {
                    best = item;
                }
            }
            best.clone()
        }
        Function::Len => match first {
            Val::List(list) => Val::Num(list.len().into()),
            text => Val::Num(read(text, meter)?.chars().count().into()),
        },
        Function::Contains => {
            let wanted = arguments.get(1).ok_or_else(missing)?;
            match first {
                Val::List(_) => Val::Bool(walk(first, meter)?.iter().any(|item| same(item, wanted))),
                text => Val::Bool(read(text, meter)?.contains(wanted.text()?.as_ref())),
            }
        }
        Function::StartsWith => {
            Val::Bool(first.text()?.starts_with(arguments.get(1).ok_or_else(missing)?.text()?.as_ref()))
        }
        Function::EndsWith => {
            Val::Bool(first.text()?.ends_with(arguments.get(1).ok_or_else(missing)?.text()?.as_ref()))
        }
        Function::Upper => Val::Text(read(first, meter)?.to_uppercase().into()),
        Function::Lower => Val::Text(read(first, meter)?.to_lowercase().into()),
        Function::Trim => Val::Text(read(first, meter)?.trim().into()),
        part => {
            let civil = first.time()?.civil();
            Val::Num(match part {
                Function::Year => civil.year().into(),
                Function::Month => civil.month().into(),
                Function::Day => civil.day().into(),
                Function::Hour => civil.hour().into(),
                Function::Minute => civil.minute().into(),
                Function::Second => civil.second().into(),
                Function::Weekday => i32::from(weekday(civil.weekday())).into(),
                Function::DayOfYear => civil.day_of_year().into(),
                _ => ((civil.month() - 1) / 3 + 1).into(),
            })
        }
    })
}

/// Monday is 1 and Sunday is 7, as in ISO 8601.
pub(crate) fn weekday(day: Weekday) -> i8 {
    day.to_monday_one_offset()
}

/// So many letters cost as much as one cell.
const LETTERS: usize = 64;

/// A text that is read to its end.
fn read<'a>(text: &'a Val, meter: &mut Meter) -> Result<&'a str> {
    let text = text.text()?;
    meter.spend(u32::try_from(text.len() / LETTERS).unwrap_or(u32::MAX))?;
    Ok(text)
}

fn walk<'a>(list: &'a Val, meter: &mut Meter) -> Result<&'a [Val]> {
    let list = list.list()?;
    meter.list(list.len())?;
    meter.spend(u32::try_from(list.len()).unwrap_or(u32::MAX))?;
    Ok(list)
}
