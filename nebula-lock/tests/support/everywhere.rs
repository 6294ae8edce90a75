//! What all servers of a topology refuse, as typed errors: behind sentinels, on a cluster, on a quorum of five.

use std::future::IntoFuture;
use std::time::Duration;

use nebula_lock::nebula_redis::{RedisConfig, redis};
use nebula_lock::{DistributedLock, ErrorKind, LockManager, Mode, RedisLock, Redlock, Release};
use nebula_test_support::{RedisCluster, RedisNodes, RedisSentinel, RedisServer, eventually};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(90);
const NAME: &str = "nebula:lock:1:{ec}:key";
const USER: &str = "limited";

/// What is done to every server, how it is undone, and what the locks say meanwhile.
struct Case {
    does: &'static [&'static str],
    undoes: &'static [&'static str],
    kind: ErrorKind,
    retryable: bool,
}

const CASES: [Case; 4] = [
    Case { does: &["HSET", NAME, "a", "b"], undoes: &["DEL", NAME], kind: ErrorKind::WrongType, retryable: false },
    Case {
        does: &["SET", NAME, "a text of somebody else, long enough to be a lock"],
        undoes: &["DEL", NAME],
        kind: ErrorKind::WrongType,
        retryable: false,
    },
    Case {
        does: &["CONFIG", "SET", "maxmemory", "1"],
        undoes: &["CONFIG", "SET", "maxmemory", "0"],
        kind: ErrorKind::OutOfMemory,
        retryable: true,
    },
    Case {
        does: &["CONFIG", "SET", "min-replicas-to-write", "9"],
        undoes: &["CONFIG", "SET", "min-replicas-to-write", "0"],
        kind: ErrorKind::ReadOnly,
        retryable: true,
    },
];

async fn ask(server: &RedisServer, words: &[&str]) -> redis::RedisResult<redis::Value> {
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
}

/// A node of a cluster refuses what others own.
async fn ask_all(servers: &[RedisServer], words: &[&str]) {
    let mut done = 0;
    for server in servers {
        done += usize::from(ask(server, words).await.is_ok());
    }
    assert!(done > 0, "nobody did {words:?}");
}

async fn refuses(locks: &LockManager, modes: &[Mode], kind: ErrorKind, retryable: bool, why: &str) {
    for mode in modes {
        for wait in [Duration::ZERO, Duration::from_millis(200)] {
            let request = locks.lock("key").mode(*mode).wait(wait);
            let error = timeout(PATIENCE, request.into_future()).await.expect("no hang").unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{why}, {mode:?}: {error} {error:?}");
            assert_eq!(error.key(), Some("key"));
        }
    }
}

async fn works(locks: &LockManager, modes: &[Mode], why: &str) {
    for mode in modes {
        let guard = locks.lock("key").mode(*mode).wait(PATIENCE).await;
        let guard = guard.unwrap_or_else(|error| panic!("after {why}: {error}"));
        assert_eq!(guard.release().await, Release::Released, "after {why}");
    }
}

/// `take_writes`: those of `servers` that do. `backend` connects as this user with this password, if one is given.
async fn every_refusal_is_typed<L: DistributedLock>(
    servers: &[RedisServer],
    take_writes: &[RedisServer],
    modes: &[Mode],
    backend: impl AsyncFn(Option<&str>) -> L,
) {
    let locks = LockManager::new(backend(None).await);
    for Case { does, undoes, kind, retryable } in CASES {
        ask_all(take_writes, does).await;
        refuses(&locks, modes, kind, retryable, &does.join(" ")).await;
        ask_all(take_writes, undoes).await;
        works(&locks, modes, &undoes.join(" ")).await;
    }
    for mode in modes {
        ask_all(servers, &["SCRIPT", "FLUSH"]).await;
        let guard = locks.lock("key").mode(*mode).await.unwrap();
        ask_all(servers, &["SCRIPT", "FLUSH"]).await;
        assert_eq!(guard.release().await, Release::Released, "NOSCRIPT is nobody's business");
    }
    let user = ["ACL", "SETUSER", USER, "reset", "on", ">secret", "+@all", "-evalsha", "allkeys", "allchannels"];
    ask_all(servers, &user).await;
    for (password, why) in [("wrong", "wrong credentials"), ("secret", "a user without rights")] {
        let locks = LockManager::new(backend(Some(password)).await);
        refuses(&locks, modes, ErrorKind::Auth, false, why).await;
    }
    for server in servers {
        eventually(PATIENCE, async || {
            let left = ask(server, &["KEYS", "nebula:lock:*"]).await.unwrap();
            let left: Vec<String> = redis::from_redis_value(left).unwrap();
            if left.iter().all(|key| key.contains(":fence:")) { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}

fn lock(config: RedisConfig, password: Option<&str>) -> RedisLock<nebula_lock::nebula_redis::Connection> {
    let config = config.with_reconnect(Duration::from_millis(10), Duration::from_millis(100));
    let config = match password {
        Some(password) => config.with_username(USER).with_password(password.to_owned()),
        None => config,
    };
    RedisLock::new(config.connect_lazy().unwrap())
}

const ALL: [Mode; 4] = [Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];

#[tokio::test]
async fn behind_sentinels() {
    let redis = RedisSentinel::start().await;
    let master = redis.master().await;
    let config = RedisConfig::sentinel(redis.name(), redis.addresses());
    let backend = async |password: Option<&str>| lock(config.clone(), password);
    every_refusal_is_typed(&redis.servers, &redis.servers[master..=master], &ALL, backend).await;
}

#[tokio::test]
async fn on_a_cluster() {
    let cluster = RedisCluster::start().await;
    let config = RedisConfig::cluster(cluster.urls());
    let backend = async |password: Option<&str>| lock(config.clone(), password);
    every_refusal_is_typed(&cluster.nodes, &cluster.nodes[..3], &ALL, &backend).await;
    // MOVED: another node owns the slot now, and nobody notices.
    let locks = LockManager::new(backend(None).await);
    let guard = locks.lock("key").await.unwrap();
    let owner = cluster.owner_of(NAME).await;
    ask(&cluster.nodes[owner + 3], &["CLUSTER", "FAILOVER"]).await.unwrap();
    cluster.failed_over(NAME, owner).await;
    assert!(locks.try_lock("key").await.unwrap().is_none());
    assert_eq!(guard.release().await, Release::Released);
    works(&locks, &ALL, "a failover").await;
}

#[tokio::test]
async fn on_five_servers() {
    const MODES: [Mode; 3] = [Mode::Exclusive, Mode::Read, Mode::Write];
    let nodes = RedisNodes::start(5).await;
    let backend = async |password: Option<&str>| {
        let nodes = nodes.urls().into_iter().map(|url| lock(RedisConfig::new(url), password));
        Redlock::new(nodes).unwrap().with_node_timeout(Duration::from_secs(10))
    };
    every_refusal_is_typed(&nodes, &nodes, &MODES, &backend).await;
    // Four of five are replicas of the fifth, by mistake.
    let locks = LockManager::new(backend(None).await);
    for node in &nodes[1..] {
        ask(node, &["REPLICAOF", "127.0.0.1", &nodes[0].port().to_string()]).await.unwrap();
    }
    refuses(&locks, &MODES, ErrorKind::ReadOnly, true, "replicas").await;
    for node in &nodes[1..] {
        ask(node, &["REPLICAOF", "NO", "ONE"]).await.unwrap();
    }
    works(&locks, &MODES, "replicas").await;
}
