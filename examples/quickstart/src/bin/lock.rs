//! Two workers want the same seat; one at a time gets it. `cargo run -p quickstart --bin lock`

use std::time::Duration;

use nebula_lock::{LockManager, MemoryLock};

#[tokio::main]
async fn main() -> Result<(), nebula_lock::Error> {
    // In one process. `RedisLock` in the place of `MemoryLock` makes it many.
    let locks = LockManager::new(MemoryLock::new()).with_prefix("seat:");

    let guard = locks.lock("A-12").wait(Duration::from_secs(2)).await?;
    println!("held, with fence token {}", guard.fence());

    // Held is an answer and not an error.
    assert!(locks.try_lock("A-12").await?.is_none());

    // Work stops when the lock is lost, for example because the server was away for longer than the lease.
    match guard.run(async { "sold" }).await {
        Ok(outcome) => println!("{outcome}"),
        Err(lost) => println!("not sold: {lost}"),
    }
    println!("{:?}", guard.release().await);

    if let Some(guard) = locks.try_lock("A-12").await? {
        println!("held again, with a higher token {}", guard.fence());
        guard.release().await;
    }
    Ok(())
}
