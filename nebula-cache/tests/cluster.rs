//! The Redis backends against their contracts, on a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::testing::Fixture;
use nebula_cache::{CacheManager, conformance_suite, rate_limit_conformance_suite};
use nebula_test_support::redis_cluster_urls;
use support::servers::{Rates, Servers, Shared};

#[derive(Debug)]
struct Cluster;

impl Servers for Cluster {
    async fn config() -> RedisConfig {
        RedisConfig::cluster(redis_cluster_urls().await)
    }
}

conformance_suite!(Shared<Cluster>);
conformance_suite!(bloom: Shared<Cluster>);
rate_limit_conformance_suite!(Rates<Cluster>);

#[tokio::test]
async fn two_nodes_work_over_it() {
    let shared = Shared::<Cluster>::start().await.shared();
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
