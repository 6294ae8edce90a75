//! What a backend of rate limits implements.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use smallvec::SmallVec;

use super::decision::Standing;
use super::quota::Quota;
use crate::error::Result;

/// What one key is to be charged under one rule.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The rule's name.
    pub rule: &'a str,
    /// Whose account it is.
    pub key: &'a [u8],
    /// The rule's quota.
    pub quota: &'a Quota,
    /// How much at least, or nothing.
    pub cost: u64,
    /// How much, if there is so much; never less than `cost`.
    pub wanted: u64,
}

/// What became of one [`Charge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// How much was charged: between `cost` and `wanted`, or nothing if the decision as a whole is a refusal.
    pub granted: u64,
    /// How the key stands after it. Its `allowed` is about this charge alone.
    pub standing: Standing,
}

/// What became of all charges of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether everything was charged; otherwise nothing was.
    pub allowed: bool,
    /// One for each charge, in their order.
    pub rulings: SmallVec<[Ruling; 3]>,
}

/// The rules that all nodes share, as text that only [`RateLimiter`](super::RateLimiter) understands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Grows with every change; 0 if there are none.
    pub version: u64,
    /// The rules.
    pub text: String,
    /// How many nodes have asked within the last ten seconds; 0 if the backend does not count them.
    pub nodes: u64,
}

/// Announcements that the shared rules may have changed.
pub type Changes = BoxStream<'static, ()>;

/// Keeps what was used, and the rules that all nodes share. Implementations: [`MemoryRates`](super::MemoryRates),
/// [`RedisRates`](super::RedisRates).
///
/// # Contract
/// - A decision is atomic: all of its charges are granted, or none, and no other decision comes between.
/// - What is granted follows the quota exactly: never more, and as soon as it can be.
/// - A refusal changes nothing. `retry_after` of a charge is the time after which it would be granted if nobody else were,
///   and it is zero if the charge was not what the refusal is about.
/// - Of a charge that wants more than it costs, as much is granted as there is.
/// - A charge of nothing looks without changing anything.
/// - Keys and rules are kept apart, whatever bytes keys have.
/// - When the quota of a rule changes, what was used stays used.
/// - A clock that steps back gives nothing, and locks nobody out for longer than the quota says.
/// - `replace` takes place if the version is the expected one, and versions only grow; of several at once one wins.
/// - `replace` is announced to all who `watch`.
///
/// A decision never charges the same key under the same rule twice, and no more than the quota's
/// [`capacity`](Quota::capacity): the caller sees to that.
#[async_trait]
pub trait RateLimitStore: fmt::Debug + Send + Sync + 'static {
    /// Takes one decision.
    ///
    /// # Errors
    /// When the store cannot say; the charges may or may not have been made then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the charges were made.
    async fn decide(&self, charges: &[Charge<'_>]) -> Result<Verdict>;

    /// The shared rules, with an empty text if their version is `known`. `node` tells nodes apart.
    ///
    /// # Errors
    /// When the store cannot say.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn book(&self, node: u64, known: u64) -> Result<Book>;

    /// Replaces the shared rules if their version is `expected`, and returns the version they have then: `above` + 1 or more
    /// if they were replaced, and `None` if their version is another one.
    ///
    /// # Errors
    /// When the store cannot say; the rules may or may not have been replaced then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the rules were replaced.
    async fn replace(&self, expected: u64, above: u64, text: &str) -> Result<Option<u64>>;

    /// Announcements of changes, from the return on. Some may be lost; whoever watches also asks now and then.
    ///
    /// # Errors
    /// When the store cannot be watched.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn watch(&self) -> Result<Changes>;

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// When there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn ping(&self) -> Result<()>;

    /// Whether it is in this process, so that nothing is gained by leases.
    fn is_local(&self) -> bool {
        false
    }

    /// Takes a decision about one charge without waiting, if it can; otherwise nothing is charged, and
    /// [`decide`](Self::decide) is asked. It saves stores in this process the cost of a future.
    fn decide_at_once(&self, charge: Charge<'_>) -> Option<Ruling> {
        let _ = charge;
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: RateLimitStore + ?Sized> RateLimitStore for Arc<S> {
    async fn decide(&self, charges: &[Charge<'_>]) -> Result<Verdict> {
        (**self).decide(charges).await
    }

    async fn book(&self, node: u64, known: u64) -> Result<Book> {
        (**self).book(node, known).await
    }

    async fn replace(&self, expected: u64, above: u64, text: &str) -> Result<Option<u64>> {
        (**self).replace(expected, above, text).await
    }

    async fn watch(&self) -> Result<Changes> {
        (**self).watch().await
    }

    async fn ping(&self) -> Result<()> {
        (**self).ping().await
    }

    fn is_local(&self) -> bool {
        (**self).is_local()
    }

    fn decide_at_once(&self, charge: Charge<'_>) -> Option<Ruling> {
        (**self).decide_at_once(charge)
    }
}
