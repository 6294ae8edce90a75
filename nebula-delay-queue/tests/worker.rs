//! Workers on paused time: exact schedules, and what happens to a worker whose world falls apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nebula_delay_queue::{
    Cancel, DelayMessage, DelayQueue, DelayQueueListener, ErrorKind, HandlerError, MemoryDelayQueue, Outcome, Received,
    Reschedule, RetryPolicy, Schedule,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

const QUEUE: &str = "order.timeout";
const MINUTE: Duration = Duration::from_secs(60);

/// Says when it was called, and fails.
struct Failing(UnboundedSender<(Instant, u32)>);

impl DelayQueueListener for Failing {
    type Message = u64;

    async fn on_message(&self, message: Received<u64>) -> Result<Outcome, HandlerError> {
        self.0.send((Instant::now(), message.attempt()))?;
        Err("no luck".into())
    }
}

fn failing() -> (Failing, UnboundedReceiver<(Instant, u32)>) {
    let (told, hears) = unbounded_channel();
    (Failing(told), hears)
}

async fn pauses(hears: &mut UnboundedReceiver<(Instant, u32)>, attempts: u32) -> Vec<u64> {
    let mut pauses = Vec::new();
    let mut last: Option<Instant> = None;
    for expected in 1..=attempts {
        let (time, attempt) = hears.recv().await.unwrap();
        assert_eq!(attempt, expected);
        pauses.extend(last.map(|last| (time - last).as_secs()));
        last = Some(time);
    }
    pauses
}

#[tokio::test(start_paused = true)]
async fn an_unpaid_order_is_cancelled_after_a_quarter_of_an_hour() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let (told, mut hears) = unbounded_channel();
    let handler = move |order: Received<u64>| {
        told.send((Instant::now(), order.into_body())).unwrap();
        async {}
    };
    let worker = queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    let started = Instant::now();
    for order in 1..=3u64 {
        let message = DelayMessage::builder().id(format!("order:{order}")).body(order).delay(15 * MINUTE);
        queue.send(QUEUE, &message.build().unwrap()).await.unwrap();
    }
    assert_eq!(queue.cancel(QUEUE, "order:2").await.unwrap(), Cancel::Cancelled);
    let earlier = queue.reschedule(QUEUE, "order:3", Schedule::After(MINUTE)).await.unwrap();
    assert_eq!(earlier, Reschedule::Rescheduled);
    for (order, minutes) in [(3, 1), (1, 15)] {
        let (time, heard) = hears.recv().await.unwrap();
        assert_eq!((heard, (time - started).as_secs()), (order, minutes * 60));
        assert!(time - started >= MINUTE * u32::try_from(minutes).unwrap(), "never early");
    }
    worker.shutdown(MINUTE).await;
    assert!(hears.recv().await.is_none(), "nothing was heard of order 2");
}

#[tokio::test(start_paused = true)]
async fn the_default_is_three_retries_a_minute_apart() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let (listener, mut hears) = failing();
    queue.worker(QUEUE).unwrap().listener(listener).start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
    assert_eq!(pauses(&mut hears, 4).await, [60, 60, 60]);
    tokio::time::sleep(60 * MINUTE).await;
    assert!(hears.try_recv().is_err());
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].last_error.as_deref()), (1, 4, Some("no luck")));
}

#[tokio::test(start_paused = true)]
async fn the_messages_policy_wins_over_the_workers_and_that_over_the_queues() {
    let seconds = |seconds: &[u64]| RetryPolicy::table(seconds.iter().copied().map(Duration::from_secs));
    let queue = DelayQueue::new(MemoryDelayQueue::new()).with_retry(seconds(&[7]));
    let (listener, mut hears) = failing();
    queue.worker("queues").unwrap().listener(listener).start().unwrap();
    queue.send("queues", &DelayMessage::new(1u64)).await.unwrap();
    assert_eq!(pauses(&mut hears, 2).await, [7]);

    let (listener, mut hears) = failing();
    queue.worker(QUEUE).unwrap().retry(seconds(&[1, 10])).listener(listener).start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
    assert_eq!(pauses(&mut hears, 3).await, [1, 10]);
    let own = DelayMessage::builder().body(1u64).retry(seconds(&[2, 3, 5])).build().unwrap();
    queue.send(QUEUE, &own).await.unwrap();
    assert_eq!(pauses(&mut hears, 4).await, [2, 3, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_hours_keeps_a_lease_of_seconds() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let calls = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let calls = Arc::clone(&calls);
        let handler = move |_: Received<u64>| {
            calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(180 * MINUTE)
        };
        let builder = queue.worker(QUEUE).unwrap().lease(Duration::from_secs(30)).handler_timeout(240 * MINUTE);
        builder.handle(handler).start().unwrap();
    }
    queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
    tokio::time::sleep(240 * MINUTE).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(queue.stats(QUEUE).await.unwrap(), nebula_delay_queue::QueueStats::default());
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_overdue_a_second_later() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let message = DelayMessage::builder().body(1u64).delay(MINUTE).build().unwrap();
    queue.send(QUEUE, &message).await.unwrap();
    let counts = async || {
        let stats = queue.stats(QUEUE).await.unwrap();
        (stats.total, stats.backlog, stats.overdue)
    };
    assert_eq!(counts().await, (Some(1), 0, Some(0)));
    tokio::time::sleep(MINUTE + Duration::from_millis(950)).await;
    assert_eq!(counts().await, (Some(1), 1, Some(0)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(counts().await, (Some(1), 1, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_a_limit_and_is_used() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let most = Arc::clone(&most);
        move |_: Received<u64>| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
            }
        }
    };
    queue.worker(QUEUE).unwrap().concurrency(5).prefetch(3).handle(handler).start().unwrap();
    let messages: Vec<_> = (0..50u64).map(DelayMessage::new).collect();
    let started = Instant::now();
    queue.send_batch(QUEUE, &messages).await.unwrap();
    while queue.stats(QUEUE).await.unwrap() != nebula_delay_queue::QueueStats::default() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 5);
    assert_eq!(started.elapsed().as_secs(), 10, "50 messages, 5 at a time, a second each");
}

#[tokio::test]
async fn options_out_of_range_are_refused() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let worker = || queue.worker(QUEUE).unwrap().handle(|_: Received<u64>| async {});
    for bad in [
        worker().concurrency(0),
        worker().concurrency(usize::MAX),
        worker().prefetch(usize::MAX),
        worker().lease(Duration::from_millis(99)),
        worker().lease(Duration::MAX),
        worker().handler_timeout(Duration::MAX),
        worker().poll_interval(Duration::ZERO),
    ] {
        assert_eq!(bad.start().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    assert_eq!(queue.worker("no queue").unwrap_err().kind(), ErrorKind::InvalidName);
    queue.shutdown(Duration::ZERO).await;
    assert_eq!(worker().start().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_worker_needs_a_runtime() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let worker = queue.worker(QUEUE).unwrap().handle(|_: Received<u64>| async {});
    assert_eq!(worker.start().unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
