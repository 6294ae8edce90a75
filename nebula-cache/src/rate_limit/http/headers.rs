//! What answers say about limits.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::super::decision::{Decision, Standing};
use super::super::limiter::RateLimiter;
use super::super::quota::Quota;

/// Which header fields answers carry.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headers {
    /// `RateLimit-Policy: "ip";q=100;w=60` and `RateLimit: "ip";r=42;t=30`, for each limit.
    #[default]
    Standard,
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` of the limit that is nearest to its end.
    Legacy,
    /// Both.
    Both,
    /// None but `Retry-After`.
    None,
}

/// A limit that had a say in a decision.
pub(super) struct Stated<'a> {
    pub(super) rule: &'a str,
    pub(super) quota: &'a Quota,
    pub(super) standing: Standing,
}

/// Whole seconds, rounded up: whoever waits so long is not too early.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

impl Headers {
    /// Adds what a decision says to the header fields of an answer, for those who decide in a handler. `rules` names the limits of
    /// the request in their order.
    pub fn describe(self, limiter: &RateLimiter, rules: &[&str], decision: &Decision, headers: &mut HeaderMap) {
        let quotas: Vec<_> = rules.iter().map(|rule| limiter.rule(rule).map(|rule| rule.quota().clone())).collect();
        let limits: Vec<_> = rules
            .iter()
            .zip(&quotas)
            .zip(decision.standings())
            .filter_map(|((rule, quota), standing)| {
                Some(Stated { rule, quota: quota.as_ref()?, standing: (*standing)? })
            })
            .collect();
        self.write(&limits, headers);
    }

    /// Adds what one limit says to the header fields of an answer, for those that are not a [`RateLimiter`]'s. `rule` is named as
    /// [rules](super::super::Rule::new) are.
    pub fn describe_one(self, rule: &str, quota: &Quota, standing: Standing, headers: &mut HeaderMap) {
        self.write(&[Stated { rule, quota, standing }], headers);
    }

    pub(super) fn write(self, limits: &[Stated<'_>], headers: &mut HeaderMap) {
        if limits.is_empty() {
            return;
        }
        if matches!(self, Self::Standard | Self::Both) {
            // Names of rules need no quoting, see `Rule::new`.
            let list = |item: &dyn Fn(&Stated<'_>) -> String| limits.iter().map(item).collect::<Vec<_>>().join(", ");
            let policy = list(&|it| {
                let window = seconds(it.quota.window()).max(1);
                format!("\"{}\";q={};w={window}", it.rule, it.quota.count())
            });
            let state = list(&|it| {
                let until = if it.standing.allowed { it.standing.reset_after } else { it.standing.retry_after };
                format!("\"{}\";r={};t={}", it.rule, it.standing.remaining, seconds(until))
            });
            put(headers, "ratelimit-policy", &policy);
            put(headers, "ratelimit", &state);
        }
        if matches!(self, Self::Legacy | Self::Both)
            && let Some(nearest) =
                limits.iter().min_by_key(|it| (it.standing.allowed, it.standing.remaining, it.quota.count()))
        {
            let until = match nearest.standing.allowed {
                true => nearest.standing.reset_after,
                false => nearest.standing.retry_after,
            };
            put(headers, "ratelimit-limit", &nearest.quota.capacity().to_string());
            put(headers, "ratelimit-remaining", &nearest.standing.remaining.to_string());
            put(headers, "ratelimit-reset", &seconds(until).to_string());
        }
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
