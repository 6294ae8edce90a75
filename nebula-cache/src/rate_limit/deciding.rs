//! How a decision is taken: by what is known here, by the store, or by what the rules say without it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::{SmallVec, smallvec};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::bucket::bucket;
use super::decision::{Decision, Origin, Request, Standing};
use super::lease::{Account, Asked, Spent};
use super::limiter::{Inner, Live, Rules};
use super::rule::{LeasePolicy, WhenDown};
use super::store::{Charge, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::key::MAX_KEY_BYTES;

/// One limit of a request.
struct Part<'k> {
    live: Arc<Live>,
    key: &'k [u8],
    account: Option<Arc<Account>>,
    state: Step,
}

#[derive(Clone, Copy)]
enum Step {
    /// The store has to be asked.
    Ask,
    /// Leased tokens were spent.
    Spent(Spent),
}

type Parts<'k> = SmallVec<[Part<'k>; 3]>;

impl Part<'_> {
    fn lease(&self) -> Option<LeasePolicy> {
        self.live.rule.lease
    }
}

/// Gives leased tokens back when the decision is refused, fails or is given up.
struct Spending<'k> {
    parts: Parts<'k>,
    cost: u64,
    keep: bool,
}

impl Spending<'_> {
    fn undo(&mut self) {
        for part in &mut self.parts {
            if let (Step::Spent(spent), Some(account)) = (&part.state, &part.account) {
                account.unspend(spent, self.cost);
                part.state = Step::Ask;
            }
        }
    }
}

impl Drop for Spending<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.undo();
        }
    }
}

impl Inner {
    pub(super) async fn decide(&self, request: &Request<'_>) -> Result<Decision> {
        if let &[(name, key)] = request.limits.as_slice()
            && let Some(decision) = self.at_hand(name, key, request.cost)
        {
            return Ok(decision);
        }
        self.resolve_and_obtain(request).await
    }

    /// The common case: one limit, and the answer is known here.
    pub(super) fn at_hand(&self, name: &str, key: &[u8], cost: u64) -> Option<Decision> {
        if cost == 0 || key.len() > MAX_KEY_BYTES {
            return None;
        }
        let rules = self.rules.load();
        let live = rules.live.get(name)?;
        if cost > live.rule.quota.capacity() {
            return None;
        }
        let (origin, standing) = if self.store.is_local() {
            let charge = Charge { rule: name, key, quota: &live.rule.quota, cost, wanted: cost };
            (Origin::Store, self.store.decide_at_once(charge)?.standing)
        } else {
            let account = self.known.get(&bucket(name, key))?;
            let standing = account.answer(live.generation, cost, Instant::now())?;
            (if standing.allowed { Origin::Lease } else { Origin::KnownDenial }, standing)
        };
        live.stats.count(origin, standing.allowed);
        Some(Decision { allowed: standing.allowed, origin, standings: smallvec![Some(standing)] })
    }

    pub(super) async fn resolve_and_obtain(&self, request: &Request<'_>) -> Result<Decision> {
        let parts = resolve(&self.rules.load(), request)?;
        let mut spending = Spending { parts, cost: request.cost, keep: false };
        let decision = self.obtain(&mut spending).await?;
        if request.cost > 0 {
            for part in &spending.parts {
                part.live.stats.count(decision.origin, decision.allowed);
            }
        }
        Ok(decision)
    }

    async fn obtain(&self, spending: &mut Spending<'_>) -> Result<Decision> {
        let cost = spending.cost;
        if self.store.is_local() || cost == 0 {
            let verdict = self.ask(&charges(&spending.parts, cost, |_| cost)).await;
            return match verdict {
                Ok(verdict) => Ok(told(&verdict)),
                Err(_) => self.without_store(&spending.parts, cost),
            };
        }
        if let Some(denied) = self.known_denial(&mut spending.parts, cost) {
            return Ok(denied);
        }
        spend(&mut spending.parts, cost);
        // One lease at a time for a key: the others wait for what it brings. Only one of these is ever held.
        let first = spending.parts.iter().find(|part| part.lease().is_some() && matches!(part.state, Step::Ask));
        let account = first.and_then(|part| part.account.clone());
        let _leasing = match &account {
            Some(account) => Some(account.leasing.lock().await),
            None => None,
        };
        if account.is_some() {
            if let Some(denied) = self.known_denial(&mut spending.parts, cost) {
                return Ok(denied);
            }
            spend(&mut spending.parts, cost);
        }
        if spending.parts.iter().all(|part| matches!(part.state, Step::Spent(_))) {
            spending.keep = true;
            return Ok(all_spent(&spending.parts));
        }
        let before = Instant::now();
        let wanted = |part: &Part<'_>| match (part.lease(), &part.account) {
            (Some(policy), Some(account)) => account.wanted(policy, part.live.generation, cost, before),
            _ => cost,
        };
        let (verdict, wanted) = {
            let charges = charges(&spending.parts, cost, wanted);
            (self.ask(&charges).await, charges.iter().map(|charge| charge.wanted).collect::<SmallVec<[u64; 3]>>())
        };
        match verdict {
            Ok(verdict) => {
                spending.keep = verdict.allowed;
                Ok(self.learn(&spending.parts, &verdict, &wanted, cost, before))
            }
            Err(_) => {
                // What is leased is charged already, but the decision as a whole goes by what holds without the store.
                spending.undo();
                self.without_store(&spending.parts, cost)
            }
        }
    }

    fn known_denial(&self, parts: &mut Parts<'_>, cost: u64) -> Option<Decision> {
        let now = Instant::now();
        let mut standings: SmallVec<[Option<Standing>; 3]> = SmallVec::new();
        for part in parts.iter_mut() {
            if part.account.is_none() {
                let name = bucket(part.live.rule.name(), part.key);
                part.account = match part.lease() {
                    Some(_) => Some(self.known.get_or_new(&name)),
                    None => self.known.get(&name),
                };
            }
            let account = part.account.as_ref();
            standings.push(account.and_then(|account| account.denial(part.live.generation, cost, now)));
        }
        standings.iter().any(Option::is_some).then_some(Decision {
            allowed: false,
            origin: Origin::KnownDenial,
            standings,
        })
    }

    /// Asks the store, unless it has been failing.
    async fn ask(&self, charges: &[Charge<'_>]) -> Result<Verdict> {
        if self.store.is_local() {
            return self.store.decide(charges).await;
        }
        let call = self
            .breaker
            .try_call()
            .map_err(|_| Error::new(ErrorKind::Unavailable, "the store of rate limits has been failing"))?;
        let answer = timeout(self.timeout, self.store.decide(charges)).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::OutcomeUnknown, "the store of rate limits did not answer in time"))
        });
        match &answer {
            Ok(_) => call.succeeded(),
            Err(error) => {
                call.failed();
                self.errors.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("nebula_rate_limit_store_errors_total").increment(1);
                debug!(%error, "a rate limit is decided without the store");
            }
        }
        answer
    }

    /// Remembers leases and refusals, and puts the decision together.
    fn learn(&self, parts: &Parts<'_>, verdict: &Verdict, wanted: &[u64], cost: u64, before: Instant) -> Decision {
        let mut rulings = verdict.rulings.iter().zip(wanted);
        let mut standings = SmallVec::new();
        for part in parts {
            let ruling = match part.state {
                Step::Spent(spent) => {
                    standings.push(Some(spent.standing));
                    continue;
                }
                Step::Ask => rulings.next(),
            };
            standings.push(ruling.map(|(ruling, _)| ruling.standing));
            let Some((ruling, &wanted)) = ruling else { continue };
            let asked = Asked { before, cost, wanted, granted: ruling.granted };
            let generation = part.live.generation;
            if verdict.allowed {
                if let (Some(policy), Some(account)) = (part.lease(), &part.account) {
                    let rule = &part.live.rule;
                    let pause = || rule.pause().max(rule.next_token(ruling.standing.reset_after));
                    account.leased(generation, policy, asked, &ruling.standing, pause);
                }
            } else if !ruling.standing.allowed {
                let name = bucket(part.live.rule.name(), part.key);
                self.known.get_or_new(&name).refused(generation, asked, ruling.standing, part.live.rule.pause());
            }
        }
        Decision { allowed: verdict.allowed, origin: Origin::Store, standings }
    }

    /// What the rules say while the store cannot be reached.
    fn without_store(&self, parts: &Parts<'_>, cost: u64) -> Result<Decision> {
        let says = |part: &Part<'_>| part.live.rule.when_down;
        if parts.iter().any(|part| says(part) == WhenDown::Closed) {
            return Ok(Decision { allowed: false, origin: Origin::Closed, standings: nobody_says(parts) });
        }
        let nodes = self.nodes.load(Ordering::Relaxed);
        let limited = || parts.iter().filter(|part| says(part) == WhenDown::LocalShare);
        let shares: SmallVec<[_; 3]> = limited().map(|part| part.live.rule.quota.share(nodes, cost)).collect();
        if shares.is_empty() {
            return Ok(Decision { allowed: true, origin: Origin::Open, standings: nobody_says(parts) });
        }
        let charges: SmallVec<[Charge<'_>; 3]> = limited()
            .zip(&shares)
            .map(|(part, quota)| Charge { rule: part.live.rule.name(), key: part.key, quota, cost, wanted: cost })
            .collect();
        let verdict = self.share.rule(&charges)?;
        let mut rulings = verdict.rulings.iter();
        let standings = parts
            .iter()
            .map(|part| match says(part) {
                WhenDown::LocalShare => rulings.next().map(|ruling| ruling.standing),
                _ => None,
            })
            .collect();
        Ok(Decision { allowed: verdict.allowed, origin: Origin::LocalShare, standings })
    }
}

fn resolve<'k>(rules: &Rules, request: &Request<'k>) -> Result<Parts<'k>> {
    let mut parts = Parts::new();
    for (place, (name, key)) in request.limits.iter().enumerate() {
        let Some(live) = rules.live.get(*name) else {
            return Err(Error::new(ErrorKind::UnknownRule, format!("there is no rate limit {name:?}")));
        };
        let most = live.rule.quota.capacity();
        if request.cost > most {
            return Err(Error::new(
                ErrorKind::CostAboveBurst,
                format!("a cost of {}, and {name:?} allows {most} at once", request.cost),
            ));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidKey,
                format!("a key of a rate limit has at most {MAX_KEY_BYTES} bytes"),
            ));
        }
        if request.limits.iter().take(place).any(|earlier| earlier == &(*name, *key)) {
            return Err(Error::new(ErrorKind::InvalidKey, format!("the same key twice under {name:?} in one request")));
        }
        parts.push(Part { live: Arc::clone(live), key, account: None, state: Step::Ask });
    }
    Ok(parts)
}

/// Spends leased tokens where there are enough.
fn spend(parts: &mut Parts<'_>, cost: u64) {
    let now = Instant::now();
    for part in parts.iter_mut() {
        if let (Step::Ask, Some(_), Some(account)) = (&part.state, part.lease(), &part.account)
            && let Some(spent) = account.spend(part.live.generation, cost, now)
        {
            part.state = Step::Spent(spent);
        }
    }
}

fn all_spent(parts: &Parts<'_>) -> Decision {
    let standings = parts
        .iter()
        .map(|part| match part.state {
            Step::Spent(spent) => Some(spent.standing),
            Step::Ask => None,
        })
        .collect();
    Decision { allowed: true, origin: if parts.is_empty() { Origin::Store } else { Origin::Lease }, standings }
}

/// What the store is asked.
fn charges<'a, 'k>(parts: &'a Parts<'k>, cost: u64, wanted: impl Fn(&Part<'k>) -> u64) -> SmallVec<[Charge<'a>; 3]> {
    parts
        .iter()
        .filter(|part| matches!(part.state, Step::Ask))
        .map(|part| Charge {
            rule: part.live.rule.name(),
            key: part.key,
            quota: &part.live.rule.quota,
            cost,
            wanted: wanted(part),
        })
        .collect()
}

fn told(verdict: &Verdict) -> Decision {
    let standings = verdict.rulings.iter().map(|ruling| Some(ruling.standing)).collect();
    Decision { allowed: verdict.allowed, origin: Origin::Store, standings }
}

fn nobody_says(parts: &Parts<'_>) -> SmallVec<[Option<Standing>; 3]> {
    parts.iter().map(|_| None).collect()
}
