//! Quorums of five against the contract: on real servers, in memory, behind `Arc<dyn …>`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::testing::Fixture;
use nebula_lock::{DistributedLock, MemoryLock, Mode, QuorumNode, RedisLock, Redlock, conformance_suite};
use nebula_test_support::{redis_node_urls, redis_url, unique};
use redis::AsyncCommands;

/// Every node would have an order of arrival of its own.
const MODES: &[Mode] = &[Mode::Exclusive, Mode::Read, Mode::Write];

/// Replies of five servers on a busy machine take their time.
const SHORT: Duration = Duration::from_secs(1);

/// Far above what a busy machine needs: this suite is about servers that answer.
const NODE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Servers {
    connections: Vec<Connection>,
    lock: Redlock,
    namespace: String,
}

impl Fixture for Servers {
    type Lock = Redlock;
    const MODES: &'static [Mode] = MODES;
    const SHORT: Duration = SHORT;

    async fn start() -> Self {
        let namespace = unique("redlock");
        let (mut connections, mut nodes) = (Vec::new(), Vec::new());
        for url in redis_node_urls().await {
            let config = RedisConfig::new(url);
            let connection = config.connect().await.expect("the test server runs");
            let node = RedisLock::new(connection.clone())
                .with_subscriber(config.subscriber().expect("inside a runtime"))
                .with_namespace(namespace.clone());
            connections.push(connection);
            nodes.push(node);
        }
        let lock = Redlock::new(nodes).expect("there are nodes").with_node_timeout(NODE_TIMEOUT);
        Self { connections, lock, namespace }
    }

    fn lock(&self) -> Self::Lock {
        self.lock.clone()
    }

    /// Locks and subscriptions on all nodes; fence counters are bounded in number.
    async fn stored(&self) -> usize {
        let mut stored = 0;
        for connection in &self.connections {
            let mut connection = connection.clone();
            let keys: Vec<String> = connection.keys(format!("{}:*", self.namespace)).await.expect("the server answers");
            let channels: Vec<String> = redis::cmd("PUBSUB")
                .arg("CHANNELS")
                .arg(format!("{}:*", self.namespace))
                .query_async(&mut connection)
                .await
                .expect("the server answers");
            stored += keys.iter().filter(|key| !key.contains(":fence:")).count() + channels.len();
        }
        stored
    }
}

#[derive(Debug)]
struct Erased(Servers);

impl Fixture for Erased {
    type Lock = Arc<dyn DistributedLock>;
    const MODES: &'static [Mode] = MODES;
    const SHORT: Duration = SHORT;

    async fn start() -> Self {
        Self(Servers::start().await)
    }

    fn lock(&self) -> Self::Lock {
        Arc::new(self.0.lock())
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

#[derive(Debug)]
struct InMemory {
    nodes: Vec<MemoryLock>,
    lock: Redlock,
}

impl Fixture for InMemory {
    type Lock = Redlock;
    const MODES: &'static [Mode] = MODES;
    const SHORT: Duration = SHORT;

    async fn start() -> Self {
        let nodes: Vec<_> = (0..5).map(|_| MemoryLock::new()).collect();
        let lock = Redlock::new(nodes.clone()).expect("there are nodes").with_node_timeout(NODE_TIMEOUT);
        Self { nodes, lock }
    }

    fn lock(&self) -> Self::Lock {
        self.lock.clone()
    }

    async fn stored(&self) -> usize {
        self.nodes.iter().map(|node| node.keys() + node.watched()).sum()
    }
}

/// One server, as a node.
#[derive(Debug)]
struct Server(RedisLock<Connection>);

impl Fixture for Server {
    type Lock = RedisLock<Connection>;

    async fn start() -> Self {
        let connection = RedisConfig::new(redis_url().await).connect().await.expect("the test server runs");
        Self(RedisLock::new(connection).with_namespace(unique("node")))
    }

    fn lock(&self) -> Self::Lock {
        self.0.clone()
    }

    async fn stored(&self) -> usize {
        0
    }
}

#[derive(Debug)]
struct Memory(MemoryLock);

impl Fixture for Memory {
    type Lock = Arc<dyn QuorumNode>;

    async fn start() -> Self {
        Self(MemoryLock::new())
    }

    fn lock(&self) -> Self::Lock {
        Arc::new(self.0.clone())
    }

    async fn stored(&self) -> usize {
        self.0.keys()
    }
}

mod server_as_node {
    use super::*;
    conformance_suite!(quorum: Server);
}

mod memory_as_node {
    use super::*;
    conformance_suite!(quorum: Memory);
}

mod servers {
    use super::*;
    conformance_suite!(Servers);
}

mod erased {
    use super::*;
    conformance_suite!(Erased);
}

mod in_memory {
    use super::*;
    conformance_suite!(InMemory);
}
