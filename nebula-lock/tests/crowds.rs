//! Many callers: ten thousand that give up, at every point at which they can, a thousand that want one key, and few that may not owe
//! their turn to polling.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../examples/nemesis/engine/held.rs"]
mod held;
#[path = "support/polls.rs"]
mod polls;
#[path = "support/watchful.rs"]
mod watchful;

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use held::Wish;
use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::{
    Attempt, Claim, DistributedLock, Holder, LockKey, LockManager, MemoryLock, Mode, RedisLock, Redlock, Release,
    Result, SegmentedLock, Shutdown, Watch,
};
use nebula_test_support::{eventually, redis_cluster_urls, redis_node_urls, redis_sentinels, redis_url, unique};
use polls::Polls;
use redis::AsyncCommands;
use tokio::task::yield_now;
use tokio::time::timeout;
use watchful::Watchful;

const PATIENCE: Duration = Duration::from_secs(120);
const FOR_EVER: Duration = Duration::from_secs(3600);
const ALL: [Mode; 4] = [Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];
const ON_A_QUORUM: [Mode; 3] = [Mode::Exclusive, Mode::Read, Mode::Write];
const TEN_THOUSAND: usize = 10_000;
/// Where each command takes several servers, or several steps of one.
const THOUSANDS: usize = 2_000;

/// In memory, with a pause before each command is carried out and before its reply arrives, as a network has them.
#[derive(Clone, Debug, Default)]
struct Distant(MemoryLock);

#[async_trait]
impl DistributedLock for Distant {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        yield_now().await;
        let reply = self.0.try_acquire(claim, lease).await;
        yield_now().await;
        reply
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        yield_now().await;
        let reply = self.0.renew(claim, lease).await;
        yield_now().await;
        reply
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        yield_now().await;
        let reply = self.0.release(claim).await;
        yield_now().await;
        reply
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        yield_now().await;
        let watch = self.0.watch(claim).await;
        yield_now().await;
        watch
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.0.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.0.ping().await
    }
}

fn manager(backend: impl DistributedLock) -> LockManager {
    LockManager::new(backend).with_lease(FOR_EVER).with_wait(PATIENCE)
}

/// One request of many, for what is held, what many want, or what is free: of each kind a quarter meets a lock that is held, and
/// a quarter one that many want. Besides those in one of the modes there are some for several keys, and for segments.
fn wish(locks: &LockManager, modes: &[Mode], number: usize) -> Wish {
    let kinds = modes.len() + 2;
    let name = match number / kinds % 4 {
        0 => "held".to_owned(),
        1 => "wanted".to_owned(),
        _ => unique("free"),
    };
    match modes.get(number % kinds) {
        Some(mode) => Wish::One(name, *mode),
        // The first key is free, the others are as told.
        None if number % kinds == modes.len() => Wish::All(vec![unique("a"), format!("{name}#0"), format!("{name}#1")]),
        None => Wish::Segment(SegmentedLock::new(locks.clone(), name, 2).unwrap()),
    }
}

/// Requests of every kind, each dropped after so many polls; those that are ready by then are released. Returns how many were
/// dropped.
async fn give_up(locks: &LockManager, modes: &[Mode], polls: usize, batch: usize) -> usize {
    let held = locks.lock_all(["held", "held#0", "held#1"]).await.unwrap();
    let requests = (0..batch).map(|number| {
        let wish = wish(locks, modes, number);
        async move {
            // Those that wait for long are polled no more, and dropped while they wait.
            let request = Polls(Box::pin(wish.ask(locks, PATIENCE, None)), polls);
            match timeout(Duration::from_millis(100), request).await {
                Ok(Some(held)) => {
                    held.unwrap().release().await;
                    0
                }
                Ok(None) | Err(_) => 1,
            }
        }
    });
    let dropped: usize = join_all(requests).await.into_iter().sum();
    assert_eq!(held.release().await, Release::Released);
    dropped
}

/// So many and more, from "not yet polled" to "held, and about to be handed over".
async fn give_up_in_rounds(locks: &LockManager, modes: &[Mode], batch: usize, count: usize) {
    let (mut dropped, mut round) = (0, 0);
    while dropped < count {
        dropped += give_up(locks, modes, round % 16, batch).await;
        round += 1;
        assert!(round < 10_000, "only {dropped} requests could be dropped");
    }
    assert_eq!(locks.shutdown(PATIENCE).await, Shutdown::Drained);
    let health = locks.health().await.unwrap();
    assert_eq!((health.held, health.waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_give_up_leave_nothing_in_memory() {
    for queue in [true, false] {
        let backend = Distant::default();
        let locks = manager(backend.clone()).with_local_queue(queue);
        give_up_in_rounds(&locks, &ALL, 200, TEN_THOUSAND).await;
        assert_eq!((backend.0.keys(), backend.0.watched()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_give_up_leave_nothing_on_a_quorum() {
    let nodes: Vec<_> = (0..3).map(|_| MemoryLock::new()).collect();
    let locks = manager(Redlock::new(nodes.clone()).unwrap());
    give_up_in_rounds(&locks, &ON_A_QUORUM, 200, TEN_THOUSAND).await;
    tokio::time::sleep(PATIENCE).await;
    for node in nodes {
        assert_eq!((node.keys(), node.watched()), (0, 0));
    }
}

/// What is stored on servers for locks of a namespace, fence counters aside, and who listens.
async fn left(urls: &[String], namespace: &str) -> Vec<String> {
    let (mut left, pattern) = (Vec::new(), format!("{namespace}:*"));
    for url in urls {
        let mut connection = RedisConfig::new(url).connect().await.unwrap();
        let keys: Vec<String> = connection.keys(&pattern).await.unwrap();
        left.extend(keys.into_iter().filter(|key| !key.contains(":fence:")));
        let channels = redis::cmd("PUBSUB").arg("CHANNELS").arg(&pattern).query_async(&mut connection).await;
        left.extend::<Vec<String>>(channels.unwrap());
    }
    left
}

async fn nothing_is_left(urls: &[String], namespace: &str) {
    eventually(PATIENCE, async || {
        let left = left(urls, namespace).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{} left: {:?}", left.len(), left.first())) }
    })
    .await;
}

async fn redis_lock(config: &RedisConfig, namespace: &str) -> RedisLock<Connection> {
    let connection = config.connect().await.unwrap();
    RedisLock::new(connection).with_subscriber(config.subscriber().unwrap()).with_namespace(namespace)
}

/// On one server, in one of the ways in which exclusive locks can be taken.
async fn ten_thousand_give_up_on_redis(style: impl FnOnce(RedisLock<Connection>) -> RedisLock<Connection>) {
    let (url, namespace) = (redis_url().await, unique("crowd"));
    let backend = style(redis_lock(&RedisConfig::new(&url), &namespace).await);
    give_up_in_rounds(&manager(backend), &ALL, 200, TEN_THOUSAND).await;
    nothing_is_left(&[url], &namespace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_that_give_up_leave_nothing_on_redis() {
    ten_thousand_give_up_on_redis(|lock| lock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_that_give_up_leave_nothing_where_calls_are_shared() {
    ten_thousand_give_up_on_redis(|lock| lock.with_group_commit(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_that_give_up_leave_nothing_where_locks_have_no_tokens() {
    ten_thousand_give_up_on_redis(|lock| lock.without_fences().with_group_commit(16)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_that_give_up_leave_nothing_behind_sentinels() {
    let ((master, nodes), namespace) = (redis_sentinels().await, unique("crowd"));
    let config = RedisConfig::sentinel(master, nodes);
    give_up_in_rounds(&manager(redis_lock(&config, &namespace).await), &ALL, 100, THOUSANDS).await;
    // What the master has and nobody else.
    let mut connection = config.connect().await.unwrap();
    eventually(PATIENCE, async || {
        let keys: Vec<String> = connection.clone().keys(format!("{namespace}:*")).await.unwrap();
        keys.iter().all(|key| key.contains(":fence:"))
    })
    .await;
    let channels =
        redis::cmd("PUBSUB").arg("CHANNELS").arg(format!("{namespace}:*")).query_async(&mut connection).await;
    assert_eq!(channels, Ok(Vec::<String>::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_that_give_up_leave_nothing_on_a_cluster() {
    let (urls, namespace) = (redis_cluster_urls().await, unique("crowd"));
    let backend = redis_lock(&RedisConfig::cluster(&urls), &namespace).await;
    give_up_in_rounds(&manager(backend), &ALL, 100, THOUSANDS).await;
    nothing_is_left(&urls, &namespace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_that_give_up_leave_nothing_on_five_servers() {
    let (urls, namespace) = (redis_node_urls().await, unique("crowd"));
    let mut nodes = Vec::new();
    for url in &urls {
        nodes.push(redis_lock(&RedisConfig::new(url), &namespace).await);
    }
    let quorum = Redlock::new(nodes).unwrap().with_node_timeout(Duration::from_secs(10));
    give_up_in_rounds(&manager(quorum), &ON_A_QUORUM, 100, THOUSANDS).await;
    nothing_is_left(&urls, &namespace).await;
}

/// Each gets it once, alone. Under several managers, as in several processes.
async fn crowd(managers: &[LockManager], mode: Mode, count: usize) {
    let key = unique("crowd");
    let (inside, turns) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let request = managers[number % managers.len()].lock(&key).mode(mode).into_future();
            let (inside, turns) = (Arc::clone(&inside), Arc::clone(&turns));
            tokio::spawn(async move {
                let guard = request.await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                yield_now().await;
                turns.fetch_add(1, Ordering::SeqCst);
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "two at once");
                let fence = guard.fence();
                assert_eq!(guard.release().await, Release::Released);
                fence
            })
        })
        .collect();
    let mut fences = Vec::new();
    for task in tasks {
        fences.push(task.await.unwrap());
    }
    assert_eq!(turns.load(Ordering::SeqCst), count);
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), count, "each has a token of its own");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_get_one_key_in_memory_once_each() {
    for queue in [true, false] {
        let backend = MemoryLock::new();
        let managers: Vec<_> = (0..2).map(|_| manager(backend.clone()).with_local_queue(queue)).collect();
        for mode in [Mode::Exclusive, Mode::Fair, Mode::Write] {
            crowd(&managers, mode, 1000).await;
        }
        for manager in managers {
            assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
        }
        assert_eq!((backend.keys(), backend.watched()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_get_one_key_on_redis_once_each() {
    let (url, namespace) = (redis_url().await, unique("crowd"));
    let mut managers = Vec::new();
    for grouped in [false, true] {
        let backend = redis_lock(&RedisConfig::new(&url), &namespace).await;
        managers.push(manager(if grouped { backend.with_group_commit(0) } else { backend }));
    }
    crowd(&managers, Mode::Exclusive, 1000).await;
    crowd(&managers, Mode::Fair, 1000).await;
    crowd(&managers, Mode::Write, 200).await;
    for manager in managers {
        assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    }
    nothing_is_left(&[url], &namespace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_gets_one_key_of_a_quorum_once_each() {
    let namespace = unique("crowd");
    let mut managers = Vec::new();
    for _ in 0..2 {
        let mut nodes = Vec::new();
        for url in redis_node_urls().await {
            let config = RedisConfig::new(url);
            let node = RedisLock::new(config.connect().await.unwrap()).with_subscriber(config.subscriber().unwrap());
            nodes.push(node.with_namespace(namespace.clone()));
        }
        managers.push(manager(Redlock::new(nodes).unwrap().with_node_timeout(Duration::from_secs(10))));
    }
    crowd(&managers, Mode::Exclusive, 200).await;
    crowd(&managers, Mode::Write, 50).await;
    for manager in managers {
        assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    }
}

/// Rounds of a few callers, each of which ends when all had the lock. Whoever misses a wake-up polls, for want of anybody who
/// would wake him by chance; a machine that stands still for a second may let some rounds poll.
async fn nobody_polls(backend: impl DistributedLock + Clone, rounds: usize, modes: impl Fn(usize) -> [Mode; 5]) {
    let watchful = Watchful::new(backend);
    // Each caller is a process of its own, as far as it can tell.
    let managers: Vec<_> = (0..5).map(|_| manager(watchful.clone())).collect();
    let mut polled = 0;
    for round in 0..rounds {
        let (key, modes) = (unique("calm"), modes(round));
        watchful.polls.store(-5, Ordering::SeqCst);
        watchful.attempts.store(0, Ordering::SeqCst);
        let first = managers[0].lock(&key).mode(modes[0]).await.unwrap();
        let mut waiting = Vec::new();
        for (manager, mode) in managers.iter().zip(modes).skip(1) {
            let request = manager.lock(&key).mode(mode).into_future();
            let before = watchful.attempts.load(Ordering::SeqCst);
            waiting.push(tokio::spawn(async move {
                let guard = request.await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
                assert_eq!(guard.release().await, Release::Released);
            }));
            // It has been told that the lock is held.
            let told = async {
                while watchful.attempts.load(Ordering::SeqCst) == before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(PATIENCE, told).await.unwrap();
        }
        assert_eq!(first.release().await, Release::Released);
        for caller in waiting {
            timeout(PATIENCE, caller).await.unwrap().unwrap();
        }
        polled += usize::from(watchful.polls.load(Ordering::SeqCst) > 0);
        assert!(polled <= rounds / 4, "{polled} of {round} rounds polled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_are_woken_and_need_not_poll() {
    let namespace = unique("crowd");
    let redis = redis_lock(&RedisConfig::new(redis_url().await), &namespace).await;
    // The readers behind the writer race with it for the lock that the first reader leaves.
    let barred = |_| [Mode::Read, Mode::Write, Mode::Read, Mode::Read, Mode::Read];
    nobody_polls(redis.clone(), 12, barred).await;
    nobody_polls(MemoryLock::new(), 8, barred).await;
    let writers = |round| [Mode::Write, ALL[round % 4], Mode::Write, Mode::Read, Mode::Write];
    nobody_polls(redis, 12, writers).await;
    nobody_polls(MemoryLock::new(), 8, writers).await;
}
