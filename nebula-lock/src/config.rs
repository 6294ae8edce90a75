//! Configuration: the section `nebula.lock`.

mod redis;

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::DistributedLock;
use crate::manager::LockManager;
use crate::memory::MemoryLock;
use crate::options::Options;
use crate::redlock::RedlockSection;
use redis::RedisSection;

/// The section `nebula.lock` of an application's configuration. Unknown keys are refused; durations are text such as
/// `"30s"` or integers in milliseconds.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `provider` | see [`LockConfig::provider`] | where the locks live: `memory`, `redis` or `redlock` |
/// | `prefix` | empty | put before every key |
/// | `default-lease-time` | 30 s | first lease of a lock for which the call names none |
/// | `watch-dog-timeout` | 30 s | lease that renewals ask for, every third of it |
/// | `default-wait-time` | 10 s | how long `lock` waits |
/// | `retry-interval` | 100 ms | how often a waiting caller tries again where it cannot be woken |
/// | `max-hold-time` | unlimited | the longest hold |
/// | `warn-hold-time` | 1 min | a hold that lasts longer is reported |
/// | `redis.enabled` | `false` | chooses `redis` if `provider` does not say |
/// | `redis.url` | `redis://127.0.0.1:6379/` | the server, or several: `redis-sentinel://host:port,host:port/master`, `redis-cluster://host:port,host:port` |
/// | `redis.sentinel.master`, `redis.sentinel.nodes` | none | instead of `url`: the master that sentinels name, and a list of sentinels, `host:port` |
/// | `redis.sentinel.username`, `redis.sentinel.password` | none | of the sentinels |
/// | `redis.cluster.nodes` | none | instead of `url`: a list of some nodes of a cluster, `host:port` |
/// | `redis.username`, `redis.password` | none | win over those in the URL |
/// | `redis.response-timeout` | 2 s | how long to wait for a reply |
/// | `redis.group-commit` | none | above how many operations under way they share script calls; 16 is a good value |
/// | `redis.fence-tokens` | `true` | whether exclusive locks have fence tokens |
/// | `redis.replicas` | 0 | how many replicas have to know a lock before it is handed out |
/// | `redis.replication-timeout` | 500 ms | how long they may take |
/// | `redlock.nodes` | none | URLs of independent servers, three or more: chooses `redlock` if `provider` does not say |
/// | `redlock.username`, `redlock.password` | none | for all nodes; win over those in the URLs |
/// | `redlock.node-timeout` | 200 ms | how long to wait for the reply of one node |
/// | `redlock.min-validity` | 0 | what has to be left of a lease when a lock is handed out; less than the lease |
///
/// The six times may also stand under `redis`, where they win.
///
/// ```
/// use nebula_lock::LockConfig;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let config: LockConfig = serde_json::from_str(r#"{ "provider": "memory", "default-wait-time": "2s" }"#)?;
/// let locks = config.connect().await?;
/// assert!(locks.try_lock("seat:1").await?.is_some());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockConfig {
    provider: Option<Provider>,
    prefix: String,
    #[serde(deserialize_with = "duration::optional")]
    default_lease_time: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    watch_dog_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    default_wait_time: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    retry_interval: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    max_hold_time: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    warn_hold_time: Option<Duration>,
    redis: RedisSection,
    redlock: RedlockSection,
}

/// Where locks live.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// In this process.
    Memory,
    /// On a Redis server (feature `redis`).
    Redis,
    /// On a majority of several independent Redis servers (feature `redis`): [`Redlock`](crate::Redlock).
    Redlock,
}

impl LockConfig {
    /// Locks in this process, with the defaults.
    #[must_use]
    pub fn memory() -> Self {
        Self { provider: Some(Provider::Memory), ..Self::default() }
    }

    /// Locks on the Redis server at `url`, or on the several that it names, with the defaults.
    #[must_use]
    pub fn redis(url: impl Into<String>) -> Self {
        let redis = RedisSection::at(url.into());
        Self { provider: Some(Provider::Redis), redis, ..Self::default() }
    }

    /// Locks on a majority of the independent Redis servers at `urls`, with the defaults.
    #[must_use]
    pub fn redlock<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        let nodes = urls.into_iter().map(|url| SecretString::from(url.into())).collect();
        let redlock = RedlockSection { nodes, ..RedlockSection::default() };
        Self { provider: Some(Provider::Redlock), redlock, ..Self::default() }
    }

    /// Where the locks will live: where `provider` says; else on Redis if `redis.enabled`; else on a quorum if
    /// `redlock.nodes` names one; else in memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] if the settings contradict each other.
    pub fn provider(&self) -> Result<Provider> {
        match (self.provider, self.redis.enabled) {
            (Some(Provider::Redis), Some(false)) => {
                Err(Error::new(ErrorKind::ConfigInvalid, "`provider` is `redis`, but `redis.enabled` is `false`"))
            }
            (Some(provider), _) => Ok(provider),
            (None, Some(true)) if !self.redlock.nodes.is_empty() => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "`redis.enabled` is `true` and `redlock.nodes` names servers: let `provider` choose",
            )),
            (None, Some(true)) => Ok(Provider::Redis),
            (None, _) if !self.redlock.nodes.is_empty() => Ok(Provider::Redlock),
            (None, _) => Ok(Provider::Memory),
        }
    }

    /// Connects and returns the manager.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] for contradictions, values that cannot work and providers that are not compiled in;
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Auth`] if the server cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was opened is closed.
    pub async fn connect(&self) -> Result<LockManager> {
        match self.provider()? {
            Provider::Memory => self.connect_with(MemoryLock::new()),
            #[cfg(feature = "redis")]
            Provider::Redis => self.connect_with(self.redis.backend().await?),
            #[cfg(feature = "redis")]
            Provider::Redlock => self.connect_with(self.redlock.backend(self.lease()).await?),
            #[cfg(not(feature = "redis"))]
            Provider::Redis | Provider::Redlock => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "the providers `redis` and `redlock` need the feature `redis` of nebula-lock; compiled in: memory",
            )),
        }
    }

    fn lease(&self) -> Duration {
        self.redis.default_lease_time.or(self.default_lease_time).unwrap_or(Options::default().lease)
    }

    /// A manager with these settings over a backend that the application brings: one that shares a connection, say, or a
    /// backend of its own. `provider` and the connection settings are ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] for times that cannot work.
    pub fn connect_with(&self, backend: impl DistributedLock) -> Result<LockManager> {
        let defaults = Options::default();
        let lease = self.lease();
        let watchdog = self.redis.watch_dog_timeout.or(self.watch_dog_timeout).unwrap_or(defaults.lease);
        let options = Options {
            lease,
            watchdog: Some(watchdog),
            wait: self.redis.default_wait_time.or(self.default_wait_time).unwrap_or(defaults.wait),
            max_hold: self.redis.max_hold_time.or(self.max_hold_time),
            long_hold: self.redis.warn_hold_time.or(self.warn_hold_time).unwrap_or(defaults.long_hold),
            retry_interval: self.redis.retry_interval.or(self.retry_interval).unwrap_or(defaults.retry_interval),
            ..defaults
        };
        options.terms(None, options.wait).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "the times of `nebula.lock` cannot work").with_source(error)
        })?;
        Ok(LockManager::new(backend).with_options(options).with_prefix(&self.prefix))
    }
}
