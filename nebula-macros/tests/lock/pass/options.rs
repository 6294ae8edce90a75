//! `Option` results: `None` when the lock was not to be had, `?` inside, early returns.
#![deny(warnings)]

use nebula_lock::{LockManager, MemoryLock, distributed_lock};

#[distributed_lock(manager = locks, key = "sweep:{shard}", wait = "0s")]
async fn sweep(locks: &LockManager, shard: u8, text: &str) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let number: u32 = text.parse().ok()?;
    Some(number + 1)
}

#[distributed_lock(manager = locks, key = key)]
async fn keyed(locks: &LockManager, key: &str) -> Option<()> {
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn optional_work_is_skipped() {
    let locks = LockManager::new(MemoryLock::new());
    assert_eq!(sweep(&locks, 1, "41").await, Some(42));
    assert_eq!(sweep(&locks, 1, "x").await, None);
    assert_eq!(sweep(&locks, 1, "").await, None);
    let busy = locks.lock("sweep:1").await.unwrap();
    assert_eq!(sweep(&locks, 1, "41").await, None);
    assert_eq!(sweep(&locks, 2, "41").await, Some(42));
    busy.release().await;
    assert_eq!(sweep(&locks, 1, "41").await, Some(42));
    assert_eq!(keyed(&locks, "").await, None);
    assert_eq!(locks.health().await.unwrap().held, 0);
}
