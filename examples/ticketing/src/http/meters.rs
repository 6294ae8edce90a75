//! The counters and durations of requests, looked up once for each pattern of a path: by their labels it would take as long
//! as a short answer.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use axum::http::StatusCode;
use metrics::{Counter, Histogram};
use parking_lot::RwLock;

/// Of one method and pattern.
struct Meters {
    took: Histogram,
    by_status: HashMap<StatusCode, Counter>,
}

static METERS: LazyLock<RwLock<HashMap<&'static str, HashMap<String, Meters>>>> = LazyLock::new(RwLock::default);

/// A request was answered. There are as many patterns as routes, and one for everything else.
pub(super) fn answered(method: &'static str, pattern: &str, status: StatusCode, took: Duration) {
    let known = METERS.read();
    let meters = known.get(method).and_then(|patterns| patterns.get(pattern));
    if let Some(meters) = meters
        && let Some(counter) = meters.by_status.get(&status)
    {
        counter.increment(1);
        meters.took.record(took);
        return;
    }
    drop(known);
    let mut known = METERS.write();
    let patterns = known.entry(method).or_default();
    let path = pattern.to_owned();
    let meters = patterns.entry(path.clone()).or_insert_with_key(|path| Meters {
        took: metrics::histogram!("http_request_duration_seconds", "method" => method, "path" => path.clone()),
        by_status: HashMap::new(),
    });
    let counter = meters.by_status.entry(status).or_insert_with(|| {
        metrics::counter!("http_requests_total", "method" => method, "path" => path, "status" => status.as_str().to_owned())
    });
    counter.increment(1);
    meters.took.record(took);
}
