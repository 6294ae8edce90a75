//! A thousand callers in three processes, over one real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use nebula_cache::nebula_redis::redis;
use nebula_cache::nebula_redis::{Connection, RedisConfig};
use nebula_cache::{BreakerConfig, Cache, CacheManager, Position, RedisShared};
use nebula_test_support::{eventually, redis_url, unique};
use support::ms;
use support::process::{Orders, PATIENCE, Process, reply};
use tokio::time::{Instant, sleep};

const URL: &str = "NEBULA_CACHE_HERD_NODE";
const NAMESPACE: &str = "NEBULA_CACHE_HERD_NAMESPACE";

/// What is behind the caches of all processes: it counts on the server how often it is asked.
#[derive(Clone)]
struct Source {
    connection: Connection,
    counter: String,
}

impl Source {
    async fn over(url: &str, namespace: &str) -> Self {
        let connection = RedisConfig::new(url).with_response_timeout(PATIENCE).connect().await.unwrap();
        Self { connection, counter: format!("{namespace}:calls") }
    }

    async fn calls(&self) -> u64 {
        let calls: Option<u64> =
            redis::cmd("GET").arg(&self.counter).query_async(&mut self.connection.clone()).await.unwrap();
        calls.unwrap_or(0)
    }

    /// A load that takes `time`, and fails if `number` is 0.
    async fn load(mut self, time: Duration, number: u64) -> io::Result<Option<u64>> {
        redis::cmd("INCR").arg(&self.counter).exec_async(&mut self.connection).await.unwrap();
        sleep(time).await;
        if number == 0 { Err(io::Error::other("the database is down")) } else { Ok(Some(number)) }
    }
}

/// This very program with an address in its environment: a node that obeys.
async fn node(url: String) {
    let namespace = std::env::var(NAMESPACE).unwrap();
    let config = RedisConfig::new(url.clone()).with_response_timeout(PATIENCE);
    let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
    // A machine under load may be slow to answer; what is tested is who loads, not when.
    let manager = CacheManager::builder()
        .with_shared(shared.with_namespace(namespace.clone()))
        .with_breaker(BreakerConfig::default().with_slow_after(PATIENCE))
        .start()
        .await
        .unwrap();
    let cache = manager.cache("test").with_shared_timeout(PATIENCE).with_load_timeout(PATIENCE);
    let cache: Cache<u64, u64> = cache.build().unwrap();
    let source = Source::over(&url, &namespace).await;
    let mut leader = None;
    let mut orders = Orders::ready();
    while let Some((order, words)) = orders.next().await {
        let call = |key: u64, time: u64, number: u64| {
            let (cache, load) = (cache.clone(), source.clone().load(ms(time), number));
            tokio::spawn(async move { cache.get_or_load(&key, load).await.map(|found| found.map(|found| *found)) })
        };
        match (order.as_str(), &words[..]) {
            ("herd", &[key, callers, time, number]) => {
                let calls = join_all((0..callers).map(|_| call(key, time, number)));
                // Orders that come meanwhile are obeyed at once.
                tokio::spawn(async move {
                    let found = calls.await;
                    reply(found.into_iter().filter(|found| matches!(found, Ok(Ok(Some(it))) if *it == number)).count());
                });
            }
            ("lead", &[key, time, number]) => {
                leader = Some(call(key, time, number));
                reply("leading");
            }
            ("evict", &[key]) => {
                let at = cache.evict(&key).await.unwrap();
                reply(format!("{} {} {}", at.epoch, at.sequence, at.mark));
            }
            ("wait", &[epoch, sequence, mark]) => {
                manager.caught_up(Position { epoch, sequence, mark }, PATIENCE).await.unwrap();
                reply("there");
            }
            ("abort", []) => leader.take().unwrap().abort(),
            ("insist", &[key, callers, times]) => {
                let insisting = (0..callers).map(|_| async {
                    let mut failed = 0;
                    for _ in 0..times {
                        failed += u64::from(call(key, 1, 0).await.unwrap().is_err());
                        sleep(ms(20)).await;
                    }
                    failed
                });
                reply(join_all(insisting).await.into_iter().sum::<u64>());
            }
            (order, words) => panic!("{order} {words:?}"),
        }
    }
}

/// The test itself: three processes, and the source that they share.
struct Herd {
    nodes: Vec<Process>,
    source: Source,
}

impl Herd {
    /// `None` in a process that is a node, when it has done its part.
    async fn start(test: &str) -> Option<Self> {
        if let Ok(url) = std::env::var(URL) {
            node(url).await;
            return None;
        }
        let (url, namespace) = (redis_url().await, unique("herd"));
        let env = [(URL, url.as_str()), (NAMESPACE, namespace.as_str())];
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Process::start(test, &env).await);
        }
        Some(Self { nodes, source: Source::over(&url, &namespace).await })
    }

    async fn tell_all(&mut self, order: &str) {
        for node in &mut self.nodes {
            node.tell(order).await;
        }
    }

    /// The sum of what all say.
    async fn sum(&mut self) -> u64 {
        let mut sum = 0;
        for node in &mut self.nodes {
            sum += node.reply().await.parse::<u64>().unwrap();
        }
        sum
    }
}

/// Exactly one load for each generation of a key, which begins with an eviction that all nodes have heard of. A load begins only
/// with the key's lease, which the server grants to one loader at a time; it is renewed while the load runs, and given back by the
/// same script call that stores the value. So whoever gets the lease next finds the value first, unless the eviction of the next
/// generation came in between, or the holder died. The same holds within a process by the table of loads under way. It does not
/// depend on time as long as processes are not suspended for longer than a lease, 3 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_in_three_processes_load_once_in_each_generation() {
    let test = "a_thousand_callers_in_three_processes_load_once_in_each_generation";
    let Some(mut herd) = Herd::start(test).await else { return };
    for generation in 1..=5_u64 {
        herd.tell_all(&format!("herd 1 334 300 {generation}")).await;
        assert_eq!(herd.sum().await, 3 * 334, "all have the value of this generation");
        assert_eq!(herd.source.calls().await, generation);
        let evicting = usize::try_from(generation % 3).unwrap();
        let at = herd.nodes[evicting].ask("evict 1").await;
        herd.tell_all(&format!("wait {at}")).await;
        for node in &mut herd.nodes {
            assert_eq!(node.reply().await, "there");
        }
    }
    // The one exception: whoever has the lease dies. Then it ends by itself, and exactly one other node loads.
    assert_eq!(herd.nodes[0].ask("lead 2 50000 7").await, "leading");
    eventually(PATIENCE, async || herd.source.calls().await == 6).await;
    drop(herd.nodes.remove(0));
    herd.tell_all("herd 2 100 100 8").await;
    assert_eq!(herd.sum().await, 200);
    assert_eq!(herd.source.calls().await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cancelled_leaves_its_load_to_the_others() {
    let test = "a_leader_that_is_cancelled_leaves_its_load_to_the_others";
    let Some(mut herd) = Herd::start(test).await else { return };
    assert_eq!(herd.nodes[0].ask("lead 1 1000 7").await, "leading");
    eventually(PATIENCE, async || herd.source.calls().await == 1).await;
    herd.tell_all("herd 1 100 1000 7").await;
    sleep(ms(50)).await;
    herd.nodes[0].tell("abort").await;
    assert_eq!(herd.sum().await, 300);
    assert_eq!(herd.source.calls().await, 1, "still one load");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_fails_is_not_called_by_everybody() {
    let Some(mut herd) = Herd::start("a_loader_that_fails_is_not_called_by_everybody").await else { return };
    let began = Instant::now();
    herd.tell_all("insist 1 100 20").await;
    assert_eq!(herd.sum().await, 3 * 100 * 20, "all calls fail");
    let most = most_attempts(began.elapsed());
    let calls = herd.source.calls().await;
    assert!(calls <= most, "{calls} loads for 6,000 calls in {:?}: {most} were allowed", began.elapsed());
}

/// How often three nodes may try within `time` to load what always fails.
///
/// One load runs at a time, by the lease; after its failure the lease keeps all nodes out for the pause of the node that failed,
/// counted from when the server hears of it: 0.1 s after a node's first failure in a row, and twice as long after each further
/// one, up to 5 s. So all attempts but the last are followed by their pauses, one after the other, and most fit in if the
/// shortest pauses come first: three of 0.1 s, three of 0.2 s, and so on. Redis counts whole milliseconds.
fn most_attempts(time: Duration) -> u64 {
    let mut rest = time;
    let mut pause = ms(100);
    let mut attempts = 1;
    loop {
        for _ in 0..3 {
            match rest.checked_sub(pause - ms(1)) {
                Some(less) => rest = less,
                None => return attempts,
            }
            attempts += 1;
        }
        pause = (pause * 2).min(ms(5000));
    }
}
