//! Validated names: parsed once, then trusted.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::{Error, ErrorKind, Result};

/// The name of a queue: dot-separated words of ASCII letters, digits, `_` and `-`, at most 200 bytes.
///
/// The alphabet is what every backend can route: it is a topic routing key, a Redis hash tag and an SQL value at once.
///
/// ```
/// use nebula_delay_queue::QueueName;
///
/// let queue = QueueName::new("order.timeout")?;
/// assert_eq!(queue.as_str(), "order.timeout");
/// assert!(QueueName::new("order..timeout").is_err());
/// assert!(QueueName::new("order timeout").is_err());
/// # Ok::<(), nebula_delay_queue::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// The longest allowed name, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if the text is not a queue name.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        if name.len() > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("a queue name has at most {} bytes, this one has {}", Self::MAX_BYTES, name.len()),
            ));
        }
        if !name.split('.').all(word) {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("queue name {name:?} must be words of letters, digits, `_` and `-`, separated by single dots"),
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a metric's label, which shares the text.
    pub(crate) fn label(&self) -> metrics::SharedString {
        Arc::clone(&self.0).into()
    }
}

/// The identity of a message within its queue, and so its deduplication key.
///
/// Either the caller's own (1 to 256 bytes without control characters) or a time-ordered UUID.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// The longest allowed id, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Parses an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if the text is empty, too long or contains control characters.
    pub fn new(id: impl AsRef<str>) -> Result<Self> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidName,
                format!("a message id has 1 to {} bytes, this one has {}", Self::MAX_BYTES, id.len()),
            ));
        }
        if id.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::InvalidName, format!("message id {id:?} contains control characters")));
        }
        Ok(Self(id.into()))
    }

    /// A fresh, time-ordered id (UUID version 7).
    #[must_use]
    pub fn random() -> Self {
        Self::from(Uuid::now_v7())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }
        impl TryFrom<&str> for $name {
            type Error = Error;
            fn try_from(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }
        impl TryFrom<&String> for $name {
            type Error = Error;
            fn try_from(text: &String) -> Result<Self> {
                Self::new(text)
            }
        }
        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(de::Error::custom)
            }
        }
    };
}

text_type!(QueueName);
text_type!(MessageId);

impl From<Uuid> for MessageId {
    fn from(id: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = id.hyphenated().encode_lower(&mut buffer);
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_names_are_routable_words() {
        for good in ["a", "order.timeout", "t-1.Order_2.x", &"q".repeat(200)] {
            assert_eq!(QueueName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a{b}", "a#", "a*", "é", "a:b", &"q".repeat(201)] {
            assert_eq!(QueueName::new(bad).unwrap_err().kind(), ErrorKind::InvalidName, "{bad:?}");
        }
    }

    #[test]
    fn ids_are_printable_and_bounded() {
        for good in ["1", "order:17/timeout", "订单", &"i".repeat(256)] {
            assert_eq!(MessageId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "a\0", &"i".repeat(257)] {
            assert_eq!(MessageId::new(bad).unwrap_err().kind(), ErrorKind::InvalidName, "{bad:?}");
        }
    }

    #[test]
    fn random_ids_are_ordered_by_time() {
        let ids: Vec<_> = (0..1000).map(|_| MessageId::random()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
