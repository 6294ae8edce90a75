//! The metrics of the documented table are recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use nebula_lock::{LockManager, MemoryLock};
use parking_lot::Mutex;

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

struct Line(Seen, String);

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        assert_eq!(value, 1);
        self.0.0.lock().push(self.1.clone());
    }

    fn absolute(&self, _: u64) {
        unreachable!("counters only count up");
    }
}

impl HistogramFn for Line {
    fn record(&self, value: f64) {
        assert!(value.is_finite());
        self.0.0.lock().push(self.1.clone());
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

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

#[test]
fn every_event_is_counted_once() {
    let seen = Seen::default();
    metrics::with_local_recorder(&seen, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let locks = LockManager::new(MemoryLock::new());
            let guard = locks.lock("key").await.unwrap();
            assert!(locks.try_lock("key").await.unwrap().is_none());
            assert!(locks.lock("key").wait(Duration::from_secs(1)).await.is_err());
            assert!(locks.lock("").await.is_err());
            guard.release().await;
            let guard = locks.lock("key").lease(Duration::from_secs(1)).await.unwrap();
            guard.lost().await;
        });
    });
    let mut lines = seen.0.lock().clone();
    lines.sort();
    assert_eq!(
        lines,
        [
            "nebula_lock_acquisitions_total outcome=acquired",
            "nebula_lock_acquisitions_total outcome=acquired",
            "nebula_lock_acquisitions_total outcome=busy",
            "nebula_lock_acquisitions_total outcome=busy",
            "nebula_lock_contended_total",
            "nebula_lock_hold_seconds",
            "nebula_lock_hold_seconds",
            "nebula_lock_lost_total reason=expired",
            "nebula_lock_releases_total outcome=released",
            "nebula_lock_wait_seconds",
            "nebula_lock_wait_seconds",
        ]
    );
}
