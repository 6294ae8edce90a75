//! The contract of [`DelayQueueProducer`].

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Fixture, LONG, SHORT, WrongClock, after, claim_one, claim_some, id, ids, message, queue};
use crate::{
    Bury, Cancel, DeadReason, DelayQueueBackend, DelayQueueConsumer, DelayQueueProducer, ErrorKind, MAX_BODY_BYTES,
    MAX_DELAY, Priority, QueueName, RawMessage, Reschedule, Retry, RetryPolicy, Schedule, SendOutcome, Settled,
};

pub async fn ping_answers<F: Fixture>() {
    F::start().await.backend().ping().await.unwrap();
}

pub async fn everything_about_a_message_arrives<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("whole"));
    let mut sent = RawMessage::new(id("订单 1:\"'|"), (0..=255).collect::<Vec<u8>>());
    sent.priority = Priority::Low;
    sent.retry = Some(RetryPolicy::exponential(7, Duration::from_millis(1500)).with_jitter(0.5));
    sent.expires_after = Some(Duration::from_secs(77));
    sent.headers = [("traceparent", "00-a-b-01"), ("x", "line\nbreak|"), ("空", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let empty = RawMessage::new(id("empty"), "").with_priority(Priority::High);
    for (number, sent) in [sent, empty].into_iter().enumerate() {
        let outcome = match number {
            0 => backend.enqueue(&queue, sent.clone()).await.unwrap(),
            _ => backend.enqueue_batch(&queue, vec![sent.clone()]).await.unwrap().remove(0),
        };
        assert_eq!(outcome, SendOutcome::Accepted(sent.id.clone()));
        let delivery = claim_one(&backend, &queue, LONG).await;
        assert_eq!(delivery.message, sent);
        assert_eq!(delivery.attempt, 1);
        let age = SystemTime::now().duration_since(delivery.due).unwrap_or_default();
        assert!(age < LONG, "due {age:?} ago");
    }
}

pub async fn never_early<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("early"));
    let delays = [0, 1, 20, 35, 70, 150, 300].map(Duration::from_millis);
    let started = Instant::now();
    for (number, delay) in delays.iter().enumerate() {
        let _ = backend.enqueue(&queue, after(&number.to_string(), *delay)).await.unwrap();
    }
    for _ in delays {
        let delivery = claim_one(&backend, &queue, LONG).await;
        let number: usize = delivery.message.id.as_str().parse().unwrap();
        assert!(started.elapsed() >= delays[number], "{:?} came after {:?}", delays[number], started.elapsed());
    }
}

pub async fn a_wrong_clock_moves_no_delay<F: Fixture>() {
    for clock in [WrongClock::Fast, WrongClock::Slow] {
        let fixture = F::start().await;
        let (backend, queue) = (fixture.with_wrong_clock(clock).await, queue("clock"));
        let sent = Instant::now();
        let batch = vec![message("now"), after("soon", SHORT), after("later", LONG)];
        assert!(backend.enqueue_batch(&queue, batch).await.unwrap().iter().all(SendOutcome::is_accepted));
        let now = claim_one(&backend, &queue, LONG).await;
        assert_eq!((now.message.id.as_str(), now.attempt), ("now", 1));
        let soon = claim_one(&backend, &queue, LONG).await;
        assert_eq!((soon.message.id.as_str(), soon.attempt), ("soon", 1));
        assert!(sent.elapsed() >= SHORT, "{clock:?}: early, after {:?}", sent.elapsed());
        // Neither is the pause before the next attempt another one.
        let paused = Instant::now();
        let retry = Retry { receipt: soon.receipt(), after: SHORT, error: None, counted: true };
        assert_eq!(backend.retry(&queue, &[retry]).await.unwrap(), [Settled::Done]);
        let again = claim_one(&backend, &queue, LONG).await;
        assert_eq!((again.message.id.as_str(), again.attempt), ("soon", 2), "the other one is still leased");
        assert!(paused.elapsed() >= SHORT, "{clock:?}: early, after {:?}", paused.elapsed());
        assert_eq!(backend.ack(&queue, &[now.receipt(), again.receipt()]).await.unwrap(), [Settled::Done; 2]);
    }
}

pub async fn past_due_times_are_due_now<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("past"));
    let at = |time| Schedule::At(time);
    let past = message("past").with_schedule(at(SystemTime::now() - Duration::from_secs(3600)));
    let epoch = message("epoch").with_schedule(at(SystemTime::UNIX_EPOCH));
    let future = message("future").with_schedule(at(SystemTime::now() + Duration::from_secs(3600)));
    backend.enqueue_batch(&queue, vec![future, past, epoch]).await.unwrap();
    let claimed = backend.claim(&queue, 10, LONG).await.unwrap();
    assert_eq!(ids(&claimed), ["epoch", "past"]);
    assert!(claimed.deliveries[1].lateness >= Duration::from_secs(3500), "{:?}", claimed.deliveries[1].lateness);
    assert!(claimed.deliveries[1].overdue >= Duration::from_secs(3500));
}

pub async fn duplicates_change_nothing<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("twice"));
    if !backend.capabilities().finds_by_id {
        // Nothing is lost or overwritten: both come, and share the id that sorts them out.
        for _ in 0..2 {
            assert!(backend.enqueue(&queue, message("a")).await.unwrap().is_accepted());
        }
        for _ in 0..2 {
            let delivery = claim_one(&backend, &queue, LONG).await;
            assert_eq!((delivery.message.id.as_str(), delivery.attempt), ("a", 1));
            assert_eq!(backend.ack(&queue, &[delivery.receipt()]).await.unwrap(), [Settled::Done]);
        }
        return;
    }
    let duplicate = SendOutcome::Duplicate(id("a"));
    let mut other = message("a");
    other.body = "\"other\"".into();

    assert!(backend.enqueue(&queue, after("a", SHORT)).await.unwrap().is_accepted());
    assert_eq!(backend.enqueue(&queue, other.clone()).await.unwrap(), duplicate);
    assert_eq!(backend.enqueue_batch(&queue, vec![other.clone()]).await.unwrap(), std::slice::from_ref(&duplicate));

    let delivery = claim_one(&backend, &queue, LONG).await;
    assert_eq!(delivery.message.body, message("a").body);
    assert_eq!(backend.enqueue(&queue, other.clone()).await.unwrap(), duplicate, "while it is claimed");

    let retry = Retry { receipt: delivery.receipt(), after: Duration::ZERO, error: None, counted: true };
    assert_eq!(backend.retry(&queue, &[retry]).await.unwrap(), [Settled::Done]);
    assert_eq!(backend.enqueue(&queue, other.clone()).await.unwrap(), duplicate, "while it waits for a retry");

    let receipt = claim_one(&backend, &queue, LONG).await.receipt();
    let bury = Bury { receipt, reason: DeadReason::RetriesExhausted, error: None };
    assert_eq!(backend.bury(&queue, &[bury]).await.unwrap(), [Settled::Done]);
    assert_eq!(backend.enqueue(&queue, other).await.unwrap(), duplicate, "while it is dead");
    let stats = backend.stats(&queue).await.unwrap();
    assert_eq!((stats.backlog, stats.delayed, stats.leased, stats.dead), (0, 0, 0, 1));
}

pub async fn an_id_is_free_again_at_the_end<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("again"));
    let send = || backend.enqueue(&queue, message("a"));

    assert!(send().await.unwrap().is_accepted());
    let receipt = claim_one(&backend, &queue, LONG).await.receipt();
    assert_eq!(backend.ack(&queue, &[receipt]).await.unwrap(), [Settled::Done]);

    assert!(send().await.unwrap().is_accepted(), "after the acknowledgement");
    if backend.capabilities().finds_by_id {
        assert_eq!(backend.cancel(&queue, &id("a")).await.unwrap(), Cancel::Cancelled);
        assert!(send().await.unwrap().is_accepted(), "after the cancellation");
    }
    let receipt = claim_one(&backend, &queue, LONG).await.receipt();
    let bury = Bury { receipt, reason: DeadReason::Undecodable, error: None };
    assert_eq!(backend.bury(&queue, &[bury]).await.unwrap(), [Settled::Done]);
    assert_eq!(backend.purge(&queue, None).await.unwrap(), 1);

    assert!(send().await.unwrap().is_accepted(), "after the purge");
    let delivery = claim_one(&backend, &queue, LONG).await;
    assert_eq!(delivery.attempt, 1, "nothing is remembered of its predecessors");
}

pub async fn queues_are_independent<F: Fixture>() {
    let fixture = F::start().await;
    let backend = fixture.backend();
    let (one, two) = (queue("one"), queue("one.two"));
    for queue in [&one, &two] {
        assert!(backend.enqueue(queue, message("a")).await.unwrap().is_accepted());
    }
    let receipt = claim_one(&backend, &one, LONG).await.receipt();
    assert_eq!(backend.ack(&two, std::slice::from_ref(&receipt)).await.unwrap(), [Settled::Stale]);
    assert_eq!(backend.ack(&one, &[receipt]).await.unwrap(), [Settled::Done]);
    assert_eq!(ids(&backend.claim(&one, 10, LONG).await.unwrap()), [""; 0]);
    assert_eq!(ids(&backend.claim(&two, 10, LONG).await.unwrap()), ["a"]);
}

pub async fn batches_answer_in_order<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("batch"));
    let finds_by_id = backend.capabilities().finds_by_id;
    if finds_by_id {
        assert!(backend.enqueue(&queue, message("7")).await.unwrap().is_accepted());
    }
    // More than backends put into one request, with an id that is there already and one that comes twice.
    let mut batch: Vec<_> = (0..1200).map(|number| message(&number.to_string())).collect();
    if finds_by_id {
        batch.push(message("9"));
    }
    let outcomes = backend.enqueue_batch(&queue, batch.clone()).await.unwrap();
    assert_eq!(outcomes.len(), batch.len());
    for (number, (outcome, message)) in outcomes.iter().zip(&batch).enumerate() {
        assert_eq!(outcome.id(), &message.id);
        assert_eq!(outcome.is_accepted(), !finds_by_id || number != 7 && number != 1200, "{outcome:?} at {number}");
    }
    if finds_by_id {
        let again = backend.enqueue_batch(&queue, batch).await.unwrap();
        assert!(again.iter().all(|outcome| !outcome.is_accepted()));
    }
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 1200 {
        for delivery in claim_some(&backend, &queue, 500, LONG).await {
            assert!(seen.insert(delivery.message.id.clone()), "{} came twice", delivery.message.id);
        }
    }
    assert_eq!(ids(&backend.claim(&queue, 10, LONG).await.unwrap()), [""; 0]);
}

/// What a backend must do that cannot find messages by their id: say so, and leave the message as it is.
async fn refuses_what_takes_an_id(backend: &impl DelayQueueBackend, queue: &QueueName) {
    let _ = backend.enqueue(queue, message("a")).await.unwrap();
    assert_eq!(backend.cancel(queue, &id("a")).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let error = backend.reschedule(queue, &id("a"), Schedule::NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = backend.reschedule(queue, &id("a"), Schedule::After(MAX_DELAY * 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage);
    assert_eq!(claim_one(backend, queue, LONG).await.message.id, id("a"));
}

pub async fn cancelled_messages_never_come<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("cancel"));
    if !backend.capabilities().finds_by_id {
        return refuses_what_takes_an_id(&backend, &queue).await;
    }
    for message in [after("later", LONG), message("now"), message("retried"), message("other")] {
        backend.enqueue(&queue, message).await.unwrap();
    }
    assert_eq!(backend.cancel(&queue, &id("later")).await.unwrap(), Cancel::Cancelled);
    assert_eq!(backend.cancel(&queue, &id("now")).await.unwrap(), Cancel::Cancelled);
    assert_eq!(backend.cancel(&queue, &id("now")).await.unwrap(), Cancel::NotFound, "cancelled already");
    assert_eq!(backend.cancel(&queue, &id("unknown")).await.unwrap(), Cancel::NotFound);

    for delivery in claim_some(&backend, &queue, 10, LONG).await {
        let retry = Retry { receipt: delivery.receipt(), after: SHORT, error: None, counted: true };
        assert_eq!(backend.retry(&queue, &[retry]).await.unwrap(), [Settled::Done]);
    }
    assert_eq!(backend.cancel(&queue, &id("retried")).await.unwrap(), Cancel::Cancelled, "while it waits for a retry");
    assert_eq!(claim_one(&backend, &queue, LONG).await.message.id, id("other"));
    let stats = backend.stats(&queue).await.unwrap();
    assert_eq!((stats.backlog, stats.delayed, stats.leased, stats.dead), (0, 0, 1, 0));
}

pub async fn claimed_messages_cannot_be_cancelled<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("held"));
    if !backend.capabilities().finds_by_id {
        return refuses_what_takes_an_id(&backend, &queue).await;
    }
    backend.enqueue(&queue, message("a")).await.unwrap();
    let receipt = claim_one(&backend, &queue, LONG).await.receipt();
    assert_eq!(backend.cancel(&queue, &id("a")).await.unwrap(), Cancel::NotFound);
    assert_eq!(backend.reschedule(&queue, &id("a"), Schedule::NOW).await.unwrap(), Reschedule::NotFound);
    let bury = Bury { receipt, reason: DeadReason::RetriesExhausted, error: None };
    assert_eq!(backend.bury(&queue, &[bury]).await.unwrap(), [Settled::Done], "the lease is untouched");
    assert_eq!(backend.cancel(&queue, &id("a")).await.unwrap(), Cancel::NotFound, "dead");
    assert_eq!(backend.reschedule(&queue, &id("a"), Schedule::NOW).await.unwrap(), Reschedule::NotFound, "dead");
}

pub async fn rescheduling_moves_both_ways<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("move"));
    if !backend.capabilities().finds_by_id {
        return refuses_what_takes_an_id(&backend, &queue).await;
    }
    let mut earlier = after("earlier", LONG).with_priority(Priority::Low);
    earlier.headers.insert("kept".into(), "yes".into());
    backend.enqueue_batch(&queue, vec![earlier, message("later")]).await.unwrap();
    let moved = Reschedule::Rescheduled;
    assert_eq!(backend.reschedule(&queue, &id("later"), Schedule::After(LONG)).await.unwrap(), moved);
    let soon = Schedule::At(SystemTime::now() + SHORT);
    assert_eq!(backend.reschedule(&queue, &id("earlier"), soon).await.unwrap(), moved);
    assert_eq!(backend.reschedule(&queue, &id("unknown"), Schedule::NOW).await.unwrap(), Reschedule::NotFound);
    let error = backend.reschedule(&queue, &id("later"), Schedule::After(MAX_DELAY * 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage);

    let delivery = claim_one(&backend, &queue, LONG).await;
    assert_eq!(delivery.message.id, id("earlier"));
    assert_eq!(delivery.message.priority, Priority::Low);
    assert_eq!(delivery.message.headers["kept"], "yes");
    assert_eq!(ids(&backend.claim(&queue, 10, LONG).await.unwrap()), [""; 0]);
}

pub async fn bad_messages_are_refused<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("bad"));
    let late = after("late", MAX_DELAY + Duration::from_secs(1));
    let large = RawMessage::new(id("large"), vec![b'x'; MAX_BODY_BYTES + 1]);
    for (bad, kind) in [(late, ErrorKind::InvalidMessage), (large, ErrorKind::TooLarge)] {
        assert_eq!(backend.enqueue(&queue, bad.clone()).await.unwrap_err().kind(), kind);
        let batch = vec![message("good"), bad];
        assert_eq!(backend.enqueue_batch(&queue, batch).await.unwrap_err().kind(), kind);
    }
    let largest = RawMessage::new(id("largest"), vec![b'x'; MAX_BODY_BYTES]);
    assert!(backend.enqueue_batch(&queue, vec![largest.clone()]).await.unwrap()[0].is_accepted());
    assert_eq!(claim_one(&backend, &queue, LONG).await.message, largest);
}
