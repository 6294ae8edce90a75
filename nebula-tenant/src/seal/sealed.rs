//! What a database keeps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// Says how the rest is laid out: the version of the key (4 bytes, big end first), the nonce (12), the text and the tag (16).
const LAYOUT: u8 = 1;
const HEAD: usize = 1 + 4;
pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// A sealed value, to be kept in a column of bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    pub(super) fn new(version: u32, nonce: [u8; NONCE], text_and_tag: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + NONCE + text_and_tag.len());
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(text_and_tag);
        Self(bytes)
    }

    /// What was read from a database. Whether it opens turns out later.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to keep.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The version of the data key that it was sealed with.
    ///
    /// # Errors
    /// [`ErrorKind::Altered`] if this was never sealed.
    pub fn version(&self) -> Result<u32, Error> {
        Ok(self.parts()?.0)
    }

    pub(super) fn parts(&self) -> Result<(u32, [u8; NONCE], &[u8]), Error> {
        let parts = || {
            let rest = self.0.strip_prefix(&[LAYOUT])?;
            let (version, rest) = rest.split_first_chunk()?;
            let (nonce, rest) = rest.split_first_chunk()?;
            (rest.len() >= TAG).then_some((u32::from_be_bytes(*version), *nonce, rest))
        };
        parts().ok_or_else(|| Error::new(ErrorKind::Altered, "this is no sealed value"))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

#[cfg(feature = "sql")]
mod column {
    use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};

    use super::Sealed;

    impl<DB: Database> Type<DB> for Sealed
    where
        Vec<u8>: Type<DB>,
    {
        fn type_info() -> DB::TypeInfo {
            Vec::<u8>::type_info()
        }

        fn compatible(info: &DB::TypeInfo) -> bool {
            Vec::<u8>::compatible(info)
        }
    }

    impl<'q, DB: Database> Encode<'q, DB> for Sealed
    where
        Vec<u8>: Encode<'q, DB>,
    {
        fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
            self.0.encode_by_ref(buffer)
        }
    }

    impl<'r, DB: Database> Decode<'r, DB> for Sealed
    where
        Vec<u8>: Decode<'r, DB>,
    {
        fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
            Vec::decode(value).map(Self)
        }
    }
}
