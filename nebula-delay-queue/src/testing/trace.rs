//! The contract of [`TraceStore`].

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use super::{id, queue};
use crate::{DeadReason, Happened, TraceEvent, TraceStore, Traced};

/// Defines one `#[tokio::test]` for each part of the contract of [`TraceStore`](crate::TraceStore), run with what the async
/// expression yields: a store that is empty and that nobody else uses.
#[macro_export]
macro_rules! trace_suite {
    ($store:expr) => {
        $crate::trace_suite!(@tests $store,
            lives_are_told_in_the_order_of_their_times, the_latest_event_says_what_is_pending,
            the_longest_due_come_first, all_queues_are_named, lives_are_independent, many_record_at_once);
    };
    (@tests $store:expr, $($name:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::trace::$name($store.await).await;
        })+
    };
}

/// A moment of the near past, in whole milliseconds since this process began with such tests.
fn at(ms: u64) -> SystemTime {
    static START: LazyLock<SystemTime> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs() - 1000)
    });
    *START + Duration::from_millis(ms)
}

fn event(name: &str, of: &str, at: SystemTime, what: Happened) -> Traced {
    Traced { queue: queue(name), id: id(of), event: TraceEvent { at, what } }
}

fn delivered() -> Happened {
    Happened::Delivered { attempt: 1, lateness: Duration::from_micros(1500) }
}

async fn pending<S: TraceStore>(store: &S, name: &str, by: SystemTime) -> Vec<String> {
    let found = store.pending(&queue(name), by, 10).await.unwrap();
    found.iter().map(|pending| pending.id.to_string()).collect()
}

pub async fn lives_are_told_in_the_order_of_their_times<S: TraceStore>(store: S) {
    let start = at(0);
    let life = [
        Happened::Scheduled { due: start + Duration::from_secs(5) },
        Happened::Duplicate,
        Happened::Rescheduled { due: start + Duration::from_secs(6) },
        delivered(),
        Happened::Retried { after: Duration::from_millis(20), error: Some("no “luck”\n".into()) },
        Happened::Returned,
        Happened::LeaseLost,
        Happened::Dead { reason: DeadReason::Rejected("hopeless 'it' is".into()), error: None },
        Happened::Replayed,
        Happened::Cancelled,
        Happened::Purged,
        Happened::Done,
    ];
    let all: Vec<Traced> =
        (0..).zip(life).map(|(ms, what)| event("q", "订单", start + Duration::from_millis(ms), what)).collect();
    // Several processes write, each when it gets to it.
    let (late, early): (Vec<_>, Vec<_>) = all.iter().cloned().enumerate().partition(|(place, _)| place % 3 == 0);
    for part in [early, late] {
        let part: Vec<Traced> = part.into_iter().map(|(_, event)| event).collect();
        store.record(&part).await.unwrap();
    }
    store.record(&[]).await.unwrap();
    let told = store.trace(&queue("q"), &id("订单")).await.unwrap();
    assert_eq!(told, all.iter().map(|traced| traced.event.clone()).collect::<Vec<_>>());
    assert_eq!(store.trace(&queue("q"), &id("unknown")).await.unwrap(), []);
}

pub async fn the_latest_event_says_what_is_pending<S: TraceStore>(store: S) {
    let (start, soon) = (at(0), at(500));
    let scheduled = event("q", "a", start, Happened::Scheduled { due: soon });
    store.record(std::slice::from_ref(&scheduled)).await.unwrap();
    assert_eq!(pending(&store, "q", soon - Duration::from_millis(1)).await, [""; 0], "in good time yet");
    assert_eq!(pending(&store, "q", soon).await, ["a"]);
    assert_eq!(store.pending(&queue("q"), soon, 10).await.unwrap()[0].due, soon);
    // What changes nothing about that changes nothing about that, and is no later news either.
    store.record(&[event("q", "a", at(750), Happened::Duplicate)]).await.unwrap();
    assert_eq!(pending(&store, "q", soon).await, ["a"]);
    store.record(&[event("q", "a", at(700), delivered())]).await.unwrap();
    assert_eq!(pending(&store, "q", at(9000)).await, [""; 0], "it has come");
    // Late news of what was before.
    store.record(&[event("q", "a", at(600), Happened::Rescheduled { due: at(650) })]).await.unwrap();
    assert_eq!(pending(&store, "q", at(9000)).await, [""; 0], "and that is what counts");
    let again = Happened::Retried { after: Duration::from_millis(100), error: None };
    store.record(&[event("q", "a", at(800), again), event("q", "b", at(800), delivered())]).await.unwrap();
    assert_eq!(pending(&store, "q", at(899)).await, [""; 0]);
    assert_eq!(pending(&store, "q", at(900)).await, ["a"]);
    // In one batch, the latest counts as well.
    store.record(&[event("q", "a", at(950), Happened::Done), event("q", "a", at(940), delivered())]).await.unwrap();
    assert_eq!(pending(&store, "q", at(9000)).await, [""; 0]);
}

pub async fn the_longest_due_come_first<S: TraceStore>(store: S) {
    let due = |name: &str, ms| event("q", name, at(0), Happened::Scheduled { due: at(ms) });
    store.record(&[due("c", 300), due("a", 100), due("d", 400), due("b", 200)]).await.unwrap();
    assert_eq!(pending(&store, "q", at(300)).await, ["a", "b", "c"]);
    let two = store.pending(&queue("q"), at(9000), 2).await.unwrap();
    assert_eq!(two.iter().map(|pending| pending.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

pub async fn all_queues_are_named<S: TraceStore>(store: S) {
    assert_eq!(store.queues().await.unwrap(), []);
    let names = ["b.one", "a", "b"];
    for name in names {
        store.record(&[event(name, "x", at(0), Happened::Duplicate)]).await.unwrap();
    }
    assert_eq!(store.queues().await.unwrap(), ["a", "b", "b.one"].map(queue));
}

pub async fn lives_are_independent<S: TraceStore>(store: S) {
    let scheduled = || Happened::Scheduled { due: at(10) };
    store
        .record(&[
            event("q", "a", at(0), scheduled()),
            event("q", "A", at(0), scheduled()),
            event("p", "a", at(0), scheduled()),
            event("p", "a", at(20), Happened::Done),
        ])
        .await
        .unwrap();
    let count = async |name: &str, of: &str| store.trace(&queue(name), &id(of)).await.unwrap().len();
    assert_eq!(
        (count("q", "a").await, count("q", "A").await, count("p", "a").await, count("p", "A").await),
        (1, 1, 2, 0)
    );
    assert_eq!((pending(&store, "q", at(10)).await.len(), pending(&store, "p", at(10)).await.len()), (2, 0));
}

pub async fn many_record_at_once<S: TraceStore>(store: S) {
    const TASKS: u64 = 8;
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..5 {
                    // The same messages, in different orders.
                    let mut events: Vec<Traced> = (0..20)
                        .map(|number| {
                            let moment = at(round * 1000 + task * 100 + number);
                            event("q", &number.to_string(), moment, Happened::Rescheduled { due: moment })
                        })
                        .collect();
                    if task % 2 == 0 {
                        events.reverse();
                    }
                    store.record(&events).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for number in 0..20 {
        let life = store.trace(&queue("q"), &id(&number.to_string())).await.unwrap();
        assert_eq!(life.len() as u64, 5 * TASKS);
    }
    let latest = store.pending(&queue("q"), at(60_000), 100).await.unwrap();
    assert_eq!(latest.len(), 20);
    assert_eq!(latest[0].due, at(4 * 1000 + (TASKS - 1) * 100), "{latest:?}");
}
