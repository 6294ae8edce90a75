//! Free functions: generics, patterns, visibility, attributes, aliases of `Result`, `Send` futures.
#![deny(warnings)]

use nebula_lock::{LockError, LockManager, MemoryLock, distributed_lock};

type Outcome<T> = Result<T, LockError>;

/// Documented.
#[distributed_lock(manager = locks, key = "generic:{name}:{left}")]
pub async fn generic<T: std::fmt::Display + Send>(
    locks: &LockManager,
    name: T,
    (left, right): (u32, u32),
) -> Outcome<u32> {
    Ok(left + right)
}

mod renamed {
    pub use ::nebula_lock as lock;
}

#[distributed_lock(manager = locks, key = key, crate = renamed::lock)]
async fn owned(
    locks: LockManager,
    key: nebula_lock::LockKey,
    mut list: Vec<u32>,
) -> Outcome<impl Iterator<Item = u32>> {
    list.push(1);
    drop(locks);
    Ok::<_, LockError>(list.into_iter())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_hold_locks() {
    let locks = LockManager::new(MemoryLock::new());
    let spawned = tokio::spawn({
        let locks = locks.clone();
        async move { generic(&locks, "a", (1, 2)).await }
    });
    assert_eq!(spawned.await.unwrap().unwrap(), 3);
    let key = nebula_lock::LockKey::new("owned").unwrap();
    assert_eq!(owned(locks, key, vec![]).await.unwrap().count(), 1);
}
