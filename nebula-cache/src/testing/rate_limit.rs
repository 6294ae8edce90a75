//! The contract of [`RateLimitStore`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests fail by panicking")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::PATIENCE;
use crate::rate_limit::{Calendar, Charge, MemoryRates, MicroClock, Quota, RateLimitStore, Verdict};

/// Brings one store of rate limits to the suite.
pub trait RateFixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: RateLimitStore + Clone;

    /// Starts, or connects to, a store in which nothing was used and which no other test uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store, on its own clock. Several calls see the same accounts and the same rules.
    fn store(&self) -> Self::Store;

    /// The same store on this clock.
    fn with_clock(&self, clock: MicroClock) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of a store of rate limits, run with the given
/// [`RateFixture`](crate::testing::rate_limit::RateFixture).
#[macro_export]
macro_rules! rate_limit_conformance_suite {
    ($fixture:ty) => {
        $crate::rate_limit_conformance_suite!(@tests $fixture:
            a_thousand_callers_get_exactly_what_there_is, all_or_nothing, every_number_is_that_of_the_model,
            a_refusal_changes_nothing, as_much_is_granted_as_there_is, a_charge_of_nothing_looks,
            any_bytes_are_keys, a_changed_quota_keeps_what_was_used, a_clock_that_steps_back_is_harmless,
            the_store_s_own_clock_gives_no_more_than_the_ideal, one_of_several_replacements_wins,
            replacements_are_announced, it_is_alive);
    };
    (@tests $fixture:ty: $($test:ident),+ $(,)?) => {
        mod rate_limit {
            #[allow(unused_imports, reason = "the fixture may be named by a path")]
            use super::*;
            $(
                #[tokio::test]
                async fn $test() {
                    $crate::testing::rate_limit::$test::<$fixture>().await;
                }
            )+
        }
    };
}

const SECOND: u64 = 1_000_000;
/// 2026-11-21T15:59:00Z: a minute before midnight in Shanghai.
const START: u64 = 1_795_276_740 * SECOND;

/// A clock that tests set, and how.
fn clock() -> (MicroClock, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(START));
    let read = Arc::clone(&time);
    (MicroClock::new(move || read.load(Ordering::SeqCst)), time)
}

fn charge<'a>(rule: &'a str, key: &'a [u8], quota: &'a Quota, cost: u64) -> Charge<'a> {
    Charge { rule, key, quota, cost, wanted: cost }
}

async fn take(store: &impl RateLimitStore, quota: &Quota, cost: u64) -> Verdict {
    store.decide(&[charge("r", b"k", quota, cost)]).await.unwrap()
}

async fn left(store: &impl RateLimitStore, rule: &str, key: &[u8], quota: &Quota) -> u64 {
    store.decide(&[charge(rule, key, quota, 0)]).await.unwrap().rulings[0].standing.remaining
}

fn kinds() -> [Quota; 3] {
    [
        Quota::rate(5, Duration::from_secs(3600)).unwrap(),
        Quota::rolling(5, Duration::from_secs(3600)).unwrap(),
        Quota::calendar(5, Calendar::Month, "UTC").unwrap(),
    ]
}

pub async fn a_thousand_callers_get_exactly_what_there_is<F: RateFixture>() {
    let fixture = F::start().await;
    for (rule, quota) in ["a", "b", "c"].into_iter().zip([
        Quota::rate(300, Duration::from_secs(86_400)).unwrap(),
        Quota::rolling(300, Duration::from_secs(86_400)).unwrap(),
        Quota::calendar(300, Calendar::Month, "UTC").unwrap(),
    ]) {
        let store = fixture.store();
        let verdicts = join_all((0..1000_u32).map(async |number| {
            let own = number.to_be_bytes();
            let charges = [charge(rule, b"all", &quota, 1), charge("own", &own, &quota, 1)];
            store.decide(&charges).await.unwrap().allowed
        }))
        .await;
        // A token of the rate comes back every 288 s.
        assert_eq!(verdicts.into_iter().filter(|allowed| *allowed).count(), 300, "{quota:?}");
    }
}

pub async fn all_or_nothing<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    for (number, quota) in kinds().iter().enumerate() {
        let rule = ["a", "b", "c"][number];
        store.decide(&[charge(rule, b"ip", quota, 4)]).await.unwrap();
        let verdict = store.decide(&[charge(rule, b"user", quota, 2), charge(rule, b"ip", quota, 2)]).await.unwrap();
        assert!(!verdict.allowed);
        let [user, ip] = &verdict.rulings[..] else { panic!("{verdict:?}") };
        assert!(user.standing.allowed && user.granted == 0 && user.standing.retry_after.is_zero());
        assert!(!ip.standing.allowed && ip.granted == 0 && !ip.standing.retry_after.is_zero());
        assert_eq!((user.standing.remaining, ip.standing.remaining), (5, 1));
        assert_eq!(left(&store, rule, b"user", quota).await, 5);
        let verdict = store.decide(&[charge(rule, b"user", quota, 1), charge(rule, b"ip", quota, 1)]).await.unwrap();
        assert!(verdict.allowed);
        assert_eq!(verdict.rulings.iter().map(|it| it.standing.remaining).collect::<Vec<_>>(), [4, 0]);
    }
    assert!(store.decide(&[]).await.unwrap().allowed);
}

/// Numbers that look random and are the same every time.
fn next(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ (bits >> 31)) % below
}

pub async fn every_number_is_that_of_the_model<F: RateFixture>() {
    let fixture = F::start().await;
    let (clock, time) = clock();
    let (store, model) = (fixture.with_clock(clock.clone()), MemoryRates::new().with_clock(clock));
    let quotas = [
        Quota::rate(3, Duration::from_micros(1_000_001)).unwrap().with_burst(7).unwrap(),
        Quota::rate(1_000, Duration::from_secs(1)).unwrap().with_burst(10_000).unwrap(),
        Quota::rate(1, Duration::from_secs(86_400)).unwrap().with_burst(50_000).unwrap(),
        Quota::rate(1_000_000_007, Duration::from_secs(1)).unwrap().with_burst(4_000_000_000).unwrap(),
        Quota::rolling(20, Duration::from_secs(7)).unwrap(),
        Quota::rolling(1_000, Duration::from_millis(1)).unwrap(),
        Quota::calendar(30, Calendar::Day, "Asia/Shanghai").unwrap(),
        Quota::calendar(1_000, Calendar::Month, "America/New_York").unwrap(),
    ];
    let rules = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut seed = 7;
    for step in 0..400 {
        // Mostly forwards: within a token, over several, over a day; and sometimes back.
        let ahead = match next(&mut seed, 12) {
            0 => next(&mut seed, 40 * 86_400 * SECOND),
            1 | 2 => next(&mut seed, 10 * SECOND),
            3 => {
                time.fetch_sub(next(&mut seed, 3 * SECOND), Ordering::SeqCst);
                0
            }
            _ => next(&mut seed, 50_000),
        };
        time.fetch_add(ahead, Ordering::SeqCst);
        let mut charges: Vec<Charge<'_>> = Vec::new();
        for _ in 0..=next(&mut seed, 3) {
            let place = next(&mut seed, 8) as usize;
            // Now and then the rule has changed: another quota under the same name.
            let quota = &quotas[if next(&mut seed, 25) == 0 { next(&mut seed, 8) as usize } else { place }];
            let key: &[u8] = if next(&mut seed, 2) == 0 { b"x" } else { b"y" };
            let most = quota.capacity().min(12) + if next(&mut seed, 20) == 0 { quota.capacity() } else { 0 };
            let cost = next(&mut seed, most + 1).min(quota.capacity());
            let wanted = cost + next(&mut seed, 4) * next(&mut seed, 5);
            if charges.iter().all(|known| (known.rule, known.key) != (rules[place], key)) {
                charges.push(Charge { rule: rules[place], key, quota, cost, wanted });
            }
        }
        let (theirs, ours) = (store.decide(&charges).await.unwrap(), model.decide(&charges).await.unwrap());
        assert_eq!(theirs, ours, "step {step}: {charges:?}");
    }
}

pub async fn a_refusal_changes_nothing<F: RateFixture>() {
    let fixture = F::start().await;
    let (clock, time) = clock();
    let store = fixture.with_clock(clock);
    for quota in kinds() {
        assert!(take(&store, &quota, 3).await.allowed);
        let first = take(&store, &quota, 3).await;
        for _ in 0..20 {
            assert_eq!(take(&store, &quota, 3).await, first);
        }
        let retry = first.rulings[0].standing.retry_after;
        let retry = u64::try_from(retry.as_micros()).unwrap();
        let refused_at = time.fetch_add(retry - 1, Ordering::SeqCst);
        assert!(!take(&store, &quota, 3).await.allowed, "{quota:?}");
        time.store(refused_at + retry, Ordering::SeqCst);
        assert!(take(&store, &quota, 3).await.allowed, "{quota:?}");
        // Away from what the next kind finds.
        time.fetch_add(40 * 86_400 * SECOND, Ordering::SeqCst);
    }
}

pub async fn as_much_is_granted_as_there_is<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    for (rule, quota) in ["a", "b", "c"].into_iter().zip(&kinds()) {
        let ask = async |cost, wanted| {
            let verdict = store.decide(&[Charge { rule, key: b"k", quota, cost, wanted }]).await.unwrap();
            (verdict.allowed, verdict.rulings[0].granted)
        };
        assert_eq!(ask(1, 3).await, (true, 3));
        assert_eq!(ask(1, 9).await, (true, 2));
        assert_eq!(ask(1, 9).await, (false, 0));
        assert_eq!(ask(6, 9).await, (false, 0));
    }
}

pub async fn a_charge_of_nothing_looks<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    for (rule, quota) in ["a", "b", "c"].into_iter().zip(&kinds()) {
        let verdict = store.decide(&[charge(rule, b"k", quota, 0)]).await.unwrap();
        let standing = verdict.rulings[0].standing;
        assert!(verdict.allowed && standing.remaining == 5);
        assert!(standing.reset_after.is_zero() && standing.retry_after.is_zero());
        store.decide(&[charge(rule, b"k", quota, 5)]).await.unwrap();
        let verdict = store.decide(&[charge(rule, b"k", quota, 0)]).await.unwrap();
        assert!(verdict.allowed && verdict.rulings[0].standing.remaining == 0);
        assert!(!verdict.rulings[0].standing.reset_after.is_zero());
    }
}

pub async fn any_bytes_are_keys<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let quota = Quota::rate(1, Duration::from_secs(86_400)).unwrap();
    let long = vec![b'x'; 64 * 1024];
    let names: [(&str, &[u8]); 8] = [
        ("a", b""),
        ("a", b":"),
        ("a", b"a"),
        ("a.a", b""),
        ("a", b"{}\r\n\0"),
        ("a", b"\xff\xfe"),
        ("a", &long),
        ("a", &long[1..]),
    ];
    for round in [true, false] {
        for (rule, key) in names {
            assert_eq!(store.decide(&[charge(rule, key, &quota, 1)]).await.unwrap().allowed, round);
        }
    }
}

pub async fn a_changed_quota_keeps_what_was_used<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let day = Duration::from_secs(86_400);
    let pairs = [
        (Quota::rate(100, day).unwrap(), Quota::rate(70, day * 3).unwrap(), Quota::rate(10, day).unwrap()),
        (Quota::rolling(100, day).unwrap(), Quota::rolling(70, day * 3).unwrap(), Quota::rolling(10, day).unwrap()),
        (
            Quota::calendar(100, Calendar::Month, "UTC").unwrap(),
            Quota::calendar(70, Calendar::Month, "UTC").unwrap(),
            Quota::calendar(10, Calendar::Month, "UTC").unwrap(),
        ),
    ];
    for (rule, (before, after, small)) in ["a", "b", "c"].into_iter().zip(&pairs) {
        store.decide(&[charge(rule, b"k", before, 40)]).await.unwrap();
        assert_eq!(left(&store, rule, b"k", after).await, 30);
        assert_eq!(left(&store, rule, b"k", small).await, 0);
        assert_eq!(left(&store, rule, b"k", before).await, 60, "looking has changed nothing");
    }
}

pub async fn a_clock_that_steps_back_is_harmless<F: RateFixture>() {
    let fixture = F::start().await;
    let (clock, time) = clock();
    let store = fixture.with_clock(clock);
    for quota in kinds() {
        assert!(take(&store, &quota, 5).await.allowed);
        time.fetch_sub(400 * 86_400 * SECOND, Ordering::SeqCst);
        let refused = take(&store, &quota, 1).await;
        assert!(!refused.allowed, "{quota:?}");
        let retry = refused.rulings[0].standing.retry_after;
        assert!(retry <= Duration::from_secs(31 * 86_400), "{retry:?}");
        time.fetch_add(u64::try_from(retry.as_micros()).unwrap(), Ordering::SeqCst);
        assert!(take(&store, &quota, 1).await.allowed, "{quota:?}");
        time.fetch_add(40 * 86_400 * SECOND, Ordering::SeqCst);
    }
}

pub async fn the_store_s_own_clock_gives_no_more_than_the_ideal<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let every = Duration::from_millis(20);
    let quota = Quota::rate(1, every).unwrap().with_burst(10).unwrap();
    let began = Instant::now();
    let mut allowed = 0_u128;
    // However slow the machine is: after the burst, ten more come, each in its time.
    while allowed < 20 {
        let verdict = take(&store, &quota, 1).await;
        let ideal = 10 + began.elapsed().as_micros() / every.as_micros() + 1;
        match verdict.allowed {
            true => allowed += 1,
            false => sleep(verdict.rulings[0].standing.retry_after).await,
        }
        assert!(allowed <= ideal, "{allowed} of {ideal}");
        assert!(began.elapsed() < PATIENCE);
    }
}

pub async fn one_of_several_replacements_wins<F: RateFixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let none = store.book(1, 0).await.unwrap();
    assert_eq!((none.version, none.text.as_str()), (0, ""));
    assert_eq!(store.replace(3, 0, "too early").await.unwrap(), None);
    let first = store.replace(0, 0, "first").await.unwrap().unwrap();
    assert!(first > 0);
    let outcomes = join_all((0..20).map(async |number| {
        fixture.store().replace(first, 0, &number.to_string()).await.unwrap().map(|version| (version, number))
    }))
    .await;
    let won: Vec<_> = outcomes.into_iter().flatten().collect();
    let [(second, winner)] = won[..] else { panic!("{won:?}") };
    assert!(second > first);
    let book = store.book(1, first).await.unwrap();
    assert_eq!((book.version, book.text), (second, winner.to_string()));
    assert_eq!(store.book(1, second).await.unwrap().text, "", "known already");
    let third = store.replace(second, second + 1000, "third").await.unwrap().unwrap();
    assert!(third > second + 1000);
}

pub async fn replacements_are_announced<F: RateFixture>() {
    let fixture = F::start().await;
    let mut changes = fixture.store().watch().await.unwrap();
    let mut version = 0;
    for number in 0..3 {
        version = fixture.store().replace(version, 0, &number.to_string()).await.unwrap().unwrap();
        timeout(PATIENCE, changes.next()).await.expect("in time").expect("undisturbed");
    }
}

pub async fn it_is_alive<F: RateFixture>() {
    F::start().await.store().ping().await.unwrap();
}
