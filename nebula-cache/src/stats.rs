//! Counting without slowing down what is counted.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

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

/// Sets of counters, so that processors do not fight for one cache line: so many belong to one thread each, which counts
/// without a locked instruction, ...
const OWNED: usize = 32;
/// ... and so many are shared by all threads that came too late for one.
const SHARED: usize = 16;
const STRIPES: usize = OWNED + SHARED;

#[derive(Debug)]
#[repr(align(128))]
struct Stripe<const N: usize>([AtomicU64; N]);

/// So many counters.
#[derive(Debug)]
pub(crate) struct Striped<const N: usize>([Stripe<N>; STRIPES]);

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Stripe(std::array::from_fn(|_| AtomicU64::new(0)))))
    }
}

impl<const N: usize> Striped<N> {
    #[inline]
    pub(crate) fn add(&self, counter: usize, number: u64) {
        let place = stripe();
        let Some(counter) = self.0.get(place).and_then(|stripe| stripe.0.get(counter)) else { return };
        if place < OWNED {
            // Nobody else writes here.
            counter.store(counter.load(Ordering::Relaxed) + number, Ordering::Relaxed);
        } else {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }

    fn get(&self, counter: usize) -> u64 {
        self.0.iter().filter_map(|stripe| stripe.0.get(counter)).map(|it| it.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn all(&self) -> [u64; N] {
        std::array::from_fn(|counter| self.get(counter))
    }
}

/// The counters of one cache.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    events: Striped<EVENTS>,
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
        self.events.add(event as usize, number);
    }

    pub(crate) fn get(&self, event: Event) -> u64 {
        self.events.get(event as usize)
    }

    pub(crate) fn all(&self) -> [u64; EVENTS] {
        self.events.all()
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

/// The stripe of this thread.
#[inline]
fn stripe() -> usize {
    MINE.with(|mine| match mine.get() {
        UNKNOWN => choose(mine),
        place => place,
    })
}

const UNKNOWN: usize = usize::MAX;

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static OWNERSHIP: RefCell<Option<Ownership>> = const { RefCell::new(None) };
}

/// Stripes that belonged to threads that have ended, and how many there have been. The lock hands the counts of the last
/// owner on to the next.
static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// A stripe that nobody else writes to, until the thread ends.
struct Ownership(usize);

impl Drop for Ownership {
    fn drop(&mut self) {
        // Whatever the thread still counts goes to a shared one.
        MINE.with(|mine| mine.set(OWNED));
        FREE.lock().0.push(self.0);
    }
}

#[cold]
fn choose(mine: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let owned = {
        let mut free = FREE.lock();
        free.0.pop().or_else(|| {
            let next = free.1;
            free.1 = OWNED.min(next + 1);
            (next < OWNED).then_some(next)
        })
    };
    // A thread that is ending cannot keep one.
    let kept =
        owned.filter(|place| OWNERSHIP.try_with(|ownership| *ownership.borrow_mut() = Some(Ownership(*place))).is_ok());
    if let (Some(place), None) = (owned, kept) {
        FREE.lock().0.push(place);
    }
    let place = kept.unwrap_or_else(|| OWNED + NEXT.fetch_add(1, Ordering::Relaxed) % SHARED);
    mine.set(place);
    place
}

/// Upper ends of the classes of [`Durations`], in microseconds; the last class has none.
pub(crate) const CLASSES: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 10_000_000];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(crate) struct Durations(Striped<{ CLASSES.len() + 1 }>);

impl Durations {
    fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = CLASSES.iter().position(|end| micros <= *end).unwrap_or(CLASSES.len());
        self.0.add(class, 1);
    }

    pub(crate) fn counts(&self) -> Vec<u64> {
        self.0.all().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_lost_between_threads() {
        let stats = Stats::default();
        // More at once than there are stripes to own, and more after them.
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..2 * OWNED {
                    scope.spawn(|| (0..1000).for_each(|_| stats.count(Event::LocalHit)));
                }
            });
        }
        let all = 3 * 2 * OWNED as u64 * 1000;
        assert_eq!(stats.get(Event::LocalHit), all);
        assert_eq!(stats.all().iter().sum::<u64>(), all);
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
