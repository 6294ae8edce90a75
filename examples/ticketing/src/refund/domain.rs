//! When money goes back, and how much of it. Nothing here asks anybody.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{clock::Millis, duration, money::Money, order::OrderState};

/// All of it, in basis points.
pub(super) const WHOLE: u32 = 10_000;

/// The rules of returning money.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Policy {
    /// From so long before the beginning of the show, nothing goes back.
    #[serde(with = "duration")]
    pub cut_off: Duration,
    /// What is kept, by how long before the show somebody asks: the first step that is reached counts.
    pub steps: Vec<FeeStep>,
    /// What the payment provider keeps of a charge, in basis points; whoever asks bears it.
    pub provider_fee: u32,
    /// Whether somebody of the staff has to agree to what buyers ask for.
    pub review: bool,
}

/// A step of the fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FeeStep {
    /// At least so long before the show.
    #[serde(with = "duration")]
    pub before: Duration,
    /// Basis points of what was paid.
    pub fee: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        Self {
            cut_off: hours(2),
            steps: vec![
                FeeStep { before: hours(7 * 24), fee: 0 },
                FeeStep { before: hours(48), fee: 500 },
                FeeStep { before: hours(0), fee: 2_000 },
            ],
            provider_fee: 0,
            review: false,
        }
    }
}

/// Why money does not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The order is in a state in which nothing goes back.
    State,
    /// The show begins too soon, or has begun.
    TooLate,
    /// Somebody went in with one of the tickets.
    Used,
    /// The fees are as much as was paid.
    NothingLeft,
}

impl Refusal {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::TooLate => "too-late",
            Self::Used => "used",
            Self::NothingLeft => "nothing-left",
        }
    }
}

/// What goes back, and what does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Quote {
    /// What was paid.
    pub total: Money,
    /// What is kept, the provider's part included.
    pub fee: Money,
    /// What goes back.
    pub amount: Money,
    /// Until when this is so; later, more is kept, or all.
    pub until: Millis,
}

impl Policy {
    /// Whether the rules make sense; if not, the key and the reason.
    ///
    /// # Errors
    ///
    /// The key below `refund` and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.steps.is_empty() {
            return Err(("refund.steps", "there must be at least one".to_owned()));
        }
        if !self.steps.is_sorted_by(|one, next| one.before > next.before) {
            return Err(("refund.steps", "`before` must become smaller from step to step".to_owned()));
        }
        if self.steps.iter().any(|step| step.fee > WHOLE) {
            return Err(("refund.steps", "`fee` is in basis points: at most 10000".to_owned()));
        }
        if self.provider_fee > WHOLE {
            return Err(("refund.provider-fee", "is in basis points: at most 10000".to_owned()));
        }
        Ok(())
    }

    /// What goes back of an order in this state, for a show that begins at `starts_at`, if somebody asks now.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when nothing does.
    pub fn quote(&self, state: OrderState, total: Money, starts_at: Millis, now: Millis) -> Result<Quote, Refusal> {
        if !matches!(state, OrderState::Paid | OrderState::Issued) {
            return Err(Refusal::State);
        }
        let last = starts_at.minus(self.cut_off);
        let reached = |step: &&FeeStep| now <= starts_at.minus(step.before);
        let step = self.steps.iter().find(reached).filter(|_| now < last).ok_or(Refusal::TooLate)?;
        let fee = part(total, step.fee).saturating_add(part(total, self.provider_fee)).min(total.minor);
        let until = starts_at.minus(step.before).min(last);
        leave(total, fee, until)
    }

    /// All of it, at no fee: what the staff may grant.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when nothing was paid, or the order is in a state in which nothing goes back.
    pub fn goodwill(state: OrderState, total: Money, now: Millis) -> Result<Quote, Refusal> {
        if !matches!(state, OrderState::Paid | OrderState::Issued) {
            return Err(Refusal::State);
        }
        leave(total, 0, now)
    }
}

fn leave(total: Money, fee: i64, until: Millis) -> Result<Quote, Refusal> {
    let amount = total.minor - fee;
    if amount <= 0 {
        return Err(Refusal::NothingLeft);
    }
    Ok(Quote { total, fee: Money { minor: fee, ..total }, amount: Money { minor: amount, ..total }, until })
}

/// A part in basis points, rounded down: in doubt, for the buyer.
fn part(total: Money, points: u32) -> i64 {
    let part = i128::from(total.minor.max(0)) * i128::from(points) / i128::from(WHOLE);
    i64::try_from(part).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    const HOUR: i64 = 3_600_000;
    const START: Millis = Millis(1_000 * HOUR);

    fn cny(minor: i64) -> Money {
        Money { minor, currency: Currency::CNY }
    }

    fn asked(policy: &Policy, hours_before: i64) -> Result<(i64, i64), Refusal> {
        let now = Millis(START.0 - hours_before * HOUR);
        policy.quote(OrderState::Issued, cny(76_001), START, now).map(|quote| (quote.fee.minor, quote.amount.minor))
    }

    #[test]
    fn the_later_somebody_asks_the_more_is_kept() {
        let policy = Policy::default();
        for (hours, expected) in [
            (1_000, Ok((0, 76_001))),
            (168, Ok((0, 76_001))),
            (167, Ok((3_800, 72_201))),
            (48, Ok((3_800, 72_201))),
            (47, Ok((15_200, 60_801))),
            (3, Ok((15_200, 60_801))),
            (2, Err(Refusal::TooLate)),
            (0, Err(Refusal::TooLate)),
            (-1, Err(Refusal::TooLate)),
        ] {
            assert_eq!(asked(&policy, hours), expected, "{hours} hours before");
        }
        let provider = Policy { provider_fee: 60, ..policy };
        assert_eq!(asked(&provider, 200), Ok((456, 75_545)));
        let none = Policy { steps: vec![FeeStep { before: Duration::from_secs(48 * 3_600), fee: 0 }], ..provider };
        assert_eq!(asked(&none, 47), Err(Refusal::TooLate), "no step is reached");
    }

    #[test]
    fn a_quote_says_until_when_it_holds() {
        let policy = Policy::default();
        let until = |hours: i64| {
            let now = Millis(START.0 - hours * HOUR);
            (START.0 - policy.quote(OrderState::Paid, cny(100), START, now).unwrap().until.0) / HOUR
        };
        assert_eq!([until(500), until(100), until(10)], [168, 48, 2]);
    }

    #[test]
    fn only_paid_orders_have_something_to_return() {
        for state in OrderState::ALL {
            let quote = Policy::default().quote(state, cny(100), START, Millis(0));
            let paid = matches!(state, OrderState::Paid | OrderState::Issued);
            assert_eq!(quote.is_ok(), paid, "{state:?}");
            assert_eq!(state.may_become(OrderState::Refunding), paid, "{state:?}");
            assert_eq!(Policy::goodwill(state, cny(100), Millis(0)).is_ok(), paid, "{state:?}");
        }
        let all = Policy { steps: vec![FeeStep { before: Duration::ZERO, fee: WHOLE }], ..Policy::default() };
        assert_eq!(asked(&all, 100), Err(Refusal::NothingLeft));
        assert_eq!(Policy::goodwill(OrderState::Paid, cny(0), Millis(0)), Err(Refusal::NothingLeft));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let step = |hours: u64, fee| FeeStep { before: Duration::from_secs(hours * 3_600), fee };
        for steps in [vec![], vec![step(1, 0), step(2, 0)], vec![step(1, 0), step(1, 0)], vec![step(1, 10_001)]] {
            assert_eq!(Policy { steps, ..Policy::default() }.check().unwrap_err().0, "refund.steps");
        }
        assert!(Policy { provider_fee: 10_001, ..Policy::default() }.check().is_err());
        assert_eq!(Policy::default().check(), Ok(()));
    }

    proptest! {
        #[test]
        fn fee_and_amount_are_what_was_paid(minor in 1_i64..=i64::MAX, provider in 0_u32..=WHOLE, hours in 3_i64..900) {
            let policy = Policy { provider_fee: provider, ..Policy::default() };
            let now = Millis(START.0 - hours * HOUR);
            match policy.quote(OrderState::Issued, cny(minor), START, now) {
                Ok(quote) => {
                    prop_assert!(quote.amount.minor > 0 && quote.fee.minor >= 0);
                    prop_assert_eq!(quote.amount.checked_add(quote.fee), Some(cny(minor)));
                }
                Err(refusal) => prop_assert_eq!(refusal, Refusal::NothingLeft),
            }
        }
    }
}
