//! One charge against one quota.

use super::calendar::Counted;
use super::gcra::Debt;
use super::quota::{Kind, Quota};
use super::rolling::Used;
use crate::error::Result;

/// What is remembered about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Rate(Debt),
    Rolling(Used),
    Calendar(Counted),
}

/// All times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) allowed: bool,
    pub(crate) granted: u64,
    pub(crate) remaining: u64,
    /// After which time the cost can be allowed; 0 if it is.
    pub(crate) retry: u64,
    /// After which time everything is as if nothing had been used.
    pub(crate) reset: u64,
    /// The clock is behind what is stored: the state is to be stored whatever the ruling, so that time goes on from here.
    pub(crate) stepped: bool,
}

/// Grants `wanted` or as much as there is, but not less than `cost`: else nothing. The state is the one to be stored if it is
/// granted.
pub(crate) fn judge(quota: &Quota, state: Option<&State>, now: u64, cost: u64, wanted: u64) -> Result<(Judged, State)> {
    let wanted = wanted.max(cost);
    Ok(match &quota.0 {
        Kind::Rate(rate) => {
            let debt = match state {
                Some(State::Rate(debt)) => Some(debt),
                _ => None,
            };
            let (judged, debt) = rate.judge(debt, now, cost, wanted);
            (judged, State::Rate(debt))
        }
        Kind::Rolling(rolling) => {
            let used = match state {
                Some(State::Rolling(used)) => Some(used),
                _ => None,
            };
            let (judged, used) = rolling.judge(used, now, cost, wanted);
            (judged, State::Rolling(used))
        }
        Kind::Calendar(calendar) => {
            let counted = match state {
                Some(State::Calendar(counted)) => Some(counted),
                _ => None,
            };
            let (judged, counted) = calendar.judge(counted, now, cost, wanted)?;
            (judged, State::Calendar(counted))
        }
    })
}
