//! Several locks at once, and resources in segments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use nebula_lock::nebula_redis::RedisConfig;
use nebula_lock::{
    Allocation, Attempt, Claim, DistributedLock, Error, ErrorKind, Fence, Holder, LockGuard, LockKey, LockManager,
    LossReason, MemoryLock, RedisLock, Release, SegmentGuard, SegmentedLock, Shutdown, Watch,
};
use nebula_test_support::{redis_url, unique};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn all_or_none() {
    let backend = MemoryLock::new();
    let locks = LockManager::new(backend.clone()).with_prefix("p:");
    let held = locks.lock("b").await.unwrap();
    assert!(locks.try_lock_all(["c", "b", "a"]).await.unwrap().is_none());
    let error = locks.lock_all(["c", "b", "a"]).wait(SECOND).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::WaitTimeout, Some("p:b")));
    tokio::time::sleep(SECOND).await;
    assert_eq!(backend.held(), 1, "what was taken was given back");
    drop(held);
    let guards = locks.lock_all(["c", "b", "a", "b"]).await.unwrap();
    assert_eq!(guards.iter().map(|guard| guard.key().as_str()).collect::<Vec<_>>(), ["p:a", "p:b", "p:c"]);
    assert_eq!(guards.run(async { 1 }).await, Ok(1));
    assert_eq!(guards.release().await, Release::Released);
    assert_eq!(backend.held(), 0);
    assert_eq!(locks.lock_all::<&str>([]).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(locks.lock_all(["a", ""]).await.unwrap_err().kind(), ErrorKind::InvalidKey);
}

#[tokio::test(start_paused = true)]
async fn the_first_loss_is_the_loss_of_all() {
    let locks = LockManager::new(MemoryLock::new());
    let held = locks.lock("b").await.unwrap();
    let waiting = tokio::spawn({
        let locks = locks.clone();
        async move { locks.lock_all(["a", "b"]).lease(5 * SECOND).await }
    });
    tokio::time::sleep(3 * SECOND).await;
    held.release().await;
    let guards = waiting.await.unwrap().unwrap();
    let lost = guards.run(std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(lost.key().as_str(), "a", "its lease began first");
    assert!(guards.is_lost());
    assert_eq!(guards.release().await, Release::AlreadyLost);

    let held = locks.lock("b").await.unwrap();
    let waiting = tokio::spawn({
        let locks = locks.clone();
        async move { locks.lock_all(["a", "b"]).lease(5 * SECOND).await }
    });
    tokio::time::sleep(6 * SECOND).await;
    held.release().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Lost, "never a guard of half of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_want_overlapping_sets_do_not_wait_in_a_circle() {
    let locks = LockManager::new(MemoryLock::new()).with_wait(60 * SECOND);
    let inside: Arc<Vec<AtomicUsize>> = Arc::new((0..5).map(|_| AtomicUsize::new(0)).collect());
    let tasks: Vec<_> = (0..200_usize)
        .map(|number| {
            let (locks, inside) = (locks.clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                let set = [number % 5, (number * 3 + 1) % 5, (number * 7 + 2) % 5];
                let guards = locks.lock_all(set.map(|key| format!("key:{key}"))).await.unwrap();
                for key in BTreeSet::from(set) {
                    assert_eq!(inside[key].fetch_add(1, Ordering::SeqCst), 0);
                }
                tokio::task::yield_now().await;
                for key in BTreeSet::from(set) {
                    inside[key].fetch_sub(1, Ordering::SeqCst);
                }
                assert_eq!(guards.release().await, Release::Released);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_get_in_as_there_are_segments() {
    let locks = LockManager::new(MemoryLock::new()).with_wait(SECOND).with_prefix("p:");
    for allocation in [Allocation::RoundRobin, Allocation::Random, Allocation::InOrder] {
        let stock = SegmentedLock::new(locks.clone(), "stock", 5).unwrap().with_allocation(allocation);
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(stock.lock().await.unwrap());
        }
        let indices: BTreeSet<_> = held.iter().map(nebula_lock::SegmentGuard::index).collect();
        assert_eq!(indices, (0..5).collect(), "{allocation:?}");
        assert!(stock.try_lock().await.unwrap().is_none());
        assert_eq!(stock.lock().await.unwrap_err().kind(), ErrorKind::WaitTimeout);
        assert!(stock.lock_all().await.is_err());
        for guard in held {
            assert_eq!(guard.guard().key().as_str(), format!("p:stock#{}", guard.index()));
            assert_eq!(guard.release().await, Release::Released);
        }
        let all = stock.lock_all().await.unwrap();
        assert_eq!(all.iter().count(), 5);
        assert!(stock.try_lock().await.unwrap().is_none());
        assert_eq!(all.release().await, Release::Released);
        assert_eq!(stock.lock_segment(3).await.unwrap().index(), 3);
        assert_eq!(stock.lock_segment(5).await.unwrap_err().kind(), ErrorKind::InvalidKey);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(SegmentedLock::new(locks, "stock", 0).unwrap_err().kind(), ErrorKind::InvalidKey);
}

#[tokio::test(start_paused = true)]
async fn segments_are_allocated_as_told() {
    let locks = LockManager::new(MemoryLock::new());
    let take = async |allocation| {
        let stock = SegmentedLock::new(locks.clone(), "stock", 4).unwrap().with_allocation(allocation);
        let mut indices = Vec::new();
        for _ in 0..8 {
            let guard = stock.lock().await.unwrap();
            indices.push(guard.index());
            guard.release().await;
        }
        indices
    };
    assert_eq!(take(Allocation::InOrder).await, [0; 8]);
    let turns = take(Allocation::RoundRobin).await;
    assert!(turns.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 4), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_has_its_own_segment_and_others_to_fall_back_on() {
    let locks = LockManager::new(MemoryLock::new()).with_wait(SECOND);
    let stock = SegmentedLock::new(locks.clone(), "stock", 20).unwrap();
    let elsewhere = SegmentedLock::new(locks, "stock", 20).unwrap();
    let mut used = BTreeSet::new();
    for user in 0..200 {
        let user = format!("user:{user}");
        let guard = stock.lock_for(&user).await.unwrap();
        assert_eq!((guard.index(), guard.index()), (stock.segment_of(&user), elsewhere.segment_of(&user)));
        let other = elsewhere.lock_for(&user).await.unwrap();
        assert_ne!(other.index(), guard.index(), "its own is taken");
        used.insert(guard.index());
        assert_eq!((guard.release().await, other.release().await), (Release::Released, Release::Released));
    }
    assert_eq!(used.len(), 20, "names spread over all segments");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_the_segment_that_is_free_first() {
    let backend = MemoryLock::new();
    let locks = LockManager::new(backend.clone()).with_wait(60 * SECOND);
    let stock = SegmentedLock::new(locks.clone(), "stock", 4).unwrap().with_allocation(Allocation::InOrder);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(stock.lock().await.unwrap());
    }
    let start = Instant::now();
    let waiting = tokio::spawn(stock.lock().lease(5 * SECOND).into_future());
    sleep(2 * SECOND).await;
    held.remove(2).release().await;
    let segment = waiting.await.unwrap().unwrap();
    assert_eq!((segment.index(), start.elapsed().as_secs()), (2, 2), "not the one it began with");
    assert_eq!(segment.guard().lost().await.reason(), LossReason::Expired, "a lease of its own is not renewed");
    assert_eq!(start.elapsed().as_secs(), 6);

    // Two at the same time: one is enough, and the other is not kept.
    let segment = stock.lock().await.unwrap();
    let waiting = tokio::spawn(stock.lock().into_future());
    sleep(SECOND).await;
    let all: Vec<_> = held.into_iter().chain([segment]).map(SegmentGuard::release).collect();
    assert!(join_all(all).await.into_iter().all(|outcome| outcome == Release::Released));
    let one = waiting.await.unwrap().unwrap();
    sleep(SECOND).await;
    assert_eq!(backend.held(), 1);
    one.release().await;

    // Its own patience, and nothing stays of those who give up.
    let held = stock.lock_all().await.unwrap();
    let start = Instant::now();
    let error = stock.lock().wait(3 * SECOND).await.unwrap_err();
    assert_eq!((error.kind(), error.key(), start.elapsed().as_secs()), (ErrorKind::WaitTimeout, Some("stock#0"), 3));
    assert_eq!(stock.lock().wait(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert_eq!(stock.lock_segment(1).wait(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert!(stock.try_lock().lease(SECOND).await.unwrap().is_none());
    assert_eq!(stock.lock().lease(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::InvalidLease);
    drop(timeout(SECOND, stock.lock().into_future()).await);
    assert_eq!(held.release().await, Release::Released);
    assert_eq!(locks.shutdown(60 * SECOND).await, Shutdown::Drained);
    assert_eq!((backend.keys(), backend.watched()), (0, 0));
    assert_eq!(stock.lock().await.unwrap_err().kind(), ErrorKind::ShutDown);
}

/// A backend on several servers of which one is not there: keys that end in `0` cannot be asked about.
#[derive(Clone, Debug, Default)]
struct Partly {
    inner: MemoryLock,
    asked: Arc<AtomicUsize>,
    /// It does not answer at all, and does not even say that it is not there.
    silent: bool,
}

impl Partly {
    async fn reach(&self, key: &LockKey) -> Result<(), Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !key.as_str().ends_with('0') {
            return Ok(());
        }
        if self.silent {
            std::future::pending::<()>().await;
        }
        Err(Error::new(ErrorKind::Unavailable, "this server is down"))
    }
}

#[async_trait]
impl DistributedLock for Partly {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt, Error> {
        self.reach(claim.key()).await?;
        self.inner.try_acquire(claim, lease).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, Error> {
        self.reach(claim.key()).await?;
        self.inner.renew(claim, lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool, Error> {
        self.reach(claim.key()).await?;
        self.inner.release(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch, Error> {
        self.inner.watch(claim).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>, Error> {
        self.reach(key).await?;
        self.inner.inspect(key).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.inner.ping().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_cannot_be_reached_keeps_nobody_from_the_others() {
    for silent in [false, true] {
        let backend = Partly { silent, ..Partly::default() };
        let locks = LockManager::new(backend.clone()).with_wait(20 * SECOND);
        let stock = SegmentedLock::new(locks.clone(), "stock", 3).unwrap().with_allocation(Allocation::InOrder);
        let first = stock.lock().await.unwrap();
        let second = stock.try_lock().await.unwrap().unwrap();
        assert_eq!(BTreeSet::from([first.index(), second.index()]), BTreeSet::from([1, 2]));
        // Nobody can say that all are taken.
        let error = stock.try_lock().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
        let error = stock.lock().wait(Duration::ZERO).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
        let waiting = tokio::spawn(stock.lock().into_future());
        sleep(5 * SECOND).await;
        let index = second.index();
        assert_eq!(second.release().await, Release::Released);
        let second = waiting.await.unwrap().unwrap();
        assert_eq!(second.index(), index, "and whoever waits is woken");
        drop((first, second));
    }
}

#[tokio::test(start_paused = true)]
async fn time_is_up_for_segments_as_for_any_lock() {
    let backend = Partly { silent: true, ..Partly::default() };
    let locks = LockManager::new(backend.clone()).with_command_timeout(3 * SECOND);
    let stock = SegmentedLock::new(locks, "stock", 100).unwrap();
    let start = Instant::now();
    let held: Vec<_> =
        join_all((0..100).filter(|index| index % 10 != 0).map(|index| stock.lock_segment(index).into_future()))
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
    // Ten of a hundred segments do not answer, and one after the other would take half a minute.
    let error = stock.lock().wait(5 * SECOND).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
    assert!(start.elapsed() <= 12 * SECOND, "{:?}", start.elapsed());
    for wait in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        assert_eq!(stock.lock().wait(wait).await.unwrap_err().kind(), ErrorKind::InvalidWait);
    }
    drop(held);
}

/// Tokens under keys of which many callers want overlapping sets at the same time, some of them for a moment only.
async fn tokens_increase_and_are_given_once(locks: &LockManager) {
    let stock = SegmentedLock::new(locks.clone(), "stock", 3).unwrap();
    let seen: Arc<Mutex<BTreeMap<String, Vec<Fence>>>> = Arc::default();
    let note = {
        let seen = Arc::clone(&seen);
        move |guard: &LockGuard| seen.lock().entry(guard.key().to_string()).or_default().push(guard.fence())
    };
    let tasks: Vec<_> = (0..60_usize)
        .map(|number| {
            let (locks, stock, note) = (locks.clone(), stock.clone(), note.clone());
            tokio::spawn(async move {
                match number % 4 {
                    0 => {
                        let guard = stock.lock().await.unwrap();
                        note(guard.guard());
                        guard.release().await;
                    }
                    1 => {
                        let guards = stock.lock_all().await.unwrap();
                        guards.iter().for_each(&note);
                        guards.release().await;
                    }
                    // One that has some of its keys, perhaps, when it gives up: tokens that nobody hears of.
                    2 => drop(locks.try_lock_all(["a", "b", "stock#1"]).await.unwrap()),
                    _ => {
                        let guards = locks.lock_all(["b", "a", ["c", "stock#2"][number / 4 % 2]]).await.unwrap();
                        let fences: Vec<_> = guards.iter().map(LockGuard::fence).collect();
                        assert_eq!(fences.len(), 3);
                        assert!(!fences.contains(&Fence::NONE));
                        guards.iter().for_each(&note);
                        guards.release().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let seen = seen.lock();
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["a", "b", "c", "stock#0", "stock#1", "stock#2"]);
    for (key, fences) in seen.iter() {
        assert!(fences.len() > 5, "{key}: {fences:?}");
        assert!(
            fences.windows(2).all(|pair| pair[0] < pair[1]),
            "noted under the lock, so in order: {key}: {fences:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_several_locks_in_memory() {
    tokens_increase_and_are_given_once(&LockManager::new(MemoryLock::new()).with_wait(60 * SECOND)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_several_locks_on_redis() {
    let config = RedisConfig::new(redis_url().await);
    let backend = RedisLock::new(config.connect().await.unwrap()).with_subscriber(config.subscriber().unwrap());
    let one_by_one = backend.with_namespace(unique("several"));
    // In one script call, several locks get the same number; a key never gets one again.
    for backend in [one_by_one.clone(), one_by_one.with_group_commit(0)] {
        tokens_increase_and_are_given_once(&LockManager::new(backend).with_wait(60 * SECOND)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_several_locks_increase_over_expiries() {
    let locks = LockManager::new(MemoryLock::new());
    let first = locks.lock_all(["a", "b"]).lease(SECOND).await.unwrap();
    assert_eq!(first.lost().await.reason(), LossReason::Expired);
    let second = locks.lock_all(["a", "b"]).await.unwrap();
    assert!(first.iter().zip(&second).all(|(old, new)| old.fence() < new.fence()));
}
