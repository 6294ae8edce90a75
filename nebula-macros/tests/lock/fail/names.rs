#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_lock::{LockError, LockManager, distributed_lock};

const SHOW: &str = "concert";

#[distributed_lock(manager = locks, key = "seat:{SHWO}:{seat}")]
async fn misspelt_constant(locks: &LockManager, seat: u32) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
