//! When orders are archived.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    duration,
    jobs::{Schedule, ScheduleError},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// When orders are archived.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// Whether servers do it by themselves; the command `ticketing archive` does it anyway.
    pub enabled: bool,
    /// So long nothing of an order has changed, and so long its show is over.
    #[serde(with = "duration")]
    pub after: Duration,
    /// How often it is looked for such orders, unless `schedule` says when.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Minute, hour, day of the month, month and day of the week, as cron has them: `0 3 1 * *` is three o'clock on the first.
    pub schedule: Option<String>,
    /// The time zone of `schedule`.
    pub time_zone: String,
    /// Most orders of one transaction: so long others may wait.
    pub batch: u32,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            after: 365 * DAY,
            interval: Duration::from_secs(3_600),
            schedule: None,
            time_zone: "Asia/Shanghai".to_owned(),
            batch: 100,
        }
    }
}

impl ArchiveConfig {
    /// Whether it makes sense; if not, the key and the reason.
    ///
    /// # Errors
    ///
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        // Notifications and bills of providers come days late.
        if self.after < 7 * DAY {
            return Err(("archive.after", "must be at least 7 days".to_owned()));
        }
        if self.interval.is_zero() {
            return Err(("archive.interval", "must be longer than nothing".to_owned()));
        }
        if let Err(error) = self.schedule() {
            return Err(("archive.schedule", error.to_string()));
        }
        if !(1..=1_000).contains(&self.batch) {
            return Err(("archive.batch", "is 1 to 1000".to_owned()));
        }
        Ok(())
    }

    /// When servers look for such orders.
    ///
    /// # Errors
    ///
    /// `schedule` or `time-zone` is none.
    pub fn schedule(&self) -> Result<Schedule, ScheduleError> {
        match &self.schedule {
            Some(text) => Schedule::calendar(text, &self.time_zone),
            None => Ok(Schedule::Every(self.interval)),
        }
    }
}
