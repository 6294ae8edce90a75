//! The handle that applications hold.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::decision::{Decision, Request};
use super::lease::Known;
use super::memory::MemoryRates;
use super::quota::invalid;
use super::rule::Rule;
use super::rules;
use super::snapshot::{RateLimitSnapshot, RuleStats};
use super::store::RateLimitStore;
use super::sync;
use crate::breaker::{BreakerConfig, BreakerState, CircuitBreaker};
use crate::error::{Error, ErrorKind, Result};

/// Decides who may do how much. Cheap to clone; see the [module](super).
#[derive(Clone)]
pub struct RateLimiter {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn RateLimitStore>,
    pub(super) rules: ArcSwap<Rules>,
    pub(super) known: Known,
    /// This node's part while the store is down.
    pub(super) share: MemoryRates,
    pub(super) breaker: CircuitBreaker,
    pub(super) timeout: Duration,
    pub(super) node: u64,
    pub(super) nodes: AtomicU64,
    pub(super) errors: AtomicU64,
    /// Rules that the program brings; those of the shared book win.
    defaults: Vec<Rule>,
    generation: AtomicU64,
}

/// The rules in force.
pub(super) struct Rules {
    /// Version of the shared book.
    pub(super) version: u64,
    /// The shared book, to be put back if the store loses it.
    pub(super) shared: Vec<Rule>,
    pub(super) live: HashMap<Arc<str>, Arc<Live>, foldhash::fast::RandomState>,
}

pub(super) struct Live {
    pub(super) rule: Rule,
    /// What is known about keys is forgotten when the rule changes.
    pub(super) generation: u64,
    pub(super) stats: Arc<RuleStats>,
}

impl RateLimiter {
    /// Limits in this process alone.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if two rules have the same name.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn memory(rules: impl IntoIterator<Item = Rule>) -> Result<Self> {
        let limiter = Self::builder(MemoryRates::new()).with_rules(rules).build()?;
        sync::spawn(&limiter.inner, None);
        Ok(limiter)
    }

    /// Limits that are kept in the store, to set options first.
    pub fn builder(store: impl RateLimitStore) -> RateLimiterBuilder {
        RateLimiterBuilder {
            store: Arc::new(store),
            rules: Vec::new(),
            breaker: BreakerConfig::default(),
            timeout: Duration::from_millis(100),
            poll: Duration::from_secs(1),
        }
    }

    /// Decides a request: whether it may be done, and it is charged if so.
    ///
    /// That the store cannot be reached is no error: rules say what holds then.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownRule`]; [`ErrorKind::CostAboveBurst`] if a rule never allows so much at once;
    /// [`ErrorKind::InvalidKey`] for keys above 64 KiB, and for the same rule and key twice in a request.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether it was charged.
    pub async fn decide(&self, request: &Request<'_>) -> Result<Decision> {
        self.inner.decide(request).await
    }

    /// Decides about one key under one rule, at a cost of 1.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    ///
    /// # Cancel safety
    /// As `decide`.
    pub async fn check<K: AsRef<[u8]> + Sync + ?Sized>(&self, rule: &str, key: &K) -> Result<Decision> {
        let key = key.as_ref();
        match self.inner.at_hand(rule, key, 1) {
            Some(decision) => Ok(decision),
            None => self.inner.resolve_and_obtain(&Request::new().limit(rule, key)).await,
        }
    }

    /// How a key stands under a rule; nothing is charged.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn peek<K: AsRef<[u8]> + Sync + ?Sized>(&self, rule: &str, key: &K) -> Result<Decision> {
        self.decide(&Request::new().limit(rule, key).cost(0)).await
    }

    /// The rule of this name as it is in force here.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<Rule> {
        self.inner.rules.load().live.get(name).map(|live| live.rule.clone())
    }

    /// Version of the shared rules in force here; 0 if there are none. It only grows.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.inner.rules.load().version
    }

    /// Sets a rule on all nodes: a new one, or instead of one of the same name. Other nodes hear of it at once, or when they
    /// look, every second by default; what was used stays used. Returns the version from which on it is in force.
    ///
    /// # Errors
    /// What the store reports; [`ErrorKind::Overloaded`] if others change rules without end.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the rule was set.
    pub async fn set_rule(&self, rule: Rule) -> Result<u64> {
        self.inner
            .change(|rules| {
                rules.retain(|known| known.name != rule.name);
                rules.push(rule.clone());
            })
            .await
    }

    /// Takes a rule back on all nodes. Where the program itself brings one of this name, that one is in force again.
    ///
    /// # Errors
    /// As [`set_rule`](Self::set_rule).
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the rule was taken back.
    pub async fn remove_rule(&self, name: &str) -> Result<u64> {
        self.inner.change(|rules| rules.retain(|known| &*known.name != name)).await
    }

    /// Asks the store for a sign of life, and returns how long it took.
    ///
    /// # Errors
    /// When there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn health(&self) -> Result<Duration> {
        let began = Instant::now();
        self.inner.within(self.inner.store.ping()).await?;
        Ok(began.elapsed())
    }

    /// Counts and states, for monitoring.
    #[must_use]
    pub fn snapshot(&self) -> RateLimitSnapshot {
        let inner = &self.inner;
        let rules = inner.rules.load();
        let mut snapshots: Vec<_> = rules.live.values().map(|live| live.stats.snapshot(live.rule.name())).collect();
        snapshots.sort_by(|a, b| a.name.cmp(&b.name));
        RateLimitSnapshot {
            version: rules.version,
            nodes: inner.nodes.load(Ordering::Relaxed),
            breaker: match inner.breaker.state() {
                BreakerState::Closed => "closed",
                BreakerState::Open => "open",
                BreakerState::HalfOpen => "half-open",
            },
            breaker_opened: inner.breaker.opened(),
            store_errors: inner.errors.load(Ordering::Relaxed),
            rules: snapshots,
        }
    }
}

impl Inner {
    /// Puts rules into force, unless a newer version is already.
    pub(super) fn apply(&self, version: u64, shared: &[Rule]) {
        self.rules.rcu(|rules| {
            if version <= rules.version {
                return Arc::clone(rules);
            }
            let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
            Arc::new(rules.next(version, &self.defaults, shared, generation))
        });
    }

    async fn change(&self, change: impl Fn(&mut Vec<Rule>)) -> Result<u64> {
        for _ in 0..32 {
            let book = self.within(self.store.book(self.node, u64::MAX)).await?;
            let mine = self.version();
            // A store that lost the rules has older ones, or none.
            let mut rules = match book.version < mine {
                true => self.rules.load().shared.clone(),
                false if book.text.is_empty() => Vec::new(),
                false => rules::read(&book.text)?,
            };
            change(&mut rules);
            let text = rules::write(rules.iter())?;
            if let Some(version) = self.within(self.store.replace(book.version, mine, &text)).await? {
                self.apply(version, &rules);
                return Ok(version);
            }
        }
        Err(Error::new(ErrorKind::Overloaded, "the rate limits are changed by others all the time"))
    }

    pub(super) fn version(&self) -> u64 {
        self.rules.load().version
    }

    pub(super) async fn within<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Error::new(ErrorKind::OutcomeUnknown, "the store of rate limits did not answer in time");
        tokio::time::timeout(self.timeout.max(Duration::from_secs(1)), answer)
            .await
            .unwrap_or_else(|time| Err(late(time)))
    }
}

impl Rules {
    fn next(&self, version: u64, defaults: &[Rule], shared: &[Rule], generation: u64) -> Self {
        let mut live = HashMap::default();
        for rule in defaults.iter().chain(shared) {
            let before = self.live.get(&rule.name);
            let kept = before.filter(|live| live.rule == *rule).cloned();
            let next = kept.unwrap_or_else(|| {
                let stats = before.map(|live| Arc::clone(&live.stats)).unwrap_or_default();
                Arc::new(Live { rule: rule.clone(), generation, stats })
            });
            live.insert(Arc::clone(&rule.name), next);
        }
        Self { version, shared: shared.to_vec(), live }
    }
}

/// Sets up a [`RateLimiter`].
#[derive(Debug)]
#[must_use]
pub struct RateLimiterBuilder {
    store: Arc<dyn RateLimitStore>,
    rules: Vec<Rule>,
    breaker: BreakerConfig,
    timeout: Duration,
    poll: Duration,
}

impl RateLimiterBuilder {
    /// Rules that the program brings. Where all nodes share one of the same name, that one is in force.
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// How long a decision waits for the store (default 100 ms) before the rules say what holds.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// When the store is left alone.
    pub fn with_breaker(mut self, breaker: BreakerConfig) -> Self {
        self.breaker = breaker;
        self
    }

    /// How often to look for changed rules, besides hearing of them (default 1 s).
    pub const fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// Starts: takes over the rules that all nodes share, and follows their changes.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if two rules have the same name or a time is zero; otherwise what the store reports.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is left behind.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self) -> Result<RateLimiter> {
        let poll = self.poll;
        let limiter = self.build()?;
        sync::look(&limiter.inner).await?;
        sync::spawn(&limiter.inner, Some(poll));
        Ok(limiter)
    }

    fn build(self) -> Result<RateLimiter> {
        if self.timeout.is_zero() || self.poll.is_zero() {
            return Err(invalid("a time-out or an interval of zero"));
        }
        self.breaker.check()?;
        for (place, rule) in self.rules.iter().enumerate() {
            if self.rules.iter().take(place).any(|earlier| earlier.name == rule.name) {
                return Err(invalid(format!("two rate limits of the name {:?}", rule.name())));
            }
        }
        let none = Rules { version: 0, shared: Vec::new(), live: HashMap::default() };
        Ok(RateLimiter {
            inner: Arc::new(Inner {
                store: self.store,
                rules: ArcSwap::from_pointee(none.next(0, &self.rules, &[], 1)),
                known: Known::new(),
                share: MemoryRates::with_capacity(100_000),
                breaker: CircuitBreaker::new(self.breaker),
                timeout: self.timeout,
                node: rand::random(),
                nodes: AtomicU64::new(1),
                errors: AtomicU64::new(0),
                defaults: self.rules,
                generation: AtomicU64::new(1),
            }),
        })
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("store", &self.inner.store)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
