//! Which server to dial.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;

use crate::client::{self, Address};
use crate::cluster::Nodes;
use crate::config::RedisConfig;
use crate::error::Result;
use crate::sentinel::Sentinels;
use crate::topology;

/// How often somebody who waits for a server asks whether it is still the right one.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Where a dialer's links lead.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// To one server.
    Fixed(Arc<redis::Client>),
    /// To whoever is master.
    Master(Arc<Sentinels>),
    /// To any node of a cluster that is in order: all hear what is published on one.
    AnyNode(Arc<Nodes>),
}

/// The server that was chosen.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) client: redis::Client,
    /// Known where it was found out.
    pub(crate) address: Option<Address>,
    /// Whether it has to be a master; one that refuses writes is then the wrong one.
    pub(crate) master: bool,
}

impl Target {
    /// What the configuration leads to, and the database there.
    pub(crate) fn of(config: &RedisConfig) -> Result<(Self, i64)> {
        let unfolded = topology::unfolded(config)?;
        let config = unfolded.as_ref().unwrap_or(config);
        match (&config.sentinel, &config.cluster) {
            (None, None) => {
                let client = client::single(config)?;
                let db = client.get_connection_info().redis_settings().db();
                Ok((Self::Fixed(Arc::new(client)), db))
            }
            (Some(sentinel), None) => {
                let sentinels = Sentinels::new(config, sentinel)?;
                let db = sentinels.db();
                Ok((Self::Master(Arc::new(sentinels)), db))
            }
            (None, Some(cluster)) => Ok((Self::AnyNode(Arc::new(Nodes::new(config, cluster)?)), 0)),
            (Some(_), Some(_)) => Err(client::invalid("`sentinel` and `cluster` exclude each other")),
        }
    }

    #[cfg(test)]
    pub(crate) fn fixed(&self) -> &redis::Client {
        match self {
            Self::Fixed(client) => client,
            _ => panic!("several servers"),
        }
    }

    pub(crate) async fn find(&self) -> RedisResult<Place> {
        match self {
            Self::Fixed(client) => Ok(Place { client: redis::Client::clone(client), address: None, master: false }),
            Self::Master(sentinels) => {
                let address = sentinels.master().await?;
                Ok(Place { client: sentinels.server(&address)?, address: Some(address), master: true })
            }
            Self::AnyNode(nodes) => {
                let address = nodes.healthy().await?;
                Ok(Place { client: nodes.client(&address)?, address: Some(address), master: false })
            }
        }
    }

    /// Resolves when a new dial would lead to another server.
    pub(crate) async fn moved(&self, from: Option<Address>) {
        if from.is_none() {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if self.has_moved(from.as_ref()).await {
                return;
            }
        }
    }

    /// Resolves when somebody says that the way has changed.
    pub(crate) async fn announced(&self) {
        match self {
            Self::Master(sentinels) => sentinels.announced().await,
            Self::Fixed(_) | Self::AnyNode(_) => std::future::pending().await,
        }
    }

    /// Whether a new dial would lead to another server. Not if nobody can tell.
    pub(crate) async fn has_moved(&self, from: Option<&Address>) -> bool {
        let Some(from) = from else { return false };
        match self {
            Self::Fixed(_) => false,
            Self::Master(sentinels) => sentinels.master().await.is_ok_and(|master| master != *from),
            Self::AnyNode(nodes) => nodes.left_behind(from).await,
        }
    }
}
