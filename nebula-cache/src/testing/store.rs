//! The contract of [`SharedStore`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests fail by panicking")]

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{Fixture, LONG, PATIENCE, SHORT};
use crate::store::{Fill, Lease, Loader, SharedStore, StoreKey};

fn key(name: &str) -> StoreKey {
    StoreKey::new("trains", name.as_bytes().to_vec())
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn fill(key: &StoreKey, loader: Loader, text: &'static str) -> Fill {
    Fill { key: key.clone(), loader, value: bytes(text), ttl: LONG }
}

async fn eventually(mut what: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !what().await {
        assert!(Instant::now() < deadline, "it never came to pass");
        sleep(Duration::from_millis(5)).await;
    }
}

pub async fn the_last_value_is_found_until_its_time_is_over<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    assert_eq!(store.get(&key("a"), None).await.unwrap(), None);
    store.put(&key("a"), bytes("one"), LONG).await.unwrap();
    store.put(&key("a"), bytes("two"), LONG).await.unwrap();
    assert_eq!(store.get(&key("a"), None).await.unwrap(), Some(bytes("two")));
    store.put(&key("a"), bytes("short"), SHORT).await.unwrap();
    eventually(async || store.get(&key("a"), None).await.unwrap().is_none()).await;
}

pub async fn many_are_found_in_order<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    assert!(store.get_many(&[]).await.unwrap().is_empty());
    store.put(&key("a"), bytes("1"), LONG).await.unwrap();
    store.put(&key("c"), bytes("3"), LONG).await.unwrap();
    let found = store.get_many(&[key("c"), key("b"), key("a"), key("c")]).await.unwrap();
    assert_eq!(found, [Some(bytes("3")), None, Some(bytes("1")), Some(bytes("3"))]);
}

pub async fn a_touched_value_stays<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    store.put(&key("a"), bytes("1"), Duration::from_secs(5)).await.unwrap();
    assert_eq!(store.get(&key("a"), Some(LONG)).await.unwrap(), Some(bytes("1")));
    assert_eq!(store.get(&key("a"), Some(Duration::from_secs(5))).await.unwrap(), Some(bytes("1")));
    store.get(&key("a"), Some(SHORT)).await.unwrap();
    eventually(async || store.get(&key("a"), None).await.unwrap().is_none()).await;
    assert_eq!(store.get(&key("a"), Some(LONG)).await.unwrap(), None, "what is over does not come back");
}

pub async fn one_loader_at_a_time<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (ada, bob) = (Loader::random(), Loader::random());
    assert_eq!(store.begin(&key("a"), ada, LONG).await.unwrap().lease, Lease::Granted);
    let Lease::Busy(rest) = store.begin(&key("a"), bob, LONG).await.unwrap().lease else { panic!("two at once") };
    assert!(rest > Duration::ZERO && rest <= LONG, "{rest:?}");
    assert_eq!(store.begin(&key("a"), ada, LONG).await.unwrap().lease, Lease::Granted, "its own");
    assert_eq!(store.begin(&key("b"), bob, LONG).await.unwrap().lease, Lease::Granted, "of another key");
}

pub async fn a_lease_ends_by_time<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    store.begin(&key("a"), Loader::random(), SHORT).await.unwrap();
    let bob = Loader::random();
    eventually(async || store.begin(&key("a"), bob, LONG).await.unwrap().lease == Lease::Granted).await;
}

pub async fn a_lease_is_renewed_and_never_brought_back<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (ada, bob) = (Loader::random(), Loader::random());
    assert!(!store.renew(&key("a"), ada, LONG).await.unwrap(), "there was none");
    let soon = LONG / 10;
    store.begin(&key("a"), ada, soon).await.unwrap();
    assert!(!store.renew(&key("a"), bob, LONG).await.unwrap(), "it is not bob's");
    assert!(store.renew(&key("a"), ada, LONG).await.unwrap());
    let begun = store.begin(&key("a"), bob, LONG).await.unwrap();
    assert!(matches!(begun.lease, Lease::Busy(rest) if rest > soon), "{begun:?}");
    store.evict(&[key("a")]).await.unwrap();
    assert!(!store.renew(&key("a"), ada, LONG).await.unwrap());
    assert!(!store.fill(&fill(&key("a"), ada, "stale")).await.unwrap());
}

pub async fn a_lease_ends_by_fill_evict_and_put<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let ada = Loader::random();
    store.begin(&key("a"), ada, LONG).await.unwrap();
    assert!(store.fill(&fill(&key("a"), ada, "1")).await.unwrap());
    let begun = store.begin(&key("a"), Loader::random(), LONG).await.unwrap();
    assert_eq!((begun.lease, begun.value), (Lease::Granted, Some(bytes("1"))));
    store.evict(&[key("a")]).await.unwrap();
    let begun = store.begin(&key("a"), Loader::random(), LONG).await.unwrap();
    assert_eq!((begun.lease, begun.value), (Lease::Granted, None));
    store.put(&key("a"), bytes("2"), LONG).await.unwrap();
    let begun = store.begin(&key("a"), Loader::random(), LONG).await.unwrap();
    assert_eq!((begun.lease, begun.value), (Lease::Granted, Some(bytes("2"))));
}

pub async fn abandon_keeps_others_out<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (ada, bob) = (Loader::random(), Loader::random());
    store.begin(&key("a"), ada, LONG).await.unwrap();
    store.abandon(&key("a"), bob, Duration::ZERO).await.unwrap();
    assert!(matches!(store.begin(&key("a"), bob, LONG).await.unwrap().lease, Lease::Busy(_)), "it was not bob's");
    store.abandon(&key("a"), ada, LONG).await.unwrap();
    for loader in [ada, bob] {
        assert!(matches!(store.begin(&key("a"), loader, LONG).await.unwrap().lease, Lease::Busy(_)), "backing off");
    }
    store.begin(&key("b"), ada, LONG).await.unwrap();
    store.abandon(&key("b"), ada, Duration::ZERO).await.unwrap();
    assert_eq!(store.begin(&key("b"), bob, LONG).await.unwrap().lease, Lease::Granted, "without a pause");
}

pub async fn fill_stores_what_nothing_has_overtaken<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (ada, bob) = (Loader::random(), Loader::random());
    store.begin(&key("a"), ada, LONG).await.unwrap();
    store.evict(&[key("a")]).await.unwrap();
    store.begin(&key("a"), bob, LONG).await.unwrap();
    assert!(!store.fill(&fill(&key("a"), ada, "stale")).await.unwrap(), "evicted meanwhile");
    assert_eq!(store.get(&key("a"), None).await.unwrap(), None);
    store.evict(&[key("b")]).await.unwrap();
    assert!(store.fill(&fill(&key("a"), bob, "good")).await.unwrap(), "another key is nothing to it");
    assert_eq!(store.get(&key("a"), None).await.unwrap(), Some(bytes("good")));
    store.begin(&key("a"), ada, LONG).await.unwrap();
    store.put(&key("a"), bytes("newer"), LONG).await.unwrap();
    assert!(!store.fill(&fill(&key("a"), ada, "older")).await.unwrap(), "put meanwhile");
    assert_eq!(store.get(&key("a"), None).await.unwrap(), Some(bytes("newer")));
}

pub async fn fill_needs_the_lease<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (ada, bob) = (Loader::random(), Loader::random());
    assert!(!store.fill(&fill(&key("a"), ada, "1")).await.unwrap(), "never asked for");
    store.begin(&key("a"), ada, SHORT).await.unwrap();
    sleep(SHORT * 2).await;
    assert!(!store.fill(&fill(&key("a"), ada, "1")).await.unwrap(), "over");
    store.begin(&key("a"), bob, LONG).await.unwrap();
    assert!(!store.fill(&fill(&key("a"), ada, "1")).await.unwrap(), "somebody else's");
    assert_eq!(store.get(&key("a"), None).await.unwrap(), None);
    assert!(store.fill(&fill(&key("a"), bob, "2")).await.unwrap());
    assert!(!store.fill(&fill(&key("a"), bob, "3")).await.unwrap(), "once");
}

pub async fn evict_removes_what_it_names<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    for name in ["a", "b", "c"] {
        store.put(&key(name), bytes("1"), LONG).await.unwrap();
    }
    store.evict(&[key("a"), key("b"), key("unknown")]).await.unwrap();
    store.evict(&[]).await.unwrap();
    let found = store.get_many(&[key("a"), key("b"), key("c")]).await.unwrap();
    assert_eq!(found, [None, None, Some(bytes("1"))]);
}

pub async fn any_bytes_are_keys_and_values<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let all: Vec<u8> = (0..=255).collect();
    let keys: Vec<StoreKey> =
        [vec![], all.clone(), vec![b'x'; crate::MAX_KEY_BYTES], b"{a}:*\r\n".to_vec(), vec![0xFF; 3]]
            .into_iter()
            .map(|key| StoreKey::new("trains", key))
            .collect();
    for key in &keys {
        store.put(key, Bytes::from(all.clone()), LONG).await.unwrap();
        assert_eq!(store.get(key, None).await.unwrap().as_deref(), Some(&all[..]));
        assert_eq!(store.begin(key, Loader::random(), LONG).await.unwrap().value.as_deref(), Some(&all[..]));
    }
    store.put(&keys[0], Bytes::new(), LONG).await.unwrap();
    assert_eq!(store.get(&keys[0], None).await.unwrap(), Some(Bytes::new()), "empty is not nothing");
    store.evict(&keys).await.unwrap();
    assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_none));
}

pub async fn caches_do_not_meet<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.shared();
    let (trains, seats) = (StoreKey::new("trains", "a"), StoreKey::new("seats", "a"));
    store.put(&trains, bytes("1"), LONG).await.unwrap();
    assert_eq!(store.get(&seats, None).await.unwrap(), None);
    store.begin(&trains, Loader::random(), LONG).await.unwrap();
    assert_eq!(store.begin(&seats, Loader::random(), LONG).await.unwrap().lease, Lease::Granted);
    store.evict(&[seats]).await.unwrap();
    assert_eq!(store.get(&trains, None).await.unwrap(), Some(bytes("1")));
}

pub async fn it_is_alive<F: Fixture>() {
    F::start().await.shared().ping().await.unwrap();
}
