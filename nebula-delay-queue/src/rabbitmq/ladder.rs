//! Which way a delay takes through the ladder. Nothing here talks to a broker.
//!
//! A delay is cut into whole units, and these into hexadecimal digits: one step of waiting per digit that is not zero, in
//! a queue whose messages all live for the same time, so that the first to arrive is the first to leave. What the
//! units leave over is waited for at the end, in the consumer. The idea of routing by digits is that of NServiceBus's
//! delivery infrastructure; radix 16 halves the steps, and rounding down keeps the steps' own cost out of the delay.

/// What one unit lasts.
pub(super) const UNIT_MS: u64 = 16;
/// The values of a digit.
pub(super) const RADIX: u64 = 16;
/// The digits: 16⁷ units are almost 50 days.
pub(super) const LEVELS: usize = 7;

/// The most queues that a digit is spread over.
pub(super) const MOST_WIDTH: u8 = 16;

/// The longest delay of one round, in units.
const fn most_units(levels: usize) -> u64 {
    RADIX.pow(levels as u32) - 1
}

/// A way through the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The first step's level, or `None` if there is nothing to climb.
    pub(super) top: Option<usize>,
    digits: [u8; LEVELS],
    /// What the consumer has still to wait for.
    pub(super) hold_ms: u64,
    /// What is left for another round, because the ladder is not that high.
    pub(super) rest_ms: u64,
}

impl Route {
    /// The way of a delay through the lowest levels.
    pub(super) fn of(delay_ms: u64, levels: usize) -> Self {
        let most = most_units(levels);
        let units = (delay_ms / UNIT_MS).min(most);
        let mut digits = [0; LEVELS];
        let mut left = units;
        for digit in &mut digits {
            *digit = u8::try_from(left % RADIX).unwrap_or_default();
            left /= RADIX;
        }
        let steps = digits.iter().filter(|digit| **digit > 0).count() as u64;
        let over = delay_ms - units * UNIT_MS;
        let (hold_ms, rest_ms) = if units == most && over >= UNIT_MS { (0, over) } else { (over, 0) };
        Self {
            top: digits.iter().rposition(|digit| *digit > 0),
            digits,
            // The broker counts in whole milliseconds, so that each step may end up to one early.
            hold_ms: if delay_ms == 0 { 0 } else { hold_ms + steps },
            rest_ms,
        }
    }

    /// The routing key: the digits, the highest first, which of a digit's queues to wait in, then the destination.
    pub(super) fn key(&self, strand: u8, destination: &str) -> String {
        let mut key = String::with_capacity(LEVELS * 3 + 3 + destination.len());
        for digit in self.digits.iter().rev().chain([&strand]) {
            if *digit >= 10 {
                key.push('1');
            }
            key.push(char::from(b'0' + digit % 10));
            key.push('.');
        }
        key + destination
    }
}

/// How long messages stay in the queue of a digit.
pub(super) fn ttl_ms(level: usize, digit: u64) -> u64 {
    digit * RADIX.pow(u32::try_from(level).unwrap_or_default()) * UNIT_MS
}

/// Binds what has nothing to wait for at a certain level.
pub(super) fn skip(level: usize) -> String {
    format!("{}0.#", "*.".repeat(LEVELS - 1 - level))
}

/// Binds what has a certain digit at a certain level, and goes by a certain strand.
pub(super) fn pattern(level: usize, digit: u64, strand: u8) -> String {
    format!("{}{digit}.{}{strand}.#", "*.".repeat(LEVELS - 1 - level), "*.".repeat(level))
}

/// Binds what goes by a certain strand of a lane.
pub(super) fn lane(strand: u8) -> String {
    format!("{}{strand}.#", "*.".repeat(LEVELS))
}

/// Binds what has climbed all steps to its destination.
pub(super) fn arrival(destination: &str) -> String {
    "*.".repeat(LEVELS + 1) + destination
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_delays_do_not_climb() {
        assert_eq!(Route::of(0, LEVELS), Route { top: None, digits: [0; LEVELS], hold_ms: 0, rest_ms: 0 });
        let almost_a_unit = Route::of(15, LEVELS);
        assert_eq!((almost_a_unit.top, almost_a_unit.hold_ms), (None, 15));
        assert_eq!((Route::of(16, LEVELS).top, Route::of(16, LEVELS).hold_ms), (Some(0), 1));
        assert_eq!(Route::of(256, LEVELS).top, Some(1));
    }

    #[test]
    fn keys_and_patterns_fit_together() {
        let route = Route::of(15 * 60 * 1000, LEVELS);
        assert_eq!(route.key(2, "1.order.timeout"), "0.0.0.13.11.11.10.2.1.order.timeout");
        assert_eq!(pattern(3, 13, 2), "*.*.*.13.*.*.*.2.#");
        assert_eq!(pattern(0, 10, 2), "*.*.*.*.*.*.10.2.#");
        assert_eq!(pattern(6, 1, 15), "1.*.*.*.*.*.*.15.#");
        assert_eq!(skip(6), "0.#");
        assert_eq!(lane(3), "*.*.*.*.*.*.*.3.#");
        assert_eq!(arrival("1.order.timeout"), "*.*.*.*.*.*.*.*.1.order.timeout");
    }

    #[test]
    fn the_longest_stay_fits_the_brokers_limit() {
        assert!(ttl_ms(LEVELS - 1, RADIX - 1) <= u64::from(u32::MAX));
    }

    /// What a round waits for in the ladder.
    fn climbed(route: &Route) -> u64 {
        route.digits.iter().enumerate().map(|(level, digit)| ttl_ms(level, u64::from(*digit))).sum()
    }

    #[test]
    fn what_is_longer_than_the_ladder_is_high_goes_round_again() {
        const DAY: u64 = 24 * 3600 * 1000;
        let round = most_units(LEVELS) * UNIT_MS;
        assert!((49 * DAY..50 * DAY).contains(&round));
        let whole = Route::of(round, LEVELS);
        assert_eq!((whole.top, climbed(&whole), whole.rest_ms), (Some(LEVELS - 1), round, 0));
        let held = Route::of(round + UNIT_MS - 1, LEVELS);
        assert_eq!((held.rest_ms, held.hold_ms), (0, UNIT_MS - 1 + LEVELS as u64), "the last unit is held");
        let again = Route::of(round + UNIT_MS, LEVELS);
        assert_eq!((climbed(&again), again.rest_ms), (round, UNIT_MS));

        let year = 365 * DAY;
        let (mut rest, mut rounds, mut waited) = (year, 0, 0);
        while rest > 0 {
            let route = Route::of(rest, LEVELS);
            assert!(route.rest_ms < rest, "every round brings it nearer");
            (rest, rounds) = (route.rest_ms, rounds + 1);
            waited += climbed(&route) + route.hold_ms;
        }
        assert_eq!(rounds, 8);
        assert!((year..=year + rounds * LEVELS as u64).contains(&waited), "never early: {}", waited - year);
    }

    proptest! {
        #[test]
        fn the_steps_and_the_hold_make_up_the_delay(delay in 0u64..=365 * 24 * 3600 * 1000, levels in 1..=LEVELS) {
            let route = Route::of(delay, levels);
            let climbed = climbed(&route);
            let compensation = route.digits.iter().filter(|digit| **digit > 0).count() as u64;
            prop_assert!(climbed + route.hold_ms + route.rest_ms >= delay);
            prop_assert!(climbed + route.hold_ms + route.rest_ms <= delay + compensation);
            prop_assert!(route.hold_ms < UNIT_MS + LEVELS as u64);
            prop_assert!(route.digits[levels..].iter().all(|digit| *digit == 0));
            prop_assert_eq!(route.top, route.digits.iter().rposition(|digit| *digit > 0));
        }
    }
}
