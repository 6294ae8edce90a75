//! How many requests a server takes, by configuration.

use std::time::Duration;

use nebula_cache::rate_limit::WarmUpLimiter;
use serde::Deserialize;

use super::Class;
use crate::duration;

/// Requests a second that one server takes, of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ApiLimitsConfig {
    /// What is read: 100,000 a second.
    pub queries: ApiLimit,
    /// New orders: 50,000 a second, after a warm-up of 10 s.
    pub orders: ApiLimit,
    /// Payments that begin: 30,000 a second.
    pub payments: ApiLimit,
}

/// One of them. What is left out is as it is said there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ApiLimit {
    /// Requests a second.
    pub rate: Option<u64>,
    /// From a third to all of it it takes so long, after the start and after a pause; zero: at once.
    #[serde(with = "duration::optional")]
    pub warm_up: Option<Duration>,
}

/// The most that makes sense of one server.
const MOST: u64 = 10_000_000;
const LONGEST: Duration = Duration::from_secs(3_600);

impl ApiLimitsConfig {
    /// Whether it makes sense; if not, the key and the reason.
    ///
    /// # Errors
    ///
    /// The key and what is allowed.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        for class in Class::ALL {
            let [rate, warm_up] = match class {
                Class::Queries => ["api-limits.queries.rate", "api-limits.queries.warm-up"],
                Class::Orders => ["api-limits.orders.rate", "api-limits.orders.warm-up"],
                Class::Payments => ["api-limits.payments.rate", "api-limits.payments.warm-up"],
            };
            let (count, period) = self.of(class);
            if !(1..=MOST).contains(&count) {
                return Err((rate, "is 1 to 10000000 requests a second"));
            }
            if period > LONGEST {
                return Err((warm_up, "is an hour at most"));
            }
        }
        Ok(())
    }

    /// Requests a second of a class, and its warm-up.
    #[must_use]
    pub fn of(&self, class: Class) -> (u64, Duration) {
        let (limit, rate, warm_up) = match class {
            Class::Queries => (self.queries, 100_000, Duration::ZERO),
            Class::Orders => (self.orders, 50_000, Duration::from_secs(10)),
            Class::Payments => (self.payments, 30_000, Duration::ZERO),
        };
        (limit.rate.unwrap_or(rate), limit.warm_up.unwrap_or(warm_up))
    }

    /// The limiter of a class; cold, if it warms up.
    ///
    /// # Errors
    ///
    /// With numbers that [`check`](Self::check) refuses.
    pub(super) fn limiter(&self, class: Class) -> Result<WarmUpLimiter, nebula_cache::Error> {
        let (rate, warm_up) = self.of(class);
        WarmUpLimiter::new(rate, Duration::from_secs(1))?.with_warm_up(warm_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_as_the_platform_begins_and_nonsense_is_named() {
        let seconds = Duration::from_secs;
        let config = ApiLimitsConfig::default();
        assert_eq!(config.of(Class::Queries), (100_000, Duration::ZERO));
        assert_eq!(config.of(Class::Orders), (50_000, seconds(10)));
        assert_eq!(config.of(Class::Payments), (30_000, Duration::ZERO));
        let config: ApiLimitsConfig =
            serde_json::from_str(r#"{"orders": {"rate": 7}, "payments": {"warm-up": "2s"}}"#).unwrap();
        assert_eq!((config.of(Class::Orders), config.check()), ((7, seconds(10)), Ok(())));
        assert_eq!(config.of(Class::Payments), (30_000, seconds(2)));
        for (text, key) in [
            (r#"{"queries": {"rate": 0}}"#, "api-limits.queries.rate"),
            (r#"{"payments": {"rate": 10000001}}"#, "api-limits.payments.rate"),
            (r#"{"orders": {"warm-up": "2h"}}"#, "api-limits.orders.warm-up"),
        ] {
            let config: ApiLimitsConfig = serde_json::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().0, key);
        }
        assert!(serde_json::from_str::<ApiLimitsConfig>(r#"{"orders": {"burst": 1}}"#).is_err());
    }
}
