//! The section `nebula.lock`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Yaml};
use nebula_lock::{ErrorKind, LockConfig, MemoryLock, Provider};
use nebula_test_support::{RedisNodes, redis_node_urls, redis_url, unique};

fn read(yaml: &str) -> Result<LockConfig, String> {
    Figment::new().merge(Yaml::string(yaml)).extract_inner("nebula.lock").map_err(|error| error.to_string())
}

const SEED: &str = "
nebula:
  lock:
    redis:
      enabled: true
      default-lease-time: 30000  # 30 s
      default-wait-time: 10000   # 10 s
      watch-dog-timeout: 30000
      retry-interval: 100        # 100 ms
";

#[tokio::test(start_paused = true)]
async fn the_first_plans_sample_loads_unchanged() {
    let config = read(SEED).unwrap();
    assert_eq!(config.provider().unwrap(), Provider::Redis);
    let locks = config.connect_with(MemoryLock::new()).unwrap();
    let guard = locks.lock("key").await.unwrap();
    assert_eq!(guard.remaining(), Duration::from_millis(29_698), "30 s less the margin");
    let start = tokio::time::Instant::now();
    assert_eq!(locks.lock("key").await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn tokens_and_shared_calls_are_a_matter_of_configuration() {
    let (url, prefix) = (redis_url().await, unique("config"));
    for (setting, none) in [("group-commit: 0", false), ("fence-tokens: false", true), ("fence-tokens: true", false)] {
        let yaml = format!("nebula: {{lock: {{provider: redis, redis: {{url: '{url}', {setting}}}}}}}");
        let locks = read(&yaml).unwrap().connect().await.unwrap();
        let guard = locks.lock(format!("{prefix}:{setting}")).await.unwrap();
        assert_eq!(guard.fence().is_none(), none, "{setting}");
    }
}

#[tokio::test]
async fn redis_is_reached_by_configuration_alone() {
    let (url, prefix) = (redis_url().await, unique("config"));
    let config = read(&format!("nebula: {{lock: {{provider: redis, prefix: '{prefix}:', redis: {{url: '{url}'}}}}}}"));
    let (here, there) = (config.clone().unwrap().connect().await.unwrap(), config.unwrap().connect().await.unwrap());
    let guard = here.lock("key").await.unwrap();
    assert!(there.try_lock("key").await.unwrap().is_none());
    assert_eq!(guard.key().as_str(), format!("{prefix}:key"));
}

#[tokio::test]
async fn a_quorum_is_reached_by_configuration_alone() {
    let (urls, prefix) = (redis_node_urls().await.join("', '"), unique("config"));
    let nodes = format!("redlock: {{nodes: ['{urls}'], node-timeout: 10s}}");
    let config = read(&format!("nebula: {{lock: {{prefix: '{prefix}:', {nodes}}}}}")).unwrap();
    assert_eq!(config.provider().unwrap(), Provider::Redlock, "the nodes say so");
    let (here, there) = (config.connect().await.unwrap(), config.connect().await.unwrap());
    let guard = here.lock("key").await.unwrap();
    assert!(there.try_lock("key").await.unwrap().is_none());
    guard.release().await;
    assert!(there.try_lock("key").await.unwrap().is_some());
}

#[tokio::test]
async fn a_quorum_starts_with_a_majority_of_its_nodes() {
    let mut nodes = RedisNodes::start(3).await;
    let urls = nodes.urls().join("', '");
    let config = read(&format!("nebula: {{lock: {{redlock: {{nodes: ['{urls}'], node-timeout: 10s}}}}}}")).unwrap();
    nodes[1].kill();
    let locks = config.connect().await.unwrap();
    assert!(locks.try_lock_for("key", Duration::from_secs(60)).await.unwrap().is_some());
    nodes[2].kill();
    let error = config.connect().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
    assert!(error.to_string().contains("2 of 3 nodes failed"), "{error}");
}

#[tokio::test]
async fn a_quorum_that_is_none_is_refused() {
    let (one, two, three) = ("redis://u:s3cret@a/", "redis://b", "redis://c");
    assert_eq!(LockConfig::redlock([one, two, three]).provider().unwrap(), Provider::Redlock);
    for nodes in [vec![], vec![one, two], vec![one, two, "redis://b/"]] {
        let error = LockConfig::redlock(nodes).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    let config = LockConfig::redlock([one, two, three]);
    assert!(!format!("{config:?}").contains("s3cret"));
    let both = read("nebula: {lock: {redis: {enabled: true}, redlock: {nodes: [a, b, c]}}}").unwrap();
    assert_eq!(both.provider().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert!(read("nebula: {lock: {redlock: {servers: []}}}").unwrap_err().contains("unknown field"));
    let zero = read("nebula: {lock: {redlock: {nodes: ['redis://a', 'redis://b', 'redis://c'], node-timeout: 0}}}");
    assert_eq!(zero.unwrap().connect().await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    let greedy = "nodes: ['redis://a', 'redis://b', 'redis://c'], min-validity: 10s";
    let greedy = read(&format!("nebula: {{lock: {{default-lease-time: 10s, redlock: {{{greedy}}}}}}}"));
    let error = greedy.unwrap().connect().await.unwrap_err();
    assert!(error.kind() == ErrorKind::ConfigInvalid && error.to_string().contains("min-validity"), "{error}");
}

#[test]
fn durations_are_text_or_milliseconds() {
    for text in ["1500", "'1500'", "1s 500ms", "'1500ms'"] {
        assert!(read(&format!("nebula: {{lock: {{default-lease-time: {text}}}}}")).is_ok(), "{text}");
    }
    for text in ["-1", "soon", "'1.5'", "true"] {
        let error = read(&format!("nebula: {{lock: {{default-lease-time: {text}}}}}")).unwrap_err();
        assert!(error.contains("default-lease-time"), "{text}: {error}");
    }
}

#[test]
fn unknown_keys_and_providers_are_refused() {
    assert!(read("nebula: {lock: {lease: 30s}}").unwrap_err().contains("unknown field"));
    assert!(read("nebula: {lock: {redis: {uri: 'redis://x'}}}").unwrap_err().contains("unknown field"));
    assert!(read("nebula: {lock: {provider: zookeeper}}").unwrap_err().contains("unknown variant"));
}

#[test]
fn contradictions_and_impossible_times_are_refused() {
    let config = read("nebula: {lock: {provider: redis, redis: {enabled: false}}}").unwrap();
    assert_eq!(config.provider().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    let config = read("nebula: {lock: {provider: memory, watch-dog-timeout: 0}}").unwrap();
    assert_eq!(config.connect_with(MemoryLock::new()).unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

#[test]
fn the_provider_is_memory_unless_redis_is_asked_for() {
    assert_eq!(LockConfig::default().provider().unwrap(), Provider::Memory);
    let config = read("nebula: {lock: {provider: memory, redis: {enabled: true}}}").unwrap();
    assert_eq!(config.provider().unwrap(), Provider::Memory, "the explicit choice wins");
}

#[test]
fn secrets_are_not_shown() {
    let config = read("nebula: {lock: {redis: {url: 'redis://:s3cret@h/', password: s3cret}}}").unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
}
