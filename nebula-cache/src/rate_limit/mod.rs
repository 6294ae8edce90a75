//! Rate limits: how often somebody may do something, decided in this process or over all nodes on Redis.
//!
//! A [`RateLimiter`] knows named [`Rule`]s; a decision asks one or several of them, each for a key such as a user or an
//! address, and is taken for all of them or for none.
//!
//! ```
//! use std::time::Duration;
//! use nebula_cache::rate_limit::{Quota, RateLimiter, Request, Rule};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let limiter = RateLimiter::memory([
//!     Rule::new("login.ip", Quota::rate(10, Duration::from_secs(60))?.with_burst(3)?)?,
//!     Rule::new("login.account", Quota::rolling(5, Duration::from_secs(3600))?)?,
//! ])?;
//!
//! let login = Request::new().limit("login.ip", "203.0.113.7").limit("login.account", "ada");
//! for _ in 0..3 {
//!     assert!(limiter.decide(&login).await?.is_allowed());
//! }
//! let refused = limiter.decide(&login).await?;
//! assert!(!refused.is_allowed());
//! assert!(refused.retry_after() <= Duration::from_secs(6));
//! // The account was not charged for what the address was refused.
//! assert_eq!(limiter.peek("login.account", "ada").await?.remaining(), 2);
//! # Ok::<_, nebula_cache::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Quotas
//!
//! | Quota | Algorithm | What is exact |
//! |---|---|---|
//! | [`Quota::rate`] | token bucket, as the generic cell rate algorithm (ITU-T I.371): whole numbers, in microseconds | everything; `burst` at once, then one token every `per / count` |
//! | [`Quota::rolling`] | 60 counters that slide | never more than `limit` in any such span of time; what was used comes back up to a 60th of it late |
//! | [`Quota::calendar`] | one counter for each day or month of a time zone | everything |
//!
//! Decisions in this process and on Redis are taken by the same arithmetic, number for number.
//!
//! # Speed
//!
//! What Redis refuses is refused here until the time at which it can be allowed, without asking again. A rule
//! [with a lease](Rule::with_lease) takes many tokens at once and spends them here. Tokens are charged before they are
//! spent, so from the first decision on at most `burst + rate × t` is allowed over all nodes, as without leases; and they
//! are spent within the lease time, so in any span `t` in between it is at most `burst + rate × (t + lease time)`. What is leased
//! and not spent is lost, which is why leases grow and shrink with what is used. A key that is used up is refused here until
//! a portion has come together again: a scarce rate is not fetched token by token.
//!
//! # A whole process
//!
//! [`WarmUpLimiter`] protects a process from more than it can do, whoever asks: one rate without keys and without a store, which
//! begins low and rises while caches fill.
//!
//! # When Redis is down
//!
//! Each rule says what holds then: [`WhenDown::LocalShare`] (this node's part of the quota, by the number of nodes that
//! were last seen), [`WhenDown::Open`] or [`WhenDown::Closed`]. Decisions say where they [come from](Decision::origin).
//!
//! # On a cluster
//!
//! All keys of one namespace share a hash tag, so that a decision over several keys is one script; they live on one shard.
//! Limiters with different namespaces spread over the shards.

mod bucket;
mod calendar;
mod clock;
mod config;
mod deciding;
mod decision;
mod gcra;
mod judge;
mod lease;
mod limiter;
mod memory;
mod quota;
#[cfg(feature = "redis")]
mod redis;
mod rolling;
mod rule;
mod rules;
mod shards;
mod snapshot;
mod store;
mod sync;
mod warm_up;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod http;

pub use calendar::Calendar;
pub use clock::MicroClock;
pub use config::{RateLimitConfig, RateLimitProvider};
pub use decision::{Decision, Origin, Request, Standing};
pub use limiter::{RateLimiter, RateLimiterBuilder};
pub use memory::MemoryRates;
pub use quota::Quota;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::RedisRates;
pub use rule::{Rule, WhenDown};
pub use snapshot::{RateLimitSnapshot, RuleSnapshot};
pub use store::{Book, Changes, Charge, RateLimitStore, Ruling, Verdict};
pub use warm_up::WarmUpLimiter;
