//! How much in how much time.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::calendar::{Calendar, CalendarQuota};
use super::gcra::Rate;
use super::rolling::Rolling;
use crate::error::{Error, ErrorKind, Result};

/// How much somebody may do in how much time. See the [module](super) for the algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota(pub(crate) Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rate(Rate),
    Rolling(Rolling),
    Calendar(CalendarQuota),
}

/// Whole numbers up to here are exact in a script on Redis, with room for one addition.
pub(crate) const LARGEST: u64 = 1 << 52;

pub(super) fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, what)
}

/// Whole microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Quota {
    /// A token bucket: `count` in each `per`, evenly spread, and up to `count` at once after a pause; see
    /// [`with_burst`](Self::with_burst).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use nebula_cache::rate_limit::Quota;
    ///
    /// // 1,000 a second, and 10,000 at once.
    /// let queue = Quota::rate(1_000, Duration::from_secs(1))?.with_burst(10_000)?;
    /// assert_eq!(queue.capacity(), 10_000);
    /// # Ok::<_, nebula_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for zero, for times below a microsecond or above 366 days, and for numbers that are too
    /// large to be exact (`burst × per / gcd(count, per)` above 2⁵²).
    pub fn rate(count: u64, per: Duration) -> Result<Self> {
        Rate::new(count, micros(per), count).map(|rate| Self(Kind::Rate(rate)))
    }

    /// How much at once, for a token bucket.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] as for [`rate`](Self::rate), and for quotas that are no token bucket.
    pub fn with_burst(self, burst: u64) -> Result<Self> {
        match self.0 {
            Kind::Rate(rate) => Rate::new(rate.count, rate.per, burst).map(|rate| Self(Kind::Rate(rate))),
            _ => Err(invalid("only a rate has a burst")),
        }
    }

    /// At most `limit` in any span of time of this length, whenever it begins.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for a limit of zero or above 2⁵², and windows below a millisecond or above 366 days.
    pub fn rolling(limit: u64, window: Duration) -> Result<Self> {
        Rolling::new(limit, micros(window)).map(|rolling| Self(Kind::Rolling(rolling)))
    }

    /// At most `limit` in each day or month of the calendar, which begins at midnight in the time zone.
    ///
    /// ```
    /// use nebula_cache::rate_limit::{Calendar, Quota};
    ///
    /// let messages = Quota::calendar(5, Calendar::Day, "Asia/Shanghai")?;
    /// assert!(Quota::calendar(5, Calendar::Day, "Mars/Olympus").is_err());
    /// # Ok::<_, nebula_cache::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for a limit of zero or above 2⁵², and time zones that are not known.
    pub fn calendar(limit: u64, unit: Calendar, zone: &str) -> Result<Self> {
        let zone =
            TimeZone::get(zone).map_err(|error| invalid(format!("unknown time zone {zone:?}")).with_source(error))?;
        CalendarQuota::new(limit, unit, zone).map(|calendar| Self(Kind::Calendar(calendar)))
    }

    /// The most that can be asked for at once.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        match &self.0 {
            Kind::Rate(rate) => rate.burst,
            Kind::Rolling(rolling) => rolling.limit,
            Kind::Calendar(calendar) => calendar.limit,
        }
    }

    /// How much comes back in [`window`](Self::window).
    #[must_use]
    pub const fn count(&self) -> u64 {
        match &self.0 {
            Kind::Rate(rate) => rate.count,
            Kind::Rolling(rolling) => rolling.limit,
            Kind::Calendar(calendar) => calendar.limit,
        }
    }

    /// The time to which [`count`](Self::count) refers; a month counts as 30 days.
    #[must_use]
    pub const fn window(&self) -> Duration {
        match &self.0 {
            Kind::Rate(rate) => Duration::from_micros(rate.per),
            Kind::Rolling(rolling) => Duration::from_micros(rolling.window),
            Kind::Calendar(calendar) => calendar.unit.about(),
        }
    }

    /// The part of one of so many nodes, at least `cost`.
    pub(crate) fn share(&self, nodes: u64, cost: u64) -> Self {
        let nodes = nodes.max(1);
        let part = |limit: u64| limit.div_ceil(nodes).max(cost).max(1);
        Self(match &self.0 {
            Kind::Rate(rate) => Kind::Rate(
                Rate::new(rate.count, rate.per.saturating_mul(nodes), part(rate.burst))
                    .unwrap_or_else(|_| rate.clone()),
            ),
            Kind::Rolling(rolling) => Kind::Rolling(Rolling { limit: part(rolling.limit), ..rolling.clone() }),
            Kind::Calendar(calendar) => {
                Kind::Calendar(CalendarQuota { limit: part(calendar.limit), ..calendar.clone() })
            }
        })
    }
}
