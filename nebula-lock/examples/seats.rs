//! Fifty buyers, ten seats: each seat is sold once, and a buyer that stalls beyond its lease cannot spoil a later sale.
//!
//! `cargo run -p nebula-lock --example seats`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nebula_lock::{Fence, LockError, LockManager, MemoryLock, distributed_lock};

/// The resource behind the locks. It remembers the greatest fence token of each seat and refuses older ones.
#[derive(Default)]
struct Ledger(Mutex<HashMap<u32, (Fence, String)>>);

impl Ledger {
    fn sell(&self, seat: u32, buyer: &str, fence: Fence) -> bool {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.get(&seat).is_some_and(|(last, owner)| *last >= fence || !owner.is_empty()) {
            return false;
        }
        seats.insert(seat, (fence, buyer.to_owned()));
        true
    }
}

struct BoxOffice {
    locks: LockManager,
    ledger: Ledger,
}

impl BoxOffice {
    #[distributed_lock(manager = self.locks, key = "seat:{seat}", wait = "5s", fence = fence)]
    async fn buy(&self, seat: u32, buyer: String) -> Result<bool, LockError> {
        // As slow as a real database.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(self.ledger.sell(seat, &buyer, fence))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let office = Arc::new(BoxOffice { locks: LockManager::new(MemoryLock::new()), ledger: Ledger::default() });
    let buyers: Vec<_> = (0..50_u32)
        .map(|number| {
            let office = Arc::clone(&office);
            tokio::spawn(async move { office.buy(number % 10, format!("buyer {number}")).await })
        })
        .collect();
    let mut sold = 0;
    for buyer in buyers {
        sold += u32::from(buyer.await??);
    }
    println!("{sold} of 10 seats sold to 50 buyers");
    if sold != 10 {
        return Err(format!("{sold} sales of 10 seats").into());
    }

    // A lease that ends under its holder: the holder is told, and its work is stopped.
    let guard = office.locks.lock("seat:11").lease(Duration::from_millis(50)).await?;
    let stalled = guard.run(tokio::time::sleep(Duration::from_secs(60))).await;
    println!("a buyer that stalls: {}", stalled.err().ok_or("it should have been told")?);
    println!("shutdown: {:?}", office.locks.shutdown(Duration::from_secs(5)).await);
    Ok(())
}
