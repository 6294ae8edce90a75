//! Names of metrics and the few places that record them; the table is in the crate's documentation.

use metrics::{Histogram, counter, gauge, histogram};

use crate::snapshot::Evictions;
use crate::stats::{EVENTS, Event};

/// The counters of each cache: metric, label and value. The order is that of [`Event`].
pub(crate) const COUNTERS: [(Event, &str, &str, &str); EVENTS] = [
    (Event::LocalHit, "nebula_cache_hits_total", "level", "local"),
    (Event::SharedHit, "nebula_cache_hits_total", "level", "shared"),
    (Event::Miss, "nebula_cache_misses_total", "", ""),
    (Event::NullHit, "nebula_cache_known_absent_total", "", ""),
    (Event::Stale, "nebula_cache_stale_served_total", "", ""),
    (Event::Load, "nebula_cache_loads_total", "outcome", "loaded"),
    (Event::LoadFailed, "nebula_cache_loads_total", "outcome", "failed"),
    (Event::LoadTimedOut, "nebula_cache_loads_total", "outcome", "timed_out"),
    (Event::SlowLoad, "nebula_cache_slow_loads_total", "", ""),
    (Event::Joined, "nebula_cache_joined_loads_total", "", ""),
    (Event::RefusedByFence, "nebula_cache_refused_fills_total", "", ""),
    (Event::Undecodable, "nebula_cache_undecodable_total", "", ""),
    (Event::SharedError, "nebula_cache_shared_errors_total", "", ""),
    (Event::Put, "nebula_cache_puts_total", "", ""),
    (Event::Evict, "nebula_cache_evicts_total", "", ""),
    (Event::TooLarge, "nebula_cache_too_large_total", "", ""),
    (Event::Overloaded, "nebula_cache_loads_total", "outcome", "overloaded"),
    (Event::Excluded, "nebula_cache_excluded_total", "", ""),
    (Event::OtherSchema, "nebula_cache_other_schema_total", "", ""),
];

pub(crate) fn counted(place: usize, cache: &str, number: u64) {
    let Some((_, name, label, value)) = COUNTERS.get(place) else { return };
    let cache = cache.to_owned();
    if label.is_empty() {
        counter!(*name, "cache" => cache).increment(number);
    } else {
        counter!(*name, "cache" => cache, *label => *value).increment(number);
    }
}

/// What left the local level between two reports.
pub(crate) fn evicted(cache: &str, now: &Evictions, before: &Evictions) {
    let causes = [
        ("capacity", now.capacity, before.capacity),
        ("expired", now.expired, before.expired),
        ("invalidated", now.invalidated, before.invalidated),
        ("replaced", now.replaced, before.replaced),
        ("explicit", now.explicit, before.explicit),
    ];
    for (cause, now, before) in causes {
        if now > before {
            counter!("nebula_cache_evictions_total", "cache" => cache.to_owned(), "cause" => cause)
                .increment(now - before);
        }
    }
    if now.capacity_weight > before.capacity_weight {
        counter!("nebula_cache_evicted_weight_total", "cache" => cache.to_owned())
            .increment(now.capacity_weight - before.capacity_weight);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn size(cache: &str, entries: usize, weight: u64) {
    gauge!("nebula_cache_local_entries", "cache" => cache.to_owned()).set(entries as f64);
    gauge!("nebula_cache_local_weight", "cache" => cache.to_owned()).set(weight as f64);
}

pub(crate) fn loaded(cache: &str, time: std::time::Duration) {
    histogram!("nebula_cache_load_seconds", "cache" => cache.to_owned()).record(time.as_secs_f64());
}

/// Looked up by the caller, who records every question.
pub(crate) fn shared(cache: &str) -> Histogram {
    histogram!("nebula_cache_shared_seconds", "cache" => cache.to_owned())
}

/// `cache` is empty for what concerns all of them.
pub(crate) fn slow_shared(cache: &str, operation: &'static str) {
    counter!("nebula_cache_slow_shared_total", "cache" => cache.to_owned(), "operation" => operation).increment(1);
}

pub(crate) fn breaker(open: bool) {
    gauge!("nebula_cache_breaker_open").set(f64::from(u8::from(open)));
}

pub(crate) fn trusted(trusted: bool) {
    gauge!("nebula_cache_invalidation_trusted").set(f64::from(u8::from(trusted)));
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds are few")]
pub(crate) fn lag(millis: u64) {
    histogram!("nebula_cache_invalidation_lag_seconds").record(millis as f64 / 1000.0);
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds are few")]
pub(crate) fn staleness(millis: u64) {
    gauge!("nebula_cache_staleness_seconds").set(millis as f64 / 1000.0);
}

pub(crate) fn replayed(batches: usize) {
    counter!("nebula_cache_invalidations_replayed_total").increment(batches as u64);
}

pub(crate) fn gap() {
    counter!("nebula_cache_invalidation_gaps_total").increment(1);
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn evictions_pending(number: usize) {
    gauge!("nebula_cache_evictions_pending").set(number as f64);
}

pub(crate) fn evictions_postponed(number: usize) {
    counter!("nebula_cache_evictions_postponed_total").increment(number as u64);
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn hot(cache: &str, keys: usize) {
    gauge!("nebula_cache_hot_keys", "cache" => cache.to_owned()).set(keys as f64);
}

pub(crate) fn bloom_trusted(filter: &str, trusted: bool) {
    gauge!("nebula_cache_bloom_trusted", "filter" => filter.to_owned()).set(f64::from(u8::from(trusted)));
}

pub(crate) fn written_behind(cache: &str, entries: usize) {
    counter!("nebula_cache_written_behind_total", "cache" => cache.to_owned()).increment(entries as u64);
}

pub(crate) fn write_behind_failed(cache: &str) {
    counter!("nebula_cache_write_behind_failures_total", "cache" => cache.to_owned()).increment(1);
}

pub(crate) fn unwritten_lost(cache: &str, entries: usize) {
    counter!("nebula_cache_write_behind_lost_total", "cache" => cache.to_owned()).increment(entries as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_stand_in_the_order_of_the_events() {
        assert!(COUNTERS.iter().enumerate().all(|(place, counter)| counter.0 as usize == place));
    }
}
