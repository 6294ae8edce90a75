//! Which types go together.

use crate::expr::ir::{Arith, Ir};
use crate::types::Type;
use crate::value::Val;

/// A checked expression.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) ir: Ir,
    pub(crate) ty: Type,
}

impl Typed {
    pub(crate) const fn new(ir: Ir, ty: Type) -> Self {
        Self { ir, ty }
    }

    /// A constant number without a unit may stand for money, a constant text for a name.
    pub(crate) const fn is_literal(&self) -> bool {
        matches!(self.ir, Ir::Const(_))
    }
}

/// Makes an expression of the type `from` stand where `to` is wanted.
pub(crate) fn assign(ir: Ir, from: &Type, literal: bool, to: &Type) -> Result<Ir, String> {
    let fits = match (from, to) {
        (Type::Int, Type::Decimal) | (Type::Enum(_), Type::Text) => true,
        (Type::Int | Type::Decimal, Type::Money(_)) => literal,
        (Type::Text, Type::Enum(_)) if literal => {
            if let Ir::Const(Val::Text(name)) = &ir {
                is_name(name, to)?;
            }
            true
        }
        (Type::Enum(some), Type::Enum(all)) => some.iter().all(|name| all.contains(name)),
        (Type::List(from), Type::List(to)) => return list(ir, from, literal, to),
        (from, to) => from == to,
    };
    if fits { Ok(ir) } else { Err(format!("{} where {} is wanted", article(from), article(to))) }
}

fn list(ir: Ir, from: &Type, literal: bool, to: &Type) -> Result<Ir, String> {
    if let (Ir::Const(Val::List(items)), true) = (&ir, literal) {
        for item in items.iter() {
            assign(Ir::Const(item.clone()), from, true, to)?;
        }
        return Ok(ir);
    }
    assign(ir, from, false, to)
}

/// Whether values of the two can be equal; says why not.
pub(crate) fn comparable(one: &Typed, other: &Typed) -> Result<(), String> {
    let differ = || Err(format!("{} is never equal to {}", article(&one.ty), article(&other.ty)));
    match (&one.ty, &other.ty) {
        (Type::Money(left), Type::Money(right)) if left != right => Err(format!("{left} is compared with {right}")),
        (Type::Money(_), ty) if ty.is_numeric() => unit(ty, other),
        (ty, Type::Money(_)) if ty.is_numeric() => unit(ty, one),
        (left, right) if left.is_numeric() && right.is_numeric() => Ok(()),
        (Type::Enum(_), Type::Text) => literal_name(other, &one.ty),
        (Type::Text, Type::Enum(_)) => literal_name(one, &other.ty),
        (Type::Enum(left), Type::Enum(right)) if left.iter().any(|name| right.contains(name)) => Ok(()),
        (Type::List(_), _) | (_, Type::List(_)) => Err("lists are not compared; use `in`, `all`, `some`".to_owned()),
        (left, right) if left == right => Ok(()),
        _ => differ(),
    }
}

fn unit(ty: &Type, number: &Typed) -> Result<(), String> {
    if matches!(ty, Type::Money(_)) || number.is_literal() {
        Ok(())
    } else {
        Err("money is compared with a number that has no currency".to_owned())
    }
}

fn literal_name(text: &Typed, names: &Type) -> Result<(), String> {
    match &text.ir {
        Ir::Const(Val::Text(name)) => is_name(name, names),
        _ => Ok(()),
    }
}

fn is_name(name: &str, names: &Type) -> Result<(), String> {
    match names {
        Type::Enum(all) if !all.iter().any(|one| one.as_ref() == name) => Err(format!("`{name}` is none of {names}")),
        _ => Ok(()),
    }
}

/// The type that both can have: of the branches of a condition, of the elements of a list.
pub(crate) fn common(one: &Typed, other: &Typed) -> Result<Type, String> {
    comparable(one, other)?;
    Ok(match (&one.ty, &other.ty) {
        (Type::Money(currency), _) | (_, Type::Money(currency)) => Type::Money(*currency),
        (Type::Decimal, _) | (_, Type::Decimal) => Type::Decimal,
        (Type::Enum(left), Type::Enum(right)) if left != right => Type::Text,
        (Type::Enum(_), Type::Text) | (Type::Text, Type::Enum(_)) => Type::Text,
        (ty, _) => ty.clone(),
    })
}

/// The type of a calculation.
pub(crate) fn arithmetic(op: Arith, one: &Typed, other: &Typed) -> Result<Type, String> {
    let no = || Err(format!("{} and {} do not calculate so", article(&one.ty), article(&other.ty)));
    let sum = matches!(op, Arith::Add | Arith::Sub);
    match (&one.ty, &other.ty) {
        (Type::Int, Type::Int) => Ok(if op == Arith::Div { Type::Decimal } else { Type::Int }),
        (Type::Int | Type::Decimal, Type::Int | Type::Decimal) => Ok(Type::Decimal),
        (Type::Money(_), ty) | (ty, Type::Money(_)) if sum && ty.is_numeric() => common(one, other),
        (Type::Money(left), Type::Money(right)) => match op {
            Arith::Div if left == right => Ok(Type::Decimal),
            _ => no(),
        },
        (Type::Money(currency), Type::Int | Type::Decimal) if op != Arith::Rem => Ok(Type::Money(*currency)),
        (Type::Int | Type::Decimal, Type::Money(currency)) if op == Arith::Mul => Ok(Type::Money(*currency)),
        (Type::DateTime, Type::DateTime) if op == Arith::Sub => Ok(Type::Duration),
        (Type::DateTime, Type::Duration) if sum => Ok(Type::DateTime),
        (Type::Duration, Type::DateTime) if op == Arith::Add => Ok(Type::DateTime),
        (Type::Duration, Type::Duration) if sum => Ok(Type::Duration),
        _ => no(),
    }
}

pub(crate) fn article(ty: &Type) -> String {
    match ty {
        Type::Int => "an int".to_owned(),
        Type::Money(_) | Type::Text => ty.to_string(),
        Type::Enum(_) => format!("an {ty}"),
        _ => format!("a {ty}"),
    }
}
