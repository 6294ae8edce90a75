//! A seat, held for its buyer and released unless paid: `cargo run -p quickstart --bin together`

use std::time::Duration;

use nebula_auth::{AccessGrant, Algorithm, KeySet, SigningKey, TokenService, secrecy::ExposeSecret};
use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Received};
use nebula_lock::{LockManager, MemoryLock};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "2026-11")?);
    let tokens = TokenService::new(keys, "https://tickets.example", "shop")?;
    let (locks, queue) = (LockManager::new(MemoryLock::new()), DelayQueue::new(MemoryDelayQueue::new()));
    let cancel = async |order: Received<u32>| println!("order {} was not paid in time", order.body());
    let worker = queue.worker("order.timeout")?.handle(cancel).start()?;

    let token = tokens.issue(&AccessGrant::new("ada"))?.token; // what Ada got when she logged in
    let buyer = tokens.verify(token.expose_secret()).await?.into_result()?;
    let seat = locks.lock("seat:A-12").wait(Duration::from_secs(2)).await?;
    println!("{} goes to {}", seat.key(), buyer.subject());
    let order = DelayMessage::builder().body(4711).delay(Duration::from_millis(100)).build()?;
    queue.send("order.timeout", &order).await?;
    seat.release().await;

    tokio::time::sleep(Duration::from_millis(300)).await;
    worker.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
