//! The times that govern a lock, and the limits within which they make sense.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Longest lease and longest wait. Whatever is longer is a unit mixed up, and near the end of what clocks can add.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 365);

/// What a manager applies unless a call says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) lease: Duration,
    pub(crate) watchdog: Option<Duration>,
    pub(crate) wait: Duration,
    pub(crate) max_hold: Option<Duration>,
    pub(crate) long_hold: Duration,
    pub(crate) retry_interval: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) local_queue: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            watchdog: None,
            wait: Duration::from_secs(10),
            max_hold: None,
            long_hold: Duration::from_secs(60),
            retry_interval: Duration::from_millis(100),
            command_timeout: Duration::from_secs(3),
            local_queue: true,
        }
    }
}

/// The checked times of one hold.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Lease of the acquisition.
    pub(crate) lease: Duration,
    /// Lease that each renewal asks for; `None`: the hold is not renewed.
    pub(crate) renewal: Option<Duration>,
    /// How long to wait for the lock; `None`: one attempt.
    pub(crate) wait: Option<Duration>,
    pub(crate) max_hold: Option<Duration>,
    /// What is held for so long is reported.
    pub(crate) long_hold: Duration,
    pub(crate) retry_interval: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) local_queue: bool,
}

impl Options {
    /// Applies what a call asked for. `wait` of zero means one attempt.
    pub(crate) fn terms(&self, lease: Option<Duration>, wait: Duration) -> Result<Terms> {
        let renewal = if lease.is_some() { None } else { Some(self.watchdog.unwrap_or(self.lease)) };
        let lease = lease.unwrap_or(self.lease);
        for (name, length) in [("lease", Some(lease)), ("watchdog timeout", renewal), ("longest hold", self.max_hold)] {
            check(name, length)?;
        }
        if wait > LONGEST {
            let context = format!("a wait of {} is longer than a year", humantime::format_duration(wait));
            return Err(Error::new(ErrorKind::InvalidWait, context));
        }
        for (name, length) in [("command timeout", self.command_timeout), ("retry interval", self.retry_interval)] {
            if length > LONGEST {
                return Err(Error::new(ErrorKind::ConfigInvalid, format!("a {name} longer than a year")));
            }
        }
        Ok(Terms {
            lease: self.max_hold.map_or(lease, |most| lease.min(most)),
            renewal,
            wait: Some(wait).filter(|wait| !wait.is_zero()),
            max_hold: self.max_hold,
            long_hold: self.long_hold,
            retry_interval: self.retry_interval.max(Duration::from_millis(1)),
            command_timeout: self.command_timeout.max(Duration::from_millis(1)),
            local_queue: self.local_queue,
        })
    }
}

/// Servers count leases in milliseconds: less than one would be none.
fn check(name: &str, length: Option<Duration>) -> Result<()> {
    let context = match length {
        Some(length) if length < Duration::from_millis(1) => format!("a {name} shorter than one millisecond"),
        Some(length) if length > LONGEST => format!("a {name} longer than a year"),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidLease, context))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(options: &Options, lease: Option<Duration>, wait: Duration) -> Option<ErrorKind> {
        options.terms(lease, wait).err().map(|error| error.kind())
    }

    #[test]
    fn absurd_times_are_refused() {
        let options = Options::default();
        assert_eq!(kind(&options, Some(Duration::ZERO), Duration::ZERO), Some(ErrorKind::InvalidLease));
        assert_eq!(kind(&options, Some(Duration::from_micros(999)), Duration::ZERO), Some(ErrorKind::InvalidLease));
        assert_eq!(kind(&options, Some(Duration::MAX), Duration::ZERO), Some(ErrorKind::InvalidLease));
        assert_eq!(kind(&options, None, Duration::MAX), Some(ErrorKind::InvalidWait));
        let unrenewable = Options { watchdog: Some(Duration::ZERO), ..Options::default() };
        assert_eq!(kind(&unrenewable, None, Duration::ZERO), Some(ErrorKind::InvalidLease));
        let patient = Options { command_timeout: Duration::MAX, ..Options::default() };
        assert_eq!(kind(&patient, None, Duration::ZERO), Some(ErrorKind::ConfigInvalid));
        let lazy = Options { retry_interval: Duration::MAX, ..Options::default() };
        assert_eq!(kind(&lazy, None, Duration::ZERO), Some(ErrorKind::ConfigInvalid));
        assert_eq!(kind(&options, None, Duration::ZERO), None);
    }

    #[test]
    fn an_explicit_lease_is_not_renewed() {
        let options = Options::default();
        assert_eq!(options.terms(Some(Duration::from_secs(5)), Duration::ZERO).unwrap().renewal, None);
        assert_eq!(options.terms(None, Duration::ZERO).unwrap().renewal, Some(options.lease));
    }

    #[test]
    fn no_lease_outlasts_the_longest_hold() {
        let options = Options { max_hold: Some(Duration::from_secs(1)), ..Options::default() };
        assert_eq!(options.terms(None, Duration::ZERO).unwrap().lease, Duration::from_secs(1));
    }
}
