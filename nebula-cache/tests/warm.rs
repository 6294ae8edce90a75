//! Warming up a cache, with paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{Stream, stream};
use nebula_cache::{Cache, CacheManager, ErrorKind, InvalidationChannel, MemoryShared, Readiness, WarmUpBuilder};
use nebula_test_support::{eventually, unique};
use support::process::PATIENCE;
use support::servers::node;
use support::{ms, secs};
use tokio::time::{Instant, sleep};

/// A table that is read batch by batch, slowly.
#[derive(Clone, Debug, Default)]
struct Table {
    loaded: Arc<AtomicU64>,
    at_once: Arc<AtomicU64>,
    most_at_once: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
}

impl Table {
    fn loaded(&self) -> u64 {
        self.loaded.load(Ordering::SeqCst)
    }

    async fn load(self, keys: Vec<u64>) -> io::Result<HashMap<u64, Option<u64>>> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        sleep(ms(50)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the database is down"));
        }
        self.loaded.fetch_add(keys.len() as u64, Ordering::SeqCst);
        Ok(keys.into_iter().map(|key| (key, Some(key))).collect())
    }

    fn warm_up(&self, cache: &Cache<u64, u64>, keys: u64) -> WarmUpBuilder<u64, u64> {
        let this = self.clone();
        cache.warm_up(move || numbers(keys), move |keys| this.clone().load(keys)).with_total(keys)
    }
}

fn numbers(keys: u64) -> impl Stream<Item = io::Result<u64>> {
    stream::iter((0..keys).map(Ok))
}

fn cache(manager: &CacheManager) -> Cache<u64, u64> {
    manager.cache("test").with_jitter(0.0).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_loads_everything_within_its_limits_and_tells_how_far_it_is() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = cache(&manager);
    let began = Instant::now();
    let warm_up = table.warm_up(&cache, 5000).with_batch(50).with_concurrency(3).with_rate(500).start().unwrap();
    sleep(secs(5)).await;
    let progress = warm_up.progress();
    assert!((2000..=2600).contains(&progress.done) && progress.total == Some(5000), "{progress:?}");
    assert!((4_000..=6_500).contains(&progress.eta_ms.unwrap()), "{progress:?}");
    assert!(!warm_up.is_warm());
    assert_eq!(warm_up.ready(ms(10)).await, Readiness::Cold, "the gate opens at the deadline");
    assert_eq!(warm_up.ready(secs(60)).await, Readiness::Warm);
    assert!(began.elapsed() >= secs(9) && began.elapsed() < secs(12), "{:?}", began.elapsed());
    let progress = warm_up.progress();
    assert_eq!((progress.done, progress.failed, progress.finished), (5000, 0, true));
    assert_eq!((table.loaded(), cache.snapshot().entries), (5000, 5000));
    // Without a rate, the number of batches at once is the limit.
    cache.clear().await.unwrap();
    let warm_up = table.warm_up(&cache, 5000).with_concurrency(3).start().unwrap();
    assert_eq!(warm_up.ready(secs(60)).await, Readiness::Warm);
    assert_eq!(table.most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn one_node_warms_up_for_all_and_publishes_nothing() {
    let (table, shared) = (Table::default(), MemoryShared::new());
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let manager = CacheManager::new(shared.clone()).await.unwrap();
        let cache = cache(&manager);
        nodes.push((table.warm_up(&cache, 1000).start().unwrap(), cache, manager));
    }
    let before = shared.since(None).await.unwrap().head;
    for (warm_up, cache, _) in &nodes {
        assert_eq!(warm_up.ready(secs(60)).await, Readiness::Warm);
        assert_eq!(*cache.get(&999).await.unwrap().unwrap(), 999);
    }
    assert_eq!(table.loaded(), 1000, "once");
    assert_eq!(nodes.iter().filter(|(warm_up, ..)| warm_up.progress().done == 1000).count(), 1);
    assert_eq!(shared.since(None).await.unwrap().head, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_warms_up_for_all_over_redis() {
    let (table, namespace) = (Table::default(), unique("warm"));
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let manager = node(&namespace).await;
        let cache: Cache<u64, u64> = manager.cache("test").with_shared_timeout(PATIENCE).build().unwrap();
        nodes.push((table.warm_up(&cache, 300).start().unwrap(), cache, manager));
    }
    for (warm_up, cache, _) in &nodes {
        assert_eq!(warm_up.ready(PATIENCE).await, Readiness::Warm);
        let found = cache.get_many(&(0..300).collect::<Vec<_>>()).await.unwrap();
        assert!((0..).zip(&found).all(|(key, found)| found.as_deref() == Some(&key)), "{found:?}");
    }
    // The lease lets one of them work, and what it leaves tells the other that it was done.
    assert_eq!(table.loaded(), 300, "once");
    let mut done = [0, 1].map(|node: usize| nodes[node].0.progress().done);
    done.sort_unstable();
    assert_eq!(done, [0, 300]);
    let idle = nodes.iter().find(|(warm_up, ..)| warm_up.progress().done == 0).map(|(_, cache, _)| cache.snapshot());
    assert!(idle.is_some_and(|idle| (idle.shared_hits, idle.loads) == (300, 0)), "filled through the shared level");
}

#[tokio::test(start_paused = true)]
async fn another_node_takes_over_from_one_that_dies() {
    let (table, shared) = (Table::default(), MemoryShared::new());
    let (a, b) = (CacheManager::new(shared.clone()).await.unwrap(), CacheManager::new(shared).await.unwrap());
    let (on_a, on_b) = (cache(&a), cache(&b));
    let first = table.warm_up(&on_a, 1000).with_rate(100).start().unwrap();
    sleep(secs(1)).await;
    let second = table.warm_up(&on_b, 1000).start().unwrap();
    sleep(secs(5)).await;
    assert_eq!(second.progress().done, 0, "it waits while the first is alive");
    drop(first);
    assert_eq!(second.ready(secs(60)).await, Readiness::Warm);
    assert_eq!(second.progress().done, 1000);
    assert!(table.loaded() <= 1100, "what was there is not loaded again: {}", table.loaded());
}

#[tokio::test(start_paused = true)]
async fn it_comes_again_on_its_schedule_and_once_for_all_nodes() {
    let (table, shared) = (Table::default(), MemoryShared::new());
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let manager = CacheManager::new(shared.clone()).await.unwrap();
        let cache = manager.cache("test").with_ttl(secs(30)).with_jitter(0.0).build().unwrap();
        nodes.push((table.warm_up(&cache, 100).with_every(secs(60)).start().unwrap(), cache, manager));
    }
    sleep(secs(250)).await;
    assert_eq!(table.loaded(), 500, "at 0, 60, 120, 180 and 240 s");
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_a_failed_warm_up_is_tried_again() {
    let (table, manager) = (Table::default(), CacheManager::new(MemoryShared::new()).await.unwrap());
    let cache = cache(&manager);
    table.broken.store(true, Ordering::SeqCst);
    let warm_up = table.warm_up(&cache, 250).start().unwrap();
    assert_eq!(warm_up.ready(secs(30)).await, Readiness::Cold);
    assert_eq!((warm_up.progress().failed, warm_up.progress().done), (250, 0));
    table.broken.store(false, Ordering::SeqCst);
    eventually(secs(300), async || warm_up.is_warm()).await;
    assert_eq!((warm_up.progress().failed, warm_up.progress().done), (0, 250));
    // A source of keys that breaks off.
    let keys = || stream::iter((0..10).map(Ok).chain([Err(io::Error::other("lost"))]));
    let table = table.clone();
    let warm_up = cache.warm_up(keys, move |keys| table.clone().load(keys)).on_every_node().start().unwrap();
    assert_eq!(warm_up.ready(secs(30)).await, Readiness::Warm);
    assert_eq!((warm_up.progress().failed, warm_up.progress().done), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn what_is_evicted_during_a_warm_up_is_not_brought_back() {
    let (table, shared) = (Table::default(), MemoryShared::new());
    let (a, b) = (CacheManager::new(shared.clone()).await.unwrap(), CacheManager::new(shared).await.unwrap());
    let (on_a, on_b) = (cache(&a), cache(&b));
    let warm_up = table.warm_up(&on_a, 100).start().unwrap();
    sleep(ms(20)).await;
    let at = on_b.evict(&7).await.unwrap();
    assert_eq!(warm_up.ready(secs(60)).await, Readiness::Warm);
    a.caught_up(at, secs(5)).await.unwrap();
    for cache in [&on_a, &on_b] {
        assert!(cache.get(&7).await.unwrap().is_none() && cache.get(&8).await.unwrap().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_manager_and_mistakes_are_told() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = cache(&manager);
    for builder in [
        table.warm_up(&cache, 1).with_batch(0),
        table.warm_up(&cache, 1).with_concurrency(0),
        table.warm_up(&cache, 1).with_rate(0),
        table.warm_up(&cache, 1).with_every(ms(1)),
    ] {
        assert_eq!(builder.start().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let warm_up = table.warm_up(&cache, 100_000).with_rate(10).start().unwrap();
    assert_eq!(manager.shutdown(secs(30)).await, nebula_cache::Shutdown::Drained);
    assert_eq!(warm_up.ready(secs(60)).await, Readiness::Cold);
    assert_eq!(table.warm_up(&cache, 1).start().unwrap_err().kind(), ErrorKind::ShutDown);
}
