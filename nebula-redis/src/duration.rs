//! Durations in configuration: text such as `"1s 500ms"`, or an integer in milliseconds.

use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{Error, Visitor};

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration: text such as \"2s\" or \"1m 30s\", or an integer in milliseconds")
        }

        fn visit_u64<E: Error>(self, milliseconds: u64) -> Result<Duration, E> {
            Ok(Duration::from_millis(milliseconds))
        }

        fn visit_i64<E: Error>(self, milliseconds: i64) -> Result<Duration, E> {
            u64::try_from(milliseconds)
                .map(Duration::from_millis)
                .map_err(|_| E::custom("a duration cannot be negative"))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            // Environment variables arrive as text, plain integers included.
            match text.trim().parse() {
                Ok(milliseconds) => Ok(Duration::from_millis(milliseconds)),
                Err(_) => humantime::parse_duration(text).map_err(|error| E::custom(format!("{text:?}: {error}"))),
            }
        }
    }

    deserializer.deserialize_any(Text)
}
