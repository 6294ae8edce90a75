//! A thousand callers, three nodes, one real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{BreakerConfig, Cache, CacheManager, RedisShared};
use nebula_test_support::{redis_url, unique};
use support::{Source, ms};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

async fn nodes() -> Vec<Cache<u64, u64>> {
    let config = RedisConfig::new(redis_url().await).with_response_timeout(PATIENCE);
    let namespace = unique("herd");
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
        // A machine under load may be slow to answer; what is tested is who loads, not when.
        let manager = CacheManager::builder()
            .with_shared(shared.with_namespace(namespace.clone()))
            .with_breaker(BreakerConfig::default().with_slow_after(PATIENCE))
            .start()
            .await
            .unwrap();
        let cache = manager.cache("test").with_shared_timeout(PATIENCE).with_load_timeout(PATIENCE);
        nodes.push(cache.build().unwrap());
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_on_three_nodes_load_once_over_redis() {
    let (nodes, source) = (nodes().await, Source::default());
    source.set(7);
    for key in 0..5 {
        let callers = (0..1000).map(|number| {
            let (node, load) = (nodes[number % 3].clone(), source.load(ms(300)));
            tokio::spawn(async move { *node.get_or_load(&key, load).await.unwrap().unwrap() })
        });
        let found = timeout(PATIENCE, join_all(callers.collect::<Vec<_>>())).await.unwrap();
        assert!(found.into_iter().all(|found| found.unwrap() == 7));
        assert_eq!(source.calls(), key + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cancelled_leaves_its_load_to_the_others() {
    let (nodes, source) = (nodes().await, Source::default());
    let leader = tokio::spawn({
        let (node, load) = (nodes[0].clone(), source.load(ms(500)));
        async move { node.get_or_load(&1, load).await }
    });
    nebula_test_support::eventually(PATIENCE, async || source.calls() == 1).await;
    let followers = (0..300).map(|number| {
        let (node, load) = (nodes[number % 3].clone(), source.load(ms(500)));
        tokio::spawn(async move { node.get_or_load(&1, load).await.unwrap().is_some() })
    });
    let followers: Vec<_> = followers.collect();
    sleep(ms(50)).await;
    leader.abort();
    let found = timeout(PATIENCE, join_all(followers)).await.unwrap();
    assert!(found.into_iter().all(Result::unwrap));
    assert_eq!(source.calls(), 1, "still one load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_fails_is_not_called_by_everybody() {
    let (nodes, source) = (nodes().await, Source::default());
    let began = tokio::time::Instant::now();
    let callers = (0..300).map(|number| {
        let (node, source) = (nodes[number % 3].clone(), source.clone());
        tokio::spawn(async move {
            for _ in 0..20 {
                assert!(node.get_or_load(&1, source.fail(ms(1))).await.is_err());
                sleep(ms(20)).await;
            }
        })
    });
    for caller in timeout(PATIENCE * 2, join_all(callers.collect::<Vec<_>>())).await.unwrap() {
        caller.unwrap();
    }
    // Each node begins with a pause of 0.1 s and doubles it to 5 s: six attempts, then one in five seconds.
    let most = 3 * (7 + began.elapsed().as_secs() / 5);
    assert!(source.calls() <= most, "{} loads for 6,000 calls in {:?}", source.calls(), began.elapsed());
}
