#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_lock::{LockError, LockManager, distributed_lock};

#[distributed_lock(manager = locks, key = "seat:{saet}")]
async fn misspelt(locks: &LockManager, seat: u32) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "seat:{}")]
async fn empty_hole(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "seat:{seat.len()}")]
async fn call(locks: &LockManager, seat: String) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "seat:{seat")]
async fn unclosed(locks: &LockManager, seat: u32) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "seat:seat}")]
async fn unopened(locks: &LockManager, seat: u32) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "")]
async fn empty(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "seat:{seat:?}")]
async fn format_of_a_hole(locks: &LockManager, seat: u32) -> Result<(), LockError> {
    Ok(())
}

static LOCKS: std::sync::LazyLock<LockManager> =
    std::sync::LazyLock::new(|| LockManager::new(nebula_lock::MemoryLock::new()));

#[distributed_lock(manager = LOCKS, key = "seat:{seat}")]
async fn no_arguments() -> Result<(), LockError> {
    Ok(())
}

struct Seat {
    row: u32,
}

#[distributed_lock(manager = locks, key = "seat:{seat.rwo}")]
async fn field(locks: &LockManager, seat: Seat) -> Result<u32, LockError> {
    Ok(seat.row)
}

fn main() {}
