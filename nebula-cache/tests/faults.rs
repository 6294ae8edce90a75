//! Two levels under faults of a real Redis: killed, frozen, emptied, cut off; listeners killed; a log that lost its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::rate_limit::{Origin, Quota, RateLimiter, RedisRates, Rule};
use nebula_cache::{BreakerConfig, Cache, CacheManager, ErrorKind, RedisShared};
use nebula_test_support::{RedisCluster, RedisSentinel, RedisServer, TcpProxy, eventually};
use support::lag::Lag;
use support::{BOUND, Source, ms, secs};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(url: &str) -> RedisConfig {
    RedisConfig::new(url).with_response_timeout(ms(400)).with_reconnect(ms(10), ms(100))
}

struct Node {
    manager: CacheManager,
    cache: Cache<u64, u64>,
}

async fn node(url: &str) -> Node {
    node_on(&config(url)).await
}

async fn node_on(config: &RedisConfig) -> Node {
    node_with(config, "test").await
}

async fn node_with(config: &RedisConfig, name: &str) -> Node {
    let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
    let manager = CacheManager::new(shared).await.unwrap();
    let cache = manager.cache(name).with_ttl(secs(600)).build().unwrap();
    Node { manager, cache }
}

impl Node {
    async fn value(&self, source: &Source) -> u64 {
        *timeout(PATIENCE, self.cache.get_or_load(&1, source.load(ms(1)))).await.unwrap().unwrap().unwrap()
    }

    /// Reads until it has the source's value: older ones for no longer than the stated bound, and what the machine adds to it.
    async fn renewed(&self, source: &Source, evicted: Instant) {
        let lag = Lag::watch();
        loop {
            let asked = Instant::now();
            let found = self.value(source).await;
            if found == source.value.load(Ordering::SeqCst) {
                return;
            }
            let since = asked.saturating_duration_since(evicted);
            assert!(since < BOUND + lag.worst(), "{found} after {since:?}, timers were late by {:?}", lag.worst());
            sleep(ms(5)).await;
        }
    }

    async fn trusted(&self, trusted: bool) {
        eventually(PATIENCE, async || self.manager.snapshot().trusted == trusted).await;
    }
}

async fn ask(server: &RedisServer, command: &[&str]) -> redis::Value {
    let mut connection = config(&server.url()).connect().await.unwrap();
    let mut all = redis::cmd(command[0]);
    all.arg(&command[1..]);
    all.query_async(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_listeners_miss_nothing_for_longer_than_the_bound() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server.url()).await, node(&server.url()).await);
    let source = Source::default();
    for round in 0..10 {
        assert_eq!(b.value(&source).await, round);
        source.set(round + 1);
        ask(&server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        a.cache.evict(&1).await.unwrap();
        let evicted = Instant::now();
        ask(&server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        if round % 2 == 0 {
            b.renewed(&source, evicted).await;
        } else {
            let head = a.cache.evict(&1).await.unwrap();
            b.manager.caught_up(head, PATIENCE).await.unwrap();
        }
        assert_eq!(b.value(&source).await, round + 1);
    }
    assert!(b.manager.snapshot().trusted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_a_dead_link_ends_its_staleness_by_itself() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let (a, b) = (node(&server.url()).await, node(&server.url_via(proxy.port())).await);
    let source = Source::default();
    let faults: [fn(&TcpProxy); 3] = [TcpProxy::black_hole, TcpProxy::stall, TcpProxy::black_hole_replies];
    for (round, fault) in (0..).zip(faults) {
        assert_eq!(b.value(&source).await, round);
        fault(&proxy);
        source.set(round + 1);
        a.cache.evict(&1).await.unwrap();
        b.renewed(&source, Instant::now()).await;
        proxy.heal().await;
        b.trusted(true).await;
        assert_eq!(b.value(&source).await, round + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_slows_nobody_down_for_long() {
    let server = RedisServer::start().await;
    let a = node(&server.url()).await;
    let source = Source::default();
    assert_eq!(a.value(&source).await, 0);
    server.stop();
    // The breaker: five calls in a row wait, then none do.
    let began = Instant::now();
    for key in 100..200 {
        let found = timeout(PATIENCE, a.cache.get_or_load(&key, source.load(ms(0)))).await.unwrap();
        assert!(found.unwrap().is_some());
    }
    assert!(a.manager.snapshot().breaker_opened > 0, "{:?}", began.elapsed());
    assert!(a.cache.snapshot().slow_shared > 0, "no answer at all is a slow one");
    let error = timeout(PATIENCE, a.cache.evict(&1)).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
    source.set(1);
    assert_eq!(a.value(&source).await, 1, "evicted here, whatever the server says");
    server.cont();
    a.trusted(true).await;
    eventually(PATIENCE, async || a.manager.snapshot().pending_evictions == 0).await;
    let b = node(&server.url()).await;
    assert_eq!(b.value(&source).await, 1, "and there");
}

/// How often two nodes may load so many keys in a `time` in which they are cut off.
///
/// Each node runs one load of a key at a time, and what it loaded answers for the bound of 2 s. It clears its local level once,
/// when it loses trust: that is one more load of each key, and one that is under way at that moment is not kept.
fn most_loads(keys: u64, time: Duration) -> u64 {
    2 * keys * (2 + time.as_secs() / 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_survived_without_a_herd() {
    const KEYS: u64 = 50;
    let mut server = RedisServer::start().await;
    let nodes = [Arc::new(node(&server.url()).await), Arc::new(node(&server.url()).await)];
    let source = Source::default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..32_u64 {
        let (node, source, stop) = (Arc::clone(&nodes[reader as usize % 2]), source.clone(), Arc::clone(&stop));
        readers.spawn(async move {
            let mut reads = 0_u64;
            let mut key = reader;
            while !stop.load(Ordering::SeqCst) {
                key = (key * 31 + 7) % KEYS;
                let found = timeout(PATIENCE, node.cache.get_or_load(&key, source.load(ms(5)))).await.unwrap();
                assert!(found.unwrap().is_some());
                reads += 1;
                sleep(ms(1)).await;
            }
            reads
        });
    }
    eventually(PATIENCE, async || nodes.iter().all(|node| node.cache.snapshot().entries as u64 == KEYS)).await;
    assert!(source.calls() <= KEYS, "once for each key: {}", source.calls());
    let before = source.calls();
    let killed = Instant::now();
    server.kill();
    for node in &nodes {
        node.trusted(false).await;
    }
    sleep(secs(3)).await;
    let during = source.calls() - before;
    assert!(during <= most_loads(KEYS, killed.elapsed()), "{during} loads in {:?}", killed.elapsed());
    let restarted = Instant::now();
    server.restart_empty().await;
    for node in &nodes {
        node.trusted(true).await;
    }
    // Trusted again, a node clears its local level once more and keeps what it loads from then on. That is another load of each
    // key for each node whose breaker still keeps it from the shared level, and one for both when what was kept just before ends.
    let again = restarted.elapsed();
    sleep(secs(2)).await;
    let after = source.calls() - before - during;
    assert!(after <= most_loads(KEYS, again) + KEYS * 3, "{after} loads on return, {again:?} of it cut off");
    sleep(secs(3)).await;
    let settled = source.calls();
    sleep(secs(3)).await;
    assert_eq!(source.calls(), settled, "nothing is loaded any more");
    stop.store(true, Ordering::SeqCst);
    let reads: u64 = readers.join_all().await.into_iter().sum();
    assert!(reads > 1000, "{reads}");
    assert!(nodes.iter().all(|node| node.manager.snapshot().breaker_opened > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_its_end_is_not_believed() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server.url()).await, node(&server.url()).await);
    let source = Source::default();
    let stored = ask(&server, &["HGET", "nebula:cache:{invalidations}:head", "sequence"]).await;
    let mark = ask(&server, &["HGET", "nebula:cache:{invalidations}:head", "mark"]).await;
    let (stored, mark): (String, String) =
        (redis::from_redis_value(stored).unwrap(), redis::from_redis_value(mark).unwrap());
    for _ in 0..5 {
        a.cache.evict(&7).await.unwrap();
    }
    assert_eq!(b.value(&source).await, 0);
    source.set(1);
    let at = a.cache.evict(&1).await.unwrap();
    b.manager.caught_up(at, PATIENCE).await.unwrap();
    assert_eq!(b.value(&source).await, 1);
    // As after a failover to a replica that had not heard of the last batches: one of them was an eviction.
    ask(&server, &["HSET", "nebula:cache:{invalidations}:head", "sequence", &stored, "mark", &mark]).await;
    ask(&server, &["XTRIM", "nebula:cache:{invalidations}:log", "MAXLEN", "0"]).await;
    let lost = Instant::now();
    source.set(2);
    // The stored value carries the lost epoch: nobody who has noticed believes it.
    b.renewed(&source, lost).await;
    let at = a.cache.evict(&1).await.unwrap();
    b.manager.caught_up(at, PATIENCE).await.unwrap();
    source.set(3);
    assert_eq!(b.value(&source).await, 3);
    assert_eq!(a.value(&source).await, 3);
}

/// A failover to a server that knows nothing of the last eviction: it holds the evicted value, and a log that lacks its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_leaves_nothing_stale_for_longer_than_the_bound_and_limits_follow() {
    let mut redis = RedisSentinel::start().await;
    let config = RedisConfig::sentinel(redis.name(), redis.addresses())
        .with_response_timeout(ms(400))
        .with_reconnect(ms(10), ms(100));
    let (a, b) = (node_on(&config).await, node_on(&config).await);
    let source = Source::default();
    let store = RedisRates::new(config.connect().await.unwrap(), config.subscriber().unwrap());
    let quota = Quota::rate(1, secs(86_400)).unwrap().with_burst(100).unwrap();
    let limiter = RateLimiter::builder(store)
        .with_rules([Rule::new("r", quota).unwrap()])
        .with_timeout(ms(400))
        .with_breaker(BreakerConfig::default().with_open_for(ms(200)));
    let limiter = limiter.start().await.unwrap();
    for _ in 0..20 {
        eventually(PATIENCE, async || limiter.check("r", "k").await.unwrap().origin() == Origin::Store).await;
    }
    a.cache.put(1, 0).await.unwrap();
    assert_eq!(b.value(&source).await, 0);
    let connection = config.connect().await.unwrap();
    let copies = async || redis::cmd("WAIT").arg(2).arg(100).query_async::<u64>(&mut connection.clone()).await;
    eventually(PATIENCE, async || copies().await.is_ok_and(|copies| copies == 2)).await;

    let old = redis.master().await;
    let replicas: Vec<usize> = (0..redis.servers.len()).filter(|server| *server != old).collect();
    // They stand still, and then their links are gone: nothing that follows reaches them.
    replicas.iter().for_each(|replica| redis.servers[*replica].stop());
    ask(&redis.servers[old], &["CLIENT", "KILL", "TYPE", "replica"]).await;
    source.set(1);
    let at = a.cache.evict(&1).await.unwrap();
    let evicted = Instant::now();
    b.manager.caught_up(at, PATIENCE).await.unwrap();
    redis.servers[old].kill();
    replicas.iter().for_each(|replica| redis.servers[*replica].cont());
    b.renewed(&source, evicted).await;
    let new = redis.failed_over(old).await;
    let failed_over = Instant::now();
    assert_ne!(new, old);
    for node in [&a, &b] {
        node.renewed(&source, failed_over).await;
        node.trusted(true).await;
    }
    // What came back in the moments before they noticed has ended, too.
    tokio::time::sleep_until(failed_over + BOUND).await;
    for node in [&a, &b, &node_on(&config).await] {
        node.renewed(&source, failed_over).await;
        for _ in 0..20 {
            assert_eq!(node.value(&source).await, 1);
        }
    }
    // And all goes on over the new master.
    for round in 2..6 {
        source.set(round);
        let again = eventually(PATIENCE, async || a.cache.evict(&1).await).await;
        assert_ne!(again.epoch, at.epoch, "the log had lost its end");
        b.manager.caught_up(again, PATIENCE).await.unwrap();
        assert_eq!(b.value(&source).await, round);
    }
    let after = async || limiter.check("r", "k").await.unwrap();
    eventually(PATIENCE, async || after().await.origin() == Origin::Store).await;
    assert!(limiter.peek("r", "k").await.unwrap().remaining() < 80, "what was used stays used");
}

/// The same on a cluster, of a master that has values and not the log: the log has lost nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_of_any_master_of_a_cluster_leaves_nothing_stale_for_longer_than_the_bound() {
    let mut cluster = RedisCluster::start().await;
    let config = RedisConfig::cluster(cluster.urls()).with_response_timeout(ms(400)).with_reconnect(ms(10), ms(100));
    let has = async |server: &RedisServer, pattern: String| match ask(server, &["KEYS", &pattern]).await {
        redis::Value::Array(keys) => !keys.is_empty(),
        other => panic!("{other:?}"),
    };
    let source = Source::default();
    // The first three are the masters, the others their replicas in the same order.
    let (mut name, mut at) = (String::new(), None);
    for number in 0..50 {
        name = format!("test{number}");
        node_with(&config, &name).await.cache.put(1, 0).await.unwrap();
        for (place, master) in cluster.nodes[..3].iter().enumerate() {
            if has(master, format!("*:v:{name}:*")).await && !has(master, "*:{invalidations}:head".to_owned()).await {
                at = Some(place);
            }
        }
        if at.is_some() {
            break;
        }
    }
    let old = at.expect("a value that is not where the log is");
    let (a, b) = (node_with(&config, &name).await, node_with(&config, &name).await);
    assert_eq!((a.value(&source).await, b.value(&source).await), (0, 0));
    let key =
        eventually(PATIENCE, async || match ask(&cluster.nodes[old + 3], &["KEYS", &format!("*:v:{name}:*")]).await {
            redis::Value::Array(keys) if keys.len() == 1 => {
                redis::from_redis_value::<Vec<String>>(redis::Value::Array(keys)).map_err(|error| error.to_string())
            }
            other => Err(format!("{other:?}")),
        })
        .await
        .remove(0);

    // The replica stands still, and then its link is gone: the eviction does not reach it.
    cluster.nodes[old + 3].stop();
    ask(&cluster.nodes[old], &["CLIENT", "KILL", "TYPE", "replica"]).await;
    source.set(1);
    let at = a.cache.evict(&1).await.unwrap();
    let evicted = Instant::now();
    b.manager.caught_up(at, PATIENCE).await.unwrap();
    b.renewed(&source, evicted).await;
    cluster.nodes[old].kill();
    cluster.nodes[old + 3].cont();
    assert_eq!(cluster.failed_over(&key, old).await, old + 3);
    let failed_over = Instant::now();
    let late = node_with(&config, &name).await;
    for node in [&a, &b, &late] {
        node.renewed(&source, failed_over).await;
    }
    // What came back in the moments before they noticed has ended, too.
    tokio::time::sleep_until(failed_over + BOUND).await;
    for node in [&a, &b, &late, &node_with(&config, &name).await] {
        node.renewed(&source, failed_over).await;
        for _ in 0..20 {
            assert_eq!(node.value(&source).await, 1);
        }
    }
    source.set(2);
    let again = eventually(PATIENCE, async || a.cache.evict(&1).await).await;
    assert_ne!(again.epoch, at.epoch, "nothing of before the failover is believed");
    b.manager.caught_up(again, PATIENCE).await.unwrap();
    assert_eq!(b.value(&source).await, 2);
    // And once is enough.
    tokio::time::sleep(BOUND).await;
    assert_eq!(a.cache.evict(&1).await.unwrap().epoch, again.epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_server_and_flushed_scripts_are_survived() {
    let server = RedisServer::start().await;
    let (a, b) = (node(&server.url()).await, node(&server.url()).await);
    let source = Source::default();
    for round in 1..5 {
        source.set(round);
        let at = a.cache.put(1, round).await.unwrap();
        b.manager.caught_up(at, PATIENCE).await.unwrap();
        assert_eq!(b.value(&source).await, round);
        ask(
            &server,
            &[if round % 2 == 0 { "FLUSHALL" } else { "SCRIPT" }, if round % 2 == 0 { "SYNC" } else { "FLUSH" }],
        )
        .await;
        sleep(secs(1)).await;
    }
}

#[tokio::test]
async fn another_type_under_the_key_counts_as_missing_and_is_replaced() {
    let server = RedisServer::start().await;
    let a = node(&server.url()).await;
    let source = Source::default();
    source.set(5);
    a.cache.put(1, 4).await.unwrap();
    let keys: Vec<String> = redis::from_redis_value(ask(&server, &["KEYS", "nebula:cache:v:*"]).await).unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    ask(&server, &["DEL", &keys[0]]).await;
    ask(&server, &["LPUSH", &keys[0], "x"]).await;
    let b = node(&server.url()).await;
    assert!(b.cache.get(&1).await.unwrap().is_none());
    assert!(b.cache.get_many(&[1, 2]).await.unwrap().iter().all(Option::is_none));
    assert_eq!(b.value(&source).await, 5);
    assert_eq!(b.cache.snapshot().undecodable, 2);
    let c = node(&server.url()).await;
    assert_eq!(*c.cache.get(&1).await.unwrap().unwrap(), 5);
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_server_are_told_at_start() {
    let server = RedisServer::options().password("secret").start().await;
    let wrong = RedisConfig::new(format!("redis://:wrong@127.0.0.1:{}/", server.port()));
    let shared = async |config: &RedisConfig| {
        CacheManager::new(RedisShared::new(config.connect().await?, config.subscriber()?)).await
    };
    let error = shared(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    let error = nebula_cache::CacheConfig::redis(server.url().replace("secret", "wrong")).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error:?}").contains("wrong"));
    let config = nebula_cache::CacheConfig::redis("redis://127.0.0.1:1/");
    let error = timeout(PATIENCE, config.connect()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}
