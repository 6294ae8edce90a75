//! Times as Chinese providers write them: without a zone, in UTC+8.

use std::time::SystemTime;

use jiff::{civil::DateTime, tz::TimeZone};

pub(super) fn beijing(text: &str) -> Option<SystemTime> {
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    Some(time.to_zoned(TimeZone::fixed(jiff::tz::offset(8))).ok()?.timestamp().into())
}
