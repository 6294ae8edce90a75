//! Sets of values of one type: what a test of one input lets through.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::expr::{Cmp, Ir};
use crate::types::Type;
use crate::value::Val;

/// A place between values of an ordered type: before or after the value `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cut {
    pub(crate) at: Decimal,
    pub(crate) after: bool,
}

/// A set of values of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Membership changes at every cut, in ascending order; `from_start` says whether the least values belong to it.
    Ordered {
        from_start: bool,
        cuts: Vec<Cut>,
    },
    /// These texts, or all but these.
    Names {
        except: bool,
        names: BTreeSet<Arc<str>>,
    },
    Bools {
        no: bool,
        yes: bool,
    },
}

impl Domain {
    /// All values of `ty`; `None` for types that have no index.
    pub(crate) fn all(ty: &Type) -> Option<Self> {
        Some(match ty {
            ty if ty.is_ordered() => Self::Ordered { from_start: true, cuts: Vec::new() },
            ty if ty.is_text() => Self::Names { except: true, names: BTreeSet::new() },
            Type::Bool => Self::Bools { no: true, yes: true },
            _ => return None,
        })
    }

    pub(crate) fn is_all(&self) -> bool {
        match self {
            Self::Ordered { from_start, cuts } => *from_start && cuts.is_empty(),
            Self::Names { except, names } => *except && names.is_empty(),
            Self::Bools { no, yes } => *no && *yes,
        }
    }

    /// Whether no value of `ty` belongs to it.
    pub(crate) fn is_empty(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Self::Ordered { from_start: true, .. }, _) => false,
            (Self::Ordered { cuts, .. }, _) => {
                cuts.chunks(2).all(|ends| between(ends.first().copied(), ends.get(1).copied(), ty).is_none())
            }
            (Self::Names { except: false, names }, Type::Enum(all)) => !all.iter().any(|name| names.contains(name)),
            (Self::Names { except: true, names }, Type::Enum(all)) => all.iter().all(|name| names.contains(name)),
            (Self::Names { except, names }, _) => !except && names.is_empty(),
            (Self::Bools { no, yes }, _) => !no && !yes,
        }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::Ordered { from_start, cuts } => Self::Ordered { from_start: !from_start, cuts },
            Self::Names { except, names } => Self::Names { except: !except, names },
            Self::Bools { no, yes } => Self::Bools { no: !no, yes: !yes },
        }
    }

    /// The values that belong to both; the two are of one type.
    pub(crate) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Ordered { from_start: a, cuts: one }, Self::Ordered { from_start: b, cuts: two }) => {
                let from_start = *a && *b;
                let (mut inside, mut in_one, mut in_two) = (from_start, *a, *b);
                let (mut i, mut j) = (0, 0);
                let mut cuts = Vec::new();
                loop {
                    let cut = match (one.get(i), two.get(j)) {
                        (None, None) => break,
                        (Some(cut), None) | (None, Some(cut)) => *cut,
                        (Some(left), Some(right)) => *left.min(right),
                    };
                    if one.get(i) == Some(&cut) {
                        in_one = !in_one;
                        i += 1;
                    }
                    if two.get(j) == Some(&cut) {
                        in_two = !in_two;
                        j += 1;
                    }
                    if (in_one && in_two) != inside {
                        inside = !inside;
                        cuts.push(cut);
                    }
                }
                Self::Ordered { from_start, cuts }
            }
            (Self::Names { except: a, names: one }, Self::Names { except: b, names: two }) => {
                let names = match (a, b) {
                    (false, false) => one & two,
                    (false, true) => one - two,
                    (true, false) => two - one,
                    (true, true) => one | two,
                };
                Self::Names { except: *a && *b, names }
            }
            (Self::Bools { no: a, yes: b }, Self::Bools { no, yes }) => Self::Bools { no: *a && *no, yes: *b && *yes },
            // Types are checked before; two kinds have nothing in common.
            _ => self.clone().not().and(self),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        self.not().and(&other.not()).not()
    }

    /// Whether `value` belongs to it.
    pub(crate) fn contains(&self, value: &Val) -> bool {
        match (self, value) {
            (Self::Ordered { from_start, cuts }, value) => value.ordinal().is_some_and(|at| {
                let passed = cuts.partition_point(|cut| *cut <= Cut { at, after: false });
                from_start ^ (passed % 2 == 1)
            }),
            (Self::Names { except, names }, Val::Text(text)) => names.contains(text) != *except,
            (Self::Bools { no, yes }, Val::Bool(value)) => *(if *value { yes } else { no }),
            _ => false,
        }
    }

    /// What `cmp value` lets through.
    pub(crate) fn compare(cmp: Cmp, value: &Val) -> Option<Self> {
        let cut = |after| value.ordinal().map(|at| Cut { at, after });
        Some(match (cmp, value) {
            (Cmp::Ne, value) => Self::compare(Cmp::Eq, value)?.not(),
            (Cmp::Eq, Val::Text(text)) => Self::Names { except: false, names: [Arc::clone(text)].into() },
            (Cmp::Eq, Val::Bool(value)) => Self::Bools { no: !value, yes: *value },
            (Cmp::Eq, _) => Self::Ordered { from_start: false, cuts: vec![cut(false)?, cut(true)?] },
            (Cmp::Lt, _) => Self::Ordered { from_start: true, cuts: vec![cut(false)?] },
            (Cmp::Le, _) => Self::Ordered { from_start: true, cuts: vec![cut(true)?] },
            (Cmp::Gt, _) => Self::Ordered { from_start: false, cuts: vec![cut(true)?] },
            (Cmp::Ge, _) => Self::Ordered { from_start: false, cuts: vec![cut(false)?] },
        })
    }

    /// These values; `none` is the empty set of their type. At once: one after another takes the square of their number.
    fn any_of(constants: &[Val], none: Self) -> Option<Self> {
        Some(match none {
            Self::Names { .. } => {
                let text = |constant: &Val| constant.text().ok().cloned();
                Self::Names { except: false, names: constants.iter().map(text).collect::<Option<_>>()? }
            }
            Self::Ordered { .. } => {
                let places: BTreeSet<Decimal> = constants.iter().map(Val::ordinal).collect::<Option<_>>()?;
                let cuts = places.into_iter().flat_map(|at| [Cut { at, after: false }, Cut { at, after: true }]);
                Self::Ordered { from_start: false, cuts: cuts.collect() }
            }
            Self::Bools { .. } => {
                constants.iter().try_fold(none, |any, constant| Some(any.or(Self::compare(Cmp::Eq, constant)?)))?
            }
        })
    }

    /// What the condition `ir` demands of `subject`, a fact or an input of the type `ty`; `None` if it asks for more than
    /// that one value, or in a way that no index answers.
    pub(crate) fn of(ir: &Ir, subject: &Ir, ty: &Type) -> Option<Self> {
        let all = Self::all(ty)?;
        Some(match ir {
            Ir::Const(Val::Bool(true)) => all,
            Ir::Const(Val::Bool(false)) => all.not(),
            ir if ir == subject && *ty == Type::Bool => Self::Bools { no: false, yes: true },
            Ir::Not(inner) => Self::of(inner, subject, ty)?.not(),
            Ir::And(one, other) => Self::of(one, subject, ty)?.and(&Self::of(other, subject, ty)?),
            Ir::Or(one, other) => Self::of(one, subject, ty)?.or(Self::of(other, subject, ty)?),
            Ir::Compare(cmp, one, other) => match (one.as_ref(), other.as_ref()) {
                (one, Ir::Const(value)) if one == subject => Self::compare(*cmp, value)?,
                (Ir::Const(value), other) if other == subject => Self::compare(cmp.flipped(), value)?,
                _ => return None,
            },
            Ir::Between(value, low, high, (with_low, with_high)) if value.as_ref() == subject => {
                let (Ir::Const(low), Ir::Const(high)) = (low.as_ref(), high.as_ref()) else { return None };
                let low = Self::compare(if *with_low { Cmp::Ge } else { Cmp::Gt }, low)?;
                low.and(&Self::compare(if *with_high { Cmp::Le } else { Cmp::Lt }, high)?)
            }
            Ir::OneOf(value, constants) if value.as_ref() == subject => Self::any_of(constants, all.not())?,
            _ => return None,
        })
    }

    /// No value of it is less than this, if it has a least end.
    pub(crate) fn least(&self) -> Option<Decimal> {
        match self {
            Self::Ordered { from_start: false, cuts } => cuts.first().map(|cut| cut.at),
            _ => None,
        }
    }

    /// No value of it is greater than this, if it has a greatest end.
    pub(crate) fn greatest(&self) -> Option<Decimal> {
        match self {
            Self::Ordered { from_start, cuts } if *from_start == (cuts.len() % 2 == 1) => cuts.last().map(|cut| cut.at),
            _ => None,
        }
    }

    /// The set in words, for values of `ty`.
    pub(crate) fn describe(&self, ty: &Type) -> String {
        let show = |at: Decimal| show(at, ty);
        match self {
            Self::Bools { no, yes } => match (no, yes) {
                (true, true) => "anything".to_owned(),
                (false, false) => "nothing".to_owned(),
                (_, yes) => yes.to_string(),
            },
            Self::Names { except, names } => {
                let list: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
                match (except, list.is_empty()) {
                    (true, true) => "anything".to_owned(),
                    (false, true) => "nothing".to_owned(),
                    (true, false) => format!("anything but {}", list.join(", ")),
                    (false, false) => list.join(" or "),
                }
            }
            Self::Ordered { from_start, cuts } => {
                let mut ranges = Vec::new();
                let mut ends = cuts.iter().copied().map(Some).collect::<Vec<_>>();
                if *from_start {
                    ends.insert(0, None);
                }
                for pair in ends.chunks(2) {
                    ranges.push(match (pair[0], pair.get(1).copied().flatten()) {
                        (None, None) => "anything".to_owned(),
                        (None, Some(high)) => format!("{} {}", if high.after { "<=" } else { "<" }, show(high.at)),
                        (Some(low), None) => format!("{} {}", if low.after { ">" } else { ">=" }, show(low.at)),
                        (Some(low), Some(high)) if low.at == high.at => show(low.at),
                        (Some(low), Some(high)) => format!(
                            "in {}{}..{}{}",
                            if low.after { "(" } else { "[" },
                            show(low.at),
                            show(high.at),
                            if high.after { "]" } else { ")" }
                        ),
                    });
                }
                if ranges.is_empty() { "nothing".to_owned() } else { ranges.join(" or ") }
            }
        }
    }
}

/// A value of `ty` from the first cut to the second; `None` if there is none between them.
pub(crate) fn between(low: Option<Cut>, high: Option<Cut>, ty: &Type) -> Option<Decimal> {
    let below = |at: Decimal| high.is_none_or(|high| Cut { at, after: false } < high);
    let above = |at: Decimal| low.is_none_or(|low| low <= Cut { at, after: false });
    let whole = !matches!(ty, Type::Decimal | Type::Money(_));
    let one = Decimal::ONE;
    let candidates = match (low, high) {
        (None, None) => [Some(Decimal::ZERO), None, None],
        (None, Some(high)) => [Some(high.at.floor()), high.at.floor().checked_sub(one), None],
        (Some(low), None) => [Some(low.at), low.at.floor().checked_add(one), None],
        (Some(low), Some(high)) => {
            let middle = low.at.checked_add(high.at).and_then(|sum| sum.checked_div(Decimal::TWO));
            [Some(low.at), low.at.floor().checked_add(one), middle]
        }
    };
    candidates.into_iter().flatten().find(|at| above(*at) && below(*at) && (!whole || at.fract().is_zero()))
}

/// An ordinal as a value of `ty`.
pub(crate) fn show(at: Decimal, ty: &Type) -> String {
    use jiff::{SignedDuration, Timestamp};
    let nanos = i128::try_from(at).ok();
    let shown = match ty {
        Type::DateTime => nanos.and_then(|at| Timestamp::from_nanosecond(at).ok()).map(|at| at.to_string()),
        Type::Duration => {
            nanos.and_then(|at| i64::try_from(at).ok()).map(|at| SignedDuration::from_nanos(at).to_string())
        }
        _ => None,
    };
    shown.unwrap_or_else(|| at.normalize().to_string())
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.after { "after" } else { "before" }, self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sets() -> impl Strategy<Value = Domain> {
        let one = (0_u8..6, -5_i64..5).prop_map(|(cmp, at)| {
            let cmp = [Cmp::Eq, Cmp::Ne, Cmp::Lt, Cmp::Le, Cmp::Gt, Cmp::Ge][usize::from(cmp)];
            Domain::compare(cmp, &Val::Num(at.into())).unwrap()
        });
        one.prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(one, other)| one.and(&other)),
                (inner.clone(), inner.clone()).prop_map(|(one, other)| one.or(other)),
                inner.prop_map(Domain::not),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_algebra_is_that_of_membership(one in sets(), other in sets(), at in -12_i64..12) {
            // Halves, so that places between the ends are met too.
            let at = Val::Num(rust_decimal::Decimal::new(at * 5, 1));
            let (a, b) = (one.contains(&at), other.contains(&at));
            prop_assert_eq!(one.and(&other).contains(&at), a && b);
            prop_assert_eq!(one.clone().or(other.clone()).contains(&at), a || b);
            prop_assert_eq!(one.clone().not().contains(&at), !a);
            prop_assert!(!a || !one.is_empty(&Type::Decimal));
        }
    }

    #[test]
    fn a_list_is_its_elements_however_they_stand() {
        let list = |numbers: &[i64]| {
            let numbers: Vec<Val> = numbers.iter().map(|number| Val::Num((*number).into())).collect();
            Domain::any_of(&numbers, Domain::all(&Type::Int).unwrap().not()).unwrap()
        };
        assert_eq!(list(&[3, 1, 3, 2, 1]), list(&[1, 2, 3]));
        for (at, inside) in [(0, false), (1, true), (2, true), (3, true), (4, false)] {
            assert_eq!(list(&[3, 1, 2]).contains(&Val::Num(at.into())), inside);
        }
        assert!(!list(&[1, 2]).contains(&Val::Num(Decimal::new(15, 1))));
    }

    #[test]
    fn there_is_no_integer_between_neighbours() {
        let cut = |at: i64, after| Some(Cut { at: at.into(), after });
        assert_eq!(between(cut(1, true), cut(2, false), &Type::Int), None);
        assert_eq!(between(cut(1, true), cut(2, false), &Type::Decimal), Some(Decimal::new(15, 1)));
        assert_eq!(between(cut(1, true), cut(2, true), &Type::Int), Some(2.into()));
        assert_eq!(between(None, cut(1, false), &Type::Int), Some(0.into()));
    }

    #[test]
    fn in_words() {
        let ge = Domain::compare(Cmp::Ge, &Val::Num(100.into())).unwrap();
        let range = ge.and(&Domain::compare(Cmp::Lt, &Val::Num(200.into())).unwrap());
        assert_eq!(range.describe(&Type::Int), "in [100..200)");
        assert_eq!(range.not().describe(&Type::Int), "< 100 or >= 200");
    }
}
