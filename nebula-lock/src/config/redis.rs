//! The section `nebula.lock.redis`.

use std::time::Duration;

#[cfg(feature = "redis")]
use nebula_redis::{ClusterConfig, SentinelConfig};
use secrecy::SecretString;
use serde::Deserialize;

use crate::duration;

/// Not looked into without the feature: who wants them is told that it is missing.
#[cfg(not(feature = "redis"))]
type SentinelConfig = serde::de::IgnoredAny;
#[cfg(not(feature = "redis"))]
type ClusterConfig = serde::de::IgnoredAny;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "understood, and refused for want of the feature"))]
pub(super) struct RedisSection {
    pub(super) enabled: Option<bool>,
    url: Option<SecretString>,
    sentinel: Option<SentinelConfig>,
    cluster: Option<ClusterConfig>,
    username: Option<String>,
    password: Option<SecretString>,
    #[serde(deserialize_with = "duration::optional")]
    response_timeout: Option<Duration>,
    group_commit: Option<usize>,
    fence_tokens: Option<bool>,
    replicas: usize,
    #[serde(deserialize_with = "duration::optional")]
    replication_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) default_lease_time: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) watch_dog_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) default_wait_time: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) retry_interval: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) max_hold_time: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(super) warn_hold_time: Option<Duration>,
}

impl RedisSection {
    pub(super) fn at(url: String) -> Self {
        Self { url: Some(SecretString::from(url)), ..Self::default() }
    }
}

#[cfg(feature = "redis")]
mod connect {
    use std::time::Duration;

    use nebula_redis::{Connection, RedisConfig};
    use secrecy::ExposeSecret;
    use tracing::{debug, warn};

    use super::RedisSection;
    use crate::error::{Error, ErrorKind, Result};
    use crate::lock::DistributedLock;
    use crate::redis::{RedisLock, unanswered};

    const REPLICATION_TIMEOUT: Duration = Duration::from_millis(500);

    impl RedisSection {
        pub(in crate::config) async fn backend(&self) -> Result<impl DistributedLock + use<>> {
            let redis = self.connection();
            let mut backend = RedisLock::new(connect(&redis).await?).with_subscriber(redis.subscriber()?);
            if let Some(above) = self.group_commit {
                backend = backend.with_group_commit(above);
            }
            if self.fence_tokens == Some(false) {
                backend = backend.without_fences();
            }
            if self.replicas > 0 {
                let timeout = self.replication_timeout.unwrap_or(REPLICATION_TIMEOUT);
                if timeout.is_zero() {
                    let context = "`redis.replication-timeout` must be more than zero";
                    return Err(Error::new(ErrorKind::ConfigInvalid, context));
                }
                // Two waits, one behind the other, besides what a reply takes anyhow.
                let patience = redis.response_timeout() + timeout * 2;
                let connection = connect(&redis.clone().with_response_timeout(patience)).await?;
                backend = if redis.is_cluster() {
                    backend.with_replicas_on_cluster(connection, self.replicas, timeout)
                } else {
                    backend.with_replicas(connection, self.replicas, timeout)
                };
            }
            // A server that wants a password says so at the first command only.
            backend.ping().await?;
            warn_of_eviction(&backend).await;
            Ok(backend)
        }

        fn connection(&self) -> RedisConfig {
            let mut redis =
                self.url.as_ref().map_or_else(RedisConfig::default, |url| RedisConfig::new(url.expose_secret()));
            if let Some(sentinel) = &self.sentinel {
                redis = redis.with_sentinel(sentinel.clone());
            }
            if let Some(cluster) = &self.cluster {
                redis = redis.with_cluster(cluster.clone());
            }
            if let Some(username) = &self.username {
                redis = redis.with_username(username);
            }
            if let Some(password) = &self.password {
                redis = redis.with_password(password.clone());
            }
            if let Some(time) = self.response_timeout {
                redis = redis.with_response_timeout(time);
            }
            redis
        }
    }

    /// A single server of a cluster that evicts is enough to lose a lock.
    async fn warn_of_eviction(backend: &RedisLock<Connection>) {
        let mut later = None;
        let unknown = |error: Error| debug!(%error, "cannot tell whether redis may evict locks");
        let servers = backend.on_each_server().await.unwrap_or_else(|error| {
            unknown(error);
            Vec::new()
        });
        for server in servers {
            match server.memory().await {
                Ok((true, Some(policy))) => {
                    return warn!(%policy, "redis may evict locks when its memory is full: set `noeviction`");
                }
                Ok((false, Some(policy))) => later = Some(policy),
                Ok((_, None)) => {}
                Err(error) => unknown(error),
            }
        }
        if let Some(policy) = later {
            warn!(%policy, "redis would evict locks if it had a memory limit: set `noeviction` before anybody sets one");
        }
    }

    async fn connect(redis: &RedisConfig) -> Result<Connection> {
        redis.connect().await.map_err(|error| unanswered(error.into()))
    }
}
