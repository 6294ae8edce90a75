//! A window that slides, as 60 counters and the one that is being filled.

use super::gcra::LONGEST;
use super::judge::Judged;
use super::quota::{LARGEST, invalid};
use crate::error::Result;

/// Into so many parts a window is divided.
pub(super) const PARTS: u64 = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rolling {
    pub(crate) limit: u64,
    pub(crate) window: u64,
    /// Length of a part, in microseconds.
    pub(crate) width: u64,
}

/// What was used in which part, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) width: u64,
    pub(crate) parts: Vec<(u64, u64)>,
}

impl Rolling {
    pub(crate) fn new(limit: u64, window: u64) -> Result<Self> {
        if limit == 0 || limit > LARGEST {
            return Err(invalid("a limit of zero, or above 2^52"));
        }
        if !(1_000..=LONGEST).contains(&window) {
            return Err(invalid("a window has a millisecond to 366 days"));
        }
        Ok(Self { limit, window, width: window.div_ceil(PARTS) })
    }

    /// When what was used in the part comes back: `window` after its end at the latest moment, so never too early.
    const fn back(&self, part: u64) -> u64 {
        (part + PARTS + 1) * self.width
    }

    /// What still counts. What was used in a future that the clock has left counts as used now.
    fn current(&self, used: Option<&Used>, now: u64) -> Vec<(u64, u64)> {
        let here = now / self.width;
        let mut parts: Vec<(u64, u64)> = Vec::new();
        for (part, count) in used.map_or(&[][..], |used| &used.parts) {
            let part = match used.map_or(self.width, |used| used.width) {
                width if width == self.width => *part,
                // After a change of the rule: the part in which the old one ended.
                width => ((part + 1) * width - 1) / self.width,
            };
            let part = part.min(here);
            if part + PARTS < here {
                continue;
            }
            match parts.last_mut() {
                Some(last) if last.0 == part => last.1 += count,
                _ => parts.push((part, *count)),
            }
        }
        parts
    }

    pub(super) fn judge(&self, used: Option<&Used>, now: u64, cost: u64, wanted: u64) -> (Judged, Used) {
        let mut parts = self.current(used, now);
        let sum: u64 = parts.iter().map(|part| part.1).sum();
        let available = self.limit.saturating_sub(sum);
        let allowed = cost <= available;
        let granted = if allowed { wanted.min(available) } else { 0 };
        let mut retry = 0;
        if !allowed {
            let mut freed = 0;
            for (part, count) in &parts {
                freed += count;
                retry = self.back(*part) - now;
                if self.limit.saturating_sub(sum - freed) >= cost {
                    break;
                }
            }
        }
        if granted > 0 {
            let here = now / self.width;
            match parts.last_mut() {
                Some(last) if last.0 == here => last.1 += granted,
                _ => parts.push((here, granted)),
            }
        }
        let reset = parts.last().map_or(0, |last| self.back(last.0) - now);
        let stepped = used.and_then(|used| Some(used.parts.last()?.0 * used.width > now)).unwrap_or(false);
        let judged = Judged { allowed, granted, remaining: available - granted, retry, reset, stepped };
        (judged, Used { width: self.width, parts })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_any_window(
            limit in 1_u64..40,
            window in 1_000_u64..5_000_000,
            steps in prop::collection::vec((0_u64..400_000, 1_u64..6), 1..200),
        ) {
            let rolling = Rolling::new(limit, window).unwrap();
            let (mut now, mut used) = (1_700_000_000_000_000_u64, None);
            let mut given: Vec<(u64, u64)> = Vec::new();
            for (step, cost) in steps {
                now += step;
                let cost = cost.min(limit);
                let (judged, next) = rolling.judge(used.as_ref(), now, cost, cost);
                if judged.allowed {
                    given.push((now, cost));
                    used = Some(next);
                } else {
                    // The ideal window would refuse as well, but for the last part of what came back late.
                    let late = rolling.width * 2 + PARTS;
                    let ideal: u64 =
                        given.iter().filter(|(at, _)| at + window + late > now).map(|(_, cost)| cost).sum();
                    prop_assert!(ideal + cost > limit);
                    prop_assert!(!rolling.judge(used.as_ref(), now + judged.retry - 1, cost, cost).0.allowed);
                    prop_assert!(rolling.judge(used.as_ref(), now + judged.retry, cost, cost).0.allowed);
                }
                let sum: u64 = given.iter().filter(|(at, _)| at + window > now).map(|(_, cost)| cost).sum();
                prop_assert!(sum <= limit, "{sum} in a window");
            }
        }
    }

    #[test]
    fn a_clock_that_steps_back_neither_gives_nor_locks_out_for_long() {
        let rolling = Rolling::new(5, 60_000_000).unwrap();
        let now = 1_700_000_000_000_000;
        let (_, used) = rolling.judge(None, now, 5, 5);
        let year_ago = now - 365 * 86_400_000_000;
        let (judged, rebased) = rolling.judge(Some(&used), year_ago, 1, 1);
        assert!(!judged.allowed && judged.stepped && judged.retry <= 62_000_000, "{judged:?}");
        assert!(rolling.judge(Some(&rebased), year_ago + judged.retry, 1, 1).0.allowed);
    }

    #[test]
    fn a_changed_window_keeps_what_was_used() {
        let hour = Rolling::new(10, 3_600_000_000).unwrap();
        let now = 1_700_000_000_000_000;
        let (_, used) = hour.judge(None, now, 4, 4);
        let day = Rolling::new(10, 86_400_000_000).unwrap();
        assert_eq!(day.judge(Some(&used), now, 0, 0).0.remaining, 6);
        let minute = Rolling::new(3, 60_000_000).unwrap();
        assert!(!minute.judge(Some(&used), now, 1, 1).0.allowed);
    }
}
