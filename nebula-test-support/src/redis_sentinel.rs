//! A master with replicas, watched by sentinels that replace it when it fails.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::RedisResult;

use crate::eventually;
use crate::proxy::TcpProxy;
use crate::redis_ask::ask;
use crate::redis_replication::RedisReplication;
use crate::redis_server::{RedisOptions, RedisServer};

/// What the sentinels call the group of servers.
const NAME: &str = "main";

const SENTINELS: usize = 3;
const REPLICAS: usize = 2;

/// How long a server may be silent before a sentinel thinks it dead.
const DOWN_AFTER: &str = "1000";

const READY: Duration = Duration::from_secs(90);

/// One master, two replicas and three sentinels. A master that is silent for a second is replaced within a few.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::RedisSentinel;
///
/// let mut redis = RedisSentinel::start().await;
/// let old = redis.master().await;
/// redis.servers[old].kill();
/// let new = redis.failed_over(old).await;
/// assert_ne!(new, old);
/// # });
/// ```
#[derive(Debug)]
pub struct RedisSentinel {
    /// Master and replicas; which is which changes with each failover.
    pub servers: Vec<RedisServer>,
    /// The sentinels.
    pub sentinels: Vec<RedisServer>,
    /// The port by which the first server is known, if that is not its own.
    alias: Option<u16>,
}

impl RedisSentinel {
    /// Starts them and waits until all know each other.
    ///
    /// # Panics
    /// When they cannot be started or do not get ready.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start() -> Self {
        Self::start_with(&RedisServer::options()).await
    }

    /// Likewise, with a password (letters and digits) that servers and sentinels demand.
    ///
    /// # Panics
    /// When they cannot be started or do not get ready.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start_with_password(password: &str) -> Self {
        Self::start_with(&RedisServer::options().password(password)).await
    }

    /// Likewise with options for servers and sentinels.
    ///
    /// # Panics
    /// When they cannot be started or do not get ready.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start_with(options: &RedisOptions) -> Self {
        let replication = RedisReplication::start_with(REPLICAS, options).await;
        let all = Self::watch(replication, options, DOWN_AFTER, None).await;
        all.ready().await;
        all
    }

    /// Likewise, with a proxy between the first master and all others, sentinels and clients alike: they know it by the port of
    /// the proxy. Only its replicas follow it past that. The sentinels replace it when it is silent for `down_after`; then they know
    /// it by both ports, and [`ready`](Self::ready) is of no use any more.
    ///
    /// # Panics
    /// When they cannot be started or do not get ready.
    ///
    /// # Cancel safety
    /// Dropping the future kills the servers.
    pub async fn start_behind_proxy(down_after: Duration) -> (Self, TcpProxy) {
        let options = RedisServer::options();
        let replication = RedisReplication::start_with(REPLICAS, &options).await;
        let proxy = TcpProxy::to_port(replication.master.known_port()).await;
        let down_after = down_after.as_millis().to_string();
        let all = Self::watch(replication, &options, &down_after, Some(proxy.port())).await;
        all.ready().await;
        (all, proxy)
    }

    async fn watch(
        replication: RedisReplication,
        options: &RedisOptions,
        down_after: &str,
        alias: Option<u16>,
    ) -> Self {
        let RedisReplication { master, replicas } = replication;
        let mut lines = format!(
            "sentinel monitor {NAME} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {NAME} {down_after}\n\
             sentinel failover-timeout {NAME} 3000\n",
            alias.unwrap_or_else(|| master.known_port())
        );
        if let Some(password) = options.demanded_password() {
            lines += &format!("sentinel auth-pass {NAME} {password}\nsentinel sentinel-pass {password}\n");
        }
        let sentinel = options.clone().sentinel(lines);
        let sentinels = join_all((0..SENTINELS).map(|_| sentinel.clone().start())).await;
        let servers = std::iter::once(master).chain(replicas).collect();
        Self { servers, sentinels, alias }
    }

    /// What the sentinels call the group of servers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// The sentinels as `host:port`; with TLS, if they have it.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.known_port())).collect()
    }

    /// Which of the [`servers`](Self::servers) most sentinels believe to be the master.
    ///
    /// # Panics
    /// When they do not agree on one within a minute and a half.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn master(&self) -> usize {
        eventually(READY, || async { self.elected().await.ok_or("the sentinels do not agree") }).await
    }

    /// Waits until another server than `old` is master, in the eyes of the sentinels and in its own, and returns it.
    ///
    /// # Panics
    /// When that does not happen within a minute and a half.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn failed_over(&self, old: usize) -> usize {
        eventually(READY, || async {
            match self.elected().await {
                Some(new) if new != old => {
                    let role: RedisResult<Vec<redis::Value>> = ask(&self.servers[new].url(), &["ROLE"]).await;
                    match role.map_err(|error| error.to_string())?.first() {
                        Some(redis::Value::BulkString(role)) if role == b"master" => Ok(new),
                        role => Err(format!("the new master says that it is {role:?}")),
                    }
                }
                other => Err(format!("the master is {other:?}")),
            }
        })
        .await
    }

    /// Waits until all servers that run follow the master, and all sentinels see all of them.
    ///
    /// # Panics
    /// When that does not happen within a minute and a half.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self) {
        eventually(READY, || async {
            for sentinel in &self.sentinels {
                let state: HashMap<String, String> =
                    ask(&sentinel.url(), &["SENTINEL", "MASTER", NAME]).await.map_err(|error| error.to_string())?;
                let number = |field: &str| state.get(field).and_then(|text| text.parse::<usize>().ok());
                let others = number("num-other-sentinels");
                if number("num-slaves") != Some(REPLICAS)
                    || others != Some(SENTINELS - 1)
                    || state.get("flags").map(String::as_str) != Some("master")
                {
                    return Err(format!("a sentinel sees {state:?}"));
                }
                let replicas: Vec<HashMap<String, String>> =
                    ask(&sentinel.url(), &["SENTINEL", "REPLICAS", NAME]).await.map_err(|error| error.to_string())?;
                let well = |replica: &&HashMap<String, String>| {
                    replica.get("flags").map(String::as_str) == Some("slave")
                        && replica.get("master-link-status").map(String::as_str) == Some("ok")
                };
                if replicas.iter().filter(well).count() != REPLICAS {
                    return Err(format!("a sentinel sees the replicas {replicas:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// The server that more than half of the sentinels name.
    async fn elected(&self) -> Option<usize> {
        let answers = self.sentinels.iter().filter(|sentinel| sentinel.is_running()).map(async |sentinel| {
            let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
            let answer: RedisResult<(String, u16)> = ask(&sentinel.url(), &words).await;
            answer.ok().and_then(|(_, port)| self.at(port))
        });
        let answers: Vec<usize> = join_all(answers).await.into_iter().flatten().collect();
        let votes = |server: usize| answers.iter().filter(|answer| **answer == server).count();
        (0..self.servers.len()).find(|server| votes(*server) * 2 > SENTINELS)
    }

    /// The server that is known by this port.
    fn at(&self, port: u16) -> Option<usize> {
        if self.alias == Some(port) {
            return Some(0);
        }
        self.servers.iter().position(|server| server.known_port() == port)
    }
}
