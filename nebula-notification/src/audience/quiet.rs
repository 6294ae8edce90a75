use std::time::SystemTime;

use jiff::{Timestamp, Zoned, civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A span of the day in which notices and marketing wait. It may go over midnight.
///
/// ```
/// use nebula_notification::QuietHours;
///
/// let nights = QuietHours::new("22:00", "08:00", "Asia/Shanghai")?;
/// assert!(QuietHours::new("22:00", "8 o'clock", "Asia/Shanghai").is_err());
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct QuietHours {
    from: Time,
    to: Time,
    zone: TimeZone,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    from: String,
    to: String,
    zone: String,
}

impl QuietHours {
    /// From a time of the day to another, in a time zone such as `Asia/Shanghai`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for what is no time, an unknown zone, and a span without length.
    pub fn new(from: &str, to: &str, zone: &str) -> Result<Self> {
        let refuse = |what: String| Error::new(ErrorKind::ConfigInvalid, what);
        let time = |text: &str| text.parse::<Time>().map_err(|error| refuse(format!("quiet hours: {error}")));
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(refuse("quiet hours that end when they begin".to_owned()));
        }
        let name = zone.to_owned();
        let zone = TimeZone::get(zone).map_err(|error| refuse(format!("quiet hours: {error}")))?;
        Ok(Self { from, to, zone, name })
    }

    /// When the quiet hours that hold at `now` end; `None` if there are none.
    #[must_use]
    pub fn end(&self, now: SystemTime) -> Option<SystemTime> {
        let local = Timestamp::try_from(now).ok()?.to_zoned(self.zone.clone());
        let time = local.time();
        let (over_midnight, after, before) = (self.to < self.from, time >= self.from, time < self.to);
        let quiet = if over_midnight { after || before } else { after && before };
        if !quiet {
            return None;
        }
        let today = local.date();
        let day = if over_midnight && after { today.tomorrow().ok()? } else { today };
        // Where a clock is put forward over the end, the end is the moment after the gap.
        let end: Zoned = day.to_datetime(self.to).to_zoned(self.zone.clone()).ok()?;
        Some(SystemTime::from(end.timestamp()))
    }
}

impl TryFrom<Written> for QuietHours {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        Self::new(&written.from, &written.to, &written.zone)
    }
}

impl From<QuietHours> for Written {
    fn from(hours: QuietHours) -> Self {
        Self { from: hours.from.to_string(), to: hours.to.to_string(), zone: hours.name }
    }
}
