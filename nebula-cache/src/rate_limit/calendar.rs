//! Days and months of a time zone.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::judge::Judged;
use super::quota::{LARGEST, invalid};
use crate::error::Result;

/// A unit of the calendar.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calendar {
    /// From midnight to midnight: 23, 24 or 25 hours.
    Day,
    /// From the first to the last.
    Month,
}

impl Calendar {
    pub(super) const fn about(self) -> Duration {
        match self {
            Self::Day => Duration::from_secs(86_400),
            Self::Month => Duration::from_secs(30 * 86_400),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CalendarQuota {
    pub(crate) limit: u64,
    pub(crate) unit: Calendar,
    pub(crate) zone: TimeZone,
}

/// What was used in the window that began then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) start: u64,
    pub(crate) count: u64,
}

impl CalendarQuota {
    pub(super) fn new(limit: u64, unit: Calendar, zone: TimeZone) -> Result<Self> {
        if limit == 0 || limit > LARGEST {
            return Err(invalid("a limit of zero, or above 2^52"));
        }
        Ok(Self { limit, unit, zone })
    }

    fn start(&self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        match self.unit {
            Calendar::Day => at.start_of_day(),
            Calendar::Month => at.first_of_month()?.start_of_day(),
        }
    }

    fn next(&self, start: &Zoned) -> Result<Zoned, jiff::Error> {
        match self.unit {
            Calendar::Day => start.tomorrow()?.start_of_day(),
            Calendar::Month => start.last_of_month()?.tomorrow()?.start_of_day(),
        }
    }

    /// The beginnings of the window before the present one, of it, and of the two that follow, in microseconds since 1970.
    pub(crate) fn around(&self, now: u64) -> Result<[u64; 4]> {
        self.beginnings(now).map_err(|error| invalid("a time that no calendar has").with_source(error))
    }

    fn beginnings(&self, now: u64) -> Result<[u64; 4], jiff::Error> {
        let now = Timestamp::from_microsecond(i64::try_from(now).unwrap_or(i64::MAX))?.to_zoned(self.zone.clone());
        let here = self.start(&now)?;
        let before = self.start(&here.checked_sub(jiff::Span::new().microseconds(1))?)?;
        let next = self.next(&here)?;
        let after = self.next(&next)?;
        let micros = |at: &Zoned| u64::try_from(at.timestamp().as_microsecond()).unwrap_or(0);
        Ok([micros(&before), micros(&here), micros(&next), micros(&after)])
    }

    pub(super) fn judge(
        &self,
        counted: Option<&Counted>,
        now: u64,
        cost: u64,
        wanted: u64,
    ) -> Result<(Judged, Counted)> {
        let [_, start, end, _] = self.around(now)?;
        // What was counted in a day that the clock has left again counts in the one it is in now.
        let count = counted.filter(|counted| counted.start >= start).map_or(0, |counted| counted.count);
        let available = self.limit.saturating_sub(count);
        let allowed = cost <= available;
        let granted = if allowed { wanted.min(available) } else { 0 };
        let count = count + granted;
        let rest = end.saturating_sub(now);
        let judged = Judged {
            allowed,
            granted,
            remaining: available - granted,
            retry: if allowed { 0 } else { rest },
            reset: if count == 0 { 0 } else { rest },
            stepped: counted.is_some_and(|counted| counted.start > start),
        };
        Ok((judged, Counted { start, count }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_microsecond()).unwrap()
    }

    fn quota(limit: u64, unit: Calendar, zone: &str) -> CalendarQuota {
        CalendarQuota::new(limit, unit, TimeZone::get(zone).unwrap()).unwrap()
    }

    #[test]
    fn a_day_ends_at_midnight_of_its_zone() {
        let day = quota(2, Calendar::Day, "Asia/Shanghai");
        let evening = micros("2026-11-21T15:59:59Z");
        let (first, counted) = day.judge(None, evening, 2, 2).unwrap();
        assert_eq!((first.allowed, first.remaining, first.reset), (true, 0, 1_000_000));
        let (refused, _) = day.judge(Some(&counted), evening, 1, 1).unwrap();
        assert_eq!((refused.allowed, refused.retry), (false, 1_000_000));
        let (morning, _) = day.judge(Some(&counted), evening + 1_000_000, 1, 1).unwrap();
        assert_eq!((morning.allowed, morning.remaining), (true, 1));
    }

    #[test]
    fn days_may_have_23_and_25_hours_and_months_28_days() {
        let hours = |at: &str| {
            let [_, start, end, _] = quota(1, Calendar::Day, "Europe/Berlin").around(micros(at)).unwrap();
            (end - start) / 3_600_000_000
        };
        assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
        assert_eq!(hours("2026-11-21T12:00:00Z"), 24);
        let [before, start, end, after] =
            quota(1, Calendar::Month, "UTC").around(micros("2026-02-11T00:00:00Z")).unwrap();
        let days = |from: u64, to: u64| (to - from) / 86_400_000_000;
        assert_eq!((days(before, start), days(start, end), days(end, after)), (31, 28, 31));
    }

    #[test]
    fn a_clock_that_steps_back_over_midnight_gives_nothing_twice() {
        let day = quota(3, Calendar::Day, "UTC");
        let morning = micros("2026-11-21T00:00:01Z");
        let (_, counted) = day.judge(None, morning, 3, 3).unwrap();
        let yesterday = morning - 10_000_000;
        let (judged, rebased) = day.judge(Some(&counted), yesterday, 1, 1).unwrap();
        assert!(!judged.allowed);
        // Nor does it lock out for longer than until the next midnight.
        assert_eq!(judged.retry, 9_000_000);
        assert_eq!(rebased.count, 3);
    }
}
