//! The Redis backend against the contract, on a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_cache::nebula_redis::{Connection, RedisConfig};
use nebula_cache::testing::Fixture;
use nebula_cache::{CacheManager, RedisShared, conformance_suite};
use nebula_test_support::{redis_cluster_urls, unique};

#[derive(Debug)]
struct Cluster(RedisShared<Connection>);

impl Fixture for Cluster {
    type Shared = RedisShared<Connection>;

    async fn start() -> Self {
        let nodes = redis_cluster_urls().await;
        let config = RedisConfig::cluster(nodes);
        let connection = config.connect().await.expect("the cluster runs");
        let subscriber = config.subscriber().expect("inside a runtime");
        Self(RedisShared::new(connection, subscriber).with_namespace(unique("cache")))
    }

    fn shared(&self) -> Self::Shared {
        self.0.clone()
    }
}

conformance_suite!(Cluster);
conformance_suite!(bloom: Cluster);

#[tokio::test]
async fn two_nodes_work_over_it() {
    let shared = Cluster::start().await.0;
    let (a, b) = (CacheManager::new(shared.clone()).await.unwrap(), CacheManager::new(shared).await.unwrap());
    let on_a = a.cache::<u64, u64>("test").build().unwrap();
    let on_b = b.cache::<u64, u64>("test").build().unwrap();
    for key in 0..50 {
        on_a.put(key, key).await.unwrap();
    }
    let keys: Vec<u64> = (0..50).collect();
    let found = on_b.get_many(&keys).await.unwrap();
    assert!(keys.iter().zip(&found).all(|(key, found)| found.as_ref().is_some_and(|found| **found == *key)));
    let at = on_a.evict_many(&keys).await.unwrap();
    b.caught_up(at, std::time::Duration::from_secs(60)).await.unwrap();
    assert!(on_b.get_many(&keys).await.unwrap().iter().all(Option::is_none));
}

mod rates {
    use nebula_cache::nebula_redis::{Connection, RedisConfig};
    use nebula_cache::rate_limit::{MicroClock, RedisRates};
    use nebula_cache::rate_limit_conformance_suite;
    use nebula_cache::testing::rate_limit::RateFixture;
    use nebula_test_support::{redis_cluster_urls, unique};

    #[derive(Debug)]
    struct Rates(RedisRates<Connection>);

    impl RateFixture for Rates {
        type Store = RedisRates<Connection>;

        async fn start() -> Self {
            let config = RedisConfig::cluster(redis_cluster_urls().await);
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
