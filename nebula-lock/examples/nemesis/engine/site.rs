//! The lock servers, and the network between them and the clients.

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig, redis};
use nebula_lock::{DistributedLock, RedisLock};
use nebula_test_support::{RedisServer, TcpProxy};
use serde::{Deserialize, Serialize};

use super::check::Excuse;
use super::client::Kind;
use super::clock::now;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server that keeps its data over crashes: no two holders at once, whatever happens.
    Single,
    /// One server that forgets everything when it is killed, and is wiped while it runs. Two holders at once are
    /// explained by that, and by nothing else.
    Forgetful,
}

impl Topology {
    pub(crate) const ALL: [Self; 2] = [Self::Single, Self::Forgetful];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Forgetful => "forgetful",
        }
    }

    pub(crate) fn kinds(self) -> Vec<Kind> {
        match self {
            Self::Single | Self::Forgetful => {
                vec![Kind::Exclusive, Kind::Exclusive, Kind::Exclusive, Kind::Fair, Kind::Read, Kind::Write]
            }
        }
    }

    /// Whether tokens are the time of one clock, so that they tell when a lock was granted.
    pub(crate) const fn tokens_tell_the_time(self) -> bool {
        matches!(self, Self::Single | Self::Forgetful)
    }
}

/// How a client finds the locks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Address {
    Single(String),
}

/// How fast a client gives up on a server.
fn impatient(url: &str) -> RedisConfig {
    RedisConfig::new(url)
        .with_connect_timeout(Duration::from_millis(500))
        .with_response_timeout(Duration::from_millis(300))
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(200))
        .with_keep_alive(Duration::from_millis(300))
}

impl Address {
    pub(crate) async fn connect(&self) -> Result<Arc<dyn DistributedLock>> {
        match self {
            Self::Single(url) => {
                let config = impatient(url);
                let lock = RedisLock::new(config.connect_lazy()?).with_subscriber(config.subscriber()?);
                Ok(Arc::new(lock))
            }
        }
    }
}

/// Servers, and a proxy to each of them for every client.
#[derive(Debug)]
pub(crate) struct Site {
    topology: Topology,
    servers: Vec<RedisServer>,
    /// By client, then by server.
    links: Vec<Vec<TcpProxy>>,
    pub(crate) excuses: Vec<Excuse>,
}

impl Site {
    pub(crate) async fn start(topology: Topology, clients: usize) -> Result<Self> {
        let options = match topology {
            // What was written survives the process, and that is all that is killed here: no need to wait for the disk.
            Topology::Single => RedisServer::options().append_only().args(["--appendfsync", "no"]),
            Topology::Forgetful => RedisServer::options(),
        };
        let servers = vec![options.try_start().await?];
        let mut links = Vec::new();
        for _ in 0..clients {
            let mut ways = Vec::new();
            for server in &servers {
                ways.push(TcpProxy::to(([127, 0, 0, 1], server.port()).into()).await?);
            }
            links.push(ways);
        }
        Ok(Self { topology, servers, links, excuses: Vec::new() })
    }

    pub(crate) const fn topology(&self) -> Topology {
        self.topology
    }

    pub(crate) fn address(&self, client: usize) -> Address {
        Address::Single(self.servers[0].url_via(self.links[client][0].port()))
    }

    /// The way past all proxies.
    pub(crate) fn direct(&self) -> Address {
        Address::Single(self.servers[0].url())
    }

    pub(crate) fn links(&self, client: usize) -> &[TcpProxy] {
        &self.links[client]
    }

    /// Freezes servers, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        for server in &self.servers {
            if frozen { server.stop() } else { server.cont() }
        }
    }

    /// Kills servers. `done`: bring them back.
    pub(crate) async fn crash(&mut self, done: bool) {
        let forgets = self.topology == Topology::Forgetful;
        for server in &mut self.servers {
            if done {
                server.restart().await;
            } else {
                let from = now();
                server.kill();
                if forgets {
                    self.excuses.push(Excuse { from, to: now(), total: true });
                }
            }
        }
    }

    /// Lets a running server forget everything.
    pub(crate) async fn wipe(&mut self) -> Result<()> {
        // Should no answer come, nobody knows when it happens.
        let place = self.excuses.len();
        self.excuses.push(Excuse { from: now(), to: u64::MAX, total: false });
        self.command(&["FLUSHALL"]).await?;
        (self.excuses[place].to, self.excuses[place].total) = (now(), true);
        Ok(())
    }

    /// The same command on every server.
    pub(crate) async fn command(&self, words: &[&str]) -> Result<Vec<redis::Value>> {
        let mut replies = Vec::new();
        for server in &self.servers {
            let mut connection = direct_connection(server).await?;
            replies.push(redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await?);
        }
        Ok(replies)
    }

    /// Keys and subscriptions that are left on the servers, except for the counters, of which there are only so many.
    pub(crate) async fn leftovers(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for server in &self.servers {
            let mut connection = direct_connection(server).await?;
            let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
            left.extend(keys.into_iter().filter(|key| !key.contains(":fence:")));
            let channels: Vec<String> =
                redis::cmd("PUBSUB").arg("CHANNELS").arg("nebula*").query_async(&mut connection).await?;
            left.extend(channels.into_iter().map(|channel| format!("subscription to {channel}")));
        }
        Ok(left)
    }
}

async fn direct_connection(server: &RedisServer) -> Result<Connection> {
    Ok(RedisConfig::new(server.url()).connect().await?)
}
