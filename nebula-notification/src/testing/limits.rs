//! The contract of [`LimitStore`].

use std::{fmt, future::Future, time::Duration};

use crate::{Charge, LimitStore, Ruling};

const LONG: Duration = Duration::from_secs(24 * 3600);

/// Brings one store to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: LimitStore + Clone;

    /// Starts, or connects to, a store whose counters nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`LimitStore`].
#[macro_export]
macro_rules! limit_store_suite {
    ($fixture:ty) => {
        $crate::limit_store_suite!(@tests $fixture:
            never_more_than_the_limit, all_or_nothing, uses_come_back, refusals_say_when, counting_does_not_charge);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::limits::$name::<$fixture>().await;
        })+
    };
}

fn day(key: &str, limit: u64) -> Charge {
    Charge::new(key, limit, LONG)
}

pub async fn never_more_than_the_limit<F: Fixture>() {
    let fixture = F::start().await;
    let mut all = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let store = fixture.store();
        // Half of them charge the counters in the other order.
        let mut charges = vec![day("crowd.phone", 5), day("crowd.tenant", 700)];
        if number % 2 == 0 {
            charges.reverse();
        }
        all.spawn(async move { store.charge(&charges).await.unwrap() == Ruling::Allowed });
    }
    let allowed = all.join_all().await.into_iter().filter(|allowed| *allowed).count();
    assert_eq!(allowed, 5);
    let store = fixture.store();
    assert_eq!(store.count("crowd.phone", LONG).await.unwrap(), 5);
    assert_eq!(store.count("crowd.tenant", LONG).await.unwrap(), 5);
}

pub async fn all_or_nothing<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert_eq!(store.charge(&[day("a", 1)]).await.unwrap(), Ruling::Allowed);
    let refused = store.charge(&[day("b", 9), day("a", 1), day("c", 9)]).await.unwrap();
    assert!(matches!(refused, Ruling::Refused { index: 1, .. }), "{refused:?}");
    assert_eq!(store.count("b", LONG).await.unwrap(), 0);
    assert_eq!(store.count("c", LONG).await.unwrap(), 0);
    let twice = store.charge(&[day("d", 1), day("d", 1)]).await.unwrap();
    assert!(matches!(twice, Ruling::Refused { index: 1, .. }), "the same counter, twice: {twice:?}");
    assert_eq!(store.charge(&[day("d", 0)]).await.unwrap(), Ruling::Refused { index: 0, retry_after: LONG });
}

pub async fn uses_come_back<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let brief = Duration::from_millis(600);
    let charge = [Charge::new("brief", 2, brief)];
    assert_eq!(store.charge(&charge).await.unwrap(), Ruling::Allowed);
    assert_eq!(store.charge(&charge).await.unwrap(), Ruling::Allowed);
    for _ in 0..2 {
        tokio::time::sleep(brief * 2).await;
        assert_eq!(store.count("brief", brief).await.unwrap(), 0);
        assert_eq!(store.charge(&charge).await.unwrap(), Ruling::Allowed);
    }
}

pub async fn refusals_say_when<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.charge(&[day("when", 1)]).await.unwrap();
    let Ruling::Refused { index: 0, retry_after } = store.charge(&[day("when", 1)]).await.unwrap() else {
        panic!("it was allowed twice");
    };
    assert!(retry_after > LONG / 2 && retry_after <= LONG + LONG / 30, "{retry_after:?}");
    let span = Duration::from_millis(900);
    let charge = [Charge::new("soon", 1, span)];
    store.charge(&charge).await.unwrap();
    if let Ruling::Refused { retry_after, .. } = store.charge(&charge).await.unwrap() {
        tokio::time::sleep(retry_after + Duration::from_millis(50)).await;
    }
    assert_eq!(store.charge(&charge).await.unwrap(), Ruling::Allowed, "it said when");
}

pub async fn counting_does_not_charge<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    for uses in 0..3 {
        for _ in 0..3 {
            assert_eq!(store.count("counted", LONG).await.unwrap(), uses);
        }
        assert_eq!(store.charge(&[day("counted", 10)]).await.unwrap(), Ruling::Allowed);
    }
}
