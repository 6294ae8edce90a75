//! When buyers were served: what an outage meant to them is read from it.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// A request that did what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beat {
    asked: Instant,
    answered: Instant,
}

/// Requests of one kind that did what they should. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<Mutex<Vec<Beat>>>);

impl Pulse {
    /// One more, answered now.
    pub(super) fn beat(&self, took: Duration) {
        let answered = Instant::now();
        self.0.lock().push(Beat { asked: answered - took, answered });
    }

    /// When the first one was answered of those that were asked for at this time or later, and before `until`.
    pub(super) fn first(&self, from: Instant, until: Option<Instant>) -> Option<Instant> {
        let beats = self.0.lock();
        let in_time = |beat: &&Beat| beat.asked >= from && until.is_none_or(|until| beat.answered < until);
        beats.iter().filter(in_time).map(|beat| beat.answered).min()
    }

    /// The longest time without an answer between these two.
    pub(super) fn longest_silence(&self, from: Instant, until: Instant) -> Duration {
        let mut answered: Vec<_> = self.0.lock().iter().map(|beat| beat.answered).collect();
        answered.retain(|at| (from..until).contains(at));
        answered.push(until);
        answered.sort_unstable();
        let starts = std::iter::once(from).chain(answered.iter().copied());
        starts.zip(&answered).map(|(start, end)| *end - start).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_on_its_way_before_says_nothing_of_afterwards() {
        let (pulse, zero) = (Pulse::default(), Instant::now());
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let beat = |asked, answered| Beat { asked: at(asked), answered: at(answered) };
        // Two at once answer in another order than they asked.
        *pulse.0.lock() = vec![beat(0, 110), beat(120, 400), beat(130, 300), beat(500, 510)];
        assert_eq!(pulse.first(at(100), None), Some(at(300)));
        assert_eq!(pulse.first(at(100), Some(at(300))), None);
        assert_eq!(pulse.first(at(501), None), None);
        assert_eq!(pulse.longest_silence(at(100), at(520)), Duration::from_millis(190));
        assert_eq!(pulse.longest_silence(at(511), at(900)), Duration::from_millis(389));
    }
}
