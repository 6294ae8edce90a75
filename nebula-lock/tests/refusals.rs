//! What a Redis server may refuse, as typed errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/everywhere.rs"]
mod everywhere;

use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use nebula_lock::nebula_redis::{RedisConfig, redis};
use nebula_lock::{ErrorKind, LockConfig, LockKey, LockManager, Mode, RedisLock, Release};
use nebula_test_support::{RedisCluster, RedisReplication, RedisServer, TcpProxy, eventually};
use parking_lot::Mutex;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

async fn manager(server: &RedisServer) -> LockManager {
    LockManager::new(RedisLock::new(RedisConfig::new(server.url()).connect().await.unwrap()))
}

async fn command(server: &RedisServer, words: &[&str]) -> redis::Value {
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

const MODES: [Mode; 4] = [Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];

/// What is stored on the server besides fence counters.
async fn stored(server: &RedisServer) -> Vec<String> {
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("nebula:*").query_async(&mut connection).await.unwrap();
    keys.into_iter().filter(|key| !key.contains(":fence:")).collect()
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
    assert_eq!(
        warnings(&server).await,
        ["redis would evict locks if it had a memory limit: set `noeviction` before anybody sets one allkeys-lru"]
    );
    command(&server, &["CONFIG", "SET", "maxmemory", "100mb"]).await;
    assert_eq!(lock.eviction().await.unwrap().as_deref(), Some("allkeys-lru"));
    assert_eq!(
        warnings(&server).await,
        ["redis may evict locks when its memory is full: set `noeviction` allkeys-lru"]
    );
    command(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert_eq!(lock.eviction().await.unwrap(), None);
    assert_eq!(warnings(&server).await, Vec::<String>::new());
}

/// Whichever node of a cluster it is, also one that another connection happens not to lead to.
#[tokio::test]
async fn any_node_of_a_cluster_that_may_evict_locks_is_recognised() {
    let cluster = RedisCluster::start().await;
    let hosts: Vec<String> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let url = format!("redis-cluster://{}", hosts.join(","));
    assert_eq!(warnings_at(&url).await, Vec::<String>::new());
    for node in &cluster.nodes[..3] {
        command(node, &["CONFIG", "SET", "maxmemory-policy", "volatile-ttl", "maxmemory", "100mb"]).await;
        assert_eq!(
            warnings_at(&url).await,
            ["redis may evict locks when its memory is full: set `noeviction` volatile-ttl"]
        );
        command(node, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    }
}

async fn warnings(server: &RedisServer) -> Vec<String> {
    warnings_at(&server.url()).await
}

/// What a start says loudly.
async fn warnings_at(url: &str) -> Vec<String> {
    let heard = Heard::default();
    let listening = tracing::subscriber::set_default(heard.clone());
    LockConfig::redis(url).connect().await.unwrap().lock("key").await.unwrap().release().await;
    drop(listening);
    heard.0.lock().clone()
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.0.insert_str(0, &text);
        } else {
            self.0 += &format!(" {text}");
        }
    }
}

impl tracing::Subscriber for Heard {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().push(line.0);
    }
}

#[tokio::test]
async fn keys_that_cannot_be() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    for key in ["", "a\nb", "\0", &"k".repeat(LockKey::MAX_BYTES + 1), &"\u{e9}".repeat(LockKey::MAX_BYTES / 2 + 1)] {
        assert_eq!(locks.try_lock(key).await.unwrap_err().kind(), ErrorKind::InvalidKey, "{key:?}");
        assert_eq!(locks.inspect(key).await.unwrap_err().kind(), ErrorKind::InvalidKey, "{key:?}");
        assert_eq!(locks.lock_all(["good", key]).await.unwrap_err().kind(), ErrorKind::InvalidKey, "{key:?}");
    }
    assert_eq!(locks.lock_all(Vec::<String>::new()).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(stored(&server).await, Vec::<String>::new());
    let longest = "k".repeat(LockKey::MAX_BYTES);
    for mode in MODES {
        let guard = locks.lock(&longest).mode(mode).await.unwrap();
        assert!(locks.clone().with_prefix("p").try_lock(&longest).await.is_err(), "the prefix counts");
        assert_eq!(guard.release().await, Release::Released);
    }
}

#[tokio::test]
async fn times_that_cannot_be() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    for lease in [Duration::ZERO, Duration::from_micros(999), Duration::MAX, Duration::from_secs(u64::MAX)] {
        for mode in MODES {
            let error = locks.lock("key").mode(mode).lease(lease).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidLease, "{error}");
        }
        assert_eq!(locks.try_lock_all(["a", "b"]).lease(lease).await.unwrap_err().kind(), ErrorKind::InvalidLease);
    }
    for locks in [locks.clone().with_command_timeout(Duration::MAX), locks.clone().with_retry_interval(Duration::MAX)] {
        assert_eq!(locks.lock("key").await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    for wait in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        assert_eq!(locks.lock("key").wait(wait).await.unwrap_err().kind(), ErrorKind::InvalidWait);
    }
    assert_eq!(stored(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_lease_shorter_than_the_round_trip() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let connection = RedisConfig::new(server.url_via(proxy.port())).connect().await.unwrap();
    let locks = LockManager::new(RedisLock::new(connection));
    proxy.delay(Duration::from_millis(200));
    for mode in MODES {
        let request = locks.lock("key").mode(mode).lease(Duration::from_millis(20)).wait(Duration::ZERO);
        let error = timeout(PATIENCE, request.into_future()).await.expect("no hang").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidLease | ErrorKind::OutcomeUnknown), "{error}");
        assert!(error.to_string().contains("lease"), "{error}");
    }
    proxy.delay(Duration::ZERO);
    eventually(PATIENCE, async || stored(&server).await.is_empty()).await;
    assert!(locks.try_lock("key").await.unwrap().is_some());
}

#[tokio::test]
async fn another_type_beside_the_lock() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    let other = manager(&server).await;
    for (part, mode) in [
        ("queue", Mode::Fair),
        ("alive", Mode::Fair),
        ("readers", Mode::Read),
        ("tokens", Mode::Read),
        ("writers", Mode::Read),
    ] {
        let name = format!("nebula:lock:1:{part}:{{ec}}:key");
        // While somebody reads, so that what belongs to readers is looked at.
        let reader = if part == "writers" { None } else { Some(other.read("key").await.unwrap()) };
        command(&server, &["DEL", &name]).await;
        command(&server, &["SET", &name, "of somebody else"]).await;
        let error = locks.lock("key").mode(mode).wait(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{part}: {error}");
        command(&server, &["DEL", &name]).await;
        if let Some(reader) = reader {
            reader.release().await;
        }
        command(&server, &["FLUSHALL"]).await;
        locks.lock("key").mode(mode).await.unwrap().release().await;
    }
}

#[tokio::test]
async fn no_memory_for_any_kind() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    for mode in MODES {
        let error = locks.lock("key").mode(mode).wait(Duration::ZERO).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutOfMemory, true), "{mode:?}: {error}");
    }
    command(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(stored(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_master_that_lacks_replicas() {
    let mut servers = RedisReplication::start(1).await;
    let locks = manager(&servers.master).await;
    servers.replicas[0].kill();
    command(&servers.master, &["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    for mode in MODES {
        let error = locks.lock("key").mode(mode).wait(Duration::ZERO).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ReadOnly, true), "{mode:?}: {error}");
    }
    assert_eq!(stored(&servers.master).await, Vec::<String>::new());
}

#[tokio::test]
async fn scripts_that_the_server_forgets_are_sent_again() {
    let server = RedisServer::start().await;
    let locks = manager(&server).await;
    for mode in MODES {
        command(&server, &["SCRIPT", "FLUSH"]).await;
        let guard = locks.lock("key").mode(mode).await.unwrap();
        command(&server, &["SCRIPT", "FLUSH"]).await;
        assert_eq!(guard.release().await, Release::Released);
    }
    assert_eq!(stored(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_an_acl_forbids() {
    let server = RedisServer::start().await;
    let forbids = async |rule: &str| {
        command(
            &server,
            &["ACL", "SETUSER", "limited", "reset", "on", ">secret", "+@all", "allkeys", "allchannels", rule],
        )
        .await;
        let config = RedisConfig::new(server.url()).with_username("limited").with_password("secret".to_owned());
        let backend = RedisLock::new(config.connect().await.unwrap()).with_subscriber(config.subscriber().unwrap());
        LockManager::new(backend)
    };
    let locks = forbids("-evalsha").await;
    for mode in MODES {
        let error = locks.lock("key").mode(mode).wait(Duration::ZERO).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Auth, false), "{error}");
    }
    assert_eq!(stored(&server).await, Vec::<String>::new());
    // Without the right to subscribe callers poll.
    let locks = forbids("-subscribe").await;
    let guard = locks.lock("key").await.unwrap();
    let waiting = tokio::spawn(forbids("-subscribe").await.lock("key").wait(PATIENCE).into_future());
    eventually(PATIENCE, async || {
        let value = command(&server, &["GET", "nebula:lock:1:{ec}:key"]).await;
        matches!(value, redis::Value::BulkString(text) if text.ends_with(b"w"))
    })
    .await;
    guard.release().await;
    timeout(PATIENCE, waiting).await.expect("no hang").unwrap().unwrap().release().await;
}
