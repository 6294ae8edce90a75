//! Locks that one owner takes several times.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::future::IntoFuture;
use std::time::Duration;

use nebula_lock::{ErrorKind, LockManager, LossReason, MemoryLock, Mode, Owner, Release};
use support::Faulty;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_last_guard_releases() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let owner = Owner::random();
    let outer = locks.lock("key").owner(owner).await.unwrap();
    let inner = locks.try_lock("key").owner(owner).await.unwrap().unwrap();
    let cloned = inner.reenter();
    assert_eq!((inner.fence(), cloned.fence()), (outer.fence(), outer.fence()));
    assert_eq!(backend.count("acquire"), 1, "the backend is asked once");
    assert_eq!(outer.release().await, Release::StillHeld);
    drop(cloned);
    assert!(locks.try_lock("key").await.unwrap().is_none());
    assert!(locks.try_lock("key").owner(Owner::random()).await.unwrap().is_none(), "another owner");
    assert!(locks.try_lock("other").owner(owner).await.unwrap().is_some(), "another key");
    let fence = inner.fence();
    assert_eq!(inner.release().await, Release::Released);
    assert!(locks.lock("key").owner(owner).await.unwrap().fence() > fence, "a new hold");
}

#[tokio::test(start_paused = true)]
async fn a_release_on_its_way_cannot_hit_the_next_hold_of_the_owner() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let owner = Owner::random();
    drop(locks.lock("key").owner(owner).await.unwrap());
    let guard = locks.lock("key").owner(owner).await.unwrap();
    guard.run(tokio::time::sleep(60 * SECOND)).await.unwrap();
    assert_eq!(backend.inner.held(), 1);
    assert_eq!(guard.release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn tasks_of_one_owner_share_one_hold() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let rival = locks.lock("key").await.unwrap();
    let owner = Owner::random();
    let tasks: Vec<_> = (0..10).map(|_| tokio::spawn(locks.lock("key").owner(owner).into_future())).collect();
    tokio::time::sleep(SECOND).await;
    rival.release().await;
    let mut guards = Vec::new();
    for task in tasks {
        guards.push(task.await.unwrap().unwrap());
    }
    assert!(guards.iter().all(|guard| guard.fence() == guards[0].fence()));
    drop(guards);
    tokio::time::sleep(SECOND).await;
    assert_eq!((backend.inner.held(), backend.count("release")), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_hold_gives_no_more_than_it_has() {
    let locks = LockManager::new(MemoryLock::new());
    let owner = Owner::random();
    let outer = locks.lock("key").owner(owner).lease(5 * SECOND).await.unwrap();
    assert!(locks.lock("key").owner(owner).lease(4 * SECOND).await.is_ok());
    for longer in [locks.lock("key").owner(owner), locks.lock("key").owner(owner).lease(6 * SECOND)] {
        assert_eq!(longer.await.unwrap_err().kind(), ErrorKind::InvalidLease);
    }
    assert_eq!(locks.read("key").owner(owner).await.unwrap_err().kind(), ErrorKind::Unsupported);
    drop(outer);

    let writer = locks.write("rw").owner(owner).await.unwrap();
    let reader = locks.read("rw").owner(owner).await.unwrap();
    assert_eq!((reader.fence(), reader.mode()), (writer.fence(), Mode::Write));
    assert_eq!(writer.downgrade().await.unwrap_err().kind(), ErrorKind::Unsupported, "the other guard is a writer's");
    assert_eq!(reader.release().await, Release::Released);
}

#[tokio::test(start_paused = true)]
async fn a_lost_hold_is_lost_for_all_and_can_be_taken_anew() {
    let locks = LockManager::new(MemoryLock::new());
    let owner = Owner::random();
    let outer = locks.lock("key").owner(owner).lease(SECOND).await.unwrap();
    let inner = locks.lock("key").owner(owner).lease(SECOND / 2).await.unwrap();
    assert_eq!(inner.lost().await.reason(), LossReason::Expired);
    assert!(outer.is_lost());
    let anew = locks.lock("key").owner(owner).await.unwrap();
    assert!(anew.fence() > outer.fence());
    assert_eq!((outer.release().await, inner.release().await), (Release::AlreadyLost, Release::AlreadyLost));
    assert_eq!(anew.release().await, Release::Released);
}
