//! Renewal and loss, on paused time: every instant is exact.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use nebula_lock::{ErrorKind, LockManager, LossReason, MemoryLock, Release};
use support::{Faulty, Mood};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// What a lease of 30 s is worth on the local clock: less 1 % and 2 ms.
const TRUSTED: Duration = Duration::from_millis(29_698);

fn manager(backend: &Faulty) -> LockManager {
    LockManager::new(backend.clone()).with_lease(30 * SECOND)
}

#[tokio::test(start_paused = true)]
async fn renews_every_third_of_the_lease() {
    let backend = Faulty::default();
    let guard = manager(&backend).lock("key").await.unwrap();
    for (pass, renewals) in [(9, 0), (2, 1), (10, 2), (10, 3), (270, 30)] {
        sleep(pass * SECOND).await;
        assert_eq!(backend.count("renew"), renewals);
    }
    assert!(!guard.is_lost());
    assert_eq!(guard.release().await, Release::Released);
    sleep(60 * SECOND).await;
    assert_eq!(backend.count("renew"), 30, "nothing is renewed after the release");
}

#[tokio::test(start_paused = true)]
async fn an_explicit_lease_ends_without_renewal() {
    let backend = Faulty::default();
    let start = Instant::now();
    let guard = manager(&backend).lock("key").lease(30 * SECOND).await.unwrap();
    let lost = guard.lost().await;
    assert_eq!((lost.reason(), lost.key().as_str()), (LossReason::Expired, "key"));
    assert!(start.elapsed() >= TRUSTED && start.elapsed() < 30 * SECOND, "{:?}", start.elapsed());
    assert_eq!(backend.inner.held(), 1, "the holder knows before the backend lets go");
    assert_eq!(backend.count("renew"), 0);
    assert_eq!(guard.release().await, Release::AlreadyLost);
}

#[tokio::test(start_paused = true)]
async fn a_short_watchdog_gives_up_nothing_of_a_long_first_lease() {
    let backend = Faulty::default();
    let start = Instant::now();
    let guard = manager(&backend).with_watchdog(3 * SECOND).lock("key").await.unwrap();
    // Renewals arrive, and nobody hears of it.
    backend.becomes(Mood::Mute);
    assert_eq!(guard.lost().await.reason(), LossReason::Expired);
    assert!(start.elapsed() >= TRUSTED && backend.count("renew") > 3, "{:?}", start.elapsed());
    assert_eq!(backend.inner.held(), 1, "the holder knows before the backend lets go");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_hold_at_the_local_deadline() {
    for mood in [Mood::Deaf, Mood::Mute, Mood::Refuses(ErrorKind::Unavailable), Mood::Refuses(ErrorKind::ReadOnly)] {
        let backend = Faulty::default();
        let start = Instant::now();
        let guard = manager(&backend).lock("key").await.unwrap();
        backend.becomes(mood);
        assert_eq!(guard.lost().await.reason(), LossReason::Expired);
        assert!(start.elapsed() >= TRUSTED && start.elapsed() < 30 * SECOND, "{mood:?}: {:?}", start.elapsed());
        assert!(backend.count("renew") > 3, "{mood:?}: a failed renewal is tried again");
        backend.becomes(Mood::Fine);
        sleep(60 * SECOND).await;
        assert!(guard.is_lost(), "for good");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_which_nothing_was_heard_keeps_nobody_waiting() {
    let backend = Faulty::default();
    let guard = manager(&backend).lock("key").await.unwrap();
    // Renewals are carried out for a while, and nobody hears of it.
    backend.becomes(Mood::Mute);
    sleep(25 * SECOND).await;
    backend.becomes(Mood::Deaf);
    assert_eq!(guard.lost().await.reason(), LossReason::Expired);
    backend.becomes(Mood::Fine);
    assert_eq!(backend.inner.held(), 1, "the holder knows before the backend lets go");
    sleep(5 * SECOND).await;
    assert_eq!(backend.inner.held(), 0, "otherwise it would take twenty more seconds");
    assert_eq!(guard.release().await, Release::AlreadyLost);
    let locks = manager(&backend);
    assert_eq!(locks.lock("key").await.unwrap().release().await, Release::Released);
    // Where every renewal was heard of, there is nothing to take back.
    let (guard, released) = (locks.lock("other").lease(SECOND).await.unwrap(), backend.count("release"));
    guard.lost().await;
    sleep(5 * SECOND).await;
    assert_eq!(backend.count("release"), released);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_is_no_loss() {
    let backend = Faulty::default();
    let guard = manager(&backend).lock("key").await.unwrap();
    for _ in 0..5 {
        backend.becomes(Mood::Refuses(ErrorKind::Unavailable));
        sleep(15 * SECOND).await;
        backend.becomes(Mood::Fine);
        sleep(20 * SECOND).await;
        assert!(!guard.is_lost());
    }
    assert_eq!(guard.release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_gone_is_lost_at_the_next_renewal() {
    let backend = Faulty::default();
    let locks = manager(&backend);
    let start = Instant::now();
    let guard = locks.lock("key").await.unwrap();
    let holder = locks.inspect("key").await.unwrap().unwrap();
    let claim = nebula_lock::Claim::new(guard.key().clone(), *holder.owner());
    nebula_lock::DistributedLock::release(&backend.inner, &claim).await.unwrap();
    assert_eq!(guard.lost().await.reason(), LossReason::Gone);
    assert!(start.elapsed() < 11 * SECOND);
    assert_eq!(guard.run(async {}).await.unwrap_err().reason(), LossReason::Gone);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_beyond_the_longest_hold() {
    let backend = Faulty::default();
    let start = Instant::now();
    let guard = manager(&backend).with_max_hold(45 * SECOND).lock("key").await.unwrap();
    assert_eq!(guard.lost().await.reason(), LossReason::MaxHold);
    assert!(start.elapsed() > 44 * SECOND && start.elapsed() <= 45 * SECOND, "{:?}", start.elapsed());
    sleep(SECOND).await;
    assert_eq!(backend.inner.held(), 0, "the last renewal asked for no more than was left");
}

#[tokio::test(start_paused = true)]
async fn a_release_waits_for_the_renewal_on_its_way() {
    let backend = Faulty::default();
    let guard = manager(&backend).lock("key").await.unwrap();
    backend.becomes(Mood::Slow(SECOND));
    sleep(10 * SECOND + SECOND / 2).await;
    assert_eq!(backend.log().last().map(String::as_str), Some("renew"), "one is on its way");
    assert_eq!(guard.release().await, Release::Released);
    let log = backend.log();
    assert_eq!(log[log.len() - 4..], ["renew", "renew done", "release", "release done"]);
}

#[tokio::test(start_paused = true)]
async fn work_is_stopped_when_the_lock_is_lost() {
    let backend = Faulty::default();
    let guard = manager(&backend).lock("key").await.unwrap();
    backend.becomes(Mood::Deaf);
    let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
    let work = async move {
        let _alive = alive;
        std::future::pending::<()>().await;
    };
    assert_eq!(guard.run(work).await.unwrap_err().reason(), LossReason::Expired);
    assert!(dropped.await.is_err(), "the future was dropped");
}

#[tokio::test(start_paused = true)]
async fn work_that_blocks_beyond_the_lease_does_not_pass_for_protected() {
    let backend = Faulty::default();
    let guard = manager(&backend).lock("key").lease(SECOND).await.unwrap();
    // Time passes within one poll, as it does for code that never yields.
    let lost = guard.run(async { tokio::time::advance(5 * SECOND).await }).await;
    assert_eq!(lost.unwrap_err().reason(), LossReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_what_was_released_is_no_loss() {
    let locks = LockManager::new(MemoryLock::new());
    let (released, dropped) = (locks.lock("released").await.unwrap(), locks.lock("dropped").await.unwrap());
    let kept = locks.lock("kept").await.unwrap();
    sleep(15 * SECOND).await;
    let lost = [released.lost(), dropped.lost(), kept.lost()];
    assert_eq!(released.release().await, Release::Released);
    drop((dropped, kept));
    for lost in lost {
        assert!(timeout(3600 * SECOND, lost).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_watched_a_writer_hears_of_the_loss_of_the_reader_that_it_became() {
    let backend = Faulty::default();
    let writer = manager(&backend).write("key").await.unwrap();
    let lost = writer.lost();
    let reader = writer.downgrade().await.unwrap();
    backend.becomes(Mood::Deaf);
    assert_eq!(timeout(3600 * SECOND, lost).await.unwrap().reason(), LossReason::Expired);
    assert!(reader.is_lost());
}
