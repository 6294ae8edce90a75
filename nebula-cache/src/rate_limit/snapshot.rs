//! Counting decisions, and what monitoring asks for.

use metrics::counter;
use parking_lot::Mutex;
use serde::Serialize;

use super::decision::Origin;
use crate::stats::Striped;

/// The origins in the order of their counters.
const ORIGINS: [(Origin, &str); 6] = [
    (Origin::Store, "store"),
    (Origin::Lease, "lease"),
    (Origin::KnownDenial, "known-denial"),
    (Origin::LocalShare, "local-share"),
    (Origin::Open, "open"),
    (Origin::Closed, "closed"),
];

/// Decisions in which a rule had a part: by origin, and whether they were allowed.
#[derive(Debug, Default)]
pub(super) struct RuleStats {
    /// Of each origin: denied, allowed.
    counts: Striped<{ 2 * ORIGINS.len() }>,
    reported: Mutex<[[u64; 2]; ORIGINS.len()]>,
}

impl RuleStats {
    pub(super) fn count(&self, origin: Origin, allowed: bool) {
        self.counts.add(2 * origin as usize + usize::from(allowed), 1);
    }

    fn get(&self) -> [[u64; 2]; ORIGINS.len()] {
        let all = self.counts.all();
        std::array::from_fn(|origin| [all[2 * origin], all[2 * origin + 1]])
    }

    /// Hands what was counted since the last time to the facade `metrics`.
    pub(super) fn report(&self, rule: &str) {
        let now = self.get();
        let mut reported = self.reported.lock();
        for ((before, now), (_, origin)) in reported.iter().zip(&now).zip(ORIGINS) {
            for (place, outcome) in ["denied", "allowed"].into_iter().enumerate() {
                let number = now[place].saturating_sub(before[place]);
                if number > 0 {
                    let labels =
                        [("rule", rule.to_owned()), ("origin", origin.to_owned()), ("outcome", outcome.to_owned())];
                    counter!("nebula_rate_limit_decisions_total", &labels).increment(number);
                }
            }
        }
        *reported = now;
    }

    pub(super) fn snapshot(&self, name: &str) -> RuleSnapshot {
        let counts = self.get();
        let sum = |place: usize| counts.iter().map(|count| count[place]).sum();
        let of = |origin: Origin| counts.get(origin as usize).map_or(0, |count| count[0] + count[1]);
        RuleSnapshot {
            name: name.to_owned(),
            allowed: sum(1),
            denied: sum(0),
            by_store: of(Origin::Store),
            by_lease: of(Origin::Lease),
            by_known_denial: of(Origin::KnownDenial),
            while_down: of(Origin::LocalShare) + of(Origin::Open) + of(Origin::Closed),
        }
    }
}

/// The state of a [`RateLimiter`](super::RateLimiter), ready for JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RateLimitSnapshot {
    /// Version of the rules that all nodes share; 0 if there are none.
    pub version: u64,
    /// Nodes that were last seen.
    pub nodes: u64,
    /// Whether the store is asked: `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// How often the breaker has opened.
    pub breaker_opened: u64,
    /// Questions to the store that failed.
    pub store_errors: u64,
    /// The rules, by name.
    pub rules: Vec<RuleSnapshot>,
}

/// What was decided under a rule since the start.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RuleSnapshot {
    /// Its name.
    pub name: String,
    /// Decisions that were allowed.
    pub allowed: u64,
    /// Decisions that were refused, by this rule or another one of the same request.
    pub denied: u64,
    /// Decisions that the store took.
    pub by_store: u64,
    /// Decisions that spent leased tokens.
    pub by_lease: u64,
    /// Refusals that were known already.
    pub by_known_denial: u64,
    /// Decisions while the store could not be reached.
    pub while_down: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_stand_in_the_order_of_the_origins() {
        assert!(ORIGINS.iter().enumerate().all(|(place, origin)| origin.0 as usize == place));
    }
}
