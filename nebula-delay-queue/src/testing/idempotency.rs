//! The contract of [`IdempotencyStore`].

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{LONG, PATIENCE, SHORT, eventually, id, queue};
use crate::{Begin, IdempotencyStore, LeaseToken};

/// Defines one `#[tokio::test]` for each part of the contract of
/// [`IdempotencyStore`](crate::IdempotencyStore), run with what the async expression yields.
#[macro_export]
macro_rules! idempotency_suite {
    ($store:expr) => {
        $crate::idempotency_suite!(@tests $store,
            one_of_many_begins, the_same_token_begins_again, a_lease_that_ended_is_free, the_done_is_done_for_a_while,
            the_abandoned_is_free_at_once, strangers_change_nothing, ids_of_queues_are_independent);
    };
    (@tests $store:expr, $($name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::idempotency::$name($store.await).await;
        })+
    };
}

fn token() -> LeaseToken {
    LeaseToken::random()
}

pub async fn one_of_many_begins<S: IdempotencyStore>(store: S) {
    let store = Arc::new(store);
    let tries = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.begin(&queue("q"), &id("a"), token(), LONG).await.unwrap() })
    });
    let mut fresh = 0;
    for begin in tries.collect::<Vec<_>>() {
        match begin.await.unwrap() {
            Begin::Fresh => fresh += 1,
            Begin::Busy(left) => assert!(!left.is_zero() && left <= LONG, "{left:?}"),
            Begin::Done => panic!("nobody has completed it"),
        }
    }
    assert_eq!(fresh, 1);
}

pub async fn the_same_token_begins_again<S: IdempotencyStore>(store: S) {
    let (queue, id, mine) = (queue("q"), id("a"), token());
    assert_eq!(store.begin(&queue, &id, mine, SHORT).await.unwrap(), Begin::Fresh);
    assert_eq!(store.begin(&queue, &id, mine, LONG).await.unwrap(), Begin::Fresh);
    sleep(SHORT * 2).await;
    assert!(matches!(store.begin(&queue, &id, token(), LONG).await.unwrap(), Begin::Busy(_)), "the lease was renewed");
}

pub async fn a_lease_that_ended_is_free<S: IdempotencyStore>(store: S) {
    let (queue, id, other) = (queue("q"), id("a"), token());
    let began = Instant::now();
    assert_eq!(store.begin(&queue, &id, token(), SHORT).await.unwrap(), Begin::Fresh);
    eventually("it is free", async || store.begin(&queue, &id, other, LONG).await.unwrap() == Begin::Fresh).await;
    assert!(began.elapsed() >= SHORT, "free after {:?}", began.elapsed());
}

pub async fn the_done_is_done_for_a_while<S: IdempotencyStore>(store: S) {
    let (queue, id, mine) = (queue("q"), id("a"), token());
    assert_eq!(store.begin(&queue, &id, mine, LONG).await.unwrap(), Begin::Fresh);
    assert!(store.complete(&queue, &id, mine, LONG).await.unwrap());
    assert!(store.complete(&queue, &id, mine, LONG).await.unwrap(), "again, after an answer was lost");
    for token in [mine, token()] {
        assert_eq!(store.begin(&queue, &id, token, LONG).await.unwrap(), Begin::Done);
    }
    assert!(store.complete(&queue, &id, mine, SHORT).await.unwrap());
    let forgotten = async || store.begin(&queue, &id, mine, LONG).await.unwrap() == Begin::Fresh;
    eventually("it is forgotten", forgotten).await;
}

pub async fn the_abandoned_is_free_at_once<S: IdempotencyStore>(store: S) {
    let (queue, id, mine) = (queue("q"), id("a"), token());
    assert_eq!(store.begin(&queue, &id, mine, LONG).await.unwrap(), Begin::Fresh);
    store.abandon(&queue, &id, mine).await.unwrap();
    store.abandon(&queue, &id, mine).await.unwrap();
    assert_eq!(store.begin(&queue, &id, token(), PATIENCE).await.unwrap(), Begin::Fresh);
}

pub async fn strangers_change_nothing<S: IdempotencyStore>(store: S) {
    let (queue, id, mine, other) = (queue("q"), id("a"), token(), token());
    assert_eq!(store.begin(&queue, &id, mine, LONG).await.unwrap(), Begin::Fresh);
    assert!(!store.complete(&queue, &id, other, LONG).await.unwrap());
    store.abandon(&queue, &id, other).await.unwrap();
    assert!(matches!(store.begin(&queue, &id, other, LONG).await.unwrap(), Begin::Busy(_)));
    assert!(store.complete(&queue, &id, mine, LONG).await.unwrap());
    store.abandon(&queue, &id, mine).await.unwrap();
    assert_eq!(store.begin(&queue, &id, mine, LONG).await.unwrap(), Begin::Done, "done is done");
    // Whoever's lease ended may still say that it is done, as long as nobody else has begun.
    let late = super::id("late");
    assert_eq!(store.begin(&queue, &late, mine, Duration::from_millis(1)).await.unwrap(), Begin::Fresh);
    sleep(Duration::from_millis(20)).await;
    assert!(store.complete(&queue, &late, mine, LONG).await.unwrap());
    assert_eq!(store.begin(&queue, &late, other, LONG).await.unwrap(), Begin::Done);
}

pub async fn ids_of_queues_are_independent<S: IdempotencyStore>(store: S) {
    for name in ["q", "q.a", "q.a.b"] {
        assert_eq!(store.begin(&queue(name), &id("a:b"), token(), LONG).await.unwrap(), Begin::Fresh);
    }
}
