//! Texts in definitions: expressions and amounts, which YAML and JSON like to read as something else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// An expression or the cell of a table, as text. Whole numbers and booleans may stand without quotes; numbers with a
/// fraction need them, because they would have been floating-point numbers in between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Source(pub String);

impl Source {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Source {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a whole number or a boolean (numbers with a fraction in quotes)")
            }

            fn visit_str<E>(self, text: &str) -> Result<Source, E> {
                Ok(text.into())
            }

            fn visit_i64<E>(self, number: i64) -> Result<Source, E> {
                Ok(number.to_string().into())
            }

            fn visit_u64<E>(self, number: u64) -> Result<Source, E> {
                Ok(number.to_string().into())
            }

            fn visit_bool<E>(self, it: bool) -> Result<Source, E> {
                Ok(it.to_string().into())
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_is_refused() {
        let read = |json: &str| serde_json::from_str::<Source>(json);
        assert_eq!(read("10").unwrap().as_str(), "10");
        assert_eq!(read("\"0.1\"").unwrap().as_str(), "0.1");
        assert!(read("0.1").unwrap_err().to_string().contains("in quotes"));
    }
}
