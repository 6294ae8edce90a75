//! Caches in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::HashMap;
use std::convert::Infallible;

use futures_util::future::join_all;
use nebula_cache::{Cache, CacheBuilder, CacheManager, ErrorKind, Loaded, Lookup};
use support::{Source, ms, secs};
use tokio::time::{advance, sleep, timeout};

fn cache(with: impl FnOnce(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>) -> Cache<u64, u64> {
    with(CacheManager::local().local_cache("test").with_jitter(0.0)).build().unwrap()
}

/// Lets what was spawned run.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn values_end_with_their_time() {
    let cache = cache(|it| it.with_ttl(secs(60)));
    cache.put(1, 10).await.unwrap();
    cache.put_with(2, Loaded::value(20).with_ttl(secs(5))).await.unwrap();
    advance(secs(5) - ms(1)).await;
    assert_eq!(cache.get(&2).await.unwrap().map(|it| *it), Some(20));
    advance(ms(1)).await;
    assert!(cache.get(&2).await.unwrap().is_none());
    advance(secs(55) - ms(1)).await;
    assert_eq!(*cache.get(&1).await.unwrap().unwrap(), 10);
    advance(ms(1)).await;
    assert!(cache.get(&1).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_the_ends_below_the_time_to_live() {
    let cache = cache(|it| it.with_ttl(secs(100)).with_jitter(0.5).with_local_capacity(10_000));
    for key in 0..1000 {
        cache.put(key, key).await.unwrap();
    }
    let mut alive = Vec::new();
    for _ in 0..2 {
        advance(secs(50) - ms(1)).await;
        let found = cache.get_many(&(0..1000).collect::<Vec<_>>()).await.unwrap();
        alive.push(found.iter().flatten().count());
        advance(ms(1)).await;
    }
    assert!(alive[0] > 950, "none before half of the time, but for those that share a generation: {alive:?}");
    assert!(alive[1] < 100, "most before the end: {alive:?}");
}

#[tokio::test(start_paused = true)]
async fn absence_is_a_value_with_a_time_of_its_own() {
    let cache = cache(|it| it.with_ttl(secs(60)).with_null_ttl(secs(10)));
    let source = Source::default();
    let nothing = async || {
        let calls = source.calls.clone();
        let load = async move {
            calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok::<_, Infallible>(None::<u64>)
        };
        cache.get_or_load(&1, load).await.unwrap()
    };
    assert!(nothing().await.is_none() && nothing().await.is_none());
    assert_eq!(source.calls(), 1);
    assert!(matches!(cache.lookup(&1).await.unwrap(), Lookup::KnownAbsent));
    assert!(matches!(cache.lookup(&2).await.unwrap(), Lookup::Miss));
    advance(secs(10)).await;
    assert!(matches!(cache.lookup(&1).await.unwrap(), Lookup::Miss));
    nothing().await;
    cache.put(1, 5).await.unwrap();
    assert_eq!(*cache.get(&1).await.unwrap().unwrap(), 5, "a put ends the absence");
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn zero_time_to_live_is_not_cached() {
    let cache = cache(|it| it.with_null_ttl(secs(0)));
    cache.put(1, 10).await.unwrap();
    cache.put_with(1, Loaded::value(11).with_ttl(secs(0))).await.unwrap();
    assert!(cache.get(&1).await.unwrap().is_none(), "and the older value is gone");
    let load = async { Ok::<_, Infallible>(Loaded::value(7).with_ttl(secs(0))) };
    assert_eq!(*cache.get_or_load(&1, load).await.unwrap().unwrap(), 7);
    assert!(matches!(cache.lookup(&1).await.unwrap(), Lookup::Miss));
    cache.get_or_load(&2, async { Ok::<_, Infallible>(None) }).await.unwrap();
    assert!(matches!(cache.lookup(&2).await.unwrap(), Lookup::Miss), "absence is not remembered");
}

/// What is not kept must not be shared with whoever asks after it was answered, however close behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_has_an_answer_and_asks_again_gets_a_load_of_their_own() {
    let cache = cache(|it| it);
    let source = Source::default();
    for round in 0..20_000_u64 {
        let calls = source.calls.clone();
        let load = async move {
            let run = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok::<_, Infallible>(Loaded::value(run).with_ttl(secs(0)))
        };
        assert_eq!(*cache.get_or_load(&1, load).await.unwrap().unwrap(), round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_load_once() {
    let (cache, source) = (cache(|it| it), Source::default());
    source.set(7);
    let found = join_all((0..1000).map(|_| cache.get_or_load(&1, source.load(ms(100))))).await;
    assert!(found.into_iter().all(|found| *found.unwrap().unwrap() == 7));
    assert_eq!(source.calls(), 1);
    let snapshot = cache.snapshot();
    assert_eq!((snapshot.loads, snapshot.joined_loads, snapshot.misses, snapshot.loading), (1, 999, 1000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_load_outlives_its_caller() {
    let (cache, source) = (cache(|it| it), Source::default());
    let leader = tokio::spawn({
        let (cache, load) = (cache.clone(), source.load(ms(100)));
        async move { cache.get_or_load(&1, load).await }
    });
    sleep(ms(60)).await;
    let follower = cache.get_or_load(&1, source.load(ms(100)));
    leader.abort();
    let (found, waited) = {
        let began = tokio::time::Instant::now();
        (follower.await.unwrap(), began.elapsed())
    };
    assert!(found.is_some() && waited <= ms(45), "{waited:?}");
    assert_eq!(source.calls(), 1);
    // Even if nobody waits any more.
    let forsaken = timeout(ms(10), cache.get_or_load(&2, source.load(ms(100)))).await;
    assert!(forsaken.is_err());
    sleep(ms(100)).await;
    assert!(cache.get(&2).await.unwrap().is_some());
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn failing_loads_are_bounded() {
    let cache = cache(|it| it.with_back_off(ms(100), secs(2)));
    let source = Source::default();
    for _ in 0..2000 {
        let error = cache.get_or_load(&1, source.fail(ms(0))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Loader);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the database is down");
        sleep(ms(5)).await;
    }
    // 10 s: 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 2 + 2 + 2 s.
    assert!((7..=10).contains(&source.calls()), "{}", source.calls());
    sleep(secs(2)).await;
    assert!(cache.get_or_load(&1, source.load(ms(0))).await.unwrap().is_some());
    assert!(cache.evict(&1).await.is_ok());
    assert!(cache.get_or_load(&1, source.fail(ms(0))).await.is_err());
    sleep(ms(100)).await;
    assert!(cache.get_or_load(&1, source.load(ms(0))).await.is_ok(), "success has reset the pause");
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_panics_or_hangs_does_no_harm() {
    let cache = cache(|it| it.with_load_timeout(secs(1)));
    let panics = async {
        if true {
            panic!("a bug in the loader");
        }
        Ok::<_, Infallible>(Some(1))
    };
    let error = cache.get_or_load(&1, panics).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Loader);
    let hangs = std::future::pending::<Result<Option<u64>, Infallible>>();
    let error = timeout(secs(2), cache.get_or_load(&2, hangs)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadTimeout);
    sleep(ms(100)).await;
    let source = Source::default();
    assert!(cache.get_or_load(&1, source.load(ms(0))).await.unwrap().is_some());
    assert_eq!(cache.snapshot().loading, 0);
}

#[tokio::test(start_paused = true)]
async fn loads_are_bounded_in_number() {
    let cache = cache(|it| it.with_max_loads(2).with_load_timeout(secs(1)));
    let source = Source::default();
    let all = join_all([0, 1, 2, 3, 4].iter().map(|key| cache.get_or_load(key, source.load(ms(700))))).await;
    let overloaded = all.iter().filter(|it| it.as_ref().is_err_and(|e| e.kind() == ErrorKind::Overloaded)).count();
    let loaded = all.iter().filter(|it| it.is_ok()).count();
    assert_eq!((loaded, overloaded), (2, 1), "{all:?}");
    assert_eq!(cache.snapshot().timed_out_loads, 2, "which got a place too late");
}

#[tokio::test(start_paused = true)]
async fn stale_values_are_served_while_they_are_refreshed() {
    let cache = cache(|it| it.with_ttl(secs(10)).with_stale_while_revalidate(secs(5)));
    let source = Source::default();
    cache.get_or_load(&1, source.load(ms(0))).await.unwrap();
    source.set(1);
    advance(secs(12)).await;
    let stale = cache.get_or_load(&1, source.load(ms(100))).await.unwrap().unwrap();
    assert!(stale.is_stale() && *stale == 0);
    assert!(cache.get_or_load(&1, source.load(ms(100))).await.unwrap().unwrap().is_stale(), "nobody waits");
    sleep(ms(200)).await;
    let fresh = cache.get(&1).await.unwrap().unwrap();
    assert!(!fresh.is_stale() && *fresh == 1);
    assert_eq!(source.calls(), 2);
    assert_eq!(cache.snapshot().stale_served, 2);
    advance(secs(15)).await;
    let fresh = cache.get_or_load(&1, source.load(ms(100))).await.unwrap().unwrap();
    assert!(!fresh.is_stale(), "too old to be served");
}

#[tokio::test(start_paused = true)]
async fn stale_values_are_served_when_loading_fails() {
    let cache = cache(|it| it.with_ttl(secs(10)).with_fail_safe(secs(60)).with_soft_timeout(ms(50)));
    let source = Source::default();
    cache.put(1, 5).await.unwrap();
    advance(secs(11)).await;
    let found = cache.get_or_load(&1, source.fail(ms(0))).await.unwrap().unwrap();
    assert!(found.is_stale() && *found == 5);
    let found = cache.get_or_load(&1, source.fail(ms(0))).await.unwrap().unwrap();
    assert!(found.is_stale(), "while backing off too");
    assert_eq!(source.calls(), 1);
    sleep(ms(200)).await;
    let began = tokio::time::Instant::now();
    let found = cache.get_or_load(&1, source.load(secs(2))).await.unwrap().unwrap();
    assert!(found.is_stale() && began.elapsed() < ms(70), "the soft timeout: {:?}", began.elapsed());
    sleep(secs(3)).await;
    assert!(!cache.get(&1).await.unwrap().unwrap().is_stale(), "the load went on");
    cache.evict(&1).await.unwrap();
    assert!(cache.get_or_load(&1, source.fail(ms(0))).await.is_err(), "what was evicted is never served");
    cache.put(2, 5).await.unwrap();
    advance(secs(70)).await;
    assert!(cache.get_or_load(&2, source.fail(ms(0))).await.is_err(), "too old even for that");
}

#[tokio::test(start_paused = true)]
async fn values_in_use_are_refreshed_ahead() {
    let cache = cache(|it| it.with_ttl(secs(10)).with_refresh_ahead(0.8));
    let source = Source::default();
    for second in 0..60 {
        source.set(second);
        let found = cache.get_or_load(&1, source.load(ms(50))).await.unwrap().unwrap();
        assert!(!found.is_stale() && second - *found <= 10);
        advance(secs(1)).await;
        settle().await;
        sleep(ms(60)).await;
    }
    assert!((6..=9).contains(&source.calls()), "{}", source.calls());
    assert_eq!(cache.snapshot().misses, 1, "nobody ever waited");
}

#[tokio::test(start_paused = true)]
async fn idle_values_are_forgotten() {
    let cache = cache(|it| it.with_ttl(secs(1000)).with_idle_ttl(secs(10)));
    cache.put(1, 1).await.unwrap();
    cache.put(2, 2).await.unwrap();
    for _ in 0..5 {
        advance(secs(6)).await;
        assert!(cache.get(&1).await.unwrap().is_some());
    }
    assert!(cache.get(&2).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn entries_leave_for_causes_that_are_told_apart() {
    let cache = cache(|it| it.with_ttl(secs(10)).with_idle_ttl(secs(4)).with_jitter(0.0).with_local_capacity(100));
    let left = || {
        let it = cache.snapshot().evictions;
        [it.capacity, it.expired, it.invalidated, it.replaced, it.explicit]
    };
    for key in 1..=4 {
        cache.put(key, key).await.unwrap();
    }
    cache.put(1, 10).await.unwrap();
    assert_eq!(left(), [0, 0, 0, 1, 0]);
    cache.evict(&1).await.unwrap();
    cache.evict(&99).await.unwrap();
    assert_eq!(left(), [0, 0, 0, 1, 1], "what is not there does not leave");
    advance(secs(5)).await;
    assert!(cache.get(&2).await.unwrap().is_none());
    cache.put(3, 30).await.unwrap();
    assert_eq!(left(), [0, 2, 0, 1, 1], "not used for too long, whether asked for or replaced");
    cache.clear().await.unwrap();
    assert!(cache.get(&3).await.unwrap().is_none());
    assert_eq!(left(), [0, 2, 1, 1, 1]);
    let heavy = self::cache(|it| it.with_local_weight(100, |_, value| value.copied().unwrap_or(1)));
    heavy.put(1, 1_000_000).await.unwrap();
    let snapshot = heavy.snapshot();
    assert_eq!((snapshot.evictions.capacity, snapshot.entries), (1, 0), "too heavy to be let in");
}

#[tokio::test]
async fn the_capacity_holds() {
    let number = cache(|it| it.with_local_capacity(100));
    let weight = cache(|it| it.with_local_weight(1000, |_, value| value.copied().unwrap_or(1)));
    for key in 0..1000 {
        number.put(key, key).await.unwrap();
        weight.put(key, 100).await.unwrap();
    }
    let (number, weight) = (number.snapshot(), weight.snapshot());
    assert!(number.entries <= 100 && number.evictions.capacity >= 900, "{number:?}");
    assert!(weight.weight <= 1000 && weight.entries <= 10, "{weight:?}");
    assert_eq!(weight.evictions.capacity_weight, weight.evictions.capacity * 100);
    let none = cache(|it| it.with_local_capacity(0));
    none.put(1, 1).await.unwrap();
    assert!(none.get(&1).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_eviction_during_a_load_leaves_nothing_stale() {
    let (cache, source) = (cache(|it| it), Source::default());
    for round in 0..1000 {
        source.set(round);
        cache.evict(&1).await.unwrap();
        let (_, ()) = tokio::join!(cache.get_or_load(&1, source.load(ms(10))), async {
            sleep(ms(5)).await;
            source.set(round + 1);
            match round % 3 {
                0 => cache.evict(&1).await.map(drop).unwrap(),
                1 => cache.clear().await.map(drop).unwrap(),
                _ => cache.put(1, round + 1).await.map(drop).unwrap(),
            }
        });
        let found = cache.get_or_load(&1, source.load(ms(10))).await.unwrap().unwrap();
        assert_eq!(*found, round + 1);
    }
    assert!(source.calls() >= 1000, "each of them overlapped: {}", source.calls());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_after_an_eviction_gets_a_load_of_their_own() {
    let (cache, source) = (cache(|it| it), Source::default());
    let before = tokio::spawn({
        let (cache, load) = (cache.clone(), source.load(ms(100)));
        async move { cache.get_or_load(&1, load).await.unwrap().unwrap() }
    });
    sleep(ms(50)).await;
    source.set(1);
    cache.evict(&1).await.unwrap();
    assert_eq!(*cache.get_or_load(&1, source.load(ms(100))).await.unwrap().unwrap(), 1);
    assert_eq!(*before.await.unwrap(), 0, "asked before it");
    assert_eq!(*cache.get(&1).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn tags_and_clear_evict_what_they_mean() {
    let manager = CacheManager::local();
    let seats = manager.local_cache::<u64, u64>("seats").build().unwrap();
    let trains = manager.local_cache::<u64, u64>("trains").build().unwrap();
    for key in 0..4 {
        let tag = format!("event:{}", key % 2);
        seats.put_with(key, Loaded::value(key).with_tag(tag).with_tag("all")).await.unwrap();
    }
    trains.put_with(7, Loaded::value(7).with_tag("event:0")).await.unwrap();
    trains.put(8, 8).await.unwrap();
    manager.evict_tag("event:0").await.unwrap();
    let kept: Vec<bool> = seats.get_many(&[0, 1, 2, 3]).await.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(kept, [false, true, false, true]);
    assert!(trains.get(&7).await.unwrap().is_none() && trains.get(&8).await.unwrap().is_some());
    seats.put_with(0, Loaded::value(0).with_tag("event:0")).await.unwrap();
    assert!(seats.get(&0).await.unwrap().is_some(), "what is put afterwards stays");
    seats.clear().await.unwrap();
    assert!(seats.get(&1).await.unwrap().is_none() && trains.get(&8).await.unwrap().is_some());
    manager.clear().await.unwrap();
    assert!(trains.get(&8).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_tag_evicted_during_a_load_counts() {
    let manager = CacheManager::local();
    let cache = manager.local_cache::<u64, u64>("seats").build().unwrap();
    let source = Source::default();
    let load = {
        let load = source.load(ms(100));
        async move { load.await.map(|found| found.map_or_else(Loaded::absent, Loaded::value).with_tag("event:7")) }
    };
    let (_, ()) = tokio::join!(cache.get_or_load(&1, load), async {
        sleep(ms(50)).await;
        manager.evict_tag("event:7").await.unwrap();
    });
    assert!(cache.get(&1).await.unwrap().is_none(), "the tag was not known when it was evicted");
}

#[tokio::test(start_paused = true)]
async fn many_keys_take_one_load() {
    let cache = cache(|it| it);
    cache.put(1, 10).await.unwrap();
    let asked = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let load = |keys: Vec<u64>| {
        asked.lock().push(keys.clone());
        async move {
            let even = keys.into_iter().filter(|key| key % 2 == 0);
            Ok::<_, Infallible>(even.map(|key| (key, Some(key * 10))).collect::<HashMap<_, _>>())
        }
    };
    let found = cache.get_many_or_load(&[4, 1, 3, 4, 2], load).await.unwrap();
    let found: Vec<Option<u64>> = found.into_iter().map(|it| it.map(|it| *it)).collect();
    assert_eq!(found, [Some(40), Some(10), None, Some(40), Some(20)]);
    assert_eq!(*asked.lock(), [vec![4, 3, 2]]);
    assert!(matches!(cache.lookup(&3).await.unwrap(), Lookup::KnownAbsent));
    let found = cache.get_many_or_load(&[4, 3, 2], load).await.unwrap();
    assert_eq!((found.iter().flatten().count(), asked.lock().len()), (2, 1));
    let fails = |_| async { Err::<HashMap<u64, Option<u64>>, _>(std::io::Error::other("down")) };
    assert_eq!(cache.get_many_or_load(&[4, 9], fails).await.unwrap_err().kind(), ErrorKind::Loader);
    assert_eq!(*cache.get_many_or_load(&[4], fails).await.unwrap()[0].clone().unwrap(), 40, "nothing to load");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_loads_and_ends_everything() {
    let manager = CacheManager::local();
    let cache = manager.local_cache::<u64, u64>("test").build().unwrap();
    let source = Source::default();
    let load = tokio::spawn({
        let (cache, load) = (cache.clone(), source.load(ms(100)));
        async move { cache.get_or_load(&1, load).await }
    });
    sleep(ms(10)).await;
    assert_eq!(manager.shutdown(secs(5)).await, nebula_cache::Shutdown::Drained);
    assert!(load.await.unwrap().unwrap().is_some());
    assert_eq!(cache.get(&1).await.unwrap_err().kind(), ErrorKind::ShutDown);
    assert_eq!(cache.put(1, 1).await.unwrap_err().kind(), ErrorKind::ShutDown);
    assert_eq!(cache.get_or_load(&2, source.load(ms(0))).await.unwrap_err().kind(), ErrorKind::ShutDown);
    assert_eq!(cache.evict(&2).await.unwrap_err().kind(), ErrorKind::ShutDown);
    assert_eq!(manager.local_cache::<u64, u64>("late").build().unwrap_err().kind(), ErrorKind::ShutDown);
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let manager = CacheManager::local();
    let kept = manager.local_cache::<u64, u64>("test").build().unwrap();
    let twice = manager.local_cache::<u64, u64>("test").build().unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::ConfigInvalid);
    drop(kept);
    manager.local_cache::<u64, u64>("test").build().expect("the first is gone");
    let wrong = [
        manager.local_cache::<u64, u64>("a:b"),
        manager.local_cache(""),
        manager.local_cache("a").with_ttl(secs(0)),
        manager.local_cache("a").with_jitter(1.5),
        manager.local_cache("a").with_jitter(f64::NAN),
        manager.local_cache("a").with_refresh_ahead(1.0),
        manager.local_cache("a").with_max_loads(0),
        manager.local_cache("a").with_load_timeout(secs(1000)),
        manager.local_cache("a").with_soft_timeout(secs(100)),
        manager.local_cache("a").with_back_off(secs(2), secs(1)),
    ];
    for builder in wrong {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let long = manager.local_cache::<String, u64>("long").build().unwrap();
    let key = "x".repeat(nebula_cache::MAX_KEY_BYTES + 1);
    assert_eq!(long.get(&key).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(long.put(key, 1).await.unwrap_err().kind(), ErrorKind::InvalidKey);
}
