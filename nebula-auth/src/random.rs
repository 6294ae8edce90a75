//! Random bytes and identifiers.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::error::Error;

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::internal("the random number generator failed"))
}

/// 256 random bits as text: what makes a refresh token unguessable even for somebody who holds the signing key.
pub(crate) fn secret_id() -> Result<String, Error> {
    let mut bytes = [0u8; 32];
    fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A public identifier that sorts by time.
pub(crate) fn public_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// A number that no record had before, for stores whose numbers have a sign.
pub(crate) fn revision() -> Result<u64, Error> {
    let mut bytes = [0u8; 8];
    fill(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes) >> 1)
}
