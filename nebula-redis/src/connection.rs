use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::link::Keeper;

/// A connection that repairs itself; clones share one link.
///
/// - A command that is issued while the link is down waits for the next link at most for the response timeout and then
///   fails as [`Unavailable`](crate::ErrorKind::Unavailable): it was not sent.
/// - A command that was under way when the link broke fails as [`Disconnected`](crate::ErrorKind::Disconnected) and is
///   not repeated: whether it was executed is unknown, and only the caller knows whether it may be repeated.
/// - A command without a reply within the response timeout fails as [`Timeout`](crate::ErrorKind::Timeout). If nothing at
///   all was received on the link meanwhile, the link counts as broken and is replaced.
/// - With [Sentinel](crate::SentinelConfig) the link leads to the master: a server that says that it is none is not used,
///   and the link is replaced when the sentinels name another one.
/// - With a [cluster](crate::ClusterConfig) there is a link to each owner of slots. A command goes to the owner of its
///   keys, and follows `MOVED` and `ASK`; what no node took is offered again until the response timeout has passed. Keys
///   of one command, script or pipeline have to share a slot, and commands without a key go to any owner.
/// - Dropping the future of a command does not call the command back.
#[derive(Debug, Clone)]
pub struct Connection {
    way: Way,
    patience: Duration,
}

/// How a command gets to its server.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// By the one link.
    One(Arc<Keeper>),
    /// By the link to the owner of its keys.
    Cluster(Arc<Cluster>),
}

impl Connection {
    pub(crate) fn new(way: Way, patience: Duration) -> Self {
        Self { way, patience }
    }

    /// A connection to each server that takes writes now: to each owner of slots of a cluster, and to the one server otherwise.
    /// For what concerns servers rather than keys, such as `INFO` and `SCAN`. Each leads to its server also when that has given up
    /// its slots.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) and others, if the nodes of a cluster do not tell.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn servers(&self) -> Result<Vec<Self>> {
        match &self.way {
            Way::One(_) => Ok(vec![self.clone()]),
            Way::Cluster(cluster) => {
                let masters = cluster.masters(self.patience).await;
                let masters =
                    masters.map_err(|error| Error::from_redis(error, "cannot tell the masters of the cluster"))?;
                Ok(masters.into_iter().map(|keeper| Self::new(Way::One(keeper), self.patience)).collect())
            }
        }
    }

    /// The outcome of the first attempt to connect.
    pub(crate) async fn first(&self) -> RedisResult<()> {
        match &self.way {
            Way::One(keeper) => keeper.first_link().await.map(drop),
            Way::Cluster(cluster) => cluster.first_view().await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let patience = self.patience;
        // Several futures, so that the common one stays small: it is allocated for every command.
        match &self.way {
            Way::One(keeper) => match keeper.present() {
                Some(link) => async move { link.command(command).await }.boxed(),
                None => async move { keeper.link(patience).await?.command(command).await }.boxed(),
            },
            Way::Cluster(cluster) => cluster.command(command, patience).boxed(),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let patience = self.patience;
        match &self.way {
            Way::One(keeper) => match keeper.present() {
                Some(link) => async move { link.pipeline(commands, offset, count).await }.boxed(),
                None => async move { keeper.link(patience).await?.pipeline(commands, offset, count).await }.boxed(),
            },
            Way::Cluster(cluster) => cluster.pipeline(commands, (offset, count), patience).boxed(),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.way {
            Way::One(keeper) => keeper.db(),
            Way::Cluster(_) => 0,
        }
    }
}
