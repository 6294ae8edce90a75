//! Random bytes, numbers and identifiers from the operating system's generator.

use crate::error::{Error, Result};

pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::internal("the random number generator failed"))
}

/// A nonce or token of 128 random bits as hexadecimal digits.
#[cfg(feature = "http")]
pub(crate) fn nonce() -> Result<String> {
    let mut bytes = [0u8; 16];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// A number below `bound`, every one as likely as any other.
pub(crate) fn below(bound: u32) -> Result<u32> {
    // Numbers from the incomplete last range would be a little likelier: drawn again.
    let range = u32::MAX - u32::MAX % bound;
    loop {
        let mut bytes = [0u8; 4];
        fill(&mut bytes)?;
        let number = u32::from_le_bytes(bytes);
        if number < range {
            return Ok(number % bound);
        }
    }
}

/// A public identifier that sorts by time.
pub(crate) fn public_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
