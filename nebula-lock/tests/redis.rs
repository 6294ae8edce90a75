//! The Redis backend against the contract, with and without wake-ups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::testing::Fixture;
use nebula_lock::{DistributedLock, Mode, Observed, Prefixed, RedisLock, conformance_suite};
use nebula_test_support::{redis_url, unique};
use redis::AsyncCommands;

#[derive(Debug)]
struct Redis {
    connection: Connection,
    lock: RedisLock<Connection>,
    namespace: String,
}

impl Fixture for Redis {
    type Lock = RedisLock<Connection>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        let config = RedisConfig::new(redis_url().await);
        let connection = config.connect().await.expect("the test server runs");
        let namespace = unique("lock");
        let lock = RedisLock::new(connection.clone())
            .with_subscriber(config.subscriber().expect("inside a runtime"))
            .with_namespace(namespace.clone());
        Self { connection, lock, namespace }
    }

    fn lock(&self) -> Self::Lock {
        self.lock.clone()
    }

    /// Locks and subscriptions; fence counters are bounded in number.
    async fn stored(&self) -> usize {
        let mut connection = self.connection.clone();
        let keys: Vec<String> = connection.keys(format!("{}:*", self.namespace)).await.expect("the server answers");
        let channels: Vec<String> = redis::cmd("PUBSUB")
            .arg("CHANNELS")
            .arg(format!("{}:*", self.namespace))
            .query_async(&mut connection)
            .await
            .expect("the server answers");
        keys.iter().filter(|key| !key.contains(":fence:")).count() + channels.len()
    }
}

/// Without a subscriber: waiting callers poll.
#[derive(Debug)]
struct Polling(Redis);

impl Fixture for Polling {
    type Lock = Arc<dyn DistributedLock>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        Self(Redis::start().await)
    }

    fn lock(&self) -> Self::Lock {
        Arc::new(RedisLock::new(self.0.connection.clone()).with_namespace(self.0.namespace.clone()))
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

/// Whatever can share a script call does.
#[derive(Debug)]
struct Grouped(Redis);

impl Fixture for Grouped {
    type Lock = RedisLock<Connection>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        let mut redis = Redis::start().await;
        redis.lock = redis.lock.with_group_commit(0);
        Self(redis)
    }

    fn lock(&self) -> Self::Lock {
        self.0.lock()
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

/// Under decorators, as applications put them together.
#[derive(Debug)]
struct Decorated(Redis);

impl Fixture for Decorated {
    type Lock = Observed<Arc<dyn DistributedLock>>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        Self(Redis::start().await)
    }

    fn lock(&self) -> Self::Lock {
        Observed::new(Arc::new(Prefixed::new(self.0.lock(), "p:").expect("a prefix")), "redis")
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

#[tokio::test]
async fn held_locks_can_be_listed() {
    let redis = Redis::start().await;
    let locks = nebula_lock::LockManager::new(redis.lock());
    let mut guards = Vec::new();
    for number in 0..25 {
        guards.push(locks.lock(format!("a:{number:02}")).await.expect("free"));
    }
    guards.push(locks.read("b:{x}:1").await.expect("free"));
    let held = redis.lock.held("a:").await.expect("the server answers");
    assert_eq!(
        held.iter().map(ToString::to_string).collect::<Vec<_>>(),
        (0..25).map(|n| format!("a:{n:02}")).collect::<Vec<_>>()
    );
    assert_eq!(redis.lock.held("b:").await.expect("the server answers")[0].as_str(), "b:{x}:1");
    for guard in guards {
        guard.release().await;
    }
    assert_eq!(redis.lock.held("").await.expect("the server answers"), []);
}

mod subscribed {
    use super::*;
    conformance_suite!(Redis);
}

mod polling {
    use super::*;
    conformance_suite!(Polling);
}

mod grouped {
    use super::*;
    conformance_suite!(Grouped);
}

mod decorated {
    use super::*;
    conformance_suite!(Decorated);
}
