//! What can be a key.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// Longest key in bytes.
pub const MAX_KEY_BYTES: usize = 64 * 1024;

/// A type whose values are keys of a cache: text, bytes, integers, [`uuid::Uuid`], and tuples of these.
///
/// # Contract
/// - Two keys that are not equal have different bytes.
/// - The bytes of a key are the same in every process and in every version of the program.
///
/// ```
/// use std::borrow::Cow;
/// use nebula_cache::CacheKey;
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct SeatId { event: u64, row: char, number: u16 }
///
/// impl CacheKey for SeatId {
///     fn key_bytes(&self) -> Cow<'_, [u8]> {
///         format!("{}-{}-{}", self.event, self.row, self.number).into_bytes().into()
///     }
/// }
/// assert_eq!(&*SeatId { event: 7, row: 'A', number: 12 }.key_bytes(), b"7-A-12");
/// assert_ne!(("a", "b:c").key_bytes(), ("a:b", "c").key_bytes());
/// ```
pub trait CacheKey: Clone + Eq + Hash + Send + Sync + 'static {
    /// The key as bytes: any bytes, up to [`MAX_KEY_BYTES`].
    fn key_bytes(&self) -> Cow<'_, [u8]>;
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl CacheKey for $type {
            fn key_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Borrowed(self.as_bytes())
            }
        }
    )*};
}

text!(&'static str, String, Arc<str>, Box<str>);

macro_rules! bytes {
    ($($type:ty),*) => {$(
        impl CacheKey for $type {
            fn key_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Borrowed(self)
            }
        }
    )*};
}

bytes!(Vec<u8>, Arc<[u8]>, Box<[u8]>, bytes::Bytes);

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl CacheKey for $type {
            fn key_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Owned(self.to_string().into_bytes())
            }
        }
    )*};
}

displayed!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, char, bool, uuid::Uuid);

macro_rules! tuple {
    ($($name:ident $place:tt),*) => {
        impl<$($name: CacheKey),*> CacheKey for ($($name,)*) {
            /// The parts, each but the last after its length, so that different tuples never look alike.
            fn key_bytes(&self) -> Cow<'_, [u8]> {
                let parts = [$(self.$place.key_bytes()),*];
                let mut bytes = Vec::new();
                for (place, part) in parts.iter().enumerate() {
                    if place + 1 < parts.len() {
                        bytes.extend_from_slice(part.len().to_string().as_bytes());
                        bytes.push(b':');
                    }
                    bytes.extend_from_slice(part);
                    if place + 1 < parts.len() {
                        bytes.push(b',');
                    }
                }
                Cow::Owned(bytes)
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// The key's bytes, if there are not too many.
pub(crate) fn checked<K: CacheKey>(key: &K) -> Result<Cow<'_, [u8]>> {
    let bytes = key.key_bytes();
    if bytes.len() > MAX_KEY_BYTES {
        let length = bytes.len();
        return Err(Error::new(
            ErrorKind::InvalidKey,
            format!("the key has {length} bytes, at most {MAX_KEY_BYTES} are allowed"),
        ));
    }
    Ok(bytes)
}

/// A hash that all processes agree on: XXH3 with 64 bits over the parts, each after its length.
pub(crate) fn stable_hash(parts: &[&[u8]]) -> u64 {
    // At once is several times faster than piece by piece, and gives the same.
    let mut whole = [0; SHORT];
    let mut end = 0;
    for part in parts {
        let length = (part.len() as u64).to_le_bytes();
        for bytes in [&length[..], part] {
            let Some(place) = whole.get_mut(end..end + bytes.len()) else { return long_hash(parts) };
            place.copy_from_slice(bytes);
            end += bytes.len();
        }
    }
    xxhash_rust::xxh3::xxh3_64(whole.get(..end).unwrap_or_default())
}

/// Longest sum of parts that is hashed at once.
const SHORT: usize = 240;

fn long_hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact() {
        assert!(checked(&vec![0_u8; MAX_KEY_BYTES]).is_ok());
        assert_eq!(checked(&vec![0_u8; MAX_KEY_BYTES + 1]).unwrap_err().kind(), ErrorKind::InvalidKey);
    }

    proptest::proptest! {
        #[test]
        fn different_tuples_have_different_bytes(a: (Vec<u8>, Vec<u8>, Vec<u8>), b: (Vec<u8>, Vec<u8>, Vec<u8>)) {
            proptest::prop_assert_eq!(a == b, a.key_bytes() == b.key_bytes());
        }

        #[test]
        fn parts_do_not_flow_together(text in "[0-9:,]{0,8}", cut in 0_usize..8) {
            let cut = cut.min(text.len());
            let (left, right) = text.split_at(cut);
            let (whole, none) = ((text.clone(), String::new()), (left.to_owned(), right.to_owned()));
            proptest::prop_assert_eq!(whole == none, whole.key_bytes() == none.key_bytes());
        }
    }

    #[test]
    fn the_hash_never_changes() {
        // Nodes of different versions tell each other these numbers.
        assert_ne!(stable_hash(&[b"k", b"users", b"7"]), stable_hash(&[b"k", b"user", b"s7"]));
        assert_eq!(stable_hash(&[b"k", b"users", b"7"]), 7_795_202_394_522_774_685);
        for length in 0..600 {
            let text = vec![b'x'; length];
            assert_eq!(stable_hash(&[b"key", &text]), long_hash(&[b"key", &text]), "length {length}");
        }
    }
}
