//! Durations in configuration: text such as `"1m 30s"`, or a plain integer in milliseconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

#[derive(Deserialize)]
#[serde(untagged, expecting = "a duration: text such as \"1m 30s\", or an integer in milliseconds")]
enum Form {
    Millis(u64),
    Text(String),
}

impl Form {
    fn read<E: Error>(self) -> Result<Duration, E> {
        Ok(match self {
            Self::Millis(millis) => Duration::from_millis(millis),
            // Environment variables arrive as text, plain integers included.
            Self::Text(text) => match text.trim().parse() {
                Ok(millis) => Duration::from_millis(millis),
                Err(_) => humantime::parse_duration(&text).map_err(E::custom)?,
            },
        })
    }
}

/// For `#[serde(default, deserialize_with = "…")]`: a key that is left out is `None`.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Form::deserialize(deserializer)?.read().map(Some)
}

/// Several of them.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Vec::<Form>::deserialize(deserializer)?.into_iter().map(Form::read).collect()
}
