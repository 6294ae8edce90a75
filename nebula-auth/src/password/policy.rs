//! Which new passwords are accepted.

use std::fmt;

/// The rules for new passwords: length and breach lists only, no composition rules (NIST SP 800-63B, 5.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_chars: usize,
    max_bytes: usize,
}

impl PasswordPolicy {
    /// The least that can be asked for.
    pub const MIN_CHARS_FLOOR: usize = 8;
    /// The longest password that is ever looked at; longer input is refused before any work is done on it.
    pub const MAX_BYTES_CEILING: usize = 1024;

    /// At least `min_chars` characters and at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for fewer than 8 characters, for a limit below 64 bytes (pass
    /// phrases must fit) or above 1024, or if no password could satisfy both.
    pub fn new(min_chars: usize, max_bytes: usize) -> Result<Self, crate::Error> {
        if min_chars < Self::MIN_CHARS_FLOOR || min_chars > max_bytes {
            return Err(crate::Error::config("the minimum length of passwords must be 8 characters or more"));
        }
        if !(64..=Self::MAX_BYTES_CEILING).contains(&max_bytes) {
            return Err(crate::Error::config("the maximum length of passwords must be between 64 and 1024 bytes"));
        }
        Ok(Self { min_chars, max_bytes })
    }

    /// Least number of characters.
    #[must_use]
    pub const fn min_chars(self) -> usize {
        self.min_chars
    }

    /// Greatest number of bytes in UTF-8.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        self.max_bytes
    }

    pub(super) fn check(self, password: &str) -> Result<(), PasswordRefusal> {
        if password.len() > self.max_bytes {
            Err(PasswordRefusal::TooLong { max_bytes: self.max_bytes })
        } else if password.chars().count() < self.min_chars {
            Err(PasswordRefusal::TooShort { min_chars: self.min_chars })
        } else {
            Ok(())
        }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_chars: Self::MIN_CHARS_FLOOR, max_bytes: Self::MAX_BYTES_CEILING }
    }
}

/// Why a new password was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PasswordRefusal {
    /// Fewer characters than the policy asks for.
    TooShort {
        /// The least number of characters.
        min_chars: usize,
    },
    /// More bytes than the policy allows.
    TooLong {
        /// The greatest number of bytes in UTF-8.
        max_bytes: usize,
    },
    /// The password is on a list of known ones.
    Breached,
}

impl PasswordRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong { .. } => "password_too_long",
            Self::Breached => "password_breached",
        }
    }
}

impl fmt::Display for PasswordRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min_chars } => write!(f, "the password needs at least {min_chars} characters"),
            Self::TooLong { max_bytes } => write!(f, "the password may have at most {max_bytes} bytes"),
            Self::Breached => f.write_str("the password is known from a breach; choose another"),
        }
    }
}

impl std::error::Error for PasswordRefusal {}
