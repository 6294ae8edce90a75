//! Values as users see them, and the form in which they are evaluated.

use std::fmt;
use std::sync::Arc;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, Zoned};
use rust_decimal::Decimal;

use crate::error::{Error, ErrorKind, Result};
use crate::money::{Money, decimal};
use crate::types::Type;

/// A point in time together with the offset from UTC under which its hours and days are read.
///
/// The offset is fixed when the fact is made, so that an evaluation never depends on a time zone database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    timestamp: Timestamp,
    offset: Offset,
}

impl Moment {
    /// The point `timestamp`, read at `offset`.
    #[must_use]
    pub const fn new(timestamp: Timestamp, offset: Offset) -> Self {
        Self { timestamp, offset }
    }

    /// The point on the time line.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The offset from UTC.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// Date and time of day at its offset.
    #[must_use]
    pub fn civil(&self) -> jiff::civil::DateTime {
        self.offset.to_datetime(self.timestamp)
    }
}

impl From<Zoned> for Moment {
    fn from(zoned: Zoned) -> Self {
        Self { timestamp: zoned.timestamp(), offset: zoned.offset() }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp.display_with_offset(self.offset))
    }
}

impl std::str::FromStr for Moment {
    type Err = Error;

    /// `2026-11-21T08:00:00+08:00`: with an offset, since a time without one is no point in time.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::new(
                ErrorKind::BadFact,
                format!("`{text}` is no point in time: write it as `2026-11-21T08:00:00+08:00`"),
            )
        };
        let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).map_err(|e| bad().with_source(e))?;
        let offset = pieces.to_numeric_offset().ok_or_else(bad)?;
        let timestamp = text.parse::<Timestamp>().map_err(|error| bad().with_source(error))?;
        Ok(Self { timestamp, offset })
    }
}

/// A value that goes into or comes out of an evaluation. There is no floating-point variant.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal number of up to 28 digits.
    Decimal(Decimal),
    /// Text, also a value of an enumeration.
    Text(Arc<str>),
    /// An amount with its currency.
    Money(Money),
    /// A point in time.
    DateTime(Moment),
    /// A length of time.
    Duration(SignedDuration),
    /// Values of one type.
    List(Vec<Self>),
}

impl Value {
    /// What to call it in a message.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Decimal(_) => "a decimal",
            Self::Text(_) => "text",
            Self::Money(_) => "money",
            Self::DateTime(_) => "a date and time",
            Self::Duration(_) => "a duration",
            Self::List(_) => "a list",
        }
    }

    /// As JSON, in the form that [`Facts`](crate::Facts) are read from: numbers that are not whole become text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(it) => (*it).into(),
            Self::Int(it) => (*it).into(),
            Self::Decimal(it) => it.normalize().to_string().into(),
            Self::Text(it) => it.as_ref().into(),
            Self::Money(it) => it.to_string().into(),
            Self::DateTime(it) => it.to_string().into(),
            Self::Duration(it) => it.to_string().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(it) => it.fmt(f),
            Self::Int(it) => it.fmt(f),
            Self::Decimal(it) => it.normalize().fmt(f),
            Self::Text(it) => f.write_str(it),
            Self::Money(it) => it.fmt(f),
            Self::DateTime(it) => it.fmt(f),
            Self::Duration(it) => it.fmt(f),
            Self::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        f.write_str(", ")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// The form in which values are evaluated: what the type already says is not repeated in the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Val {
    Bool(bool),
    Num(Decimal),
    Text(Arc<str>),
    Time(Moment),
    Span(SignedDuration),
    List(Arc<[Self]>),
}

impl Val {
    /// What the types promise; kept as an error, since nothing here may panic.
    fn unexpected() -> Error {
        Error::new(ErrorKind::Invalid, "a value is not of the type that was checked")
    }

    pub(crate) fn bool(&self) -> Result<bool> {
        if let Self::Bool(it) = self { Ok(*it) } else { Err(Self::unexpected()) }
    }

    pub(crate) fn num(&self) -> Result<Decimal> {
        if let Self::Num(it) = self { Ok(*it) } else { Err(Self::unexpected()) }
    }

    pub(crate) fn text(&self) -> Result<&Arc<str>> {
        if let Self::Text(it) = self { Ok(it) } else { Err(Self::unexpected()) }
    }

    pub(crate) fn time(&self) -> Result<Moment> {
        if let Self::Time(it) = self { Ok(*it) } else { Err(Self::unexpected()) }
    }

    pub(crate) fn list(&self) -> Result<&Arc<[Self]>> {
        if let Self::List(it) = self { Ok(it) } else { Err(Self::unexpected()) }
    }

    /// Where it stands among the values of its type, as a number; `None` for what has no order.
    pub(crate) fn ordinal(&self) -> Option<Decimal> {
        match self {
            Self::Num(it) => Some(*it),
            Self::Time(it) => Decimal::try_from_i128_with_scale(it.timestamp.as_nanosecond(), 0).ok(),
            Self::Span(it) => Decimal::try_from_i128_with_scale(it.as_nanos(), 0).ok(),
            Self::Bool(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The value of an ordered type that stands at `at`.
    pub(crate) fn from_ordinal(at: Decimal, ty: &Type) -> Option<Self> {
        let nanos = || i128::try_from(at).ok();
        Some(match ty {
            Type::DateTime => Self::Time(Moment::new(Timestamp::from_nanosecond(nanos()?).ok()?, Offset::UTC)),
            Type::Duration => Self::Span(SignedDuration::from_nanos(i64::try_from(nanos()?).ok()?)),
            _ => Self::Num(at),
        })
    }

    /// The value as `ty` sees it.
    pub(crate) fn to_value(&self, ty: &Type) -> Value {
        match (self, ty) {
            (Self::Bool(it), _) => Value::Bool(*it),
            (Self::Num(it), Type::Money(currency)) => Value::Money(Money::new(*it, *currency)),
            (Self::Num(it), Type::Int) => i64::try_from(*it).map_or(Value::Decimal(*it), Value::Int),
            (Self::Num(it), _) => Value::Decimal(*it),
            (Self::Text(it), _) => Value::Text(Arc::clone(it)),
            (Self::Time(it), _) => Value::DateTime(*it),
            (Self::Span(it), _) => Value::Duration(*it),
            (Self::List(items), Type::List(inner)) => Value::List(items.iter().map(|it| it.to_value(inner)).collect()),
            (Self::List(items), _) => Value::List(items.iter().map(|it| it.to_value(ty)).collect()),
        }
    }

    /// Checks `value` against `ty` and takes it over.
    pub(crate) fn from_value(value: &Value, ty: &Type) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::BadFact, format!("{} where {ty} is wanted", value.kind()));
        Ok(match (ty, value) {
            (Type::Bool, Value::Bool(it)) => Self::Bool(*it),
            (Type::Int | Type::Decimal, Value::Int(it)) => Self::Num(Decimal::from(*it)),
            (Type::Decimal, Value::Decimal(it)) => Self::Num(*it),
            (Type::Int, Value::Decimal(it)) if it.fract().is_zero() && i64::try_from(*it).is_ok() => Self::Num(*it),
            (Type::Text, Value::Text(it)) => Self::Text(Arc::clone(it)),
            (Type::Enum(names), Value::Text(it)) => match names.iter().find(|name| name == &it) {
                Some(name) => Self::Text(Arc::clone(name)),
                None => return Err(Error::new(ErrorKind::BadFact, format!("`{it}` is none of {ty}"))),
            },
            (Type::Money(currency), Value::Money(it)) if it.currency() == *currency => Self::Num(it.amount()),
            (Type::Money(currency), Value::Money(it)) => {
                return Err(Error::new(ErrorKind::Currency, format!("{} where {currency} is wanted", it.currency())));
            }
            (Type::DateTime, Value::DateTime(it)) => Self::Time(*it),
            (Type::Duration, Value::Duration(it)) => Self::Span(*it),
            (Type::List(inner), Value::List(items)) => {
                Self::List(items.iter().map(|item| Self::from_value(item, inner)).collect::<Result<_>>()?)
            }
            _ => return Err(wrong()),
        })
    }

    /// Reads JSON as `ty`. Numbers with a fraction or an exponent arrive as floating point in JSON and are refused.
    pub(crate) fn from_json(json: &serde_json::Value, ty: &Type) -> Result<Self> {
        use serde_json::Value as Json;

        let value = match (ty, json) {
            (Type::Bool, Json::Bool(it)) => Value::Bool(*it),
            (Type::Int | Type::Decimal | Type::Money(_), Json::Number(number)) => match number.as_i64() {
                Some(it) if matches!(ty, Type::Money(_)) => {
                    return Err(Error::new(
                        ErrorKind::BadFact,
                        format!("{it} is no money: write it as `\"{it} CNY\"`"),
                    ));
                }
                Some(it) => Value::Int(it),
                None => {
                    let hint = format!("{number} is a floating-point number or too large: write it as text, in quotes");
                    return Err(Error::new(ErrorKind::Float, hint));
                }
            },
            (Type::Int | Type::Decimal, Json::String(text)) => Value::Decimal(decimal(text)?),
            (Type::Money(_), Json::String(text)) => Value::Money(text.parse()?),
            (Type::Text | Type::Enum(_), Json::String(text)) => Value::Text(text.as_str().into()),
            (Type::DateTime, Json::String(text)) => Value::DateTime(text.parse()?),
            (Type::Duration, Json::String(text)) => Value::Duration(duration(text)?),
            (Type::List(inner), Json::Array(items)) => {
                return items.iter().map(|item| Self::from_json(item, inner)).collect::<Result<_>>().map(Self::List);
            }
            (_, json) => {
                let found = match json {
                    Json::Null => "nothing",
                    Json::Bool(_) => "a boolean",
                    Json::Number(_) => "a number",
                    Json::String(_) => "text",
                    Json::Array(_) => "a list",
                    Json::Object(_) => "an object",
                };
                return Err(Error::new(ErrorKind::BadFact, format!("{found} where {ty} is wanted")));
            }
        };
        Self::from_value(&value, ty)
    }
}

/// A length of time from text: `1h 30m`, `PT1H30M`.
pub(crate) fn duration(text: &str) -> Result<SignedDuration> {
    text.parse().map_err(|error: jiff::Error| {
        Error::new(ErrorKind::BadFact, format!("`{text}` is no duration: write it as `1h 30m`")).with_source(error)
    })
}
