//! The Redis backend keeps the contract on the master that Sentinel names, and on a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_delay_queue::{
    RedisDelayQueue, conformance_suite,
    nebula_redis::{Connection, RedisConfig},
    testing::Fixture,
};
use nebula_test_support::{redis_cluster_urls, redis_sentinels, unique};

async fn queue(config: RedisConfig) -> RedisDelayQueue<Connection> {
    let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
    RedisDelayQueue::new(connection).with_subscriber(subscriber).with_key_prefix(&unique("dq"))
}

#[derive(Debug)]
struct Sentinel(RedisDelayQueue<Connection>);

impl Fixture for Sentinel {
    type Backend = RedisDelayQueue<Connection>;

    async fn start() -> Self {
        let (master, nodes) = redis_sentinels().await;
        Self(queue(RedisConfig::sentinel(master, nodes)).await)
    }

    fn backend(&self) -> Self::Backend {
        self.0.clone()
    }
}

#[derive(Debug)]
struct Cluster(RedisDelayQueue<Connection>);

impl Fixture for Cluster {
    type Backend = RedisDelayQueue<Connection>;

    async fn start() -> Self {
        Self(queue(RedisConfig::cluster(redis_cluster_urls().await)).await)
    }

    fn backend(&self) -> Self::Backend {
        self.0.clone()
    }
}

mod sentinel {
    use super::*;
    conformance_suite!(Sentinel);
}

mod cluster {
    use super::*;
    conformance_suite!(Cluster);
}
