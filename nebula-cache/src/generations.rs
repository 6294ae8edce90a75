//! The fence of the local level: who loads remembers a number that an invalidation changes.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Numbers that invalidations count up, each shared by all keys whose hash falls on it.
///
/// A value remembers the number of its key as it was before it was read or loaded, and is valid while the number is
/// the same. Thus no order of insertion and invalidation can leave a stale value: what was read before the
/// invalidation never becomes valid again, however late it is stored. That keys share numbers costs a needless miss
/// now and then, never a stale hit.
#[derive(Debug)]
pub(crate) struct Generations {
    slots: Box<[AtomicU32]>,
    total: Total,
}

/// How many invalidations there were, of whatever kind. Read at every hit, so it shares its cache line with nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Total(AtomicU64);

/// One key's number at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    slot: u32,
    generation: u32,
}

/// A power of two. 4 MiB for each manager, so that of 10,000 entries an invalidation hits another one once in a hundred
/// times.
const SLOTS: usize = 1024 * 1024;

impl Generations {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(), total: Total::default() }
    }

    /// The present number of whatever has this hash.
    pub(crate) fn mark(&self, hash: u64) -> Mark {
        let slot = slot(hash);
        Mark { slot, generation: self.load(slot) }
    }

    /// Whether nothing was invalidated since.
    #[inline]
    pub(crate) fn is_current(&self, mark: Mark) -> bool {
        self.load(mark.slot) == mark.generation
    }

    /// Makes everything invalid that was marked with this hash.
    pub(crate) fn invalidate(&self, hash: u64) {
        if let Some(slot) = self.slots.get(slot(hash) as usize) {
            // Together with the `Acquire` of readers: who sees that the invalidation is over sees the new number.
            slot.fetch_add(1, Ordering::AcqRel);
            self.note();
        }
    }

    /// What was found to be valid when this number was read before stays so while it stands: that saves most hits the look
    /// at their own number, which is rarely in the processor's cache.
    #[inline]
    pub(crate) fn total(&self) -> u64 {
        self.total.0.load(Ordering::Acquire)
    }

    /// Something became invalid, here or by other means; to be called afterwards.
    pub(crate) fn note(&self) {
        self.total.0.fetch_add(1, Ordering::Release);
    }

    /// Makes everything else invalid that was marked like this, and returns the new mark; `None` if that had happened.
    pub(crate) fn supersede(&self, mark: Mark) -> Option<Mark> {
        let next = mark.generation.wrapping_add(1);
        let slot = self.slots.get(mark.slot as usize)?;
        slot.compare_exchange(mark.generation, next, Ordering::AcqRel, Ordering::Acquire).ok()?;
        self.note();
        Some(Mark { generation: next, ..mark })
    }

    #[inline]
    fn load(&self, slot: u32) -> u32 {
        self.slots.get(slot as usize).map_or(0, |slot| slot.load(Ordering::Acquire))
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the remainder is small")]
fn slot(hash: u64) -> u32 {
    (hash % SLOTS as u64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_dies_with_the_invalidation_and_stays_dead() {
        let generations = Generations::new();
        let before = generations.mark(7);
        let other = generations.mark(8);
        assert!(generations.is_current(before));
        generations.invalidate(7);
        assert!(!generations.is_current(before) && generations.is_current(other));
        let after = generations.mark(7);
        assert!(generations.is_current(after) && !generations.is_current(before));
    }
}
