//! A master with replicas.

use std::time::Duration;

use futures_util::future::join_all;

use crate::eventually;
use crate::redis_ask::field;
use crate::redis_server::{RedisOptions, RedisServer};

const READY: Duration = Duration::from_secs(60);

/// A `redis-server` with replicas that follow it. Nobody promotes one of them; for that there is
/// [`RedisSentinel`](crate::RedisSentinel).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::RedisReplication;
///
/// let mut servers = RedisReplication::start(1).await;
/// servers.replicas[0].kill();
/// assert!(servers.master.is_running());
/// # });
/// ```
#[derive(Debug)]
pub struct RedisReplication {
    /// The one that takes writes.
    pub master: RedisServer,
    /// Those that follow it.
    pub replicas: Vec<RedisServer>,
}

impl RedisReplication {
    /// A master and `replicas` replicas, in step with it.
    ///
    /// # Panics
    /// When one of them cannot be started or does not get in step.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, &RedisServer::options()).await
    }

    /// Likewise with options for all of them.
    ///
    /// # Panics
    /// When one of them cannot be started or does not get in step.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start_with(replicas: usize, options: &RedisOptions) -> Self {
        let options = options.clone().args(["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
        let master = options.clone().start().await;
        let port = master.known_port().to_string();
        let replica = options.args(["--replicaof", "127.0.0.1", &port]);
        let replicas = join_all((0..replicas).map(|_| replica.clone().start())).await;
        let servers = Self { master, replicas };
        servers.in_step().await;
        servers
    }

    /// Waits until all replicas follow the master.
    ///
    /// # Panics
    /// When they do not within a minute.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn in_step(&self) {
        let replicas: Vec<String> = self.replicas.iter().map(RedisServer::url).collect();
        eventually(READY, || async {
            for url in &replicas {
                let status = field(url, &["INFO", "replication"], "master_link_status").await?;
                if status != "up" {
                    return Err(format!("the link of {url} is {status}"));
                }
            }
            Ok(())
        })
        .await;
    }
}
