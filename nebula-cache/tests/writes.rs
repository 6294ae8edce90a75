//! Writing to the source through the cache and behind it, with paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use nebula_cache::{
    Cache, CacheManager, ErrorKind, Loaded, Lookup, MemoryShared, Shutdown, SinkError, WriteBehind, WriteSink,
};
use parking_lot::Mutex;
use support::{Source, ms, secs};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{advance, sleep};

async fn nodes() -> [(CacheManager, Cache<u64, u64>); 2] {
    let shared = MemoryShared::new();
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let manager = CacheManager::new(shared.clone()).await.unwrap();
        let cache = manager.cache("test").with_jitter(0.0).build().unwrap();
        nodes.push((manager, cache));
    }
    nodes.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_written_through_is_cached_everywhere() {
    let [(_a, on_a), (b, on_b)] = nodes().await;
    let source = Source::default();
    assert_eq!(*on_b.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 0);
    let write = {
        let source = source.clone();
        async move {
            sleep(ms(50)).await;
            source.set(7);
            Ok::<_, Infallible>(())
        }
    };
    let at = on_a.write_through(&1, Some(7), write).await.unwrap();
    b.caught_up(at, secs(5)).await.unwrap();
    for cache in [&on_a, &on_b] {
        assert_eq!(*cache.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 7);
    }
    assert_eq!(source.calls(), 1, "nobody had to load it");
    on_a.write_through(&1, None, async { Ok::<_, Infallible>(()) }).await.unwrap();
    assert!(matches!(on_a.lookup(&1).await.unwrap(), Lookup::KnownAbsent));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_or_hangs_leaves_nothing_cached() {
    let [(_a, on_a), (b, on_b)] = nodes().await;
    for write in 0..2 {
        on_a.put(1, 1).await.unwrap();
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 1);
        let error = match write {
            0 => on_a.write_through(&1, Some(2), async { Err(io::Error::other("deadlock")) }).await.unwrap_err(),
            _ => on_a.write_through(&1, Some(2), std::future::pending::<io::Result<()>>()).await.unwrap_err(),
        };
        assert_eq!(error.kind(), [ErrorKind::Writer, ErrorKind::OutcomeUnknown][write]);
        let at = on_a.evict(&99).await.unwrap();
        b.caught_up(at, secs(5)).await.unwrap();
        assert!(on_a.get(&1).await.unwrap().is_none() && on_b.get(&1).await.unwrap().is_none(), "{write}");
    }
    let hole = async { panic!("a bug") as io::Result<()> };
    on_a.put(1, 1).await.unwrap();
    assert_eq!(on_a.write_through(&1, Some(2), hole).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert!(on_a.get(&1).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn of_two_writers_at_once_neither_is_believed() {
    let [(a, on_a), (b, on_b)] = nodes().await;
    for same_node in [true, false] {
        let (go, gone) = oneshot::channel::<()>();
        let first = on_a.write_through(&1, Some(1), gone);
        let second = async {
            let cache = if same_node { &on_a } else { &on_b };
            cache.write_through(&1, Some(2), async { Ok::<_, Infallible>(()) }).await.unwrap();
            go.send(()).unwrap();
        };
        let (first, ()) = tokio::join!(first, second);
        let at = first.unwrap();
        a.caught_up(at, secs(5)).await.unwrap();
        b.caught_up(at, secs(5)).await.unwrap();
        let found = (on_a.get(&1).await.unwrap(), on_b.get(&1).await.unwrap());
        assert!(found.0.is_none() && found.1.is_none(), "{same_node}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_a_write_overtakes_leaves_nothing_stale() {
    let [(_a, on_a), (b, on_b)] = nodes().await;
    let source = Source::default();
    for loading in [&on_a, &on_b] {
        source.set(0);
        on_a.evict(&1).await.unwrap();
        let slow = loading.get_or_load(&1, source.load(ms(100)));
        let write = async {
            sleep(ms(10)).await;
            let source = source.clone();
            let write = async move {
                source.set(5);
                Ok::<_, Infallible>(())
            };
            on_a.write_through(&1, Some(5), write).await.unwrap()
        };
        let (slow, at) = tokio::join!(slow, write);
        slow.unwrap();
        b.caught_up(at, secs(5)).await.unwrap();
        for cache in [&on_a, &on_b] {
            assert_eq!(*cache.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 5);
        }
    }
}

/// A source that remembers its batches and fails on demand.
#[derive(Clone, Debug)]
struct Table {
    rows: Arc<Mutex<HashMap<u64, u64>>>,
    batches: Arc<Mutex<Vec<usize>>>,
    down: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
    attempts: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            rows: Arc::default(),
            batches: Arc::default(),
            down: Arc::default(),
            broken: Arc::default(),
            attempts: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

#[async_trait]
impl WriteSink<u64, u64> for Table {
    async fn write(&self, batch: &[(u64, Option<u64>)]) -> Result<(), SinkError> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        let _pass = self.gate.acquire().await?;
        if self.down.load(Ordering::SeqCst) {
            return Err("the database is down".into());
        }
        assert!(!self.broken.load(Ordering::SeqCst), "a bug");
        self.batches.lock().push(batch.len());
        let mut rows = self.rows.lock();
        for (key, value) in batch {
            match value {
                Some(value) => rows.insert(*key, *value),
                None => rows.remove(key),
            };
        }
        Ok(())
    }
}

impl Table {
    fn row(&self, key: u64) -> Option<u64> {
        self.rows.lock().get(&key).copied()
    }

    fn cache(&self, manager: &CacheManager, options: WriteBehind) -> Cache<u64, u64> {
        manager.cache("test").with_jitter(0.0).with_write_behind(self.clone(), options).build().unwrap()
    }

    fn load(&self, key: u64) -> impl Future<Output = Result<Option<u64>, Infallible>> + Send + 'static {
        let this = self.clone();
        async move { Ok(this.row(key)) }
    }
}

#[tokio::test(start_paused = true)]
async fn many_values_are_written_at_once_and_each_key_once() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new());
    for value in 0..50 {
        for key in 0..10 {
            cache.write_behind(key, Some(value)).await.unwrap();
        }
    }
    assert_eq!((cache.unwritten(), table.attempts.load(Ordering::SeqCst)), (10, 0));
    assert_eq!(*cache.get(&3).await.unwrap().unwrap(), 49);
    sleep(ms(1100)).await;
    assert_eq!((table.batches.lock().clone(), table.row(3)), (vec![10], Some(49)));
    cache.write_behind(3, None).await.unwrap();
    assert!(cache.get_or_load(&3, table.load(3)).await.unwrap().is_none(), "deleted, though not yet there");
    cache.flush(secs(5)).await.unwrap();
    assert_eq!((table.row(3), cache.unwritten()), (None, 0));
    // A full batch does not wait.
    for key in 0..250 {
        cache.write_behind(key, Some(key)).await.unwrap();
    }
    sleep(ms(100)).await;
    assert_eq!((table.batches.lock()[2..].to_vec(), cache.unwritten()), (vec![100, 100], 50));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_read_before_the_source() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new());
    table.rows.lock().insert(1, 10);
    cache.write_behind(1, Some(11)).await.unwrap();
    cache.evict(&1).await.unwrap();
    assert_eq!(*cache.get_or_load(&1, table.load(1)).await.unwrap().unwrap(), 11);
    assert_eq!(*cache.get(&1).await.unwrap().unwrap(), 11);
    let many = cache.get_many_or_load(&[1], |_| async { Ok::<_, Infallible>(HashMap::from([(1, Some(10))])) });
    assert_eq!(**many.await.unwrap()[0].as_ref().unwrap(), 11);
    cache.write_behind(1, Loaded::value(12).with_ttl(ms(0))).await.unwrap();
    assert_eq!(*cache.get_or_load(&1, table.load(1)).await.unwrap().unwrap(), 12, "not to be cached");
    cache.flush(secs(5)).await.unwrap();
    assert_eq!(*cache.get_or_load(&1, table.load(1)).await.unwrap().unwrap(), 12);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let (table, manager) = (Table::default(), CacheManager::local());
    table.gate.forget_permits(Semaphore::MAX_PERMITS);
    let cache = table.cache(&manager, WriteBehind::new().with_capacity(2).with_timeout(secs(600)));
    cache.write_behind(1, Some(1)).await.unwrap();
    cache.write_behind(2, Some(2)).await.unwrap();
    cache.write_behind(1, Some(3)).await.expect("it waits already");
    let error = cache.write_behind(3, Some(3)).await.unwrap_err();
    assert_eq!((error.kind(), cache.unwritten()), (ErrorKind::Overloaded, 2));
    let (waiting, ()) = tokio::join!(cache.write_behind(3, Some(4)), async {
        sleep(ms(500)).await;
        table.gate.add_permits(100);
    });
    waiting.unwrap();
    cache.flush(secs(60)).await.unwrap();
    assert_eq!([1, 2, 3].map(|key| table.row(key)), [Some(3), Some(2), Some(4)]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_tried_again_with_the_newest_values() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new());
    table.down.store(true, Ordering::SeqCst);
    cache.write_behind(1, Some(1)).await.unwrap();
    assert!(cache.flush(secs(60)).await.is_err());
    let attempts = table.attempts.load(Ordering::SeqCst);
    assert!((10..40).contains(&attempts), "with growing pauses: {attempts}");
    cache.write_behind(1, Some(2)).await.unwrap();
    table.down.store(false, Ordering::SeqCst);
    cache.flush(secs(60)).await.unwrap();
    assert_eq!(table.row(1), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_is_tried_again() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new());
    table.broken.store(true, Ordering::SeqCst);
    cache.write_behind(1, Some(1)).await.unwrap();
    assert!(cache.flush(secs(10)).await.is_err());
    assert!(table.attempts.load(Ordering::SeqCst) > 1);
    table.broken.store(false, Ordering::SeqCst);
    cache.flush(secs(60)).await.unwrap();
    assert_eq!(table.row(1), Some(1));
}

#[tokio::test(start_paused = true)]
async fn other_nodes_are_told_when_a_late_write_is_done() {
    let shared = MemoryShared::new();
    let (a, b) = (CacheManager::new(shared.clone()).await.unwrap(), CacheManager::new(shared).await.unwrap());
    let table = Table::default();
    table.down.store(true, Ordering::SeqCst);
    let writing = table.cache(&a, WriteBehind::new());
    let reading: Cache<u64, u64> = b.cache("test").build().unwrap();
    writing.write_behind(1, Some(1)).await.unwrap();
    assert_eq!(*reading.get(&1).await.unwrap().unwrap(), 1);
    advance(secs(310)).await;
    sleep(secs(1)).await;
    // The shared level has forgotten it, and the source does not know it yet.
    assert!(reading.get_or_load(&1, table.load(1)).await.unwrap().is_none());
    table.down.store(false, Ordering::SeqCst);
    writing.flush(secs(60)).await.unwrap();
    let at = writing.evict(&99).await.unwrap();
    b.caught_up(at, secs(5)).await.unwrap();
    assert_eq!(*reading.get_or_load(&1, table.load(1)).await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_and_the_end_of_the_cache_write_what_waits() {
    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new().with_delay(secs(3600)));
    for key in 0..250 {
        cache.write_behind(key, Some(key)).await.unwrap();
    }
    assert_eq!(manager.shutdown(secs(30)).await, Shutdown::Drained);
    assert_eq!(table.rows.lock().len(), 250);
    assert_eq!(cache.write_behind(1, Some(1)).await.unwrap_err().kind(), ErrorKind::ShutDown);

    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new().with_delay(secs(3600)));
    cache.write_behind(1, Some(1)).await.unwrap();
    drop(cache);
    sleep(secs(1)).await;
    assert_eq!(table.row(1), Some(1));

    let (table, manager) = (Table::default(), CacheManager::local());
    let cache = table.cache(&manager, WriteBehind::new());
    table.down.store(true, Ordering::SeqCst);
    cache.write_behind(1, Some(1)).await.unwrap();
    assert_eq!(manager.shutdown(secs(60)).await, Shutdown::Drained, "a dead source is given up");
    assert_eq!(cache.unwritten(), 0);
}

#[tokio::test]
async fn mistakes_are_told() {
    let manager = CacheManager::local();
    let plain: Cache<u64, u64> = manager.cache("plain").build().unwrap();
    assert_eq!(plain.write_behind(1, Some(1)).await.unwrap_err().kind(), ErrorKind::Unsupported);
    for options in
        [WriteBehind::new().with_capacity(0), WriteBehind::new().with_batch(0), WriteBehind::new().with_delay(ms(0))]
    {
        let built = manager.cache::<u64, u64>("behind").with_write_behind(Table::default(), options).build();
        assert_eq!(built.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}
