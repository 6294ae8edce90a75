//! Ours, as its documentation uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nebula_delay_queue::{DelayMessage, DelayQueue, Received, RedisDelayQueue};
use nebula_redis::RedisConfig;
use tokio::sync::Notify;

pub(crate) async fn connect(url: &str) -> DelayQueue {
    let redis = RedisConfig::new(url);
    let connection = redis.connect().await.unwrap();
    DelayQueue::new(RedisDelayQueue::new(connection).with_subscriber(redis.subscriber().unwrap()))
}

pub(crate) async fn schedule(queue: &DelayQueue, name: &str, body: &str, delay: Duration) {
    let message = DelayMessage::builder().body(body).delay(delay).build().unwrap();
    assert!(queue.send(name, &message).await.unwrap().is_accepted());
}

/// `number` messages in calls of a hundred.
pub(crate) async fn schedule_batches(queue: &DelayQueue, name: &str, body: &str, delay: Duration, number: usize) {
    let message = || DelayMessage::builder().body(body).delay(delay).build().unwrap();
    for start in (0..number).step_by(100) {
        let messages: Vec<_> = (start..number.min(start + 100)).map(|_| message()).collect();
        queue.send_batch(name, &messages).await.unwrap();
    }
}

/// Runs a worker until it has handled `total` messages.
pub(crate) async fn deliver(queue: &DelayQueue, name: &str, total: usize) {
    let handled = Arc::new(AtomicUsize::new(0));
    let all = Arc::new(Notify::new());
    let handler = {
        let (handled, all) = (Arc::clone(&handled), Arc::clone(&all));
        move |message: Received<String>| {
            std::hint::black_box(message.body());
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == total {
                all.notify_one();
            }
            std::future::ready(())
        }
    };
    let worker = queue.worker(name).unwrap().concurrency(64).handle(handler).start().unwrap();
    all.notified().await;
    let drained = worker.shutdown(Duration::from_secs(60)).await;
    assert_eq!(drained.returned, 0);
}
