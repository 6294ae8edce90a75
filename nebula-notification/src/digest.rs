//! The hashes that signatures are made of, and how secrets are compared.

use aws_lc_rs::{digest, hmac};

use crate::random::hex;

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let hash = |bytes| digest::digest(&digest::SHA256, bytes);
    aws_lc_rs::constant_time::verify_slices_are_equal(hash(one).as_ref(), hash(other).as_ref()).is_ok()
}
