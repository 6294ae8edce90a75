//! `nebula.auth.throttle`

use std::time::Duration;

use serde::Deserialize;

use crate::{duration, error::Error, throttle::BackOff};

/// `nebula.auth.throttle`: how fast failed attempts may follow one another.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ThrottleConfig {
    /// How many attempts on one account have no wait. Default: 5.
    pub attempts: u32,
    /// How many attempts from one source have no wait. Default: 50.
    pub source_attempts: u32,
    /// The first wait, doubled with every attempt. Default: 1 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub first_wait: Duration,
    /// The longest wait. Default: 15 min.
    #[serde(deserialize_with = "duration::deserialize")]
    pub longest_wait: Duration,
    /// How long after the last attempt all is forgotten. Default: 1 h.
    #[serde(deserialize_with = "duration::deserialize")]
    pub forget: Duration,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            attempts: BackOff::account().free(),
            source_attempts: BackOff::source().free(),
            first_wait: Duration::from_secs(1),
            longest_wait: BackOff::account().longest(),
            forget: Duration::from_hours(1),
        }
    }
}

impl ThrottleConfig {
    /// For one account, and for one source.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) as [`BackOff::new`].
    pub fn back_offs(&self) -> Result<(BackOff, BackOff), Error> {
        let of = |attempts| BackOff::new(attempts, self.first_wait, self.longest_wait, self.forget);
        Ok((of(self.attempts)?, of(self.source_attempts)?))
    }
}
