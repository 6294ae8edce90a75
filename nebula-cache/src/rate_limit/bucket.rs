//! The name of an account: rule and key as bytes.

use smallvec::SmallVec;

/// Rule, a zero, key: rules contain no zero.
pub(super) type Bucket = SmallVec<[u8; 96]>;

pub(super) fn bucket(rule: &str, key: &[u8]) -> Bucket {
    let mut bytes = Bucket::with_capacity(rule.len() + 1 + key.len());
    bytes.extend_from_slice(rule.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key);
    bytes
}
