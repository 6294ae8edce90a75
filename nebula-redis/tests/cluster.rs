//! Connections and subscriptions to a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use nebula_redis::{Connection, ErrorKind, Event, RedisConfig, Script, Subscription, classify, redis};
use nebula_test_support::{RedisCluster, RedisServer, eventually, redis_cluster_urls, unique};
use redis::AsyncCommands;
use support::{incr, nervous, tell};
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(90);

async fn start() -> (RedisCluster, RedisConfig, Connection) {
    let cluster = RedisCluster::start().await;
    let config = nervous(RedisConfig::cluster(cluster.urls()));
    let connection = config.connect().await.unwrap();
    (cluster, config, connection)
}

async fn hears(subscription: &mut Subscription, connection: &mut Connection) {
    let publish = redis::cmd("PUBLISH").arg(subscription.channel()).arg("news").to_owned();
    publish.exec_async(connection).await.unwrap();
    let message = async {
        loop {
            if let Event::Message { payload, .. } = subscription.next().await.expect("the subscription goes on") {
                return payload;
            }
            publish.exec_async(connection).await.unwrap();
        }
    };
    assert_eq!(timeout(LONG, message).await.expect("a message"), "news");
}

#[tokio::test]
async fn commands_find_the_owners_of_their_keys() {
    let urls = redis_cluster_urls().await;
    let mut connection = RedisConfig::cluster(&urls[..1]).connect().await.unwrap();
    let prefix = unique("cluster");
    for number in 0..200 {
        let () = connection.set(format!("{prefix}:{number}"), number).await.unwrap();
    }
    let mut by_text = RedisConfig::new(format!("redis-cluster://{}", urls[1].replace("redis://", "").replace('/', "")));
    by_text = by_text.with_keep_alive(Duration::from_secs(1));
    let mut other = by_text.connect().await.unwrap();
    for number in 0..200 {
        assert_eq!(other.get::<_, i64>(format!("{prefix}:{number}")).await.unwrap(), number);
    }
    let (a, b) = (format!("{{{prefix}}}:a"), format!("{{{prefix}}}:b"));
    let pipeline = redis::pipe().set(&a, 1).set(&b, 2).ignore().get(&a).to_owned();
    let (_, one): (String, i64) = pipeline.query_async(&mut connection).await.unwrap();
    assert_eq!(one, 1);
    let atomic = redis::pipe().atomic().incr(&a, 1).incr(&b, 1).to_owned();
    assert_eq!(atomic.query_async::<(i64, i64)>(&mut connection).await.unwrap(), (2, 3));
    let sum = Script::new("sum", "return redis.call('GET', KEYS[1]) + redis.call('GET', KEYS[2])");
    assert_eq!(sum.key(&a).key(&b).invoke::<i64>(&mut connection).await.unwrap(), 5);
    let () = redis::cmd("PING").query_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn keys_of_several_slots_are_refused_unsent() {
    let mut connection = RedisConfig::cluster(redis_cluster_urls().await).connect().await.unwrap();
    let set = Script::new("set", "redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 1)");
    let keys = [unique("a"), unique("b"), unique("c")];
    let error = set.key(&keys).invoke::<()>(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClusterRedirect, "{error}");
    let pipeline = redis::pipe().set(&keys[0], 1).set(&keys[1], 1).set(&keys[2], 1).to_owned();
    let error = pipeline.exec_async(&mut connection).await.unwrap_err();
    assert_eq!(classify(&error), ErrorKind::ClusterRedirect, "{error}");
    let error = connection.mset::<_, _, ()>(&[(&keys[0], 1), (&keys[1], 1), (&keys[2], 1)]).await.unwrap_err();
    assert_eq!(classify(&error), ErrorKind::ClusterRedirect, "{error}");
    for key in keys {
        assert!(!connection.exists::<_, bool>(&key).await.unwrap());
    }
    let error = RedisConfig::cluster(redis_cluster_urls().await).pinned_manager().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Kill,
    Freeze,
}

async fn everything_goes_on(fault: Fault) {
    let (mut cluster, config, mut connection) = start().await;
    // Enough of them that some sit on the node that fails.
    let subscribers: Vec<_> = (0..12).map(|_| config.subscriber().unwrap()).collect();
    let mut subscriptions = Vec::new();
    for subscriber in &subscribers {
        subscriptions.push(subscriber.subscribe("channel").await.unwrap());
    }
    incr(&mut connection, "key").await.unwrap();
    let old = cluster.owner_of("key").await;
    match fault {
        Fault::Kill => cluster.nodes[old].kill(),
        Fault::Freeze => cluster.nodes[old].stop(),
    }
    cluster.failed_over("key", old).await;
    eventually(LONG, || async { incr(&mut connection.clone(), "key").await.map_err(|error| error.to_string()) }).await;
    for subscription in &mut subscriptions {
        // One that was on the failed node misses the first message, is told so, and hears the next.
        hears(subscription, &mut connection).await;
    }
    match fault {
        Fault::Kill => cluster.nodes[old].restart().await,
        Fault::Freeze => cluster.nodes[old].cont(),
    }
    cluster.ready().await;
    for number in 0..100 {
        incr(&mut connection, &format!("key:{number}")).await.unwrap();
    }
    hears(&mut subscriptions[0], &mut connection).await;
}

#[tokio::test]
async fn everything_goes_on_when_a_node_is_killed() {
    everything_goes_on(Fault::Kill).await;
}

#[tokio::test]
async fn everything_goes_on_when_a_node_freezes() {
    everything_goes_on(Fault::Freeze).await;
}

/// Moves the slot of `key` with all its keys, step by step as an operator's tool does.
async fn reshard(cluster: &RedisCluster, key: &str, to: usize, between: impl AsyncFn()) {
    let from = cluster.owner_of(key).await;
    let (from_url, to_url) = (cluster.nodes[from].url(), cluster.nodes[to].url());
    let slot = tell::<u16>(&from_url, &["CLUSTER", "KEYSLOT", key]).await.unwrap().to_string();
    let from_id: String = tell(&from_url, &["CLUSTER", "MYID"]).await.unwrap();
    let to_id: String = tell(&to_url, &["CLUSTER", "MYID"]).await.unwrap();
    let () = tell(&to_url, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await.unwrap();
    let () = tell(&from_url, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await.unwrap();
    between().await;
    let keys: Vec<String> = tell(&from_url, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await.unwrap();
    let port = cluster.nodes[to].port().to_string();
    for key in keys {
        let () = tell(&from_url, &["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]).await.unwrap();
        between().await;
    }
    for url in [&to_url, &from_url] {
        let () = tell(url, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_lost_or_done_twice_while_slots_move() {
    let (cluster, _, mut connection) = start().await;
    let keys: Vec<String> = (0..4).map(|number| format!("{{tag}}:{number}")).collect();
    for key in &keys {
        incr(&mut connection, key).await.unwrap();
    }
    let writers: Vec<_> = keys
        .iter()
        .map(|key| {
            let (mut connection, key) = (connection.clone(), key.clone());
            tokio::spawn(async move {
                for count in 2..=400 {
                    assert_eq!(incr(&mut connection, &key).await.unwrap(), count);
                    sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    let fresh = connection.clone();
    for round in 0..4 {
        let owner = cluster.owner_of("{tag}").await;
        reshard(&cluster, "{tag}", (owner + 1) % 3, async || {
            // A key that is not there is asked for where the slot goes; one that is not yet moved, where it was.
            incr(&mut fresh.clone(), &format!("{{tag}}:new:{round}")).await.unwrap();
            incr(&mut fresh.clone(), "{tag}:0:beside").await.unwrap();
        })
        .await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_password() {
    let cluster = RedisCluster::start_with(&RedisServer::options().password("secret")).await;
    let nodes: Vec<String> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    for right in [RedisConfig::cluster(cluster.urls()), RedisConfig::cluster(&nodes).with_password("secret")] {
        incr(&mut right.connect().await.unwrap(), "key").await.unwrap();
        right.subscriber().unwrap().subscribe("channel").await.unwrap();
    }
    for wrong in [RedisConfig::cluster(&nodes), RedisConfig::cluster(&nodes).with_password("other")] {
        let error = wrong.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
        let error = wrong.subscriber().unwrap().subscribe("channel").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_an_error_in_time() {
    let mut server = RedisServer::start().await;
    let config = nervous(RedisConfig::cluster([server.url()]));
    let error = config.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.to_string().contains("cluster.nodes"), "{error}");
    server.kill();
    let error = config.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let mut connection = config.connect_lazy().unwrap();
    let error = timeout(LONG, incr(&mut connection, "key")).await.expect("in time").unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Unavailable, "{error}");

    let (mut cluster, _, mut connection) = start().await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    let error = timeout(LONG, incr(&mut connection, "key")).await.expect("in time").unwrap_err();
    assert!(classify(&error).is_retryable(), "{error}");
    for node in &mut cluster.nodes {
        node.restart().await;
    }
    cluster.ready().await;
    eventually(LONG, || async { incr(&mut connection.clone(), "key").await.map_err(|error| error.to_string()) }).await;
}
