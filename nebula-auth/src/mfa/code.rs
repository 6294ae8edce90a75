//! Codes from a secret and a counter (RFC 4226) or the time (RFC 6238).

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::error::Error;

/// The hash of a time-based code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TotpAlgorithm {
    /// What every authenticator app understands. The weakness of SHA-1 (collisions) does not concern HMAC.
    #[default]
    #[serde(rename = "SHA1")]
    Sha1,
    /// Understood by some.
    #[serde(rename = "SHA256")]
    Sha256,
    /// Understood by some.
    #[serde(rename = "SHA512")]
    Sha512,
}

impl TotpAlgorithm {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// As long as the hash, as RFC 6238 has it.
    pub(super) const fn secret_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// How codes are made of a secret.
///
/// ```
/// use nebula_auth::mfa::TotpParams;
///
/// // RFC 6238, appendix B.
/// let params = TotpParams::new(Default::default(), 8, 30)?;
/// assert_eq!(params.code_at(b"12345678901234567890", 59), "94287082");
/// # Ok::<(), nebula_auth::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpParams {
    algorithm: TotpAlgorithm,
    digits: u8,
    step_seconds: u64,
}

impl Default for TotpParams {
    /// SHA-1, 6 digits, 30 seconds: what all authenticator apps understand.
    fn default() -> Self {
        Self { algorithm: TotpAlgorithm::Sha1, digits: 6, step_seconds: 30 }
    }
}

impl TotpParams {
    /// Other parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) unless there are 6 to 8 digits and 15 to 60 seconds.
    pub fn new(algorithm: TotpAlgorithm, digits: u8, step_seconds: u64) -> Result<Self, Error> {
        if (6..=8).contains(&digits) && (15..=60).contains(&step_seconds) {
            Ok(Self { algorithm, digits, step_seconds })
        } else {
            Err(Error::config("time-based codes have 6 to 8 digits and last 15 to 60 seconds"))
        }
    }

    /// The hash.
    #[must_use]
    pub const fn algorithm(&self) -> TotpAlgorithm {
        self.algorithm
    }

    /// How many digits a code has.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// For how many seconds a code is the current one.
    #[must_use]
    pub const fn step_seconds(&self) -> u64 {
        self.step_seconds
    }

    pub(super) const fn step_at(&self, unix_seconds: u64) -> u64 {
        unix_seconds / self.step_seconds
    }

    /// The code at that second of the Unix epoch.
    #[must_use]
    pub fn code_at(&self, secret: &[u8], unix_seconds: u64) -> String {
        self.code(secret, self.step_at(unix_seconds))
    }

    /// The code of a counter (RFC 4226, 5.3).
    #[must_use]
    pub fn code(&self, secret: &[u8], counter: u64) -> String {
        let key = hmac::Key::new(self.algorithm.hmac(), secret);
        let tag = hmac::sign(&key, &counter.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let word = tag.iter().skip(offset).take(4).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let code = (word & 0x7fff_ffff) % 10u32.pow(u32::from(self.digits));
        format!("{code:0width$}", width = usize::from(self.digits))
    }

    /// The step of the range whose code this is. All steps are compared, whichever fits, and in constant time.
    pub(super) fn matching_step(&self, secret: &[u8], steps: std::ops::RangeInclusive<u64>, code: &str) -> Option<u64> {
        let mut found = None;
        for step in steps {
            if bool::from(self.code(secret, step).as_bytes().ct_eq(code.as_bytes())) {
                found = Some(step);
            }
        }
        found
    }
}
