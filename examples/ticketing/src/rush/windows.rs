//! How long it took until everybody knew: what the servers measured while the rush went on, from their histograms.

use std::collections::BTreeMap;

use serde::Serialize;

use super::api::Api;

/// What is measured, and what it is called in a report.
const WINDOWS: [(&str, &str); 3] = [
    ("ticketing_payment_to_ledger_seconds", "payment to ledger"),
    ("nebula_cache_invalidation_lag_seconds", "change to caches"),
    ("ticketing_catalog_to_search_seconds", "change to search"),
];

/// How many were within which bound, by bound in microseconds; the last one has none.
type Buckets = BTreeMap<u64, u64>;

/// What all servers had measured at a time.
#[derive(Debug, Default)]
pub(super) struct Reading([Buckets; 3]);

/// How long something took. Histograms know bounds only: each of these is at most the bound that stands here.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// From what to what.
    pub name: &'static str,
    /// How often it was measured.
    pub count: u64,
    /// Half of them took so many milliseconds at most; absent if that is longer than the last bound.
    pub p50: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
    /// All of them.
    pub max: Option<f64>,
}

impl Reading {
    /// Of all servers that answer.
    pub(super) async fn of(api: &Api) -> Self {
        let mut reading = Self::default();
        for text in api.metrics().await {
            reading.add(&text);
        }
        reading
    }

    fn add(&mut self, text: &str) {
        for (buckets, (metric, _)) in self.0.iter_mut().zip(WINDOWS) {
            for line in text.lines() {
                let Some((bound, count)) = bucket(line, metric) else { continue };
                *buckets.entry(bound).or_default() += count;
            }
        }
    }

    /// What was measured since an earlier reading. A server that was started again has forgotten what it had then.
    pub(super) fn since(&self, before: &Self) -> Vec<Window> {
        let windows = self.0.iter().zip(&before.0).zip(WINDOWS);
        let window = |((after, before), (_, name)): ((&Buckets, &Buckets), (_, &'static str))| {
            let earlier = |bound: &u64| before.get(bound).copied().unwrap_or_default();
            let grown = after.iter().all(|(bound, count)| *count >= earlier(bound));
            let counts: Buckets = after
                .iter()
                .map(|(bound, count)| (*bound, if grown { count - earlier(bound) } else { *count }))
                .collect();
            Window::of(name, &counts)
        };
        windows.map(window).collect()
    }
}

impl Window {
    fn of(name: &'static str, within: &Buckets) -> Self {
        let count = within.values().copied().max().unwrap_or_default();
        let bound = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let found = within.iter().find(|(_, within)| **within >= rank)?;
            (*found.0 < u64::MAX).then(|| milliseconds(*found.0))
        };
        Self { name, count, p50: bound(50), p99: bound(99), max: bound(100) }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        if self.count == 0 {
            return "not measured".to_owned();
        }
        let bound = |bound: Option<f64>| bound.map_or_else(|| "longer".to_owned(), |bound| bound.to_string());
        format!("{} / {} / {} (of {})", bound(self.p50), bound(self.p99), bound(self.max), self.count)
    }
}

/// The bound and the count of a line of this histogram.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn bucket(line: &str, metric: &str) -> Option<(u64, u64)> {
    let (labels, count) = line.strip_prefix(metric)?.strip_prefix("_bucket{")?.rsplit_once("} ")?;
    let bound = labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'))?;
    let bound = match bound {
        "+Inf" => u64::MAX,
        bound => (bound.parse::<f64>().ok()? * 1e6).round() as u64,
    };
    Some((bound, count.parse().ok()?))
}

#[allow(clippy::cast_precision_loss, reason = "bounds of histograms")]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(within: [u64; 4]) -> String {
        let [one, two, three, all] = within;
        format!(
            "# TYPE ticketing_payment_to_ledger_seconds histogram\n\
             ticketing_payment_to_ledger_seconds_bucket{{le=\"0.001\"}} {one}\n\
             ticketing_payment_to_ledger_seconds_bucket{{le=\"0.0025\"}} {two}\n\
             ticketing_payment_to_ledger_seconds_bucket{{server=\"a\",le=\"10\"}} {three}\n\
             ticketing_payment_to_ledger_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             ticketing_payment_to_ledger_seconds_sum 7\n\
             ticketing_payment_to_ledger_seconds_count {all}\n"
        )
    }

    fn reading(texts: &[String]) -> Reading {
        let mut reading = Reading::default();
        texts.iter().for_each(|text| reading.add(text));
        reading
    }

    #[test]
    fn bounds_are_those_of_all_servers_since_the_beginning() {
        let before = reading(&[metrics([10, 10, 10, 10])]);
        let after = reading(&[metrics([10, 60, 109, 109]), metrics([0, 0, 1, 1])]);
        let windows = after.since(&before);
        assert_eq!((windows[0].name, windows[0].count), ("payment to ledger", 100));
        assert_eq!((windows[0].p50, windows[0].p99, windows[0].max), (Some(2.5), Some(10_000.0), Some(10_000.0)));
        assert_eq!(windows[0].text(), "2.5 / 10000 / 10000 (of 100)");
        assert_eq!((windows[1].count, windows[1].p50), (0, None));
        assert_eq!(windows[1].text(), "not measured");
        // Longer than the last bound, and a server that was started again.
        let late = reading(&[metrics([1, 1, 1, 2])]).since(&after);
        assert_eq!((late[0].count, late[0].p50, late[0].max), (2, Some(1.0), None));
        assert_eq!(late[0].text(), "1 / longer / longer (of 2)");
    }
}
