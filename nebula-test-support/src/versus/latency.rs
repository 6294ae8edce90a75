use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies of many operations, with percentiles; three significant digits, up to one hour.
///
/// ```
/// use std::time::Duration;
/// use nebula_test_support::Latencies;
///
/// let mut latencies = Latencies::new();
/// for millis in 1..=100 {
///     latencies.record(Duration::from_millis(millis));
/// }
/// assert_eq!(latencies.percentile(50.0).as_millis(), 50);
/// assert_eq!(latencies.len(), 100);
/// ```
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

const LONGEST_NANOS: u64 = 3_600_000_000_000;

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// No latency yet.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram accepts.
    #[must_use]
    pub fn new() -> Self {
        match Histogram::new_with_bounds(1, LONGEST_NANOS, 3) {
            Ok(histogram) => Self { histogram },
            Err(error) => panic!("constant bounds refused: {error}"),
        }
    }

    /// Adds one; anything above an hour counts as an hour.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(LONGEST_NANOS);
        self.histogram.saturating_record(nanos.max(1));
    }

    /// Adds all of another collection, for example of another task.
    pub fn merge(&mut self, other: &Self) {
        // Same bounds, cannot fail.
        let _ = self.histogram.add(&other.histogram);
    }

    /// The latency that so many per cent of the operations did not exceed (0 to 100); zero when there are none.
    #[must_use]
    pub fn percentile(&self, per_cent: f64) -> Duration {
        Duration::from_nanos(self.histogram.value_at_percentile(per_cent))
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.histogram.max())
    }

    /// Number of latencies.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_latencies_count_together() {
        let mut one = Latencies::new();
        let mut two = Latencies::new();
        one.record(Duration::from_micros(10));
        two.record(Duration::from_millis(10));
        two.record(Duration::from_secs(1_000_000));
        one.merge(&two);
        assert_eq!(one.len(), 3);
        assert!(one.percentile(50.0).abs_diff(Duration::from_millis(10)) < Duration::from_micros(20));
        assert!(one.max() >= Duration::from_secs(3590), "{:?}", one.max());
    }
}
