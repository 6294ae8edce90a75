//! A limit of a whole process, which rises while the process warms up.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::MicroClock;
use super::decision::Standing;
use super::quota::{Quota, invalid, micros};
use crate::error::Result;

/// How much slower a cold limiter is than a warm one, as Guava and Sentinel begin with it.
const COLD_FACTOR: f64 = 3.0;
/// The longest warm-up.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// Sums of fractions of microseconds are this exact.
const EXACT: f64 = 1e-6;

/// A rate for everything that one process does of a kind, without keys and without a store; after a pause it begins at a part of
/// the rate and rises to all of it, so that caches fill and connections open before the full load comes.
///
/// The algorithm is that of `SmoothWarmingUp` in Guava's `SmoothRateLimiter`, which Sentinel's `WarmUpController` takes over:
/// idle time is stored as permits, up to a full store; the fuller the store, the longer the interval that each permit takes, from
/// the stable interval at half of it to `cold factor` times as much when it is full. Under full load a full store is drawn
/// down to the half within the warm-up period, and an idle one fills at the rate at which the period passes. Where Guava makes its
/// caller sleep, this refuses; and where Guava spaces permits evenly, this lets requests come early by the
/// [burst](Self::with_burst), as [`Quota::rate`] does. Without a warm-up it is that token bucket.
///
/// A decision is a few additions under a lock that nobody holds for longer: no allocation, no waiting.
///
/// ```
/// use std::time::Duration;
/// use nebula_cache::rate_limit::WarmUpLimiter;
///
/// let orders = WarmUpLimiter::new(50_000, Duration::from_secs(1))?.with_warm_up(Duration::from_secs(10))?;
/// assert!(orders.take(1).allowed);
/// // It has only begun: about a third.
/// assert!((16_000..20_000).contains(&orders.rate()));
/// # Ok::<_, nebula_cache::Error>(())
/// ```
pub struct WarmUpLimiter {
    quota: Quota,
    warm_up: Duration,
    cold_factor: f64,
    pace: Pace,
    clock: MicroClock,
    /// The clock's time at the beginning: numbers stay small, and so exact.
    begun: u64,
    state: Mutex<State>,
}

/// What permits take, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The interval of a warm limiter.
    stable: f64,
    /// So far ahead of their even spacing permits may be.
    tolerance: f64,
    /// With no more stored than this, it is warm.
    warm: f64,
    /// Most that is stored.
    full: f64,
    /// By so much the interval grows with each permit stored above `warm`.
    slope: f64,
    /// So long until one more permit is stored.
    cooling: f64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    stored: f64,
    /// When everything that was taken is paid for.
    free_at: f64,
    seen: f64,
}

impl WarmUpLimiter {
    /// A limit of `count` in each `per`, warm from the beginning.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) as for [`Quota::rate`].
    pub fn new(count: u64, per: Duration) -> Result<Self> {
        let quota = Quota::rate(count, per)?;
        let clock = MicroClock::steady();
        let pace = Pace::of(&quota, Duration::ZERO, COLD_FACTOR);
        let state = Mutex::new(State { stored: 0.0, free_at: 0.0, seen: 0.0 });
        Ok(Self { quota, warm_up: Duration::ZERO, cold_factor: COLD_FACTOR, pace, begun: clock.now(), clock, state })
    }

    /// From cold to warm it takes so long under full load; it begins cold. Zero: it is always warm.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for more than a day.
    pub fn with_warm_up(mut self, period: Duration) -> Result<Self> {
        if period > LONGEST {
            return Err(invalid("a warm-up takes a day at most"));
        }
        self.warm_up = period;
        Ok(self.prepared())
    }

    /// How many times slower it is when it is cold; 3 by default.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for what is not above 1 and at most 1,000.
    pub fn with_cold_factor(mut self, factor: f64) -> Result<Self> {
        if !(factor > 1.0 && factor <= 1_000.0) {
            return Err(invalid("a cold factor is above 1, and at most 1000"));
        }
        self.cold_factor = factor;
        Ok(self.prepared())
    }

    /// How much at once after a pause, when it is warm; as much as in a window by default. When it is cold, as much less as the
    /// rate is.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) as for [`Quota::with_burst`].
    pub fn with_burst(mut self, burst: u64) -> Result<Self> {
        self.quota = self.quota.with_burst(burst)?;
        Ok(self.prepared())
    }

    /// Tells the time by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: MicroClock) -> Self {
        self.begun = clock.now();
        self.clock = clock;
        self.prepared()
    }

    /// Takes so many, or refuses and takes nothing. What costs more than the burst is allowed when nothing is owed, and those after
    /// it wait for it. A cost of 0 looks without taking.
    #[must_use = "whether it is allowed is for you to heed"]
    pub fn take(&self, cost: u32) -> Standing {
        let (pace, now, permits) = (&self.pace, self.now(), f64::from(cost));
        let mut state = self.state.lock();
        state.settle(now, pace);
        let owed = state.free_at - now;
        let price = pace.price(state.stored, permits);
        let over = owed + price - pace.tolerance;
        let allowed = over <= EXACT || owed <= EXACT;
        if allowed {
            state.free_at += price;
            state.stored = (state.stored - permits).max(0.0);
        }
        let State { stored, free_at, .. } = *state;
        drop(state);
        let owed = free_at - now;
        Standing {
            allowed,
            remaining: whole((pace.tolerance - owed) / pace.interval(stored) + EXACT),
            retry_after: if allowed { Duration::ZERO } else { span(over.min(owed)) },
            reset_after: span(owed),
        }
    }

    /// What it allows now in each window: all of the count when it is warm.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let now = self.now();
        let mut state = self.state.lock();
        state.settle(now, &self.pace);
        let stored = state.stored;
        drop(state);
        whole(time(micros(self.quota.window())) / self.pace.interval(stored) + EXACT)
    }

    /// The quota of a warm limiter.
    #[must_use]
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// How long the warm-up takes.
    #[must_use]
    pub const fn warm_up(&self) -> Duration {
        self.warm_up
    }

    fn now(&self) -> f64 {
        time(self.clock.now().saturating_sub(self.begun))
    }

    /// As at the beginning, with what is set by now.
    fn prepared(mut self) -> Self {
        self.pace = Pace::of(&self.quota, self.warm_up, self.cold_factor);
        let now = self.now();
        self.state = Mutex::new(State { stored: self.pace.full, free_at: now, seen: now });
        self
    }
}

impl Pace {
    fn of(quota: &Quota, warm_up: Duration, cold_factor: f64) -> Self {
        let stable = time(micros(quota.window())) / time(quota.count());
        let tolerance = stable * time(quota.capacity());
        let period = time(micros(warm_up));
        if warm_up.is_zero() {
            return Self { stable, tolerance, warm: 0.0, full: 0.0, slope: 0.0, cooling: f64::INFINITY };
        }
        let cold = stable * cold_factor;
        // With that the area under the line from `warm` to `full` is the period.
        let warm = period / (stable * (cold_factor - 1.0));
        let full = warm + 2.0 * period / (stable + cold);
        Self { stable, tolerance, warm, full, slope: (cold - stable) / (full - warm), cooling: period / full }
    }

    fn interval(&self, stored: f64) -> f64 {
        self.stable + self.slope * (stored - self.warm).max(0.0)
    }

    /// What so many permits take, with so many stored: the area under the line of the intervals.
    fn price(&self, stored: f64, permits: f64) -> f64 {
        let slow = (stored - self.warm).clamp(0.0, permits);
        let fast = permits - slow;
        slow * (self.interval(stored) + self.interval(stored - slow)) / 2.0 + fast * self.stable
    }
}

impl State {
    /// Stores the time in which nothing was owed. If the clock went back, no time has passed.
    fn settle(&mut self, now: f64, pace: &Pace) {
        if now < self.seen {
            self.free_at -= self.seen - now;
        }
        self.seen = now;
        if now > self.free_at {
            self.stored = (self.stored + (now - self.free_at) / pace.cooling).min(pace.full);
            self.free_at = now;
        }
    }
}

/// Exact below 2^53 microseconds, which are 285 years.
#[allow(clippy::cast_precision_loss, reason = "counts are below 2^52")]
const fn time(micros: u64) -> f64 {
    micros as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
const fn whole(number: f64) -> u64 {
    number as u64
}

/// Whole microseconds, rounded up: whoever waits so long is not too early.
fn span(micros: f64) -> Duration {
    Duration::from_micros(whole((micros - EXACT).ceil()))
}

impl fmt::Debug for WarmUpLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, warm_up, cold_factor, .. } = self;
        f.debug_struct("WarmUpLimiter")
            .field("quota", quota)
            .field("warm_up", warm_up)
            .field("cold_factor", cold_factor)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::super::gcra::Rate;
    use super::*;

    /// The time, in microseconds, for a test to set.
    #[derive(Clone)]
    struct Hands(Arc<AtomicU64>);

    impl Hands {
        fn new() -> Self {
            Self(Arc::new(AtomicU64::new(1_700_000_000_000_000)))
        }

        fn clock(&self) -> MicroClock {
            let hands = Arc::clone(&self.0);
            MicroClock::new(move || hands.load(Ordering::Relaxed))
        }

        fn pass(&self, time: Duration) {
            self.0.fetch_add(micros(time), Ordering::Relaxed);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// 1,000 a second, ten at once, warm after 10 seconds.
    fn limiter(hands: &Hands) -> WarmUpLimiter {
        let limiter = WarmUpLimiter::new(1_000, SECOND).unwrap().with_burst(10).unwrap();
        limiter.with_warm_up(10 * SECOND).unwrap().with_clock(hands.clock())
    }

    /// Asks for more than there can be, for so long; answers how many were allowed.
    fn saturate(limiter: &WarmUpLimiter, hands: &Hands, time: Duration) -> u64 {
        let step = Duration::from_micros(250);
        let mut allowed = 0;
        for _ in 0..time.as_micros() / step.as_micros() {
            hands.pass(step);
            allowed += u64::from(limiter.take(1).allowed);
        }
        allowed
    }

    #[test]
    fn it_rises_from_a_third_to_all_of_the_rate_within_the_period() {
        let hands = Hands::new();
        let limiter = limiter(&hands);
        assert_eq!(limiter.rate(), 333);
        let seconds: Vec<u64> = (0..12).map(|_| saturate(&limiter, &hands, SECOND)).collect();
        assert!((333..370).contains(&seconds[0]), "{seconds:?}");
        assert!(seconds[..10].is_sorted(), "{seconds:?}");
        assert_eq!(seconds[10..], [1_000, 1_000], "{seconds:?}");
        // The area under the line: half of what a warm one allows in that time, and the burst.
        let period: u64 = seconds[..10].iter().sum();
        assert!((5_000..=5_015).contains(&period), "{period} of {seconds:?}");
        assert_eq!(limiter.rate(), 1_000);
    }

    #[test]
    fn it_cools_down_within_the_period_and_stays_warm_under_half_of_the_load() {
        let hands = Hands::new();
        let limiter = limiter(&hands);
        saturate(&limiter, &hands, 11 * SECOND);
        for _ in 0..20 * 500 {
            hands.pass(Duration::from_millis(2));
            assert!(limiter.take(1).allowed);
        }
        assert!(limiter.rate() >= 998, "{}", limiter.rate());
        hands.pass(3 * SECOND);
        let cooler = limiter.rate();
        assert!((400..900).contains(&cooler), "{cooler}");
        hands.pass(8 * SECOND);
        assert_eq!(limiter.rate(), 333);
    }

    #[test]
    fn after_a_pause_a_burst_passes_and_a_refusal_says_when_to_come_back() {
        let hands = Hands::new();
        let limiter = WarmUpLimiter::new(1_000, SECOND).unwrap().with_burst(10).unwrap().with_clock(hands.clock());
        assert_eq!(limiter.rate(), 1_000, "without a warm-up it is warm");
        for left in (0..10).rev() {
            let standing = limiter.take(1);
            assert_eq!((standing.allowed, standing.remaining), (true, left));
        }
        let refused = limiter.take(3);
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        let millis = Duration::from_millis;
        assert_eq!((refused.retry_after, refused.reset_after), (millis(3), millis(10)));
        hands.pass(millis(3));
        assert!(limiter.take(0).allowed && limiter.take(3).allowed && !limiter.take(1).allowed);
        // More than a burst: when nothing is owed, and the others wait for it.
        assert_eq!(limiter.take(100).retry_after, millis(10));
        hands.pass(millis(10));
        assert!(limiter.take(100).allowed);
        assert_eq!(limiter.take(1).retry_after, millis(91));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_and_takes_nothing() {
        let hands = Hands::new();
        let limiter = WarmUpLimiter::new(10, SECOND).unwrap().with_clock(hands.clock());
        hands.pass(60 * SECOND);
        assert!(limiter.take(10).allowed);
        hands.0.fetch_sub(30_000_000, Ordering::Relaxed);
        assert_eq!(limiter.take(1).retry_after, Duration::from_millis(100));
        hands.pass(Duration::from_millis(100));
        assert!(limiter.take(1).allowed);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(WarmUpLimiter::new(0, SECOND).is_err());
        let limiter = || WarmUpLimiter::new(1, SECOND).unwrap();
        for factor in [1.0, 0.0, -3.0, f64::NAN, f64::INFINITY] {
            assert!(limiter().with_cold_factor(factor).is_err(), "{factor}");
        }
        assert!(limiter().with_warm_up(LONGEST + SECOND).is_err());
        assert!(limiter().with_burst(0).is_err());
    }

    #[test]
    fn many_threads_get_what_one_would() {
        let hands = Hands::new();
        let limiter = WarmUpLimiter::new(1_000, SECOND).unwrap().with_clock(hands.clock());
        let allowed = std::thread::scope(|scope| {
            let ask = || (0..500).filter(|_| limiter.take(1).allowed).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(allowed, 1_000);
    }

    proptest! {
        /// Without a warm-up, the decisions of the token bucket.
        #[test]
        fn warm_it_decides_as_the_token_bucket(
            every_us in 1_u64..5_000_000,
            burst in 1_u64..50,
            steps in prop::collection::vec((0_u64..20_000_000, 1_u32..8), 1..200),
        ) {
            let rate = Rate::new(1, every_us, burst).unwrap();
            let hands = Hands::new();
            let limiter = WarmUpLimiter::new(1, Duration::from_micros(every_us)).unwrap().with_burst(burst).unwrap();
            let limiter = limiter.with_clock(hands.clock());
            let mut debt = None;
            for (step, cost) in steps {
                hands.pass(Duration::from_micros(step));
                let cost = cost.min(u32::try_from(burst).unwrap());
                let now = hands.0.load(Ordering::Relaxed);
                let (judged, next) = rate.judge(debt.as_ref(), now, cost.into(), cost.into());
                let standing = limiter.take(cost);
                prop_assert_eq!(standing.allowed, judged.allowed);
                prop_assert_eq!(standing.remaining, judged.remaining);
                prop_assert_eq!(micros(standing.retry_after), judged.retry);
                prop_assert_eq!(micros(standing.reset_after), judged.reset);
                if judged.allowed {
                    debt = Some(next);
                }
            }
        }

        /// However warm it is: never more than a warm one, and what is said about the next time is true.
        #[test]
        fn it_never_gives_more_than_the_rate(
            count in 1_u64..2_000,
            factor in 1.1_f64..10.0,
            period_ms in 1_u64..5_000,
            steps in prop::collection::vec((0_u64..300_000, 1_u32..4), 1..120),
        ) {
            let hands = Hands::new();
            let burst = 40;
            let limiter = WarmUpLimiter::new(count, SECOND).unwrap().with_burst(burst).unwrap();
            let limiter = limiter.with_warm_up(Duration::from_millis(period_ms)).unwrap();
            let limiter = limiter.with_cold_factor(factor).unwrap().with_clock(hands.clock());
            let mut given: Vec<(u64, u64)> = Vec::new();
            for (step, cost) in steps {
                hands.pass(Duration::from_micros(step));
                let now = hands.0.load(Ordering::Relaxed);
                let standing = limiter.take(cost);
                if standing.allowed {
                    given.push((now, cost.into()));
                    continue;
                }
                hands.pass(standing.retry_after - Duration::from_micros(1));
                prop_assert!(!limiter.take(cost).allowed);
                hands.pass(Duration::from_micros(1));
                prop_assert!(limiter.take(cost).allowed);
                given.push((hands.0.load(Ordering::Relaxed), cost.into()));
            }
            for from in 0..given.len() {
                let mut sum = 0;
                for (at, cost) in &given[from..] {
                    sum += cost * 1_000_000;
                    prop_assert!(sum <= burst * 1_000_000 + (at - given[from].0) * count + 1);
                }
            }
        }
    }
}
