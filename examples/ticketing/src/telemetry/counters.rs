//! Counters of what many requests do. To find one by its labels takes as long as a short answer, so each is looked up once: when it
//! first counts, and whoever collects them is there. What never happens is not listed.

use std::{fmt, sync::OnceLock};

use metrics::Counter;

/// A counter for each of the values that a label has.
pub(crate) struct Counters<const N: usize> {
    look_up: fn(usize) -> Counter,
    found: [OnceLock<Counter>; N],
}

impl<const N: usize> Counters<N> {
    /// Those that `look_up` finds by the places of the values.
    pub(crate) const fn new(look_up: fn(usize) -> Counter) -> Self {
        Self { look_up, found: [const { OnceLock::new() }; N] }
    }

    /// Counts the value at this place.
    pub(crate) fn count(&self, place: usize) {
        if let Some(counter) = self.found.get(place) {
            counter.get_or_init(|| (self.look_up)(place)).increment(1);
        }
    }
}

impl<const N: usize> fmt::Debug for Counters<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("values", &N).finish_non_exhaustive()
    }
}
