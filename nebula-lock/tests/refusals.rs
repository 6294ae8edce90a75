//! What a Redis server may refuse, as typed errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use nebula_lock::nebula_redis::{RedisConfig, redis};
use nebula_lock::{ErrorKind, LockConfig, LockManager, RedisLock};
use nebula_test_support::{RedisServer, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

async fn manager(server: &RedisServer) -> LockManager {
    LockManager::new(RedisLock::new(RedisConfig::new(server.url()).connect().await.unwrap()))
}

async fn command(server: &RedisServer, words: &[&str]) -> redis::Value {
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

async fn refusal(locks: &LockManager) -> (ErrorKind, Option<String>) {
    let error = locks.try_lock("key").await.unwrap_err();
    (error.kind(), error.key().map(str::to_owned))
}

#[tokio::test]
async fn another_type_under_the_key() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    let name = "nebula:lock:1:{ec}:key";
    locks.lock("key").await.unwrap().release().await;
    for words in [&["HSET", name, "a", "b"][..], &["SET", name, "a text of somebody else, long enough to be a lock"]] {
        command(&server, &["DEL", name]).await;
        command(&server, words).await;
        assert_eq!(refusal(&locks).await, (ErrorKind::WrongType, Some("key".to_owned())));
        assert_eq!(locks.inspect("key").await.unwrap_err().kind(), ErrorKind::WrongType);
    }
}

#[tokio::test]
async fn another_type_under_the_fence_counter() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    command(&server, &["HSET", "nebula:lock:1:fence:{ec}", "a", "b"]).await;
    assert_eq!(refusal(&locks).await.0, ErrorKind::WrongType);
    assert_eq!(locks.inspect("key").await.unwrap(), None, "no lock without a token stays behind");
    command(&server, &["DEL", "nebula:lock:1:fence:{ec}"]).await;
    assert!(locks.try_lock("key").await.unwrap().is_some());
}

#[tokio::test]
async fn a_read_only_replica() {
    let (master, replica) = (RedisServer::start().await, RedisServer::start().await);
    command(&replica, &["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    let locks = manager(&replica).await;
    eventually(PATIENCE, async || {
        let kind = refusal(&locks).await.0;
        if kind == ErrorKind::ReadOnly { Ok(()) } else { Err(kind.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn no_memory_left() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    let guard = locks.lock("held").await.unwrap();
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(refusal(&locks).await.0, ErrorKind::OutOfMemory);
    assert_eq!(guard.release().await, nebula_lock::Release::Released, "a release needs no memory");
}

#[tokio::test]
async fn wrong_credentials() {
    let server = RedisServer::options().password("s3cret").start().await;
    for url in
        [format!("redis://127.0.0.1:{}/", server.port()), format!("redis://:s4cret@127.0.0.1:{}/", server.port())]
    {
        let error = LockConfig::redis(url).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret") && !text.contains("s4cret"), "{text}");
    }
    assert!(LockConfig::redis(server.url()).connect().await.is_ok());
}

#[tokio::test]
async fn no_server_at_all() {
    let mut server = RedisServer::start().await;
    let url = server.url();
    server.kill();
    let error = LockConfig::redis(url).connect().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
}

#[tokio::test]
async fn a_server_that_may_evict_locks_is_recognised() {
    let server = RedisServer::start().await;
    let lock = RedisLock::new(RedisConfig::new(server.url()).connect().await.unwrap());
    command(&server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    assert_eq!(lock.eviction().await.unwrap(), None, "without a limit nothing is evicted");
    command(&server, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    assert_eq!(lock.eviction().await.unwrap().as_deref(), Some("allkeys-lru"));
    assert!(LockConfig::redis(server.url()).connect().await.is_ok(), "it is a warning");
    command(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert_eq!(lock.eviction().await.unwrap(), None);
}
