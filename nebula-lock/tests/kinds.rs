//! What distinguishes the kinds of locks beyond the contract: exact instants on paused time, and what is stored on Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::{
    Attempt, Claim, DistributedLock, ErrorKind, LockKey, LockManager, LossReason, MemoryLock, Mode, Owner, RedisLock,
    Release,
};
use nebula_test_support::{redis_url, unique};
use redis::AsyncCommands;
use support::{Faulty, Mood};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(600);

fn claim(mode: Mode) -> Claim {
    Claim::new(LockKey::new("key").unwrap(), Owner::random()).with_mode(mode)
}

async fn acquired(lock: &impl DistributedLock, claim: &Claim, lease: Duration) -> bool {
    matches!(lock.try_acquire(claim, lease).await.unwrap(), Attempt::Acquired(_))
}

async fn redis() -> (Connection, RedisLock<Connection>, String) {
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let namespace = unique("kinds");
    let lock = RedisLock::new(connection.clone()).with_namespace(namespace.clone());
    (connection, lock, namespace)
}

#[tokio::test(start_paused = true)]
async fn ten_dead_waiters_cost_no_more_than_one() {
    let lock = MemoryLock::new();
    let holder = claim(Mode::Fair);
    assert!(acquired(&lock, &holder, LONG).await);
    for _ in 0..10 {
        assert!(!acquired(&lock, &claim(Mode::Fair), LONG).await);
    }
    let last = claim(Mode::Fair);
    let start = Instant::now();
    assert!(lock.release(&holder).await.unwrap());
    while !acquired(&lock, &last, LONG).await {
        sleep(SECOND / 100).await;
    }
    assert!(start.elapsed() <= 3 * SECOND + SECOND / 50, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiters_that_are_alive_are_never_passed_over() {
    let locks = LockManager::new(MemoryLock::new()).with_wait(LONG);
    let guard = locks.lock("key").fair().await.unwrap();
    let first = tokio::spawn({
        let locks = locks.clone();
        async move { locks.lock("key").fair().await.unwrap() }
    });
    sleep(100 * SECOND).await;
    let late = locks.try_lock_for("key", 50 * SECOND).fair();
    let late = tokio::spawn(async move { late.await.unwrap() });
    sleep(SECOND).await;
    guard.release().await;
    let first = first.await.unwrap();
    assert!(late.await.unwrap().is_none(), "it came later, and the first one still has it");
    assert_eq!(first.release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_next_in_memory_gets_the_lock_without_asking_again() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone()).with_wait(LONG);
    let guard = locks.lock("key").fair().await.unwrap();
    let waiting = [(); 2].map(|()| {
        let request = locks.lock("key").fair();
        tokio::spawn(async move { request.await.unwrap() })
    });
    sleep(SECOND / 10).await;
    let (asked, fence) = (backend.count("acquire"), guard.fence());
    assert_eq!(guard.release().await, Release::Released);
    let [first, second] = waiting;
    let first = first.await.unwrap();
    assert!(first.fence() > fence);
    assert_eq!(backend.count("acquire"), asked, "it was told");
    assert_eq!(first.run(sleep(100 * SECOND)).await, Ok(()), "it is renewed like any other");
    // One that has died in the meantime is in nobody's way for long.
    second.abort();
    drop(first);
    let locks = locks.with_wait(4 * SECOND);
    assert_eq!(locks.lock("key").await.unwrap().release().await, Release::Released);
}

/// On Redis the same, seen in what is stored: no waiter is believed in for longer because of those before it.
#[tokio::test]
async fn every_waiter_on_redis_has_the_same_time_to_be_heard_of() {
    let (mut connection, lock, namespace) = redis().await;
    assert!(acquired(&lock, &claim(Mode::Fair), LONG).await);
    for _ in 0..50 {
        assert!(!acquired(&lock, &claim(Mode::Fair), LONG).await);
    }
    let keys: Vec<String> = connection.keys(format!("{namespace}:*alive*")).await.unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let waiters: Vec<(String, f64)> = connection.zrange_withscores(&keys[0], 0, -1).await.unwrap();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below the limit")]
    let latest = (seconds * 1000 + micros / 1000 + 3000) as f64;
    assert_eq!(waiters.len(), 50);
    assert!(waiters.iter().all(|(_, dead_at)| *dead_at <= latest), "{waiters:?}");
}

#[tokio::test]
async fn waiters_that_are_dead_are_not_shown() {
    let (mut connection, lock, namespace) = redis().await;
    let holder = claim(Mode::Fair);
    assert!(acquired(&lock, &holder, LONG).await);
    for _ in 0..3 {
        assert!(!acquired(&lock, &claim(Mode::Fair), LONG).await);
    }
    let keys: Vec<String> = connection.keys(format!("{namespace}:*alive*")).await.unwrap();
    // Two of them were heard of last when time began.
    let waiters: Vec<String> = connection.zrange(&keys[0], 0, 1).await.unwrap();
    for waiter in waiters {
        let () = connection.zadd(&keys[0], waiter, 1).await.unwrap();
    }
    assert_eq!(lock.inspect(holder.key()).await.unwrap().map(|seen| seen.waiting()), Some(1));
}

#[tokio::test]
async fn fence_counters_do_not_grow_with_the_number_of_keys() {
    let (mut connection, lock, namespace) = redis().await;
    for number in 0..3000 {
        let claim = Claim::new(LockKey::new(format!("key:{number}")).unwrap(), Owner::random());
        assert!(acquired(&lock, &claim, LONG).await);
        assert!(lock.release(&claim).await.unwrap());
    }
    let keys: Vec<String> = connection.keys(format!("{namespace}:*")).await.unwrap();
    assert!(keys.iter().all(|key| key.contains(":fence:")), "nothing else stays");
    assert!((512..=1024).contains(&keys.len()), "{} counters for 3000 keys", keys.len());
}

#[tokio::test(start_paused = true)]
async fn a_downgraded_lock_is_renewed_like_before() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone()).with_lease(30 * SECOND);
    let guard = locks.write("key").await.unwrap().downgrade().await.unwrap();
    assert_eq!(guard.run(sleep(100 * SECOND)).await, Ok(()));
    assert_eq!(backend.count("renew"), 9, "every third of its lease");
    // A second one, downgraded after its keeper has begun to renew it.
    let late = locks.write("late").await.unwrap();
    sleep(35 * SECOND).await;
    let late = late.downgrade().await.unwrap();
    assert_eq!(late.run(sleep(100 * SECOND)).await, Ok(()));
    backend.becomes(Mood::Deaf);
    assert_eq!(late.lost().await.reason(), LossReason::Expired, "and is lost like any other");
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_lengthens_no_explicit_lease() {
    let locks = LockManager::new(MemoryLock::new());
    let start = Instant::now();
    let guard = locks.write("key").lease(10 * SECOND).await.unwrap();
    sleep(6 * SECOND).await;
    let guard = guard.downgrade().await.unwrap();
    assert_eq!(guard.lost().await.reason(), LossReason::Expired);
    assert!(start.elapsed() <= 10 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_that_is_confirmed_too_late_brings_nothing_back() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let guard = locks.write("key").lease(2 * SECOND).await.unwrap();
    let (lost, start) = (guard.lost(), Instant::now());
    // After the end by the local clock, and before that by the backend's.
    backend.becomes(Mood::Slow(Duration::from_millis(1990)));
    let error = guard.downgrade().await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Lost, Some("key")), "{error}");
    assert!(start.elapsed() < 2 * SECOND, "the reply came before the lease had ended: {:?}", start.elapsed());
    assert_eq!(lost.await.reason(), LossReason::Expired);
    backend.becomes(Mood::Fine);
    sleep(10 * SECOND).await;
    assert_eq!(backend.inner.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_cannot_become_the_writer() {
    let locks = LockManager::new(MemoryLock::new());
    let owner = Owner::random();
    let reader = locks.read("key").owner(owner).await.unwrap();
    let error = locks.write("key").owner(owner).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "at once, instead of waiting for itself: {error}");
    assert_eq!(reader.release().await, Release::Released);
    assert_eq!(locks.write("key").owner(owner).await.unwrap().release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_crashed_is_not_kept_alive_by_others() {
    let backend = MemoryLock::new();
    let locks = LockManager::new(backend.clone()).with_wait(LONG);
    // It is never heard of again.
    assert!(acquired(&backend, &claim(Mode::Read), 30 * SECOND).await);
    let alive = locks.read("key").await.unwrap();
    alive.run(sleep(29 * SECOND)).await.unwrap();
    assert_eq!(locks.inspect("key").await.unwrap().map(|holder| holder.other_readers()), Some(1));
    alive.run(sleep(2 * SECOND)).await.unwrap();
    assert_eq!(locks.inspect("key").await.unwrap().map(|holder| holder.other_readers()), Some(0));
    alive.release().await;
    assert!(locks.try_lock("key").mode(Mode::Write).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn dropping_a_guard_ends_its_renewal() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone()).with_lease(30 * SECOND);
    let guard = locks.lock("key").await.unwrap();
    sleep(35 * SECOND).await;
    let renewed = backend.count("renew");
    assert!(renewed > 2);
    drop(guard);
    sleep(100 * SECOND).await;
    assert_eq!((backend.count("renew"), backend.inner.held()), (renewed, 0));
}
