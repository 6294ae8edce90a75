//! Three processes over one Redis, or over a cluster: while listeners are killed and links are cut, and while ten thousand loads
//! are overtaken by evictions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{BreakerConfig, Cache, CacheManager, Position, RedisShared};
use nebula_test_support::{RedisServer, TcpProxy, redis_cluster_urls, redis_url, unique};
use support::BOUND;
use support::lag::Lag;
use support::process::{Orders, PATIENCE, Process, reply};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// The server's URL, or those of nodes of a cluster, separated by commas.
const URLS: &str = "NEBULA_CACHE_TEST_NODE";
const NAMESPACE: &str = "NEBULA_CACHE_TEST_NAMESPACE";

/// For orders that are to be answered however long the machine takes.
const PATIENT: &str = "NEBULA_CACHE_TEST_PATIENT";

/// What the environment makes of this very program: a node that obeys.
struct Node {
    manager: CacheManager,
    cache: Cache<u64, u64>,
    /// Loads that wait for [`release`](Self::release).
    loads: JoinSet<()>,
    gate: watch::Sender<bool>,
    lag: Lag,
}

impl Node {
    /// Lives until the test ends, if this is a process that was started as a node.
    async fn live_if_asked_to() -> bool {
        let Ok(urls) = std::env::var(URLS) else { return false };
        let patient = std::env::var(PATIENT).is_ok();
        let config = match urls.split_once(',') {
            None => RedisConfig::new(urls),
            Some(_) => RedisConfig::cluster(urls.split(',')),
        };
        let config = config.with_response_timeout(if patient { PATIENCE } else { Duration::from_millis(400) });
        let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
        let shared = shared.with_namespace(std::env::var(NAMESPACE).unwrap());
        let mut manager = CacheManager::builder().with_shared(shared);
        if patient {
            manager = manager.with_breaker(BreakerConfig::default().with_slow_after(PATIENCE));
        }
        let manager = manager.start().await.unwrap();
        let mut cache = manager.cache("test").with_local_capacity(100_000).with_max_loads(10_000);
        if patient {
            cache = cache.with_shared_timeout(PATIENCE).with_load_timeout(PATIENCE);
        }
        let cache = cache.build().unwrap();
        let (loads, gate, lag) = (JoinSet::new(), watch::Sender::new(false), Lag::watch());
        let mut node = Self { manager, cache, loads, gate, lag };
        let mut orders = Orders::ready();
        while let Some((order, words)) = orders.next().await {
            node.obey(&order, &words).await;
        }
        true
    }

    async fn obey(&mut self, order: &str, words: &[u64]) {
        match (order, words) {
            ("read", &[key, truth]) => reply(self.read(key, truth).await),
            ("lag", &[]) => reply(self.lag.worst().as_micros()),
            ("evict", &[key]) => match self.cache.evict(&key).await {
                Ok(at) => reply(format_args!("{} {} {}", at.epoch, at.sequence, at.mark)),
                Err(error) => reply(error),
            },
            ("wait", &[epoch, sequence, mark]) => {
                self.manager.caught_up(Position { epoch, sequence, mark }, PATIENCE).await.unwrap();
                reply("there");
            }
            ("load-all", &[first, end]) => {
                self.load_all(first..end).await;
                reply("loading");
            }
            ("release", &[]) => {
                self.gate.send_replace(true);
                while let Some(ended) = self.loads.join_next().await {
                    ended.unwrap();
                }
                reply("loaded");
            }
            ("evict-all", &[first, end]) => {
                let all = join_all((first..end).map(async |key| self.cache.evict(&key).await.unwrap())).await;
                let at = all.into_iter().max_by_key(|at| at.sequence).unwrap();
                reply(format_args!("{} {} {}", at.epoch, at.sequence, at.mark));
            }
            ("count-stale", &[first, end, truth]) => {
                let found = join_all((first..end).map(|key| self.read(key, truth))).await;
                reply(found.into_iter().filter(|found| *found != truth).count());
            }
            ("refused-fills", &[]) => reply(self.cache.snapshot().refused_fills),
            (order, words) => panic!("{order} {words:?}"),
        }
    }

    async fn read(&self, key: u64, truth: u64) -> u64 {
        let load = async move { Ok::<_, Infallible>(Some(truth)) };
        *self.cache.get_or_load(&key, load).await.unwrap().unwrap()
    }

    /// Begins loads that have read the older value and do not end before they are released.
    async fn load_all(&mut self, keys: Range<u64>) {
        self.gate.send_replace(false);
        let (entered, count) = (Arc::new(AtomicU64::new(0)), keys.end - keys.start);
        for key in keys {
            let (cache, entered, mut gate) = (self.cache.clone(), Arc::clone(&entered), self.gate.subscribe());
            let load = async move {
                entered.fetch_add(1, Ordering::SeqCst);
                gate.wait_for(|open| *open).await.unwrap();
                Ok::<_, Infallible>(Some(0))
            };
            self.loads.spawn(async move { assert_eq!(*cache.get_or_load(&key, load).await.unwrap().unwrap(), 0) });
        }
        while entered.load(Ordering::SeqCst) < count {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A node as the test sees it, behind a link that can be cut.
struct Linked {
    proxy: TcpProxy,
    process: Process,
}

impl Linked {
    async fn start(server: &RedisServer) -> Self {
        let proxy = TcpProxy::to_port(server.port()).await;
        let url = server.url_via(proxy.port());
        let process = Process::start("three_processes_stay_in_step", &[(URLS, &url), (NAMESPACE, "test")]).await;
        Self { proxy, process }
    }

    async fn ask(&mut self, order: String) -> String {
        self.process.ask(&order).await
    }

    async fn read(&mut self, key: u64, truth: u64) -> u64 {
        self.ask(format!("read {key} {truth}")).await.parse().unwrap()
    }

    /// Reads until the older value is gone: within the stated bound, and what the machine adds to it.
    async fn renewed(&mut self, key: u64, truth: u64, evicted: Instant) {
        loop {
            let asked = Instant::now();
            if self.read(key, truth).await == truth {
                return;
            }
            let since = asked.saturating_duration_since(evicted);
            let lag = Duration::from_micros(self.ask("lag".to_owned()).await.parse().unwrap());
            assert!(since < BOUND + lag, "stale after {since:?}, timers there were late by {lag:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_stay_in_step() {
    if Node::live_if_asked_to().await {
        return;
    }
    let server = RedisServer::start().await;
    let mut nodes = [Linked::start(&server).await, Linked::start(&server).await, Linked::start(&server).await];
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    let mut truth = 0;
    for round in 0..60 {
        let (key, evicting) = (round % 7, usize::try_from(round % 3).unwrap());
        for node in &mut nodes {
            node.read(key, truth).await;
        }
        if round % 5 == 0 {
            redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).exec_async(&mut connection).await.unwrap();
        }
        truth += 1;
        let at = nodes[evicting].ask(format!("evict {key}")).await;
        assert_eq!(at.split(' ').count(), 3, "not evicted: {at}");
        for (number, node) in nodes.iter_mut().enumerate() {
            if number != evicting {
                assert_eq!(node.ask(format!("wait {at}")).await, "there");
            }
            assert_eq!(node.read(key, truth).await, truth, "round {round}, node {number}");
        }
    }
    // One process is cut off from the rest.
    for round in 0..3 {
        for node in &mut nodes {
            node.read(100, truth).await;
        }
        if round % 2 == 0 {
            nodes[2].proxy.black_hole();
        } else {
            nodes[2].proxy.cut().await;
        }
        truth += 1;
        let at = nodes[0].ask("evict 100".to_owned()).await;
        let evicted = Instant::now();
        assert_eq!(nodes[1].ask(format!("wait {at}")).await, "there");
        assert_eq!(nodes[0].read(100, truth).await, truth);
        assert_eq!(nodes[1].read(100, truth).await, truth);
        nodes[2].renewed(100, truth, evicted).await;
        nodes[2].proxy.heal().await;
        let at = nodes[1].ask("evict 100".to_owned()).await;
        truth += 1;
        assert_eq!(nodes[2].ask(format!("wait {at}")).await, "there");
        assert_eq!(nodes[2].read(100, truth).await, truth);
    }
}

const OVERLAPS: u64 = 10_000;
/// So many at a time.
const BATCH: u64 = 1_000;

/// Each load is held after it has read the older value until its key's eviction, on another node, is over or under way.
async fn overlaps(test: &str, urls: &str) {
    let namespace = unique("overlaps");
    let env = [(URLS, urls), (NAMESPACE, namespace.as_str()), (PATIENT, "yes")];
    let mut nodes =
        [Process::start(test, &env).await, Process::start(test, &env).await, Process::start(test, &env).await];
    for (round, first) in (0..OVERLAPS).step_by(usize::try_from(BATCH).unwrap()).enumerate() {
        let end = first + BATCH;
        let pairs = [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1), (1, 0)];
        let (loads, evicts) = pairs[round % pairs.len()];
        let [loading, evicting] = nodes.get_disjoint_mut([loads, evicts]).unwrap();
        assert_eq!(loading.ask(&format!("load-all {first} {end}")).await, "loading");
        let evict = format!("evict-all {first} {end}");
        let at = if round % 2 == 0 {
            let at = evicting.ask(&evict).await;
            assert_eq!(loading.ask("release").await, "loaded");
            at
        } else {
            let (at, loaded) = tokio::join!(evicting.ask(&evict), loading.ask("release"));
            assert_eq!(loaded, "loaded");
            at
        };
        let (wait, count) = (format!("wait {at}"), format!("count-stale {first} {end} 1"));
        let stale = join_all(nodes.iter_mut().map(async |node| {
            assert_eq!(node.ask(&wait).await, "there");
            node.ask(&count).await
        }));
        assert_eq!(stale.await, ["0", "0", "0"], "round {round}");
    }
    let mut refused = 0;
    for node in &mut nodes {
        refused += node.ask("refused-fills").await.parse::<u64>().unwrap();
    }
    assert!(refused >= OVERLAPS / 2, "the shared level refused {refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_overlaps_between_processes_leave_nothing_stale() {
    if !Node::live_if_asked_to().await {
        overlaps("ten_thousand_overlaps_between_processes_leave_nothing_stale", &redis_url().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_overlaps_on_a_cluster_leave_nothing_stale() {
    if !Node::live_if_asked_to().await {
        let urls = redis_cluster_urls().await.join(",");
        overlaps("ten_thousand_overlaps_on_a_cluster_leave_nothing_stale", &urls).await;
    }
}
