//! Ten thousand loads that are overtaken by an eviction, on threads, in this process and over Redis: none leaves a stale
//! value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{BreakerConfig, Cache, CacheManager, MemoryShared, RedisShared};
use nebula_test_support::{redis_url, unique};
use tokio::sync::oneshot;

const OVERLAPS: u64 = 10_000;
const TASKS: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(60);

/// The truth of one key. A load reads it, lets the eviction go on, and returns what it read.
async fn overlap(
    key: u64,
    loading: &Cache<u64, u64>,
    evicting: &(CacheManager, Cache<u64, u64>),
    reading: &(CacheManager, Cache<u64, u64>),
) {
    let truth = Arc::new(AtomicU64::new(0));
    let (read, was_read) = oneshot::channel();
    let (evicted, was_evicted) = oneshot::channel();
    let load = {
        let truth = Arc::clone(&truth);
        async move {
            let value = truth.load(Ordering::SeqCst);
            read.send(()).unwrap();
            was_evicted.await.unwrap();
            Ok::<_, Infallible>(Some(value))
        }
    };
    let caller = tokio::spawn({
        let loading = loading.clone();
        async move { *loading.get_or_load(&key, load).await.unwrap().unwrap() }
    });
    was_read.await.unwrap();
    truth.store(1, Ordering::SeqCst);
    let eviction = evicting.1.evict(&key);
    let at = if key.is_multiple_of(2) {
        // The load ends while the eviction is under way.
        let (at, ()) = tokio::join!(eviction, async { evicted.send(()).unwrap() });
        at.unwrap()
    } else {
        let at = eviction.await.unwrap();
        evicted.send(()).unwrap();
        at
    };
    caller.await.unwrap();
    reading.0.caught_up(at, PATIENCE).await.unwrap();
    let now = Arc::clone(&truth);
    let load = async move { Ok::<_, Infallible>(Some(now.load(Ordering::SeqCst))) };
    let found = reading.1.get_or_load(&key, load).await.unwrap().unwrap();
    assert_eq!(*found, 1, "key {key}");
}

async fn campaign(loading: (CacheManager, Cache<u64, u64>), evicting: (CacheManager, Cache<u64, u64>)) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (loading, evicting) = (loading.clone(), evicting.clone());
        tasks.spawn(async move {
            for key in (task..OVERLAPS).step_by(usize::try_from(TASKS).unwrap()) {
                overlap(key, &loading.1, &evicting, &loading).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

fn node(manager: CacheManager) -> (CacheManager, Cache<u64, u64>) {
    // On a machine under load answers may take long: what is tested is not how long.
    let cache = manager.cache("overlaps").with_local_capacity(100_000).with_shared_timeout(PATIENCE);
    let cache = cache.with_load_timeout(PATIENCE).build().unwrap();
    (manager, cache)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_one_process() {
    let here = node(CacheManager::local());
    campaign(here.clone(), here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_another_node_in_memory() {
    let shared = MemoryShared::new();
    let here = node(CacheManager::new(shared.clone()).await.unwrap());
    let there = node(CacheManager::new(shared).await.unwrap());
    campaign(here, there).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_another_node_over_redis() {
    let config = RedisConfig::new(redis_url().await).with_response_timeout(PATIENCE);
    let namespace = unique("overlaps");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
        let manager = CacheManager::builder()
            .with_shared(shared.with_namespace(namespace.clone()))
            .with_breaker(BreakerConfig::default().with_slow_after(PATIENCE));
        nodes.push(node(manager.start().await.unwrap()));
    }
    let (here, there) = (nodes.remove(0), nodes.remove(0));
    campaign(here.clone(), there).await;
    let snapshot = here.1.snapshot();
    assert!(snapshot.refused_fills >= OVERLAPS / 2, "the shared level refused: {snapshot:?}");
}
