//! The Redis backends against their contracts, on a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeMap;

use nebula_cache::nebula_redis::{RedisConfig, key_slot};
use nebula_cache::testing::Fixture;
use nebula_cache::{CacheManager, conformance_suite, rate_limit_conformance_suite};
use nebula_test_support::redis_cluster_urls;
use support::servers::{Rates, Servers, Shared, reads_of_many};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_are_one_command_for_each_slot() {
    let sent = reads_of_many(Cluster::config().await, 580, 20).await;
    let mut slots: BTreeMap<u16, usize> = BTreeMap::new();
    for command in &sent {
        let [name, keys @ ..] = &command[..] else { panic!("{command:?}") };
        let slot = key_slot(&keys[0]);
        assert!(&name[..] == b"MGET" && keys.iter().all(|key| key_slot(key) == slot), "{command:?}");
        assert_eq!(slots.insert(slot, keys.len()), None, "slot {slot} is asked once");
    }
    assert_eq!(slots.values().sum::<usize>(), 600);
    assert!(slots.values().any(|keys| *keys > 1), "some of so many share a slot: {} commands", sent.len());
}

#[tokio::test]
async fn the_slow_log_is_that_of_every_master() {
    /// Busy for longer than what every server finds slow unless told otherwise, 10 ms, on whatever machine.
    const BUSY: &str = "local sum = 0 for number = 1, 5000000 do sum = sum + number % 7 end return sum";
    let masters = Cluster::config().await.connect().await.unwrap().servers().await.unwrap();
    assert!(masters.len() >= 3);
    for (number, mut master) in masters.into_iter().enumerate() {
        let words: Vec<String> = (0..number * 20).map(|word| word.to_string()).collect();
        redis::cmd("EVAL").arg(BUSY).arg(0).arg("mark").arg(words).exec_async(&mut master).await.unwrap();
    }
    let shared = Shared::<Cluster>::start().await.shared();
    let slow = shared.slow_commands(1000).await.unwrap();
    for arguments in [3, 23, 43] {
        let found = slow.iter().find(|one| one.command == "EVAL" && one.arguments == arguments);
        assert!(found.is_some_and(|one| one.micros >= 10_000), "{arguments}: {slow:?}");
    }
    assert!(slow.is_sorted_by_key(|one| std::cmp::Reverse(one.at)));
    assert_eq!(shared.slow_commands(1).await.unwrap().len(), 1);
}
