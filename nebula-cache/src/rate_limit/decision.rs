//! What is asked, and the answer.

use std::time::Duration;

use smallvec::SmallVec;

/// What a decision is about: one or several limits, and what it costs.
///
/// ```
/// use nebula_cache::rate_limit::Request;
///
/// let upload = Request::new().limit("user", "ada").limit("ip", "203.0.113.7").limit("api", "POST /files").cost(5);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is decided"]
pub struct Request<'a> {
    pub(crate) limits: SmallVec<[(&'a str, &'a [u8]); 3]>,
    pub(crate) cost: u64,
}

impl<'a> Request<'a> {
    /// A request that no limit applies to yet, at a cost of 1.
    pub fn new() -> Self {
        Self { limits: SmallVec::new(), cost: 1 }
    }

    /// The rule of this name applies, for this key: text or any bytes.
    pub fn limit<K: AsRef<[u8]> + ?Sized>(mut self, rule: &'a str, key: &'a K) -> Self {
        self.limits.push((rule, key.as_ref()));
        self
    }

    /// What it costs under each rule; 0 looks without charging.
    pub const fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// How a key stands under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether this limit allows it.
    pub allowed: bool,
    /// How much is left now.
    pub remaining: u64,
    /// After which time it can be allowed; zero if it is.
    pub retry_after: Duration,
    /// After which time everything is there again, if nothing is used.
    pub reset_after: Duration,
}

/// Where a decision comes from.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The store took it.
    Store,
    /// Tokens that had been leased from the store were spent.
    Lease,
    /// The store had refused it, until a time that has not come.
    KnownDenial,
    /// The store cannot be reached: this node's part of the quota.
    LocalShare,
    /// The store cannot be reached, and the rules say that everything is allowed then.
    Open,
    /// The store cannot be reached, and a rule says that nothing is allowed then.
    Closed,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug)]
#[must_use = "whether it is allowed is for you to heed"]
pub struct Decision {
    pub(crate) allowed: bool,
    pub(crate) origin: Origin,
    pub(crate) standings: SmallVec<[Option<Standing>; 3]>,
}

impl Decision {
    /// Whether it may be done. If not, nothing was charged.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Where the decision comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// After which time it is worth while to ask again: what the strictest of the limits says. Zero if it is allowed, and if
    /// nobody can say.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.known().map(|standing| standing.retry_after).max().unwrap_or(Duration::ZERO)
    }

    /// How much is left, under the strictest of the limits; for leases, about.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.known().map(|standing| standing.remaining).min().unwrap_or(0)
    }

    /// After which time everything is there again, under the slowest of the limits.
    #[must_use]
    pub fn reset_after(&self) -> Duration {
        self.known().map(|standing| standing.reset_after).max().unwrap_or(Duration::ZERO)
    }

    /// How each of the request's limits stands, in their order; `None` for those that had no say in it.
    #[must_use]
    pub fn standings(&self) -> &[Option<Standing>] {
        &self.standings
    }

    fn known(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().flatten()
    }
}
