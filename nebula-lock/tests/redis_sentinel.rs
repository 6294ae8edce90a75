//! The Redis backend on the master that Sentinel names: against the contract, and through failovers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/partition.rs"]
mod partition;

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::testing::Fixture;
use nebula_lock::{
    DistributedLock, ErrorKind, LockConfig, LockManager, LossReason, Mode, RedisLock, Release, Shutdown,
    conformance_suite,
};
use nebula_test_support::{RedisSentinel, eventually, redis_sentinels, unique};
use partition::{Partition, is_survived};
use redis::AsyncCommands;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
struct Sentinel {
    connection: Connection,
    lock: RedisLock<Connection>,
    namespace: String,
}

impl Fixture for Sentinel {
    type Lock = RedisLock<Connection>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        let (master, nodes) = redis_sentinels().await;
        let config = RedisConfig::sentinel(master, nodes);
        let connection = config.connect().await.expect("the sentinels name a master");
        let namespace = unique("lock");
        let lock = RedisLock::new(connection.clone())
            .with_subscriber(config.subscriber().expect("inside a runtime"))
            .with_namespace(namespace.clone());
        Self { connection, lock, namespace }
    }

    fn lock(&self) -> Self::Lock {
        self.lock.clone()
    }

    async fn stored(&self) -> usize {
        let mut connection = self.connection.clone();
        let pattern = format!("{}:*", self.namespace);
        let keys: Vec<String> = connection.keys(&pattern).await.expect("the server answers");
        let channels = redis::cmd("PUBSUB").arg(&["CHANNELS", &pattern]).query_async(&mut connection).await;
        let channels: Vec<String> = channels.expect("the server answers");
        // Marks beside replicated locks end by themselves, and are bounded in number as counters are.
        keys.iter().filter(|key| !key.contains(":fence:") && !key.contains(":mark:")).count() + channels.len()
    }
}

/// Handed out when a replica knows of it.
#[derive(Debug)]
struct Replicated(Sentinel);

impl Fixture for Replicated {
    type Lock = RedisLock<Connection>;
    /// Replicas are asked before anybody gets it.
    const SHORT: Duration = Duration::from_millis(400);

    async fn start() -> Self {
        let mut sentinel = Sentinel::start().await;
        let (master, nodes) = redis_sentinels().await;
        let patient = RedisConfig::sentinel(master, nodes).with_response_timeout(Duration::from_secs(60));
        let link = patient.connect().await.expect("the sentinels name a master");
        sentinel.lock = sentinel.lock.with_replicas(link, 1, Duration::from_secs(20));
        Self(sentinel)
    }

    fn lock(&self) -> Self::Lock {
        self.0.lock()
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

#[derive(Debug)]
struct Erased(Sentinel);

impl Fixture for Erased {
    type Lock = Arc<dyn DistributedLock>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        Self(Sentinel::start().await)
    }

    fn lock(&self) -> Self::Lock {
        Arc::new(self.0.lock())
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

mod as_itself {
    use super::*;
    conformance_suite!(Sentinel);
}

mod replicated {
    use super::*;
    conformance_suite!(Replicated);
}

mod erased {
    use super::*;
    conformance_suite!(Erased);
}

async fn manager(redis: &RedisSentinel) -> LockManager {
    let config = RedisConfig::sentinel(redis.name(), redis.addresses())
        .with_response_timeout(Duration::from_millis(800))
        .with_keep_alive(Duration::from_millis(200))
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100));
    let connection = config.connect().await.unwrap();
    LockManager::new(RedisLock::new(connection).with_subscriber(config.subscriber().unwrap())).with_wait(PATIENCE)
}

#[tokio::test]
async fn a_failover_is_survived_by_locks_that_the_replica_knows() {
    for freeze in [false, true] {
        let mut redis = RedisSentinel::start().await;
        let locks = manager(&redis).await.with_lease(Duration::from_secs(60));
        let guard = locks.lock("key").await.unwrap();
        let old = redis.master().await;
        for (number, server) in redis.servers.iter().enumerate().filter(|(number, _)| *number != old) {
            eventually(PATIENCE, async || {
                let client = redis::Client::open(server.url()).unwrap();
                let mut link = client.get_multiplexed_async_connection().await.unwrap();
                let keys: Vec<String> = link.keys("nebula:lock:*:key").await.unwrap();
                if keys.len() == 1 { Ok(()) } else { Err(format!("replica {number} has {keys:?}")) }
            })
            .await;
        }
        if freeze {
            redis.servers[old].stop();
        } else {
            redis.servers[old].kill();
        }
        redis.failed_over(old).await;
        let held = eventually(PATIENCE, async || locks.try_lock("key").await.map(|guard| guard.is_none())).await;
        assert!(held, "the new master knows the lock");
        let waiting = tokio::spawn(async move { locks.lock("key").await.map(|guard| guard.fence()) });
        let fence = guard.fence();
        assert!(!guard.is_lost());
        assert_eq!(guard.release().await, Release::Released);
        assert!(timeout(PATIENCE, waiting).await.expect("woken or polled").unwrap().unwrap() > fence);
    }
}

/// The newest locks, and the newest tokens, are on no replica: nobody may hold one unheard, and tokens still increase.
#[tokio::test]
async fn tokens_increase_over_a_failover_that_loses_writes() {
    let mut redis = RedisSentinel::start().await;
    let locks = manager(&redis).await.with_lease(Duration::from_secs(6));
    let known = locks.lock("key").await.unwrap().fence();
    let old = redis.master().await;
    let replicas: Vec<usize> = (0..redis.servers.len()).filter(|number| *number != old).collect();
    for replica in &replicas {
        redis.servers[*replica].stop();
    }
    // What the sockets of frozen replicas still take in is not lost; what comes after so much is.
    let client = redis::Client::open(redis.servers[old].url()).unwrap();
    let mut master = client.get_multiplexed_async_connection().await.unwrap();
    for number in 0..40 {
        let () = master.set(format!("ballast:{number}"), vec![b'x'; 1 << 20]).await.unwrap();
    }
    let mut fences = vec![known];
    for _ in 0..200 {
        let guard = locks.lock("key").await.unwrap();
        fences.push(guard.fence());
        guard.release().await;
    }
    let guard = locks.lock("key").await.unwrap();
    fences.push(guard.fence());
    redis.servers[old].kill();
    for replica in &replicas {
        redis.servers[*replica].cont();
    }
    let new = redis.failed_over(old).await;
    let client = redis::Client::open(redis.servers[new].url()).unwrap();
    let mut master = client.get_multiplexed_async_connection().await.unwrap();
    assert!(!master.exists::<_, bool>("ballast:39").await.unwrap(), "the failover has lost what was written last");
    let newer = timeout(PATIENCE, locks.lock("key").into_future()).await.expect("in time").unwrap();
    fences.push(newer.fence());
    assert!(fences.is_sorted_by(|earlier, later| earlier < later), "{fences:?}");
    let lost = timeout(PATIENCE, guard.lost()).await.expect("whoever held it is told");
    assert!(matches!(lost.reason(), LossReason::Gone | LossReason::Expired), "{lost}");
    assert_eq!(newer.release().await, Release::Released);
}

/// The sentinels still reach nobody else, and have no say in it.
#[tokio::test]
async fn clients_that_are_cut_off_from_the_master_know_what_they_do_not_have() {
    let (redis, link) = RedisSentinel::start_behind_proxy(Duration::from_hours(1)).await;
    let locks = manager(&redis).await.with_lease(Duration::from_secs(2)).with_command_timeout(Duration::from_secs(1));
    let rival = RedisConfig::new(redis.servers[0].url()).connect().await.unwrap();
    let rival = LockManager::new(RedisLock::new(rival));
    for partition in Partition::ALL {
        is_survived(partition, &link, (&locks, &rival), ["key", "other"], async || ()).await;
    }
    assert_eq!(locks.shutdown(PATIENCE).await, Shutdown::Drained);
    assert_eq!(rival.shutdown(PATIENCE).await, Shutdown::Drained);
    let client = redis::Client::open(redis.servers[0].url()).unwrap();
    let server = client.get_multiplexed_async_connection().await.unwrap();
    eventually(PATIENCE, async || {
        let keys: Vec<String> = server.clone().keys("nebula:lock:*").await.unwrap();
        if keys.iter().all(|key| key.contains(":fence:")) { Ok(()) } else { Err(format!("{keys:?}")) }
    })
    .await;
}

/// A master that nobody reaches any more lives on, and has locks that its successor has as well.
#[tokio::test]
async fn locks_follow_when_sentinels_are_cut_off_from_the_master_as_well() {
    let (group, link) = RedisSentinel::start_behind_proxy(Duration::from_secs(1)).await;
    let locks = manager(&group).await.with_lease(Duration::from_secs(60));
    let guard = locks.lock("key").await.unwrap();
    let short = locks.clone().with_lease(Duration::from_secs(3)).lock("short").await.unwrap();
    Partition::LosesReplies.over(&link).await;
    let asked = timeout(PATIENCE, locks.lock("other").wait(Duration::from_secs(1)).into_future());
    match asked.await.expect("an answer in time") {
        Ok(other) => drop(other),
        Err(error) => assert!(error.is_retryable(), "{error}"),
    }
    group.failed_over(0).await;
    let other = timeout(PATIENCE, locks.lock("other").wait(PATIENCE).into_future());
    let other = other.await.expect("an answer in time").unwrap();
    // Renewed by the new master, or lost and told: never something between.
    eventually(PATIENCE, async || {
        let held = locks.inspect("short").await.ok().flatten().map(|holder| holder.fence());
        if short.is_lost() || held == Some(short.fence()) { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    link.heal().await;
    // The old master comes to, and is made a replica.
    eventually(PATIENCE, async || {
        let client = redis::Client::open(group.servers[0].url()).unwrap();
        let mut server = client.get_multiplexed_async_connection().await.unwrap();
        let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut server).await.unwrap();
        if role[0] == redis::Value::BulkString(b"slave".to_vec()) { Ok(()) } else { Err(format!("{role:?}")) }
    })
    .await;
    assert!(matches!(short.release().await, Release::Released | Release::AlreadyLost | Release::Unknown));
    let (fence, outcome) = (guard.fence(), guard.release().await);
    assert!(matches!(outcome, Release::Released | Release::AlreadyLost), "{outcome:?}");
    assert_eq!(other.release().await, Release::Released);
    let next = timeout(PATIENCE, locks.lock("key").wait(PATIENCE).into_future()).await.expect("in time").unwrap();
    assert!(next.fence() > fence);
    assert_eq!(next.release().await, Release::Released);
}

#[tokio::test]
async fn sentinels_are_reached_by_configuration_alone() {
    let (master, nodes) = redis_sentinels().await;
    let prefix = format!("{}:", unique("config"));
    let section = serde_json::json!({
        "provider": "redis", "prefix": prefix, "redis": { "sentinel": { "master": master, "nodes": nodes } }
    });
    let by_section: LockConfig = serde_json::from_value(section).unwrap();
    let url = format!("redis-sentinel://{}/{master}", nodes.join(","));
    let (here, there) = (by_section.connect().await.unwrap(), LockConfig::redis(url).connect().await.unwrap());
    let guard = here.lock("key").await.unwrap();
    assert!(there.try_lock(format!("{prefix}key")).await.unwrap().is_none());
    guard.release().await;
    let wrong = LockConfig::redis(format!("redis-sentinel://{}/other", nodes.join(",")));
    assert_eq!(wrong.connect().await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
