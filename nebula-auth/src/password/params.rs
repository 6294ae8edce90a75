//! How much work a hash costs.

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};

use super::hash::PasswordHash;
use crate::{
    error::{Error, ErrorKind},
    random,
};

pub(super) const OUTPUT_BYTES: usize = 32;
pub(super) const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const SALT_BYTES: usize = 16;

/// Pairs of memory (KiB) and passes that the OWASP Password Storage Cheat Sheet names as equally strong minimum for
/// argon2id with one lane. Parameters must reach one of them in both.
const FLOOR: &[(u32, u32)] = &[(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// The cost of argon2id. The default is OWASP's: 19 MiB, 2 passes, 1 lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Params {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Params {
    /// Memory in KiB, number of passes, and lanes (degree of parallelism; computed one after the other).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] below the floor (47104 KiB × 1 pass, 19456 × 2, 12288 × 3, 9216 × 4 or 7168 × 5), or
    /// above 1 GiB, 64 passes or 16 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, Error> {
        if !FLOOR.iter().any(|(memory, least)| memory_kib >= *memory && passes >= *least) {
            return Err(Error::config(format!(
                "argon2id with {memory_kib} KiB and {passes} passes is too weak; \
                 the least are 47104 KiB and 1, 19456 and 2, 12288 and 3, 9216 and 4, or 7168 and 5"
            )));
        }
        if memory_kib > MAX_MEMORY_KIB || passes > 64 || !(1..=16).contains(&lanes) {
            return Err(Error::config("argon2id takes at most 1 GiB (1048576 KiB), 64 passes and 1 to 16 lanes"));
        }
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Number of passes over the memory.
    #[must_use]
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Number of lanes.
    #[must_use]
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    pub(super) fn hash(self, password: &[u8]) -> Result<PasswordHash, Error> {
        let mut salt = [0u8; SALT_BYTES];
        random::fill(&mut salt)?;
        let failed = |error: String| Error::new(ErrorKind::Internal, "argon2 failed").with_source(error);
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT_BYTES))
            .map_err(|error| failed(error.to_string()))?;
        let mut output = [0u8; OUTPUT_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into(password, &salt, &mut output)
            .map_err(|error| failed(error.to_string()))?;
        let phc = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.into(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().map_err(|error: argon2::password_hash::Error| failed(error.to_string()))?,
            salt: Some(phc::Salt::new(&salt).map_err(|error| failed(error.to_string()))?),
            hash: Some(phc::Output::new(&output).map_err(|error| failed(error.to_string()))?),
        };
        Ok(PasswordHash::trusted(phc.to_string()))
    }
}

impl Default for Argon2Params {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}
