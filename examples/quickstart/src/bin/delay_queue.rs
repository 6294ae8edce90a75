//! An order that is not paid in time is cancelled. `cargo run -p quickstart --bin delay_queue`

use std::time::Duration;

use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Received, RetryPolicy};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Serialize, Deserialize)]
struct OrderTimeout {
    order: u64,
}

#[tokio::main]
async fn main() -> nebula_delay_queue::Result<()> {
    // In one process. The SQL and Redis backends outlive it, and share the work between several.
    let queue = DelayQueue::new(MemoryDelayQueue::new());

    let (cancelled, mut cancellations) = mpsc::unbounded_channel();
    let cancel = move |timeout: Received<OrderTimeout>| {
        let cancelled = cancelled.clone();
        async move {
            // The first attempt fails, as attempts do; the queue tries again.
            if timeout.attempt() == 1 {
                return Err("the database is away");
            }
            cancelled.send(timeout.body().order).map_err(|_| "nobody listens")
        }
    };
    let again_soon = RetryPolicy::fixed(3, Duration::from_millis(50));
    let worker = queue.worker("order.timeout")?.retry(again_soon).handle(cancel).start()?;

    // Fifteen minutes in real life.
    let delay = Duration::from_millis(200);
    for order in [4711, 4712] {
        let message = DelayMessage::builder().id(format!("order-{order}")).body(OrderTimeout { order }).delay(delay);
        queue.send("order.timeout", &message.build()?).await?;
    }

    // The buyer of 4711 has paid, so nothing is to happen to that order.
    println!("order 4711: {:?}", queue.cancel("order.timeout", "order-4711").await?);

    if let Some(order) = cancellations.recv().await {
        println!("order {order} was not paid in time");
    }
    worker.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
