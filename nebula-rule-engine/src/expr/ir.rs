//! Our own form of an expression: checked, folded, shared between threads.

use std::sync::Arc;

use crate::value::Val;

/// An operation on checked operands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ir {
    Const(Val),
    /// The fact at this position of the schema.
    Fact(usize),
    /// `$`: the value that a cell tests.
    Input,
    /// The element of the closure that is so many levels further out.
    Item(usize),
    Not(Box<Self>),
    Neg(Box<Self>),
    Arith(Arith, Box<Self>, Box<Self>, Whole),
    Compare(Cmp, Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// Value, lower end, upper end; whether the ends belong to it.
    Between(Box<Self>, Box<Self>, Box<Self>, (bool, bool)),
    /// Value and the constants that it may equal.
    OneOf(Box<Self>, Arc<[Val]>),
    /// Value and list.
    In(Box<Self>, Box<Self>),
    List(Vec<Self>),
    If(Box<Self>, Box<Self>, Box<Self>),
    Call(Function, Vec<Self>),
    /// Kind, list, body.
    Each(Each, Box<Self>, Box<Self>),
}

/// Whether both operands are integers, so that the result has to be one.
pub(crate) type Whole = bool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// The pure functions that an expression may call; there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Floor,
    Ceil,
    Trunc,
    Round,
    Sum,
    Avg,
    Min,
    Max,
    Len,
    Contains,
    StartsWith,
    EndsWith,
    Upper,
    Lower,
    Trim,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Weekday,
    DayOfYear,
    Quarter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    All,
    Some,
    None,
    One,
    Count,
    Filter,
    Map,
}

impl Ir {
    /// Calls `see` with this and everything below it.
    pub(crate) fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        self.children(&mut |child| child.visit(see));
    }

    fn children(&self, see: &mut dyn FnMut(&Self)) {
        match self {
            Self::Const(_) | Self::Fact(_) | Self::Input | Self::Item(_) => {}
            Self::Not(one) | Self::Neg(one) | Self::OneOf(one, _) => see(one),
            Self::Arith(_, one, other, _)
            | Self::Compare(_, one, other)
            | Self::And(one, other)
            | Self::Or(one, other)
            | Self::In(one, other)
            | Self::Each(_, one, other) => {
                see(one);
                see(other);
            }
            Self::Between(value, low, high, _) | Self::If(value, low, high) => {
                see(value);
                see(low);
                see(high);
            }
            Self::List(items) | Self::Call(_, items) => items.iter().for_each(see),
        }
    }

    /// Whether it is the same for all facts, and may so be computed once.
    pub(crate) fn is_foldable(&self) -> bool {
        let mut constant = !matches!(self, Self::Fact(_) | Self::Input | Self::Item(_) | Self::Const(_));
        self.children(&mut |child| constant &= matches!(child, Self::Const(_)));
        constant
    }
}

impl Cmp {
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    pub(crate) const fn flipped(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}
