//! What is known here about keys of the store: leased tokens, and refusals that still hold.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::decision::Standing;
use super::rule::LeasePolicy;

/// How many keys are known; the others are asked about.
const KEYS: usize = 100_000;

/// Accounts on this node. That one is forgotten costs a question, or the tokens of a lease, never a limit.
#[derive(Debug)]
pub(super) struct Known(Cache<Vec<u8>, Arc<Account>>);

#[derive(Debug, Default)]
pub(super) struct Account {
    held: Mutex<Held>,
    /// Whoever leases holds it; the others wait for what comes.
    pub(super) leasing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    /// The rules by which this was learnt.
    version: u64,
    tokens: u64,
    until: Option<Instant>,
    /// How much was leased last.
    size: u64,
    /// As the store told it.
    remaining: u64,
    reset: Option<Instant>,
    /// A cost from which on it is refused, until when, and how it stands.
    denied: Option<(u64, Instant, Standing)>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self(Cache::new(KEYS))
    }

    pub(super) fn get(&self, bucket: &[u8]) -> Option<Arc<Account>> {
        self.0.get(bucket)
    }

    pub(super) fn get_or_new(&self, bucket: &[u8]) -> Arc<Account> {
        match self.0.get_or_insert_with(bucket, || Ok::<_, Infallible>(Arc::default())) {
            Ok(account) => account,
            Err(never) => match never {},
        }
    }
}

impl Account {
    /// Whether it is refused for sure.
    pub(super) fn denial(&self, version: u64, cost: u64, now: Instant) -> Option<Standing> {
        let held = self.held.lock();
        match held.denied {
            Some((from, until, standing)) if held.version == version && cost >= from && now < until => {
                Some(Standing { retry_after: until - now, ..standing })
            }
            _ => None,
        }
    }

    /// Spends leased tokens, if there are enough.
    pub(super) fn spend(&self, version: u64, cost: u64, now: Instant) -> Option<Standing> {
        let mut held = self.held.lock();
        if held.version != version || held.tokens < cost || held.until.is_none_or(|until| now >= until) {
            return None;
        }
        held.tokens -= cost;
        Some(Standing {
            allowed: true,
            remaining: held.remaining + held.tokens,
            retry_after: Duration::ZERO,
            reset_after: held.reset.map_or(Duration::ZERO, |reset| reset.saturating_duration_since(now)),
        })
    }

    /// Gives back what was spent for a decision that was refused for another reason.
    pub(super) fn unspend(&self, version: u64, cost: u64) {
        let mut held = self.held.lock();
        if held.version == version {
            held.tokens += cost;
        }
    }

    /// How much to ask for: twice as much as last time if that was used up in time, half if it was not.
    pub(super) fn wanted(&self, policy: LeasePolicy, version: u64, cost: u64, now: Instant) -> u64 {
        let held = self.held.lock();
        let size = match held.until {
            Some(until) if held.version == version && now < until => held.size.saturating_mul(2),
            Some(_) if held.version == version => held.size / 2,
            _ => 1,
        };
        size.clamp(1, policy.most).max(cost)
    }

    /// Takes what was leased, except for the cost of the decision itself. It is spent within the lease's time from before the
    /// question; what was left of the last lease, less than a cost, is lost.
    pub(super) fn leased(&self, version: u64, policy: LeasePolicy, asked: Asked, standing: &Standing) {
        *self.held.lock() = Held {
            version,
            tokens: asked.granted.saturating_sub(asked.cost),
            until: Some(asked.before + policy.time),
            size: asked.granted,
            remaining: standing.remaining,
            reset: Some(asked.before + standing.reset_after),
            denied: None,
        };
    }

    /// Remembers a refusal. Its time counts from before the question, so that nobody is refused for too long; it lasts for
    /// `pause` at least, in which enough for a lease comes together.
    pub(super) fn refused(&self, version: u64, asked: Asked, standing: Standing, pause: Duration) {
        let mut held = self.held.lock();
        if held.version != version {
            *held = Held { version, ..Held::default() };
        }
        held.denied = Some((asked.cost, asked.before + standing.retry_after.max(pause), standing));
    }
}

/// A question to the store.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) before: Instant,
    pub(super) cost: u64,
    pub(super) granted: u64,
}
