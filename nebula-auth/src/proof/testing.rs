//! The conformance suite for stores of proofs: one test for each bullet of [`ProofStore`]'s contract.
//!
//! Implement [`Fixture`] for your store and write `nebula_auth::proof_conformance_suite!(YourFixture);` in a test of its
//! own; the tests run for the store and for the same store behind `Arc<dyn ProofStore>`.

#![allow(clippy::expect_used, clippy::panic, reason = "a failing check is meant to panic")]

use std::{
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{ProofKey, ProofRecord, ProofStore};

/// A store to be tested, with whatever keeps it alive.
pub trait Fixture: Send + Sync + Sized {
    /// The store.
    type Store: ProofStore;

    /// An empty store of its own.
    fn start() -> impl Future<Output = Self> + Send;

    /// A handle.
    fn store(&self) -> Self::Store;

    /// A handle as another process would have it: on the same data, with its own connections.
    fn peer(&self) -> impl Future<Output = Self::Store> + Send;
}

/// Generates the suite for a [`Fixture`].
#[macro_export]
macro_rules! proof_conformance_suite {
    ($fixture:ty) => {
        $crate::proof_conformance_suite!(@tests $fixture;
            load_returns_what_was_stored,
            put_expects_what_is_there,
            remove_expects_what_is_there,
            one_of_many_writers_wins,
            kinds_are_apart,
            purge_removes_what_is_over,
            health_answers,
        );
    };
    (@tests $fixture:ty; $($name:ident,)+) => {
        mod direct {
            use super::*;
            use $crate::proof::testing::Fixture as _;

            $(#[tokio::test]
            async fn $name() {
                let fixture = <$fixture>::start().await;
                $crate::proof::testing::$name(&fixture.store(), &fixture.peer().await).await;
            })+
        }

        mod erased {
            use super::*;
            use $crate::proof::testing::Fixture as _;

            $(#[tokio::test]
            async fn $name() {
                let fixture = <$fixture>::start().await;
                let store: ::std::sync::Arc<dyn $crate::proof::ProofStore> = ::std::sync::Arc::new(fixture.store());
                let peer: ::std::sync::Arc<dyn $crate::proof::ProofStore> =
                    ::std::sync::Arc::new(fixture.peer().await);
                $crate::proof::testing::$name(&store, &peer).await;
            })+
        }
    };
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn record(revision: u64, ends: u64) -> ProofRecord {
    let mut body = revision.to_be_bytes().to_vec();
    body.extend_from_slice(b"\0\xff any bytes");
    ProofRecord { revision, expires_at: at(ends), body }
}

async fn put(store: &dyn ProofStore, key: &ProofKey, expected: Option<u64>, record: &ProofRecord) -> bool {
    store.put(key, expected, record, at(0)).await.expect("the store answers")
}

async fn load(store: &dyn ProofStore, key: &ProofKey) -> Option<ProofRecord> {
    store.load(key).await.expect("the store answers")
}

/// `load` returns what was stored, expired or not, and nothing for keys that hold nothing.
pub async fn load_returns_what_was_stored(store: &dyn ProofStore, peer: &dyn ProofStore) {
    let key = ProofKey::of("test", &["ann"]);
    assert_eq!(load(store, &key).await, None);
    for (expected, revision) in [(None, i64::MAX.unsigned_abs()), (Some(i64::MAX.unsigned_abs()), 0)] {
        // Ended in 2027 at the latest, which is nothing to the store.
        let record = record(revision, 0);
        assert!(put(store, &key, expected, &record).await);
        assert_eq!(load(peer, &key).await, Some(record));
    }
    assert_eq!(load(peer, &ProofKey::of("test", &["Ann"])).await, None);
}

/// `put` without an expected revision stores only where nothing is; with one, only over the record of that revision.
pub async fn put_expects_what_is_there(store: &dyn ProofStore, peer: &dyn ProofStore) {
    let key = ProofKey::of("test", &["ann"]);
    assert!(!put(store, &key, Some(1), &record(2, 9)).await, "there is nothing to replace");
    assert!(put(store, &key, None, &record(1, 9)).await);
    assert!(!put(peer, &key, None, &record(2, 9)).await, "there is something");
    assert!(!put(peer, &key, Some(7), &record(2, 9)).await, "it is something else");
    assert_eq!(load(store, &key).await, Some(record(1, 9)));
    assert!(put(peer, &key, Some(1), &record(2, 5)).await);
    assert!(!put(store, &key, Some(1), &record(3, 9)).await, "it was replaced");
    assert_eq!(load(store, &key).await, Some(record(2, 5)));
}

/// `remove` removes only the record of that revision, and says whether it did.
pub async fn remove_expects_what_is_there(store: &dyn ProofStore, peer: &dyn ProofStore) {
    let key = ProofKey::of("test", &["ann"]);
    assert!(!store.remove(&key, 1).await.expect("the store answers"));
    assert!(put(store, &key, None, &record(1, 9)).await);
    assert!(!peer.remove(&key, 2).await.expect("the store answers"));
    assert!(peer.remove(&key, 1).await.expect("the store answers"));
    assert!(!store.remove(&key, 1).await.expect("the store answers"));
    assert_eq!(load(store, &key).await, None);
    assert!(put(store, &key, None, &record(3, 9)).await, "the key is free again");
}

/// Of any number of concurrent `put`s and `remove`s that expect the same, exactly one succeeds.
pub async fn one_of_many_writers_wins(store: &dyn ProofStore, peer: &dyn ProofStore) {
    let key = ProofKey::of("test", &["ann"]);
    let mut current = None;
    for round in 0..3u64 {
        let of = |writer: u64| record(round * 1000 + writer, 9);
        let puts = (1..=30u64).map(|writer| {
            let (store, record) = (if writer % 2 == 0 { store } else { peer }, of(writer));
            let key = &key;
            Box::pin(async move { put(store, key, current, &record).await.then_some(writer) }) as Contender<'_>
        });
        let removals = (0..2).filter_map(|_| current).map(|revision| {
            let key = &key;
            Box::pin(async move { peer.remove(key, revision).await.expect("the store answers").then_some(0u64) })
                as Contender<'_>
        });
        let winners = together(puts.chain(removals).collect()).await;
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let left = load(store, &key).await;
        assert_eq!(left, (winners[0] != 0).then(|| of(winners[0])));
        current = left.map(|record| record.revision);
    }
}

type Contender<'a> = std::pin::Pin<Box<dyn Future<Output = Option<u64>> + Send + 'a>>;

/// All are under way before the first is awaited to its end.
async fn together(mut running: Vec<Contender<'_>>) -> Vec<u64> {
    let mut done: Vec<Option<Option<u64>>> = vec![None; running.len()];
    std::future::poll_fn(|context| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(outcome) = future.as_mut().poll(context)
            {
                *slot = Some(outcome);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().flatten().collect()
}

/// Records of different kinds with the same id are different records.
pub async fn kinds_are_apart(store: &dyn ProofStore, peer: &dyn ProofStore) {
    let (one, other) = (ProofKey::of("one", &["ann"]), ProofKey::of("other", &["ann"]));
    assert_eq!(one.id(), other.id());
    assert!(put(store, &one, None, &record(1, 9)).await);
    assert!(put(peer, &other, None, &record(2, 9)).await);
    assert!(store.remove(&one, 1).await.expect("the store answers"));
    assert_eq!(load(peer, &other).await, Some(record(2, 9)));
    assert_eq!(load(peer, &one).await, None);
}

/// `purge` removes records whose end is before the given time, at most `limit` at a time, and counts them.
pub async fn purge_removes_what_is_over(store: &dyn ProofStore, peer: &dyn ProofStore) {
    let key = |number: u64| ProofKey::of("test", &[&number.to_string()]);
    for number in 0..4 {
        assert!(put(store, &key(number), None, &record(number, 1000 + number)).await);
    }
    for removed in [2, 1, 0] {
        assert_eq!(peer.purge(at(1003), 2).await.expect("the store answers"), removed);
    }
    for number in 0..4 {
        assert_eq!(load(store, &key(number)).await.is_some(), number == 3);
    }
}

/// `health` answers for a store that works.
pub async fn health_answers(store: &dyn ProofStore, peer: &dyn ProofStore) {
    store.health().await.expect("the store is healthy");
    peer.health().await.expect("the store is healthy");
}
