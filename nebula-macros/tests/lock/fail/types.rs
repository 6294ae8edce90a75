#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_lock::{LockError, LockManager, distributed_lock};

#[distributed_lock(manager = locks, key = "k")]
async fn no_conversion(locks: &LockManager) -> Result<(), std::num::ParseIntError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k")]
async fn no_manager(locks: &str) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = 7)]
async fn no_key(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k")]
async fn no_room(locks: &LockManager) -> u32 {
    7
}

fn main() {}
