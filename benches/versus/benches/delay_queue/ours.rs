//! Ours, as its documentation uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nebula_delay_queue::{DelayMessage, DelayQueue, Received, RedisDelayQueue, Worker};
use nebula_redis::RedisConfig;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{HANDLERS, HOUR, PREFETCH};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn connect(url: &str) -> DelayQueue {
    // As patient as the limit: a million messages take their time on a machine that does other things as well.
    let redis = RedisConfig::new(url).with_response_timeout(PATIENCE);
    let connection = redis.connect().await.unwrap();
    let queue = RedisDelayQueue::new(connection).with_subscriber(redis.subscriber().unwrap());
    DelayQueue::new(queue.with_timeout(PATIENCE))
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

/// `number` messages that are all due at one instant, in calls of five hundred.
pub(crate) async fn schedule_at(queue: &DelayQueue, name: &str, body: &str, due: Instant, number: usize) {
    let mut calls = tokio::task::JoinSet::new();
    for start in (0..number).step_by(500) {
        let (queue, name, body) = (queue.clone(), name.to_owned(), body.to_owned());
        calls.spawn(async move {
            let delay = due.checked_duration_since(Instant::now()).expect("the machine is too slow to send in time");
            let message = |_| DelayMessage::builder().body(&body).delay(delay).build().unwrap();
            let messages: Vec<_> = (start..number.min(start + 500)).map(message).collect();
            queue.send_batch(&*name, &messages).await.unwrap();
        });
        if calls.len() == 4 {
            calls.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(sent) = calls.join_next().await {
        sent.unwrap();
    }
    assert!(Instant::now() < due, "the machine is too slow to send in time");
}

/// A worker that counts.
pub(crate) struct Counting {
    worker: Worker,
    all: Arc<Notify>,
    came_early: Arc<AtomicBool>,
}

impl Counting {
    /// Counts to `total`. No message may come before `due`.
    pub(crate) fn start(queue: &DelayQueue, name: &str, total: usize, due: Instant) -> Self {
        let all = Arc::new(Notify::new());
        let came_early = Arc::new(AtomicBool::new(false));
        let (handled, told, early) = (AtomicUsize::new(0), Arc::clone(&all), Arc::clone(&came_early));
        let handler = move |message: Received<String>| {
            std::hint::black_box(message.body());
            // A panic here would only be a failed attempt to the worker.
            early.fetch_or(Instant::now() < due, Ordering::Relaxed);
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == total {
                told.notify_one();
            }
            std::future::ready(())
        };
        let worker = queue.worker(name).unwrap().concurrency(HANDLERS).prefetch(PREFETCH);
        Self { worker: worker.handle(handler).start().unwrap(), all, came_early }
    }

    /// Waits for the last message and its acknowledgement.
    pub(crate) async fn finish(self) {
        self.all.notified().await;
        assert!(!self.came_early.load(Ordering::Relaxed), "a message came early");
        let drained = self.worker.shutdown(HOUR).await;
        assert_eq!((drained.returned, drained.unsettled), (0, 0));
    }
}

/// Runs a worker until it has handled `total` messages.
pub(crate) async fn deliver(queue: &DelayQueue, name: &str, total: usize) {
    Counting::start(queue, name, total, Instant::now()).finish().await;
}
