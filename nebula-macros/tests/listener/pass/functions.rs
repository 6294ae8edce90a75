//! Free functions: state by value and by reference, bodies and whole messages, every kind of result, options.
#![deny(warnings)]

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::{
    DelayMessage, DelayQueue, MemoryDelayQueue, Outcome, Received, RetryPolicy, delay_queue_listener,
};
use tokio::sync::mpsc::UnboundedSender;

type Sink = UnboundedSender<String>;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Order {
    number: u64,
}

/// Documented.
#[delay_queue_listener(queue = "whole", concurrency = 2, prefetch = 0, lease = "10s")]
pub async fn whole(sink: &Sink, message: Received<Order>) {
    let (attempt, order) = (message.attempt(), message.into_body());
    sink.send(format!("order {} at attempt {attempt}", order.number)).unwrap();
}

const QUEUE: &str = "state";

#[delay_queue_listener(
    queue = QUEUE,
    handler_timeout = Duration::from_secs(5),
    poll_interval = "100ms",
    retry = RetryPolicy::none(),
)]
async fn several(sink: Sink, prefix: &Arc<str>, Order { number }: Order) -> Outcome {
    sink.send(format!("{prefix}{number}")).unwrap();
    Outcome::Done
}

mod renamed {
    pub use ::nebula_delay_queue as queues;
}

#[delay_queue_listener(queue = "failing", retry_times = 1, retry_interval = "1ms", crate = renamed::queues)]
async fn failing(sink: Sink, text: String) -> Result<Outcome, std::fmt::Error> {
    sink.send(text).unwrap();
    Err(std::fmt::Error)
}

#[delay_queue_listener(queue = "stateless")]
async fn stateless(_: ()) -> Result<(), std::io::Error> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_listen() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let (sink, mut heard) = tokio::sync::mpsc::unbounded_channel();
    queue.listen(whole_listener(sink.clone())).unwrap().start().unwrap();
    queue.listen(several_listener(sink.clone(), "#".into())).unwrap().start().unwrap();
    queue.listen(failing_listener(sink)).unwrap().start().unwrap();
    queue.listen(stateless_listener()).unwrap().start().unwrap();
    assert_eq!(stateless_listener().queue(), "stateless");

    queue.send("whole", &DelayMessage::new(Order { number: 1 })).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), "order 1 at attempt 1");
    queue.send("state", &DelayMessage::new(Order { number: 2 })).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), "#2");
    queue.send("failing", &DelayMessage::new("again")).await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), "again");
    assert_eq!(heard.recv().await.unwrap(), "again");
    queue.shutdown(Duration::from_secs(10)).await;
    assert_eq!(queue.dead_letters("failing", 0, 10).await.unwrap().len(), 1);
}
