//! Ours, as its documentation uses it: with a fence token, and with a wake-up for those who wait.

use std::time::Duration;

use nebula_lock::{LockManager, RedisLock, Release};
use nebula_redis::RedisConfig;

pub(crate) async fn connect(url: &str) -> LockManager {
    let redis = RedisConfig::new(url);
    let connection = redis.connect().await.unwrap();
    let subscriber = redis.subscriber().unwrap();
    LockManager::new(RedisLock::new(connection).with_subscriber(subscriber))
}

pub(crate) async fn pair(locks: &LockManager, key: &str) {
    let guard = locks.lock(key).wait(Duration::ZERO).await.unwrap();
    assert_eq!(guard.release().await, Release::Released);
}
