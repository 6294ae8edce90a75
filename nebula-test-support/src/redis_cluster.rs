//! A Redis cluster.

use std::time::Duration;

use futures_util::future::join_all;
use redis::RedisResult;

use crate::eventually;
use crate::redis_ask::{ask, field};
use crate::redis_server::{RedisOptions, RedisServer};

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// How long a node may be silent before the others think it dead, in milliseconds.
const NODE_TIMEOUT: &str = "1500";

const READY: Duration = Duration::from_secs(90);

/// A cluster of three masters, each with one replica. A master that is silent for one and a half seconds is replaced.
/// It is set up over the protocol; no tool besides `redis-server` is needed.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::RedisCluster;
///
/// let mut cluster = RedisCluster::start().await;
/// let owner = cluster.owner_of("{seat}:1").await;
/// cluster.nodes[owner].kill();
/// assert_ne!(cluster.failed_over("{seat}:1", owner).await, owner);
/// # });
/// ```
#[derive(Debug)]
pub struct RedisCluster {
    /// At first three masters and then their replicas in the same order.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes, joins them, and waits until the cluster takes writes everywhere.
    ///
    /// # Panics
    /// When they cannot be started or do not get ready.
    ///
    /// # Cancel safety
    /// Dropping the future kills the nodes.
    pub async fn start() -> Self {
        Self::start_with(&RedisServer::options()).await
    }

    /// Likewise with options for all of them.
    ///
    /// # Panics
    /// When they cannot be started or do not get ready.
    ///
    /// # Cancel safety
    /// Dropping the future kills the nodes.
    pub async fn start_with(options: &RedisOptions) -> Self {
        let options = options.clone().cluster().args([
            "--cluster-node-timeout",
            NODE_TIMEOUT,
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
        ]);
        let cluster = Self { nodes: join_all((0..2 * MASTERS).map(|_| options.clone().start())).await };
        if let Err(error) = cluster.join().await {
            panic!("cannot join the nodes of a redis cluster: {error}");
        }
        cluster.ready().await;
        cluster
    }

    async fn join(&self) -> RedisResult<()> {
        for (number, master) in self.nodes.iter().take(MASTERS).enumerate() {
            let slots: Vec<String> =
                (number * SLOTS / MASTERS..(number + 1) * SLOTS / MASTERS).map(|slot| slot.to_string()).collect();
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(slots.iter().map(String::as_str));
            let () = ask(&master.url(), &words).await?;
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let () = ask(&node.url(), &["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await?;
            let () = ask(&self.nodes[0].url(), &["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string()]).await?;
        }
        let nodes = self.nodes.len().to_string();
        for node in &self.nodes {
            let url = node.url();
            eventually(READY, || async {
                let known = field(&url, &["CLUSTER", "INFO"], "cluster_known_nodes").await?;
                if known == nodes { Ok(()) } else { Err(format!("{url} knows {known} nodes")) }
            })
            .await;
        }
        for (master, replica) in self.nodes.iter().zip(&self.nodes[MASTERS..]) {
            let id: String = ask(&master.url(), &["CLUSTER", "MYID"]).await?;
            // A node that has met the others a moment ago may not have heard of this one yet.
            eventually(READY, || async {
                ask::<()>(&replica.url(), &["CLUSTER", "REPLICATE", &id]).await.map_err(|error| error.to_string())
            })
            .await;
        }
        Ok(())
    }

    /// Waits until every running node finds the cluster in order, and every running replica follows its master.
    ///
    /// # Panics
    /// When that does not happen within a minute and a half.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self) {
        eventually(READY, || async {
            let mut replicas = 0;
            for node in self.nodes.iter().filter(|node| node.is_running()) {
                let url = node.url();
                let state = field(&url, &["CLUSTER", "INFO"], "cluster_state").await?;
                if state != "ok" {
                    return Err(format!("{url} finds the cluster {state}"));
                }
                if field(&url, &["INFO", "replication"], "role").await? == "slave" {
                    let link = field(&url, &["INFO", "replication"], "master_link_status").await?;
                    if link != "up" {
                        return Err(format!("the link of {url} is {link}"));
                    }
                    replicas += 1;
                }
            }
            let running = self.nodes.iter().filter(|node| node.is_running()).count();
            if running - replicas == MASTERS { Ok(()) } else { Err(format!("{replicas} replicas of {running} nodes")) }
        })
        .await;
    }

    /// Where to connect, one URL for each node.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Which node owns the slot of `key` now.
    ///
    /// # Panics
    /// When the running nodes do not agree on one within a minute and a half.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn owner_of(&self, key: &str) -> usize {
        eventually(READY, || async { self.owner(key).await }).await
    }

    /// Waits until another node than `old` owns the slot of `key`, and returns it.
    ///
    /// # Panics
    /// When that does not happen within a minute and a half.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn failed_over(&self, key: &str, old: usize) -> usize {
        eventually(READY, || async {
            match self.owner(key).await? {
                owner if owner != old => Ok(owner),
                _ => Err("the old node still owns the slot".to_owned()),
            }
        })
        .await
    }

    /// The node that takes a write to `key`: it answers, where others redirect and replicas refuse.
    async fn owner(&self, key: &str) -> Result<usize, String> {
        let asked = self.nodes.iter().map(async |node| {
            if !node.is_running() {
                return Err("not running".to_owned());
            }
            let url = node.url();
            let role = field(&url, &["INFO", "replication"], "role").await?;
            let () = ask(&url, &["EXISTS", key]).await.map_err(|error| error.to_string())?;
            if role == "master" { Ok(()) } else { Err(role) }
        });
        let answers: Vec<Result<(), String>> = join_all(asked).await;
        answers.iter().position(Result::is_ok).ok_or_else(|| format!("no node owns it: {answers:?}"))
    }
}
