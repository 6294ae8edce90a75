//! What the nemesis does, and how it is undone.

use std::fmt;
use std::time::Duration;

use nebula_test_support::TcpProxy;
use rand::{Rng, RngExt};

use super::fleet::Fleet;
use super::site::{Site, Topology};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL to servers. Of a quorum, those whose bits are set; otherwise the number chooses the master.
    KillServer(u8),
    /// SIGSTOP to servers.
    FreezeServer(u8),
    /// SIGKILL to a client.
    KillClient(usize),
    /// SIGSTOP to a client.
    FreezeClient(usize),
    /// The network between clients and lock servers, of a quorum those whose bits are set.
    Network(Weather, Who, u8),
    /// The network between a client and what the locks protect: writes arrive late.
    StoreStalls(usize),
    /// `CLIENT KILL` of command connections or of subscriptions.
    KillConnections(&'static str),
    /// `SCRIPT FLUSH`.
    FlushScripts,
    /// `FLUSHALL`.
    Wipe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Connections are reset, new ones refused.
    Cut,
    /// What is sent arrives when it is over.
    Stall,
    /// Requests arrive at once, replies when it is over.
    StallReplies,
    /// What is sent is lost; connections stay open.
    BlackHole,
    /// Half open: replies are lost.
    LoseReplies,
    /// Half open the other way.
    LoseRequests,
    /// Everything takes longer.
    Delay(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    One(usize),
    All,
}

/// Everything that faults happen to.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) fleet: Fleet,
    /// Between each client and the store.
    pub(crate) store_links: Vec<TcpProxy>,
}

impl Fault {
    pub(crate) fn any(topology: Topology, clients: usize, rng: &mut impl Rng) -> Self {
        let client = rng.random_range(0..clients);
        let nodes = if topology.fails_over() { rng.random() } else { rng.random_range(1..1 << topology.nodes()) };
        match rng.random_range(0..20) {
            0 | 1 => Self::KillServer(nodes),
            2 | 3 => Self::FreezeServer(nodes),
            // There are no proxies on the way to servers that tell clients their own addresses.
            9..15 if topology.fails_over() => match rng.random_range(0..4) {
                0 => Self::KillServer(nodes),
                1 => Self::FreezeServer(nodes),
                2 => Self::KillConnections("normal"),
                _ => Self::FreezeClient(client),
            },
            4..6 => Self::KillClient(client),
            6..9 => Self::FreezeClient(client),
            9..15 => {
                let who = if rng.random_bool(0.3) { Who::All } else { Who::One(client) };
                let weather = match rng.random_range(0..7) {
                    0 => Weather::Cut,
                    1 => Weather::Stall,
                    2 => Weather::StallReplies,
                    3 => Weather::BlackHole,
                    4 => Weather::LoseReplies,
                    5 => Weather::LoseRequests,
                    _ => Weather::Delay(Duration::from_millis(rng.random_range(1..150))),
                };
                Self::Network(weather, who, nodes)
            }
            15 | 16 => Self::StoreStalls(client),
            17 => Self::KillConnections(if rng.random_bool(0.5) { "normal" } else { "pubsub" }),
            18 if topology == Topology::Forgetful => Self::Wipe,
            _ => Self::FlushScripts,
        }
    }

    /// What it is counted as.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillServer(_) => "kill -9 of servers",
            Self::FreezeServer(_) => "SIGSTOP of servers",
            Self::KillClient(_) => "kill -9 of clients",
            Self::FreezeClient(_) => "SIGSTOP of clients",
            Self::Network(Weather::Cut, ..) => "connections cut",
            Self::Network(Weather::Stall | Weather::StallReplies, ..) => "partitions that deliver late",
            Self::Network(Weather::BlackHole, ..) => "partitions that lose everything",
            Self::Network(Weather::LoseReplies | Weather::LoseRequests, ..) => "half-open connections",
            Self::Network(Weather::Delay(_), ..) => "delays",
            Self::StoreStalls(_) => "late writes to the store",
            Self::KillConnections(_) => "CLIENT KILL",
            Self::FlushScripts => "SCRIPT FLUSH",
            Self::Wipe => "FLUSHALL",
        }
    }

    /// Whether the other can happen at the same time.
    pub(crate) fn goes_with(self, other: Self, topology: Topology) -> bool {
        let fells = |fault: Self| matches!(fault, Self::KillServer(_) | Self::FreezeServer(_));
        // One failover at a time.
        self.name() != other.name() && !(topology.fails_over() && fells(self) && fells(other))
    }

    /// Whether it lasts.
    pub(crate) const fn lasts(self) -> bool {
        !matches!(self, Self::KillConnections(_) | Self::FlushScripts | Self::Wipe)
    }
}

impl World {
    pub(crate) async fn strike(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillServer(nodes) => self.site.crash(nodes, false).await,
            Fault::FreezeServer(nodes) => self.site.freeze(nodes, true).await,
            Fault::KillClient(client) => self.fleet.kill(client),
            Fault::FreezeClient(client) => self.fleet.freeze(client, true),
            Fault::Network(weather, who, nodes) => {
                for link in self.links(who, nodes) {
                    weather.over(link).await;
                }
            }
            Fault::StoreStalls(client) => self.store_links[client].stall(),
            // Servers that are down or frozen have no connections to lose and forget their scripts anyway.
            Fault::KillConnections(kind) => {
                let _ = self.brief(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"]).await;
            }
            Fault::FlushScripts => {
                let _ = self.brief(&["SCRIPT", "FLUSH"]).await;
            }
            Fault::Wipe => {
                let _ = tokio::time::timeout(Duration::from_secs(1), self.site.wipe()).await;
            }
        }
        Ok(())
    }

    pub(crate) async fn undo(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillServer(nodes) => self.site.crash(nodes, true).await,
            Fault::FreezeServer(nodes) => self.site.freeze(nodes, false).await,
            Fault::KillClient(client) => self.fleet.launch(client).await?,
            Fault::FreezeClient(client) => self.fleet.freeze(client, false),
            Fault::Network(_, who, nodes) => {
                for link in self.links(who, nodes) {
                    link.heal().await;
                }
            }
            Fault::StoreStalls(client) => self.store_links[client].heal().await,
            Fault::KillConnections(_) | Fault::FlushScripts | Fault::Wipe => {}
        }
        Ok(())
    }

    async fn brief(&self, words: &[&str]) -> Result<()> {
        tokio::time::timeout(Duration::from_secs(1), self.site.command(words)).await??;
        Ok(())
    }

    fn links(&self, who: Who, nodes: u8) -> Vec<&TcpProxy> {
        match who {
            Who::One(client) => self.site.links(client, nodes).collect(),
            Who::All => (0..self.fleet.len()).flat_map(|client| self.site.links(client, nodes)).collect(),
        }
    }
}

impl Weather {
    async fn over(self, link: &TcpProxy) {
        match self {
            Self::Cut => link.cut().await,
            Self::Stall => link.stall(),
            Self::StallReplies => link.stall_replies(),
            Self::BlackHole => link.black_hole(),
            Self::LoseReplies => link.black_hole_replies(),
            Self::LoseRequests => link.black_hole_requests(),
            Self::Delay(time) => link.delay(time),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
