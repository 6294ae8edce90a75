//! Backends on Redis, whichever way its servers stand, for the conformance suites.

use std::fmt;
use std::marker::PhantomData;

use nebula_cache::RedisShared;
use nebula_cache::nebula_redis::{Connection, RedisConfig, Subscriber};
use nebula_cache::rate_limit::{MicroClock, RedisRates};
use nebula_cache::testing::Fixture;
use nebula_cache::testing::rate_limit::RateFixture;
use nebula_test_support::unique;

/// The servers to test on.
pub(crate) trait Servers: fmt::Debug + Send + Sync + 'static {
    fn config() -> impl Future<Output = RedisConfig> + Send;
}

async fn connect<S: Servers>() -> (Connection, Subscriber) {
    let config = S::config().await;
    (config.connect().await.expect("the test servers run"), config.subscriber().expect("inside a runtime"))
}

/// The shared level.
#[derive(Debug)]
pub(crate) struct Shared<S>(RedisShared<Connection>, PhantomData<S>);

impl<S: Servers> Fixture for Shared<S> {
    type Shared = RedisShared<Connection>;

    async fn start() -> Self {
        let (connection, subscriber) = connect::<S>().await;
        Self(RedisShared::new(connection, subscriber).with_namespace(unique("cache")), PhantomData)
    }

    fn shared(&self) -> Self::Shared {
        self.0.clone()
    }
}

/// The store of rate limits.
#[derive(Debug)]
pub(crate) struct Rates<S>(RedisRates<Connection>, PhantomData<S>);

impl<S: Servers> RateFixture for Rates<S> {
    type Store = RedisRates<Connection>;

    async fn start() -> Self {
        let (connection, subscriber) = connect::<S>().await;
        Self(RedisRates::new(connection, subscriber).with_namespace(unique("rates")), PhantomData)
    }

    fn store(&self) -> Self::Store {
        self.0.clone()
    }

    fn with_clock(&self, clock: MicroClock) -> Self::Store {
        self.0.clone().with_client_clock(clock)
    }
}
