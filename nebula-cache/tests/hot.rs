//! Hot keys: found, kept, told to other nodes; with paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use nebula_cache::{Cache, CacheManager, ErrorKind, HotKeys, MemoryShared};
use nebula_test_support::{eventually, unique};
use support::process::PATIENCE;
use support::servers::node;
use support::{Source, ms, secs};
use tokio::time::sleep;

fn options() -> HotKeys {
    HotKeys::new().with_threshold(100).with_sample(1).with_hold(secs(10))
}

async fn nodes(options: &HotKeys) -> [(CacheManager, Cache<u64, u64>); 2] {
    let shared = MemoryShared::new();
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let manager = CacheManager::new(shared.clone()).await.unwrap();
        let cache =
            manager.cache("test").with_jitter(0.0).with_local_ttl(ms(100)).with_hot_keys(*options).build().unwrap();
        nodes.push((manager, cache));
    }
    nodes.try_into().unwrap()
}

/// Reads of a key, spread over a second.
async fn read(cache: &Cache<u64, u64>, key: u64, times: u64) {
    for _ in 0..times {
        cache.get(&key).await.unwrap();
        sleep(secs(1) / u32::try_from(times).unwrap()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn hot_keys_are_found_and_others_are_not() {
    let [(_a, cache), _b] = nodes(&options()).await;
    for _ in 0..3 {
        tokio::join!(read(&cache, 1, 300), read(&cache, 2, 200), async {
            for key in 1000..2000 {
                cache.get(&key).await.unwrap();
                sleep(ms(1)).await;
            }
        });
    }
    let found: Vec<u64> = cache.hot_keys().into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, [1, 2], "the hottest first: {:?}", cache.hot_keys());
    let reads = cache.hot_keys()[0].1;
    assert!((250..=310).contains(&reads), "{reads}");
    assert!(cache.is_hot(&1) && !cache.is_hot(&1000));
    assert_eq!(cache.snapshot().hot_keys, 2);
    sleep(secs(12)).await;
    assert!(cache.hot_keys().is_empty() && !cache.is_hot(&1), "they cool down");
}

#[tokio::test(start_paused = true)]
async fn what_is_hot_on_one_node_stays_local_on_all() {
    let [(_a, on_a), (b, on_b)] = nodes(&options()).await;
    for key in [1, 2] {
        on_a.put(key, key).await.unwrap();
    }
    read(&on_a, 1, 300).await;
    sleep(secs(2)).await;
    assert!(on_b.is_hot(&1) && on_b.hot_keys().is_empty(), "told, not found");
    let shared_hits = async |key: u64| {
        let before = on_b.snapshot().shared_hits;
        read(&on_b, key, 10).await;
        read(&on_b, key, 10).await;
        on_b.snapshot().shared_hits - before
    };
    assert!(shared_hits(2).await >= 10, "every 100 ms the shared level is asked again");
    assert_eq!(shared_hits(1).await, 1, "but not for a hot key");
    // Hot or not: evicted is evicted.
    let at = on_a.evict(&1).await.unwrap();
    b.caught_up(at, secs(5)).await.unwrap();
    assert!(on_b.get(&1).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_hot_keys_travels_over_redis() {
    let namespace = unique("hot");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let manager = node(&namespace).await;
        let hot = HotKeys::new().with_threshold(20).with_sample(1).with_hold(PATIENCE);
        let cache: Cache<u64, u64> = manager
            .cache("test")
            .with_local_ttl(ms(50))
            .with_shared_timeout(PATIENCE)
            .with_hot_keys(hot)
            .build()
            .unwrap();
        nodes.push((manager, cache));
    }
    let [(_, on_a), (b, on_b)] = &nodes[..] else { unreachable!() };
    for key in [1, 2] {
        on_a.put(key, key * 10).await.unwrap();
    }
    // On the second node it is read now and then, which never makes it hot.
    eventually(PATIENCE, async || {
        for _ in 0..50 {
            assert_eq!(*on_a.get(&1).await.unwrap().unwrap(), 10);
        }
        on_b.is_hot(&1)
    })
    .await;
    assert!(on_b.hot_keys().is_empty(), "told, not found");
    assert_eq!(on_a.hot_keys().first().map(|(key, _)| *key), Some(1));
    assert!(!on_b.is_hot(&2));
    // It comes from the shared level once more, and is local from then on; others are asked for again and again.
    for (key, asked) in [(1, 1), (2, 5)] {
        let before = on_b.snapshot().shared_hits;
        for _ in 0..5 {
            assert_eq!(*on_b.get(&key).await.unwrap().unwrap(), key * 10);
            sleep(ms(100)).await;
        }
        assert_eq!(on_b.snapshot().shared_hits - before, asked, "key {key}");
    }
    let at = on_a.put(1, 11).await.unwrap();
    b.caught_up(at, PATIENCE).await.unwrap();
    assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 11, "hot or not, what is new is heard of");
}

#[tokio::test(start_paused = true)]
async fn large_values_can_stay_local_only_while_they_are_hot() {
    let manager = CacheManager::new(MemoryShared::new()).await.unwrap();
    let cache: Cache<u64, u64> = manager.cache("test").with_hot_keys(options().only_hot_in_local()).build().unwrap();
    let source = Source::default();
    for key in 0..50 {
        cache.get_or_load(&key, source.load(ms(0))).await.unwrap();
    }
    assert_eq!(cache.snapshot().entries, 0);
    read(&cache, 7, 300).await;
    sleep(secs(1)).await;
    cache.get(&7).await.unwrap();
    assert_eq!((cache.snapshot().entries, source.calls()), (1, 50));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_hot_keys_is_bounded() {
    let [(_a, cache), _b] = nodes(&options().with_top(5)).await;
    let all: Vec<u64> = (0..200).collect();
    for _ in 0..150 {
        for key in &all {
            cache.get(key).await.unwrap();
        }
    }
    sleep(ms(1100)).await;
    assert_eq!(cache.hot_keys().len(), 5);
}

#[tokio::test]
async fn mistakes_are_told() {
    let manager = CacheManager::local();
    let wrong =
        [options().with_threshold(0), options().with_top(0), options().with_sample(0), options().with_hold(ms(1))];
    for options in wrong {
        let built = manager.cache::<u64, u64>("hot").with_hot_keys(options).build();
        assert_eq!(built.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let plain: Cache<u64, u64> = manager.cache("plain").build().unwrap();
    assert!(plain.hot_keys().is_empty() && !plain.is_hot(&1));
}
