//! The name of a lock.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The validated name of a lock: 1 to [`LockKey::MAX_BYTES`] bytes of text without control characters.
///
/// ```
/// use nebula_lock::{ErrorKind, LockKey};
///
/// assert_eq!(LockKey::new("seat:1")?.as_str(), "seat:1");
/// assert_eq!(LockKey::new("").unwrap_err().kind(), ErrorKind::InvalidKey);
/// # Ok::<_, nebula_lock::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockKey(Arc<str>);

impl LockKey {
    /// Longest key, in bytes, the manager's prefix included.
    pub const MAX_BYTES: usize = 512;

    /// Checks `key`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`] for an empty or over-long key and for control characters.
    pub fn new(key: impl AsRef<str>) -> Result<Self> {
        let key = key.as_ref();
        let problem = if key.is_empty() {
            Cow::Borrowed("the key is empty")
        } else if key.len() > Self::MAX_BYTES {
            Cow::Owned(format!("the key has {} bytes, at most {} are allowed", key.len(), Self::MAX_BYTES))
        } else if key.chars().any(char::is_control) {
            Cow::Borrowed("the key contains control characters")
        } else {
            return Ok(Self(key.into()));
        };
        Err(Error::new(ErrorKind::InvalidKey, problem))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key with `prefix` put before it.
    pub(crate) fn prefixed(self, prefix: &str) -> Result<Self> {
        if prefix.is_empty() { Ok(self) } else { Self::new(format!("{prefix}{self}")) }
    }
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockKey({:?})", self.as_str())
    }
}

impl AsRef<str> for LockKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<&str> for LockKey {
    type Error = Error;

    fn try_from(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

impl TryFrom<String> for LockKey {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        Self::new(key)
    }
}

impl std::str::FromStr for LockKey {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

/// What can name a lock: a [`LockKey`], or text that is checked when the lock is awaited.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot name a lock",
    note = "text and `LockKey` can; write other types as text, for example with `format!`"
)]
pub trait IntoLockKey {
    /// The checked key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`], see [`LockKey::new`].
    fn into_lock_key(self) -> Result<LockKey>;
}

impl IntoLockKey for LockKey {
    fn into_lock_key(self) -> Result<LockKey> {
        Ok(self)
    }
}

impl IntoLockKey for &LockKey {
    fn into_lock_key(self) -> Result<LockKey> {
        Ok(self.clone())
    }
}

macro_rules! text_is_a_key {
    ($($text:ty),*) => {$(
        impl IntoLockKey for $text {
            fn into_lock_key(self) -> Result<LockKey> {
                LockKey::new(&*self)
            }
        }
    )*};
}

text_is_a_key!(&str, String, &String, Cow<'_, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exact() {
        assert!(LockKey::new("k".repeat(LockKey::MAX_BYTES)).is_ok());
        for bad in ["", "a\nb", "\0", &"k".repeat(LockKey::MAX_BYTES + 1)] {
            assert_eq!(LockKey::new(bad).unwrap_err().kind(), ErrorKind::InvalidKey, "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_counts_towards_the_limit() {
        let key = LockKey::new("k".repeat(LockKey::MAX_BYTES)).unwrap();
        assert_eq!(key.prefixed("p:").unwrap_err().kind(), ErrorKind::InvalidKey);
    }
}
