//! The bits of a filter, and where a key's bits are.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// How large a filter is, how many bits each key sets, and over how many equal shards the bits are spread.
///
/// A key is in one shard. The places of its bits follow from its XXH3 hash of 64 bits, `h`, with the seed 1: place number `i`
/// within the shard is `((h + i·g) mod 2^64) · bits / 2^64`, with the shard's bits, where `g` is `h` mixed once more and made
/// odd (double hashing after Kirsch and Mitzenmacher, 2006). The shard, if there are several, is number `g'` times shards
/// divided by 2^64, where `g'` is `g` mixed again; shards follow each other. Bits are numbered as Redis numbers them. All that
/// is format version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// A multiple of 64 for each shard.
    pub bits: u64,
    /// Bits for each key.
    pub hashes: u32,
    /// At least one. Each is a value of its own in a store.
    pub shards: u32,
}

/// So much memory no process has to spare for a replica.
const MOST_BITS: u64 = 8 * 1024 * 1024 * 1024 * 8;

/// Most bytes in one shard unless something else is said: 64 MB. Larger values block a server for long when they are copied or
/// moved.
pub(crate) const SHARD: u64 = 64_000_000;

impl Geometry {
    /// For `capacity` keys with a false positive rate of `rate` when they are all in; in shards of at most 64 MB.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if that cannot be: more than 8 GiB, or a rate that is none.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes far below 2^53"
    )]
    pub fn for_keys(capacity: u64, rate: f64) -> Result<Self> {
        if capacity == 0 || !(1e-9..=0.5).contains(&rate) {
            let what = "a bloom filter needs a capacity above zero and a false positive rate from 1e-9 to 0.5";
            return Err(Error::new(ErrorKind::ConfigInvalid, what));
        }
        let ln2 = std::f64::consts::LN_2;
        let bits = (-(capacity as f64) * rate.ln() / (ln2 * ln2)).ceil();
        if bits > MOST_BITS as f64 {
            return Err(Error::new(ErrorKind::ConfigInvalid, "a bloom filter of more than 8 GiB"));
        }
        let bits = (bits as u64).next_multiple_of(64);
        let hashes = (bits as f64 / capacity as f64 * ln2).round().clamp(1.0, 30.0) as u32;
        Ok(Self { bits, hashes, shards: 1 }.in_shards(SHARD))
    }

    /// The same in as few shards as can be of at most `bytes`, which is a multiple of 8, or taken for the next lower one.
    #[must_use]
    pub fn in_shards(self, bytes: u64) -> Self {
        let most = (bytes / 8).max(1) * 64;
        let shards = u32::try_from(self.bits.div_ceil(most)).unwrap_or(u32::MAX).max(1);
        let shard = self.bits.div_ceil(u64::from(shards)).next_multiple_of(64);
        Self { bits: shard * u64::from(shards), shards, ..self }
    }

    /// The places of the key with this hash.
    pub fn places(self, hash: u64) -> impl Iterator<Item = u64> {
        let first = u64::from(self.shard(hash)) * self.shard_bits();
        let step = mixed(hash) | 1;
        let bits = self.shard_bits();
        (0..u64::from(self.hashes)).map(move |number| first + part(hash.wrapping_add(number.wrapping_mul(step)), bits))
    }

    /// The number of the shard that has the key with this hash.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "below the number of shards")]
    pub const fn shard(self, hash: u64) -> u32 {
        if self.shards < 2 {
            return 0;
        }
        part(mixed(mixed(hash) | 1), self.shards as u64) as u32
    }

    /// Size of a shard in bits.
    #[must_use]
    pub const fn shard_bits(self) -> u64 {
        // There is always one.
        match self.shards {
            0 | 1 => self.bits,
            shards => self.bits / shards as u64,
        }
    }

    /// Which part of absent keys are found nevertheless when there are `items` keys in it.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn false_positive_rate(self, items: u64) -> f64 {
        let hashes = f64::from(self.hashes);
        (1.0 - (-hashes * items as f64 / self.bits as f64).exp()).powf(hashes)
    }

    /// Size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bits / 8
    }
}

/// The `hash / 2^64`th part of `whole`.
#[allow(clippy::cast_possible_truncation, reason = "below `whole`")]
const fn part(hash: u64, whole: u64) -> u64 {
    ((hash as u128 * whole as u128) >> 64) as u64
}

/// The hash of a key in all filters.
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key, 1)
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014).
const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

/// A filter in memory.
pub(crate) enum Bits {
    /// Of this process alone.
    Own(Box<fastbloom::AtomicBloomFilter>),
    /// A replica of what nodes share, with the bits where [`Geometry`] says.
    Replica(Replica),
}

pub(crate) struct Replica {
    geometry: Geometry,
    words: Box<[AtomicU64]>,
}

impl Bits {
    pub(crate) fn own(geometry: Geometry) -> Result<Self> {
        let bits = usize::try_from(geometry.bits)
            .map_err(|_| Error::new(ErrorKind::ConfigInvalid, "the bloom filter does not fit into memory"))?;
        let filter = fastbloom::AtomicBloomFilter::with_num_bits(bits).seed(&rand::random()).hashes(geometry.hashes);
        Ok(Self::Own(Box::new(filter)))
    }

    pub(crate) fn replica(geometry: Geometry) -> Result<Self> {
        Replica::new(geometry).map(Self::Replica)
    }

    /// Says whether the key was new.
    pub(crate) fn insert(&self, hash: u64) -> bool {
        match self {
            Self::Own(filter) => !filter.insert_hash(hash),
            Self::Replica(replica) => replica.insert(hash),
        }
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        match self {
            Self::Own(filter) => filter.contains_hash(hash),
            Self::Replica(replica) => replica.contains(hash),
        }
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own(_) => "Own",
            Self::Replica(_) => "Replica",
        })
    }
}

impl Replica {
    pub(crate) fn new(geometry: Geometry) -> Result<Self> {
        let words = usize::try_from(geometry.bits / 64)
            .map_err(|_| Error::new(ErrorKind::ConfigInvalid, "the bloom filter does not fit into memory"))?;
        Ok(Self { geometry, words: (0..words).map(|_| AtomicU64::new(0)).collect() })
    }

    pub(crate) fn insert(&self, hash: u64) -> bool {
        let mut new = false;
        for (word, mask) in self.words(hash) {
            new |= word.fetch_or(mask, Ordering::Relaxed) & mask == 0;
        }
        new
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.words(hash).all(|(word, mask)| word.load(Ordering::Relaxed) & mask != 0)
    }

    /// The bits from byte `offset` on, as Redis stores them.
    pub(crate) fn bytes(&self, offset: usize, length: usize) -> Vec<u8> {
        let words = self.words.iter().skip(offset / 8).take(length.div_ceil(8));
        words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
    }

    /// Adds bits from byte `offset` on, a multiple of 8.
    pub(crate) fn merge(&self, offset: usize, bytes: &[u8]) {
        for (word, bytes) in self.words.iter().skip(offset / 8).zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            word.fetch_or(u64::from_le_bytes(eight), Ordering::Relaxed);
        }
    }

    fn words(&self, hash: u64) -> impl Iterator<Item = (&AtomicU64, u64)> {
        self.geometry.places(hash).filter_map(|place| {
            let word = self.words.get(usize::try_from(place / 64).ok()?)?;
            // Redis counts the bits of a byte from the top, little-endian bytes are counted from the bottom.
            Some((word, 1 << ((place % 64) ^ 7)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of keys that were not inserted and are found nevertheless.
    #[allow(clippy::cast_precision_loss, reason = "a ratio need not be exact")]
    fn rate(bits: &Bits, inserted: u64, asked: u64) -> f64 {
        for key in 0..inserted {
            bits.insert(key_hash(&key.to_le_bytes()));
        }
        assert!((0..inserted.min(200_000)).all(|key| bits.contains(key_hash(&key.to_le_bytes()))), "none is forgotten");
        let found = (inserted..inserted + asked).filter(|key| bits.contains(key_hash(&key.to_le_bytes()))).count();
        found as f64 / asked as f64
    }

    fn close(capacity: u64, target: f64) {
        let geometry = Geometry::for_keys(capacity, target).unwrap();
        let sharded = geometry.in_shards(geometry.bytes() / 7);
        assert_eq!((geometry.shards, sharded.shards), (1, 8));
        for bits in [Bits::own(geometry), Bits::replica(geometry), Bits::replica(sharded)].map(Result::unwrap) {
            let rate = rate(&bits, capacity, 500_000.max(capacity / 5));
            println!(
                "{bits:?} capacity={capacity} target={target} measured={rate:.6} off={:+.1}%",
                (rate / target - 1.0) * 100.0
            );
            assert!((rate / target - 1.0).abs() < 0.1, "{bits:?}: {rate} instead of {target}");
        }
    }

    #[test]
    fn false_positives_are_as_many_as_promised() {
        close(100_000, 0.01);
        close(50_000, 0.03);
    }

    #[test]
    #[ignore = "half a minute: part of `cargo xtask ci --full`"]
    fn false_positives_are_as_many_as_promised_with_ten_million_keys() {
        close(10_000_000, 0.01);
    }

    #[test]
    fn the_format_never_changes() {
        let geometry = Geometry::for_keys(1000, 0.01).unwrap();
        assert_eq!(geometry, Geometry { bits: 9600, hashes: 7, shards: 1 });
        let places: Vec<u64> = geometry.places(key_hash(b"user:7")).collect();
        assert_eq!(places, PLACES);
        let replica = Replica::new(geometry).unwrap();
        replica.insert(key_hash(b"user:7"));
        let bytes = replica.bytes(0, 1200);
        let set = |place: u64| bytes[usize::try_from(place / 8).unwrap()] >> (7 - place % 8) & 1 == 1;
        assert!(PLACES.iter().all(|place| set(*place)), "as GETBIT sees it");
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 7);
        let copy = Replica::new(geometry).unwrap();
        copy.merge(0, &bytes[..600]);
        copy.merge(600, &bytes[600..]);
        assert!(copy.contains(key_hash(b"user:7")) && !copy.contains(key_hash(b"user:8")));
    }

    const PLACES: [u64; 7] = [6734, 6511, 6288, 6065, 5842, 5618, 5395];

    #[test]
    fn shards_are_small_and_have_their_keys_alone() {
        let large = Geometry::for_keys(200_000_000, 0.01).unwrap();
        assert_eq!((large.shards, large.hashes), (4, 7));
        assert!(large.shard_bits() <= SHARD * 8 && large.shard_bits() * 4 == large.bits);
        let small = Geometry::for_keys(1000, 0.01).unwrap().in_shards(192);
        assert_eq!(small, Geometry { bits: 9856, hashes: 7, shards: 7 });
        let mut keys = [0_u32; 7];
        for key in 0..7000_u64 {
            let hash = key_hash(&key.to_le_bytes());
            let shard = u64::from(small.shard(hash));
            assert!(small.places(hash).all(|place| place / small.shard_bits() == shard));
            keys[usize::try_from(shard).unwrap()] += 1;
        }
        assert!(keys.iter().all(|keys| (850..1150).contains(keys)), "{keys:?}");
        let first: Vec<u64> = small.places(key_hash(b"user:7")).collect();
        assert_eq!(first, SHARDED, "the format never changes");
    }

    const SHARDED: [u64; 7] = [9435, 9402, 9370, 9337, 9304, 9272, 9239];

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for (capacity, rate) in [(0, 0.01), (10, 0.0), (10, 1.0), (10, f64::NAN), (u64::MAX, 0.01)] {
            assert_eq!(Geometry::for_keys(capacity, rate).unwrap_err().kind(), ErrorKind::ConfigInvalid);
        }
    }
}
