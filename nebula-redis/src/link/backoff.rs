use std::time::Duration;

use rand::RngExt as _;

/// Pauses that double from `min` to `max`, each shortened by a random part of up to one half ("equal jitter").
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        full.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum_and_start_over() {
        let (min, max) = (Duration::from_millis(100), Duration::from_millis(500));
        let mut backoff = Backoff::new(min, max);
        for round in 0..2 {
            for full in [100, 200, 400, 500, 500] {
                let (full, pause) = (Duration::from_millis(full), backoff.pause());
                assert!(pause >= full / 2 && pause <= full, "round {round}: {pause:?} for {full:?}");
            }
            backoff.reset();
        }
    }

    #[test]
    fn two_clients_do_not_pause_alike() {
        let pauses = |mut backoff: Backoff| (0..20).map(|_| backoff.pause()).collect::<Vec<_>>();
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        assert_ne!(pauses(backoff.clone()), pauses(backoff));
    }
}
