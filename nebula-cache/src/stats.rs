//! Counting without slowing down what is counted.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What is counted for each cache.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Event {
    LocalHit,
    SharedHit,
    Miss,
    NullHit,
    Stale,
    Load,
    LoadFailed,
    LoadTimedOut,
    SlowLoad,
    Joined,
    RefusedByFence,
    Undecodable,
    SharedError,
    Put,
    Evict,
    TooLarge,
    Overloaded,
    Excluded,
    OtherSchema,
}

pub(crate) const EVENTS: usize = 19;

/// Sets of counters, so that processors do not fight for one cache line.
const STRIPES: usize = 16;

#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; EVENTS]);

/// The counters of one cache.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    stripes: [Stripe; STRIPES],
    loads: Durations,
    shared: Durations,
    slow_shared: AtomicU64,
}

impl Stats {
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    #[inline]
    pub(crate) fn add(&self, event: Event, number: u64) {
        if let Some(stripe) = self.stripes.get(stripe()) {
            stripe.0[event as usize].fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, event: Event) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0[event as usize].load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn all(&self) -> [u64; EVENTS] {
        std::array::from_fn(|place| {
            self.stripes.iter().filter_map(|stripe| stripe.0.get(place)).map(|it| it.load(Ordering::Relaxed)).sum()
        })
    }

    pub(crate) fn loaded_in(&self, time: Duration) {
        self.loads.record(time);
    }

    pub(crate) fn shared_in(&self, time: Duration) {
        self.shared.record(time);
    }

    pub(crate) fn slow_shared(&self) -> u64 {
        self.slow_shared.load(Ordering::Relaxed)
    }

    pub(crate) fn count_slow_shared(&self) {
        self.slow_shared.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) const fn shared(&self) -> &Durations {
        &self.shared
    }

    pub(crate) const fn loads(&self) -> &Durations {
        &self.loads
    }
}

#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = const { Cell::new(usize::MAX) });
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    })
}

/// Upper ends of the classes of [`Durations`], in microseconds; the last class has none.
pub(crate) const CLASSES: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 10_000_000];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(crate) struct Durations([AtomicU64; CLASSES.len() + 1]);

impl Durations {
    fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = CLASSES.iter().position(|end| micros <= *end).unwrap_or(CLASSES.len());
        if let Some(count) = self.0.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_lost_between_threads() {
        let stats = Stats::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| stats.count(Event::LocalHit)));
            }
        });
        assert_eq!(stats.get(Event::LocalHit), 4000);
        assert_eq!(stats.all().iter().sum::<u64>(), 4000);
    }

    #[test]
    fn durations_fall_into_their_classes() {
        let durations = Durations::default();
        durations.record(Duration::from_micros(100));
        durations.record(Duration::from_micros(101));
        durations.record(Duration::from_secs(3600));
        let counts = durations.counts();
        assert_eq!((counts[0], counts[1], counts[CLASSES.len()]), (1, 1, 1));
    }
}
