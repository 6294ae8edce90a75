//! A named quota, and what goes with it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quota::{Kind, Quota, invalid};
use crate::error::Result;

/// A limit by name: what decisions refer to, and what can be changed while nodes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) quota: Quota,
    pub(crate) when_down: WhenDown,
    pub(crate) lease: Option<LeasePolicy>,
}

/// What a rule says while the store cannot be reached.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenDown {
    /// Each node allows its part of the quota, by the number of nodes that were last seen.
    #[default]
    LocalShare,
    /// Everything is allowed.
    Open,
    /// Nothing is allowed.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeasePolicy {
    /// Most tokens of a lease.
    pub(crate) most: u64,
    pub(crate) time: Duration,
}

/// How long leases last if nothing else is said.
pub(super) const LEASE_TIME: Duration = Duration::from_millis(200);

impl Rule {
    /// A rule of this name: letters, digits, `.`, `-` and `_`, 64 at most.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for other names.
    pub fn new(name: impl Into<Arc<str>>, quota: Quota) -> Result<Self> {
        let name = name.into();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(invalid(format!("a rule's name has 1 to 64 letters, digits, `.`, `-` and `_`, not {name:?}")));
        }
        Ok(Self { name, quota, when_down: WhenDown::default(), lease: None })
    }

    /// What holds while the store cannot be reached; [`WhenDown::LocalShare`] by default.
    #[must_use]
    pub const fn with_when_down(mut self, when_down: WhenDown) -> Self {
        self.when_down = when_down;
        self
    }

    /// Takes up to `most` tokens at once from the store, to be spent on this node within `time`: for keys with very many
    /// decisions. Leases of a key double while they are used up, so keys that are used now and then have none.
    ///
    /// In any span `t` at most `burst + rate × (t + time)` is allowed, over all nodes. Leases that are not used up are lost:
    /// at most one for each node and key, a half of which had been used within `time` before. A key that is used up is asked
    /// about every quarter of `time`, sooner or later by a half at random so that no node is always the first; in between it is
    /// refused here. So what comes back is given out in portions.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) if the quota is no rate, for less than 2 tokens, and
    /// for times that are not within 10 ms and a minute.
    pub fn with_lease(mut self, most: u64, time: Duration) -> Result<Self> {
        if !matches!(self.quota.0, Kind::Rate(_)) {
            return Err(invalid(format!("rule {:?}: only rates can be leased", &*self.name)));
        }
        if most < 2 || !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&time) {
            return Err(invalid(format!(
                "rule {:?}: a lease has at least 2 tokens, and lasts from 10 ms to a minute",
                &*self.name
            )));
        }
        self.lease = Some(LeasePolicy { most, time });
        Ok(self)
    }

    /// How long a leased key that is used up is left alone, so that not each token is asked for: about a quarter of the lease
    /// time, or of the time in which the whole burst comes back.
    pub(crate) fn pause(&self) -> Duration {
        match (self.lease, &self.quota.0) {
            (Some(lease), Kind::Rate(rate)) => {
                let refill = (rate.burst * rate.token).div_ceil(rate.drain);
                let quarter = (lease.time / 4).min(Duration::from_micros(refill / 4));
                quarter.mul_f64(rand::random_range(0.5..1.5))
            }
            _ => Duration::ZERO,
        }
    }

    /// After which time there is a token, if everything is there after `reset`.
    pub(crate) fn next_token(&self, reset: Duration) -> Duration {
        match &self.quota.0 {
            Kind::Rate(rate) => {
                let others = ((rate.burst - 1) * rate.token).div_ceil(rate.drain);
                reset.saturating_sub(Duration::from_micros(others))
            }
            _ => Duration::ZERO,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The quota.
    #[must_use]
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// What holds while the store cannot be reached.
    #[must_use]
    pub const fn when_down(&self) -> WhenDown {
        self.when_down
    }
}
