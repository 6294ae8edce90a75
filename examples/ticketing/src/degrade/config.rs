//! How what is given up is configured.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;

/// What is given up when there is too much to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DegradeConfig {
    /// Whether this process gives up something by itself. Operators can in any case.
    pub automatic: bool,
    /// So late the event loop may be.
    #[serde(with = "duration")]
    pub lateness: Duration,
    /// So long a write may wait for the database.
    #[serde(with = "duration")]
    pub wait: Duration,
    /// After so long above either, one class of requests more is refused.
    #[serde(with = "duration")]
    pub raise_after: Duration,
    /// After so long below half of both, one less.
    #[serde(with = "duration")]
    pub lower_after: Duration,
}

impl Default for DegradeConfig {
    fn default() -> Self {
        Self {
            automatic: true,
            lateness: Duration::from_millis(500),
            wait: Duration::from_secs(2),
            raise_after: Duration::from_secs(5),
            lower_after: Duration::from_secs(20),
        }
    }
}

impl DegradeConfig {
    /// Whether it can work.
    ///
    /// # Errors
    ///
    /// The key that cannot, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        for (key, time) in [
            ("degrade.lateness", self.lateness),
            ("degrade.wait", self.wait),
            ("degrade.raise-after", self.raise_after),
            ("degrade.lower-after", self.lower_after),
        ] {
            if time < Duration::from_millis(10) {
                return Err((key, "must be at least 10ms"));
            }
        }
        Ok(())
    }
}
