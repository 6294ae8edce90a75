//! Arithmetic that says when it leaves the range of numbers; the operators of `Decimal` panic.

use rust_decimal::Decimal;

use crate::error::Result;
use crate::expr::overflow;

pub(crate) fn add(one: Decimal, other: Decimal) -> Result<Decimal> {
    one.checked_add(other).ok_or_else(|| overflow("a sum"))
}

pub(crate) fn sub(one: Decimal, other: Decimal) -> Result<Decimal> {
    one.checked_sub(other).ok_or_else(|| overflow("a difference"))
}

pub(crate) fn mul(one: Decimal, other: Decimal) -> Result<Decimal> {
    one.checked_mul(other).ok_or_else(|| overflow("a product"))
}

pub(crate) fn div(one: Decimal, other: Decimal) -> Result<Decimal> {
    one.checked_div(other).ok_or_else(|| overflow("a quotient"))
}

pub(crate) fn sum(numbers: impl IntoIterator<Item = Decimal>) -> Result<Decimal> {
    numbers.into_iter().try_fold(Decimal::ZERO, add)
}
