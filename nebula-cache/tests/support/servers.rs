//! Backends on Redis, whichever way its servers stand, for the conformance suites.

use std::fmt;
use std::marker::PhantomData;

use nebula_cache::nebula_redis::{Connection, RedisConfig, Subscriber};
use nebula_cache::rate_limit::{MicroClock, RedisRates};
use nebula_cache::testing::Fixture;
use nebula_cache::testing::rate_limit::RateFixture;
use nebula_cache::{BreakerConfig, CacheManager, RedisShared};
use nebula_test_support::{redis_url, unique};

use super::process::PATIENCE;

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

/// A node on the shared server, as patient as a busy machine needs it.
pub(crate) async fn node(namespace: &str) -> CacheManager {
    let config = RedisConfig::new(redis_url().await).with_response_timeout(PATIENCE);
    let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
    CacheManager::builder()
        .with_shared(RedisShared::new(connection, subscriber).with_namespace(namespace.to_owned()))
        .with_breaker(BreakerConfig::default().with_slow_after(PATIENCE))
        // It would bypass its local level if it could not see the log for a moment.
        .with_staleness_bound(PATIENCE)
        .start()
        .await
        .unwrap()
}
