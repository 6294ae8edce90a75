//! A circuit breaker: stops asking whoever does not answer, and finds out carefully when that is over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

use crate::duration;
use crate::error::{Error, ErrorKind, Result};

/// When a breaker opens and for how long. The defaults: 5 calls in a row, or half of at least 5 calls within 10 s, failed or
/// took longer than 1 s; open for 1 s. In configuration, the section `breaker` has the same options: `window`, `min-calls`,
/// `failure-ratio`, `failures-in-a-row`, `slow-after`, `open-for`, `probes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct BreakerConfig {
    #[serde(deserialize_with = "duration::present")]
    window: Duration,
    min_calls: u32,
    failure_ratio: f64,
    #[serde(rename = "failures-in-a-row")]
    in_a_row: u32,
    #[serde(deserialize_with = "duration::present")]
    slow_after: Duration,
    #[serde(deserialize_with = "duration::present")]
    open_for: Duration,
    probes: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            min_calls: 5,
            failure_ratio: 0.5,
            in_a_row: 5,
            slow_after: Duration::from_secs(1),
            open_for: Duration::from_secs(1),
            probes: 1,
        }
    }
}

impl BreakerConfig {
    /// Over which time calls are counted.
    #[must_use]
    pub const fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many calls have to be counted before the ratio means anything.
    #[must_use]
    pub const fn with_min_calls(mut self, calls: u32) -> Self {
        self.min_calls = calls;
        self
    }

    /// Which part of the calls may fail or be slow, 0 to 1.
    #[must_use]
    pub const fn with_failure_ratio(mut self, ratio: f64) -> Self {
        self.failure_ratio = ratio;
        self
    }

    /// How many failures in a row are enough, however many calls succeeded before.
    #[must_use]
    pub const fn with_failures_in_a_row(mut self, failures: u32) -> Self {
        self.in_a_row = failures;
        self
    }

    /// From when a call that succeeded counts as failed.
    #[must_use]
    pub const fn with_slow_after(mut self, time: Duration) -> Self {
        self.slow_after = time;
        self
    }

    /// How long calls are refused before the next attempt.
    #[must_use]
    pub const fn with_open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    /// How many attempts in a row have to succeed before calls are let through again; they are made one at a time.
    #[must_use]
    pub const fn with_probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }

    /// Whether a breaker can work like that.
    pub(crate) fn check(&self) -> Result<()> {
        let times = [self.window, self.slow_after, self.open_for];
        let counts = [self.min_calls, self.in_a_row, self.probes];
        let none = times.iter().any(Duration::is_zero) || counts.contains(&0);
        if none || !(self.failure_ratio > 0.0 && self.failure_ratio <= 1.0) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                "a breaker needs times and counts above zero, and a ratio of failures above 0 and at most 1",
            ));
        }
        Ok(())
    }
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets them through.
    Closed,
    /// Refuses them.
    Open,
    /// Lets one at a time through to find out.
    HalfOpen,
}

/// The call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When it is worth asking again.
    pub retry_after: Duration,
}

/// Counts how calls end and refuses them while most fail. Clones share the state.
///
/// ```
/// use std::time::Duration;
/// use nebula_cache::{BreakerConfig, BreakerState, CircuitBreaker};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let breaker = CircuitBreaker::new(BreakerConfig::default().with_min_calls(2).with_open_for(Duration::from_secs(10)));
/// for _ in 0..2 {
///     breaker.try_call().expect("closed").failed();
/// }
/// assert_eq!(breaker.try_call().unwrap_err().retry_after, Duration::from_secs(10));
///
/// tokio::time::advance(Duration::from_secs(10)).await;
/// breaker.try_call().expect("one attempt").succeeded();
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// # });
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    config: Arc<BreakerConfig>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    phase: Phase,
    /// Calls are counted in halves of the window, so that old ones leave.
    halves: [(u32, u32); 2],
    in_a_row: u32,
    turned: Instant,
    /// Calls of earlier phases do not count.
    round: u64,
    opened: u64,
}

#[derive(Clone, Copy)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// One attempt is under way since the given time; so many have succeeded.
    HalfOpen {
        probing: Option<Instant>,
        succeeded: u32,
    },
}

impl CircuitBreaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        let inner = Inner {
            phase: Phase::Closed,
            halves: [(0, 0); 2],
            in_a_row: 0,
            turned: Instant::now(),
            round: 0,
            opened: 0,
        };
        Self { config: Arc::new(config), inner: Arc::new(Mutex::new(inner)) }
    }

    /// Asks to make a call. Say of the [`Call`] how it ended; dropping it counts as a failure while the breaker probes,
    /// and not at all otherwise.
    ///
    /// # Errors
    /// [`Refused`] while the breaker is open.
    pub fn try_call(&self) -> Result<Call, Refused> {
        let now = Instant::now();
        let round = self.enter(now)?;
        Ok(Call { breaker: self.clone(), round, began: now, said: false })
    }

    /// The same without anything to be allocated or counted.
    pub(crate) fn pass(&self, now: Instant) -> Result<Pass<'_>, Refused> {
        let round = self.enter(now)?;
        Ok(Pass { breaker: self, round, began: now, said: false })
    }

    fn enter(&self, now: Instant) -> Result<u64, Refused> {
        let mut inner = self.inner.lock();
        match inner.phase {
            Phase::Closed => {}
            Phase::Open { until } if now < until => return Err(Refused { retry_after: until - now }),
            Phase::Open { .. } => {
                inner.round += 1;
                inner.phase = Phase::HalfOpen { probing: Some(now), succeeded: 0 };
            }
            Phase::HalfOpen { probing: Some(since), .. } if now - since < self.config.open_for => {
                return Err(Refused { retry_after: self.config.open_for - (now - since) });
            }
            Phase::HalfOpen { succeeded, .. } => inner.phase = Phase::HalfOpen { probing: Some(now), succeeded },
        }
        Ok(inner.round)
    }

    /// A call that nobody says anything of.
    fn gone(&self, round: u64, began: Instant) {
        if self.state() != BreakerState::Closed {
            self.ended(round, true, began, Instant::now());
        }
    }

    /// Ends the time of refusing: the next call finds out. For whoever learns otherwise that calls may succeed again,
    /// from a health check for example. Does nothing unless the breaker refuses.
    pub fn half_open(&self) {
        let mut inner = self.inner.lock();
        if let Phase::Open { .. } = inner.phase {
            inner.round += 1;
            inner.phase = Phase::HalfOpen { probing: None, succeeded: 0 };
        }
    }

    /// What it does with calls now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.inner.lock().phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if Instant::now() < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.inner.lock().opened
    }

    fn ended(&self, round: u64, failed: bool, began: Instant, now: Instant) {
        let failed = failed || now - began > self.config.slow_after;
        let mut inner = self.inner.lock();
        if inner.round != round {
            return;
        }
        match inner.phase {
            Phase::Closed => {
                inner.turn(now, self.config.window);
                inner.halves[0].0 += 1;
                inner.halves[0].1 += u32::from(failed);
                inner.in_a_row = if failed { inner.in_a_row + 1 } else { 0 };
                let (calls, failures) = (inner.halves[0].0 + inner.halves[1].0, inner.halves[0].1 + inner.halves[1].1);
                let too_many = calls >= self.config.min_calls
                    && f64::from(failures) >= self.config.failure_ratio * f64::from(calls);
                if failed && (too_many || inner.in_a_row >= self.config.in_a_row) {
                    inner.open(now + self.config.open_for);
                }
            }
            Phase::HalfOpen { .. } if failed => inner.open(now + self.config.open_for),
            Phase::HalfOpen { succeeded, .. } if succeeded + 1 >= self.config.probes => {
                inner.round += 1;
                inner.phase = Phase::Closed;
                inner.halves = [(0, 0); 2];
                inner.turned = now;
            }
            Phase::HalfOpen { succeeded, .. } => {
                inner.phase = Phase::HalfOpen { probing: None, succeeded: succeeded + 1 };
            }
            Phase::Open { .. } => {}
        }
    }
}

impl Inner {
    fn turn(&mut self, now: Instant, window: Duration) {
        let passed = now - self.turned;
        if passed >= window {
            self.halves = [(0, 0); 2];
            self.turned = now;
        } else if passed >= window / 2 {
            self.halves = [(0, 0), self.halves[0]];
            self.turned = now;
        }
    }

    fn open(&mut self, until: Instant) {
        self.round += 1;
        self.opened += 1;
        self.in_a_row = 0;
        self.phase = Phase::Open { until };
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A call that the breaker let through.
#[derive(Debug)]
#[must_use = "say how the call ended"]
pub struct Call {
    breaker: CircuitBreaker,
    round: u64,
    began: Instant,
    said: bool,
}

impl Call {
    /// The call did what it should.
    pub fn succeeded(mut self) {
        self.said = true;
        self.breaker.ended(self.round, false, self.began, Instant::now());
    }

    /// The call failed.
    pub fn failed(mut self) {
        self.said = true;
        self.breaker.ended(self.round, true, self.began, Instant::now());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.said {
            self.breaker.gone(self.round, self.began);
        }
    }
}

/// A call that the breaker let through and that does not outlive it.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a CircuitBreaker,
    round: u64,
    began: Instant,
    said: bool,
}

impl Pass<'_> {
    /// How the call ended.
    pub(crate) fn ended(mut self, failed: bool, now: Instant) {
        self.said = true;
        self.breaker.ended(self.round, failed, self.began, now);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.said {
            self.breaker.gone(self.round, self.began);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> CircuitBreaker {
        CircuitBreaker::new(BreakerConfig::default().with_probes(2))
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_the_ratio_and_probes_one_at_a_time() {
        let breaker = breaker();
        for number in 0..8 {
            let call = breaker.try_call().unwrap();
            if number % 2 == 0 {
                call.succeeded();
            } else {
                call.failed();
            }
            let open = breaker.state() == BreakerState::Open;
            assert_eq!(open, number >= 5, "half of at least five: {number}");
            if open {
                break;
            }
        }
        assert_eq!(breaker.opened(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        let probe = breaker.try_call().unwrap();
        assert!(breaker.try_call().is_err(), "one at a time");
        probe.succeeded();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.try_call().unwrap().succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_or_lost_probe_opens_it_again() {
        let breaker = breaker();
        (0..5).for_each(|_| breaker.try_call().unwrap().failed());
        tokio::time::advance(Duration::from_secs(1)).await;
        breaker.try_call().unwrap().failed();
        assert_eq!(breaker.state(), BreakerState::Open);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(breaker.try_call().unwrap());
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn old_calls_are_forgotten_and_slow_ones_count() {
        let breaker = CircuitBreaker::new(BreakerConfig::default().with_failures_in_a_row(100));
        (0..4).for_each(|_| breaker.try_call().unwrap().failed());
        tokio::time::advance(Duration::from_secs(10)).await;
        breaker.try_call().unwrap().failed();
        assert_eq!(breaker.state(), BreakerState::Closed);
        for _ in 0..4 {
            let call = breaker.try_call().unwrap();
            tokio::time::advance(Duration::from_millis(1001)).await;
            call.succeeded();
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sudden_outage_is_noticed_whatever_went_before() {
        let breaker = breaker();
        (0..1000).for_each(|_| breaker.try_call().unwrap().succeeded());
        (0..4).for_each(|_| breaker.try_call().unwrap().failed());
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.try_call().unwrap().failed();
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_knows_better_ends_the_time_of_refusing() {
        let breaker = breaker();
        breaker.half_open();
        assert_eq!(breaker.state(), BreakerState::Closed);
        (0..5).for_each(|_| breaker.try_call().unwrap().failed());
        assert!(breaker.try_call().is_err());
        breaker.half_open();
        let probe = breaker.try_call().unwrap();
        breaker.half_open();
        assert!(breaker.try_call().is_err(), "one at a time");
        probe.failed();
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.half_open();
        (0..2).for_each(|_| breaker.try_call().unwrap().succeeded());
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn late_results_of_an_earlier_phase_do_not_count() {
        let breaker = breaker();
        let late = breaker.try_call().unwrap();
        (0..5).for_each(|_| breaker.try_call().unwrap().failed());
        tokio::time::advance(Duration::from_secs(1)).await;
        let probe = breaker.try_call().unwrap();
        late.succeeded();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        drop(probe);
    }
}
