//! The conformance suite of [`RefreshStore`]: one test per bullet of its contract, for every backend.
//!
//! ```
//! use nebula_auth::{MemoryRefreshStore, testing::Fixture};
//!
//! struct Memory(MemoryRefreshStore);
//!
//! impl Fixture for Memory {
//!     type Store = MemoryRefreshStore;
//!
//!     async fn start() -> Self {
//!         Self(MemoryRefreshStore::new())
//!     }
//!
//!     fn store(&self) -> MemoryRefreshStore {
//!         self.0.clone()
//!     }
//!
//!     async fn peer(&self) -> MemoryRefreshStore {
//!         self.0.clone()
//!     }
//! }
//!
//! nebula_auth::conformance_suite!(Memory);
//! # fn main() {}
//! ```

#![allow(clippy::expect_used, clippy::panic, reason = "a failing check is meant to panic")]

pub mod fuzz;
#[cfg(feature = "testing-openid")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing-openid")))]
pub mod openid;

use std::{
    collections::HashSet,
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    AuthMethod, DeviceFingerprint, ErrorKind, Reauthentication, RefreshStore, Revocation, RevokeReason, Rotation,
    RotationOutcome, Session, TokenHash,
};

/// A store to be tested, with whatever keeps it alive.
pub trait Fixture: Send + Sync + Sized {
    /// The store.
    type Store: RefreshStore;

    /// An empty store of its own.
    fn start() -> impl Future<Output = Self> + Send;

    /// A handle.
    fn store(&self) -> Self::Store;

    /// A handle as another process would have it: on the same data, with its own connections.
    fn peer(&self) -> impl Future<Output = Self::Store> + Send;
}

/// Generates the suite for a [`Fixture`], for its store and for the same store behind `Arc<dyn RefreshStore>`.
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ty) => {
        $crate::conformance_suite!(@tests $fixture;
            create_stores_once,
            one_of_many_exchanges_wins,
            grace_repeats_the_winners_successor,
            grace_ends_with_its_time_and_its_device,
            a_used_token_revokes_the_session,
            ended_sessions_are_not_exchanged,
            a_proof_is_written_to_live_sessions,
            sessions_are_returned_as_stored,
            revoke_ends_once,
            revoke_all_spares_the_excepted_and_the_others,
            purge_removes_what_is_over,
            health_answers,
        );
    };
    (@tests $fixture:ty; $($name:ident,)+) => {
        mod direct {
            use super::*;
            use $crate::testing::Fixture as _;

            $(#[tokio::test]
            async fn $name() {
                let fixture = <$fixture>::start().await;
                $crate::testing::$name(&fixture.store(), &fixture.peer().await).await;
            })+
        }

        mod erased {
            use super::*;
            use $crate::testing::Fixture as _;

            $(#[tokio::test]
            async fn $name() {
                let fixture = <$fixture>::start().await;
                let store: ::std::sync::Arc<dyn $crate::RefreshStore> = ::std::sync::Arc::new(fixture.store());
                let peer: ::std::sync::Arc<dyn $crate::RefreshStore> = ::std::sync::Arc::new(fixture.peer().await);
                $crate::testing::$name(&store, &peer).await;
            })+
        }
    };
}

const GRACE: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn hash(number: u8) -> TokenHash {
    TokenHash::from_bytes([number; 32])
}

fn session(id: &str, subject: &str, created: u64) -> Session {
    Session {
        id: id.to_owned(),
        subject: subject.to_owned(),
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        methods: vec![AuthMethod::Password, AuthMethod::OneTimeCode],
        label: Some("Firefox on Linux, at the café".to_owned()),
        device: Some(DeviceFingerprint::of("cookie")),
        authenticated_at: at(created),
        created_at: at(created),
        refreshed_at: at(created),
        expires_at: at(created + 1000),
        revoked: None,
    }
}

fn exchange(id: &str, presented: u8, successor: u8, seconds: u64) -> Rotation {
    Rotation {
        session_id: id.to_owned(),
        presented: hash(presented),
        successor: hash(successor),
        sealed_successor: vec![successor; 20],
        device: Some(DeviceFingerprint::of("cookie")),
        now: at(seconds),
        grace: GRACE,
    }
}

fn revocation(seconds: u64, reason: RevokeReason) -> Revocation {
    Revocation { at: at(seconds), reason }
}

async fn stored(store: &dyn RefreshStore, id: &str, subject: &str) {
    store.create(&session(id, subject, 0), hash(0)).await.expect("the session is stored");
}

async fn rotate(store: &dyn RefreshStore, rotation: &Rotation) -> RotationOutcome {
    store.rotate(rotation).await.expect("the store answers")
}

async fn read(store: &dyn RefreshStore, id: &str) -> Session {
    store.session(id).await.expect("the store answers").expect("the session is there")
}

/// `create` stores the session with its first token; a second session of the same id is an error and changes nothing.
pub async fn create_stores_once(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    stored(store, "s", "ann").await;
    let taken = peer.create(&session("s", "mallory", 5), hash(9)).await.expect_err("the id is taken");
    assert_eq!(taken.kind(), ErrorKind::InvalidInput);
    assert_eq!(read(peer, "s").await, session("s", "ann", 0));
    assert_eq!(rotate(peer, &exchange("s", 0, 1, 1)).await, RotationOutcome::Rotated);
}

/// `rotate` is atomic: of any number of concurrent exchanges of one token exactly one is `Rotated`.
pub async fn one_of_many_exchanges_wins(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    stored(store, "s", "ann").await;
    let (left, right) = tokio::join!(contend(store, 1..=50), contend(peer, 51..=100),);
    let outcomes: Vec<_> = left.into_iter().chain(right).collect();
    let won: Vec<u8> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == RotationOutcome::Rotated)
        .map(|(successor, _)| *successor)
        .collect();
    assert_eq!(won.len(), 1, "exactly one exchange wins");
    for (successor, outcome) in outcomes {
        let repeated = RotationOutcome::Repeated { sealed_successor: vec![won[0]; 20] };
        assert!(successor == won[0] || outcome == repeated, "{successor}: {outcome:?}");
    }
}

/// All exchanges are under way before the first is awaited to its end.
async fn contend(store: &dyn RefreshStore, successors: std::ops::RangeInclusive<u8>) -> Vec<(u8, RotationOutcome)> {
    let rotations: Vec<_> = successors.map(|successor| (successor, exchange("s", 0, successor, 1))).collect();
    let mut running: Vec<_> = rotations.iter().map(|(_, rotation)| Box::pin(store.rotate(rotation))).collect();
    let mut done: Vec<Option<RotationOutcome>> = vec![None; running.len()];
    std::future::poll_fn(|context| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(outcome) = future.as_mut().poll(context)
            {
                *slot = Some(outcome.expect("the store answers"));
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    rotations.iter().map(|(successor, _)| *successor).zip(done.into_iter().flatten()).collect()
}

/// Within the grace, a token whose successor has not been used yields `Repeated` with the winner's sealed successor.
pub async fn grace_repeats_the_winners_successor(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    stored(store, "s", "ann").await;
    assert_eq!(rotate(store, &exchange("s", 0, 1, 100)).await, RotationOutcome::Rotated);
    let repeated = RotationOutcome::Repeated { sealed_successor: vec![1; 20] };
    for seconds in [100, 105, 109] {
        assert_eq!(rotate(peer, &exchange("s", 0, 7, seconds)).await, repeated, "after {seconds}");
    }
    assert_eq!(rotate(peer, &exchange("s", 1, 2, 109)).await, RotationOutcome::Rotated, "the family lives");
    assert_eq!(read(store, "s").await.refreshed_at, at(109));
}

/// Outside the grace, or from another device, a used token yields `Reused`.
pub async fn grace_ends_with_its_time_and_its_device(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    for id in ["late", "other", "none", "zero"] {
        stored(store, id, "ann").await;
        assert_eq!(rotate(store, &exchange(id, 0, 1, 100)).await, RotationOutcome::Rotated);
    }
    assert_eq!(rotate(peer, &exchange("late", 0, 7, 110)).await, RotationOutcome::Reused);
    let other = Rotation { device: Some(DeviceFingerprint::of("thief")), ..exchange("other", 0, 7, 101) };
    assert_eq!(rotate(peer, &other).await, RotationOutcome::Reused);
    let none = Rotation { device: None, ..exchange("none", 0, 7, 101) };
    assert_eq!(rotate(peer, &none).await, RotationOutcome::Reused);
    let zero = Rotation { grace: Duration::ZERO, ..exchange("zero", 0, 7, 100) };
    assert_eq!(rotate(peer, &zero).await, RotationOutcome::Reused);
}

/// Any other token of the family yields `Reused`, and the session is revoked with that reason; the current token no
/// longer works afterwards.
pub async fn a_used_token_revokes_the_session(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    stored(store, "s", "ann").await;
    stored(store, "bystander", "ann").await;
    // All within one second: ids decide, not times.
    assert_eq!(rotate(store, &exchange("s", 0, 1, 100)).await, RotationOutcome::Rotated);
    assert_eq!(rotate(store, &exchange("s", 1, 2, 100)).await, RotationOutcome::Rotated);
    assert_eq!(rotate(peer, &exchange("s", 0, 7, 100)).await, RotationOutcome::Reused);
    let revoked = revocation(100, RevokeReason::Reuse);
    assert_eq!(read(store, "s").await.revoked, Some(revoked));
    for presented in [0, 1, 2] {
        let outcome = rotate(store, &exchange("s", presented, 8, 101)).await;
        assert_eq!(outcome, RotationOutcome::Revoked(revoked), "token {presented}");
    }
    assert_eq!(read(store, "bystander").await.revoked, None);
}

/// A revoked session yields `Revoked`, one at its end `Expired`, an unknown one `Unknown`; nothing changes.
pub async fn ended_sessions_are_not_exchanged(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    stored(store, "revoked", "ann").await;
    stored(store, "over", "ann").await;
    let logout = revocation(50, RevokeReason::Logout);
    assert!(store.revoke("revoked", logout).await.expect("the store answers"));
    assert_eq!(rotate(peer, &exchange("revoked", 0, 1, 60)).await, RotationOutcome::Revoked(logout));
    assert_eq!(rotate(peer, &exchange("revoked", 5, 1, 60)).await, RotationOutcome::Revoked(logout));
    for seconds in [1000, 5000] {
        assert_eq!(rotate(peer, &exchange("over", 0, 1, seconds)).await, RotationOutcome::Expired);
        assert_eq!(rotate(peer, &exchange("over", 5, 1, seconds)).await, RotationOutcome::Expired);
    }
    assert_eq!(rotate(peer, &exchange("nobody", 0, 1, 1)).await, RotationOutcome::Unknown);
    assert_eq!(read(store, "over").await, session("over", "ann", 0));
    assert_eq!(rotate(peer, &exchange("over", 0, 1, 999)).await, RotationOutcome::Rotated, "the last second counts");
}

/// `reauthenticate` writes time, methods and device of a live session; its tokens stay what they are.
pub async fn a_proof_is_written_to_live_sessions(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    for id in ["live", "revoked"] {
        stored(store, id, "ann").await;
    }
    assert!(store.revoke("revoked", revocation(1, RevokeReason::Logout)).await.expect("the store answers"));
    let methods = vec![AuthMethod::Password, AuthMethod::OneTimeCode, AuthMethod::MultiFactor];
    let device = Some(DeviceFingerprint::of("another"));
    let proof = |seconds| Reauthentication { at: at(seconds), methods: methods.clone(), device };
    assert!(peer.reauthenticate("live", &proof(500)).await.expect("the store answers"));
    for (id, seconds) in [("live", 1000), ("revoked", 500), ("nobody", 500)] {
        assert!(!peer.reauthenticate(id, &proof(seconds)).await.expect("the store answers"), "{id}");
    }
    let expected = Session { authenticated_at: at(500), methods, device, ..session("live", "ann", 0) };
    assert_eq!(read(store, "live").await, expected);
    assert_eq!(rotate(store, &exchange("live", 0, 1, 501)).await, RotationOutcome::Rotated);
    assert_eq!(read(store, "revoked").await.methods, session("revoked", "ann", 0).methods);
}

/// `session` and `sessions_of` return what was stored, revoked or not; `sessions_of` is newest first.
pub async fn sessions_are_returned_as_stored(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    let plain =
        Session { scopes: Vec::new(), methods: Vec::new(), label: None, device: None, ..session("plain", "ann", 30) };
    for (number, session) in [session("a", "ann", 10), plain.clone(), session("b", "ann", 20)].iter().enumerate() {
        let first = hash(u8::try_from(number).expect("few"));
        store.create(session, first).await.expect("the session is stored");
    }
    stored(store, "x", "bob").await;
    let logout = revocation(40, RevokeReason::Logout);
    assert!(store.revoke("b", logout).await.expect("the store answers"));
    let expected = vec![plain, Session { revoked: Some(logout), ..session("b", "ann", 20) }, session("a", "ann", 10)];
    assert_eq!(peer.sessions_of("ann").await.expect("the store answers"), expected);
    assert_eq!(read(peer, "b").await, expected[1]);
    assert_eq!(peer.session("nobody").await.expect("the store answers"), None);
    assert_eq!(peer.sessions_of("nobody").await.expect("the store answers"), Vec::new());
    assert_eq!(peer.sessions_of("ANN").await.expect("the store answers"), Vec::new(), "names keep their case");
}

/// `revoke` ends a live session once; the first reason stays.
pub async fn revoke_ends_once(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    stored(store, "s", "ann").await;
    let first = revocation(1, RevokeReason::Logout);
    assert!(store.revoke("s", first).await.expect("the store answers"));
    assert!(!peer.revoke("s", revocation(2, RevokeReason::Administrator)).await.expect("the store answers"));
    assert!(!peer.revoke("nobody", first).await.expect("the store answers"));
    assert_eq!(read(store, "s").await.revoked, Some(first));
}

/// `revoke_all` ends every session of the subject except the one given; sessions of others stay.
pub async fn revoke_all_spares_the_excepted_and_the_others(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    for (id, subject) in [("a", "ann"), ("b", "ann"), ("c", "ann"), ("x", "bob")] {
        stored(store, id, subject).await;
    }
    let (first, second) = (revocation(1, RevokeReason::Logout), revocation(2, RevokeReason::LogoutEverywhere));
    assert!(store.revoke("a", first).await.expect("the store answers"));
    assert_eq!(peer.revoke_all("ann", Some("b"), second).await.expect("the store answers"), 1);
    let mut ended = HashSet::new();
    for id in ["a", "b", "c", "x"] {
        ended.extend(read(store, id).await.revoked.map(|revocation| (id, revocation.reason)));
    }
    assert_eq!(ended, HashSet::from([("a", RevokeReason::Logout), ("c", RevokeReason::LogoutEverywhere)]));
    assert_eq!(peer.revoke_all("ann", None, second).await.expect("the store answers"), 1);
    assert_eq!(peer.revoke_all("nobody", None, second).await.expect("the store answers"), 0);
    assert_eq!(read(store, "x").await.revoked, None);
}

/// `purge` removes sessions whose end is before the given time, at most `limit` at a time, and counts them.
pub async fn purge_removes_what_is_over(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    for (id, created) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        store.create(&session(id, "ann", created), hash(0)).await.expect("the session is stored");
    }
    // They end at 1000, 1001, 1002 and 1003; the end itself is not yet before.
    let before = at(1003);
    assert_eq!(peer.purge(before, 2).await.expect("the store answers"), 2);
    assert_eq!(peer.purge(before, 2).await.expect("the store answers"), 1);
    assert_eq!(peer.purge(before, 2).await.expect("the store answers"), 0);
    let left = store.sessions_of("ann").await.expect("the store answers");
    assert_eq!(left.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), ["d"]);
}

/// `health` answers for a store that works.
pub async fn health_answers(store: &dyn RefreshStore, peer: &dyn RefreshStore) {
    store.health().await.expect("the store is healthy");
    peer.health().await.expect("the store is healthy");
}
