//! Where chance comes from. Simulations can make it reproducible, thread by thread.

/// 128 random bits.
pub(crate) fn bits() -> u128 {
    #[cfg(feature = "testing")]
    if let (Some(high), Some(low)) = (seeded::next(), seeded::next()) {
        return (u128::from(high) << 64) | u128::from(low);
    }
    rand::random()
}

/// A random number between one half and one.
pub(crate) fn at_least_half() -> f64 {
    #[cfg(feature = "testing")]
    if let Some(bits) = seeded::next() {
        return f64::from((bits >> 32) as u32).mul_add(0.5 / f64::from(u32::MAX), 0.5);
    }
    rand::random_range(0.5..=1.0)
}

/// A random number below `count`, which must not be zero.
pub(crate) fn below(count: usize) -> usize {
    #[cfg(feature = "testing")]
    if let Some(bits) = seeded::next() {
        return usize::try_from(bits % count as u64).unwrap_or_default();
    }
    rand::random_range(0..count)
}

#[cfg(feature = "testing")]
pub(crate) mod seeded {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    pub(crate) fn set(seed: Option<u64>) {
        STATE.set(seed);
    }

    /// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    pub(super) fn next() -> Option<u64> {
        let state = STATE.get()?.wrapping_add(0x9e37_79b9_7f4a_7c15);
        STATE.set(Some(state));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(mixed ^ (mixed >> 31))
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_it_repeat() {
        let draw = || (bits(), bits(), at_least_half().to_bits());
        seeded::set(Some(7));
        let first = draw();
        assert_ne!(first, draw());
        seeded::set(Some(7));
        assert_eq!(first, draw());
        seeded::set(None);
        assert_ne!(draw(), draw());
        assert!((0..1000).all(|_| (0.5..=1.0).contains(&at_least_half())));
        assert!((0..1000).all(|_| below(3) < 3));
    }
}
