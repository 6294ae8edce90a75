//! Replication, Sentinel and Cluster of real servers, through failures and back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nebula_test_support::{RedisCluster, RedisReplication, RedisSentinel, RedisServer, eventually};
use redis::FromRedisValue;

const LONG: Duration = Duration::from_secs(60);

async fn run<T: FromRedisValue>(server: &RedisServer, words: &[&str]) -> redis::RedisResult<T> {
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
}

#[tokio::test]
async fn replicas_follow_their_master_and_come_back() {
    let mut servers = RedisReplication::start(2).await;
    servers.replicas[0].kill();
    let () = run(&servers.master, &["SET", "key", "value"]).await.unwrap();
    servers.replicas[0].restart_empty().await;
    servers.in_step().await;
    for replica in &servers.replicas {
        eventually(LONG, || async { run::<Option<String>>(replica, &["GET", "key"]).await.unwrap().is_some() }).await;
        assert_eq!(run::<()>(replica, &["SET", "key", "x"]).await.unwrap_err().code(), Some("READONLY"));
    }
}

#[tokio::test]
async fn sentinels_replace_a_frozen_master_and_take_it_back_as_a_replica() {
    let redis = RedisSentinel::start_with_password("secret").await;
    let old = redis.master().await;
    redis.servers[old].stop();
    let new = redis.failed_over(old).await;
    let () = run(&redis.servers[new], &["SET", "key", "value"]).await.unwrap();
    redis.servers[old].cont();
    redis.ready().await;
    eventually(LONG, || async { run::<Option<String>>(&redis.servers[old], &["GET", "key"]).await.unwrap().is_some() })
        .await;
    assert_eq!(redis.master().await, new);
}

#[tokio::test]
async fn a_cluster_replaces_a_killed_node_and_takes_it_back() {
    let mut cluster = RedisCluster::start().await;
    let old = cluster.owner_of("key").await;
    cluster.nodes[old].kill();
    let new = cluster.failed_over("key", old).await;
    let () = run(&cluster.nodes[new], &["SET", "key", "value"]).await.unwrap();
    cluster.nodes[old].restart().await;
    cluster.ready().await;
    assert_eq!(cluster.owner_of("key").await, new);
}
