//! Durations in configuration: text such as `2h 30m`, or a plain number of seconds.

use std::{fmt, time::Duration};

use serde::{
    Deserialize,
    de::{self, Deserializer, Visitor},
};

/// A duration as it stands in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor).map(Self)
    }
}

/// For `#[serde(with)]` on fields of type [`Duration`].
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(SecondsVisitor)
}

/// For `#[serde(with)]` on optional fields.
pub(crate) fn deserialize_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Seconds>::deserialize(deserializer)?.map(|seconds| seconds.0))
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, or a duration such as \"2h 30m\"")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        let seconds = u64::try_from(seconds).map_err(|_| E::custom("a duration cannot be negative"))?;
        Ok(Duration::from_secs(seconds))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        // Environment variables arrive as text even where they hold a number.
        match text.parse::<u64>() {
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(text).map_err(E::custom),
        }
    }
}
