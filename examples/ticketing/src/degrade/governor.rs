//! When a level begins and when it ends. Pure: whoever measures tells it the time as well.

use std::time::Duration;

use tokio::time::Instant;

use super::{config::DegradeConfig, level::Level};

/// How late the event loop and the database are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// How much later than asked for a task goes on.
    pub lateness: Duration,
    /// How long a write waits for the database.
    pub wait: Duration,
}

/// Raises the level by one when there was too much to do for a while, and lowers it by one when there was clearly less for a
/// longer while. In between it stays.
#[derive(Debug, Default)]
pub struct Governor {
    level: Level,
    high_since: Option<Instant>,
    low_since: Option<Instant>,
}

impl Governor {
    /// The level after what was measured now.
    pub fn observe(&mut self, config: &DegradeConfig, now: Instant, pressure: Pressure) -> Level {
        let high = pressure.lateness >= config.lateness || pressure.wait >= config.wait;
        // Half of it, so that a level does not end by what it is good for.
        let low = pressure.lateness * 2 < config.lateness && pressure.wait * 2 < config.wait;
        self.high_since = high.then(|| self.high_since.unwrap_or(now));
        self.low_since = low.then(|| self.low_since.unwrap_or(now));
        if self.high_since.is_some_and(|since| now.duration_since(since) >= config.raise_after) {
            self.level = self.level.worse();
            self.high_since = Some(now);
        }
        if self.low_since.is_some_and(|since| now.duration_since(since) >= config.lower_after) {
            self.level = self.level.better();
            self.low_since = Some(now);
        }
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_takes_a_while_to_begin_and_longer_to_end_and_stays_in_between() {
        let config = DegradeConfig::default();
        let mut governor = Governor::default();
        let mut now = Instant::now();
        let mut run = |governor: &mut Governor, seconds: u64, lateness: Duration, wait: Duration| {
            let mut level = Level::default();
            for _ in 0..seconds * 10 {
                now += Duration::from_millis(100);
                level = governor.observe(&config, now, Pressure { lateness, wait });
            }
            level.number()
        };
        let (none, late) = (Duration::ZERO, config.lateness);
        assert_eq!(run(&mut governor, 4, late, none), 0, "not yet");
        assert_eq!(run(&mut governor, 1, none, none), 0);
        assert_eq!(run(&mut governor, 4, late, none), 0, "what was before does not count");
        assert_eq!(run(&mut governor, 3, late, none), 1);
        assert_eq!(run(&mut governor, 60, none, config.wait), 3, "orders are not refused by itself");
        // Neither too much nor clearly less.
        assert_eq!(run(&mut governor, 600, config.lateness.mul_f64(0.7), none), 3);
        assert_eq!(run(&mut governor, 10, none, none), 3);
        assert_eq!(run(&mut governor, 12, none, none), 2);
        assert_eq!(run(&mut governor, 60, none, none), 0);
    }
}
