//! Durations in configuration: text such as `"1m 30s"`, or a plain integer in milliseconds.

use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

struct Millis;

impl Visitor<'_> for Millis {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration: text such as \"1m 30s\", or an integer in milliseconds")
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Self::Value, E> {
        Ok(Some(Duration::from_millis(millis)))
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Self::Value, E> {
        u64::try_from(millis).map_err(|_| E::custom("a duration cannot be negative")).and_then(|it| self.visit_u64(it))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        // Layers of configuration such as environment variables know only text.
        if let Ok(millis) = text.parse() {
            return self.visit_u64(millis);
        }
        humantime::parse_duration(text).map(Some).map_err(E::custom)
    }
}

/// For `#[serde(default, deserialize_with = "...")]`: a key that is left out is `None`.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    deserializer.deserialize_any(Millis)
}
