//! Loads that are overtaken by an eviction, on threads: ten thousand in this process, and some over Redis while listeners are
//! killed. None leaves a stale value. For ten thousand between processes see `processes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{BreakerConfig, Cache, CacheManager, MemoryShared, RedisShared};
use nebula_test_support::{RedisServer, eventually, unique};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const OVERLAPS: u64 = 10_000;
const TASKS: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(60);

/// What holds unless something else is set.
const BOUND: Duration = Duration::from_secs(2);

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

/// Two nodes over a server.
async fn over(config: &RedisConfig, bound: Duration) -> [(CacheManager, Cache<u64, u64>); 2] {
    let namespace = unique("overlaps");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
        let manager = CacheManager::builder()
            .with_shared(shared.with_namespace(namespace.clone()))
            .with_breaker(BreakerConfig::default().with_slow_after(PATIENCE))
            .with_staleness_bound(bound);
        nodes.push(node(manager.start().await.unwrap()));
    }
    nodes.try_into().unwrap()
}

/// Reads until the node has heard of the eviction that ended before `evicted`.
///
/// Until then it may serve the older value, and only then: `staleness_ms` says how old its knowledge of evictions is, and what
/// was evicted earlier than that is never served, however long news takes on this machine.
async fn within_the_stated_staleness(key: u64, reading: &(CacheManager, Cache<u64, u64>), evicted: Instant) {
    loop {
        let asked = Instant::now();
        let known = Duration::from_millis(reading.0.snapshot().staleness_ms + 1);
        let found = reading.1.get_or_load(&key, async { Ok::<_, Infallible>(Some(1)) }).await.unwrap().unwrap();
        if *found == 1 {
            return;
        }
        let since = asked.saturating_duration_since(evicted);
        assert!(since < known, "key {key}: evicted {since:?} ago, and known is what was {known:?} ago");
        assert!(since < PATIENCE, "key {key}: never heard of");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_listeners_are_killed() {
    const KEYS: u64 = 400;
    let server = RedisServer::start().await;
    let config = RedisConfig::new(server.url())
        .with_response_timeout(PATIENCE)
        .with_reconnect(Duration::from_millis(1), Duration::from_millis(20));
    let nodes = over(&config, BOUND).await;
    let mut connection = config.connect().await.unwrap();
    let stop = CancellationToken::new();
    let killer = tokio::spawn({
        let stop = stop.clone();
        async move {
            let mut killed = 0;
            while !stop.is_cancelled() || killed < 10 {
                let mut kill = redis::cmd("CLIENT");
                killed += kill.arg(&["KILL", "TYPE", "pubsub"]).query_async::<u64>(&mut connection).await.unwrap();
                sleep(Duration::from_millis(3)).await;
            }
            killed
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let [loading, evicting] = [0, 1].map(|node| nodes[(node + usize::from(task % 2 == 0)) % 2].clone());
        tasks.spawn(async move {
            for key in (task..KEYS).step_by(usize::try_from(TASKS).unwrap()) {
                loading.1.get_or_load(&key, async { Ok::<_, Infallible>(Some(0)) }).await.unwrap();
                evicting.1.evict(&key).await.unwrap();
                within_the_stated_staleness(key, &loading, Instant::now()).await;
                // Another key, so that nothing is known of it: the load itself is overtaken.
                overlap(KEYS + key, &loading.1, &evicting, &loading).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    stop.cancel();
    assert!(killer.await.unwrap() >= 10, "listeners were there to be killed");
    // When things have settled, both nodes have all of it.
    let at = nodes[0].1.evict(&u64::MAX).await.unwrap();
    for (manager, cache) in &nodes {
        manager.caught_up(at, PATIENCE).await.unwrap();
        eventually(PATIENCE, async || manager.snapshot().trusted).await;
        for key in 0..2 * KEYS {
            let found = cache.get_or_load(&key, async { Ok::<_, Infallible>(Some(1)) }).await.unwrap().unwrap();
            assert_eq!(*found, 1, "key {key}");
        }
    }
}
