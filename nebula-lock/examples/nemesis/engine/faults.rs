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
    /// SIGKILL to servers.
    KillServer,
    /// SIGSTOP to servers.
    FreezeServer,
    /// SIGKILL to a client.
    KillClient(usize),
    /// SIGSTOP to a client.
    FreezeClient(usize),
    /// The network between clients and lock servers.
    Network(Weather, Who),
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
        match rng.random_range(0..20) {
            0 | 1 => Self::KillServer,
            2 | 3 => Self::FreezeServer,
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
                Self::Network(weather, who)
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
            Self::KillServer => "kill -9 of servers",
            Self::FreezeServer => "SIGSTOP of servers",
            Self::KillClient(_) => "kill -9 of clients",
            Self::FreezeClient(_) => "SIGSTOP of clients",
            Self::Network(Weather::Cut, _) => "connections cut",
            Self::Network(Weather::Stall | Weather::StallReplies, _) => "partitions that deliver late",
            Self::Network(Weather::BlackHole, _) => "partitions that lose everything",
            Self::Network(Weather::LoseReplies | Weather::LoseRequests, _) => "half-open connections",
            Self::Network(Weather::Delay(_), _) => "delays",
            Self::StoreStalls(_) => "late writes to the store",
            Self::KillConnections(_) => "CLIENT KILL",
            Self::FlushScripts => "SCRIPT FLUSH",
            Self::Wipe => "FLUSHALL",
        }
    }

    /// Whether it lasts.
    pub(crate) const fn lasts(self) -> bool {
        !matches!(self, Self::KillConnections(_) | Self::FlushScripts | Self::Wipe)
    }
}

impl World {
    pub(crate) async fn strike(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillServer => self.site.crash(false).await,
            Fault::FreezeServer => self.site.freeze(true),
            Fault::KillClient(client) => self.fleet.kill(client),
            Fault::FreezeClient(client) => self.fleet.freeze(client, true),
            Fault::Network(weather, who) => {
                for link in self.links(who) {
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
            Fault::KillServer => self.site.crash(true).await,
            Fault::FreezeServer => self.site.freeze(false),
            Fault::KillClient(client) => self.fleet.launch(client).await?,
            Fault::FreezeClient(client) => self.fleet.freeze(client, false),
            Fault::Network(_, who) => {
                for link in self.links(who) {
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

    fn links(&self, who: Who) -> Vec<&TcpProxy> {
        match who {
            Who::One(client) => self.site.links(client).iter().collect(),
            Who::All => (0..self.fleet.len()).flat_map(|client| self.site.links(client)).collect(),
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
