//! The numbers of one session in this process.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, RwLock};

use super::count::{Count, Refusal, What};

/// They only grow: whoever carries them on remembers up to where it did.
#[derive(Debug)]
pub(super) struct Tally {
    counts: Vec<AtomicU64>,
    refusals: RwLock<BTreeMap<Refusal, AtomicU64>>,
    written: Mutex<BTreeMap<What, u64>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: Count::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            refusals: RwLock::default(),
            written: Mutex::default(),
        }
    }
}

impl Tally {
    pub(super) fn add(&self, count: Count, number: u64) {
        // `ALL` has them in the order of their declaration.
        if let Some(counter) = self.counts.get(count as usize) {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        if let Some(counter) = self.refusals.read().get(&refusal) {
            counter.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.refusals.write().entry(refusal).or_default().fetch_add(1, Ordering::Relaxed);
    }

    /// Everything that was counted so far.
    pub(super) fn all(&self) -> Vec<(What, u64)> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = Count::ALL.iter().zip(&self.counts).map(|(count, counter)| (What::Count(*count), read(counter)));
        let refusals = self.refusals.read();
        let refusals = refusals.iter().map(|(refusal, counter)| (What::Refused(*refusal), read(counter)));
        counts.chain(refusals).filter(|(_, number)| *number > 0).collect()
    }

    /// What is not written yet.
    pub(super) fn unwritten(&self) -> Vec<(What, u64)> {
        let written = self.written.lock();
        let rest = |(what, number): (What, u64)| (what, number - written.get(&what).copied().unwrap_or(0).min(number));
        self.all().into_iter().map(rest).filter(|(_, number)| *number > 0).collect()
    }

    pub(super) fn wrote(&self, what: What, number: u64) {
        *self.written.lock().entry(what).or_default() += number;
    }
}
