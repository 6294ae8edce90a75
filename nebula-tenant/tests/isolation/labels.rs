//! Whose work it is when a metric is counted, and whose name the metric has.

use std::collections::BTreeSet;
use std::sync::{Mutex, Once};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use nebula_tenant::current;

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static WRONG: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Labels;

/// Metrics are looked up whenever they are counted, in the work that counts them.
fn note(key: &Key) {
    for label in key.labels().filter(|label| label.key() == "tenant") {
        match current() {
            Ok(tenant) if tenant.as_str() == label.value() => drop(SEEN.lock().unwrap().insert(tenant.to_string())),
            other => WRONG.lock().unwrap().push(format!("{} of {} in {other:?}", key.name(), label.value())),
        }
    }
}

impl Recorder for Labels {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        note(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        note(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        note(key);
        Histogram::noop()
    }
}

/// Listens from now on, for all of the process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| metrics::set_global_recorder(Labels).unwrap());
}

/// Every one of these was counted, and none in another's work.
pub(crate) fn settled<'a>(tenants: impl IntoIterator<Item = &'a String>) {
    assert_eq!(*WRONG.lock().unwrap(), Vec::<String>::new());
    let seen = SEEN.lock().unwrap();
    let missing: Vec<_> = tenants.into_iter().filter(|tenant| !seen.contains(*tenant)).collect();
    assert!(missing.is_empty(), "nothing was counted for {missing:?}");
}
