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

struct Seat {
    row: u32,
}

#[distributed_lock(manager = locks, key = "seat:{seat}")]
async fn no_text(locks: &LockManager, seat: Seat) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k", wait = patience)]
async fn no_duration(locks: &LockManager, patience: u64) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k", lease = Some(std::time::Duration::from_secs(1)))]
async fn no_lease(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
