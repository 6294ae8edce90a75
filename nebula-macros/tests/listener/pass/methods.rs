//! Methods, also of generic types.
#![deny(warnings)]

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Received, delay_queue_listener};
use tokio::sync::mpsc::UnboundedSender;

struct Orders<N> {
    cancelled: UnboundedSender<u64>,
    _naming: N,
}

impl<N: Send + Sync + 'static> Orders<N> {
    #[delay_queue_listener(queue = "order.timeout", concurrency = 4)]
    async fn timeout(&self, order: u64) -> Result<(), String> {
        self.cancelled.send(order).map_err(|error| error.to_string())
    }

    #[delay_queue_listener(queue = "order.late")]
    pub(crate) async fn late(self: Arc<Self>, factor: u64, order: Received<u64>) {
        self.cancelled.send(order.body() * factor).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_listen() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let (cancelled, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let orders = Arc::new(Orders { cancelled, _naming: "any" });
    queue.listen(Arc::clone(&orders).timeout_listener()).unwrap().start().unwrap();
    queue.listen(orders.late_listener(10)).unwrap().start().unwrap();
    queue.send("order.timeout", &DelayMessage::new(7u64)).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), 7);
    queue.send("order.late", &DelayMessage::new(7u64)).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), 70);
    queue.shutdown(Duration::from_secs(10)).await;
}
