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
    /// Counts leases, so that tokens go back to the one that they come from.
    serial: u64,
    tokens: u64,
    until: Option<Instant>,
    /// How much was asked for last.
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

/// Tokens of a lease that were spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) standing: Standing,
    version: u64,
    serial: u64,
}

impl Held {
    fn has(&self, cost: u64, now: Instant) -> bool {
        self.tokens >= cost && self.until.is_some_and(|until| now < until)
    }

    fn denial(&self, cost: u64, now: Instant) -> Option<Standing> {
        match self.denied {
            Some((from, until, standing)) if cost >= from && now < until && !self.has(cost, now) => {
                Some(Standing { retry_after: until - now, ..standing })
            }
            _ => None,
        }
    }

    fn spend(&mut self, cost: u64, now: Instant) -> Option<Standing> {
        if !self.has(cost, now) {
            return None;
        }
        self.tokens -= cost;
        Some(Standing {
            allowed: true,
            remaining: self.remaining + self.tokens,
            retry_after: Duration::ZERO,
            reset_after: self.reset.map_or(Duration::ZERO, |reset| reset.saturating_duration_since(now)),
        })
    }
}

impl Account {
    /// Whether it is refused for sure: it was, no tokens are left, and the time has not come.
    pub(super) fn denial(&self, version: u64, cost: u64, now: Instant) -> Option<Standing> {
        let held = self.held.lock();
        held.denial(cost, now).filter(|_| held.version == version)
    }

    /// Spends leased tokens, if there are enough.
    pub(super) fn spend(&self, version: u64, cost: u64, now: Instant) -> Option<Spent> {
        let mut held = self.held.lock();
        if held.version != version {
            return None;
        }
        held.spend(cost, now).map(|standing| Spent { standing, version, serial: held.serial })
    }

    /// The answer to a decision about this account alone, if it is known here.
    pub(super) fn answer(&self, version: u64, cost: u64, now: Instant) -> Option<Standing> {
        let mut held = self.held.lock();
        if held.version != version {
            return None;
        }
        held.spend(cost, now).or_else(|| held.denial(cost, now))
    }

    /// Gives back what was spent for a decision that was refused for another reason; not to another lease, which would let it
    /// live for longer than its own.
    pub(super) fn unspend(&self, spent: &Spent, cost: u64) {
        let mut held = self.held.lock();
        if (held.version, held.serial) == (spent.version, spent.serial) {
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
    ///
    /// Less than was wanted was all that there was. Whoever asks again at once gets the few tokens that have come back since,
    /// over and over, so for `pause` from before the question nothing is asked for.
    pub(super) fn leased(
        &self,
        version: u64,
        policy: LeasePolicy,
        asked: Asked,
        standing: &Standing,
        pause: impl FnOnce() -> Duration,
    ) {
        let emptied = Standing { allowed: false, remaining: 0, ..*standing };
        let mut held = self.held.lock();
        *held = Held {
            version,
            serial: held.serial + 1,
            tokens: asked.granted.saturating_sub(asked.cost),
            until: Some(asked.before + policy.time),
            size: asked.wanted,
            remaining: standing.remaining,
            reset: Some(asked.before + standing.reset_after),
            denied: (asked.granted < asked.wanted).then(|| (1, asked.before + pause(), emptied)),
        };
    }

    /// Remembers a refusal. Its time counts from before the question, so that nobody is refused for too long; it lasts for
    /// `pause` at least, in which enough for a lease comes together.
    pub(super) fn refused(&self, version: u64, asked: Asked, standing: Standing, pause: Duration) {
        let mut held = self.held.lock();
        if held.version != version {
            *held = Held { version, serial: held.serial + 1, ..Held::default() };
        }
        held.denied = Some((asked.cost, asked.before + standing.retry_after.max(pause), standing));
    }
}

/// A question to the store.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) before: Instant,
    pub(super) cost: u64,
    pub(super) wanted: u64,
    pub(super) granted: u64,
}
