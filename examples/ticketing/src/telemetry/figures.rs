//! Figures that pages show: counters and gauges of this process, kept as numbers beside what Prometheus is told of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::RwLock;

/// What the names of figures that pages show begin with: those of parts that are counted rarely, or by handles that are kept.
const SHOWN: [&str; 12] = [
    "nebula_cache_hits_total",
    "nebula_cache_local_entries",
    "nebula_cache_misses_total",
    "nebula_lock_",
    "nebula_rate_limit_",
    "ticketing_admission_refused_total",
    "ticketing_api_limit_decisions_total",
    "ticketing_breaker_refused_total",
    "ticketing_cache_",
    "ticketing_degradation_refusals_total",
    "ticketing_payment_refused_total",
    "ticketing_search_differences_total",
];

/// Of this process, as its recorder is.
static FIGURES: LazyLock<Arc<Figures>> = LazyLock::new(Arc::default);

type Cells = RwLock<HashMap<Key, Arc<AtomicU64>>>;

/// Counters and gauges by name and labels.
#[derive(Debug, Default)]
pub struct Figures {
    counters: Cells,
    gauges: Cells,
}

/// A figure with its labels.
#[derive(Clone, Debug)]
pub struct Figure<T> {
    key: Key,
    /// How much it is.
    pub value: T,
}

impl<T> Figure<T> {
    /// The value of a label; empty without it.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.key.labels().find(|label| label.key() == name).map(metrics::Label::value).unwrap_or_default()
    }
}

impl Figures {
    /// The counters of a name, in the order of their labels.
    #[must_use]
    pub fn counters(&self, name: &str) -> Vec<Figure<u64>> {
        read(&self.counters, name, |bits| bits)
    }

    /// The gauges of a name, in the order of their labels.
    #[must_use]
    pub fn gauges(&self, name: &str) -> Vec<Figure<f64>> {
        read(&self.gauges, name, f64::from_bits)
    }

    /// The sum of a counter over those for which a label has this value.
    #[must_use]
    pub fn count_of(&self, name: &str, label: &str, value: &str) -> u64 {
        let counters = self.counters(name);
        counters.iter().filter(|figure| figure.label(label) == value).map(|figure| figure.value).sum()
    }

    /// The sum of a counter over all labels.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counters(name).iter().map(|figure| figure.value).sum()
    }
}

fn read<T>(cells: &Cells, name: &str, value: impl Fn(u64) -> T) -> Vec<Figure<T>> {
    let cells = cells.read();
    let named = cells.iter().filter(|(key, _)| key.name() == name);
    let figure =
        |(key, cell): (&Key, &Arc<AtomicU64>)| Figure { key: key.clone(), value: value(cell.load(Ordering::Relaxed)) };
    let mut figures: Vec<_> = named.map(figure).collect();
    drop(cells);
    figures.sort_by(|a, b| a.key.cmp(&b.key));
    figures
}

/// The figures of this process.
#[must_use]
pub fn figures() -> &'static Figures {
    &FIGURES
}

/// Passes everything on to another recorder, and keeps what pages show.
#[derive(Debug)]
pub(crate) struct Kept<R> {
    inner: R,
    figures: Arc<Figures>,
}

impl<R> Kept<R> {
    /// For the figures of this process.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, figures: Arc::clone(&FIGURES) }
    }
}

/// A number here, and what the other recorder made of it.
struct Both<T> {
    there: T,
    here: Arc<AtomicU64>,
}

fn cell(cells: &Cells, key: &Key) -> Option<Arc<AtomicU64>> {
    if !SHOWN.iter().any(|shown| key.name().starts_with(shown)) {
        return None;
    }
    if let Some(cell) = cells.read().get(key) {
        return Some(Arc::clone(cell));
    }
    Some(Arc::clone(cells.write().entry(key.clone()).or_default()))
}

impl<R: Recorder> Recorder for Kept<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let there = self.inner.register_counter(key, metadata);
        match cell(&self.figures.counters, key) {
            Some(here) => Counter::from_arc(Arc::new(Both { there, here })),
            None => there,
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let there = self.inner.register_gauge(key, metadata);
        match cell(&self.figures.gauges, key) {
            Some(here) => Gauge::from_arc(Arc::new(Both { there, here })),
            None => there,
        }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.inner.register_histogram(key, metadata)
    }
}

impl CounterFn for Both<Counter> {
    fn increment(&self, value: u64) {
        self.there.increment(value);
        CounterFn::increment(&*self.here, value);
    }

    fn absolute(&self, value: u64) {
        self.there.absolute(value);
        CounterFn::absolute(&*self.here, value);
    }
}

impl GaugeFn for Both<Gauge> {
    fn increment(&self, value: f64) {
        self.there.increment(value);
        GaugeFn::increment(&*self.here, value);
    }

    fn decrement(&self, value: f64) {
        self.there.decrement(value);
        GaugeFn::decrement(&*self.here, value);
    }

    fn set(&self, value: f64) {
        self.there.set(value);
        GaugeFn::set(&*self.here, value);
    }
}

#[cfg(test)]
mod tests {
    use metrics::NoopRecorder;

    use super::*;

    #[test]
    fn what_pages_show_is_kept_by_its_labels_and_nothing_else_is() {
        let recorder = Kept { inner: NoopRecorder, figures: Arc::default() };
        metrics::with_local_recorder(&recorder, || {
            for (cache, outcome, times) in [("shows", "hit", 2), ("shows", "miss", 1), ("plans", "hit", 4)] {
                for _ in 0..times {
                    metrics::counter!("ticketing_cache_reads_total", "cache" => cache, "outcome" => outcome)
                        .increment(1);
                }
            }
            metrics::gauge!("ticketing_cache_entries", "cache" => "shows").set(7.0);
            metrics::gauge!("ticketing_cache_entries", "cache" => "shows").decrement(2.0);
            metrics::counter!("http_requests_total").increment(1);
        });
        let figures = recorder.figures;
        assert_eq!(figures.count_of("ticketing_cache_reads_total", "cache", "shows"), 3);
        assert_eq!(figures.count_of("ticketing_cache_reads_total", "outcome", "hit"), 6);
        assert_eq!(figures.count("ticketing_cache_reads_total"), 7);
        let entries = figures.gauges("ticketing_cache_entries");
        assert_eq!(
            entries.iter().map(|figure| (figure.label("cache"), figure.value)).collect::<Vec<_>>(),
            [("shows", 5.0)]
        );
        assert!(figures.counters("http_requests_total").is_empty());
    }
}
