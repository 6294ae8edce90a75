//! The metrics of the README's table are recorded, all of them and no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use nebula_delay_queue::{
    DelayMessage, DelayQueue, DelayQueueProducer, MemoryDelayQueue, MemoryTrace, Outcome, RawMessage, Received, Relay,
    RetryPolicy,
};
use parking_lot::Mutex;

/// The last value or the sum, per metric with its labels.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, f64>>>);

struct Line(Seen, String);

impl Line {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut seen = self.0.0.lock();
        let value = seen.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        self.change(|old| old + value as f64);
    }
    fn absolute(&self, _: u64) {
        unreachable!("counters only count up");
    }
}

impl GaugeFn for Line {
    fn increment(&self, value: f64) {
        self.change(|old| old + value);
    }
    fn decrement(&self, value: f64) {
        self.change(|old| old - value);
    }
    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Line {
    /// How many samples; their values are times.
    fn record(&self, value: f64) {
        assert!(value.is_finite() && value >= 0.0);
        self.change(|old| old + 1.0);
    }
}

impl Seen {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect::<String>();
        Arc::new(Line(self.clone(), format!("{}{labels}", key.name())))
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

#[test]
fn a_messages_whole_life_is_counted() {
    let seen = Seen::default();
    metrics::with_local_recorder(&seen, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let queue = DelayQueue::new(MemoryDelayQueue::new()).with_trace(MemoryTrace::new());
            // Nobody works on this one.
            queue.send("lost", &DelayMessage::new("never")).await.unwrap();
            queue.watch("lost", Duration::from_secs(10), Duration::ZERO).unwrap();
            let handler = |text: Received<String>| async move {
                match text.body().as_str() {
                    "done" => Ok(Outcome::Done),
                    "reject" => Ok(Outcome::DeadLetter("no".into())),
                    _ => Err("no luck"),
                }
            };
            let retry = RetryPolicy::fixed(1, Duration::from_secs(1));
            queue.worker("q").unwrap().retry(retry).handle(handler).start().unwrap();
            let done = DelayMessage::builder().body("done").delay(Duration::from_secs(1)).build().unwrap();
            queue.send("q", &done).await.unwrap();
            queue.send("q", &done).await.unwrap();
            queue.send_batch("q", &[DelayMessage::new("reject"), DelayMessage::new("fail")]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            queue.stats("q").await.unwrap();
            queue.shutdown(Duration::from_secs(60)).await;
            // A relay finds one of two moved already.
            let (source, target) = (MemoryDelayQueue::new(), MemoryDelayQueue::new());
            let (r, outbox) = ("r".try_into().unwrap(), "outbox.r".try_into().unwrap());
            let message = |id: &str| RawMessage::new(id.try_into().unwrap(), "1");
            let _ = target.enqueue(&r, message("a")).await.unwrap();
            source.enqueue_batch(&outbox, vec![message("a"), message("b")]).await.unwrap();
            let relay = Relay::new(source, target).queue("r").unwrap().start().unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(relay.shutdown(Duration::from_secs(1)).await);
        });
    });
    let mut seen = seen.0.lock().clone();
    let oldest = seen.remove("nebula_delay_queue_oldest_lateness_seconds queue=lost").unwrap();
    assert!((40.0..=61.0).contains(&oldest), "a minute, looked at every ten seconds: {oldest}");
    let expected = [
        ("sent_total queue=q outcome=accepted", 3.0),
        ("sent_total queue=q outcome=duplicate", 1.0),
        ("delivered_total queue=q", 4.0),
        ("lateness_seconds queue=q", 4.0),
        ("handler_seconds queue=q", 4.0),
        ("handled_total queue=q result=done", 1.0),
        ("handled_total queue=q result=retried", 1.0),
        ("handled_total queue=q result=dead", 2.0),
        ("dead_total queue=q reason=rejected", 1.0),
        ("dead_total queue=q reason=retries-exhausted", 1.0),
        ("in_flight queue=q", 0.0),
        ("messages queue=q state=backlog", 0.0),
        ("messages queue=q state=delayed", 0.0),
        ("messages queue=q state=leased", 0.0),
        ("messages queue=q state=dead", 2.0),
        ("waiting queue=q", 0.0),
        ("overdue queue=q", 0.0),
        ("oldest_lateness_seconds queue=q", 0.0),
        ("sent_total queue=lost outcome=accepted", 1.0),
        ("relayed_total queue=r outcome=accepted", 1.0),
        ("relayed_total queue=r outcome=duplicate", 1.0),
        ("relay_lag_seconds queue=r", 1.0),
        ("missing queue=lost", 1.0),
        ("messages queue=lost state=backlog", 1.0),
        ("messages queue=lost state=delayed", 0.0),
        ("messages queue=lost state=leased", 0.0),
        ("messages queue=lost state=dead", 0.0),
        ("waiting queue=lost", 1.0),
        ("overdue queue=lost", 1.0),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(name, value)| (format!("nebula_delay_queue_{name}"), value)).collect();
    assert_eq!(seen, expected);

    let documented: BTreeSet<_> = include_str!("../README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `nebula_delay_queue_")?.split('`').next())
        .collect();
    let mut recorded: BTreeSet<_> =
        seen.keys().filter_map(|name| name.strip_prefix("nebula_delay_queue_")?.split(' ').next()).collect();
    // Memory has no errors that could be counted.
    recorded.extend(["worker_errors_total", "trace_lost_total", "relay_failures_total"]);
    assert_eq!(documented, recorded);
}
