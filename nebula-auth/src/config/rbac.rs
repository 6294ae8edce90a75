//! `nebula.auth.rbac`

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    duration,
    error::Error,
    rbac::{EvaluatorOptions, PermissionEvaluator},
};

#[cfg(feature = "redis")]
type Redis = nebula_redis::RedisConfig;
/// Not compiled in: whatever it says, it is refused.
#[cfg(not(feature = "redis"))]
type Redis = serde::de::IgnoredAny;

/// `nebula.auth.rbac`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RbacConfig {
    /// Whether roles and permissions are used.
    pub enabled: bool,
    /// Whether permissions are cached.
    pub cache_enabled: bool,
    /// For how long.
    #[serde(deserialize_with = "duration::deserialize")]
    pub cache_expiration: Duration,
    /// How many users are read at start. Default: 1000.
    pub preload: u32,
    /// Redis, over which processes tell each other of changes (feature `redis`).
    pub redis: Option<Redis>,
    /// What their keys and channels there begin with: one for each database of roles. Default: `nebula:auth`.
    pub redis_prefix: String,
    /// The secret under which processes share there what they have read about users; without it they do not. At least 32 random
    /// bytes.
    pub redis_key: Option<SecretString>,
}

impl Default for RbacConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            cache_enabled: true,
            cache_expiration: Duration::from_mins(30),
            preload: 1000,
            redis: None,
            redis_prefix: "nebula:auth".to_owned(),
            redis_key: None,
        }
    }
}

impl RbacConfig {
    /// The options for a [`PermissionEvaluator`](crate::rbac::PermissionEvaluator) that these settings describe. Without the
    /// cache every check reads the store.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if roles are not enabled.
    pub fn evaluator_options(&self) -> Result<EvaluatorOptions, Error> {
        if !self.enabled {
            return Err(Error::config("nebula.auth.rbac.enabled is false, but permissions are to be checked"));
        }
        Ok(match self.cache_enabled && !self.cache_expiration.is_zero() {
            true => EvaluatorOptions::new().max_age(self.cache_expiration).preload(self.preload),
            // What is read is too old at once.
            false => EvaluatorOptions::new().max_age(Duration::ZERO).preload(0),
        })
    }

    /// What can be told before anything is opened.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.redis_key.is_some() && self.redis.is_none() {
            return Err(Error::config("nebula.auth.rbac.redis-key is set, but nebula.auth.rbac.redis is not"));
        }
        #[cfg(not(feature = "redis"))]
        if self.redis.is_some() {
            return Err(Error::new(
                crate::error::ErrorKind::NotCompiledIn,
                "nebula.auth.rbac.redis is set, which is not compiled in; enable the feature `redis` of nebula-auth",
            ));
        }
        Ok(())
    }

    /// What is to go over Redis.
    #[cfg(feature = "redis")]
    pub(super) async fn between_processes(&self, evaluator: PermissionEvaluator) -> Result<PermissionEvaluator, Error> {
        let Some(redis) = &self.redis else { return Ok(evaluator) };
        let evaluator = evaluator.with_redis_signal(redis, &format!("{}:changes", self.redis_prefix)).await?;
        match &self.redis_key {
            Some(key) => evaluator.with_redis_cache(redis, &self.redis_prefix, key).await,
            None => Ok(evaluator),
        }
    }

    #[cfg(not(feature = "redis"))]
    #[allow(clippy::unused_async, reason = "with Redis it waits")]
    pub(super) async fn between_processes(&self, evaluator: PermissionEvaluator) -> Result<PermissionEvaluator, Error> {
        Ok(evaluator)
    }
}
