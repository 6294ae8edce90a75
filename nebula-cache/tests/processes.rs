//! Three processes over one Redis, while listeners are killed and links are cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{Cache, CacheManager, Position, RedisShared};
use nebula_test_support::{RedisServer, TcpProxy};
use support::process::{Orders, PATIENCE, Process, reply};
use tokio::time::sleep;

const TEST: &str = "three_processes_stay_in_step";
const URL: &str = "NEBULA_CACHE_TEST_NODE";

/// The stated bound, and what a busy machine may add before a process gets its turn.
const BOUND: Duration = Duration::from_millis(2000 + 1000);

/// This very program with an address in its environment: a node that obeys.
async fn node(url: String) {
    let config = RedisConfig::new(url).with_response_timeout(Duration::from_millis(400));
    let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
    let manager = CacheManager::new(shared).await.unwrap();
    let cache: Cache<u64, u64> = manager.cache("test").build().unwrap();
    let mut orders = Orders::ready();
    while let Some((order, words)) = orders.next().await {
        match (order.as_str(), &words[..]) {
            ("read", &[key, truth]) => {
                let load = async move { Ok::<_, Infallible>(Some(truth)) };
                reply(*cache.get_or_load(&key, load).await.unwrap().unwrap());
            }
            ("evict", &[key]) => match cache.evict(&key).await {
                Ok(at) => reply(format_args!("{} {} {}", at.epoch, at.sequence, at.mark)),
                Err(error) => reply(error),
            },
            ("wait", &[epoch, sequence, mark]) => {
                manager.caught_up(Position { epoch, sequence, mark }, PATIENCE).await.unwrap();
                reply("there");
            }
            (order, words) => panic!("{order} {words:?}"),
        }
    }
}

struct Node {
    proxy: TcpProxy,
    process: Process,
}

impl Node {
    async fn start(server: &RedisServer) -> Self {
        let proxy = TcpProxy::to_port(server.port()).await;
        let process = Process::start(TEST, &[(URL, &server.url_via(proxy.port()))]).await;
        Self { proxy, process }
    }

    async fn ask(&mut self, order: String) -> String {
        self.process.ask(&order).await
    }

    async fn read(&mut self, key: u64, truth: u64) -> u64 {
        self.ask(format!("read {key} {truth}")).await.parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_stay_in_step() {
    if let Ok(url) = std::env::var(URL) {
        return node(url).await;
    }
    let server = RedisServer::start().await;
    let mut nodes = [Node::start(&server).await, Node::start(&server).await, Node::start(&server).await];
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
        assert_eq!(nodes[1].ask(format!("wait {at}")).await, "there");
        assert_eq!(nodes[0].read(100, truth).await, truth);
        assert_eq!(nodes[1].read(100, truth).await, truth);
        sleep(BOUND).await;
        assert_eq!(nodes[2].read(100, truth).await, truth, "cut off, and beyond the bound");
        nodes[2].proxy.heal().await;
        let at = nodes[1].ask("evict 100".to_owned()).await;
        truth += 1;
        assert_eq!(nodes[2].ask(format!("wait {at}")).await, "there");
        assert_eq!(nodes[2].read(100, truth).await, truth);
    }
}
