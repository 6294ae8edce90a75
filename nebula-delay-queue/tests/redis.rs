//! The Redis backend keeps the contract, with and without published wake-ups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_delay_queue::{
    RedisDelayQueue, conformance_suite,
    nebula_redis::{Connection, RedisConfig},
    testing::Fixture,
};
use nebula_test_support::{redis_url, unique};

#[derive(Debug)]
struct Redis(RedisDelayQueue<Connection>);

impl Fixture for Redis {
    type Backend = RedisDelayQueue<Connection>;

    async fn start() -> Self {
        let config = RedisConfig::new(redis_url().await);
        let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
        Self(RedisDelayQueue::new(connection).with_subscriber(subscriber).with_key_prefix(&unique("dq")))
    }

    fn backend(&self) -> Self::Backend {
        self.0.clone()
    }
}

conformance_suite!(Redis);
