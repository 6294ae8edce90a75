//! The table of metrics in the README is what is recorded: each line of it, and nothing else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use nebula_cache::rate_limit::{Quota, RateLimiter, Rule, WhenDown};
use nebula_cache::{
    BloomFilter, Cache, CacheBuilder, CacheManager, HotKeys, Loaded, MemoryShared, SharedStore, Shutdown, SinkError,
    StoreKey, WriteBehind, WriteSink,
};
use nebula_test_support::metrics_are_documented;
use tokio::time::sleep;

use crate::support::flaky::Flaky;
use crate::support::remote::Remote;
use crate::support::{Source, ms, secs};

/// A database that can be away.
#[derive(Clone, Default)]
struct Sink(Arc<AtomicBool>);

#[async_trait]
impl WriteSink<u64, u64> for Sink {
    async fn write(&self, _: &[(u64, Option<u64>)]) -> Result<(), SinkError> {
        match self.0.load(Ordering::SeqCst) {
            true => Err("the database is down".into()),
            false => Ok(()),
        }
    }
}

/// Two nodes, one of which has a link that fails as told.
struct Nodes {
    link: Flaky,
    here: CacheManager,
    there: CacheManager,
}

impl Nodes {
    async fn start() -> Self {
        let server = MemoryShared::new();
        let link = Flaky::over(&server);
        let here = CacheManager::builder().with_shared(link.clone()).with_slow_shared(ms(50)).start().await.unwrap();
        Self { link, here, there: CacheManager::new(server).await.unwrap() }
    }

    /// What was counted within the last second is reported now.
    async fn end(&self) {
        assert_eq!(self.here.shutdown(secs(60)).await, Shutdown::Drained);
    }

    fn cache(&self, with: impl FnOnce(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>) -> [Cache<u64, u64>; 2] {
        [
            with(self.here.cache("test").with_jitter(0.0)).build().unwrap(),
            self.there.cache("test").with_jitter(0.0).build().unwrap(),
        ]
    }
}

/// Hits, misses, absence, staleness, and what leaves the local level.
async fn reads(nodes: &Nodes) {
    let filter = BloomFilter::builder("known").local().unwrap();
    for key in 0..300_u64 {
        filter.insert(&key).await.unwrap();
    }
    let [cache, other] = nodes.cache(|it| {
        it.with_ttl(secs(60)).with_local_capacity(50).with_fail_safe(secs(60)).with_filter(filter).with_schema(1)
    });
    let source = Source::default();
    // Hit here and there, missed, known to be absent, excluded by the filter.
    let at = other.put(1, 1).await.unwrap();
    nodes.here.caught_up(at, secs(5)).await.unwrap();
    cache.put(2, 2).await.unwrap();
    for key in [2, 3, 1_000_000] {
        cache.get(&key).await.unwrap();
    }
    cache.get_or_load(&4, async { Ok::<_, Infallible>(None) }).await.unwrap();
    cache.get(&4).await.unwrap();
    // Written by a program of another version, or by nobody.
    cache.get(&1).await.unwrap();
    let store = &nodes.link.server;
    SharedStore::put(store, &StoreKey::new("test", "5"), Bytes::from_static(b"rubbish"), secs(60)).await.unwrap();
    cache.get(&5).await.unwrap();
    // Replaced, evicted here, evicted there, thrown out, ended.
    cache.put(2, 3).await.unwrap();
    cache.evict(&2).await.unwrap();
    cache.put(6, 6).await.unwrap();
    let at = other.evict(&6).await.unwrap();
    nodes.here.caught_up(at, secs(5)).await.unwrap();
    cache.get(&6).await.unwrap();
    for key in 0..300 {
        cache.put(key, key).await.unwrap();
    }
    cache.put_with(7, Loaded::value(7).with_ttl(secs(1))).await.unwrap();
    sleep(secs(100)).await;
    cache.get(&7).await.unwrap();
    // Served although it has ended, because loading fails.
    cache.get_or_load(&8, source.load(ms(0))).await.unwrap();
    sleep(secs(61)).await;
    cache.get_or_load(&8, source.fail(ms(0))).await.unwrap().unwrap();
    // Found in the shared level.
    let later = nodes.here.cache::<u64, u64>("later").build().unwrap();
    nodes.there.cache::<u64, u64>("later").build().unwrap().put(1, 1).await.unwrap();
    later.get(&1).await.unwrap().unwrap();
    nodes.end().await;
}

async fn loads(nodes: &Nodes) {
    let [cache, other] = nodes
        .cache(|it| it.with_max_loads(2).with_load_timeout(secs(1)).with_slow_load(ms(500)).with_size_limits(10, 100));
    let source = Source::default();
    // Two are loaded slowly, two are cut short, and one finds no place.
    join_all([0, 1, 2, 3, 4].iter().map(|key| cache.get_or_load(key, source.load(ms(700))))).await;
    let _ = tokio::join!(cache.get_or_load(&5, source.load(ms(10))), cache.get_or_load(&5, source.load(ms(10))));
    cache.get_or_load(&6, source.fail(ms(0))).await.unwrap_err();
    let _ = tokio::join!(cache.get_or_load(&7, source.load(ms(100))), async {
        sleep(ms(50)).await;
        other.evict(&7).await.unwrap();
    });
    let large: Cache<u64, Vec<u8>> = nodes.here.cache("large").with_size_limits(10, 100).build().unwrap();
    large.put(1, vec![1; 500]).await.unwrap_err();
    let many = cache.get_many_or_load(&[20, 21], |keys| async move {
        sleep(ms(600)).await;
        Ok::<HashMap<u64, Option<u64>>, Infallible>(keys.into_iter().map(|key| (key, None)).collect())
    });
    let slow = cache.snapshot().slow_loads;
    many.await.unwrap();
    assert_eq!(cache.snapshot().slow_loads, slow + 1, "also one for many keys");
    nodes.end().await;
}

async fn writing_behind() {
    let manager = CacheManager::local();
    let sink = Sink::default();
    let options = WriteBehind::new().with_delay(ms(1));
    let cache: Cache<u64, u64> =
        manager.cache("behind").with_write_behind(sink.clone(), options).with_hot_keys(HotKeys::new()).build().unwrap();
    cache.write_behind(1, Some(1)).await.unwrap();
    sleep(secs(2)).await;
    sink.0.store(true, Ordering::SeqCst);
    cache.write_behind(2, Some(2)).await.unwrap();
    sleep(secs(2)).await;
    let _ = manager.shutdown(secs(600)).await;
}

/// News that is lost, comes late, or cannot be sent.
async fn faults(nodes: &Nodes) {
    let [cache, other] = nodes.cache(|it| it);
    nodes.link.slow.store(40, Ordering::SeqCst);
    cache.get(&1).await.unwrap();
    assert_eq!(cache.snapshot().slow_shared, 0);
    nodes.link.slow.store(200, Ordering::SeqCst);
    cache.get(&1).await.unwrap();
    cache.evict(&1).await.unwrap();
    assert_eq!((cache.snapshot().slow_shared, nodes.here.snapshot().slow_shared), (1, 1));
    nodes.link.slow.store(0, Ordering::SeqCst);
    nodes.link.deaf.store(true, Ordering::SeqCst);
    other.evict(&1).await.unwrap();
    sleep(secs(2)).await;
    nodes.link.forgetful.store(true, Ordering::SeqCst);
    other.evict(&1).await.unwrap();
    sleep(secs(2)).await;
    nodes.link.forgetful.store(false, Ordering::SeqCst);
    nodes.link.set_down(true);
    cache.get(&2).await.unwrap_err();
    cache.evict(&2).await.unwrap_err();
    sleep(secs(3)).await;
    nodes.link.set_down(false);
    sleep(secs(3)).await;
    nodes.end().await;
}

async fn limits() {
    let store = Remote::default();
    let day = Duration::from_secs(86_400);
    let fixed = |count| Quota::rate(1, day).unwrap().with_burst(count).unwrap();
    let rule = |name: &str, quota| Rule::new(name, quota).unwrap();
    let leased = Quota::rate(1000, secs(1)).unwrap().with_burst(500).unwrap();
    let rules = [
        rule("one", fixed(1)),
        rule("leased", leased).with_lease(100, ms(200)).unwrap(),
        rule("share", fixed(40)),
        rule("open", fixed(1)).with_when_down(WhenDown::Open),
        rule("closed", fixed(1)).with_when_down(WhenDown::Closed),
    ];
    let limiter = RateLimiter::builder(store.clone()).with_rules(rules).start().await.unwrap();
    for _ in 0..100 {
        let _ = limiter.check("one", "k").await.unwrap();
        let _ = limiter.check("leased", "k").await.unwrap();
    }
    sleep(secs(2)).await;
    store.set_down(true);
    for name in ["share", "open", "closed"] {
        let _ = limiter.check(name, "k").await.unwrap();
    }
    sleep(secs(2)).await;
}

#[test]
fn the_table_names_what_is_recorded_and_nothing_else() {
    let count = metrics_are_documented(include_str!("../../README.md"), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            reads(&Nodes::start().await).await;
            loads(&Nodes::start().await).await;
            writing_behind().await;
            faults(&Nodes::start().await).await;
            limits().await;
        });
    });
    assert!(count > 30, "the table is there: {count}");
}
