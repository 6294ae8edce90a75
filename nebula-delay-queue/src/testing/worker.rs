//! The promises of [`Worker`](crate::Worker), over a real backend. What needs exact times is tested in memory, on
//! paused time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use super::{Fixture, LONG, PATIENCE, eventually, id};
use crate::{
    DeadReason, DelayMessage, DelayQueue, DelayQueueProducer, MessageId, Outcome, RawMessage, Received, RetryPolicy,
};

const QUEUE: &str = "work";

fn at_once(times: u32) -> RetryPolicy {
    RetryPolicy::fixed(times, Duration::from_millis(1))
}

async fn is_empty(queue: &DelayQueue) -> bool {
    let stats = queue.stats(QUEUE).await.unwrap();
    stats.backlog + stats.delayed + stats.leased == 0
}

pub async fn every_message_is_handled<F: Fixture>() {
    const COUNT: u64 = 1000;
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let seen = Arc::new(Mutex::new(HashMap::<u64, usize>::new()));
    let start = || {
        let seen = Arc::clone(&seen);
        let handler = move |number: Received<u64>| {
            *seen.lock().entry(number.into_body()).or_default() += 1;
            async {}
        };
        queue.worker(QUEUE).unwrap().concurrency(16).prefetch(100).lease(LONG).handle(handler).start().unwrap()
    };
    let _workers = [start(), start()];
    for batch in (0..COUNT).collect::<Vec<_>>().chunks(250) {
        let delay = |number: &u64| Duration::from_millis(number % 100);
        let message = |number: &u64| DelayMessage::builder().body(*number).delay(delay(number)).build().unwrap();
        let messages: Vec<_> = batch.iter().map(message).collect();
        assert!(queue.send_batch(QUEUE, &messages).await.unwrap().iter().all(crate::SendOutcome::is_accepted));
    }
    eventually("all have come", async || seen.lock().len() == 1000).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    let drained = queue.shutdown(PATIENCE).await;
    assert_eq!(drained.unsettled, 0);
    let seen = seen.lock();
    assert_eq!(seen.len(), 1000);
    assert!(seen.values().all(|times| *times == 1), "with leases this long nothing comes twice");
}

pub async fn new_messages_end_the_sleep<F: Fixture>() {
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let (told, mut hears) = mpsc::unbounded_channel();
    let handler = move |text: Received<String>| {
        told.send(text.into_body()).unwrap();
        async {}
    };
    let worker = queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    let later = DelayMessage::builder().body("later").id("later").delay(LONG).build().unwrap();
    queue.send(QUEUE, &later).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    queue.send(QUEUE, &DelayMessage::new("now")).await.unwrap();
    assert_eq!(hears.recv().await.unwrap(), "now");
    if fixture.backend().capabilities().finds_by_id {
        let moved = queue.reschedule(QUEUE, "later", crate::Schedule::NOW).await.unwrap();
        assert_eq!(moved, crate::Reschedule::Rescheduled);
        assert_eq!(hears.recv().await.unwrap(), "later");
    }
    worker.shutdown(PATIENCE).await;
}

pub async fn failures_are_retried_then_buried<F: Fixture>() {
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let attempts = Arc::new(Mutex::new(HashMap::<String, Vec<u32>>::new()));
    let record = Arc::clone(&attempts);
    let handler = move |text: Received<String>| {
        record.lock().entry(text.body().clone()).or_default().push(text.attempt());
        async move {
            match text.body().as_str() {
                "second-time-lucky" if text.attempt() == 2 => Ok(Outcome::Done),
                "ask-again" => Ok(Outcome::RetryAfter(Duration::from_millis(1))),
                "reject" => Ok(Outcome::DeadLetter("not wanted".into())),
                _ => Err("no luck"),
            }
        }
    };
    let worker = queue.worker(QUEUE).unwrap().retry(at_once(2)).handle(handler).start().unwrap();
    for text in ["second-time-lucky", "ask-again", "reject", "never"] {
        queue.send(QUEUE, &DelayMessage::builder().id(text).body(text).build().unwrap()).await.unwrap();
    }
    let own = DelayMessage::builder().id("own-policy").body("own-policy").retry(RetryPolicy::none()).build().unwrap();
    queue.send(QUEUE, &own).await.unwrap();
    eventually("four are dead", async || queue.stats(QUEUE).await.unwrap().dead == 4).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    worker.shutdown(PATIENCE).await;

    let attempts = attempts.lock().clone();
    let expected = [
        ("second-time-lucky", vec![1, 2]),
        ("ask-again", vec![1, 2, 3]),
        ("reject", vec![1]),
        ("never", vec![1, 2, 3]),
        ("own-policy", vec![1]),
    ];
    assert_eq!(attempts, expected.map(|(text, list)| (text.to_owned(), list)).into());
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    let dead: HashMap<_, _> = dead.iter().map(|letter| (letter.message.id.as_str(), letter)).collect();
    assert_eq!(dead.len(), 4);
    let never = dead["never"];
    assert_eq!((&never.reason, never.attempts), (&DeadReason::RetriesExhausted, 3));
    assert_eq!(never.last_error.as_deref(), Some("no luck"));
    assert_eq!(dead["reject"].reason, DeadReason::Rejected("not wanted".into()));
    assert_eq!((&dead["ask-again"].reason, dead["ask-again"].attempts), (&DeadReason::RetriesExhausted, 3));
    assert_eq!(dead["own-policy"].attempts, 1);
}

pub async fn panics_and_deadlines_are_failures<F: Fixture>() {
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let done = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&done);
    let handler = move |text: Received<String>| {
        assert_ne!(text.body(), "panic-at-once", "this panics before there is a future");
        let counter = Arc::clone(&counter);
        async move {
            match text.body().as_str() {
                "panic" => panic!("this panics in the future"),
                "hang" => std::future::pending().await,
                _ => counter.fetch_add(1, Ordering::SeqCst),
            };
        }
    };
    let builder = queue.worker(QUEUE).unwrap().concurrency(1).retry(at_once(1));
    let worker = builder.handler_timeout(Duration::from_millis(200)).handle(handler).start().unwrap();
    for text in ["panic-at-once", "panic", "hang", "good"] {
        queue.send(QUEUE, &DelayMessage::builder().id(text).body(text).build().unwrap()).await.unwrap();
    }
    eventually("three are dead", async || queue.stats(QUEUE).await.unwrap().dead == 3).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    assert!(worker.is_running(), "a panic does not kill the worker");
    worker.shutdown(PATIENCE).await;
    assert_eq!(done.load(Ordering::SeqCst), 1);
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    let error = |id: &str| {
        let letter = dead.iter().find(|letter| letter.message.id.as_str() == id).unwrap();
        assert_eq!((letter.attempts, &letter.reason), (2, &DeadReason::RetriesExhausted));
        letter.last_error.clone().unwrap()
    };
    assert!(error("panic-at-once").contains("before there is a future"));
    assert!(error("panic").contains("in the future"));
    assert!(error("hang").contains("longer than 200ms"));
    assert_eq!(dead.len(), 3);
}

pub async fn long_handlers_keep_their_leases<F: Fixture>() {
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let calls = Arc::new(AtomicUsize::new(0));
    let start = || {
        let calls = Arc::clone(&calls);
        let handler = move |_: Received<()>| {
            calls.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(6))
        };
        queue.worker(QUEUE).unwrap().lease(Duration::from_secs(2)).handle(handler).start().unwrap()
    };
    let _workers = [start(), start()];
    queue.send(QUEUE, &DelayMessage::new(())).await.unwrap();
    eventually("it has begun", async || calls.load(Ordering::SeqCst) > 0).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1, "three leases long, and nobody else got it");
    assert_eq!(queue.shutdown(PATIENCE).await.unsettled, 0);
}

pub async fn hopeless_messages_are_buried_unseen<F: Fixture>() {
    let fixture = F::start().await;
    let backend = fixture.backend();
    let queue = DelayQueue::new(backend.clone());
    let name = queue.name(QUEUE).unwrap();
    let expired = DelayMessage::builder().id("expired").body(1u64).expires_after(Duration::from_millis(10));
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(10);
    queue.send(QUEUE, &expired.due_at(long_ago).build().unwrap()).await.unwrap();
    let _ = backend.enqueue(&name, RawMessage::new(id("undecodable"), "not json")).await.unwrap();
    let mut abandoned = RawMessage::new(id("abandoned"), "1");
    abandoned.retry = Some(RetryPolicy::none());
    let _ = backend.enqueue(&name, abandoned).await.unwrap();
    // A worker that dies each time it gets the message says nothing about it.
    eventually("the message was abandoned", async || {
        use crate::DelayQueueConsumer;
        let claimed = backend.claim(&name, 3, Duration::from_millis(1)).await.unwrap();
        claimed.deliveries.iter().any(|delivery| delivery.message.id.as_str() == "abandoned")
    })
    .await;
    let seen = Arc::new(Mutex::new(Vec::<MessageId>::new()));
    let record = Arc::clone(&seen);
    let handler = move |number: Received<u64>| {
        record.lock().push(number.id().clone());
        async {}
    };
    let worker = queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    eventually("three are dead", async || queue.stats(QUEUE).await.unwrap().dead == 3).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    worker.shutdown(PATIENCE).await;
    assert_eq!(*seen.lock(), []);
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    let reasons: HashMap<_, _> = dead.iter().map(|letter| (letter.message.id.as_str(), &letter.reason)).collect();
    let expected = [
        ("expired", &DeadReason::Expired),
        ("undecodable", &DeadReason::Undecodable),
        ("abandoned", &DeadReason::Abandoned),
    ];
    assert_eq!(reasons, expected.into());
}

pub async fn draining_gives_back_what_has_not_begun<F: Fixture>() {
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        move |_: Received<u64>| {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move {
                begun.notify_one();
                go_on.notified().await;
            }
        }
    };
    let worker = queue.worker(QUEUE).unwrap().concurrency(1).prefetch(10).lease(LONG).handle(handler).start().unwrap();
    let messages: Vec<_> = (0..5u64).map(DelayMessage::new).collect();
    queue.send_batch(QUEUE, &messages).await.unwrap();
    begun.notified().await;
    eventually("all are claimed", async || queue.stats(QUEUE).await.unwrap().leased == 5).await;
    let draining = tokio::spawn({
        let worker = worker.clone();
        async move { worker.shutdown(PATIENCE).await }
    });
    eventually("the others are given back", async || queue.stats(QUEUE).await.unwrap().backlog == 4).await;
    go_on.notify_one();
    let drained = draining.await.unwrap();
    assert_eq!((drained.finished, drained.returned, drained.unsettled), (1, 4, 0));
    assert!(!worker.is_running());

    // A handler that does not finish in time is interrupted, and its message is given back as well.
    let handler = move |_: Received<u64>| {
        begun.notify_one();
        std::future::pending::<()>()
    };
    let worker = queue.worker(QUEUE).unwrap().concurrency(1).prefetch(0).lease(LONG).handle(handler).start().unwrap();
    let messages: Vec<_> = (5..6u64).map(DelayMessage::new).collect();
    queue.send_batch(QUEUE, &messages).await.unwrap();
    eventually("one is claimed", async || queue.stats(QUEUE).await.unwrap().leased > 0).await;
    let drained = worker.shutdown(Duration::from_millis(1)).await;
    assert_eq!((drained.finished, drained.unsettled), (0, 0));
    assert!(drained.returned >= 1);
    let stats = queue.stats(QUEUE).await.unwrap();
    assert_eq!((stats.backlog, stats.leased), (5, 0));
    let _ = queue.shutdown(PATIENCE).await;
    let refused = queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap_err();
    assert_eq!(refused.kind(), crate::ErrorKind::Closed);
}
