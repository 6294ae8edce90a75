//! Configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use figment::Figment;
use figment::providers::{Format, Yaml};
use nebula_cache::{
    Cache, CacheConfig, CacheManager, ErrorKind, HotKeys, KeySource, MemoryShared, Provider, SinkError, WriteBehind,
    WriteSink,
};
use nebula_test_support::{eventually, redis_url, unique};
use support::Source;
use support::flaky::Flaky;

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
        breaker:
          window: 20s
          min-calls: 10
          failure-ratio: 0.8
          failures-in-a-row: 20
          slow-after: 2000
          open-for: 5s
          probes: 2
        defaults:
          ttl: 10m
          back-off-min: 50
          back-off-max: 1m
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
          schema: 3
          slow-shared: 50
          compress-above: 1000
          warn-above: 2000
          max-value: 3000
          hot-keys:
            threshold: 100
            top: 5
            sample: 2
            hold: 10s
            local-ttl: 1m
            only-hot-in-local: true
          write-behind:
            capacity: 50
            batch: 5
            delay: 100
            timeout: 1s
            back-off-min: 10
            back-off-max: 1s
        bloom-filters:
          users: { capacity: 5000, false-positive-rate: 0.001, staleness-bound: 1s, rebuild-every: 1d, shard-size: 2000 }
        "#,
    )
    .unwrap();
    assert_eq!(config.provider().unwrap(), Provider::Memory);
    assert!(!format!("{config:?}").contains("cache.internal"));
    config.connect().await.unwrap();
    let shared = config.builder().unwrap().with_shared(MemoryShared::new()).start().await.unwrap();
    assert_eq!(shared.cache::<u64, u64>("a").build().unwrap().snapshot().capacity, 100);
}

/// Reads of a key, spread over a second.
async fn read(cache: &Cache<u64, u64>, times: u32) {
    for _ in 0..times {
        cache.get(&1).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1) / times).await;
    }
}

#[tokio::test(start_paused = true)]
async fn configuration_looks_for_hot_keys_and_the_program_may_say_from_when() {
    let config = config(
        "
        defaults: { hot-keys: { sample: 1 } }
        caches: { trains: { hot-keys: { threshold: 50 } } }
        ",
    );
    let caches = config.unwrap().connect().await.unwrap();
    let trains: Cache<u64, u64> = caches.cache("trains").build().unwrap();
    let coded: Cache<u64, u64> =
        caches.cache("coded").with_hot_keys(HotKeys::new().with_threshold(200)).build().unwrap();
    let others: Cache<u64, u64> = caches.cache("others").build().unwrap();
    for _ in 0..3 {
        tokio::join!(read(&trains, 100), read(&coded, 300), read(&others, 300));
    }
    // The threshold of its own, that of the program with the sample of the defaults, and 500.
    assert_eq!([&trains, &coded, &others].map(|cache| cache.is_hot(&1)), [true, true, false]);
    let without: Cache<u64, u64> = CacheManager::local().cache("trains").build().unwrap();
    for _ in 0..3 {
        read(&without, 1000).await;
    }
    assert!(!without.is_hot(&1));
}

#[derive(Clone, Default)]
struct Batches(Arc<Mutex<Vec<usize>>>);

#[async_trait]
impl WriteSink<u64, u64> for Batches {
    async fn write(&self, batch: &[(u64, Option<u64>)]) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(batch.len());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn configuration_says_how_values_are_written_behind() {
    let config = config("defaults: { write-behind: { batch: 3, delay: 20s } }").unwrap();
    let caches = config.connect().await.unwrap();
    let sink = Batches::default();
    let options = WriteBehind::new().with_delay(Duration::from_secs(10));
    let cache: Cache<u64, u64> = caches.cache("test").with_write_behind(sink.clone(), options).build().unwrap();
    for key in 0..4 {
        cache.write_behind(key, Some(key)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(*sink.0.lock().unwrap(), [3], "a full batch is not held back");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*sink.0.lock().unwrap(), [3, 1], "what the program sets wins");
}

#[tokio::test(start_paused = true)]
async fn a_schema_of_configuration_is_that_of_the_program() {
    let shared = MemoryShared::new();
    let manager =
        async |yaml: &str| config(yaml).unwrap().builder().unwrap().with_shared(shared.clone()).start().await.unwrap();
    let old = manager("defaults: { schema: 1 }").await;
    old.cache::<u64, u64>("trains").build().unwrap().put(1, 1).await.unwrap();
    let new = manager("caches: { trains: { schema: 2 } }").await;
    let trains: Cache<u64, u64> = new.cache("trains").build().unwrap();
    assert!(trains.get(&1).await.unwrap().is_none());
    assert_eq!((trains.snapshot().other_schema, trains.snapshot().undecodable), (1, 0));
    let coded: Cache<u64, u64> =
        manager("caches: { trains: { schema: 2 } }").await.cache("trains").with_schema(1).build().unwrap();
    assert_eq!(*coded.get(&1).await.unwrap().unwrap(), 1, "what the program sets wins");
}

#[tokio::test(start_paused = true)]
async fn configuration_says_when_failing_loads_are_tried_again() {
    let caches = config("defaults: { back-off-min: 9600, back-off-max: 19600 }").unwrap().connect().await.unwrap();
    let cache: Cache<u64, u64> = caches.cache("test").build().unwrap();
    let source = Source::default();
    // After 9.6 s, twice as much, and at most 19.6 s.
    for second in 0..60 {
        cache.get_or_load(&1, source.fail(Duration::ZERO)).await.unwrap_err();
        let expected = [0, 10, 30, 50].into_iter().filter(|at| *at <= second).count() as u64;
        assert_eq!(source.calls(), expected, "after {second} s");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn configuration_says_when_the_shared_level_is_left_alone() {
    let config = config("breaker: { failures-in-a-row: 2, open-for: 1m }").unwrap();
    let link = Flaky::over(&MemoryShared::new());
    let caches = config.builder().unwrap().with_shared(link.clone()).start().await.unwrap();
    let cache: Cache<u64, u64> = caches.cache("test").build().unwrap();
    link.set_down(true);
    for breaker in ["closed", "open"] {
        cache.get(&1).await.unwrap_err();
        assert_eq!(caches.snapshot().breaker, breaker);
    }
    link.set_down(false);
    tokio::time::sleep(Duration::from_secs(59)).await;
    cache.get(&1).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(2)).await;
    cache.get(&1).await.unwrap();
    assert_eq!(caches.snapshot().breaker, "closed");
}

fn users() -> impl KeySource {
    || futures_util::stream::iter(["ada", "bob"].map(|name| Ok::<_, Infallible>(name.into())))
}

#[tokio::test]
async fn filters_come_from_configuration_alone() {
    let redis = format!("redis: {{ enabled: true, url: \"{}\" }}", redis_url().await);
    let shared =
        format!("{{ {redis}, namespace: {}, bloom-filters: {{ users: {{ capacity: 5000 }} }} }}", unique("cache"));
    for yaml in ["bloom-filters: { users: { capacity: 5000 } }", &shared] {
        let config = config(yaml).unwrap();
        let filter = config.bloom_filter("users", users()).await.unwrap();
        filter.ready(Duration::from_secs(60)).await.unwrap();
        assert_eq!((filter.snapshot().capacity, filter.snapshot().items), (5000, 2));
        assert!(filter.may_contain(&"ada"));
        let other = config.bloom_filter("users", users()).await.unwrap();
        other.ready(Duration::from_secs(60)).await.unwrap();
        filter.insert(&"eve").await.unwrap();
        if config.provider().unwrap() == Provider::Redis {
            eventually(Duration::from_secs(60), async || other.may_contain(&"eve")).await;
        }
    }
    let coded = config("bloom-filters: { users: { capacity: 5000 } }").unwrap().bloom_builder("users");
    let coded = coded.with_capacity(700).with_source(users()).local().unwrap();
    coded.ready(Duration::from_secs(60)).await.unwrap();
    assert_eq!(coded.snapshot().capacity, 700, "what the program sets wins");
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
    for (yaml, named) in [
        ("defaults: { hot-keys: { sample: 0 } }", "defaults"),
        ("caches: { trains: { write-behind: { batch: 0 } } }", "trains"),
        ("bloom-filters: { users: { false-positive-rate: 2.0 } }", "users"),
        ("bloom-filters: { users: { shard-size: 10 } }", "users"),
        ("breaker: { failure-ratio: 0 }", "breaker"),
        ("caches: { trains: { back-off-min: 1m } }", "trains"),
    ] {
        let told = config(yaml).unwrap().connect().await.unwrap_err();
        assert!(told.kind() == ErrorKind::ConfigInvalid && told.to_string().contains(named), "{told}");
    }
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
