//! The contract of [`MessageLedger`].

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::sleep;

use super::{LONG, SHORT, eventually, id, queue};
use crate::{LedgerChange, LedgerContent, LedgerRecord, LedgerState, MessageLedger, QueueName};

/// Defines one `#[tokio::test]` for each part of the contract of [`MessageLedger`](crate::MessageLedger), run with what the
/// async expression yields.
#[macro_export]
macro_rules! ledger_suite {
    ($ledger:expr) => {
        $crate::ledger_suite!(@tests $ledger,
            records_are_written_as_expected, one_of_many_writes, answers_are_in_order, contents_last,
            only_the_ended_are_forgotten, the_next_is_the_least, counts_are_by_state_and_time, the_dead_are_forgotten,
            queues_of_a_ledger_are_independent);
    };
    (@tests $ledger:expr, $($name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::ledger::$name($ledger.await).await;
        })+
    };
}

fn record(version: u64, state: LedgerState, at_ms: u64) -> LedgerRecord {
    LedgerRecord { version, state, at_ms, detail: format!("{{\"第\":\"{version}|'\\\\\"}}") }
}

fn change(name: &str, expected: Option<u64>, record: LedgerRecord) -> LedgerChange {
    LedgerChange { id: id(name), expected, record, content: LedgerContent::Keep }
}

async fn now(ledger: &impl MessageLedger, queue: &QueueName) -> u64 {
    ledger.next(queue).await.unwrap().0
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

pub async fn records_are_written_as_expected<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    let at = now(&ledger, &queue).await + ms(LONG);
    let largest = u64::MAX >> 1;
    let first = record(largest, LedgerState::Waiting, at);
    for (expected, done) in [(Some(1), false), (None, true), (None, false), (Some(1), false)] {
        let asked = [change("订单 'a'", expected, first.clone())];
        assert_eq!(ledger.swap(&queue, &asked).await.unwrap(), [done], "{expected:?}");
    }
    let view = ledger.read(&queue, &[id("订单 'a'")]).await.unwrap();
    assert_eq!(view.records, [Some(first)]);
    assert!(view.now_ms <= at && view.now_ms + ms(LONG) * 2 > at, "{} and {at}", view.now_ms);
    let second = record(2, LedgerState::Leased, at + 1);
    let asked = [change("订单 'a'", Some(largest), second.clone())];
    assert_eq!(ledger.swap(&queue, &asked).await.unwrap(), [true]);
    assert_eq!(ledger.swap(&queue, &asked).await.unwrap(), [false], "changed meanwhile");
    assert_eq!(ledger.read(&queue, &[id("订单 'a'")]).await.unwrap().records, [Some(second)]);
}

pub async fn one_of_many_writes<L: MessageLedger>(ledger: L) {
    let (ledger, queue) = (Arc::new(ledger), queue("q"));
    for round in 0..5u64 {
        let expected = round.checked_sub(1).map(|before| before * 100 + 99);
        let tries = (0..8).map(|number| {
            let (ledger, queue) = (Arc::clone(&ledger), queue.clone());
            let asked = change("a", expected, record(round * 100 + number, LedgerState::Waiting, 1));
            tokio::spawn(async move {
                // Databases may refuse two that meet, and say so.
                loop {
                    match ledger.swap(&queue, std::slice::from_ref(&asked)).await {
                        Ok(done) => return done[0],
                        Err(error) => assert!(error.is_retryable(), "{error:?}"),
                    }
                }
            })
        });
        let mut written = 0;
        for done in tries.collect::<Vec<_>>() {
            written += usize::from(done.await.unwrap());
        }
        assert_eq!(written, 1);
        let before = ledger.read(&queue, &[id("a")]).await.unwrap().records.remove(0).unwrap();
        let last = change("a", Some(before.version), record(round * 100 + 99, LedgerState::Waiting, 1));
        assert_eq!(ledger.swap(&queue, &[last]).await.unwrap(), [true]);
    }
}

pub async fn answers_are_in_order<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    let name = |number: u64| format!("{:04}", (number * 7919) % 700);
    assert_eq!(ledger.swap(&queue, &[change(&name(3), None, record(1, LedgerState::Dead, 1))]).await.unwrap(), [true]);
    let changes: Vec<_> =
        (0..700).map(|number| change(&name(number), None, record(number + 2, LedgerState::Dead, 1))).collect();
    let done = ledger.swap(&queue, &changes).await.unwrap();
    let refused: Vec<_> = (0..done.len()).filter(|place| !done[*place]).collect();
    assert_eq!((done.len(), &refused[..]), (700, &[3][..]));
    let mut ids: Vec<_> = (0..700).map(|number| id(&name(number))).collect();
    ids.insert(1, id("unknown"));
    let records = ledger.read(&queue, &ids).await.unwrap().records;
    assert_eq!((records.len(), &records[1]), (701, &None));
    for (number, version) in [(0, 2), (2, 3), (4, 1), (700, 701)] {
        assert_eq!(records[number].as_ref().unwrap().version, version);
    }
    assert_eq!(ledger.read(&queue, &[]).await.unwrap().records, []);
    assert_eq!(ledger.swap(&queue, &[]).await.unwrap(), [false; 0]);
}

pub async fn contents_last<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    let bytes: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let read = async || ledger.content(&queue, &id("a")).await.unwrap();
    let mut expected = None;
    let steps = [
        (LedgerContent::Keep, None),
        (LedgerContent::Set(bytes.clone()), Some(bytes.clone())),
        (LedgerContent::Keep, Some(bytes.clone())),
        (LedgerContent::Set("".into()), Some(Bytes::new())),
        (LedgerContent::Clear, None),
        (LedgerContent::Set(bytes.clone()), Some(bytes.clone())),
    ];
    for (version, (content, there)) in (1..).zip(steps) {
        let asked = LedgerChange { content, ..change("a", expected, record(version, LedgerState::Dead, 1)) };
        assert_eq!(ledger.swap(&queue, std::slice::from_ref(&asked)).await.unwrap(), [true]);
        assert_eq!(read().await, there, "{version}");
        let refused = LedgerChange { content: LedgerContent::Clear, ..asked };
        assert_eq!(ledger.swap(&queue, &[refused]).await.unwrap(), [false]);
        assert_eq!(read().await, there, "{version}");
        expected = Some(version);
    }
    assert_eq!(ledger.forget_dead(&queue).await.unwrap(), 1);
    assert_eq!(read().await, None);
    let again = change("a", None, record(1, LedgerState::Dead, 1));
    assert_eq!(ledger.swap(&queue, &[again]).await.unwrap(), [true]);
    assert_eq!(read().await, None, "nothing is left of what was forgotten");
}

pub async fn only_the_ended_are_forgotten<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    let at = now(&ledger, &queue).await;
    let changes: Vec<_> = LedgerState::ALL
        .into_iter()
        .flat_map(|state| {
            let old = change(&format!("old {state:?}"), None, record(1, state, at - 1));
            [old, change(&format!("new {state:?}"), None, record(1, state, at + ms(LONG)))]
        })
        .collect();
    assert_eq!(ledger.swap(&queue, &changes).await.unwrap(), [true; 10]);
    sleep(SHORT).await;
    // Whenever it pleases the ledger: nothing depends on it.
    for number in 0..3 {
        let other = change(&number.to_string(), None, record(1, LedgerState::Dead, at));
        assert_eq!(ledger.swap(&queue, &[other]).await.unwrap(), [true]);
    }
    let ids: Vec<_> = changes.iter().map(|change| change.id.clone()).collect();
    let records = ledger.read(&queue, &ids).await.unwrap().records;
    for (change, record) in changes.iter().zip(records) {
        let may_go =
            change.record.at_ms < at && matches!(change.record.state, LedgerState::Sending | LedgerState::Over);
        assert!(record.is_some() || may_go, "{} is forgotten", change.id);
    }
}

pub async fn the_next_is_the_least<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    let next = async || ledger.next(&queue).await.unwrap().1;
    assert_eq!(next().await, None);
    let at = now(&ledger, &queue).await + ms(LONG);
    let others = [LedgerState::Sending, LedgerState::Dead, LedgerState::Over];
    let others: Vec<_> = others.map(|state| change(&format!("{state:?}"), None, record(1, state, at))).into();
    ledger.swap(&queue, &others).await.unwrap();
    assert_eq!(next().await, None);
    ledger.swap(&queue, &[change("a", None, record(1, LedgerState::Waiting, at + 5))]).await.unwrap();
    assert_eq!(next().await, Some(at + 5));
    ledger.swap(&queue, &[change("b", None, record(1, LedgerState::Leased, at + 3))]).await.unwrap();
    assert_eq!(next().await, Some(at + 3));
    ledger.swap(&queue, &[change("b", Some(1), record(2, LedgerState::Leased, at + 9))]).await.unwrap();
    assert_eq!(next().await, Some(at + 5));
    ledger.swap(&queue, &[change("a", Some(1), record(2, LedgerState::Over, at))]).await.unwrap();
    assert_eq!(next().await, Some(at + 9));
}

pub async fn counts_are_by_state_and_time<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    assert_eq!(ledger.counts(&queue).await.unwrap(), crate::QueueStats::default());
    let at = now(&ledger, &queue).await;
    let (past, future) = (at - 1500, at + ms(LONG));
    let all: Vec<_> = LedgerState::ALL
        .into_iter()
        .flat_map(|state| {
            [("past", past), ("future", future)].map(|(name, at)| (format!("{state:?} {name}"), state, at))
        })
        .map(|(name, state, at)| change(&name, None, record(1, state, at)))
        .collect();
    ledger.swap(&queue, &all).await.unwrap();
    let more = ["a", "b"].map(|name| change(name, None, record(1, LedgerState::Waiting, future)));
    ledger.swap(&queue, &more).await.unwrap();
    let stats = ledger.counts(&queue).await.unwrap();
    assert_eq!((stats.backlog, stats.delayed, stats.leased, stats.dead), (2, 3, 1, 2));
    assert_eq!(stats.total, Some(5));
    assert_eq!(stats.overdue, Some(2));
    assert!(stats.oldest_lateness >= Duration::from_millis(1500) && stats.oldest_lateness < LONG, "{stats:?}");
    eventually("time passes", async || ledger.counts(&queue).await.unwrap().oldest_lateness > stats.oldest_lateness)
        .await;
}

pub async fn the_dead_are_forgotten<L: MessageLedger>(ledger: L) {
    let queue = queue("q");
    let dead = (0..1200).map(|number| change(&number.to_string(), None, record(1, LedgerState::Dead, 1)));
    let mut changes: Vec<_> = dead.collect();
    changes.push(change("alive", None, record(1, LedgerState::Waiting, 1)));
    assert_eq!(ledger.swap(&queue, &changes).await.unwrap().into_iter().filter(|done| *done).count(), 1201);
    assert_eq!(ledger.forget_dead(&queue).await.unwrap(), 1200);
    assert_eq!(ledger.forget_dead(&queue).await.unwrap(), 0);
    let records = ledger.read(&queue, &[id("5"), id("alive")]).await.unwrap().records;
    assert_eq!(records.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    assert_eq!(ledger.counts(&queue).await.unwrap().dead, 0);
}

pub async fn queues_of_a_ledger_are_independent<L: MessageLedger>(ledger: L) {
    let queues = ["q", "q.a", "q.a.b"].map(queue);
    let mut seen = HashSet::new();
    for (number, queue) in (1..).zip(&queues) {
        let written = ledger.swap(queue, &[change("a:b", None, record(number, LedgerState::Dead, 1))]).await.unwrap();
        assert_eq!(written, [true]);
    }
    for queue in &queues {
        seen.insert(ledger.read(queue, &[id("a:b")]).await.unwrap().records.remove(0).unwrap().version);
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(ledger.forget_dead(&queues[0]).await.unwrap(), 1);
    assert_eq!(ledger.counts(&queues[1]).await.unwrap().dead, 1);
}
