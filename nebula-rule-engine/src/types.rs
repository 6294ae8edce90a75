//! The types of facts and expressions.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::money::Currency;

/// The type of a fact, an expression or a column. The currency of an amount is part of its type, so that amounts of
/// different currencies never meet in an expression.
///
/// As text: `bool`, `int`, `decimal`, `text`, `enum(GOLD, VIP)`, `money(CNY)`, `date-time`, `duration`, `list(text)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A decimal number of up to 28 digits.
    Decimal,
    /// Text.
    Text,
    /// One of these names.
    Enum(Arc<[Arc<str>]>),
    /// An amount in this currency.
    Money(Currency),
    /// A point in time with its offset from UTC.
    DateTime,
    /// A length of time.
    Duration,
    /// A list whose elements are of this type.
    List(Box<Self>),
}

impl Type {
    /// An enumeration of `names`.
    #[must_use]
    pub fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Enum(names.into_iter().map(Arc::from).collect())
    }

    /// A list of `inner`.
    #[must_use]
    pub fn list(inner: Self) -> Self {
        Self::List(Box::new(inner))
    }

    /// Whether its values are evaluated as numbers.
    pub(crate) const fn is_numeric(&self) -> bool {
        matches!(self, Self::Int | Self::Decimal | Self::Money(_))
    }

    pub(crate) const fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Enum(_))
    }

    /// Whether its values can be compared with `<`.
    pub(crate) const fn is_ordered(&self) -> bool {
        self.is_numeric() || matches!(self, Self::DateTime | Self::Duration)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Decimal => f.write_str("decimal"),
            Self::Text => f.write_str("text"),
            Self::Enum(names) => {
                write!(f, "enum({})", names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "))
            }
            Self::Money(currency) => write!(f, "money({currency})"),
            Self::DateTime => f.write_str("date-time"),
            Self::Duration => f.write_str("duration"),
            Self::List(inner) => write!(f, "list({inner})"),
        }
    }
}

impl std::str::FromStr for Type {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let bad = || Error::new(ErrorKind::Invalid, format!("`{text}` is no type"));
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')').ok_or_else(bad)?.trim())),
            None => (text, None),
        };
        Ok(match (name, argument) {
            ("bool", None) => Self::Bool,
            ("int", None) => Self::Int,
            ("decimal", None) => Self::Decimal,
            ("text", None) => Self::Text,
            ("date-time", None) => Self::DateTime,
            ("duration", None) => Self::Duration,
            ("money", Some(currency)) => Self::Money(currency.parse()?),
            ("enum", Some(names)) => {
                let names: Vec<&str> = names.split(',').map(str::trim).collect();
                if names.iter().any(|name| name.is_empty()) {
                    return Err(bad());
                }
                Self::one_of(names)
            }
            // A list of lists would let one document nest without end.
            ("list", Some(inner)) if !inner.starts_with("list") => Self::list(inner.parse()?),
            _ => return Err(bad()),
        })
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["bool", "int", "enum(GOLD, VIP)", "money(CNY)", "list(money(EUR))", "date-time", "duration"] {
            assert_eq!(text.parse::<Type>().unwrap().to_string(), text);
        }
        for text in ["", "float", "money", "money(", "money(cny)", "enum()", "enum(A,)", "list(list(int))", "int(3)"] {
            assert!(text.parse::<Type>().is_err(), "{text}");
        }
    }
}
