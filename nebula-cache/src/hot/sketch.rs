//! Counting many keys in little memory.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// A count-min sketch (Cormode and Muthukrishnan, 2005): never counts too little, rarely too much.
#[derive(Debug)]
pub(super) struct Sketch(Box<[[AtomicU32; WIDTH]; ROWS]>);

const ROWS: usize = 4;
const WIDTH: usize = 2048;

impl Sketch {
    pub(super) fn new() -> Self {
        Self(Box::new(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU32::new(0)))))
    }

    /// Counts the hash; returns how often it was counted, about.
    pub(super) fn add(&self, hash: u64) -> u32 {
        let mut least = u32::MAX;
        for (row, places) in self.0.iter().enumerate() {
            // Eleven bits for each row.
            #[allow(clippy::cast_possible_truncation, reason = "masked")]
            let place = (hash >> (row * 16)) as usize % WIDTH;
            if let Some(count) = places.get(place) {
                least = least.min(count.fetch_add(1, Ordering::Relaxed).saturating_add(1));
            }
        }
        least
    }

    pub(super) fn clear(&self) {
        self.0.iter().flatten().for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

/// True once in `one_in` times, at random, so that no pattern of reads escapes. Xorshift (Marsaglia, 2003).
#[inline]
pub(super) fn drawn(one_in: u32) -> bool {
    thread_local!(static STATE: Cell<u64> = Cell::new(rand::random::<u64>() | 1));
    STATE.with(|state| {
        let mut bits = state.get();
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        state.set(bits);
        (bits >> 32) % u64::from(one_in.max(1)) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        crate::key::stable_hash(&[&number.to_le_bytes()])
    }

    #[test]
    fn counts_are_never_too_low_and_rarely_too_high() {
        let sketch = Sketch::new();
        for round in 0..100 {
            for key in 0..100 {
                let count = sketch.add(hash(key));
                assert!(count > round, "key {key}");
            }
        }
        // Ten thousand rare keys among them.
        let high = (1000..11_000).filter(|key| sketch.add(hash(*key)) > 50).count();
        assert!(high < 10, "{high}");
        sketch.clear();
        assert_eq!(sketch.add(hash(1)), 1);
    }

    #[test]
    fn one_in_so_many_is_drawn() {
        let drawn = (0..160_000).filter(|_| drawn(16)).count();
        assert!((9_000..11_000).contains(&drawn), "{drawn}");
    }
}
