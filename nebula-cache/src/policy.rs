//! How a cache treats its values.

use std::time::Duration;

use crate::behind::WriteBehind;
use crate::error::{Error, ErrorKind, Result};
use crate::hot::HotKeys;

/// What is decided for a whole cache; the builder sets it, configuration supplies the defaults.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) ttl: Duration,
    /// The part of a time to live that is left out at random, 0 to 1.
    pub(crate) jitter: f64,
    pub(crate) null_ttl: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) local_ttl: Duration,
    pub(crate) local_capacity: u64,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) fail_safe: Duration,
    /// The part of its time after which a value that is asked for is refreshed, 0 to 1.
    pub(crate) refresh_ahead: Option<f64>,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) load_timeout: Duration,
    pub(crate) back_off: (Duration, Duration),
    pub(crate) max_loads: usize,
    pub(crate) shared_timeout: Duration,
    /// From when an answer of the shared level is slow.
    pub(crate) slow_shared: Duration,
    pub(crate) schema: u32,
    pub(crate) compress_above: usize,
    pub(crate) warn_above: usize,
    pub(crate) max_value: usize,
    pub(crate) slow_load: Duration,
    /// Whether hot keys are looked for, and how.
    pub(crate) hot: Option<HotKeys>,
    pub(crate) behind: WriteBehind,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            jitter: 0.1,
            null_ttl: Duration::from_secs(30),
            idle: None,
            local_ttl: Duration::from_secs(300),
            local_capacity: 10_000,
            stale_while_revalidate: Duration::ZERO,
            fail_safe: Duration::ZERO,
            refresh_ahead: None,
            soft_timeout: None,
            load_timeout: Duration::from_secs(10),
            back_off: (Duration::from_millis(100), Duration::from_secs(5)),
            max_loads: 256,
            shared_timeout: Duration::from_millis(500),
            slow_shared: Duration::from_millis(100),
            schema: 0,
            compress_above: 4 * 1024,
            warn_above: 64 * 1024,
            max_value: 1024 * 1024,
            slow_load: Duration::from_secs(1),
            hot: None,
            behind: WriteBehind::new(),
        }
    }
}

/// Longest time to live: longer ones are mistakes, and the sums of times stay far from overflow.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Longest load: whatever takes longer is a mistake, and callers should not wait for it.
const MAX_LOAD: Duration = Duration::from_secs(240);

impl Policy {
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: &'static str| Err(Error::new(ErrorKind::ConfigInvalid, what));
        if self.ttl.is_zero() {
            return wrong("`ttl` is zero: nothing would be cached");
        }
        if [self.ttl, self.null_ttl, self.stale_while_revalidate, self.fail_safe].iter().any(|time| *time > MAX_TTL) {
            return wrong("a time to live of more than ten years");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return wrong("`jitter` is a part of the time to live: 0 to 1");
        }
        if self.refresh_ahead.is_some_and(|part| !(part > 0.0 && part < 1.0)) {
            return wrong("`refresh-ahead` is a part of the time to live: above 0 and below 1");
        }
        if self.idle.is_some_and(|time| time.is_zero()) {
            return wrong("`idle-ttl` is zero: nothing would be cached");
        }
        if self.load_timeout.is_zero() || self.load_timeout > MAX_LOAD {
            return wrong("`load-timeout` has to be above zero and at most four minutes");
        }
        if self.soft_timeout.is_some_and(|soft| soft > self.load_timeout) {
            return wrong("`soft-timeout` is above `load-timeout`");
        }
        if self.max_loads == 0 {
            return wrong("`max-loads` is zero: nothing could be loaded");
        }
        if self.shared_timeout.is_zero() {
            return wrong("`shared-timeout` is zero: the shared level could never answer");
        }
        if self.back_off.0.is_zero() || self.back_off.1 < self.back_off.0 {
            return wrong("the back-off after failed loads needs a minimum above zero and a maximum not below it");
        }
        self.hot.map_or(Ok(()), |hot| hot.settled().map(drop))?;
        self.behind.settled().map(drop)
    }

    /// A time to live with the jitter taken off.
    pub(crate) fn jittered(&self, ttl: Duration) -> Duration {
        ttl.mul_f64(1.0 - self.jitter * rand::random::<f64>())
    }

    /// How much longer than fresh a value is kept.
    pub(crate) fn after_life(&self) -> Duration {
        self.stale_while_revalidate.max(self.fail_safe)
    }

    /// How long callers keep out of each other's way after `failures` failed loads in a row.
    pub(crate) fn back_off(&self, failures: u32) -> Duration {
        let (min, max) = self.back_off;
        min.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(max)
    }
}
