//! Locks without fence tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::{
    Attempt, Claim, DistributedLock, ErrorKind, Fence, FenceGuard, LockKey, LockManager, Owner, RedisLock, Release,
};
use nebula_test_support::{redis_url, unique};
use redis::AsyncCommands;

const LEASE: Duration = Duration::from_secs(600);

async fn plain() -> (Connection, String, RedisLock<Connection>) {
    let config = RedisConfig::new(redis_url().await);
    let (connection, namespace) = (config.connect().await.unwrap(), unique("plain"));
    let lock = RedisLock::new(connection.clone())
        .with_subscriber(config.subscriber().unwrap())
        .with_namespace(namespace.clone())
        .without_fences();
    (connection, namespace, lock)
}

#[tokio::test]
async fn they_cannot_pass_for_protection() {
    let (mut connection, namespace, lock) = plain().await;
    let register = FenceGuard::new(0);
    for lock in [lock.clone(), lock.with_group_commit(0)] {
        let guard = LockManager::new(lock).lock("key").await.unwrap();
        assert_eq!(guard.fence(), Fence::NONE);
        assert!(register.write(guard.fence(), |value| *value += 1).is_err());
        assert_eq!(guard.release().await, Release::Released);
    }
    assert_eq!(register.read(|value| *value), 0);
    let left: Vec<String> = connection.keys(format!("{namespace}:*")).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn they_exclude_those_with_tokens_and_the_other_way_round() {
    let (_, _, lock) = plain().await;
    let fenced = {
        let (connection, namespace, _) = plain().await;
        drop(connection);
        namespace
    };
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let with = RedisLock::new(connection).with_namespace(fenced.clone());
    let without = lock.with_namespace(fenced);
    let key = LockKey::new("key").unwrap();
    let (one, other) = (Claim::new(key.clone(), Owner::random()), Claim::new(key, Owner::random()));
    assert_eq!(without.try_acquire(&one, LEASE).await.unwrap(), Attempt::Acquired(Fence::NONE));
    assert_eq!(without.try_acquire(&one, LEASE).await.unwrap(), Attempt::Acquired(Fence::NONE));
    assert!(matches!(with.try_acquire(&other, LEASE).await.unwrap(), Attempt::Busy(_)));
    let holder = with.inspect(one.key()).await.unwrap().unwrap();
    assert_eq!((holder.owner(), holder.fence()), (one.owner(), Fence::NONE));
    assert!(without.renew(&one, LEASE).await.unwrap());
    assert!(without.release(&one).await.unwrap());

    let Attempt::Acquired(fence) = with.try_acquire(&other, LEASE).await.unwrap() else { panic!("free") };
    assert!(!fence.is_none());
    assert!(matches!(without.try_acquire(&one, LEASE).await.unwrap(), Attempt::Busy(_)));
    // The owner keeps the token that it has.
    assert_eq!(without.try_acquire(&other, LEASE).await.unwrap(), Attempt::Acquired(fence));
    assert!(!without.release(&one).await.unwrap());
    assert!(with.release(&other).await.unwrap());
}

#[tokio::test]
async fn both_kinds_may_share_calls_each_among_themselves() {
    let (_, _, lock) = plain().await;
    let without = lock.with_group_commit(0);
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let with = RedisLock::new(connection).with_namespace(unique("mixed")).with_group_commit(0);
    let without = [without, with.clone().without_fences()];
    let claims: Vec<_> =
        (0..40).map(|number| Claim::new(LockKey::new(format!("{number}")).unwrap(), Owner::random())).collect();
    let attempts = join_all(claims.iter().enumerate().map(|(number, claim)| {
        let lock = if number % 2 == 0 { &with } else { &without[1] };
        lock.try_acquire(claim, LEASE)
    }));
    for (number, attempt) in attempts.await.into_iter().enumerate() {
        let Attempt::Acquired(fence) = attempt.unwrap() else { panic!("free") };
        assert_eq!(fence.is_none(), number % 2 == 1);
    }
    let attempts = join_all(claims.iter().map(|claim| without[0].try_acquire(claim, LEASE))).await;
    assert!(attempts.into_iter().all(|attempt| attempt.unwrap() == Attempt::Acquired(Fence::NONE)));
}

#[tokio::test]
async fn waiting_callers_are_woken() {
    let (mut connection, namespace, lock) = plain().await;
    let locks = LockManager::new(lock).with_local_queue(false).with_retry_interval(LEASE);
    let guard = locks.lock("key").await.unwrap();
    let waiting = tokio::spawn({
        let locks = locks.clone();
        async move { locks.lock("key").wait(LEASE).await.unwrap() }
    });
    let marked = async |connection: &mut Connection| {
        let keys: Vec<String> = connection.keys(format!("{namespace}:*")).await.unwrap();
        let value: Option<String> = connection.get(&keys[0]).await.unwrap();
        value.is_some_and(|value| value.ends_with('w'))
    };
    while !marked(&mut connection).await {
        tokio::task::yield_now().await;
    }
    assert_eq!(guard.release().await, Release::Released);
    assert_eq!(waiting.await.unwrap().release().await, Release::Released);
}

#[tokio::test]
async fn something_else_under_the_key_is_no_lock() {
    let (mut connection, namespace, lock) = plain().await;
    let claim = Claim::new(LockKey::new("key").unwrap(), Owner::random());
    lock.try_acquire(&claim, LEASE).await.unwrap();
    let names: Vec<String> = connection.keys(format!("{namespace}:*")).await.unwrap();
    assert!(lock.release(&claim).await.unwrap());
    let () = connection.rpush(&names[0], "a list").await.unwrap();
    assert_eq!(lock.try_acquire(&claim, LEASE).await.unwrap_err().kind(), ErrorKind::WrongType);
}
