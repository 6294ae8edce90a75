//! Quorums of nodes in memory that misbehave, on paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use nebula_lock::{Attempt, Claim, DistributedLock, ErrorKind, LockKey, LockManager, Mode, Owner, Redlock, Release};
use support::{Faulty, Mood};
use tokio::time::{Instant, sleep};

const MILLI: Duration = Duration::from_millis(1);
const LEASE: Duration = Duration::from_secs(10);

fn five() -> (Vec<Faulty>, Redlock) {
    let nodes: Vec<Faulty> = (0..5).map(|_| Faulty::default()).collect();
    let quorum = Redlock::new(nodes.clone()).unwrap().with_node_timeout(200 * MILLI);
    (nodes, quorum)
}

fn claim() -> Claim {
    Claim::new(LockKey::new("key").unwrap(), Owner::random())
}

fn held(nodes: &[Faulty]) -> Vec<usize> {
    nodes.iter().map(|node| node.inner.held()).collect()
}

async fn acquired(quorum: &Redlock, claim: &Claim) -> bool {
    matches!(quorum.try_acquire(claim, LEASE).await, Ok(Attempt::Acquired(_)))
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_lease_has_to_be_enough() {
    let (nodes, quorum) = five();
    for node in &nodes {
        node.becomes(Mood::Slow(100 * MILLI));
    }
    // The first node, the others, the token: 300 ms of a lease of a second, of which the margin takes another 12.
    let lease = 1000 * MILLI;
    let strict = quorum.clone().with_min_validity(689 * MILLI);
    let error = strict.try_acquire(&claim(), lease).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLease, "{error}");
    sleep(200 * MILLI).await;
    assert_eq!(held(&nodes), [0; 5], "what cannot be used is given back");
    let lenient = quorum.with_min_validity(680 * MILLI);
    assert!(matches!(lenient.try_acquire(&claim(), lease).await, Ok(Attempt::Acquired(_))));
}

#[tokio::test(start_paused = true)]
async fn the_clock_starts_with_each_attempt() {
    let (_, quorum) = five();
    assert!(acquired(&quorum, &claim()).await);
    let start = Instant::now();
    let guard = LockManager::new(quorum).with_lease(LEASE).lock("key").wait(2 * LEASE).await.unwrap();
    assert!(start.elapsed() >= LEASE * 98 / 100, "it waited for the rival's lease: {:?}", start.elapsed());
    assert!(guard.remaining() >= LEASE * 98 / 100, "and has a whole one: {:?}", guard.remaining());
    assert_eq!(guard.release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn remains_of_an_own_attempt_do_not_stand_in_the_way() {
    for mood in [Mood::Mute, Mood::Grabs] {
        let (nodes, quorum) = five();
        for node in &nodes[..3] {
            node.becomes(mood);
        }
        let claim = claim();
        let error = quorum.try_acquire(&claim, LEASE).await.unwrap_err();
        assert!(error.is_retryable(), "{mood:?}: {error}");
        for node in &nodes {
            node.becomes(Mood::Fine);
        }
        let start = Instant::now();
        while !acquired(&quorum, &claim).await {
            sleep(MILLI).await;
            assert!(start.elapsed() < LEASE / 4, "{mood:?}: long before the lease of the remains ends");
        }
        assert!(quorum.release(&claim).await.unwrap());
        sleep(LEASE / 2).await;
        assert_eq!(held(&nodes), [0; 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_alone_decides_nothing() {
    // Whichever node is asked first, what it has left from somebody else bars nobody.
    for number in 0..5 {
        let (nodes, quorum) = five();
        nodes[number].inner.try_acquire(&claim(), LEASE).await.unwrap();
        let claim = claim();
        assert!(acquired(&quorum, &claim).await, "node {number}");
        assert!(quorum.inspect(claim.key()).await.unwrap().is_some_and(|seen| seen.owner() == claim.owner()));
        assert!(quorum.release(&claim).await.unwrap());
        assert_eq!(quorum.inspect(claim.key()).await.unwrap(), None, "what one node has is no lock");
        assert_eq!(held(&nodes).iter().sum::<usize>(), 1, "and it is not touched");
    }
    let (nodes, quorum) = five();
    for node in &nodes[..3] {
        node.inner.try_acquire(&claim(), LEASE).await.unwrap();
    }
    assert!(!acquired(&quorum, &claim()).await, "a majority does");
    assert_eq!(held(&nodes), [1, 1, 1, 0, 0], "and the others keep nothing of it");
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_nothing_is_said_of_the_lock() {
    let (nodes, quorum) = five();
    let locks = LockManager::new(quorum.clone());
    let guard = locks.lock("key").await.unwrap();
    for mood in [Mood::Deaf, Mood::Refuses(ErrorKind::Unavailable), Mood::Refuses(ErrorKind::Auth)] {
        for node in &nodes[1..4] {
            node.becomes(mood);
        }
        let start = Instant::now();
        let errors = [
            quorum.try_acquire(&claim(), LEASE).await.map(drop).unwrap_err(),
            quorum.inspect(guard.key()).await.map(drop).unwrap_err(),
            quorum.ping().await.unwrap_err(),
            locks.try_lock("key").await.map(drop).unwrap_err(),
        ];
        assert!(start.elapsed() < 10 * 200 * MILLI, "{mood:?}: {:?}", start.elapsed());
        for error in errors {
            let expected = match mood {
                // What all of those that failed say is what the quorum says.
                Mood::Refuses(kind) => vec![kind],
                _ => vec![ErrorKind::Unavailable, ErrorKind::OutcomeUnknown],
            };
            assert!(expected.contains(&error.kind()), "{mood:?}: {error}");
        }
    }
    for node in &nodes {
        node.becomes(Mood::Fine);
    }
    assert_eq!(guard.release().await, Release::Released);
    sleep(LEASE * 4).await;
    assert_eq!(held(&nodes), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_repairs_nodes_within_the_lease_and_under_the_same_token() {
    for mode in [Mode::Exclusive, Mode::Read, Mode::Write] {
        let (nodes, quorum) = five();
        let claim = claim().with_mode(mode);
        let Attempt::Acquired(fence) = quorum.try_acquire(&claim, LEASE).await.unwrap() else { unreachable!() };
        for node in &nodes[..2] {
            assert!(node.inner.release(&claim).await.unwrap());
        }
        assert!(quorum.renew(&claim, LEASE).await.unwrap());
        assert_eq!(held(&nodes), [1; 5], "{mode:?}: repaired");
        for node in &nodes[2..4] {
            assert!(node.inner.release(&claim).await.unwrap());
        }
        let seen = quorum.inspect(claim.key()).await.unwrap().unwrap();
        assert_eq!(*seen.owner(), *claim.owner(), "the repaired ones carry it");
        if mode != Mode::Read {
            assert_eq!(seen.fence(), fence, "{mode:?}");
        }
        // Nobody repairs what a majority does not have.
        for node in &nodes {
            node.inner.release(&claim).await.unwrap();
        }
        assert!(!quorum.renew(&claim, LEASE).await.unwrap());
        assert_eq!(held(&nodes), [0; 5], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fair_claims_are_refused_with_a_reason() {
    let error = LockManager::new(five().1).lock("key").fair().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("order of arrival"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_never_leaves_enough_is_refused_before_anything_is_sent() {
    let nodes = [(); 3].map(|()| Faulty::default());
    for least in [LEASE, Duration::MAX] {
        let locks = LockManager::new(Redlock::new(nodes.clone()).unwrap().with_min_validity(least));
        let error = locks.lock("key").lease(LEASE).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::InvalidLease, Some("key")), "{error}");
    }
    assert!(nodes.iter().all(|node| node.log().is_empty()));
    let locks = LockManager::new(Redlock::new(nodes).unwrap().with_min_validity(LEASE));
    assert!(locks.try_lock("key").lease(2 * LEASE).await.unwrap().is_some());
}
