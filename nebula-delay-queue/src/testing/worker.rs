//! The promises of [`Worker`](crate::Worker), over a real backend. What needs exact times is tested in memory, on
//! paused time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use super::{Fixture, LONG, PATIENCE, eventually, id};
use crate::{
    DeadReason, DelayMessage, DelayQueue, DelayQueueProducer, MessageId, Outcome, Priority, RawMessage, Received,
    RetryPolicy,
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
    let seen = Arc::new(Mutex::new(HashMap::<u64, Vec<u32>>::new()));
    let start = || {
        let seen = Arc::clone(&seen);
        let handler = move |number: Received<u64>| {
            let attempt = number.attempt();
            seen.lock().entry(number.into_body()).or_default().push(attempt);
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
    let twice: Vec<_> = seen.iter().filter(|(_, attempts)| attempts.len() > 1).collect();
    // At least once is what a broker by itself promises: when a connection breaks, as on a machine that keeps it from answering
    // heartbeats, it delivers again what it had not read an acknowledgement of. Everybody else knows what was acknowledged.
    let may_repeat = !fixture.backend().capabilities().finds_by_id;
    assert!(
        twice.is_empty() || may_repeat,
        "with leases this long nothing comes twice, and so did (attempts): {twice:?}"
    );
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

pub async fn handlers_see_the_whole_message<F: Fixture>() {
    const CONTEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let (told, mut hears) = mpsc::unbounded_channel();
    let handler = move |message: Received<u64>| {
        let failed = message.attempt() == 1;
        told.send(message).unwrap();
        async move { if failed { Err("no luck") } else { Ok(()) } }
    };
    let worker = queue.worker(QUEUE).unwrap().retry(at_once(1)).handle(handler).start().unwrap();
    let (delay, began) = (Duration::from_millis(20), SystemTime::now());
    let message = DelayMessage::builder().id("whole").body(7u64).delay(delay).priority(Priority::High);
    let message = message.header("tenant", "acme").trace_context(CONTEXT).build().unwrap();
    queue.send(QUEUE, &message).await.unwrap();
    let mut due = None;
    for attempt in 1..=2 {
        let heard = hears.recv().await.unwrap();
        assert_eq!((heard.id().as_str(), *heard.body(), heard.attempt()), ("whole", 7, attempt));
        assert_eq!((heard.trace_context(), heard.header("tenant")), (Some(CONTEXT), Some("acme")));
        assert_eq!((heard.header("other"), heard.headers().len()), (None, 2));
        assert_eq!((heard.queue().as_str(), heard.priority()), (QUEUE, Priority::High));
        let (earliest, latest) = (began - PATIENCE, began + PATIENCE);
        assert!((earliest..latest).contains(&heard.due()), "{:?}", heard.due());
        assert_eq!(*due.get_or_insert(heard.due()), heard.due(), "the first due time is kept");
    }
    eventually("the queue is empty", || is_empty(&queue)).await;
    worker.shutdown(PATIENCE).await;
}

/// Others are handled while it is stuck, in its own queue and elsewhere, and while another handler does nothing but fail.
pub async fn stuck_and_failing_handlers_hold_nobody_up<F: Fixture>() {
    const COUNT: u64 = 30;
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let (begun, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let seen = Arc::new(Mutex::new(HashMap::<String, Vec<u64>>::new()));
    let handler = {
        let (begun, go_on, seen) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&seen));
        move |message: Received<u64>| {
            let (begun, go_on, seen) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&seen));
            async move {
                if message.id().as_str() == "stuck" {
                    begun.fetch_add(1, Ordering::SeqCst);
                    go_on.notified().await;
                }
                seen.lock().entry(message.queue().to_string()).or_default().push(message.into_body());
            }
        }
    };
    for name in [QUEUE, "other"] {
        let worker = queue.worker(name).unwrap().concurrency(2).prefetch(4).lease(LONG);
        worker.handle(handler.clone()).start().unwrap();
    }
    let failures = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&failures);
    let failing = move |_: Received<u64>| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), _>("no luck") }
    };
    let retry = RetryPolicy::fixed(1_000_000, Duration::from_millis(50));
    queue.worker("failing").unwrap().lease(LONG).retry(retry).handle(failing).start().unwrap();

    let stuck = DelayMessage::builder().id("stuck").body(COUNT).build().unwrap();
    queue.send(QUEUE, &stuck).await.unwrap();
    eventually("it is stuck", async || begun.load(Ordering::SeqCst) == 1).await;
    queue.send_batch("failing", &[DelayMessage::new(0u64), DelayMessage::new(1u64)]).await.unwrap();
    eventually("they fail", async || failures.load(Ordering::SeqCst) >= 2).await;
    let before = failures.load(Ordering::SeqCst);
    let message = |number: u64| DelayMessage::builder().body(number).delay(Duration::from_millis(number)).build();
    for name in [QUEUE, "other"] {
        let messages: Vec<_> = (0..COUNT).map(|number| message(number).unwrap()).collect();
        queue.send_batch(name, &messages).await.unwrap();
    }
    let all: Vec<_> = (0..COUNT).collect();
    for name in [QUEUE, "other"] {
        eventually("all others are handled", async || {
            let mut handled = seen.lock().get(name).cloned().unwrap_or_default();
            handled.sort_unstable();
            handled == all
        })
        .await;
    }
    assert_eq!(begun.load(Ordering::SeqCst), 1, "the one is still stuck, and nobody else got it");
    eventually("the others go on failing", async || failures.load(Ordering::SeqCst) > before).await;
    go_on.notify_one();
    eventually("it is free again", async || seen.lock()[QUEUE].contains(&COUNT)).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    assert_eq!(queue.shutdown(PATIENCE).await.unsettled, 0);
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
            sleep(Duration::from_secs(7))
        };
        // Long enough for a machine that stands still for a few seconds to renew it in time.
        queue.worker(QUEUE).unwrap().lease(Duration::from_secs(5)).handle(handler).start().unwrap()
    };
    let _workers = [start(), start()];
    queue.send(QUEUE, &DelayMessage::new(())).await.unwrap();
    eventually("it has begun", async || calls.load(Ordering::SeqCst) > 0).await;
    eventually("the queue is empty", || is_empty(&queue)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it outlasts its first lease, and nobody else got it");
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
    // What a broker has just pushed to somebody is nowhere for a moment.
    eventually("all are given back", async || {
        let stats = queue.stats(QUEUE).await.unwrap();
        (stats.backlog, stats.leased) == (5, 0)
    })
    .await;
    let _ = queue.shutdown(PATIENCE).await;
    let refused = queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap_err();
    assert_eq!(refused.kind(), crate::ErrorKind::Closed);
}

pub async fn batches_settle_each_message_by_its_outcome<F: Fixture>() {
    const COUNT: u64 = 40;
    let fixture = F::start().await;
    let queue = DelayQueue::new(fixture.backend());
    let batches = Arc::new(Mutex::new(Vec::<Vec<(u64, u32)>>::new()));
    let record = Arc::clone(&batches);
    // One number in ten is hopeless, one in ten is not ready at first, one batch fails as a whole.
    let failed = AtomicUsize::new(0);
    let handler = move |messages: Vec<Received<u64>>| {
        let first = failed.fetch_add(1, Ordering::SeqCst) == 0;
        record.lock().push(messages.iter().map(|message| (*message.body(), message.attempt())).collect());
        let each = |message: &Received<u64>| match message.body() % 10 {
            3 => Outcome::DeadLetter("hopeless".into()),
            7 if message.attempt() < 3 => Outcome::RetryAfter(Duration::from_millis(1)),
            _ => Outcome::Done,
        };
        let outcomes: Vec<_> = messages.iter().map(each).collect();
        async move { if first { Err("no luck") } else { Ok(outcomes) } }
    };
    let messages: Vec<_> = (0..COUNT).map(DelayMessage::new).collect();
    queue.send_batch(QUEUE, &messages).await.unwrap();
    let worker = queue.worker(QUEUE).unwrap().concurrency(30).retry(at_once(3)).lease(LONG);
    worker.handle_batch(10, Duration::from_millis(20), handler).start().unwrap();
    eventually("four are dead", async || queue.stats(QUEUE).await.unwrap().dead == 4).await;
    eventually("the queue is empty", async || is_empty(&queue).await && batches.lock().iter().flatten().count() > 40)
        .await;
    queue.shutdown(PATIENCE).await;
    let batches = batches.lock().clone();
    assert!(batches.iter().all(|batch| (1..=10).contains(&batch.len())), "{batches:?}");
    assert!(batches.iter().any(|batch| batch.len() > 1), "{batches:?}");
    let last =
        |number| batches.iter().flatten().filter(|(other, _)| *other == number).map(|(_, attempt)| *attempt).max();
    for number in 0..COUNT {
        let attempts = last(number).unwrap_or_default();
        let expected = if number % 10 == 7 { 3..=3 } else { 1..=2 };
        assert!(expected.contains(&attempts), "{number} was tried {attempts} times");
    }
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    assert!(dead.iter().all(|letter| letter.reason == DeadReason::Rejected("hopeless".into())));
}

pub async fn duplicates_take_effect_once<F: Fixture>() {
    const COUNT: u64 = 50;
    let fixture = F::start().await;
    let backend = fixture.backend();
    let queue = DelayQueue::new(backend.clone());
    let effects = Arc::new(Mutex::new(HashMap::<u64, usize>::new()));
    let tries = Arc::new(AtomicUsize::new(0));
    let store = crate::MemoryIdempotency::new();
    let start = || {
        let (effects, tries) = (Arc::clone(&effects), Arc::clone(&tries));
        let handler = move |number: Received<u64>| {
            let (effects, tries) = (Arc::clone(&effects), Arc::clone(&tries));
            async move {
                // A failed attempt is no effect.
                if number.attempt() == 1 && number.body().is_multiple_of(5) {
                    return Err("no luck");
                }
                sleep(Duration::from_millis(1)).await;
                *effects.lock().entry(*number.body()).or_default() += 1;
                tries.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        };
        let worker = queue.worker(QUEUE).unwrap().concurrency(8).retry(at_once(5)).lease(LONG).handle(handler);
        worker.idempotent(store.clone()).start().unwrap();
    };
    start();
    start();
    let message = |number| DelayMessage::builder().id(format!("order:{number}")).body(number).build().unwrap();
    let messages: Vec<_> = (0..COUNT).map(message).collect();
    // Each comes again: at once, as after a send whose answer was lost, and long after it was acknowledged.
    for _ in 0..2 {
        for _ in 0..2 {
            queue.send_batch(QUEUE, &messages).await.unwrap();
        }
        eventually("all took effect", async || effects.lock().len() == 50).await;
        eventually("the queue is empty", || is_empty(&queue)).await;
    }
    queue.shutdown(PATIENCE).await;
    assert_eq!(tries.load(Ordering::SeqCst), 50);
    assert!(effects.lock().values().all(|times| *times == 1));
    assert_eq!(queue.stats(QUEUE).await.unwrap().dead, 0);
}
