//! Several nodes over one shared level, with paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::join_all;
use nebula_cache::{
    Cache, CacheManager, ErrorKind, InvalidationChannel, Json, Loaded, Loader, Lookup, MemoryShared, SharedStore,
    StoreKey,
};
use support::flaky::Flaky;
use support::forgetful::Forgetful;
use support::{Source, ms, secs};
use tokio::time::{advance, sleep, timeout};

async fn manager(shared: &(impl SharedStore + InvalidationChannel + Clone)) -> CacheManager {
    CacheManager::new(shared.clone()).await.unwrap()
}

fn cache(manager: &CacheManager) -> Cache<u64, u64> {
    manager.cache("test").with_jitter(0.0).build().unwrap()
}

/// Two nodes on one server.
async fn two() -> (CacheManager, Cache<u64, u64>, CacheManager, Cache<u64, u64>) {
    let shared = MemoryShared::new();
    let (a, b) = (manager(&shared).await, manager(&shared).await);
    let (on_a, on_b) = (cache(&a), cache(&b));
    (a, on_a, b, on_b)
}

#[tokio::test(start_paused = true)]
async fn what_one_node_puts_or_loads_the_other_finds() {
    let (_a, on_a, b, on_b) = two().await;
    let source = Source::default();
    let at = on_a.put(1, 10).await.unwrap();
    assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 10);
    b.caught_up(at, secs(5)).await.unwrap();
    let at = on_a.put(1, 11).await.unwrap();
    b.caught_up(at, secs(5)).await.unwrap();
    assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 11, "and the older one is forgotten");
    on_a.get_or_load(&2, source.load(ms(10))).await.unwrap();
    assert!(on_b.get_or_load(&2, source.load(ms(10))).await.unwrap().is_some());
    assert_eq!(source.calls(), 1);
    on_a.get_or_load(&3, async { Ok::<_, Infallible>(None) }).await.unwrap();
    assert!(matches!(on_b.lookup(&3).await.unwrap(), Lookup::KnownAbsent));
    assert_eq!(on_b.snapshot().shared_hits, 4);
}

#[tokio::test(start_paused = true)]
async fn misses_publish_nothing() {
    let shared = MemoryShared::new();
    let node = manager(&shared).await;
    let (cache, source) = (cache(&node), Source::default());
    let before = shared.since(None).await.unwrap().head;
    for key in 0..100 {
        cache.get_or_load(&key, source.load(ms(0))).await.unwrap();
    }
    assert_eq!(shared.since(None).await.unwrap().head, before);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_on_three_nodes_load_once() {
    let shared = MemoryShared::new();
    let source = Source::default();
    source.set(7);
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(cache(&manager(&shared).await));
    }
    let callers = (0..1000).map(|number| nodes[number % 3].get_or_load(&1, source.load(ms(300))));
    let found = timeout(secs(5), join_all(callers)).await.unwrap();
    assert!(found.into_iter().all(|found| *found.unwrap().unwrap() == 7));
    assert_eq!(source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_load_keeps_its_lease_and_a_dead_one_loses_it() {
    let shared = MemoryShared::new();
    let source = Source::default();
    let (on_a, on_b) = (cache(&manager(&shared).await), cache(&manager(&shared).await));
    let (a, b) = tokio::join!(on_a.get_or_load(&1, source.load(secs(8))), async {
        sleep(ms(10)).await;
        on_b.get_or_load(&1, source.load(secs(8))).await
    });
    assert!(a.unwrap().is_some() && b.unwrap().is_some());
    assert_eq!(source.calls(), 1, "eight seconds are more than one lease");
    // A node that died while it loaded.
    shared.begin(&StoreKey::new("test", "2"), Loader::random(), secs(3)).await.unwrap();
    let began = tokio::time::Instant::now();
    on_b.get_or_load(&2, source.load(ms(0))).await.unwrap();
    assert!(began.elapsed() >= secs(3) && began.elapsed() < secs(4), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn failing_loads_are_bounded_across_nodes() {
    let shared = MemoryShared::new();
    let source = Source::default();
    let nodes = [cache(&manager(&shared).await), cache(&manager(&shared).await)];
    let began = tokio::time::Instant::now();
    join_all((0..200).map(async |number: usize| {
        for _ in 0..50 {
            assert!(nodes[number % 2].get_or_load(&1, source.fail(ms(5))).await.is_err());
            sleep(ms(20)).await;
        }
    }))
    .await;
    // Each node begins at 0.1 s and doubles to 5 s.
    let most = 2 * (6 + began.elapsed().as_secs() / 5 + 1);
    assert!(source.calls() <= most, "{} calls in {:?}", source.calls(), began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_eviction_elsewhere_during_a_load_leaves_nothing_stale() {
    let (a, on_a, b, on_b) = two().await;
    let source = Source::default();
    for round in 0..1000 {
        let key = round / 2;
        source.set(round);
        on_a.evict(&key).await.unwrap();
        let (_, at) = tokio::join!(on_a.get_or_load(&key, source.load(ms(20))), async {
            sleep(ms(10)).await;
            source.set(round + 1);
            match round % 4 {
                0 => on_b.evict(&key).await.unwrap(),
                1 => on_b.clear().await.unwrap(),
                2 => b.clear().await.unwrap(),
                _ => on_b.put(key, round + 1).await.unwrap(),
            }
        });
        a.caught_up(at, secs(5)).await.unwrap();
        assert_eq!(*on_a.get_or_load(&key, source.load(ms(20))).await.unwrap().unwrap(), round + 1, "round {round}");
        assert_eq!(*on_b.get_or_load(&key, source.load(ms(20))).await.unwrap().unwrap(), round + 1, "round {round}");
    }
    assert_eq!(on_a.snapshot().evictions.capacity, 0);
    assert!(on_a.snapshot().refused_fills > 100, "the shared level refused: {:?}", on_a.snapshot());
}

#[tokio::test(start_paused = true)]
async fn entries_that_were_evicted_elsewhere_leave_as_invalidated() {
    let (a, on_a, _b, on_b) = two().await;
    for key in 0..3 {
        on_a.put(key, key).await.unwrap();
    }
    on_b.evict(&0).await.unwrap();
    let at = on_b.put(1, 7).await.unwrap();
    a.caught_up(at, secs(5)).await.unwrap();
    for key in 0..3 {
        on_a.get(&key).await.unwrap();
    }
    let evictions = on_a.snapshot().evictions;
    assert_eq!((evictions.invalidated, evictions.explicit, evictions.replaced), (2, 0, 0), "{evictions:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_eviction_takes_what_a_lagging_replica_brought_back() {
    let (_a, on_a, _b, on_b) = two().await;
    let replica = Source::default();
    on_a.get_or_load(&1, replica.load(ms(0))).await.unwrap();
    let forgotten = on_a.evict_twice(&1, ms(500));
    assert!(timeout(ms(0), forgotten).await.is_err(), "nobody waits for it");
    sleep(ms(100)).await;
    assert_eq!(*on_b.get_or_load(&1, replica.load(ms(0))).await.unwrap().unwrap(), 0, "the replica lags");
    replica.set(1);
    sleep(secs(1)).await;
    assert!(on_a.get(&1).await.unwrap().is_none());
    assert_eq!(*on_b.get_or_load(&1, replica.load(ms(0))).await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn tags_reach_all_nodes_and_what_is_stored() {
    let (a, on_a, b, on_b) = two().await;
    let tagged = |value: u64| async move { Ok::<_, Infallible>(Loaded::value(value).with_tag("event:7")) };
    on_a.get_or_load(&1, tagged(1)).await.unwrap();
    on_b.get(&1).await.unwrap().unwrap();
    on_a.put(2, 2).await.unwrap();
    let at = b.evict_tag("event:7").await.unwrap();
    assert!(on_b.get(&1).await.unwrap().is_none());
    a.caught_up(at, secs(5)).await.unwrap();
    assert!(on_a.get(&1).await.unwrap().is_none());
    assert!(on_a.get(&2).await.unwrap().is_some());
    assert_eq!(*on_a.get_or_load(&1, tagged(5)).await.unwrap().unwrap(), 5);
    assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 5, "what is loaded afterwards is good");
    // A load that was under way when the tag was evicted elsewhere.
    let source = Source::default();
    let load = source.load(ms(100));
    let load = async move { load.await.map(|found| Loaded::from(found).with_tag("event:8")) };
    let (_, at) = tokio::join!(on_a.get_or_load(&3, load), async {
        sleep(ms(50)).await;
        b.evict_tag("event:8").await.unwrap()
    });
    a.caught_up(at, secs(5)).await.unwrap();
    assert!(on_a.get(&3).await.unwrap().is_none() && on_b.get(&3).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_new_node_does_not_believe_what_was_evicted_before_it_came() {
    let shared = MemoryShared::new();
    let a = manager(&shared).await;
    let on_a = cache(&a);
    on_a.put_with(1, Loaded::value(1).with_tag("old")).await.unwrap();
    on_a.put(2, 2).await.unwrap();
    a.evict_tag("old").await.unwrap();
    let b = manager(&shared).await;
    let on_b = cache(&b);
    assert!(on_b.get(&1).await.unwrap().is_none());
    assert!(on_b.get(&2).await.unwrap().is_some());
    a.clear().await.unwrap();
    let c = manager(&shared).await;
    assert!(cache(&c).get(&2).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn lost_messages_are_found_out_within_the_bound() {
    let server = MemoryShared::new();
    let deaf = Flaky::over(&server);
    let (a, b) = (manager(&server).await, manager(&deaf).await);
    let (on_a, on_b) = (cache(&a), cache(&b));
    on_a.put(1, 1).await.unwrap();
    on_b.get(&1).await.unwrap().unwrap();
    deaf.deaf.store(true, Ordering::SeqCst);
    for round in 2..50 {
        on_a.put(1, round).await.unwrap();
        sleep(secs(2)).await;
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), round);
    }
    assert!(b.snapshot().trusted, "it asks, even if it hears nothing");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_loses_what_it_took_before_anybody_saw_it_is_found_out() {
    for others in 0..3 {
        let (store, log) = (MemoryShared::new(), Forgetful::default());
        let node = async || {
            let node =
                CacheManager::builder().with_store(store.clone()).with_channel(log.clone()).start().await.unwrap();
            let on = cache(&node);
            (node, on)
        };
        let ((_a, on_a), (_b, on_b)) = (node().await, node().await);
        on_a.put(1, 1).await.unwrap();
        sleep(secs(1)).await;
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 1);
        let key = StoreKey::new("test", "1");
        let older = store.get(&key, None).await.unwrap().unwrap();
        on_a.evict(&1).await.unwrap();
        // The server that took the eviction dies; the one that follows it knows nothing of it, and others go on there.
        log.lose(1);
        store.put(&key, older, secs(600)).await.unwrap();
        for other in 0..others {
            on_b.evict(&(100 + other)).await.unwrap();
        }
        sleep(secs(2)).await;
        assert!(on_a.get(&1).await.unwrap().is_none(), "others: {others}");
        assert!(on_b.get(&1).await.unwrap().is_none(), "others: {others}");
        on_a.put(1, 2).await.unwrap();
        sleep(secs(1)).await;
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 2, "and all goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_twice_do_no_harm() {
    let server = MemoryShared::new();
    let echo = Flaky::over(&server);
    echo.twice.store(true, Ordering::SeqCst);
    let (a, b) = (manager(&server).await, manager(&echo).await);
    let (on_a, on_b) = (cache(&a), cache(&b));
    for round in 0..100 {
        let at = on_a.put(1, round).await.unwrap();
        b.caught_up(at, secs(5)).await.unwrap();
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), round);
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), round);
    }
    assert!(on_b.snapshot().local_hits >= 100, "the second message clears nothing");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_is_never_stale_beyond_the_bound() {
    let server = MemoryShared::new();
    let link = Flaky::over(&server);
    let (a, b) = (manager(&server).await, manager(&link).await);
    let (on_a, on_b) = (cache(&a), cache(&b));
    let source = Source::default();
    source.set(1);
    on_b.get_or_load(&1, source.load(ms(0))).await.unwrap();
    link.set_down(true);
    source.set(2);
    on_a.evict(&1).await.unwrap();
    sleep(secs(2)).await;
    assert!(!b.snapshot().trusted);
    assert_eq!(on_b.get(&1).await.unwrap_err().kind(), ErrorKind::Unavailable, "it cannot say");
    assert_eq!(*on_b.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 2, "it goes on loading");
    // Without being heard of, values stay no longer than the bound.
    source.set(3);
    let calls = source.calls();
    for _ in 0..40 {
        on_b.get_or_load(&1, source.load(ms(0))).await.unwrap();
        sleep(ms(100)).await;
    }
    assert_eq!(*on_b.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 3);
    assert!(source.calls() - calls <= 3, "but they are cached: {}", source.calls() - calls);
    link.set_down(false);
    source.set(4);
    on_a.evict(&1).await.unwrap();
    sleep(secs(3)).await;
    assert!(b.snapshot().trusted);
    assert_eq!(*on_b.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn trust_ends_on_time_whatever_is_being_waited_for() {
    for phase in (0..500).step_by(20) {
        let server = MemoryShared::new();
        let link = Flaky::over(&server);
        let (a, b) = (manager(&server).await, manager(&link).await);
        let (on_a, on_b) = (cache(&a), cache(&b));
        on_b.put(1, 1).await.unwrap();
        sleep(secs(1) + ms(phase)).await;
        // Nothing is refused, and nothing is answered.
        link.silent.store(true, Ordering::SeqCst);
        on_a.evict(&1).await.unwrap();
        sleep(ms(900)).await;
        assert_eq!(*on_b.get(&1).await.unwrap().unwrap(), 1, "phase {phase}: within the bound it may not have heard");
        sleep(ms(601)).await;
        assert!(!b.snapshot().trusted, "phase {phase}");
        assert!(on_b.get(&1).await.unwrap().is_none(), "phase {phase}: the shared level knows");
        link.silent.store(false, Ordering::SeqCst);
        sleep(secs(1)).await;
        assert!(b.snapshot().trusted, "phase {phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn evictions_of_a_node_that_is_cut_off_arrive_later() {
    let server = MemoryShared::new();
    let link = Flaky::over(&server);
    let (a, b) = (manager(&server).await, manager(&link).await);
    let (on_a, on_b) = (cache(&a), cache(&b));
    for key in 0..3 {
        on_a.put(key, 1).await.unwrap();
        on_b.get(&key).await.unwrap().unwrap();
    }
    link.set_down(true);
    assert_eq!(on_b.evict(&1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let forgotten = on_b.evict(&2);
    assert!(timeout(ms(0), forgotten).await.is_err(), "whoever does not wait for it");
    assert!(b.snapshot().pending_evictions >= 1);
    link.set_down(false);
    sleep(secs(5)).await;
    assert_eq!(b.snapshot().pending_evictions, 0);
    for key in [1, 2] {
        assert!(on_a.get(&key).await.unwrap().is_none(), "{key}");
        assert!(on_b.get(&key).await.unwrap().is_none(), "{key}");
    }
    assert!(on_b.get(&0).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn stale_values_bridge_an_outage_unless_evicted_here() {
    let link = Flaky::default();
    let node = manager(&link).await;
    let cache: Cache<u64, u64> =
        node.cache("test").with_jitter(0.0).with_ttl(secs(10)).with_fail_safe(secs(600)).build().unwrap();
    let source = Source::default();
    cache.put(1, 1).await.unwrap();
    cache.put(2, 2).await.unwrap();
    link.set_down(true);
    sleep(secs(20)).await;
    let found = cache.get_or_load(&1, source.fail(ms(0))).await.unwrap().unwrap();
    assert!(found.is_stale() && *found == 1);
    assert!(cache.get(&1).await.unwrap().unwrap().is_stale());
    assert!(cache.evict(&2).await.is_err());
    assert!(cache.get_or_load(&2, source.fail(ms(0))).await.is_err());
    link.set_down(false);
    sleep(secs(5)).await;
    assert!(!cache.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap().is_stale());
}

#[tokio::test(start_paused = true)]
async fn the_shared_level_is_refreshed_and_served_stale() {
    let shared = MemoryShared::new();
    let source = Source::default();
    let build = |manager: &CacheManager| -> Cache<u64, u64> {
        let builder = manager.cache("test").with_jitter(0.0).with_ttl(secs(10)).with_fail_safe(secs(60));
        builder.with_stale_while_revalidate(secs(20)).build().unwrap()
    };
    let (on_a, on_b) = (build(&manager(&shared).await), build(&manager(&shared).await));
    on_a.get_or_load(&1, source.load(ms(0))).await.unwrap();
    sleep(secs(15)).await;
    source.set(1);
    let found = on_b.get_or_load(&1, source.load(ms(50))).await.unwrap().unwrap();
    assert!(found.is_stale() && *found == 0);
    sleep(ms(100)).await;
    assert_eq!(*on_a.get_or_load(&1, source.load(ms(50))).await.unwrap().unwrap(), 1, "which b refreshed");
    assert_eq!(source.calls(), 2);
    sleep(secs(40)).await;
    let found = on_b.get_or_load(&1, source.fail(ms(0))).await.unwrap().unwrap();
    assert!(found.is_stale() && *found == 1, "too old to be served but for want of anything better");
}

#[tokio::test(start_paused = true)]
async fn many_keys_are_read_at_once_and_filled() {
    let (_a, on_a, _b, on_b) = two().await;
    on_a.put(1, 10).await.unwrap();
    let load = |keys: Vec<u64>| async move {
        Ok::<_, Infallible>(keys.into_iter().map(|key| (key, Some(key * 10))).collect())
    };
    let found = on_b.get_many_or_load(&[1, 2, 3], load).await.unwrap();
    assert_eq!(found.iter().flatten().map(|it| **it).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(on_b.snapshot().shared_hits, 1);
    let found = on_a.get_many(&[3, 2, 4]).await.unwrap();
    assert_eq!(found.iter().map(|it| it.as_ref().map(|it| **it)).collect::<Vec<_>>(), [Some(30), Some(20), None]);
    assert_eq!(on_a.snapshot().shared_hits, 2);
}

#[tokio::test(start_paused = true)]
async fn many_keys_are_loaded_once_and_stored_once() {
    let link = Flaky::default();
    let (a, b) = (manager(&link).await, manager(&link.server).await);
    let (on_a, on_b) = (cache(&a), cache(&b));
    let load = |value: u64| {
        move |keys: Vec<u64>| async move {
            sleep(secs(8)).await;
            Ok::<_, Infallible>(keys.into_iter().map(|key| (key, Some(value))).collect())
        }
    };
    // A long batch keeps its leases; a single load of one of its keys waits for it.
    let source = Source::default();
    let (_, single) = tokio::join!(on_a.get_many_or_load(&[1, 2], load(7)), async {
        sleep(secs(1)).await;
        on_b.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap()
    });
    assert_eq!((*single, source.calls()), (7, 0));
    // What is evicted while a batch is loaded is not stored.
    let (_, at) = tokio::join!(on_a.get_many_or_load(&[3, 4], load(8)), async {
        sleep(secs(4)).await;
        on_b.evict(&3).await.unwrap()
    });
    a.caught_up(at, secs(5)).await.unwrap();
    for on in [&on_a, &on_b] {
        assert!(on.get(&3).await.unwrap().is_none() && *on.get(&4).await.unwrap().unwrap() == 8);
    }
    link.set_down(true);
    let found = on_a.get_many_or_load(&[4, 5, 6], load(9)).await.unwrap();
    assert_eq!(found.into_iter().flatten().map(|it| *it).collect::<Vec<_>>(), [8, 9, 9], "cut off, it loads");
    assert_eq!(on_a.get_many(&[10]).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_missing_and_replaced() {
    let shared = MemoryShared::new();
    let node = manager(&shared).await;
    let old: Cache<u64, String> = node.cache("test").with_codec(Json).build().unwrap();
    old.put(1, "text".to_owned()).await.unwrap();
    drop(old);
    shared.put(&StoreKey::new("test", "2"), Bytes::from_static(b"rubbish"), secs(60)).await.unwrap();
    let other = manager(&shared).await;
    let (new, source) = (cache(&other), Source::default());
    for key in [1, 2] {
        assert!(new.get(&key).await.unwrap().is_none());
        new.get_or_load(&key, source.load(ms(0))).await.unwrap().unwrap();
    }
    let counts = new.snapshot();
    assert!(counts.undecodable >= 2 && counts.other_schema >= 2, "{counts:?}");
    let third = manager(&shared).await;
    let schema: Cache<u64, u64> = third.cache("test").with_schema(1).build().unwrap();
    assert!(schema.get(&1).await.unwrap().is_none(), "of another schema");
    assert!(cache(&manager(&shared).await).get(&1).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn two_versions_of_a_program_share_keys_and_not_values() {
    let shared = MemoryShared::new();
    let (old, new) = (manager(&shared).await, manager(&shared).await);
    let before: Cache<u64, u64> = old.cache("test").build().unwrap();
    // Its bytes could be read as an older value, with some of them left over, or as a part of one.
    let after: Cache<u64, (u64, u64)> = new.cache("test").with_schema(1).build().unwrap();
    before.put(1, 5).await.unwrap();
    assert!(matches!(after.lookup(&1).await.unwrap(), Lookup::Miss));
    assert!(matches!(&after.get_many(&[1]).await.unwrap()[..], [None]));
    let load = async { Ok::<_, Infallible>(Some((5, 6))) };
    assert_eq!(*after.get_or_load(&1, load).await.unwrap().unwrap(), (5, 6), "and replaced");
    assert_eq!((after.snapshot().other_schema, after.snapshot().undecodable), (4, 0), "{:?}", after.snapshot());
    // The older program has its own in its memory, and an eviction by either reaches both.
    assert_eq!(*before.get(&1).await.unwrap().unwrap(), 5);
    let at = after.evict(&1).await.unwrap();
    old.caught_up(at, secs(5)).await.unwrap();
    assert!(before.get(&1).await.unwrap().is_none());
    let source = Source::default();
    source.set(7);
    assert_eq!(*before.get_or_load(&1, source.load(ms(0))).await.unwrap().unwrap(), 7);
    assert_eq!(source.calls(), 1);
    // Back to the older version: its values are there.
    let third = cache(&manager(&shared).await);
    assert_eq!(*third.get(&1).await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn values_that_are_too_large_are_not_shared() {
    let shared = MemoryShared::new();
    let node = manager(&shared).await;
    let cache: Cache<u64, Vec<u8>> = node.cache("test").with_size_limits(100, 1000).build().unwrap();
    cache.put(1, vec![1; 500]).await.unwrap();
    let error = cache.put(1, vec![2; 2000]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    sleep(ms(100)).await;
    assert!(cache.get(&1).await.unwrap().is_none(), "nor does the older value stay");
    let load = async { Ok::<_, Infallible>(Some(vec![3; 2000])) };
    assert_eq!(cache.get_or_load(&1, load).await.unwrap().unwrap().len(), 2000);
    assert_eq!(cache.get(&1).await.unwrap().unwrap().len(), 2000, "here it is cached");
}

#[tokio::test(start_paused = true)]
async fn no_tag_is_forgotten_however_many_there_are() {
    let (_a, on_a, b, on_b) = two().await;
    let tagged = |tags: u32| (0..tags).fold(Loaded::value(1), |loaded, tag| loaded.with_tag(tag.to_string()));
    on_a.put_with(1, tagged(65_535)).await.unwrap();
    assert!(on_b.get(&1).await.unwrap().is_some());
    b.evict_tag("65534").await.unwrap();
    assert!(on_b.get(&1).await.unwrap().is_none());
    assert_eq!(on_a.put_with(1, tagged(65_536)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(on_b.get(&1).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_shared_level_without_a_channel_is_refused() {
    let error = CacheManager::builder().with_store(MemoryShared::new()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let down = Flaky::default();
    down.set_down(true);
    assert_eq!(CacheManager::new(down).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let short = CacheManager::builder().with_shared(MemoryShared::new()).with_staleness_bound(ms(1)).start().await;
    assert_eq!(short.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test(start_paused = true)]
async fn local_caches_hear_of_evictions_on_other_nodes() {
    let shared = MemoryShared::new();
    let (a, b) = (manager(&shared).await, manager(&shared).await);
    let on_a = a.local_cache::<u64, u64>("test").build().unwrap();
    let on_b = b.local_cache::<u64, u64>("test").build().unwrap();
    on_a.put(1, 1).await.unwrap();
    assert!(on_b.get(&1).await.unwrap().is_none());
    on_b.put(1, 2).await.unwrap();
    let at = on_b.evict(&1).await.unwrap();
    a.caught_up(at, secs(5)).await.unwrap();
    assert!(on_a.get(&1).await.unwrap().is_none());
    advance(secs(1)).await;
}
