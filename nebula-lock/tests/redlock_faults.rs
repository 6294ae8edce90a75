//! Quorums of five servers of which some are frozen, killed, emptied or cut off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::nebula_redis::RedisConfig;
use nebula_lock::{
    Attempt, Claim, DistributedLock, ErrorKind, Fence, LockKey, LockManager, LossReason, Owner, RedisLock, Redlock,
    Release, Shutdown,
};
use nebula_test_support::{RedisNodes, RedisServer, TcpProxy, eventually};
use redis::AsyncCommands;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const NODE_TIMEOUT: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(9);
const FOR_EVER: Duration = Duration::from_secs(3600);

fn config(url: String) -> RedisConfig {
    RedisConfig::new(url)
        .with_connect_timeout(NODE_TIMEOUT)
        .with_response_timeout(NODE_TIMEOUT)
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100))
}

async fn quorum(urls: Vec<String>) -> Redlock {
    let nodes = join_all(urls.into_iter().map(async |url| {
        let config = config(url);
        RedisLock::new(config.connect().await.unwrap()).with_subscriber(config.subscriber().unwrap())
    }));
    Redlock::new(nodes.await).unwrap().with_node_timeout(NODE_TIMEOUT)
}

fn manager(quorum: &Redlock) -> LockManager {
    LockManager::new(quorum.clone()).with_lease(LEASE).with_wait(PATIENCE).with_command_timeout(Duration::from_secs(5))
}

/// What the server has of locks, past any proxy.
async fn locks(server: &RedisServer) -> Vec<(String, String)> {
    let mut connection = config(server.url()).connect().await.unwrap();
    let keys: Vec<String> = connection.keys("nebula:lock:*").await.unwrap();
    let mut locks = Vec::new();
    for key in keys.into_iter().filter(|key| !key.contains(":fence:")) {
        let value: Option<String> = connection.get(&key).await.unwrap();
        locks.extend(value.map(|value| (key, value)));
    }
    locks
}

async fn nothing_is_left(nodes: &[RedisServer]) {
    for node in nodes {
        let empty = async || {
            let left = locks(node).await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        };
        eventually(PATIENCE, empty).await;
    }
}

/// The lock can be taken, excludes others, is renewed and released, with a greater token each time.
async fn works(here: &LockManager, there: &LockManager, last: &mut Fence) {
    let guard = here.lock("key").await.unwrap();
    assert!(guard.fence() > *last, "{} after {last}", guard.fence());
    *last = guard.fence();
    assert!(there.try_lock("key").await.unwrap().is_none(), "it is held");
    assert_eq!(guard.run(sleep(LEASE / 3 + LEASE / 9)).await, Ok(()), "it is renewed");
    assert!(there.try_lock("key").await.unwrap().is_none(), "it is still held");
    // Some of the nodes may have been silent, but a majority has confirmed it.
    assert_eq!(guard.release().await, Release::Released);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_minority_may_be_frozen() {
    let nodes = RedisNodes::start(5).await;
    let (here, there) = (manager(&quorum(nodes.urls()).await), manager(&quorum(nodes.urls()).await));
    let mut last = Fence::new(0);
    for frozen in [[0, 1], [2, 3], [4, 0]] {
        for node in frozen {
            nodes[node].stop();
        }
        works(&here, &there, &mut last).await;
        for node in frozen {
            nodes[node].cont();
        }
    }
    assert_eq!(here.shutdown(PATIENCE).await, Shutdown::Drained);
    assert_eq!(there.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_is_left(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_minority_may_be_killed_and_come_back_empty() {
    let mut nodes = RedisNodes::start(5).await;
    let (here, there) = (manager(&quorum(nodes.urls()).await), manager(&quorum(nodes.urls()).await));
    let mut last = Fence::new(0);
    for killed in [[0, 1], [2, 3], [4, 0]] {
        for node in killed {
            nodes[node].kill();
        }
        works(&here, &there, &mut last).await;
        for node in killed {
            nodes[node].restart_empty().await;
        }
    }
    works(&here, &there, &mut last).await;
    nothing_is_left(&nodes).await;
}

/// Without repair, the third restart would leave the holder with two nodes of five.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_outlives_the_restart_of_every_node_one_after_another() {
    let mut nodes = RedisNodes::start(5).await;
    let (here, there) = (manager(&quorum(nodes.urls()).await), manager(&quorum(nodes.urls()).await));
    let guard = here.lock("key").await.unwrap();
    for number in 0..5 {
        let (_, before) = eventually(PATIENCE, async || locks(&nodes[number]).await.pop()).await;
        nodes[number].kill();
        nodes[number].restart_empty().await;
        assert!(there.try_lock("key").await.unwrap().is_none(), "one node of five forgot it");
        let repaired = eventually(PATIENCE, async || locks(&nodes[number]).await.pop());
        let (_, after) = guard.run(repaired).await.expect("still held");
        // The mark of a waiting caller may come and go.
        assert_eq!(after.trim_end_matches('w'), before.trim_end_matches('w'), "the same owner, under the same token");
    }
    assert!(!guard.is_lost());
    assert_eq!(guard.release().await, Release::Released);
    nothing_is_left(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_everything_is_an_error_in_time() {
    let mut nodes = RedisNodes::start(5).await;
    let locks = manager(&quorum(nodes.urls()).await);
    let guard = locks.lock("key").await.unwrap();
    for node in 0..3 {
        if node == 0 { nodes[node].kill() } else { nodes[node].stop() }
    }
    let start = Instant::now();
    for error in [
        locks.try_lock("key").await.map(drop).unwrap_err(),
        locks.try_lock("other").await.map(drop).unwrap_err(),
        locks.lock("other").wait(Duration::from_secs(1)).await.map(drop).unwrap_err(),
        locks.read("other").wait(Duration::from_secs(1)).await.map(drop).unwrap_err(),
        locks.inspect("key").await.map(drop).unwrap_err(),
        locks.health().await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
        assert!(error.is_retryable(), "{error}");
    }
    assert!(start.elapsed() < PATIENCE, "each ends at a deadline: {:?}", start.elapsed());
    let lost = timeout(PATIENCE, guard.lost()).await.expect("at the local deadline");
    assert_eq!(lost.reason(), LossReason::Expired);
    drop(guard);
    nodes[0].restart_empty().await;
    // Three of five again.
    assert_eq!(locks.lock("other").await.unwrap().release().await, Release::Released);
    nodes[1].cont();
    nodes[2].cont();
    assert_eq!(locks.lock("key").await.unwrap().release().await, Release::Released);
    assert_eq!(locks.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_is_left(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_leaves_nothing_on_the_minority_nor_later_on_the_others() {
    let nodes = RedisNodes::start(5).await;
    let proxies = join_all(nodes.iter().map(|node| TcpProxy::to_port(node.port()))).await;
    let urls = nodes.iter().zip(&proxies).map(|(node, proxy)| node.url_via(proxy.port())).collect();
    let locks = manager(&quorum(urls).await).with_lease(FOR_EVER);
    locks.lock("warm-up").await.unwrap().release().await;
    // One carries out what it is told without being heard, two do so later.
    proxies[0].black_hole_replies();
    nodes[1].stop();
    nodes[2].stop();
    for key in ["a", "b", "c", "d", "e"] {
        let error = locks.try_lock(key).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
    nothing_is_left(&nodes[3..]).await;
    nodes[1].cont();
    nodes[2].cont();
    nothing_is_left(&nodes[1..]).await;
    proxies[0].heal().await;
    nothing_is_left(&nodes).await;
    assert_eq!(locks.shutdown(PATIENCE).await, Shutdown::Drained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_without_a_majority_deletes_nothing() {
    let mut nodes = RedisNodes::start(5).await;
    let quorum = quorum(nodes.urls()).await;
    let claim = Claim::new(LockKey::new("key").unwrap(), Owner::random());
    assert!(matches!(quorum.try_acquire(&claim, FOR_EVER).await.unwrap(), Attempt::Acquired(_)));
    for number in 0..5 {
        eventually(PATIENCE, async || locks(&nodes[number]).await.len() == 1).await;
    }
    for number in 0..3 {
        nodes[number].kill();
    }
    let error = quorum.renew(&claim, FOR_EVER).await.unwrap_err();
    assert!(error.is_retryable(), "nobody can say: {error}");
    for number in 0..3 {
        nodes[number].restart_empty().await;
    }
    eventually(PATIENCE, async || quorum.renew(&claim, FOR_EVER).await.is_ok_and(|held| !held)).await;
    for number in 3..5 {
        assert_eq!(locks(&nodes[number]).await.len(), 1, "node {number} keeps what it has");
    }
    assert_eq!(locks(&nodes[0]).await.len(), 0, "and nobody takes a lost lock again");
    assert!(!quorum.release(&claim).await.unwrap());
    nothing_is_left(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_work_while_nodes_freeze_and_links_break_in_turn() {
    let nodes = RedisNodes::start(5).await;
    let mut managers = Vec::new();
    let mut all_proxies = Vec::new();
    for _ in 0..2 {
        let proxies = join_all(nodes.iter().map(|node| TcpProxy::to_port(node.port()))).await;
        let urls = nodes.iter().zip(&proxies).map(|(node, proxy)| node.url_via(proxy.port())).collect();
        managers.push(manager(&quorum(urls).await));
        all_proxies.push(proxies);
    }
    let (inside, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let last = Arc::new(std::sync::Mutex::new(Fence::new(0)));
    let tasks: Vec<_> = (0..6_usize)
        .map(|number| {
            let (manager, inside, over, last) =
                (managers[number % 2].clone(), Arc::clone(&inside), Arc::clone(&over), Arc::clone(&last));
            tokio::spawn(async move {
                let mut turns = 0;
                while !over.load(Ordering::SeqCst) {
                    let Ok(guard) = manager.lock("key").into_future().await else { continue };
                    assert!(!inside.swap(true, Ordering::SeqCst), "two holders at once");
                    let fence = guard.fence();
                    let before = std::mem::replace(&mut *last.lock().unwrap(), fence);
                    assert!(before < fence, "{fence} after {before}");
                    // Work that is dropped when the lock is lost.
                    let _ = guard.run(sleep(Duration::from_millis(5))).await;
                    inside.store(false, Ordering::SeqCst);
                    guard.release().await;
                    turns += 1;
                }
                turns
            })
        })
        .collect();
    for round in 0..10 {
        let (frozen, broken) = (round % 5, (round * 3 + 1) % 5);
        nodes[frozen].stop();
        if broken != frozen {
            all_proxies[round % 2][broken].cut().await;
        }
        sleep(Duration::from_millis(700)).await;
        nodes[frozen].cont();
        all_proxies[round % 2][broken].heal().await;
        sleep(Duration::from_millis(100)).await;
    }
    over.store(true, Ordering::SeqCst);
    let mut turns = 0;
    for task in tasks {
        turns += timeout(PATIENCE * 2, task).await.expect("everybody ends").unwrap();
    }
    assert!(turns > 20, "too little happened to prove anything: {turns} turns");
    for manager in managers {
        assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    }
    nothing_is_left(&nodes).await;
}
