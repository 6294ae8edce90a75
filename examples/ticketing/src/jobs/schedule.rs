//! When a job comes next.

use std::{str::FromStr, time::Duration};

use croner::Cron;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::clock::Millis;

/// When a job comes.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// So long after the beginning of the latest run.
    Every(Duration),
    /// By the calendar.
    Calendar(Box<Calendar>),
}

/// Times of a calendar.
#[derive(Clone, Debug)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

/// That is no schedule.
#[derive(Debug, Error)]
#[error("`{text}` is not minute, hour, day of the month, month and day of the week, as in `0 3 1 * *`: {reason}")]
pub struct ScheduleError {
    text: String,
    reason: String,
}

impl Schedule {
    /// Five fields as cron has them, by the clock of a time zone.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] for what is none, for a time that never comes, and for zones that are not known.
    pub fn calendar(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let refused = |reason: String| ScheduleError { text: text.to_owned(), reason };
        let cron = Cron::from_str(text).map_err(|error| refused(error.to_string()))?;
        let zone = TimeZone::get(zone).map_err(|error| refused(error.to_string()))?;
        let calendar = Calendar { cron, zone };
        calendar.after(Millis(0)).ok_or_else(|| refused("it never comes".to_owned()))?;
        Ok(Self::Calendar(Box::new(calendar)))
    }

    /// The first time after this one; the end of time if there is none.
    #[must_use]
    pub fn after(&self, time: Millis) -> Millis {
        match self {
            Self::Every(interval) => time.plus(*interval),
            Self::Calendar(calendar) => calendar.after(time).unwrap_or(Millis(i64::MAX)),
        }
    }

    /// How far the next two times after this one are apart.
    #[must_use]
    pub fn interval(&self, time: Millis) -> Duration {
        match self {
            Self::Every(interval) => *interval,
            Self::Calendar(_) => {
                let next = self.after(time);
                self.after(next).since(next)
            }
        }
    }
}

impl Calendar {
    /// As it was written.
    pub(super) fn text(&self) -> &str {
        self.cron.as_str()
    }

    /// The name of its time zone.
    pub(super) fn zone(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    fn after(&self, time: Millis) -> Option<Millis> {
        let next = self.cron.find_next_occurrence(&time.timestamp().to_zoned(self.zone.clone()), false).ok()?;
        Some(Millis(next.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn an_interval_counts_from_the_latest_run() {
        let schedule = Schedule::Every(Duration::from_secs(15));
        assert_eq!(schedule.after(Millis(1_000)), Millis(16_000));
        assert_eq!(schedule.interval(Millis(1_000)), Duration::from_secs(15));
    }

    #[test]
    fn the_first_of_the_month_is_that_of_the_time_zone() {
        let schedule = Schedule::calendar("0 3 1 * *", "Asia/Shanghai").unwrap();
        assert_eq!(schedule.after(at("2026-11-22T00:00:00Z")), at("2026-11-30T19:00:00Z"));
        assert_eq!(schedule.after(at("2026-11-30T19:00:00Z")), at("2026-12-31T19:00:00Z"), "not the same again");
        assert_eq!(schedule.interval(at("2026-11-22T00:00:00Z")), Duration::from_secs(31 * 86_400));
        // A night without two o'clock, and one with two of it.
        let schedule = Schedule::calendar("30 2 * * *", "Europe/Berlin").unwrap();
        assert_eq!(schedule.after(at("2026-03-28T12:00:00Z")), at("2026-03-29T01:00:00Z"));
        assert_eq!(schedule.after(at("2026-10-24T12:00:00Z")), at("2026-10-25T00:30:00Z"));
        assert_eq!(schedule.after(at("2026-10-25T00:30:00Z")), at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (text, zone) in
            [("", "UTC"), ("soon", "UTC"), ("0 25 * * *", "UTC"), ("0 3 31 2 *", "UTC"), ("0 3 1 * *", "Mars/Olympus")]
        {
            let error = Schedule::calendar(text, zone).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
