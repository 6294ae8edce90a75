//! The contract of [`DelayQueueConsumer`].

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};

use super::{Fixture, LONG, SHORT, after, claim_one, claim_some, eventually, id, ids, message, queue};
use crate::{
    Bury, DeadReason, DelayQueueConsumer, DelayQueueProducer, ErrorKind, LeaseToken, Priority, Receipt, Replay, Retry,
    Schedule, Settled,
};

fn retry(receipt: Receipt, after: Duration) -> Retry {
    Retry { receipt, after, error: Some("no luck".into()), counted: true }
}

fn bury(receipt: Receipt) -> Bury {
    Bury { receipt, reason: DeadReason::RetriesExhausted, error: Some("no luck".into()) }
}

pub async fn claims_are_bounded_and_ordered<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("order"));
    let now = SystemTime::now();
    let due = |name, seconds| message(name).with_schedule(Schedule::At(now - Duration::from_secs(seconds)));
    let batch = vec![
        due("normal-2", 10),
        due("normal-1", 20),
        due("low", 99).with_priority(Priority::Low),
        due("high-2", 1).with_priority(Priority::High),
        due("high-1", 2).with_priority(Priority::High),
        after("not-yet", LONG).with_priority(Priority::High),
    ];
    backend.enqueue_batch(&queue, batch).await.unwrap();
    assert_eq!(ids(&backend.claim(&queue, 0, LONG).await.unwrap()), [""; 0]);
    assert_eq!(ids(&backend.claim(&queue, 3, LONG).await.unwrap()), ["high-1", "high-2", "normal-1"]);
    assert_eq!(ids(&backend.claim(&queue, 3, LONG).await.unwrap()), ["normal-2", "low"]);
    assert_eq!(ids(&backend.claim(&queue, 3, LONG).await.unwrap()), [""; 0]);
}

pub async fn claims_are_exclusive<F: Fixture>() {
    const COUNT: usize = 600;
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("race"));
    let batch = (0..COUNT).map(|number| message(&number.to_string())).collect();
    backend.enqueue_batch(&queue, batch).await.unwrap();
    let claimers = (0..8).map(|_| {
        let (backend, queue) = (backend.clone(), queue.clone());
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let claimed = backend.claim(&queue, 7, LONG).await.unwrap();
                if claimed.deliveries.is_empty() {
                    return mine;
                }
                mine.extend(claimed.deliveries.into_iter().map(|delivery| delivery.message.id));
            }
        })
    });
    let mut seen = HashSet::new();
    for claimer in claimers.collect::<Vec<_>>() {
        for id in claimer.await.unwrap() {
            assert!(seen.insert(id.clone()), "{id} was claimed twice");
        }
    }
    assert_eq!(seen.len(), COUNT);
}

pub async fn ended_leases_return_their_messages<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("ended"));
    backend.enqueue(&queue, message("a").with_priority(Priority::High)).await.unwrap();
    for attempt in 1..=3 {
        let claimed = Instant::now();
        let delivery = claim_one(&backend, &queue, SHORT).await;
        assert_eq!(delivery.attempt, attempt, "lost attempts count");
        assert_eq!(delivery.message.priority, Priority::High);
        let next = claim_one(&backend, &queue, Duration::from_millis(1)).await;
        assert!(claimed.elapsed() >= SHORT, "claimed again after {:?}", claimed.elapsed());
        // Undo the attempt that this look cost.
        let give_back = Retry { counted: false, ..retry(next.receipt(), Duration::ZERO) };
        let settled = backend.retry(&queue, &[give_back]).await.unwrap();
        assert_eq!(settled, [Settled::Done], "the lease ended, but nobody took it over");
    }
}

pub async fn stale_tokens_are_refused<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("stale"));
    backend.enqueue(&queue, message("a")).await.unwrap();
    let old = claim_one(&backend, &queue, Duration::from_millis(1)).await.receipt();
    let new = claim_one(&backend, &queue, LONG).await.receipt();
    assert_ne!(old, new);
    let made_up = Receipt { id: id("a"), token: LeaseToken::random() };
    let unknown = Receipt { id: id("unknown"), token: new.token };
    for stale in [old, made_up, unknown] {
        let stale = [stale];
        assert_eq!(backend.ack(&queue, &stale).await.unwrap(), [Settled::Stale]);
        assert_eq!(backend.extend(&queue, &stale, LONG).await.unwrap(), [Settled::Stale]);
        let [receipt] = stale;
        let asked = [retry(receipt.clone(), Duration::ZERO)];
        assert_eq!(backend.retry(&queue, &asked).await.unwrap(), [Settled::Stale]);
        assert_eq!(backend.bury(&queue, &[bury(receipt)]).await.unwrap(), [Settled::Stale]);
    }
    let mixed = [Receipt { id: id("unknown"), token: new.token }, new.clone()];
    assert_eq!(backend.extend(&queue, &mixed, LONG).await.unwrap(), [Settled::Stale, Settled::Done]);
    assert_eq!(backend.ack(&queue, &mixed).await.unwrap(), [Settled::Stale, Settled::Done]);
    assert_eq!(backend.ack(&queue, &[new]).await.unwrap(), [Settled::Stale], "acknowledged already");
}

pub async fn acknowledged_messages_are_gone<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("ack"));
    let batch = (0..700).map(|number| message(&number.to_string())).collect();
    backend.enqueue_batch(&queue, batch).await.unwrap();
    let mut receipts = Vec::new();
    while receipts.len() < 700 {
        let some = claim_some(&backend, &queue, 300, LONG).await;
        receipts.extend(some.iter().map(crate::Delivery::receipt));
    }
    assert_eq!(backend.ack(&queue, &receipts).await.unwrap(), vec![Settled::Done; 700]);
    assert_eq!(backend.stats(&queue).await.unwrap(), empty(&backend));
    let claimed = backend.claim(&queue, 10, LONG).await.unwrap();
    assert_eq!((ids(&claimed).len(), claimed.next_due), (0, None));
}

pub async fn retried_messages_pause<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("retry"));
    backend.enqueue(&queue, message("a")).await.unwrap();
    for attempt in 1..=3 {
        let delivery = claim_one(&backend, &queue, LONG).await;
        assert_eq!(delivery.attempt, attempt);
        let asked = Instant::now();
        let settled = backend.retry(&queue, &[retry(delivery.receipt(), SHORT)]).await.unwrap();
        assert_eq!(settled, [Settled::Done]);
        assert_eq!(backend.ack(&queue, &[delivery.receipt()]).await.unwrap(), [Settled::Stale], "the lease is over");
        let next = claim_one(&backend, &queue, LONG).await;
        assert!(asked.elapsed() >= SHORT, "claimed again after {:?}", asked.elapsed());
        assert_eq!(next.due, delivery.due, "the first due time is kept");
        let give_back = Retry { counted: false, ..retry(next.receipt(), Duration::ZERO) };
        assert_eq!(backend.retry(&queue, &[give_back]).await.unwrap(), [Settled::Done]);
    }
}

pub async fn given_back_messages_lose_no_attempt<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("back"));
    backend.enqueue_batch(&queue, vec![message("a"), message("b")]).await.unwrap();
    for _ in 0..5 {
        let claimed = claim_some(&backend, &queue, 2, LONG).await;
        let back: Vec<_> = claimed
            .iter()
            .map(|delivery| Retry { counted: false, error: None, ..retry(delivery.receipt(), Duration::ZERO) })
            .collect();
        assert!(claimed.iter().all(|delivery| delivery.attempt == 1));
        assert_eq!(backend.retry(&queue, &back).await.unwrap(), vec![Settled::Done; back.len()]);
    }
}

pub async fn extended_leases_last<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("extend"));
    backend.enqueue(&queue, message("a")).await.unwrap();
    let receipt = claim_one(&backend, &queue, LONG).await.receipt();
    // Shorter works as well: "that long after now".
    assert_eq!(backend.extend(&queue, std::slice::from_ref(&receipt), SHORT).await.unwrap(), [Settled::Done]);
    assert_eq!(backend.extend(&queue, std::slice::from_ref(&receipt), LONG).await.unwrap(), [Settled::Done]);
    sleep(SHORT * 2).await;
    assert_eq!(ids(&backend.claim(&queue, 1, LONG).await.unwrap()), [""; 0]);
    let asked = Instant::now();
    assert_eq!(backend.extend(&queue, std::slice::from_ref(&receipt), SHORT).await.unwrap(), [Settled::Done]);
    assert_eq!(claim_one(&backend, &queue, LONG).await.attempt, 2);
    assert!(asked.elapsed() >= SHORT);
    assert_eq!(backend.extend(&queue, &[receipt], LONG).await.unwrap(), [Settled::Stale]);
}

pub async fn buried_messages_tell_their_story<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("bury"));
    let mut first = message("first").with_priority(Priority::High);
    first.headers.insert("kept".into(), "yes".into());
    let _ = backend.enqueue(&queue, first.clone()).await.unwrap();

    let delivery = claim_one(&backend, &queue, LONG).await;
    let asked = [retry(delivery.receipt(), Duration::ZERO)];
    assert_eq!(backend.retry(&queue, &asked).await.unwrap(), [Settled::Done]);
    let delivery = claim_one(&backend, &queue, LONG).await;
    let reason = DeadReason::Rejected("not ours | \"ever\"\n".into());
    // Without an error of its own, the one of the last attempt is the last error.
    let first_death = Bury { receipt: delivery.receipt(), reason: reason.clone(), error: None };
    assert_eq!(backend.bury(&queue, &[first_death]).await.unwrap(), [Settled::Done]);
    sleep(Duration::from_millis(5)).await;
    let _ = backend.enqueue(&queue, message("second")).await.unwrap();
    let second = claim_one(&backend, &queue, LONG).await;
    let error = Some("line\nbreak | 错误".to_owned());
    let second_death = Bury { receipt: second.receipt(), reason: DeadReason::Undecodable, error: error.clone() };
    assert_eq!(backend.bury(&queue, &[second_death]).await.unwrap(), [Settled::Done]);

    let dead = backend.dead_letters(&queue, 0, 10).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert_eq!(dead[0].message, first);
    assert_eq!((dead[0].attempts, &dead[0].reason, dead[0].last_error.as_deref()), (2, &reason, Some("no luck")));
    assert_eq!((dead[1].attempts, &dead[1].reason, &dead[1].last_error), (1, &DeadReason::Undecodable, &error));
    assert!(dead[0].died < dead[1].died);
    let page = backend.dead_letters(&queue, 1, 1).await.unwrap();
    assert_eq!((page.len(), &page[0].message.id), (1, &id("second")));
    assert_eq!(backend.dead_letters(&queue, 2, 10).await.unwrap().len(), 0);
    assert_eq!(backend.dead_letters(&queue, 0, 0).await.unwrap().len(), 0);
    let claimed = backend.claim(&queue, 10, LONG).await.unwrap();
    assert_eq!((ids(&claimed).len(), claimed.next_due), (0, None), "the dead do not come back");
}

pub async fn replayed_messages_start_afresh<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("replay"));
    let mut sent = message("a").with_priority(Priority::Low);
    sent.headers.insert("kept".into(), "yes".into());
    backend.enqueue(&queue, sent.clone()).await.unwrap();
    assert_eq!(backend.replay(&queue, &id("a")).await.unwrap(), Replay::NotFound, "alive");
    let receipt = claim_one(&backend, &queue, LONG).await.receipt();
    assert_eq!(backend.bury(&queue, &[bury(receipt)]).await.unwrap(), [Settled::Done]);

    assert_eq!(backend.replay(&queue, &id("unknown")).await.unwrap(), Replay::NotFound);
    assert_eq!(backend.replay(&queue, &id("a")).await.unwrap(), Replay::Replayed);
    assert_eq!(backend.replay(&queue, &id("a")).await.unwrap(), Replay::NotFound, "replayed already");
    assert_eq!(backend.dead_letters(&queue, 0, 10).await.unwrap().len(), 0);
    let claimed = backend.claim(&queue, 10, LONG).await.unwrap();
    assert_eq!(ids(&claimed), ["a"]);
    assert_eq!(claimed.deliveries[0].message, sent);
    assert_eq!(claimed.deliveries[0].attempt, 1);
}

pub async fn purged_messages_are_gone<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("purge"));
    backend.enqueue_batch(&queue, ["a", "b", "c", "alive"].map(message).into()).await.unwrap();
    for delivery in claim_some(&backend, &queue, 3, LONG).await {
        assert_eq!(backend.bury(&queue, &[bury(delivery.receipt())]).await.unwrap(), [Settled::Done]);
    }
    let dead = backend.dead_letters(&queue, 0, 10).await.unwrap();
    assert_eq!(dead.len(), 3);
    let one = &dead[1].message.id;
    assert_eq!(backend.purge(&queue, Some(one)).await.unwrap(), 1);
    assert_eq!(backend.purge(&queue, Some(one)).await.unwrap(), 0, "purged already");
    assert_eq!(backend.purge(&queue, None).await.unwrap(), 2);
    assert_eq!(backend.purge(&queue, None).await.unwrap(), 0);
    let stats = backend.stats(&queue).await.unwrap();
    assert_eq!((stats.backlog, stats.dead), (1, 0), "the living are spared");
    let alive = claim_one(&backend, &queue, LONG).await.message.id;
    assert_eq!(backend.purge(&queue, Some(&alive)).await.unwrap(), 0, "the living are spared");
}

pub async fn next_due_tells_how_long_to_sleep<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("next"));
    assert_eq!(backend.claim(&queue, 1, LONG).await.unwrap().next_due, None);
    backend.enqueue(&queue, after("later", Duration::from_secs(3600))).await.unwrap();
    let next = backend.claim(&queue, 1, LONG).await.unwrap().next_due;
    // What a backend does not know, it does not make up; a hint comes when the message is due.
    let next = next.unwrap_or_else(|| {
        assert!(!backend.capabilities().knows_next_due);
        Duration::from_secs(3600)
    });
    assert!(next < Duration::from_secs(3601) && next > Duration::from_secs(3000), "{next:?}");
    backend.enqueue_batch(&queue, vec![message("a"), message("b")]).await.unwrap();
    let claimed = backend.claim(&queue, 1, LONG).await.unwrap();
    assert_eq!(claimed.deliveries.len(), 1);
    if backend.capabilities().knows_next_due {
        assert_eq!(claimed.next_due, Some(Duration::ZERO), "another is due");
    }
    let claimed = backend.claim(&queue, 1, Duration::from_secs(60)).await.unwrap();
    assert_eq!(claimed.deliveries.len(), 1);
    let next = claimed.next_due.unwrap();
    assert!(next <= Duration::from_millis(60_001), "the end of the lease comes before the next message: {next:?}");
}

pub async fn statistics_count_every_state<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("stats"));
    assert_eq!(backend.stats(&queue).await.unwrap(), empty(&backend));
    backend.enqueue_batch(&queue, ["dead", "leased", "lost", "retried"].map(message).into()).await.unwrap();
    for delivery in claim_some(&backend, &queue, 4, LONG).await {
        let receipt = delivery.receipt();
        match delivery.message.id.as_str() {
            "dead" => assert_eq!(backend.bury(&queue, &[bury(receipt)]).await.unwrap(), [Settled::Done]),
            "lost" => {
                let ends = Duration::from_millis(1);
                assert_eq!(backend.extend(&queue, &[receipt], ends).await.unwrap(), [Settled::Done]);
            }
            "retried" => assert_eq!(backend.retry(&queue, &[retry(receipt, LONG)]).await.unwrap(), [Settled::Done]),
            _ => {}
        }
    }
    backend.enqueue_batch(&queue, vec![after("later", LONG), message("due")]).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    let stats = backend.stats(&queue).await.unwrap();
    let all = backend.capabilities().counts_delayed;
    let delayed = if all { 2 } else { 0 };
    assert_eq!((stats.backlog, stats.delayed, stats.leased, stats.dead), (2, delayed, 1, 1));
    assert_eq!(stats.total, all.then_some(4), "due or not");
    assert_eq!(stats.overdue.is_some(), all);
    assert!(!stats.is_idle());
    // A broker sees how long a message has been waiting only while this process holds it, which it need not.
    assert!(!all || stats.oldest_lateness >= Duration::from_millis(10), "{:?}", stats.oldest_lateness);
}

pub async fn statistics_tell_what_is_overdue<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("overdue"));
    let long_ago = |name, seconds| message(name).with_schedule(Schedule::At(SystemTime::now() - LONG * seconds));
    let batch = vec![long_ago("first", 3), long_ago("second", 2), after("later", LONG)];
    backend.enqueue_batch(&queue, batch).await.unwrap();
    if !backend.capabilities().counts_delayed {
        let stats = backend.stats(&queue).await.unwrap();
        assert_eq!((stats.backlog, stats.total, stats.overdue), (2, None, None), "what is unknown is not made up");
        return;
    }
    // A broker's ledger counts from when it heard of them.
    eventually("two are overdue", async || backend.stats(&queue).await.unwrap().overdue == Some(2)).await;
    let stats = backend.stats(&queue).await.unwrap();
    assert_eq!((stats.total, stats.backlog, stats.delayed), (Some(3), 2, 1));
    assert!(stats.oldest_lateness >= crate::QueueStats::OVERDUE, "{stats:?}");
    let _first = claim_one(&backend, &queue, LONG).await;
    let stats = backend.stats(&queue).await.unwrap();
    assert_eq!((stats.total, stats.overdue, stats.leased), (Some(2), Some(1), 1), "what is handled does not wait");
}

pub async fn what_waits_can_be_looked_at<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue, dead_only) = (fixture.backend(), queue("look"), queue("look.dead"));
    if let Err(refused) = backend.peek(&queue, 1).await {
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert_eq!(backend.queues().await.unwrap_err().kind(), ErrorKind::Unsupported, "neither or both");
        return;
    }
    let now = SystemTime::now();
    let due = |name, seconds| message(name).with_schedule(Schedule::At(now - Duration::from_secs(seconds)));
    let peek = async |limit| -> Vec<_> {
        backend.peek(&queue, limit).await.unwrap().into_iter().map(|it| (it.id.to_string(), it.due)).collect()
    };
    let names = async |limit| -> Vec<String> { peek(limit).await.into_iter().map(|(id, _)| id).collect() };
    assert_eq!(names(10).await, [""; 0]);
    assert!(!backend.queues().await.unwrap().contains(&queue), "it holds nothing");
    backend.enqueue(&queue, due("taken", 30).with_priority(Priority::High)).await.unwrap();
    let taken = claim_one(&backend, &queue, LONG).await.receipt();
    let later = after("later", LONG * 2).with_priority(Priority::High);
    let batch = vec![later, after("sooner", LONG), due("b", 10).with_priority(Priority::High), due("a", 20)];
    backend.enqueue_batch(&queue, batch).await.unwrap();
    let before = backend.stats(&queue).await.unwrap();
    assert_eq!(names(10).await, ["a", "b", "sooner", "later"], "what is leased does not wait");
    assert_eq!(names(2).await, ["a", "b"]);
    assert_eq!(names(0).await, [""; 0]);
    let peeked = peek(10).await;
    assert!(peeked[0].1 <= now && peeked[2].1 > now && peeked[3].1 >= peeked[2].1 + LONG / 2, "{peeked:?}");
    let after = backend.stats(&queue).await.unwrap();
    assert_eq!((after.backlog, after.delayed, after.leased), (before.backlog, before.delayed, before.leased));

    // A lease that ended leaves its message waiting, since that time.
    let ends = Duration::from_millis(1);
    assert_eq!(backend.extend(&queue, &[taken], ends).await.unwrap(), [Settled::Done]);
    eventually("the lease ended", async || names(10).await == ["a", "b", "taken", "sooner", "later"]).await;

    backend.enqueue(&dead_only, message("dead")).await.unwrap();
    let receipt = claim_one(&backend, &dead_only, LONG).await.receipt();
    assert_eq!(backend.bury(&dead_only, &[bury(receipt)]).await.unwrap(), [Settled::Done]);
    assert_eq!(backend.peek(&dead_only, 10).await.unwrap().len(), 0, "the dead wait for nothing");
    let names = backend.queues().await.unwrap();
    assert!(names.contains(&queue) && names.contains(&dead_only), "{names:?}");
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(backend.purge(&dead_only, None).await.unwrap(), 1);
    assert!(!backend.queues().await.unwrap().contains(&dead_only), "it holds nothing any more");
}

/// What the statistics of an empty queue are.
fn empty(backend: &impl DelayQueueProducer) -> crate::QueueStats {
    match backend.capabilities().counts_delayed {
        true => crate::QueueStats::default(),
        false => crate::QueueStats { overdue: None, ..crate::QueueStats::default().without_total() },
    }
}

pub async fn nothing_asked_nothing_answered<F: Fixture>() {
    let fixture = F::start().await;
    let (backend, queue) = (fixture.backend(), queue("empty"));
    assert_eq!(backend.enqueue_batch(&queue, vec![]).await.unwrap(), []);
    assert_eq!(backend.ack(&queue, &[]).await.unwrap(), []);
    assert_eq!(backend.retry(&queue, &[]).await.unwrap(), []);
    assert_eq!(backend.extend(&queue, &[], LONG).await.unwrap(), []);
    assert_eq!(backend.bury(&queue, &[]).await.unwrap(), []);
    assert_eq!(backend.dead_letters(&queue, 0, 10).await.unwrap().len(), 0);
}
