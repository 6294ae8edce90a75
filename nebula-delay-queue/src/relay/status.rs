//! What a relay has done.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::Serialize;

/// What a relay has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RelayStatus {
    /// Messages moved.
    pub moved: u64,
    /// Messages that were there already.
    pub duplicates: u64,
    /// Messages that the other backend refused for good: dead letters of the outbox.
    pub refused: u64,
    /// Batches that were given back, because a backend could not be reached.
    pub failures: u64,
    /// How long the message that was moved last had been in the outbox.
    pub lag: Duration,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<RelayStatus>>);

impl Tally {
    pub(super) fn read(&self) -> RelayStatus {
        *self.0.lock()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut RelayStatus)) {
        change(&mut self.0.lock());
    }
}
