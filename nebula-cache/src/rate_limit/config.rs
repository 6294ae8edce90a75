//! From configuration to a limiter.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::limiter::{RateLimiter, RateLimiterBuilder};
use super::memory::MemoryRates;
use super::quota::invalid;
use super::rule::Rule;
use super::rules::RuleText;
use super::store::RateLimitStore;
use crate::breaker::BreakerConfig;
use crate::config::RedisSection;
use crate::duration;
use crate::error::Result;

/// The section `nebula.rate-limit` of an application's configuration. Unknown keys are refused; durations are text such as
/// `"1m"` or integers in milliseconds.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `provider` | `redis` if `redis.enabled`, else `memory` | where what was used is kept: `memory`, `redis` |
/// | `namespace` | `nebula:rates` | what the names of all keys in Redis begin with |
/// | `timeout` | 100 ms | how long a decision waits for Redis |
/// | `poll-interval` | 1 s | how often to look for changed rules |
/// | `breaker` | | when Redis is left alone, see [`BreakerConfig`] |
/// | `rules.<name>` | | see below |
/// | `redis.enabled`, `redis.url`, `redis.username`, `redis.password`, `redis.response-timeout` | | as for the cache |
///
/// Under `rules.<name>` either `rate`, `per` (1 s) and `burst` (as `rate`); or `limit` and `window`; or `limit`, `calendar`
/// (`day`, `month`) and `time-zone` (`UTC`). Besides: `when-down` (`local-share`, `open`, `closed`), and for rates `lease`
/// with `lease-time` (200 ms).
///
/// ```
/// use nebula_cache::rate_limit::RateLimitConfig;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let config: RateLimitConfig = serde_json::from_str(
///     r#"{ "rules": {
///         "login": { "rate": 10, "per": "1m", "when-down": "closed" },
///         "sms": { "limit": 5, "calendar": "day", "time-zone": "Asia/Shanghai" }
///     } }"#,
/// )?;
/// let limiter = config.connect().await?;
/// assert!(limiter.check("sms", "+8613800138000").await?.is_allowed());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RateLimitConfig {
    provider: Option<RateLimitProvider>,
    namespace: Option<String>,
    #[serde(deserialize_with = "duration::optional")]
    timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    poll_interval: Option<Duration>,
    breaker: BreakerConfig,
    rules: BTreeMap<String, RuleText>,
    redis: RedisSection,
}

/// Where what was used is kept.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimitProvider {
    /// In this process.
    Memory,
    /// On Redis (feature `redis`).
    Redis,
}

impl RateLimitConfig {
    /// Where what was used will be kept.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) if `provider` and `redis.enabled` contradict each other.
    pub fn provider(&self) -> Result<RateLimitProvider> {
        match (self.provider, self.redis.enabled) {
            (Some(RateLimitProvider::Redis), Some(false)) => {
                Err(invalid("`provider` is `redis`, but `redis.enabled` is `false`"))
            }
            (Some(provider), _) => Ok(provider),
            (None, Some(true)) => Ok(RateLimitProvider::Redis),
            (None, _) => Ok(RateLimitProvider::Memory),
        }
    }

    /// Adds rules that the application brings, where the configuration has none of the same name.
    #[must_use]
    pub fn with_default_rules(mut self, rules: &[Rule]) -> Self {
        for rule in rules {
            self.rules.entry(rule.name().to_owned()).or_insert_with(|| RuleText::of(rule));
        }
        self
    }

    /// Connects and starts.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for contradictions, rules that cannot work and providers
    /// that are not compiled in; what the server reports if it cannot be used.
    ///
    /// # Cancel safety
    /// Cancel safe: what was opened is closed.
    pub async fn connect(&self) -> Result<RateLimiter> {
        match self.provider()? {
            RateLimitProvider::Memory => self.builder(MemoryRates::new())?.start().await,
            #[cfg(feature = "redis")]
            RateLimitProvider::Redis => {
                let (connection, subscriber) = self.redis.connect().await?;
                let mut store = super::redis::RedisRates::new(connection, subscriber);
                if let Some(namespace) = &self.namespace {
                    store = store.with_namespace(namespace.as_str());
                }
                self.builder(store)?.start().await
            }
            #[cfg(not(feature = "redis"))]
            RateLimitProvider::Redis => {
                Err(invalid("provider `redis` needs the feature `redis` of nebula-cache; compiled in: memory"))
            }
        }
    }

    /// A builder with these settings, for a store that the application brings. `provider`, `namespace` and the connection
    /// settings are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for rules that cannot work.
    pub fn builder(&self, store: impl RateLimitStore) -> Result<RateLimiterBuilder> {
        let rules = self.rules.iter().map(|(name, text)| text.rule(name)).collect::<Result<Vec<_>>>()?;
        let mut builder = RateLimiter::builder(store).with_rules(rules).with_breaker(self.breaker.clone());
        if let Some(timeout) = self.timeout {
            builder = builder.with_timeout(timeout);
        }
        if let Some(interval) = self.poll_interval {
            builder = builder.with_poll_interval(interval);
        }
        Ok(builder)
    }
}
