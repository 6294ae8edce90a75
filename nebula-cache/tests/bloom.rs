//! Bloom filters in use: built, full, cut off, in front of a cache.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{
    BloomBuilder, BloomFilter, BloomPlace, BloomState, BloomStore, Cache, CacheManager, Error, ErrorKind, Generation,
    Inserted, KeySource, Lease, Loader, Lookup, MemoryShared, RedisShared, Result, Since, SourceError,
};
use nebula_test_support::{RedisServer, eventually, redis_cluster_urls, redis_url, unique};
use parking_lot::Mutex;
use support::{Source, ms, secs};
use tokio::sync::Semaphore;
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(60);

/// A table whose rows are read one by one as far as the gate allows.
#[derive(Clone, Debug)]
struct Table {
    rows: Arc<Mutex<BTreeSet<u64>>>,
    read: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
}

impl Table {
    fn of(rows: impl IntoIterator<Item = u64>) -> Self {
        let rows = Arc::new(Mutex::new(rows.into_iter().collect()));
        Self {
            rows,
            read: Arc::default(),
            broken: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn times_read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }

    fn builder(&self) -> BloomBuilder {
        BloomFilter::builder("rows").with_capacity(1000).with_source(self.clone())
    }
}

impl KeySource for Table {
    fn keys(&self) -> BoxStream<'static, std::result::Result<Vec<u8>, SourceError>> {
        self.read.fetch_add(1, Ordering::SeqCst);
        let rows: Vec<u64> = self.rows.lock().iter().copied().collect();
        let this = self.clone();
        futures_util::stream::iter(rows)
            .then(move |row| {
                let this = this.clone();
                async move {
                    this.gate.acquire().await?.forget();
                    match this.broken.load(Ordering::SeqCst) {
                        true => Err(io::Error::other("the cursor was lost").into()),
                        false => Ok(row.to_string().into_bytes()),
                    }
                }
            })
            .boxed()
    }

    fn total(&self) -> Option<u64> {
        Some(self.rows.lock().len() as u64)
    }
}

fn known(filter: &BloomFilter, keys: impl IntoIterator<Item = u64>) -> usize {
    keys.into_iter().filter(|key| filter.may_contain(key)).count()
}

#[tokio::test(start_paused = true)]
async fn it_says_maybe_until_it_has_read_everything() {
    let table = Table::of(0..500);
    table.close();
    let filter = table.builder().local().unwrap();
    table.gate.add_permits(200);
    assert!(filter.ready(secs(5)).await.is_err());
    assert_eq!(known(&filter, 0..10_000), 10_000);
    let progress = filter.progress();
    assert_eq!((progress.done, progress.total, progress.finished), (200, Some(500), false), "{progress:?}");
    assert!(progress.eta_ms.is_some() && filter.snapshot().building);
    table.gate.add_permits(300);
    filter.ready(secs(5)).await.unwrap();
    assert_eq!(known(&filter, 0..500), 500);
    let wrong = known(&filter, 1000..11_000);
    assert!(wrong < 100, "made for 1,000 with one per cent, and half full: {wrong}");
    let state = filter.snapshot();
    assert!((490..=500).contains(&state.items) && state.false_positive_rate < 0.01 && state.trusted, "{state:?}");
    assert!(filter.progress().finished);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_read_again() {
    let table = Table::of(0..500);
    table.broken.store(true, Ordering::SeqCst);
    let filter = table.builder().local().unwrap();
    assert!(filter.ready(secs(10)).await.is_err());
    assert!((2..20).contains(&table.times_read()), "{}", table.times_read());
    assert_eq!((known(&filter, 0..10_000), filter.progress().failed), (10_000, 1));
    table.broken.store(false, Ordering::SeqCst);
    filter.ready(secs(60)).await.unwrap();
    assert_eq!(known(&filter, 0..500), 500);
}

#[tokio::test(start_paused = true)]
async fn a_full_filter_is_built_again_larger_and_loses_nothing_meanwhile() {
    for shared in [false, true] {
        let table = Table::of(0..700);
        let filter = match shared {
            true => table.builder().shared(MemoryShared::new()).unwrap(),
            false => table.builder().local().unwrap(),
        };
        filter.ready(secs(10)).await.unwrap();
        table.close();
        for key in 700..900 {
            filter.insert(&key).await.unwrap();
        }
        // It was inserted before the build began, and is committed after the build has read its source.
        let (late, meanwhile) = (5000_u64, 6000_u64);
        filter.insert(&late).await.unwrap();
        eventually(PATIENCE, async || filter.snapshot().building).await;
        filter.insert(&meanwhile).await.unwrap();
        assert_eq!(known(&filter, 0..900), 900, "the old one goes on");
        table.gate.add_permits(1_000_000);
        eventually(PATIENCE, async || filter.snapshot().capacity > 1600 && !filter.snapshot().building).await;
        filter.ready(secs(10)).await.unwrap();
        assert_eq!(known(&filter, (0..900).chain([late, meanwhile])), 902, "shared: {shared}");
        let wrong = known(&filter, 10_000..20_000);
        assert!(wrong < 100, "{wrong}");
        assert_eq!(filter.snapshot().builds, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn it_grows_with_its_source_and_forgets_what_was_deleted() {
    let table = Table::of(0..5000);
    let filter = table.builder().local().unwrap();
    filter.ready(secs(10)).await.unwrap();
    let state = filter.snapshot();
    assert!(state.capacity >= 6250 && state.false_positive_rate <= 0.01, "{state:?}");
    table.rows.lock().retain(|row| *row < 100);
    filter.rebuild();
    eventually(PATIENCE, async || filter.snapshot().builds == 2).await;
    assert_eq!(known(&filter, 0..100), 100);
    assert!(known(&filter, 100..5000) < 100, "deleted");
}

/// A store that can be out of reach.
#[derive(Clone, Debug)]
struct Link {
    server: Arc<Mutex<MemoryShared>>,
    down: Arc<AtomicBool>,
}

impl Link {
    fn to(server: &MemoryShared) -> Self {
        Self { server: Arc::new(Mutex::new(server.clone())), down: Arc::default() }
    }

    fn up(&self) -> Result<MemoryShared> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Unavailable, "cut off")),
            false => Ok(self.server.lock().clone()),
        }
    }
}

#[async_trait]
impl BloomStore for Link {
    async fn since(&self, name: &str, after: Option<BloomPlace>) -> Result<(BloomState, Since)> {
        self.up()?.since(name, after).await
    }
    async fn insert(&self, name: &str, state: &BloomState, hashes: &[u64]) -> Result<Inserted> {
        BloomStore::insert(&self.up()?, name, state, hashes).await
    }
    async fn recent(&self, name: &str) -> Result<Vec<u64>> {
        self.up()?.recent(name).await
    }
    async fn read(&self, name: &str, generation: &Generation, offset: u64, length: u64) -> Result<Bytes> {
        self.up()?.read(name, generation, offset, length).await
    }
    async fn begin(&self, name: &str, builder: Loader, next: &Generation, lease: Duration) -> Result<Lease> {
        BloomStore::begin(&self.up()?, name, builder, next, lease).await
    }
    async fn renew(&self, name: &str, builder: Loader, lease: Duration) -> Result<bool> {
        BloomStore::renew(&self.up()?, name, builder, lease).await
    }
    async fn upload(&self, name: &str, generation: &Generation, offset: u64, bits: Bytes) -> Result<()> {
        self.up()?.upload(name, generation, offset, bits).await
    }
    async fn finish(&self, name: &str, builder: Loader, next: &Generation, items: u64) -> Result<bool> {
        self.up()?.finish(name, builder, next, items).await
    }
    async fn abandon(&self, name: &str, builder: Loader) -> Result<()> {
        BloomStore::abandon(&self.up()?, name, builder).await
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_build_once_and_hear_of_each_others_keys_within_the_bound() {
    let (table, server) = (Table::of(0..500), MemoryShared::new());
    let nodes: Vec<BloomFilter> = (0..3).map(|_| table.builder().shared(Link::to(&server)).unwrap()).collect();
    for node in &nodes {
        node.ready(secs(30)).await.unwrap();
        assert_eq!(known(node, 0..500), 500);
        assert!(known(node, 1000..2000) < 50);
    }
    assert_eq!(table.times_read(), 1, "by one of them");
    for round in 0..20_u64 {
        let (key, node) = (100_000 + round, &nodes[usize::try_from(round % 3).unwrap()]);
        node.insert(&key).await.unwrap();
        assert!(node.may_contain(&key), "there at once");
        sleep(secs(2)).await;
        assert_eq!(nodes.iter().filter(|node| node.may_contain(&key)).count(), 3, "everywhere within the bound");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_cut_off_is_not_believed() {
    let (table, server) = (Table::of(0..500), MemoryShared::new());
    let (link, whole) = (Link::to(&server), Link::to(&server));
    let (a, b) = (table.builder().shared(link.clone()).unwrap(), table.builder().shared(whole).unwrap());
    a.ready(secs(10)).await.unwrap();
    b.ready(secs(10)).await.unwrap();
    assert!(!a.may_contain(&7777_u64));
    link.down.store(true, Ordering::SeqCst);
    assert!(a.insert(&1_u64).await.is_err(), "nobody would hear of it");
    sleep(secs(2)).await;
    b.insert(&7777_u64).await.unwrap();
    assert!(a.may_contain(&7777_u64) && a.may_contain(&8888_u64) && !a.is_trusted(), "maybe");
    link.down.store(false, Ordering::SeqCst);
    a.ready(secs(10)).await.unwrap();
    assert!(a.may_contain(&7777_u64) && !a.may_contain(&8888_u64));
    // The server loses everything.
    *link.server.lock() = MemoryShared::new();
    eventually(PATIENCE, async || a.snapshot().builds + b.snapshot().builds >= 2).await;
    a.ready(secs(10)).await.unwrap();
    assert_eq!(known(&a, 0..500), 500, "built again from the source");
}

#[tokio::test(start_paused = true)]
async fn keys_that_do_not_exist_never_reach_the_loader() {
    for shared in [false, true] {
        let table = Table::of(0..500);
        let server = MemoryShared::new();
        let filter = match shared {
            true => table.builder().shared(server.clone()).unwrap(),
            false => table.builder().local().unwrap(),
        };
        let manager = CacheManager::new(server).await.unwrap();
        let cache: Cache<u64, u64> = manager.cache("rows").with_filter(filter.clone()).build().unwrap();
        let source = Source::default();
        // Not built yet: everything passes.
        cache.get_or_load(&999_999, source.load(ms(0))).await.unwrap();
        assert_eq!(source.calls(), 1);
        filter.ready(secs(10)).await.unwrap();
        for key in 1_000_000..1_001_000 {
            if let Some(found) = cache.get_or_load(&key, source.load(ms(0))).await.unwrap() {
                assert!(filter.may_contain(&key), "{found}");
            }
        }
        assert!(source.calls() < 50, "{}", source.calls());
        assert!(cache.snapshot().excluded > 950);
        let absent = (2_000_000..).find(|key| !filter.may_contain(key)).unwrap();
        assert!(matches!(cache.lookup(&absent).await.unwrap(), Lookup::KnownAbsent));
        let keys = [1, absent];
        let many = cache.get_many_or_load(&keys, |keys| async move {
            assert_eq!(keys, [1], "only what may exist");
            Ok::<_, Infallible>(HashMap::from([(1, Some(1))]))
        });
        assert!(matches!(&many.await.unwrap()[..], [Some(_), None]));
        // Whoever is put, or written through, exists from then on.
        cache.put(absent, 5).await.unwrap();
        cache.evict(&absent).await.unwrap();
        assert!(cache.get_or_load(&absent, source.load(ms(0))).await.unwrap().is_some());
        let other = (absent + 1..).find(|key| !filter.may_contain(key)).unwrap();
        cache.write_through(&other, Some(6), async { Ok::<_, Infallible>(()) }).await.unwrap();
        assert!(filter.may_contain(&other));
    }
}

#[tokio::test]
async fn mistakes_are_told() {
    let wrong = [
        BloomFilter::builder("a").with_capacity(0),
        BloomFilter::builder("a").with_false_positive_rate(0.0),
        BloomFilter::builder("a").with_staleness_bound(secs(3600)),
        BloomFilter::builder("a").with_rebuild_every(ms(1)),
        BloomFilter::builder("a").with_shard_size(100),
        BloomFilter::builder("a{b}"),
    ];
    for builder in wrong {
        assert_eq!(builder.local().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let error = BloomFilter::builder("a").shared(MemoryShared::new()).unwrap_err();
    assert!(error.to_string().contains("source"), "{error}");
    let long = BloomFilter::builder("a").local().unwrap();
    assert_eq!(long.insert(&vec![0_u8; 70_000]).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert!(!long.may_contain(&"x") && long.is_trusted(), "without a source it begins empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_one_is_spread_over_values_and_no_value_may_be_missing() {
    // Each shard has a slot of its own, on one of three masters.
    let config = RedisConfig::cluster(redis_cluster_urls().await);
    let (table, namespace) = (Table::of(0..3000), unique("bloom"));
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
        let builder = table.builder().with_capacity(6000).with_shard_size(1024);
        nodes.push(builder.shared(shared.with_namespace(namespace.clone())).unwrap());
    }
    for node in &nodes {
        node.ready(PATIENCE).await.unwrap();
        assert_eq!((node.snapshot().shards, known(node, 0..3000)), (8, 3000));
        eventually(PATIENCE, async || known(node, 1_000_000..1_002_000) < 20).await;
    }
    let keys: Vec<u64> = (2_000_000..2_000_150).collect();
    nodes[0].insert_many(&keys).await.unwrap();
    eventually(PATIENCE, async || known(&nodes[1], keys.iter().copied()) == keys.len()).await;
    let connection = config.connect().await.unwrap();
    let mut shards = eventually(PATIENCE, async || {
        let mut shards = Vec::new();
        for mut master in connection.servers().await.unwrap() {
            let pattern = format!("{namespace}:bloom:{{rows#*}}:*");
            let found: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut master).await.unwrap();
            for key in found {
                let size: u64 = redis::cmd("STRLEN").arg(&key).query_async(&mut master).await.unwrap();
                let ends: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut master).await.unwrap();
                assert!(size <= 1024, "{key}: {size}");
                shards.push((key, ends, master.clone()));
            }
        }
        // Nothing but the bits of the current generation, for good.
        (shards.len() == 8 && shards.iter().all(|(_, ends, _)| *ends == -1)).then_some(shards)
    })
    .await;
    // One of them is thrown out by its server: found out by the next insertion there.
    let builds = nodes.iter().map(|node| node.snapshot().builds).sum::<u64>();
    let (key, _, master) = &mut shards[3];
    redis::cmd("DEL").arg(&*key).exec_async(master).await.unwrap();
    nodes[1].insert_many(&(3_000_000..3_000_100).collect::<Vec<u64>>()).await.unwrap();
    eventually(PATIENCE, async || nodes.iter().map(|node| node.snapshot().builds).sum::<u64>() > builds).await;
    for node in &nodes {
        let all = || (0..3000).chain(2_000_000..2_000_150).chain(3_000_000..3_000_100);
        // Until a node has heard of the last ones it may not know them yet.
        eventually(PATIENCE, async || node.is_trusted() && known(node, all()) == 3250).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_share_one_over_redis() {
    let config = RedisConfig::new(redis_url().await);
    let (table, namespace) = (Table::of(0..30_000), unique("bloom"));
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
        // Several pieces of a mebibyte.
        let builder = table.builder().with_capacity(2_000_000);
        nodes.push(builder.shared(shared.with_namespace(namespace.clone())).unwrap());
    }
    for node in &nodes {
        node.ready(PATIENCE).await.unwrap();
        assert_eq!(known(node, 0..30_000), 30_000);
        // On a busy machine it may not be sure for a moment.
        eventually(PATIENCE, async || known(node, 1_000_000..1_010_000) == 0).await;
    }
    let keys: Vec<u64> = (2_000_000..2_000_450).collect();
    nodes[1].insert_many(&keys).await.unwrap();
    eventually(PATIENCE, async || nodes.iter().all(|node| known(node, keys.iter().copied()) == keys.len())).await;
    table.rows.lock().insert(3_000_000);
    nodes[2].rebuild();
    eventually(PATIENCE, async || nodes.iter().all(|node| node.is_trusted() && node.may_contain(&3_000_000_u64))).await;
    for node in &nodes {
        assert_eq!(known(node, keys.iter().copied()), keys.len(), "inserted lately, though not in the source");
        eventually(PATIENCE, async || known(node, 1_000_000..1_010_000) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_is_never_taken_for_an_empty_filter() {
    let mut server = RedisServer::start().await;
    let config = RedisConfig::new(server.url()).with_response_timeout(ms(400)).with_reconnect(ms(10), ms(100));
    let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
    let table = Table::of(0..2000);
    let filter = table.builder().with_capacity(10_000).shared(shared).unwrap();
    filter.ready(PATIENCE).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (filter, stop) = (filter.clone(), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(known(&filter, 0..2000), 2000, "never a wrong no");
                sleep(ms(5)).await;
            }
        }
    });
    for _ in 0..2 {
        let builds = filter.snapshot().builds;
        server.kill();
        eventually(PATIENCE, async || !filter.is_trusted()).await;
        server.restart_empty().await;
        eventually(PATIENCE, async || filter.snapshot().builds > builds && filter.is_trusted()).await;
        eventually(PATIENCE, async || known(&filter, 1_000_000..1_000_100) == 0).await;
    }
    stop.store(true, Ordering::SeqCst);
    asking.await.unwrap();
}
