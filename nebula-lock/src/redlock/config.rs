//! The section `nebula.lock.redlock`.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::duration;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "understood, and refused for want of the feature"))]
pub(crate) struct RedlockSection {
    pub(crate) nodes: Vec<SecretString>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    #[serde(deserialize_with = "duration::optional")]
    pub(crate) node_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration::optional")]
    pub(crate) min_validity: Option<Duration>,
}

#[cfg(feature = "redis")]
mod connect {
    use std::time::Duration;

    use futures_util::future::join_all;
    use nebula_redis::RedisConfig;
    use secrecy::ExposeSecret;
    use tracing::{debug, warn};

    use super::RedlockSection;
    use crate::error::{Error, ErrorKind, Result};
    use crate::lock::DistributedLock;
    use crate::redis::{RedisLock, unanswered};
    use crate::redlock::{NODE_TIMEOUT, Redlock, failed};

    /// How long to wait for a connection. A node that takes longer is one of those that may be missing.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

    impl RedlockSection {
        /// Connects to all nodes. Those that cannot be reached now are connected to later, if a majority can.
        /// `lease`: the one that has to leave enough.
        pub(crate) async fn backend(&self, lease: Duration) -> Result<Redlock> {
            self.check(lease)?;
            let configs: Vec<RedisConfig> = self.nodes.iter().map(|url| self.node(url.expose_secret())).collect();
            let first_links = join_all(configs.iter().map(RedisConfig::connect)).await;
            let (mut nodes, mut failures) = (Vec::new(), Vec::new());
            for (number, (config, link)) in configs.iter().zip(first_links).enumerate() {
                let connection = match link {
                    Ok(connection) => connection,
                    Err(error) => {
                        warn!(node = number, %error, "a node of the quorum cannot be reached; trying on");
                        failures.push(unanswered(error.into()));
                        config.connect_lazy()?
                    }
                };
                nodes.push(RedisLock::new(connection).with_subscriber(config.subscriber()?));
            }
            if failures.len() > (nodes.len() - 1) / 2 {
                return Err(failed("no majority to connect to", failures, nodes.len()));
            }
            for (number, policy) in join_all(nodes.iter().map(RedisLock::eviction)).await.into_iter().enumerate() {
                match policy {
                    Ok(None) => {}
                    Ok(Some(policy)) => {
                        warn!(node = number, %policy, "redis may evict locks when its memory is full: set `noeviction`");
                    }
                    Err(error) => debug!(node = number, %error, "cannot tell whether redis may evict locks"),
                }
            }
            let quorum = Redlock::new(nodes)?
                .with_node_timeout(self.node_timeout.unwrap_or(NODE_TIMEOUT))
                .with_min_validity(self.min_validity.unwrap_or_default());
            quorum.ping().await?;
            Ok(quorum)
        }

        fn check(&self, lease: Duration) -> Result<()> {
            let refuse = |what: &'static str| Err(Error::new(ErrorKind::ConfigInvalid, what));
            if self.nodes.len() < 3 {
                return refuse("`redlock.nodes` has to name three servers or more, best five");
            }
            let mut names: Vec<&str> =
                self.nodes.iter().map(|node| node.expose_secret().trim_end_matches('/')).collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return refuse("`redlock.nodes` names a server twice, and its vote would count twice");
            }
            if self.node_timeout.is_some_and(|timeout| timeout.is_zero()) {
                return refuse("`redlock.node-timeout` must be more than zero");
            }
            if self.min_validity.is_some_and(|validity| validity >= lease) {
                return refuse(
                    "`redlock.min-validity` has to be less than `default-lease-time`, or no lock is ever handed out",
                );
            }
            Ok(())
        }

        fn node(&self, url: &str) -> RedisConfig {
            let timeout = self.node_timeout.unwrap_or(NODE_TIMEOUT);
            // A little less than the quorum waits, so that the connection is the one that says what happened.
            let mut config = RedisConfig::new(url)
                .with_response_timeout(timeout.mul_f64(0.9))
                .with_connect_timeout(timeout.max(CONNECT_TIMEOUT));
            if let Some(username) = &self.username {
                config = config.with_username(username);
            }
            if let Some(password) = &self.password {
                config = config.with_password(password.clone());
            }
            config
        }
    }
}
