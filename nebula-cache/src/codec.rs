//! How values become bytes.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// Turns values into bytes and back.
///
/// # Contract
/// - `decode` of what `encode` made is an equal value.
/// - `decode` of anything else is an error or some value; it never panics.
/// - `id` differs from that of every other codec that may meet the same data: 0 to 63 belong to this crate.
pub trait Codec<V>: fmt::Debug + Send + Sync + 'static {
    /// Written beside each value, so that no other codec's bytes are decoded.
    fn id(&self) -> u8;

    /// The value as bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the value cannot be expressed.
    fn encode(&self, value: &V) -> Result<Vec<u8>>;

    /// The value that the bytes stand for.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if they stand for none.
    fn decode(&self, bytes: &[u8]) -> Result<V>;
}

/// The compact binary format of the crate `postcard`: the default, and twice as fast to read as JSON.
///
/// It is not self-describing: raise [`with_schema`](crate::CacheBuilder::with_schema) when the type changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    fn id(&self) -> u8 {
        1
    }

    fn encode(&self, value: &V) -> Result<Vec<u8>> {
        postcard::to_stdvec(value).map_err(|error| codec("the value cannot be encoded with postcard", error))
    }

    fn decode(&self, bytes: &[u8]) -> Result<V> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(Error::new(ErrorKind::Codec, "there is more than one value")),
            Err(error) => Err(codec("not postcard of this type", error)),
        }
    }
}

/// JSON: larger and slower, but readable by people and by programs in other languages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn id(&self) -> u8 {
        2
    }

    fn encode(&self, value: &V) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(|error| codec("the value cannot be encoded as JSON", error))
    }

    fn decode(&self, bytes: &[u8]) -> Result<V> {
        serde_json::from_slice(bytes).map_err(|error| codec("not JSON of this type", error))
    }
}

fn codec(context: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Codec, context).with_source(error)
}
