//! The processes of the lock servers, and how one takes over from another.

use nebula_test_support::{RedisCluster, RedisSentinel, RedisServer};

use super::check::Excuse;
use super::clock::now;
use super::site::{QUORUM, Topology};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Enough keys that each master of a cluster has some of them.
const SAMPLES: usize = 16;

#[derive(Debug)]
pub(crate) enum Servers {
    Plain(Vec<RedisServer>),
    Sentinel(Group<RedisSentinel>),
    Cluster(Group<RedisCluster>),
}

/// Servers of which one takes over from another.
#[derive(Debug)]
pub(crate) struct Group<R> {
    pub(crate) redis: R,
    /// Who was master when it was last seen that all is well: of each sample of keys.
    masters: Vec<usize>,
    seen: u64,
    /// The sample whose master is down or frozen, and since when.
    fallen: Option<(usize, u64)>,
}

impl<R> Group<R> {
    const fn new(redis: R) -> Self {
        Self { redis, masters: Vec::new(), seen: 0, fallen: None }
    }
}

fn sample(number: usize) -> String {
    format!("sample:{number}")
}

impl Servers {
    pub(crate) async fn start(topology: Topology) -> Result<Self> {
        // What was written survives the process, and that is all that is killed here: no need to wait for the disk.
        let durable = || RedisServer::options().append_only().args(["--appendfsync", "no"]);
        let mut servers = match topology {
            Topology::Single => Self::Plain(vec![durable().try_start().await?]),
            Topology::Forgetful => Self::Plain(vec![RedisServer::options().try_start().await?]),
            Topology::Redlock => {
                let mut nodes = Vec::new();
                for _ in 0..QUORUM {
                    nodes.push(durable().try_start().await?);
                }
                Self::Plain(nodes)
            }
            Topology::Sentinel => Self::Sentinel(Group::new(RedisSentinel::start().await)),
            Topology::Cluster => Self::Cluster(Group::new(RedisCluster::start().await)),
        };
        servers.note_failovers(&mut Vec::new()).await;
        Ok(servers)
    }

    pub(crate) fn all(&self) -> &[RedisServer] {
        match self {
            Self::Plain(servers) => servers,
            Self::Sentinel(group) => &group.redis.servers,
            Self::Cluster(group) => &group.redis.nodes,
        }
    }

    pub(crate) fn all_mut(&mut self) -> &mut [RedisServer] {
        match self {
            Self::Plain(servers) => servers,
            Self::Sentinel(group) => &mut group.redis.servers,
            Self::Cluster(group) => &mut group.redis.nodes,
        }
    }

    async fn masters(&self) -> Vec<usize> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Sentinel(group) => vec![group.redis.master().await],
            Self::Cluster(group) => {
                let mut masters = Vec::new();
                for number in 0..SAMPLES {
                    masters.push(group.redis.owner_of(&sample(number)).await);
                }
                masters
            }
        }
    }

    /// Looks who is master now; if it is somebody else than before, anything may have happened since.
    pub(crate) async fn note_failovers(&mut self, excuses: &mut Vec<Excuse>) {
        let from = now();
        let found = self.masters().await;
        let (Self::Sentinel(Group { masters, seen, .. }) | Self::Cluster(Group { masters, seen, .. })) = self else {
            return;
        };
        if !masters.is_empty() && *masters != found {
            excuses.push(Excuse { from: *seen, to: now(), total: false });
        }
        (*masters, *seen) = (found, from);
    }

    /// Lets a master fall: `how` says in which way.
    pub(crate) async fn fell(&mut self, nodes: u8, excuses: &mut Vec<Excuse>, how: impl FnOnce(&mut RedisServer)) {
        self.note_failovers(excuses).await;
        let master = {
            let (Self::Sentinel(Group { masters, fallen, .. }) | Self::Cluster(Group { masters, fallen, .. })) = self
            else {
                return;
            };
            let number = usize::from(nodes) % masters.len();
            *fallen = Some((number, now()));
            masters[number]
        };
        how(&mut self.all_mut()[master]);
    }

    /// Waits until another has taken over from the one that fell, and returns which one that was.
    pub(crate) async fn replaced(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Sentinel(group) => {
                let old = group.masters[0];
                group.redis.failed_over(old).await;
                old
            }
            Self::Cluster(group) => {
                let number = group.fallen.map_or(0, |(number, _)| number);
                let old = group.masters[number];
                group.redis.failed_over(&sample(number), old).await;
                old
            }
        }
    }

    /// Waits until the one that fell follows its successor. Until then two of them may have been masters.
    pub(crate) async fn settled(&mut self, excuses: &mut Vec<Excuse>) {
        match self {
            Self::Plain(_) => return,
            Self::Sentinel(group) => group.redis.ready().await,
            Self::Cluster(group) => group.redis.ready().await,
        }
        let found = self.masters().await;
        let (Self::Sentinel(Group { masters, seen, fallen, .. }) | Self::Cluster(Group { masters, seen, fallen, .. })) =
            self
        else {
            return;
        };
        if let Some((_, from)) = fallen.take() {
            excuses.push(Excuse { from, to: now(), total: false });
        }
        (*masters, *seen) = (found, now());
    }
}
