//! The metrics of the documented table are recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use nebula_lock::{
    Claim, DistributedLock, ErrorKind, LockKey, LockManager, LossReason, MemoryLock, Mode as Kind, Observed, Owner,
    Redlock, Release,
};
use nebula_test_support::metrics_are_documented;
use parking_lot::Mutex;
use support::{Faulty, Mood};
use tokio::time::timeout;

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

/// What `work` records, in alphabetical order.
fn recorded(work: impl Future<Output = ()>) -> Vec<String> {
    let seen = Seen::default();
    metrics::with_local_recorder(&seen, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(work);
    });
    let mut lines = seen.0.lock().clone();
    lines.sort();
    lines
}

#[test]
fn every_event_is_counted_once() {
    let lines = recorded(async {
        let locks = LockManager::new(MemoryLock::new());
        let guard = locks.lock("key").await.unwrap();
        assert!(locks.try_lock("key").await.unwrap().is_none());
        assert!(locks.lock("key").wait(Duration::from_secs(1)).await.is_err());
        assert!(locks.lock("").await.is_err());
        guard.release().await;
        let guard = locks.lock("key").lease(Duration::from_secs(1)).await.unwrap();
        guard.lost().await;
    });
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

#[test]
fn holds_that_last_long_are_counted_once() {
    const LONG: &str = "nebula_lock_long_holds_total";
    let lines = recorded(async {
        let locks = LockManager::new(MemoryLock::new()).with_warn_hold(Duration::from_secs(5));
        for seconds in [4, 16] {
            let guard = locks.lock("key").await.unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            guard.release().await;
        }
        let guard = locks.lock("brief").lease(Duration::from_secs(4)).await.unwrap();
        guard.lost().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    assert_eq!(lines.iter().filter(|line| *line == LONG).count(), 1, "{lines:?}");
    // Not with the release: while it lasts.
    let lines = recorded(async {
        let locks = LockManager::new(MemoryLock::new());
        let guard = locks.lock("key").await.unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
        std::mem::forget(guard);
    });
    assert!(lines.contains(&LONG.to_owned()), "a minute is long unless something else is set: {lines:?}");
}

#[test]
fn renewals_that_fail_and_nodes_that_do_not_answer_are_counted() {
    let lines = recorded(async {
        let backend = Faulty::default();
        let guard = LockManager::new(backend.clone()).lock("key").await.unwrap();
        backend.becomes(Mood::Refuses(ErrorKind::Unavailable));
        tokio::time::sleep(Duration::from_millis(10_010)).await;
        backend.becomes(Mood::Fine);
        guard.release().await;
    });
    assert!(lines.contains(&"nebula_lock_renewal_failures_total".to_owned()), "{lines:?}");
    let lines = recorded(async {
        let nodes: Vec<Faulty> = (0..3).map(|_| Faulty::default()).collect();
        nodes[1].becomes(Mood::Refuses(ErrorKind::Unavailable));
        Redlock::new(nodes).unwrap().ping().await.unwrap();
    });
    assert_eq!(lines, ["nebula_lock_node_failures_total node=1"]);
}

#[test]
fn commands_of_an_observed_backend_are_measured() {
    let lines = recorded(async {
        let backend = Faulty::default();
        let lock = Observed::new(backend.clone(), "mine");
        let key = LockKey::new("key").unwrap();
        let (one, two) = (Claim::new(key.clone(), Owner::random()), Claim::new(key.clone(), Owner::random()));
        let lease = Duration::from_secs(1);
        lock.try_acquire(&one, lease).await.unwrap();
        lock.try_acquire(&two.clone().with_mode(Kind::Write), lease).await.unwrap();
        lock.renew(&one, lease).await.unwrap();
        lock.renew(&two, lease).await.unwrap();
        lock.release(&one).await.unwrap();
        lock.release(&two).await.unwrap();
        drop(lock.watch(&one).await.unwrap());
        lock.inspect(&key).await.unwrap();
        backend.becomes(Mood::Refuses(ErrorKind::Unavailable));
        lock.ping().await.unwrap_err();
    });
    let line = |command: &str, outcome: &str| {
        format!("nebula_lock_command_seconds backend=mine command={command} outcome={outcome}")
    };
    assert_eq!(
        lines,
        [
            line("inspect", "done"),
            line("ping", "failed"),
            line("release", "done"),
            line("release", "refused"),
            line("renew", "done"),
            line("renew", "refused"),
            line("try_acquire", "done"),
            line("try_acquire", "refused"),
            line("watch", "done"),
        ]
    );
}

/// Requests that end in each of the ways in which they can.
async fn requests() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let guard = locks.lock("key").await.unwrap();
    locks.lock("key").wait(Duration::from_secs(1)).await.unwrap_err();
    backend.becomes(Mood::Refuses(ErrorKind::Auth));
    locks.lock("other").await.unwrap_err();
    backend.becomes(Mood::Slow(Duration::from_secs(1)));
    drop(timeout(Duration::from_millis(500), locks.lock("key").into_future()).await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    guard.release().await;
}

/// Holds that end in each of the ways in which they can.
async fn holds() {
    let backend = Faulty::default();
    let locks = LockManager::new(backend.clone());
    let guard = locks.lock("key").await.unwrap();
    assert_eq!(guard.reenter().release().await, Release::StillHeld);
    tokio::time::sleep(Duration::from_secs(61)).await;
    locks.force_release("key").await.unwrap();
    assert_eq!(guard.lost().await.reason(), LossReason::Gone);
    let guard = locks.lock("key").await.unwrap();
    backend.becomes(Mood::Refuses(ErrorKind::Unavailable));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(guard.release().await, Release::Unknown);
    backend.becomes(Mood::Fine);
    let guard = locks.lock("brief").lease(Duration::from_secs(1)).await.unwrap();
    assert_eq!(guard.lost().await.reason(), LossReason::Expired);
    let guard = locks.lock("stolen").await.unwrap();
    locks.force_release("stolen").await.unwrap();
    assert_eq!(guard.release().await, Release::AlreadyLost);
    let brief = locks.clone().with_max_hold(Duration::from_secs(1));
    assert_eq!(brief.lock("most").await.unwrap().lost().await.reason(), LossReason::MaxHold);
    let guard = locks.lock("last").await.unwrap();
    locks.shutdown(Duration::from_secs(1)).await;
    assert_eq!(guard.lost().await.reason(), LossReason::ShutDown);
}

async fn backends() {
    let nodes: Vec<Faulty> = (0..3).map(|_| Faulty::default()).collect();
    nodes[1].becomes(Mood::Refuses(ErrorKind::Unavailable));
    Redlock::new(nodes).unwrap().ping().await.unwrap();
    let lock = Observed::new(MemoryLock::new(), "mine");
    let claim = Claim::new(LockKey::new("key").unwrap(), Owner::random());
    lock.try_acquire(&claim, Duration::from_secs(1)).await.unwrap();
    lock.release(&claim).await.unwrap();
    lock.release(&claim).await.unwrap();
    let broken = Faulty::default();
    broken.becomes(Mood::Refuses(ErrorKind::Unavailable));
    Observed::new(broken, "mine").ping().await.unwrap_err();
}

#[test]
fn the_table_names_what_is_recorded_and_nothing_else() {
    let count = metrics_are_documented(include_str!("../README.md"), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            requests().await;
            holds().await;
            backends().await;
        });
    });
    assert!(count >= 10, "the table is there: {count}");
}
