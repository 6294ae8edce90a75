//! The Redis backend against the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_cache::nebula_redis::{Connection, RedisConfig};
use nebula_cache::testing::Fixture;
use nebula_cache::{RedisShared, conformance_suite};
use nebula_test_support::{redis_url, unique};

#[derive(Debug)]
struct Redis(RedisShared<Connection>);

impl Fixture for Redis {
    type Shared = RedisShared<Connection>;

    async fn start() -> Self {
        let config = RedisConfig::new(redis_url().await);
        let connection = config.connect().await.expect("the test server runs");
        let subscriber = config.subscriber().expect("inside a runtime");
        Self(RedisShared::new(connection, subscriber).with_namespace(unique("cache")))
    }

    fn shared(&self) -> Self::Shared {
        self.0.clone()
    }
}

conformance_suite!(Redis);
conformance_suite!(bloom: Redis);

mod rates {
    use nebula_cache::nebula_redis::{Connection, RedisConfig};
    use nebula_cache::rate_limit::{MicroClock, RedisRates};
    use nebula_cache::rate_limit_conformance_suite;
    use nebula_cache::testing::rate_limit::RateFixture;
    use nebula_test_support::{redis_url, unique};

    #[derive(Debug)]
    struct Rates(RedisRates<Connection>);

    impl RateFixture for Rates {
        type Store = RedisRates<Connection>;

        async fn start() -> Self {
            let config = RedisConfig::new(redis_url().await);
            let connection = config.connect().await.expect("the test servers run");
            let subscriber = config.subscriber().expect("inside a runtime");
            Self(RedisRates::new(connection, subscriber).with_namespace(unique("rates")))
        }

        fn store(&self) -> Self::Store {
            self.0.clone()
        }

        fn with_clock(&self, clock: MicroClock) -> Self::Store {
            self.0.clone().with_client_clock(clock)
        }
    }

    rate_limit_conformance_suite!(Rates);
}
