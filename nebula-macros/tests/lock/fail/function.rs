#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_lock::{LockError, LockManager, distributed_lock};

#[distributed_lock(manager = locks, key = "k")]
fn blocking(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(manager = locks, key = "k")]
async fn silent(locks: &LockManager) {}

#[distributed_lock(manager = locks, key = "k")]
struct NoFunction;

fn main() {}
