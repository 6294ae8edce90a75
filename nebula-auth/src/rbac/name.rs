//! Names of roles, departments, resources and constraints, and ids of users.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not 1 to 64 characters of those allowed.
    #[error("a name has 1 to 64 characters out of `a`-`z`, `0`-`9`, `_`, `-` and `.`")]
    Name,
    /// Not a usable id of a user.
    #[error("a user id has 1 to 128 bytes, no control characters and no white space at its ends")]
    UserId,
}

fn check_name(text: &str) -> Result<(), NameError> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.');
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) { Ok(()) } else { Err(NameError::Name) }
}

fn check_user_id(text: &str) -> Result<(), NameError> {
    let fits = (1..=128).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(NameError::UserId) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident by $check:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads it.
            ///
            /// # Errors
            /// [`NameError`] says what is allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// The name of a role.
    RoleName by check_name;
    /// The id of a department.
    DepartmentId by check_name;
    /// The id of a node of the resource tree.
    ResourceId by check_name;
    /// The name of a separation-of-duty constraint.
    ConstraintName by check_name;
    /// The name of a kind of record that data rules speak about; `*` in rules only.
    EntityName by check_entity;
    /// The stable id of a user: the subject of their tokens. Compared byte by byte.
    UserId by check_user_id;
}

fn check_entity(text: &str) -> Result<(), NameError> {
    if text == "*" { Ok(()) } else { check_name(text) }
}
