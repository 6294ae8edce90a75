#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_lock::{LockError, LockManager, distributed_lock};

#[distributed_lock]
async fn nothing(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k", name = "x", wiat = "2s")]
async fn unknown(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k", key = "l")]
async fn twice(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key)]
async fn bare(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k", wait = 5, lease = "soon", fence = 1 + 1, crate = "x")]
async fn values(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
