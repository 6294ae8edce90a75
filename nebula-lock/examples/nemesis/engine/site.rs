//! The lock servers, and the network between them and the clients.

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig, redis};
use nebula_lock::{DistributedLock, RedisLock, Redlock};
use nebula_test_support::{RedisServer, TcpProxy};
use serde::{Deserialize, Serialize};

use super::check::Excuse;
use super::client::Kind;
use super::clock::now;
use super::servers::Servers;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// How many nodes a quorum has.
pub(crate) const QUORUM: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server that keeps its data over crashes: no two holders at once, whatever happens.
    Single,
    /// One server that forgets everything when it is killed, and is wiped while it runs. Two holders at once are
    /// explained by that, and by nothing else.
    Forgetful,
    /// A quorum of five servers that keep their data: no two holders at once, whatever happens.
    Redlock,
    /// A master, two replicas and three sentinels. Replication is asynchronous: a failover may forget what was granted
    /// just before it, and an old master that comes to may go on granting for a moment. Two holders at once are
    /// explained by a failover, and by nothing else.
    Sentinel,
    /// Three masters, each with a replica. As with sentinels.
    Cluster,
}

impl Topology {
    pub(crate) const ALL: [Self; 5] = [Self::Single, Self::Forgetful, Self::Redlock, Self::Sentinel, Self::Cluster];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Forgetful => "forgetful",
            Self::Redlock => "redlock",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }

    pub(crate) fn kinds(self, style: Style) -> Vec<Kind> {
        let mut kinds = vec![Kind::Exclusive, Kind::Exclusive, Kind::Exclusive, Kind::All, Kind::Segment];
        // All others have tokens.
        if style != Style::Plain {
            kinds.extend([Kind::Read, Kind::Write]);
            if self != Self::Redlock {
                kinds.push(Kind::Fair);
            }
        }
        kinds
    }

    /// Whether tokens are the time of one clock, so that they tell when a lock was granted. Those of a quorum are
    /// proposed by one node before the others are asked.
    pub(crate) const fn tokens_tell_the_time(self) -> bool {
        !matches!(self, Self::Redlock)
    }

    /// Whether another server takes over from one that fails.
    pub(crate) const fn fails_over(self) -> bool {
        matches!(self, Self::Sentinel | Self::Cluster)
    }

    /// How long after the end of all faults, and of the lease of whoever had it, a lock may stay taken.
    pub(crate) const fn grace(self) -> Duration {
        match self {
            // Waiters that died are believed in for 3 s, whoever is behind them asks again within 1 s, and clients whose connection
            // broke have another one within 0.7 s: a pause of 0.2 s at most, and 0.5 s to connect.
            Self::Single | Self::Forgetful | Self::Redlock => Duration::from_secs(5),
            // Another server has taken over by then, but clients may be on their way to the old one: they give up a command, ask
            // three sentinels or six nodes of which one is just coming up, and connect; more than once, where the news differ.
            Self::Sentinel | Self::Cluster => Duration::from_secs(20),
        }
    }

    /// How many servers can be cut off, killed or frozen one without the others.
    pub(crate) const fn nodes(self) -> usize {
        if matches!(self, Self::Redlock) { QUORUM } else { 1 }
    }
}

/// How exclusive locks are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Style {
    /// One script call for each, with a token.
    #[default]
    Fenced,
    /// Operations share script calls, however few they are.
    Grouped,
    /// Without tokens. A guarded register accepts nothing from such holders.
    Plain,
    /// As `Fenced`, and handed out when a replica knows of them.
    Replicated,
}

impl Style {
    pub(crate) const ALL: [Self; 4] = [Self::Fenced, Self::Grouped, Self::Plain, Self::Replicated];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::Grouped => "grouped",
            Self::Plain => "plain",
            Self::Replicated => "replicated",
        }
    }

    /// A quorum has its own way of taking locks, and not every server has replicas.
    pub(crate) fn suits(self, topology: Topology) -> bool {
        match self {
            Self::Fenced => true,
            Self::Grouped | Self::Plain => topology != Topology::Redlock,
            Self::Replicated => topology.fails_over(),
        }
    }

    /// That of one client of a campaign: where there are replicas, every other client asks them.
    pub(crate) fn of_client(self, topology: Topology, client: usize) -> Self {
        if self == Self::Fenced && topology.fails_over() && client % 2 == 1 { Self::Replicated } else { self }
    }
}

/// How a client finds the locks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Address {
    Single(String),
    Redlock(Vec<String>),
    Sentinel(String, Vec<String>),
    Cluster(Vec<String>),
}

/// How fast a client gives up on a server.
fn impatient(config: RedisConfig) -> RedisConfig {
    config
        .with_connect_timeout(Duration::from_millis(500))
        .with_response_timeout(Duration::from_millis(300))
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(200))
        .with_keep_alive(Duration::from_millis(300))
}

/// How long replicas may take.
const REPLICATION: Duration = Duration::from_millis(100);

fn lock(config: RedisConfig, style: Style) -> Result<RedisLock<Connection>> {
    let config = impatient(config);
    let lock = RedisLock::new(config.connect_lazy()?).with_subscriber(config.subscriber()?);
    Ok(match style {
        Style::Fenced => lock,
        Style::Grouped => lock.with_group_commit(0),
        Style::Plain => lock.without_fences(),
        Style::Replicated => {
            // Two waits, one behind the other, besides what a reply takes anyhow.
            let patience = config.response_timeout() + REPLICATION * 2;
            let own = config.clone().with_response_timeout(patience).connect_lazy()?;
            if config.is_cluster() {
                lock.with_replicas_on_cluster(own, 1, REPLICATION)
            } else {
                lock.with_replicas(own, 1, REPLICATION)
            }
        }
    })
}

impl Address {
    pub(crate) fn connect(&self, style: Style) -> Result<Arc<dyn DistributedLock>> {
        let lock = |config| lock(config, style);
        Ok(match self {
            Self::Single(url) => Arc::new(lock(RedisConfig::new(url))?),
            Self::Redlock(urls) => {
                let nodes: Result<Vec<_>> = urls.iter().map(|url| lock(RedisConfig::new(url))).collect();
                Arc::new(Redlock::new(nodes?)?)
            }
            Self::Sentinel(name, nodes) => Arc::new(lock(RedisConfig::sentinel(name, nodes))?),
            Self::Cluster(nodes) => Arc::new(lock(RedisConfig::cluster(nodes))?),
        })
    }
}

/// Servers, and a proxy to each of them for every client. Servers that fail over tell clients their own addresses, which
/// would lead past proxies: there are none then.
#[derive(Debug)]
pub(crate) struct Site {
    topology: Topology,
    servers: Servers,
    /// By client, then by server.
    links: Vec<Vec<TcpProxy>>,
    pub(crate) excuses: Vec<Excuse>,
}

impl Site {
    pub(crate) async fn start(topology: Topology, clients: usize) -> Result<Self> {
        let servers = Servers::start(topology).await?;
        let mut links = Vec::new();
        for _ in 0..clients {
            let mut ways = Vec::new();
            for server in servers.all().iter().filter(|_| !topology.fails_over()) {
                ways.push(TcpProxy::to(([127, 0, 0, 1], server.port()).into()).await?);
            }
            links.push(ways);
        }
        Ok(Self { topology, servers, links, excuses: Vec::new() })
    }

    pub(crate) fn address(&self, client: usize) -> Address {
        let ways = self.servers.all().iter().zip(&self.links[client]);
        self.reached_by(ways.map(|(server, link)| server.url_via(link.port())).collect())
    }

    /// The way past all proxies.
    pub(crate) fn direct(&self) -> Address {
        self.reached_by(self.servers.all().iter().map(RedisServer::url).collect())
    }

    fn reached_by(&self, mut urls: Vec<String>) -> Address {
        match &self.servers {
            Servers::Plain(_) if self.topology == Topology::Redlock => Address::Redlock(urls),
            Servers::Plain(_) => Address::Single(urls.swap_remove(0)),
            Servers::Sentinel(group) => Address::Sentinel(group.redis.name().to_owned(), group.redis.addresses()),
            Servers::Cluster(group) => Address::Cluster(group.redis.urls()),
        }
    }

    /// The ways of a client to those of the servers whose bits are set.
    pub(crate) fn links(&self, client: usize, nodes: u8) -> impl Iterator<Item = &TcpProxy> {
        self.links[client].iter().enumerate().filter(move |(place, _)| nodes & (1 << place) != 0).map(|(_, link)| link)
    }

    /// Freezes servers, or lets them go on.
    pub(crate) async fn freeze(&mut self, nodes: u8, frozen: bool) {
        match &mut self.servers {
            Servers::Plain(servers) => {
                for (_, server) in servers.iter().enumerate().filter(|(place, _)| nodes & (1 << place) != 0) {
                    if frozen { server.stop() } else { server.cont() }
                }
            }
            _ if frozen => self.servers.fell(nodes, &mut self.excuses, |server| server.stop()).await,
            _ => {
                let old = self.servers.replaced().await;
                self.servers.all()[old].cont();
                self.servers.settled(&mut self.excuses).await;
            }
        }
    }

    /// Kills servers. `done`: bring them back.
    pub(crate) async fn crash(&mut self, nodes: u8, done: bool) {
        let forgets = self.topology == Topology::Forgetful;
        match &mut self.servers {
            Servers::Plain(servers) => {
                let chosen = servers.iter_mut().enumerate().filter(|(place, _)| nodes & (1 << place) != 0);
                for (_, server) in chosen {
                    if done {
                        server.restart().await;
                        continue;
                    }
                    let from = now();
                    server.kill();
                    if forgets {
                        self.excuses.push(Excuse { from, to: now(), total: true });
                    }
                }
            }
            _ if !done => self.servers.fell(nodes, &mut self.excuses, RedisServer::kill).await,
            _ => {
                let old = self.servers.replaced().await;
                self.servers.all_mut()[old].restart().await;
                self.servers.settled(&mut self.excuses).await;
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
        for server in self.servers.all() {
            let mut connection = direct_connection(server).await?;
            replies.push(redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await?);
        }
        Ok(replies)
    }

    /// Notes failovers that nobody asked for: on a busy machine a server may be silent for too long.
    pub(crate) async fn note_failovers(&mut self) {
        self.servers.note_failovers(&mut self.excuses).await;
    }

    /// Keys and subscriptions that are left on the servers, except for counters, and marks for replicas, of which there are only
    /// so many.
    pub(crate) async fn leftovers(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for server in self.servers.all() {
            let mut connection = direct_connection(server).await?;
            let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
            left.extend(keys.into_iter().filter(|key| !key.contains(":fence:") && !key.contains(":mark:")));
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
