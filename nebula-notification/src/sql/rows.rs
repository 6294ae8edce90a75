//! What stands in columns.

use std::time::SystemTime;

use serde::{Serialize, de::DeserializeOwned};

use super::session::Arg;
use crate::{clock, digest::sha256_hex};

/// Milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> i64 {
    i64::try_from(clock::millis(time)).unwrap_or(i64::MAX)
}

pub(super) fn time(millis: i64) -> SystemTime {
    clock::from_millis(u64::try_from(millis).unwrap_or(0))
}

pub(super) fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(super) fn to_body(value: &impl Serialize) -> sqlx::Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) fn from_body<T: DeserializeOwned>(text: &str) -> sqlx::Result<T> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A name that may be longer than its column, such as that of an address of many tags: by its hash then.
pub(super) fn short(name: &str) -> String {
    if name.len() <= 256 { name.to_owned() } else { format!("sha256:{}", sha256_hex(name.as_bytes())) }
}

pub(super) fn maybe(text: Option<&str>) -> Arg {
    Arg::MaybeText(text.map(str::to_owned))
}
