//! Growing pauses between attempts.

use std::time::Duration;

use crate::entropy;

/// Doubles from `first` to `most`, each shortened at random by up to half, so that clients do not march in step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.most);
        self.next = pause * 2;
        jittered(pause)
    }
}

/// Between half of `pause` and all of it.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(entropy::at_least_half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_bound() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
        for most in [10, 20, 40, 50, 50] {
            let pause = backoff.pause();
            assert!(pause <= Duration::from_millis(most) && pause >= Duration::from_millis(most / 2), "{pause:?}");
        }
    }
}
