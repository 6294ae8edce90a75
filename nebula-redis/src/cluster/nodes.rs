//! Asks nodes of a cluster about it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use rand::seq::SliceRandom as _;
use redis::aio::ConnectionLike;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};
use tokio::time::timeout;

use super::view::View;
use crate::client::{self, Access, Address};
use crate::config::RedisConfig;
use crate::error::{Result, classify};
use crate::link::{Link, not_sent};
use crate::topology::ClusterConfig;

/// A node that is silent for so long is passed over.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many nodes are asked over links of their own.
const STRANGERS: usize = 4;

/// How to reach the nodes of one cluster, and which there are.
#[derive(Debug)]
pub(crate) struct Nodes {
    access: Access,
    seeds: Vec<Address>,
    /// Those that were named lately.
    known: Mutex<Vec<Address>>,
    patience: Duration,
}

impl Nodes {
    pub(crate) fn new(config: &RedisConfig, cluster: &ClusterConfig) -> Result<Self> {
        let group = client::group(config, &cluster.nodes, "cluster")?;
        let access = group.alike(config);
        if access.db() != 0 {
            return Err(client::invalid("a redis cluster has no database but 0"));
        }
        let patience = config.connect_timeout().min(PATIENCE);
        Ok(Self { access, known: Mutex::new(group.addresses.clone()), seeds: group.addresses, patience })
    }

    pub(crate) fn client(&self, address: &Address) -> RedisResult<redis::Client> {
        self.access.client(address)
    }

    /// What nodes say: those behind `links`, and some others. More than half of those that are asked have to answer
    /// before the slowest are no longer waited for, so that one that was cut off from the others is not believed alone.
    pub(super) async fn view(&self, links: Vec<(Address, Link)>, strangers: bool) -> RedisResult<View> {
        let linked: Vec<Address> = links.iter().map(|(address, _)| address.clone()).collect();
        let mut others = Vec::new();
        if strangers || links.is_empty() {
            others.clone_from(&*self.known.lock());
            others.extend(self.seeds.iter().cloned());
            others.sort();
            others.dedup();
            others.retain(|address| !linked.contains(address));
            others.shuffle(&mut rand::rng());
            others.truncate(STRANGERS);
        }
        let asked = links.len() + others.len();
        let mut answers: FuturesUnordered<_> = links
            .into_iter()
            .map(|(address, link)| (address, Some(link)))
            .chain(others.into_iter().map(|address| (address, None)))
            .map(async |(address, link)| (self.ask(&address, link).await, address))
            .collect();
        let (mut view, mut heard, mut failure) = (View::new(), 0, None);
        while let Some((answer, address)) = answers.next().await {
            match answer {
                Ok(reply) if view.add(&address, self.access.is_encrypted(), &reply) => heard += 1,
                Ok(_) => failure = Some(not_a_cluster()),
                // What somebody has to mend is worth more than that one is silent.
                Err(error) if failure.as_ref().is_none_or(|known| classify(known).is_retryable()) => {
                    failure = Some(error);
                }
                Err(_) => {}
            }
            if heard * 2 > asked {
                break;
            }
        }
        if heard > 0 {
            self.known.lock().clone_from(&view.nodes());
            return Ok(view);
        }
        match failure {
            Some(error) if !classify(&error).is_retryable() => Err(error),
            failure => Err(not_sent("no node of the cluster answers", failure)),
        }
    }

    async fn ask(&self, address: &Address, link: Option<Link>) -> RedisResult<String> {
        let asked = async {
            match link {
                Some(link) => {
                    redis::from_redis_value(link.command(&nodes()).await?.extract_error()?).map_err(Into::into)
                }
                None => self.dial(address, &nodes()).await,
            }
        };
        let answer = timeout(self.patience, asked).await;
        answer.unwrap_or_else(|_| Err(not_sent("the node is silent", None))).map_err(explained)
    }

    async fn dial<T: redis::FromRedisValue>(&self, address: &Address, command: &redis::Cmd) -> RedisResult<T> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        let mut connection = self.client(address)?.get_multiplexed_async_connection_with_config(&config).await?;
        let value = connection.req_packed_command(command).await?;
        redis::from_redis_value(value.extract_error()?).map_err(Into::into)
    }

    /// A node that answers and gets along with the others.
    pub(crate) async fn healthy(&self) -> RedisResult<Address> {
        let view = self.view(Vec::new(), true).await?;
        let mut nodes = view.nodes();
        nodes.retain(|address| view.is_sound(address));
        nodes.shuffle(&mut rand::rng());
        let mut failure = None;
        for address in nodes.into_iter().take(STRANGERS) {
            let pong = timeout(self.patience, self.dial::<redis::Value>(&address, &redis::cmd("PING"))).await;
            match pong {
                Ok(Ok(_)) => return Ok(address),
                Ok(Err(error)) => failure = Some(error),
                Err(_) => {}
            }
        }
        Err(not_sent("no node of the cluster is in order", failure))
    }

    /// Whether the others have given the node at `from` up. Not if nobody can tell.
    pub(crate) async fn left_behind(&self, from: &Address) -> bool {
        self.view(Vec::new(), true).await.is_ok_and(|view| !view.is_sound(from))
    }
}

fn nodes() -> redis::Cmd {
    redis::cmd("CLUSTER").arg("NODES").to_owned()
}

fn not_a_cluster() -> RedisError {
    (redis::ErrorKind::InvalidClientConfig, "a node in `cluster.nodes` is not part of a redis cluster").into()
}

/// What no waiting will mend, in the words of the settings.
fn explained(error: RedisError) -> RedisError {
    match error.detail() {
        Some(text) if text.to_ascii_lowercase().contains("cluster support disabled") => not_a_cluster(),
        _ => error,
    }
}
