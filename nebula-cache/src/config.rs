//! From configuration to a manager.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::behind::WriteBehind;
use crate::bloom::{BloomBuilder, BloomFilter, BloomSection, KeySource};
use crate::breaker::BreakerConfig;
use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::hot::HotKeys;
use crate::manager::{CacheManager, CacheManagerBuilder};
use crate::policy::Policy;

/// The section `nebula.cache` of an application's configuration. Unknown keys are refused; durations are text such as
/// `"30s"` or integers in milliseconds.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `provider` | `redis` if `redis.enabled`, else `memory` | `memory`: in this process alone; `redis`: two levels |
/// | `namespace` | `nebula:cache` | what the names of all keys in Redis begin with |
/// | `staleness-bound` | 2 s | how long a node that is cut off may answer with what was evicted elsewhere |
/// | `breaker` | | when the shared level is left alone, see [`BreakerConfig`] |
/// | `defaults` | | what holds for caches for which nothing else is said, see below |
/// | `caches.<name>` | | the same for one cache |
/// | `bloom-filters.<name>` | | options of a [`bloom_filter`](Self::bloom_filter), see below |
/// | `redis.enabled` | `false` | chooses `redis` if `provider` does not say |
/// | `redis.url` | `redis://127.0.0.1:6379/` | the server |
/// | `redis.username`, `redis.password` | none | win over those in the URL |
/// | `redis.response-timeout` | 2 s | how long to wait for a reply |
///
/// Under `defaults` and `caches.<name>`: `ttl`, `jitter`, `null-ttl`, `idle-ttl`, `local-ttl`, `local-capacity`,
/// `stale-while-revalidate`, `fail-safe`, `refresh-ahead`, `soft-timeout`, `load-timeout`, `back-off-min`, `back-off-max`, `max-loads`,
/// `shared-timeout`, `slow-shared`, `slow-load`, `schema`, `compress-above`, `warn-above`, `max-value`. They mean what the options of
/// [`CacheBuilder`](crate::CacheBuilder) mean; an option that the program sets wins. So it is with two groups: `hot-keys`
/// (the options of [`HotKeys`]: `threshold`, `top`, `sample`, `hold`, `local-ttl`, `only-hot-in-local`; if the group is
/// there, even empty, hot keys are looked for) and `write-behind` (those of [`WriteBehind`]: `capacity`, `batch`, `delay`,
/// `timeout`, `back-off-min`, `back-off-max`; for caches that the program gives a sink).
///
/// Under `bloom-filters.<name>`: `capacity`, `false-positive-rate`, `staleness-bound`, `rebuild-every`, `shard-size`, as the
/// options of [`BloomBuilder`].
///
/// ```
/// use nebula_cache::CacheConfig;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let config: CacheConfig = serde_json::from_str(
///     r#"{ "defaults": { "ttl": "10m" }, "caches": { "trains": { "ttl": "1h", "fail-safe": "1d" } } }"#,
/// )?;
/// let caches = config.connect().await?;
/// let trains = caches.cache::<String, String>("trains").build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct CacheConfig {
    provider: Option<Provider>,
    namespace: Option<String>,
    #[serde(deserialize_with = "duration::optional")]
    staleness_bound: Option<Duration>,
    breaker: BreakerConfig,
    defaults: PolicySection,
    caches: BTreeMap<String, PolicySection>,
    bloom_filters: BTreeMap<String, BloomSection>,
    redis: RedisSection,
}

/// Where values are cached.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// In this process.
    Memory,
    /// In this process and on Redis (feature `redis`).
    Redis,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct PolicySection {
    #[serde(deserialize_with = "duration::optional")]
    ttl: Option<Duration>,
    jitter: Option<f64>,
    #[serde(deserialize_with = "duration::optional")]
    null_ttl: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    idle_ttl: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    local_ttl: Option<Duration>,
    local_capacity: Option<u64>,
    #[serde(deserialize_with = "duration::optional")]
    stale_while_revalidate: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    fail_safe: Option<Duration>,
    refresh_ahead: Option<f64>,
    #[serde(deserialize_with = "duration::optional")]
    soft_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    load_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    back_off_min: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    back_off_max: Option<Duration>,
    max_loads: Option<usize>,
    #[serde(deserialize_with = "duration::optional")]
    shared_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    slow_shared: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    slow_load: Option<Duration>,
    schema: Option<u32>,
    compress_above: Option<usize>,
    warn_above: Option<usize>,
    max_value: Option<usize>,
    hot_keys: Option<HotKeys>,
    write_behind: WriteBehind,
}

impl PolicySection {
    fn over(&self, policy: &Policy) -> Policy {
        Policy {
            ttl: self.ttl.unwrap_or(policy.ttl),
            jitter: self.jitter.unwrap_or(policy.jitter),
            null_ttl: self.null_ttl.unwrap_or(policy.null_ttl),
            idle: self.idle_ttl.or(policy.idle),
            local_ttl: self.local_ttl.unwrap_or(policy.local_ttl),
            local_capacity: self.local_capacity.unwrap_or(policy.local_capacity),
            stale_while_revalidate: self.stale_while_revalidate.unwrap_or(policy.stale_while_revalidate),
            fail_safe: self.fail_safe.unwrap_or(policy.fail_safe),
            refresh_ahead: self.refresh_ahead.or(policy.refresh_ahead),
            soft_timeout: self.soft_timeout.or(policy.soft_timeout),
            load_timeout: self.load_timeout.unwrap_or(policy.load_timeout),
            back_off: (self.back_off_min.unwrap_or(policy.back_off.0), self.back_off_max.unwrap_or(policy.back_off.1)),
            max_loads: self.max_loads.unwrap_or(policy.max_loads),
            shared_timeout: self.shared_timeout.unwrap_or(policy.shared_timeout),
            slow_shared: self.slow_shared.unwrap_or(policy.slow_shared),
            slow_load: self.slow_load.unwrap_or(policy.slow_load),
            schema: self.schema.unwrap_or(policy.schema),
            compress_above: self.compress_above.unwrap_or(policy.compress_above),
            warn_above: self.warn_above.unwrap_or(policy.warn_above),
            max_value: self.max_value.unwrap_or(policy.max_value),
            hot: self.hot_keys.map(|hot| hot.or(policy.hot.unwrap_or_default())).or(policy.hot),
            behind: self.write_behind.or(policy.behind),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RedisSection {
    pub(crate) enabled: Option<bool>,
    url: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    #[serde(deserialize_with = "duration::optional")]
    response_timeout: Option<Duration>,
}

impl CacheConfig {
    /// Caches in this process, with the defaults.
    #[must_use]
    pub fn memory() -> Self {
        Self { provider: Some(Provider::Memory), ..Self::default() }
    }

    /// Two levels with the Redis server at `url`, with the defaults.
    #[must_use]
    pub fn redis(url: impl Into<String>) -> Self {
        let redis = RedisSection { url: Some(SecretString::from(url.into())), ..RedisSection::default() };
        Self { provider: Some(Provider::Redis), redis, ..Self::default() }
    }

    /// Where values will be cached.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if `provider` and `redis.enabled` contradict each other.
    pub fn provider(&self) -> Result<Provider> {
        match (self.provider, self.redis.enabled) {
            (Some(Provider::Redis), Some(false)) => {
                Err(Error::new(ErrorKind::ConfigInvalid, "`provider` is `redis`, but `redis.enabled` is `false`"))
            }
            (Some(provider), _) => Ok(provider),
            (None, Some(true)) => Ok(Provider::Redis),
            (None, _) => Ok(Provider::Memory),
        }
    }

    /// Connects and returns the manager.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for contradictions, values that cannot work and providers that are not compiled in;
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Auth`] if the server cannot be used.
    ///
    /// # Cancel safety
    /// Cancel safe: what was opened is closed.
    pub async fn connect(&self) -> Result<CacheManager> {
        let builder = self.builder()?;
        match self.provider()? {
            Provider::Memory => builder.start().await,
            #[cfg(feature = "redis")]
            Provider::Redis => builder.with_shared(self.backend().await?).start().await,
            #[cfg(not(feature = "redis"))]
            Provider::Redis => Err(without_redis()),
        }
    }

    /// A builder with these settings, for a shared level that the application brings. `provider`, `namespace` and the
    /// connection settings are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for values that cannot work.
    pub fn builder(&self) -> Result<CacheManagerBuilder> {
        let told = |whose: String| {
            move |error| Error::new(ErrorKind::ConfigInvalid, format!("{whose} of `nebula.cache`")).with_source(error)
        };
        let defaults = self.defaults.over(&Policy::default());
        defaults.check().map_err(told("the defaults".to_owned()))?;
        let mut named = BTreeMap::new();
        for (name, section) in &self.caches {
            let policy = section.over(&defaults);
            policy.check().map_err(told(format!("the cache {name:?}")))?;
            named.insert(name.clone(), policy);
        }
        self.breaker.check().map_err(told("the breaker".to_owned()))?;
        for name in self.bloom_filters.keys() {
            self.bloom_builder(name.as_str()).check().map_err(told(format!("the bloom filter {name:?}")))?;
        }
        let mut builder = CacheManager::builder().with_policies(defaults, named).with_breaker(self.breaker.clone());
        if let Some(bound) = self.staleness_bound {
            builder = builder.with_staleness_bound(bound);
        }
        Ok(builder)
    }

    /// A builder with the settings of the filter of this name, for a store that the application brings.
    pub fn bloom_builder(&self, name: impl Into<Arc<str>>) -> BloomBuilder {
        let name = name.into();
        let section = self.bloom_filters.get(&*name).copied().unwrap_or_default();
        BloomFilter::builder(name).configured(&section)
    }

    /// The filter of this name, built from `source`: in this process with the provider `memory`, shared by all nodes with
    /// `redis`, over a connection of its own.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Cancel safe: what was opened is closed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn bloom_filter(&self, name: impl Into<Arc<str>>, source: impl KeySource) -> Result<BloomFilter> {
        let builder = self.bloom_builder(name).with_source(source);
        match self.provider()? {
            Provider::Memory => builder.local(),
            #[cfg(feature = "redis")]
            Provider::Redis => builder.shared(self.backend().await?),
            #[cfg(not(feature = "redis"))]
            Provider::Redis => Err(without_redis()),
        }
    }

    #[cfg(feature = "redis")]
    async fn backend(&self) -> Result<crate::redis::RedisShared<nebula_redis::Connection>> {
        let (connection, subscriber) = self.redis.connect().await?;
        let shared = crate::redis::RedisShared::new(connection, subscriber);
        // A server that wants a password says so at the first command only.
        crate::store::SharedStore::ping(&shared).await?;
        Ok(match &self.namespace {
            Some(namespace) => shared.with_namespace(namespace.as_str()),
            None => shared,
        })
    }
}

#[cfg(not(feature = "redis"))]
fn without_redis() -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "provider `redis` needs the feature `redis` of nebula-cache; compiled in: memory",
    )
}

#[cfg(feature = "redis")]
impl RedisSection {
    pub(crate) async fn connect(&self) -> Result<(nebula_redis::Connection, nebula_redis::Subscriber)> {
        use nebula_redis::RedisConfig;
        use secrecy::ExposeSecret;

        let mut redis =
            self.url.as_ref().map_or_else(RedisConfig::default, |url| RedisConfig::new(url.expose_secret()));
        if let Some(username) = &self.username {
            redis = redis.with_username(username);
        }
        if let Some(password) = &self.password {
            redis = redis.with_password(password.clone());
        }
        if let Some(time) = self.response_timeout {
            redis = redis.with_response_timeout(time);
        }
        Ok((redis.connect().await?, redis.subscriber()?))
    }
}
