//! Whether the table of metrics in a README is what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;

/// Compares the table of metrics in `readme`, whose heading begins with `| Metric | Kind | Labels |`, with what `work` records on
/// this thread, and returns how many metrics there are. A label that stands there without values may have any.
///
/// ```
/// let readme = "\
/// | Metric | Kind | Labels | Meaning |
/// |---|---|---|---|
/// | `doors_opened_total` | counter | `door`, `how`: `key`, `force` | how often |
/// ";
/// let count = nebula_test_support::metrics_are_documented(readme, || {
///     metrics::counter!("doors_opened_total", "door" => "7", "how" => "key").increment(1);
///     metrics::counter!("doors_opened_total", "door" => "8", "how" => "force").increment(1);
/// });
/// assert_eq!(count, 1);
/// ```
///
/// # Panics
/// If the two differ in a metric, its kind, its labels or their values, and if there is no such table.
pub fn metrics_are_documented(readme: &str, work: impl FnOnce()) -> usize {
    let seen = Seen::default();
    metrics::with_local_recorder(&seen, work);
    let (mut recorded, documented) = (seen.0.lock().clone(), documented(readme));
    assert!(!documented.is_empty(), "no table of metrics");
    for (name, (_, labels)) in &mut recorded {
        for (label, values) in labels {
            // Names that the application gives, and the like.
            if documented.get(name).and_then(|(_, known)| known.get(label)).is_some_and(BTreeSet::is_empty) {
                values.clear();
            }
        }
    }
    let names: BTreeSet<&String> = documented.keys().chain(recorded.keys()).collect();
    let differ = names.into_iter().filter(|name| documented.get(*name) != recorded.get(*name));
    let differences: Vec<_> = differ.map(|name| (name, documented.get(name), recorded.get(name))).collect();
    assert!(differences.is_empty(), "metric, what is documented, what was recorded: {differences:#?}");
    documented.len()
}

/// What is known of one metric: its kind, and its labels with their values; no values stand for any.
type Table = BTreeMap<String, (&'static str, BTreeMap<String, BTreeSet<String>>)>;

/// The table as a README has it.
fn documented(readme: &str) -> Table {
    let table = readme.split_once("| Metric | Kind |").map_or("", |(_, rest)| rest);
    let table = table.split_once("\n\n").map_or(table, |(table, _)| table);
    let mut metrics = Table::new();
    for line in table.lines().skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, names, kind, used, ..] = *cells else { panic!("not a line of the table of metrics: {line}") };
        let kind = ["counter", "gauge", "histogram"].into_iter().find(|known| *known == kind);
        let kind = kind.unwrap_or_else(|| panic!("not a kind of metric: {line}"));
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut last = None;
        for word in used.split(", ").filter(|word| !word.is_empty()) {
            let plain = |text: &str| text.trim_matches('`').to_owned();
            match (word.split_once(": "), &last) {
                (Some((label, value)), _) => {
                    labels.entry(plain(label)).or_default().insert(plain(value));
                    last = Some(plain(label));
                }
                (None, Some(label)) => drop(labels.entry(label.clone()).or_default().insert(plain(word))),
                (None, None) => drop(labels.entry(plain(word)).or_default()),
            }
        }
        for name in names.split(", ") {
            let known = metrics.insert(name.trim_matches('`').to_owned(), (kind, labels.clone()));
            assert!(known.is_none(), "{name} stands there twice");
        }
    }
    metrics
}

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Table>>);

struct Used(Seen, &'static str, Key);

impl Used {
    fn note(&self) {
        let mut table = self.0.0.lock();
        let (kind, labels) = table.entry(self.2.name().to_owned()).or_insert((self.1, BTreeMap::new()));
        assert_eq!(*kind, self.1, "{}", self.2.name());
        for label in self.2.labels() {
            labels.entry(label.key().to_owned()).or_default().insert(label.value().to_owned());
        }
    }
}

impl CounterFn for Used {
    fn increment(&self, value: u64) {
        assert!(value > 0, "{}", self.2);
        self.note();
    }

    fn absolute(&self, _: u64) {
        panic!("counters only count up");
    }
}

impl GaugeFn for Used {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        assert!(value.is_finite() && value >= 0.0, "{}: {value}", self.2);
        self.note();
    }
}

impl HistogramFn for Used {
    fn record(&self, value: f64) {
        assert!(value.is_finite() && value >= 0.0, "{}: {value}", self.2);
        self.note();
    }
}

impl Seen {
    fn used(&self, kind: &'static str, key: &Key) -> Arc<Used> {
        Arc::new(Used(self.clone(), kind, key.clone()))
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.used("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.used("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.used("histogram", key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "\
text

| Metric | Kind | Labels | Meaning |
|---|---|---|---|
| `seen_total`, `heard_total` | counter | `who`, `how`: `well`, `badly` | noticed |
| `depth` | gauge | | now |

more text";

    fn matches(work: impl FnOnce() + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(|| metrics_are_documented(README, work)).is_ok()
    }

    fn all() {
        for how in ["well", "badly"] {
            metrics::counter!("seen_total", "who" => "Ann", "how" => how).increment(1);
            metrics::counter!("heard_total", "who" => "Bob", "how" => how).increment(2);
        }
        metrics::gauge!("depth").set(7.0);
    }

    #[test]
    fn every_difference_is_found() {
        assert!(matches(all));
        assert!(!matches(|| metrics::gauge!("depth").set(7.0)), "what is not recorded");
        for more in ["unknown_total", "depth"] {
            let work = move || {
                all();
                metrics::counter!(more).increment(1);
            };
            assert!(!matches(work), "{more}: not documented, or of another kind");
        }
        for (label, value) in [("how", "hardly"), ("when", "now")] {
            let work = move || {
                all();
                metrics::counter!("seen_total", "who" => "Ann", "how" => "well", label => value).increment(1);
            };
            assert!(!matches(work), "{label}={value}");
        }
    }
}
