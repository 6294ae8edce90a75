//! A stored password hash.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};
use secrecy::{ExposeSecret as _, SecretString};

use super::params::{Argon2Params, MAX_MEMORY_KIB};
use crate::error::{Error, ErrorKind};

/// Bounds on what a stored hash may ask for, so that a manipulated row cannot occupy a core for minutes.
const MAX_TIME_COST: u32 = 64;
const MAX_LANES: u32 = 16;

/// A password hash as PHC string (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`). Its `Debug` does not show it.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Takes a stored PHC string.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidHash`] if it is no argon2 hash in PHC form, or asks for more than 1 GiB, 64 passes or 16
    /// lanes.
    pub fn from_phc(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        Parsed::new(&text)?;
        Ok(Self(text.into()))
    }

    pub(super) fn trusted(text: String) -> Self {
        Self(text.into())
    }

    /// The PHC string, for the database and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// A stored hash taken apart: enough to compute it again.
pub(super) struct Parsed {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Parsed {
    pub(super) fn new(text: &str) -> Result<Self, Error> {
        let unreadable = |what: &str| Error::new(ErrorKind::InvalidHash, format!("the stored password hash {what}"));
        let phc = phc::PasswordHash::new(text).map_err(|_| unreadable("is not in PHC form"))?;
        let algorithm = Algorithm::new(phc.algorithm.as_str()).map_err(|_| unreadable("is not an argon2 hash"))?;
        let version = match phc.version {
            None => Version::default(),
            Some(version) => Version::try_from(version).map_err(|_| unreadable("has an unknown argon2 version"))?,
        };
        let params = Params::try_from(&phc).map_err(|_| unreadable("has unusable argon2 parameters"))?;
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_TIME_COST || params.p_cost() > MAX_LANES {
            return Err(unreadable("asks for more memory or time than is ever granted"));
        }
        let (Some(salt), Some(output)) = (&phc.salt, &phc.hash) else {
            return Err(unreadable("lacks salt or hash"));
        };
        if output.as_bytes().len() < 16 {
            return Err(unreadable("is too short to prove anything"));
        }
        Ok(Self { algorithm, version, params, salt: salt.to_vec(), output: output.as_bytes().to_vec() })
    }

    /// Whether this is what `wanted` would produce today; if not, a matching password should be hashed again.
    pub(super) fn is_current(&self, wanted: Argon2Params) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params.m_cost() == wanted.memory_kib()
            && self.params.t_cost() == wanted.passes()
            && self.params.p_cost() == wanted.lanes()
            && self.output.len() == super::params::OUTPUT_BYTES
    }

    /// Computes the hash again and compares in constant time.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Error> {
        let mut output = vec![0u8; self.output.len()];
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into(password, &self.salt, &mut output)
            .map_err(|error| Error::internal("argon2 failed").with_source(error.to_string()))?;
        Ok(subtle::ConstantTimeEq::ct_eq(output.as_slice(), self.output.as_slice()).into())
    }
}
