use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::{kind::Channel, outcome::Mark};

/// Keeps a provider that fails from being asked for a while. Closed, then open after several failures in a row or one of the
/// account, then half open: one message tries whether it works again.
#[derive(Debug)]
pub(super) struct Breaker {
    threshold: u32,
    shortest: Duration,
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// How often it was opened in a row.
    opened: u32,
    /// Until when nobody asks; while half open, until when the one that tries may take.
    until: Option<Instant>,
}

/// A sender and the state of its circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Circuit {
    /// The provider.
    pub provider: String,
    /// Its channel.
    pub channel: Channel,
    /// Whether it is left alone for now.
    pub open: bool,
    /// Failures in a row.
    pub failures: u32,
}

impl Breaker {
    pub(super) fn new(threshold: u32, shortest: Duration) -> Self {
        Self { threshold: threshold.max(1), shortest, longest: shortest * 10, state: Mutex::default() }
    }

    /// Whether the provider may be asked. While half open, the one who asks is the one who tries.
    pub(super) fn allows(&self) -> bool {
        let mut state = self.state.lock();
        match state.until {
            None => true,
            Some(until) if until > Instant::now() => false,
            Some(_) => {
                // Whoever tries and never reports back blocks it no longer than an open circuit.
                state.until = Some(Instant::now() + self.shortest);
                true
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.lock().until.is_some_and(|until| until > Instant::now())
    }

    pub(super) fn failures(&self) -> u32 {
        self.state.lock().failures
    }

    pub(super) fn record(&self, mark: Mark) {
        let mut state = self.state.lock();
        match mark {
            // A message that was never handed over says nothing; but it must not keep the place of the one that tries.
            Mark::Nothing => {
                if state.until.is_some() {
                    state.until = Some(Instant::now());
                }
            }
            Mark::Healthy => *state = State::default(),
            Mark::Failure | Mark::Open => {
                state.failures = state.failures.saturating_add(1);
                if mark == Mark::Open || state.until.is_some() || state.failures >= self.threshold {
                    let pause = self.shortest.saturating_mul(1 << state.opened.min(16)).min(self.longest);
                    state.opened = state.opened.saturating_add(1);
                    state.until = Some(Instant::now() + pause);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_one_message_tries() {
        let breaker = Breaker::new(3, SHORT);
        for _ in 0..2 {
            breaker.record(Mark::Failure);
        }
        breaker.record(Mark::Healthy);
        for _ in 0..2 {
            breaker.record(Mark::Failure);
        }
        assert!(breaker.allows());
        breaker.record(Mark::Failure);
        assert!(!breaker.allows() && breaker.is_open());
        tokio::time::advance(SHORT).await;
        assert!(breaker.allows(), "one tries");
        assert!(!breaker.allows(), "only one");
        breaker.record(Mark::Failure);
        tokio::time::advance(SHORT).await;
        assert!(!breaker.allows(), "the second time takes twice as long");
        tokio::time::advance(SHORT).await;
        assert!(breaker.allows());
        breaker.record(Mark::Healthy);
        assert!(breaker.allows() && breaker.allows());
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_opens_it_at_once_and_a_trier_that_vanishes_gives_way() {
        let breaker = Breaker::new(3, SHORT);
        breaker.record(Mark::Open);
        assert!(!breaker.allows());
        tokio::time::advance(SHORT).await;
        assert!(breaker.allows());
        tokio::time::advance(SHORT).await;
        assert!(breaker.allows(), "nobody heard of the first");
        breaker.record(Mark::Nothing);
        assert!(breaker.allows(), "nothing was tried");
    }
}
