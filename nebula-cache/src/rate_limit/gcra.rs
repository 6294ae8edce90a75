//! The token bucket in whole numbers.
//!
//! What somebody owes is counted in units: a token is `token` units, and `drain` units are paid off each microsecond. Both
//! come from `count / per` by their greatest common divisor, so that any rate is exact. This is the generic cell rate
//! algorithm with the theoretical arrival time written as a debt, which a clock that steps back cannot turn into credit.

use super::judge::Judged;
use super::quota::{LARGEST, invalid};
use crate::error::Result;

/// The longest time that quotas may speak of, in microseconds.
pub(super) const LONGEST: u64 = 366 * 86_400_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) count: u64,
    pub(crate) per: u64,
    pub(crate) burst: u64,
    pub(crate) token: u64,
    pub(crate) drain: u64,
}

/// What is owed at a time, in units of which `token` are a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Debt {
    pub(crate) units: u64,
    pub(crate) at: u64,
    pub(crate) token: u64,
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Rate {
    pub(crate) fn new(count: u64, per: u64, burst: u64) -> Result<Self> {
        if count == 0 || per == 0 || burst == 0 {
            return Err(invalid("a rate of nothing, in no time, or of nothing at once"));
        }
        if per > LONGEST.saturating_mul(1000) {
            return Err(invalid("a rate refers to 366 days at most"));
        }
        let common = gcd(count, per);
        let (token, drain) = (per / common, count / common);
        if burst.checked_mul(token).is_none_or(|units| units > LARGEST) || drain > LARGEST {
            return Err(invalid(
                "the rate and its burst are too large to be exact: a rounder rate, or a smaller burst",
            ));
        }
        Ok(Self { count, per, burst, token, drain })
    }

    /// What of the debt is left now. After a change of the rule the same number of tokens is owed, but not more than there
    /// are. If the clock went back, no time has passed.
    fn left(&self, debt: Option<&Debt>, now: u64) -> u64 {
        let Some(debt) = debt else { return 0 };
        let units = match debt.token == self.token || debt.token == 0 {
            true => debt.units,
            false => rescaled(debt.units, debt.token, self.token),
        };
        let paid = now.saturating_sub(debt.at).saturating_mul(self.drain);
        units.min(self.burst * self.token).saturating_sub(paid)
    }

    pub(super) fn judge(&self, debt: Option<&Debt>, now: u64, cost: u64, wanted: u64) -> (Judged, Debt) {
        let mut units = self.left(debt, now);
        let room = self.burst * self.token;
        let available = (room - units) / self.token;
        let allowed = cost <= available;
        let granted = if allowed { wanted.min(available) } else { 0 };
        units += granted * self.token;
        let retry = match allowed {
            true => 0,
            false => (units.saturating_add(cost.saturating_mul(self.token)) - room).div_ceil(self.drain),
        };
        let reset = units.div_ceil(self.drain);
        let stepped = debt.is_some_and(|debt| debt.at > now);
        let judged = Judged { allowed, granted, remaining: (room - units) / self.token, retry, reset, stepped };
        (judged, Debt { units, at: now, token: self.token })
    }
}

/// As the script does it: whole tokens exactly, the rest as a fraction.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below 2^52 all of it is exact"
)]
fn rescaled(units: u64, from: u64, to: u64) -> u64 {
    let (whole, rest) = (units / from, units % from);
    let part = (rest as f64 / from as f64 * to as f64).floor() as u64;
    whole.saturating_mul(to).saturating_add(part)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The same decisions as the crate `governor` takes, for rates that it can express exactly.
        #[test]
        fn it_decides_as_governor_does(
            every_us in 1_u64..5_000_000,
            burst in 1_u32..50,
            steps in prop::collection::vec((0_u64..20_000_000, 1_u32..8), 1..200),
        ) {
            let rate = Rate::new(1, every_us, burst.into()).unwrap();
            let clock = FakeRelativeClock::default();
            let quota = governor::Quota::with_period(Duration::from_micros(every_us)).unwrap()
                .allow_burst(NonZeroU32::new(burst).unwrap());
            let theirs = governor::RateLimiter::direct_with_clock(quota, clock.clone());
            let (mut now, mut debt) = (0, None);
            for (step, cost) in steps {
                now += step;
                clock.advance(Duration::from_micros(step));
                let cost = cost.min(burst);
                let (judged, next) = rate.judge(debt.as_ref(), now, cost.into(), cost.into());
                let allowed = matches!(theirs.check_n(NonZeroU32::new(cost).unwrap()), Ok(Ok(())));
                prop_assert_eq!(judged.allowed, allowed);
                if judged.allowed {
                    debt = Some(next);
                }
            }
        }

        /// In any span of time at most the burst and what the rate gives; and what is said about the next time is true.
        #[test]
        fn it_never_gives_more_than_the_ideal(
            count in 1_u64..2_000,
            per in 1_u64..10_000_000,
            burst in 1_u64..500,
            steps in prop::collection::vec((0_u64..3_000_000, 1_u64..40), 1..120),
        ) {
            let rate = Rate::new(count, per, burst).unwrap();
            let (mut now, mut debt) = (1_700_000_000_000_000_u64, None);
            let mut given: Vec<(u64, u64)> = Vec::new();
            for (step, cost) in steps {
                now += step;
                let cost = cost.min(burst);
                let (judged, next) = rate.judge(debt.as_ref(), now, cost, cost);
                if judged.allowed {
                    debt = Some(next);
                    given.push((now, cost));
                } else {
                    let (early, _) = rate.judge(debt.as_ref(), now + judged.retry - 1, cost, cost);
                    let (then, _) = rate.judge(debt.as_ref(), now + judged.retry, cost, cost);
                    prop_assert!(!early.allowed && then.allowed);
                }
            }
            for from in 0..given.len() {
                let mut sum = 0_u128;
                for (at, cost) in &given[from..] {
                    sum += u128::from(*cost);
                    let ideal = u128::from(burst) * u128::from(per) + u128::from(at - given[from].0) * u128::from(count);
                    prop_assert!(sum * u128::from(per) <= ideal);
                }
            }
        }

        /// However the clock jumps: going back gives nothing, and coming forth again at most a full bucket.
        #[test]
        fn a_clock_that_steps_back_gives_no_credit(back in 1_u64..1_000_000_000_000, cost in 1_u64..10) {
            let rate = Rate::new(10, 1_000_000, 10).unwrap();
            let now = 1_700_000_000_000_000;
            let (_, debt) = rate.judge(None, now, 10, 10);
            let (judged, rebased) = rate.judge(Some(&debt), now - back, cost, cost);
            prop_assert!(!judged.allowed && judged.stepped);
            // And it does not have to wait until the clock is where it was.
            prop_assert_eq!(judged.retry, cost * 100_000);
            let (then, _) = rate.judge(Some(&rebased), now - back + judged.retry, cost, cost);
            prop_assert!(then.allowed);
        }
    }

    #[test]
    fn a_changed_rule_keeps_what_is_owed() {
        let slow = Rate::new(7, 60_000_000, 100).unwrap();
        let (_, debt) = slow.judge(None, 0, 40, 40);
        let fast = Rate::new(1_000, 1_000_000, 100).unwrap();
        assert_eq!(fast.judge(Some(&debt), 0, 0, 0).0.remaining, 60);
        // No more than the new rule has.
        let small = Rate::new(1, 1_000_000, 10).unwrap();
        let judged = small.judge(Some(&debt), 0, 1, 1).0;
        assert_eq!((judged.allowed, judged.retry), (false, 1_000_000));
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        assert!(Rate::new(0, 1, 1).is_err() && Rate::new(1, 0, 1).is_err() && Rate::new(1, 1, 0).is_err());
        assert!(Rate::new(999_983, 86_400_000_000, 999_983).is_err());
        assert!(Rate::new(1_000_000, 86_400_000_000, 1_000_000).is_ok());
        assert!(Rate::new(1, u64::MAX, 1).is_err());
    }
}
