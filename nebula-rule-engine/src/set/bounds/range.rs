//! What an amount can be at most and at least, as straight lines over the price before any rule.

use rust_decimal::Decimal;

use crate::expr::{Arith, Function, Ir};
use crate::value::Val;

/// `slope * subtotal + constant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Linear {
    pub(super) slope: Decimal,
    pub(super) constant: Decimal,
}

impl Linear {
    pub(super) const ZERO: Self = Self::constant(Decimal::ZERO);
    pub(super) const SUBTOTAL: Self = Self { slope: Decimal::ONE, constant: Decimal::ZERO };

    pub(super) const fn constant(constant: Decimal) -> Self {
        Self { slope: Decimal::ZERO, constant }
    }

    pub(super) fn at(self, subtotal: Decimal) -> Option<Decimal> {
        self.slope.checked_mul(subtotal)?.checked_add(self.constant)
    }

    pub(super) fn scaled(self, factor: Decimal) -> Option<Self> {
        Some(Self { slope: self.slope.checked_mul(factor)?, constant: self.constant.checked_mul(factor)? })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { slope: self.slope.checked_add(other.slope)?, constant: self.constant.checked_add(other.constant)? })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.scaled(-Decimal::ONE)?)
    }

    /// Where it meets another line.
    pub(super) fn meets(self, other: Self) -> Option<Decimal> {
        let slope = self.slope.checked_sub(other.slope).filter(|slope| !slope.is_zero())?;
        other.constant.checked_sub(self.constant)?.checked_div(slope)
    }
}

/// From the least to the greatest; `None` for what has no bound, or none that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: Option<Linear>,
    pub(super) high: Option<Linear>,
}

impl Range {
    pub(super) const ANY: Self = Self { low: None, high: None };

    pub(super) const fn exactly(value: Linear) -> Self {
        Self { low: Some(value), high: Some(value) }
    }

    pub(super) fn numbers(low: Option<Decimal>, high: Option<Decimal>) -> Self {
        Self { low: low.map(Linear::constant), high: high.map(Linear::constant) }
    }

    /// The bounds as numbers, where they are the same for all prices.
    fn flat(self) -> (Option<Decimal>, Option<Decimal>) {
        let flat = |line: Linear| line.slope.is_zero().then_some(line.constant);
        (self.low.and_then(flat), self.high.and_then(flat))
    }

    pub(super) fn at_least(self, least: Decimal) -> Option<Decimal> {
        Some(self.flat().0.map_or(least, |low| low.max(least)))
    }

    /// The greatest number, if it is the same for all prices.
    pub(super) fn greatest(self) -> Option<Decimal> {
        self.flat().1
    }

    fn negated(self) -> Self {
        let turn = |line: Option<Linear>| line.and_then(|line| line.scaled(-Decimal::ONE));
        Self { low: turn(self.high), high: turn(self.low) }
    }

    fn plus(self, other: Self) -> Self {
        let add = |one: Option<Linear>, other: Option<Linear>| one?.plus(other?);
        Self { low: add(self.low, other.low), high: add(self.high, other.high) }
    }

    fn scaled(self, factor: Decimal) -> Self {
        let scale = |line: Option<Linear>| line.and_then(|line| line.scaled(factor));
        let scaled = Self { low: scale(self.low), high: scale(self.high) };
        if factor.is_sign_negative() { Self { low: scaled.high, high: scaled.low } } else { scaled }
    }

    fn times(self, other: Self) -> Self {
        match (self.flat(), other.flat()) {
            ((Some(low), Some(high)), _) if low == high => other.scaled(low),
            (_, (Some(low), Some(high))) if low == high => self.scaled(low),
            ((Some(a), Some(b)), (Some(c), Some(d))) => {
                let corners: Option<Vec<Decimal>> =
                    [(a, c), (a, d), (b, c), (b, d)].into_iter().map(|(one, other)| one.checked_mul(other)).collect();
                let corners = corners.unwrap_or_default();
                Self::numbers(corners.iter().min().copied(), corners.iter().max().copied())
            }
            _ => Self::ANY,
        }
    }

    /// The values of both, where they are numbers.
    pub(super) fn hull(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        let ((a, b), (c, d)) = (self.flat(), other.flat());
        Self::numbers(a.zip(c).map(|(one, other)| one.min(other)), b.zip(d).map(|(one, other)| one.max(other)))
    }

    /// What `ir` can be, if the facts are within `facts`. Sound, and not always tight.
    pub(super) fn of(ir: &Ir, facts: &dyn Fn(usize) -> Self) -> Self {
        match ir {
            Ir::Const(Val::Num(number)) => Self::exactly(Linear::constant(*number)),
            Ir::Fact(place) => facts(*place),
            Ir::Neg(inner) => Self::of(inner, facts).negated(),
            Ir::Arith(op, one, other, _) => {
                let (one, other) = (Self::of(one, facts), Self::of(other, facts));
                match op {
                    Arith::Add => one.plus(other),
                    Arith::Sub => one.plus(other.negated()),
                    Arith::Mul => one.times(other),
                    Arith::Div => match other.flat() {
                        (Some(low), Some(high)) if low == high && !low.is_zero() => {
                            Decimal::ONE.checked_div(low).map_or(Self::ANY, |factor| one.scaled(factor))
                        }
                        _ => Self::ANY,
                    },
                    // The remainder has the sign of what is divided, and is smaller than what it is divided by.
                    Arith::Rem => match (one.flat(), other.flat()) {
                        ((Some(low), _), (Some(a), Some(b))) if !low.is_sign_negative() => {
                            Self::numbers(Some(Decimal::ZERO), Some(a.abs().max(b.abs())))
                        }
                        _ => Self::ANY,
                    },
                }
            }
            Ir::If(_, yes, no) => Self::of(yes, facts).hull(Self::of(no, facts)),
            Ir::Call(function, arguments) => Self::call(*function, arguments, facts),
            _ => Self::ANY,
        }
    }

    fn call(function: Function, arguments: &[Ir], facts: &dyn Fn(usize) -> Self) -> Self {
        let list = |arguments: &[Ir]| match arguments {
            [Ir::List(items)] => Some(items.iter().map(|item| Self::of(item, facts)).collect::<Vec<_>>()),
            _ => None,
        };
        let one = Decimal::ONE;
        match (function, arguments) {
            (Function::Sum, arguments) => list(arguments)
                .map_or(Self::ANY, |items| items.into_iter().fold(Self::exactly(Linear::ZERO), Self::plus)),
            (Function::Min | Function::Max | Function::Avg, arguments) => {
                list(arguments).and_then(|items| items.into_iter().reduce(Self::hull)).unwrap_or(Self::ANY)
            }
            // Rounding moves a number by less than one.
            (Function::Floor | Function::Ceil | Function::Trunc | Function::Round, [number, ..]) => {
                Self::of(number, facts).plus(Self::numbers(Some(-one), Some(one)))
            }
            (Function::Abs, [number]) => {
                let number = Self::of(number, facts);
                match number.flat() {
                    (Some(low), _) if !low.is_sign_negative() => number,
                    (Some(low), Some(high)) => Self::numbers(Some(Decimal::ZERO), Some(low.abs().max(high.abs()))),
                    _ => Self::numbers(Some(Decimal::ZERO), None),
                }
            }
            (Function::Len, _) => Self::numbers(Some(Decimal::ZERO), None),
            (Function::Month, _) => Self::numbers(Some(one), Some(12.into())),
            (Function::Day, _) => Self::numbers(Some(one), Some(31.into())),
            (Function::Hour, _) => Self::numbers(Some(Decimal::ZERO), Some(23.into())),
            (Function::Minute | Function::Second, _) => Self::numbers(Some(Decimal::ZERO), Some(59.into())),
            (Function::Weekday, _) => Self::numbers(Some(one), Some(7.into())),
            (Function::DayOfYear, _) => Self::numbers(Some(one), Some(366.into())),
            (Function::Quarter, _) => Self::numbers(Some(one), Some(4.into())),
            _ => Self::ANY,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::expr::Expression;
    use crate::schema::Schema;
    use crate::types::Type;

    #[test]
    fn expressions_stay_within_their_ranges() {
        let schema: Arc<Schema> = Schema::builder().fact("s", Type::Decimal).fact("n", Type::Int).build().unwrap();
        let facts = |place: usize| match place {
            0 => Range::exactly(Linear::SUBTOTAL),
            _ => Range::numbers(Some(2.into()), Some(5.into())),
        };
        let range = |source: &str| Range::of(Expression::compile(source, &schema).unwrap().ir(), &facts);
        let line =
            |slope: i64, constant: i64| Some(Linear { slope: Decimal::new(slope, 2), constant: constant.into() });
        for (source, low, high) in [
            ("s * 0.6 + 3", line(60, 3), line(60, 3)),
            ("s / 2 - n", line(50, -5), line(50, -2)),
            ("-n * 4", line(0, -20), line(0, -8)),
            ("n * (3 - n)", line(0, -10), line(0, 5)),
            ("n > 3 ? 1 : n", line(0, 1), line(0, 5)),
            ("n * s", None, None),
            ("max([n, 7])", line(0, 2), line(0, 7)),
            ("round(n / 4)", Some(Linear::constant(Decimal::new(-5, 1))), Some(Linear::constant(Decimal::new(225, 2)))),
            ("10 / (n - n)", None, None),
        ] {
            assert_eq!(range(source), Range { low, high }, "{source}");
        }
    }
}
