//! A few numbers that belong together, read far more often than they are written.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::Mutex;

/// Numbers that are read as they were written at one time, without a locked instruction: a sequence lock (Lameter 2005; in these
/// orderings: Boehm, "Can seqlocks get along with programming language memory models?", 2012).
#[derive(Debug)]
pub(crate) struct Together<const N: usize> {
    /// Odd while they are being written.
    round: AtomicU64,
    numbers: [AtomicU64; N],
    writing: Mutex<()>,
}

impl<const N: usize> Together<N> {
    pub(crate) fn new(numbers: [u64; N]) -> Self {
        Self { round: AtomicU64::new(0), numbers: numbers.map(AtomicU64::new), writing: Mutex::new(()) }
    }

    pub(crate) fn set(&self, numbers: [u64; N]) {
        let _writing = self.writing.lock();
        let round = self.round.load(Ordering::Relaxed);
        self.round.store(round + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, number) in self.numbers.iter().zip(numbers) {
            place.store(number, Ordering::Relaxed);
        }
        self.round.store(round + 2, Ordering::Release);
    }

    #[inline]
    pub(crate) fn get(&self) -> [u64; N] {
        let before = self.round.load(Ordering::Acquire);
        let numbers = self.all();
        fence(Ordering::Acquire);
        if before.is_multiple_of(2) && self.round.load(Ordering::Relaxed) == before {
            return numbers;
        }
        // Whoever writes may have lost the processor: better to wait than to spin.
        let _writing = self.writing.lock();
        self.all()
    }

    #[inline]
    fn all(&self) -> [u64; N] {
        std::array::from_fn(|place| self.numbers.get(place).map_or(0, |number| number.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_never_seen_apart() {
        let together = Together::new([0, 0, 0]);
        std::thread::scope(|scope| {
            for writer in 0..2_u64 {
                let together = &together;
                scope.spawn(move || {
                    for number in 0..20_000 {
                        let number = number * 2 + writer;
                        together.set([number, number + 1, number * 3]);
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let [a, b, c] = together.get();
                        assert!((a, b, c) == (0, 0, 0) || (b == a + 1 && c == a * 3), "{a} {b} {c}");
                    }
                });
            }
        });
    }
}
