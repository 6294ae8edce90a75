//! Configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::error::Error;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Yaml};
use nebula_cache::{Cache, CacheConfig, CacheManager, ErrorKind, MemoryShared, Provider};
use nebula_test_support::{redis_url, unique};

fn config(yaml: &str) -> Result<CacheConfig, String> {
    Figment::from(Yaml::string(yaml)).extract().map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn times_are_text_or_milliseconds_and_single_caches_differ() {
    let config = config(
        "
        defaults: { ttl: 60000, jitter: 0.0 }
        caches: { trains: { ttl: 1h, local-capacity: 50 } }
        ",
    )
    .unwrap();
    let caches = config.connect().await.unwrap();
    let trains: Cache<u64, u64> = caches.cache("trains").build().unwrap();
    let seats: Cache<u64, u64> = caches.cache("seats").build().unwrap();
    let coded: Cache<u64, u64> = caches.cache("coded").with_ttl(Duration::from_secs(90)).build().unwrap();
    for cache in [&trains, &seats, &coded] {
        cache.put(1, 1).await.unwrap();
    }
    assert_eq!((trains.snapshot().capacity, seats.snapshot().capacity), (50, 10_000));
    let found = async || {
        let found = [trains.get(&1).await, seats.get(&1).await, coded.get(&1).await];
        found.map(|found| found.unwrap().is_some())
    };
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(found().await, [true, true, true]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(found().await, [true, false, true]);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(found().await, [true, false, false], "what the program sets wins");
}

#[tokio::test]
async fn every_key_is_understood() {
    let config = config(
        r#"
        provider: memory
        namespace: shop
        staleness-bound: 3s
        redis: { url: "redis://cache.internal/", username: u, password: p, response-timeout: 300 }
        defaults:
          ttl: 10m
          jitter: 0.2
          null-ttl: 5s
          idle-ttl: 1h
          local-ttl: 30s
          local-capacity: 100
          stale-while-revalidate: 10s
          fail-safe: 1h
          refresh-ahead: 0.8
          soft-timeout: 100
          load-timeout: 2s
          max-loads: 10
          shared-timeout: 200
          slow-load: 500
          compress-above: 1000
          warn-above: 2000
          max-value: 3000
        "#,
    )
    .unwrap();
    assert_eq!(config.provider().unwrap(), Provider::Memory);
    assert!(!format!("{config:?}").contains("cache.internal"));
    config.connect().await.unwrap();
    let shared = config.builder().unwrap().with_shared(MemoryShared::new()).start().await.unwrap();
    assert_eq!(shared.cache::<u64, u64>("a").build().unwrap().snapshot().capacity, 100);
}

#[tokio::test]
async fn mistakes_are_told() {
    let unknown = config("defaults: { tll: 60 }").unwrap_err();
    assert!(unknown.contains("tll"), "{unknown}");
    assert!(config("provider: memcached").unwrap_err().contains("memcached"));
    assert!(config("defaults: { ttl: -5 }").is_err());
    let contradiction = config("{ provider: redis, redis: { enabled: false } }").unwrap();
    assert_eq!(contradiction.connect().await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    let wrong = config("caches: { trains: { jitter: 2.0 } }").unwrap().connect().await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::ConfigInvalid);
    assert!(wrong.to_string().contains("trains") && wrong.source().unwrap().to_string().contains("jitter"), "{wrong}");
}

#[tokio::test]
async fn two_nodes_meet_by_configuration_alone() {
    let yaml =
        format!("{{ redis: {{ enabled: true, url: \"{}\" }}, namespace: {} }}", redis_url().await, unique("cache"));
    let (a, b) = (config(&yaml).unwrap().connect().await.unwrap(), config(&yaml).unwrap().connect().await.unwrap());
    let cache = |manager: &CacheManager| -> Cache<u64, String> { manager.cache("names").build().unwrap() };
    let (on_a, on_b) = (cache(&a), cache(&b));
    on_a.put(7, "Ada".to_owned()).await.unwrap();
    assert_eq!(*on_b.get(&7).await.unwrap().unwrap(), "Ada");
    let health = a.health().await.unwrap();
    assert!(health.trusted && health.round_trip > Duration::ZERO);
    let json = serde_json::to_value(a.snapshot()).unwrap();
    assert_eq!((json["caches"][0]["puts"].as_u64(), json["trusted"].as_bool()), (Some(1), Some(true)));
}
