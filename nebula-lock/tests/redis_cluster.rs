//! The Redis backend on a cluster: against the contract, and through failures of nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/partition.rs"]
mod partition;

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::testing::Fixture;
use nebula_lock::{
    DistributedLock, ErrorKind, LockConfig, LockManager, Mode, RedisLock, Release, Shutdown, conformance_suite,
};
use nebula_test_support::{RedisCluster, TcpProxy, eventually, redis_cluster_urls, unique};
use partition::{Partition, is_survived};
use redis::AsyncCommands;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
struct Cluster {
    lock: RedisLock<Connection>,
    urls: Vec<String>,
    namespace: String,
}

impl Fixture for Cluster {
    type Lock = RedisLock<Connection>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        let urls = redis_cluster_urls().await;
        let config = RedisConfig::cluster(&urls);
        let connection = config.connect().await.expect("the cluster is in order");
        let namespace = unique("lock");
        let lock = RedisLock::new(connection)
            .with_subscriber(config.subscriber().expect("inside a runtime"))
            .with_namespace(namespace.clone());
        Self { lock, urls, namespace }
    }

    fn lock(&self) -> Self::Lock {
        self.lock.clone()
    }

    /// Locks of all masters, and subscriptions on all nodes.
    async fn stored(&self) -> usize {
        let pattern = format!("{}:*", self.namespace);
        let mut stored = 0;
        for url in &self.urls {
            let mut link =
                redis::Client::open(&**url).unwrap().get_multiplexed_async_connection().await.expect("a node answers");
            let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut link).await.expect("a node answers");
            if role[0] == redis::Value::BulkString(b"master".to_vec()) {
                let keys: Vec<String> = link.keys(&pattern).await.expect("a node answers");
                stored += keys.iter().filter(|key| !key.contains(":fence:")).count();
            }
            let channels = redis::cmd("PUBSUB").arg(&["CHANNELS", &pattern]).query_async(&mut link).await;
            let channels: Vec<String> = channels.expect("a node answers");
            stored += channels.len();
        }
        stored
    }
}

#[derive(Debug)]
struct Erased(Cluster);

impl Fixture for Erased {
    type Lock = Arc<dyn DistributedLock>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        Self(Cluster::start().await)
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
    conformance_suite!(Cluster);
}

mod erased {
    use super::*;
    conformance_suite!(Erased);
}

#[tokio::test]
async fn braces_in_keys_and_names_do_not_tear_a_lock_apart() {
    let cluster = Cluster::start().await;
    for namespace in [cluster.namespace.clone(), format!("{}:b}}", cluster.namespace)] {
        let locks = LockManager::new(cluster.lock().with_namespace(namespace));
        for key in ["{a}:b", "a{}b", "}{", "{", "{{a}}", "a}b{c}"] {
            locks.lock(key).await.unwrap().release().await;
            locks.lock(key).fair().await.unwrap().release().await;
            locks.read(key).await.unwrap().release().await;
            let guard = locks.write(key).await.unwrap();
            assert_eq!(locks.inspect(key).await.unwrap().unwrap().fence(), guard.fence());
            guard.release().await;
        }
    }
}

#[tokio::test]
async fn several_keys_on_several_nodes_are_all_or_none() {
    let locks = LockManager::new(Cluster::start().await.lock());
    let keys: Vec<String> = (0..20).map(|number| format!("seat:{number}")).collect();
    let guard = locks.lock_all(&keys).await.unwrap();
    assert!(locks.try_lock_all([&keys[7], &keys[19]]).await.unwrap().is_none());
    assert_eq!(guard.release().await, Release::Released);
    let held = locks.lock(&keys[19]).await.unwrap();
    assert!(locks.try_lock_all(&keys).await.unwrap().is_none());
    held.release().await;
    let guard = eventually(PATIENCE, async || locks.try_lock_all(&keys).await.unwrap().ok_or("still held")).await;
    guard.release().await;
}

/// A connection to one node is not a connection to the cluster.
#[tokio::test]
async fn a_single_connection_to_a_cluster_is_a_typed_error() {
    let cluster = Cluster::start().await;
    let single = RedisLock::new(RedisConfig::new(&cluster.urls[0]).connect().await.unwrap());
    let locks = LockManager::new(single.with_namespace(cluster.namespace.clone())).with_wait(PATIENCE);
    let mut refused = 0;
    for number in 0..20 {
        match timeout(PATIENCE, locks.lock(format!("seat:{number}")).into_future()).await.expect("no hang") {
            Ok(guard) => assert_eq!(guard.release().await, Release::Released),
            Err(error) => {
                assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ConfigInvalid, false), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "one node of three does not own twenty slots");
    eventually(PATIENCE, async || cluster.stored().await == 0).await;
    assert_eq!(cluster.stored().await, 0);
}

#[tokio::test]
async fn locks_go_on_when_a_node_is_killed_or_frozen() {
    for freeze in [false, true] {
        let mut cluster = RedisCluster::start().await;
        let config = RedisConfig::cluster(cluster.urls())
            .with_response_timeout(Duration::from_millis(800))
            .with_keep_alive(Duration::from_millis(200));
        let connection = config.connect().await.unwrap();
        let backend = RedisLock::new(connection).with_subscriber(config.subscriber().unwrap());
        let locks = LockManager::new(backend).with_wait(PATIENCE).with_lease(Duration::from_secs(60));
        let keys: Vec<String> = (0..30).map(|number| format!("seat:{number}")).collect();
        let mut guards = Vec::new();
        for key in &keys {
            guards.push(locks.lock(key).await.unwrap());
        }
        let old = cluster.owner_of("nebula:lock:1:fence:{0}").await;
        if freeze {
            cluster.nodes[old].stop();
        } else {
            cluster.nodes[old].kill();
        }
        cluster.failed_over("nebula:lock:1:fence:{0}", old).await;
        // A lock that the replica did not get to know is free there, and its token is greater nevertheless.
        for guard in guards {
            let (key, fence) = (guard.key().clone(), guard.fence());
            eventually(PATIENCE, async || locks.inspect(&key).await.map(drop)).await;
            guard.release().await;
            let next = timeout(PATIENCE, locks.lock(&key).into_future()).await.expect("no hang").unwrap();
            assert!(next.fence() > fence, "{key}");
            assert_eq!(next.release().await, Release::Released);
        }
    }
}

/// A cluster that tells clients to go through proxies, one to each node. The nodes reach each other directly.
async fn behind_proxies() -> (RedisCluster, Vec<TcpProxy>) {
    let cluster = RedisCluster::start().await;
    let mut links = Vec::new();
    for node in &cluster.nodes {
        let link = TcpProxy::to_port(node.port()).await;
        let set = ["CONFIG", "SET", "cluster-announce-port", &link.port().to_string()].map(str::to_owned);
        direct(&node.url(), &set).await;
        links.push(link);
    }
    for node in &cluster.nodes {
        eventually(PATIENCE, async || {
            let nodes = direct(&node.url(), &["CLUSTER".to_owned(), "NODES".to_owned()]).await;
            let nodes = format!("{nodes:?}");
            let known = links.iter().all(|link| nodes.contains(&format!(":{}@", link.port())));
            if known { Ok(()) } else { Err(nodes) }
        })
        .await;
    }
    cluster.ready().await;
    (cluster, links)
}

async fn direct(url: &str, words: &[String]) -> redis::Value {
    let mut link = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd(&words[0]).arg(&words[1..]).query_async(&mut link).await.unwrap()
}

#[tokio::test]
async fn clients_that_are_cut_off_from_one_master_know_what_they_do_not_have() {
    let (cluster, links) = behind_proxies().await;
    let config = RedisConfig::cluster(links.iter().map(|link| format!("redis://127.0.0.1:{}", link.port())))
        .with_response_timeout(Duration::from_millis(800))
        .with_keep_alive(Duration::from_millis(200))
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100));
    let backend = RedisLock::new(config.connect().await.unwrap()).with_subscriber(config.subscriber().unwrap());
    let patient = LockManager::new(backend).with_wait(PATIENCE).with_lease(Duration::from_secs(60));
    let locks = patient.clone().with_lease(Duration::from_secs(2)).with_command_timeout(Duration::from_secs(1));
    let single = RedisConfig::new(cluster.nodes[0].url()).connect().await.unwrap();
    let rival = LockManager::new(RedisLock::new(single));
    // Where keys live, as a node says who gets them from itself alone.
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for number in 0..40 {
        let key = format!("seat:{number}");
        match rival.try_lock(&key).await {
            Ok(guard) => {
                drop(guard.expect("nobody else is there"));
                here.push(key);
            }
            Err(_) => there.push(key),
        }
    }
    let elsewhere = patient.lock(&there[0]).await.unwrap();
    for partition in Partition::ALL {
        let keys = [here[0].as_str(), here[1].as_str()];
        let meanwhile = async || {
            // The other masters are not concerned, nor is who holds a lock on them.
            let guard = timeout(PATIENCE, patient.lock(&there[1]).into_future()).await.expect("no hang").unwrap();
            assert_eq!(guard.release().await, Release::Released, "{partition:?}");
            assert!(patient.try_lock(&there[0]).await.unwrap().is_none(), "{partition:?}");
        };
        is_survived(partition, &links[0], (&locks, &rival), keys, meanwhile).await;
    }
    assert!(!elsewhere.is_lost());
    assert_eq!(elsewhere.release().await, Release::Released);
    assert_eq!(locks.shutdown(PATIENCE).await, Shutdown::Drained);
    assert_eq!(rival.shutdown(PATIENCE).await, Shutdown::Drained);
    for node in &cluster.nodes[..3] {
        eventually(PATIENCE, async || {
            let mut link = redis::Client::open(node.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
            let keys: Vec<String> = link.keys("nebula:lock:*").await.unwrap();
            if keys.iter().all(|key| key.contains(":fence:")) { Ok(()) } else { Err(format!("{keys:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_cluster_is_reached_by_configuration_alone() {
    let urls = redis_cluster_urls().await;
    let prefix = format!("{}:", unique("config"));
    let section = serde_json::json!({
        "provider": "redis", "prefix": prefix, "redis": { "cluster": { "nodes": urls[..2] } }
    });
    let by_section: LockConfig = serde_json::from_value(section).unwrap();
    let hosts: Vec<&str> = urls.iter().map(|url| url.trim_start_matches("redis://").trim_end_matches('/')).collect();
    let by_url = LockConfig::redis(format!("redis-cluster://{}", hosts.join(",")));
    let (here, there) = (by_section.connect().await.unwrap(), by_url.connect().await.unwrap());
    for number in 0..10 {
        let guard = here.lock(format!("seat:{number}")).await.unwrap();
        assert!(there.try_lock(format!("{prefix}seat:{number}")).await.unwrap().is_none());
        guard.release().await;
    }
    let both = serde_json::json!({
        "provider": "redis", "redis": { "url": "redis://h/", "cluster": { "nodes": urls } }
    });
    let both: LockConfig = serde_json::from_value(both).unwrap();
    assert_eq!(both.connect().await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
