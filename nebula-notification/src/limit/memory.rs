use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::store::{Charge, LimitStore, PARTS, Ruling};
use crate::{
    clock::{Clock, SystemClock, millis},
    error::Result,
};

/// Counters in this process. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryLimits {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    counters: HashMap<String, Counter>,
    sweep_at: usize,
}

/// Uses by part of the span, the oldest first.
#[derive(Debug, Default)]
struct Counter {
    parts: VecDeque<(u64, u64)>,
    width: u64,
    sum: u64,
}

impl Counter {
    fn forget(&mut self, part: u64) {
        while let Some(&(oldest, uses)) = self.parts.front() {
            // A clock that was put back leaves parts of the future: they would count for ever.
            if oldest + PARTS >= part && oldest <= part + 1 {
                break;
            }
            self.sum -= uses;
            self.parts.pop_front();
        }
    }

    fn add(&mut self, part: u64) {
        self.sum += 1;
        match self.parts.back_mut() {
            Some((last, uses)) if *last >= part => *uses += 1,
            _ => self.parts.push_back((part, 1)),
        }
    }

    /// When there is room again under a limit, in milliseconds since 1970.
    fn room_at(&self, limit: u64) -> u64 {
        let mut left = self.sum;
        for &(part, uses) in &self.parts {
            left -= uses;
            if left < limit {
                return (part + PARTS + 1) * self.width;
            }
        }
        u64::MAX
    }
}

impl MemoryLimits {
    /// Counters by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// Counters by another clock.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { state: Arc::default(), clock: Arc::new(clock) }
    }

    fn now(&self) -> u64 {
        millis(SystemTime::max(self.clock.now(), SystemTime::UNIX_EPOCH))
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn counter(&mut self, key: &str, span: Duration, now: u64) -> &mut Counter {
        let width = Charge::part(span);
        let counter = self.counters.entry(key.to_owned()).or_default();
        if counter.width != width {
            *counter = Counter { width, ..Counter::default() };
        }
        counter.forget(now / width);
        counter
    }

    /// Forgets counters that nobody uses, whenever their number has doubled.
    fn sweep(&mut self, now: u64) {
        if self.counters.len() < self.sweep_at.max(1024) {
            return;
        }
        self.counters.retain(|_, counter| {
            counter.forget(now / counter.width);
            counter.sum > 0
        });
        self.sweep_at = self.counters.len() * 2;
    }
}

#[async_trait]
impl LimitStore for MemoryLimits {
    async fn charge(&self, charges: &[Charge]) -> Result<Ruling> {
        let now = self.now();
        let mut state = self.state.lock();
        state.sweep(now);
        for (index, charge) in charges.iter().enumerate() {
            let counter = state.counter(&charge.key, charge.span, now);
            // The same counter may be charged more than once.
            let mine = charges[..index].iter().filter(|other| other.key == charge.key).count() as u64;
            if counter.sum + mine >= charge.limit {
                let wait = match counter.room_at(charge.limit) {
                    u64::MAX => charge.span,
                    at => Duration::from_millis(at.saturating_sub(now)),
                };
                return Ok(Ruling::Refused { index, retry_after: wait });
            }
        }
        for charge in charges {
            let part = now / Charge::part(charge.span);
            state.counter(&charge.key, charge.span, now).add(part);
        }
        Ok(Ruling::Allowed)
    }

    async fn count(&self, key: &str, span: Duration) -> Result<u64> {
        let now = self.now();
        let mut state = self.state.lock();
        let width = Charge::part(span);
        Ok(state.counters.get_mut(key).filter(|counter| counter.width == width).map_or(0, |counter| {
            counter.forget(now / width);
            counter.sum
        }))
    }
}
