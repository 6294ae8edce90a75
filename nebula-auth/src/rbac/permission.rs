//! Names of permissions, and patterns that stand for several.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The greatest number of bytes of a permission or pattern.
pub const MAX_PERMISSION_BYTES: usize = 128;

/// The greatest number of segments of a permission or pattern.
pub const MAX_PERMISSION_SEGMENTS: usize = 8;

/// Why a text is no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionError {
    /// Longer than [`MAX_PERMISSION_BYTES`].
    #[error("a permission has at most {MAX_PERMISSION_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_PERMISSION_SEGMENTS`].
    #[error("a permission has at most {MAX_PERMISSION_SEGMENTS} segments")]
    TooManySegments,
    /// Nothing, or nothing between two colons, or a colon at the beginning or end.
    #[error("a permission is one or more segments separated by single colons, like `order:read`; none may be empty")]
    EmptySegment,
    /// A character that segments do not have.
    #[error("segments consist of `a`-`z`, `0`-`9`, `_` and `-` (case matters, and capitals are not allowed)")]
    BadCharacter,
    /// A `*` where one is not allowed.
    #[error("a `*` stands for a whole segment, and only in what is granted, never in what is required")]
    Wildcard,
}

/// Judges a text; usable in constants, which is how `#[requires_permission]` and `permissions!` refuse bad names.
#[doc(hidden)]
pub const fn check_permission(text: &str, wildcards: bool) -> Result<(), PermissionError> {
    let bytes = text.as_bytes();
    if bytes.len() > MAX_PERMISSION_BYTES {
        return Err(PermissionError::TooLong);
    }
    let (mut at, mut start, mut segments) = (0, 0, 1);
    while at <= bytes.len() {
        if at == bytes.len() || bytes[at] == b':' {
            if at == start {
                return Err(PermissionError::EmptySegment);
            }
            if at < bytes.len() {
                segments += 1;
                start = at + 1;
            }
        } else if bytes[at] == b'*' {
            let alone = at == start && (at + 1 == bytes.len() || bytes[at + 1] == b':');
            if !(wildcards && alone) {
                return Err(PermissionError::Wildcard);
            }
        } else if !matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
            return Err(PermissionError::BadCharacter);
        }
        at += 1;
    }
    if segments > MAX_PERMISSION_SEGMENTS { Err(PermissionError::TooManySegments) } else { Ok(()) }
}

macro_rules! text_type {
    ($name:ident, $wildcards:literal) => {
        impl $name {
            /// Reads it.
            ///
            /// # Errors
            /// [`PermissionError`] says what is allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, PermissionError> {
                let text = text.as_ref();
                check_permission(text, $wildcards)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = PermissionError;

            fn from_str(text: &str) -> Result<Self, PermissionError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PermissionError;

            fn try_from(text: String) -> Result<Self, PermissionError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// One permission: `order:read`. What an operation requires.
///
/// Segments of `a`-`z`, `0`-`9`, `_` and `-`, separated by colons. Case matters, there is no normalisation, and a
/// shorter permission says nothing about a longer one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission(Arc<str>);

/// What is granted: a permission in which whole segments may be `*`.
///
/// A `*` stands for exactly one segment, and as the last one for one or more: `order:*` covers `order:read` and
/// `order:item:read`, `*:read` covers `order:read` only, and `*` covers everything. `order` covers `order` alone.
///
/// ```
/// use nebula_auth::rbac::{Permission, PermissionPattern};
///
/// let orders = PermissionPattern::new("order:*")?;
/// assert!(orders.covers(&Permission::new("order:read")?));
/// assert!(!orders.covers(&Permission::new("orders:read")?));
/// assert!(PermissionPattern::new("ord*:read").is_err());
/// # Ok::<_, nebula_auth::rbac::PermissionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PermissionPattern(Arc<str>);

text_type!(Permission, false);
text_type!(PermissionPattern, true);

impl PermissionPattern {
    /// Stands for every permission.
    #[must_use]
    pub fn everything() -> Self {
        Self("*".into())
    }

    /// Whether it stands for every permission.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        &*self.0 == "*"
    }

    /// Whether it stands for that permission.
    #[must_use]
    pub fn covers(&self, permission: &Permission) -> bool {
        covers(&self.0, &permission.0)
    }

    /// Whether it stands for everything that the other one stands for.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        covers(&self.0, &other.0)
    }
}

impl From<Permission> for PermissionPattern {
    fn from(permission: Permission) -> Self {
        Self(permission.0)
    }
}

/// Whether everything that `small` stands for is something that `large` stands for.
pub(crate) fn covers(large: &str, small: &str) -> bool {
    let mut rest = small.split(':');
    let mut segments = large.split(':').peekable();
    while let Some(segment) = segments.next() {
        let Some(other) = rest.next() else { return false };
        if segment == "*" {
            if segments.peek().is_none() {
                return true;
            }
            // One segment here; `other` may be one `*`, but not one that stands for several.
        } else if segment != other {
            return false;
        }
    }
    rest.next().is_none()
}
