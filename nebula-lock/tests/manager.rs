//! Waiting, clean-up and shutdown, on paused time and a backend that misbehaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::future::IntoFuture;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::{Error, ErrorKind, LockKey, LockManager, LossReason, MemoryLock, Owner, Release, Shutdown};
use support::{Faulty, Mood};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_in_time() {
    let locks = LockManager::new(MemoryLock::new());
    let _guard = locks.lock("key").await.unwrap();
    let start = Instant::now();
    let error = locks.lock("key").wait(2 * SECOND).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::WaitTimeout, true));
    assert_eq!(error.to_string(), "lock not free in time (lock `key`): still held by another owner after 2s");
    assert!(locks.try_lock_for("key", SECOND).await.unwrap().is_none());
    assert!(locks.try_lock("key").await.unwrap().is_none());
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_refused() {
    let locks = LockManager::new(MemoryLock::new()).with_prefix("tenant:");
    assert_eq!(kind(locks.lock("").await), Some(ErrorKind::InvalidKey));
    assert_eq!(kind(locks.lock("k".repeat(LockKey::MAX_BYTES)).await), Some(ErrorKind::InvalidKey), "with the prefix");
    assert_eq!(kind(locks.lock("key").lease(Duration::ZERO).await), Some(ErrorKind::InvalidLease));
    assert_eq!(kind(locks.lock("key").lease(Duration::MAX).await), Some(ErrorKind::InvalidLease));
    assert_eq!(kind(locks.lock("key").wait(Duration::MAX).await), Some(ErrorKind::InvalidWait));
    // What is left of two milliseconds after the margin for drift is nothing.
    assert_eq!(kind(locks.lock("key").lease(Duration::from_millis(2)).await), Some(ErrorKind::InvalidLease));
    assert!(locks.lock("key").await.unwrap().key().as_str().starts_with("tenant:"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_refusal() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    backend.becomes(Mood::Refuses(ErrorKind::Unavailable));
    assert_eq!(kind(locks.try_lock("key").await), Some(ErrorKind::Unavailable));
    assert_eq!(kind(locks.try_lock_for("key", 5 * SECOND).await), Some(ErrorKind::Unavailable), "not `None`");
    assert_eq!(kind(locks.health().await), Some(ErrorKind::Unavailable));
    backend.becomes(Mood::Refuses(ErrorKind::Auth));
    let before = backend.count("acquire");
    assert_eq!(kind(locks.lock("key").await), Some(ErrorKind::Auth));
    assert_eq!(backend.count("acquire"), before + 1, "what cannot pass is not retried");
    backend.becomes(Mood::Deaf);
    assert_eq!(kind(locks.try_lock("key").await), Some(ErrorKind::OutcomeUnknown));
    assert_eq!(kind(locks.health().await), Some(ErrorKind::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_refusal_for_those_who_wait_behind_others_either() {
    for mood in [Mood::Refuses(ErrorKind::Unavailable), Mood::Refuses(ErrorKind::ReadOnly), Mood::Deaf, Mood::Mute] {
        let backend = Faulty::default();
        let locks = LockManager::new(backend.clone());
        backend.becomes(mood);
        let owner = Owner::random();
        let start = Instant::now();
        let patient: Vec<_> = (1..=5).map(|wait| locks.try_lock_for("key", wait * SECOND).into_future()).collect();
        let brief: Vec<_> = (1..=3).map(|_| locks.try_lock_for("key", SECOND / 100).into_future()).collect();
        let owned: Vec<_> = (1..=3).map(|_| locks.try_lock_for("owned", SECOND).owner(owner).into_future()).collect();
        for outcome in join_all(patient.into_iter().chain(brief).chain(owned)).await {
            let error = outcome.expect_err("nobody said that it is held");
            assert!(!matches!(error.kind(), ErrorKind::WaitTimeout), "{mood:?}: {error}");
            assert!(error.is_retryable(), "{mood:?}: {error}");
        }
        assert!(start.elapsed() <= 8 * SECOND + SECOND / 100, "the wait and one command: {:?}", start.elapsed());
        // Then those that are held by another caller of the process are refused, as before.
        backend.becomes(Mood::Fine);
        sleep(10 * SECOND).await;
        let guard = locks.lock("key").await.unwrap();
        backend.becomes(mood);
        assert_eq!(locks.try_lock_for("key", SECOND).await.unwrap().map(drop), None, "{mood:?}: it is held");
        drop(guard);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_passes_is_waited_for() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    backend.becomes(Mood::Refuses(ErrorKind::Unavailable));
    let waiting = tokio::spawn(locks.lock("key").wait(10 * SECOND).into_future());
    sleep(5 * SECOND).await;
    backend.becomes(Mood::Fine);
    assert_eq!(waiting.await.unwrap().unwrap().release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_without_reply_is_taken_back() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    backend.becomes(Mood::Grabs);
    assert_eq!(kind(locks.try_lock("key").await), Some(ErrorKind::OutcomeUnknown));
    assert_eq!(backend.inner.held(), 1, "the backend has it");
    backend.becomes(Mood::Fine);
    sleep(5 * SECOND).await;
    assert_eq!(backend.inner.held(), 0, "long before the lease ends");
    assert_eq!(locks.shutdown(SECOND).await, Shutdown::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_finds_its_own_lock() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    backend.becomes(Mood::Mute);
    let waiting = tokio::spawn(locks.lock("key").into_future());
    sleep(SECOND).await;
    backend.becomes(Mood::Fine);
    assert_eq!(waiting.await.unwrap().unwrap().release().await, Release::Released);
    assert_eq!(backend.inner.held(), 0);
    sleep(SECOND).await;
    assert_eq!(backend.count("release"), 3, "an echo of the first attempt would be taken back");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_left_during_a_slow_reply_gets_no_lock() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    backend.becomes(Mood::Slow(SECOND));
    let mut request = locks.lock("key").into_future();
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    sleep(SECOND / 2).await;
    assert_eq!(backend.inner.held(), 1);
    drop(request);
    sleep(SECOND * 2).await;
    assert_eq!((backend.inner.held(), backend.count("release")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_release_goes_on_in_the_background() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let guard = locks.lock("key").await.unwrap();
    backend.becomes(Mood::Deaf);
    assert_eq!(guard.release().await, Release::Unknown);
    backend.becomes(Mood::Fine);
    sleep(5 * SECOND).await;
    assert_eq!(backend.inner.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains() {
    let locks = LockManager::new(MemoryLock::new());
    let guard = locks.lock("key").await.unwrap();
    let waiting = tokio::spawn(locks.lock("key").into_future());
    let shutdown = tokio::spawn({
        let locks = locks.clone();
        async move { locks.shutdown(60 * SECOND).await }
    });
    assert_eq!(kind(waiting.await.unwrap()), Some(ErrorKind::ShutDown));
    assert_eq!(kind(locks.try_lock("other").await), Some(ErrorKind::ShutDown));
    sleep(40 * SECOND).await;
    assert!(!guard.is_lost(), "holders are renewed while they finish");
    assert_eq!(guard.release().await, Release::Released);
    assert_eq!(shutdown.await.unwrap(), Shutdown::Drained);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_ever() {
    let backend = MemoryLock::new();
    let locks = LockManager::new(backend.clone());
    let guard = locks.lock("key").await.unwrap();
    assert_eq!(locks.shutdown(5 * SECOND).await, Shutdown::TimedOut { held: 1 });
    assert_eq!(guard.lost().await.reason(), LossReason::ShutDown);
    assert_eq!(backend.held(), 1, "its holder may still be at work");
    drop(guard);
    sleep(SECOND).await;
    assert_eq!(backend.held(), 0, "now it has ended");
}

#[test]
fn a_lock_can_be_released_after_the_end_of_its_runtime() {
    let backend = MemoryLock::new();
    let locks = LockManager::new(backend.clone());
    let first = tokio::runtime::Runtime::new().unwrap();
    let guard = first.block_on(locks.lock("key").into_future()).unwrap();
    drop(first);
    let second = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(second.block_on(guard.release()), Release::Released);
    assert_eq!(backend.held(), 0);
    assert_eq!(second.block_on(async { locks.lock("key").await.unwrap().release().await }), Release::Released);
}

#[test]
fn a_hold_whose_keeper_went_down_with_its_runtime_has_an_unknown_end() {
    let locks = LockManager::new(MemoryLock::new());
    let first = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let guard = first.block_on(locks.lock("key").into_future()).unwrap();
    // The first renewal has taken place, so there is a keeper.
    first.block_on(async { sleep(11 * SECOND).await });
    drop(first);
    let second = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(second.block_on(guard.release()), Release::Unknown);
}

#[test]
fn a_loss_is_told_on_whatever_runtime_waits_for_it() {
    let locks = LockManager::new(MemoryLock::new());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // With a keeper, which goes down as well, and without.
    for (key, held) in [("kept", 11 * SECOND), ("rests", Duration::ZERO)] {
        let first = runtime();
        let (guard, waiting) = first.block_on(async {
            let guard = locks.lock(key).await.unwrap();
            sleep(held).await;
            let mut waiting = Box::pin(guard.lost());
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            (guard, waiting)
        });
        drop(first);
        let second = runtime();
        second.block_on(async {
            for lost in [waiting, Box::pin(guard.lost())] {
                assert_eq!(timeout(3600 * SECOND, lost).await.unwrap().reason(), LossReason::Expired, "{key}");
            }
            assert!(guard.is_lost() && guard.run(std::future::pending::<()>()).await.is_err());
        });
        assert_eq!(second.block_on(guard.release()), Release::AlreadyLost);
    }
}

#[test]
fn nothing_panics_without_a_runtime() {
    let backend = MemoryLock::new();
    let locks = LockManager::new(backend.clone());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (kept, dropped) =
        runtime.block_on(async { (locks.lock("kept").await.unwrap(), locks.lock("dropped").await.unwrap()) });
    drop(dropped);
    drop(runtime);
    assert!(pin!(kept.lost()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(kept);
    let mut request = locks.lock("key").into_future();
    let std::task::Poll::Ready(result) = request.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits for a runtime that is not there");
    };
    assert_eq!(kind(result), Some(ErrorKind::ConfigInvalid));
}

#[tokio::test(start_paused = true)]
async fn of_one_process_one_caller_contends() {
    for (queue, most) in [(true, 110), (false, usize::MAX)] {
        let backend = Faulty::default();
        let locks = LockManager::new(backend.clone()).with_local_queue(queue);
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let request = locks.lock("key").wait(100 * SECOND).into_future();
                tokio::spawn(async {
                    let guard = request.await.unwrap();
                    tokio::task::yield_now().await;
                    guard.release().await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Release::Released);
        }
        let attempts = backend.count("acquire");
        assert!((100..=most).contains(&attempts), "{attempts} attempts for 100 locks");
        assert!(queue || attempts > 200, "without the queue everybody asks: {attempts}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_queue_of_a_process_lets_others_pass() {
    let locks = LockManager::new(MemoryLock::new());
    let guard = locks.lock("key").await.unwrap();
    let patient = tokio::spawn(locks.lock("key").wait(9 * SECOND).into_future());
    let short = tokio::spawn(locks.lock("key").wait(SECOND).into_future());
    let aborted = tokio::spawn(locks.lock("key").wait(9 * SECOND).into_future());
    let last = tokio::spawn(locks.lock("key").wait(9 * SECOND).into_future());
    assert_eq!(kind(short.await.unwrap()), Some(ErrorKind::WaitTimeout));
    aborted.abort();
    assert_eq!(guard.release().await, Release::Released);
    assert_eq!(patient.await.unwrap().unwrap().release().await, Release::Released);
    let guard = last.await.unwrap().unwrap();
    // A lock that is lost is no longer in the way of others of the process, even if its guard is kept.
    drop(locks.lock("other").lease(SECOND).await.unwrap());
    let kept = locks.lock("other").lease(SECOND).await.unwrap();
    assert!(locks.lock("other").wait(5 * SECOND).await.is_ok());
    assert!(kept.is_lost());
    drop(guard);
}
