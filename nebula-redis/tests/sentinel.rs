//! Connections and subscriptions that follow the master that sentinels name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use nebula_redis::{ErrorKind, Event, RedisConfig, SentinelConfig, redis};
use nebula_test_support::{RedisSentinel, RedisServer, eventually, redis_sentinels, unique};
use support::{incr, nervous, tell};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(90);

fn config(redis: &RedisSentinel) -> RedisConfig {
    nervous(RedisConfig::sentinel(redis.name(), redis.addresses()))
}

/// Waits for an event that says that something may have been missed, and then for a message.
async fn hears(subscription: &mut nebula_redis::Subscription, connection: &mut nebula_redis::Connection) {
    let resubscribed = async {
        while let Some(event) = subscription.next().await {
            if event == Event::Resubscribed {
                return;
            }
        }
        panic!("the subscription has ended");
    };
    timeout(LONG, resubscribed).await.expect("subscribed again");
    let channel = subscription.channel().to_owned();
    redis::cmd("PUBLISH").arg(channel).arg("news").exec_async(connection).await.unwrap();
    let event = timeout(LONG, subscription.next()).await.expect("a message");
    assert!(matches!(&event, Some(Event::Message { payload, .. }) if payload == "news"), "{event:?}");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Kill,
    Freeze,
}

async fn everything_follows(fault: Fault) {
    let mut redis = RedisSentinel::start().await;
    let config = config(&redis);
    let mut connection = config.connect().await.unwrap();
    let pinned = config.pinned_manager().unwrap();
    let first = pinned.get().await.unwrap();
    let subscriber = config.subscriber().unwrap();
    let mut subscription = subscriber.subscribe("channel").await.unwrap();
    assert_eq!(incr(&mut connection, "key").await.unwrap(), 1);
    let old = redis.master().await;
    match fault {
        Fault::Kill => redis.servers[old].kill(),
        Fault::Freeze => redis.servers[old].stop(),
    }
    let new = redis.failed_over(old).await;
    eventually(LONG, || async { incr(&mut connection.clone(), "key").await.map_err(|error| error.to_string()) }).await;
    let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await.unwrap();
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
    hears(&mut subscription, &mut connection).await;
    timeout(LONG, first.broken()).await.expect("the pinned connection stays with its server");
    let second = eventually(LONG, || async { pinned.get().await.map_err(|error| error.to_string()) }).await;
    assert_ne!(second.run_id(), first.run_id());

    let present: i64 = tell(&redis.servers[new].url(), &["GET", "key"]).await.unwrap();
    match fault {
        Fault::Kill => redis.servers[old].restart().await,
        Fault::Freeze => redis.servers[old].cont(),
    }
    redis.ready().await;
    assert_eq!(incr(&mut connection, "key").await.unwrap(), present + 1, "the old master is not asked again");
}

#[tokio::test]
async fn everything_follows_when_the_master_is_killed() {
    everything_follows(Fault::Kill).await;
}

#[tokio::test]
async fn everything_follows_when_the_master_freezes() {
    everything_follows(Fault::Freeze).await;
}

/// A master that the sentinels cannot talk to, but we can, answers for ever; only the sentinels know better.
async fn a_master_that_was_replaced_unheard_is_left(config: impl Fn(RedisConfig) -> RedisConfig) {
    let redis = RedisSentinel::start().await;
    let mut connection = config(self::config(&redis)).connect().await.unwrap();
    incr(&mut connection, "key").await.unwrap();
    let old = redis.master().await;
    let deaf = ["ACL", "SETUSER", "default", "-ping", "-info", "-publish", "-replicaof", "-slaveof"];
    let () = tell(&redis.servers[old].url(), &deaf).await.unwrap();
    let new = redis.failed_over(old).await;
    let port = redis.servers[new].port().to_string();
    eventually(LONG, || async {
        let mut connection = connection.clone();
        let at = redis::cmd("CONFIG").arg(&["GET", "port"]).query_async::<Vec<String>>(&mut connection).await;
        let at = at.map_err(|error| error.to_string())?;
        if at.contains(&port) { Ok(()) } else { Err(format!("still with {at:?}")) }
    })
    .await;
    let role: Vec<redis::Value> = tell(&redis.servers[old].url(), &["ROLE"]).await.unwrap();
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()), "the old one still takes writes");
}

#[tokio::test]
async fn a_replaced_master_is_left_by_announcement() {
    let never = Duration::from_secs(3600);
    a_master_that_was_replaced_unheard_is_left(|config| config.with_keep_alive(never)).await;
}

#[tokio::test]
async fn a_replaced_master_is_left_by_asking() {
    a_master_that_was_replaced_unheard_is_left(|config| config).await;
}

#[tokio::test]
async fn passwords_of_servers_and_sentinels() {
    let redis = RedisSentinel::start_with_password("secret").await;
    let section = |password: &str| SentinelConfig::new(redis.name(), redis.addresses()).with_password(password);
    let right = RedisConfig::default().with_sentinel(section("secret")).with_password("secret");
    incr(&mut right.connect().await.unwrap(), "key").await.unwrap();
    for wrong in [
        RedisConfig::sentinel(redis.name(), redis.addresses()).with_password("secret"),
        RedisConfig::default().with_sentinel(section("other")).with_password("secret"),
        RedisConfig::default().with_sentinel(section("secret")),
        RedisConfig::default().with_sentinel(section("secret")).with_password("other"),
    ] {
        let error = wrong.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
        assert!(!format!("{error} {error:?} {wrong:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn by_text_alone() {
    let (name, addresses) = redis_sentinels().await;
    let key = unique("sentinel");
    let config = RedisConfig::new(format!("redis-sentinel://{}/{name}/1", addresses.join(",")));
    incr(&mut config.connect().await.unwrap(), &key).await.unwrap();
    let json = serde_json::json!({ "sentinel": { "master": name, "nodes": addresses }, "database": 1 });
    let section: RedisConfig = serde_json::from_value(json).unwrap();
    assert_eq!(incr(&mut section.connect().await.unwrap(), &key).await.unwrap(), 2);
}

#[tokio::test]
async fn what_cannot_work_is_said_in_the_words_of_the_settings() {
    let (name, addresses) = redis_sentinels().await;
    let error = RedisConfig::sentinel("other", &addresses).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.to_string().contains("sentinel.master"), "{error}");

    let mut server = RedisServer::start().await;
    let address = format!("127.0.0.1:{}", server.port());
    let error = RedisConfig::sentinel(&name, [&address]).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.to_string().contains("sentinel.nodes"), "{error}");

    server.kill();
    let error = RedisConfig::sentinel(&name, [&address]).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // One that is gone does not matter while others are there.
    let all = [&[address][..], &addresses].concat();
    incr(&mut RedisConfig::sentinel(&name, all).connect().await.unwrap(), &unique("sentinel")).await.unwrap();
}

/// A master that was killed comes back empty, and takes itself for one until the sentinels tell it otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_back_to_a_master_that_was_replaced() {
    let mut redis = RedisSentinel::start().await;
    let config = config(&redis);
    let old = redis.master().await;
    redis.servers[old].kill();
    redis.failed_over(old).await;
    redis.servers[old].restart().await;
    let port = redis.servers[old].port().to_string();
    for round in 0..100 {
        let mut connection = config.connect().await.unwrap();
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap();
        let reached = info.lines().find_map(|line| line.trim().strip_prefix("tcp_port:"));
        assert!(reached.is_some_and(|reached| reached != port), "round {round}: {reached:?} was replaced");
    }
}
