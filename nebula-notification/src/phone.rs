//! Telephone numbers, as E.164 writes them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A valid telephone number, in the form of ITU-T E.164: `+8613800138000`.
///
/// What is a number is decided by the library `phonenumber`, with the tables of Google's libphonenumber.
///
/// ```
/// use nebula_notification::Phone;
///
/// let phone = Phone::parse("138 0013 8000", Some("CN"))?;
/// assert_eq!(phone.as_str(), "+8613800138000");
/// assert_eq!((phone.calling_code(), phone.national()), (86, "13800138000"));
/// assert_eq!(phone.masked(), "+861********00");
/// assert!(Phone::parse("12345", Some("CN")).is_err());
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone {
    e164: String,
    calling_code: u16,
    region: Option<String>,
}

impl Phone {
    /// Reads a number as people write it. One without a leading `+` is read as a number of the given region, such as
    /// `"CN"`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`] for what is no number, or cannot be one in its country. The error does not repeat it.
    pub fn parse(text: &str, region: Option<&str>) -> Result<Self> {
        let refused = || Error::new(ErrorKind::InvalidRecipient, "this is not a valid telephone number");
        // Far above what any number has, and far below what makes parsing slow.
        // Letters are digits on some keypads; in a form they are a slip.
        let usual = |c: char| c.is_ascii_digit() || "+-(). ".contains(c);
        if text.len() > 64 || !text.chars().all(usual) {
            return Err(refused());
        }
        let region = match region {
            None => None,
            Some(region) => {
                let unknown = |_| Error::new(ErrorKind::InvalidRecipient, format!("{region:?} is no known region"));
                Some(region.parse::<phonenumber::country::Id>().map_err(unknown)?)
            }
        };
        let number = phonenumber::parse(region, text).map_err(|_| refused())?;
        if !number.is_valid() {
            return Err(refused());
        }
        Ok(Self {
            e164: number.format().mode(phonenumber::Mode::E164).to_string(),
            calling_code: number.country().code(),
            region: number.country().id().map(|id| id.as_ref().to_owned()),
        })
    }

    /// With `+`, without spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.e164
    }

    /// The calling code of its country, such as 86.
    #[must_use]
    pub const fn calling_code(&self) -> u16 {
        self.calling_code
    }

    /// The region it belongs to, such as `CN`, if that is known.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// What follows the calling code.
    #[must_use]
    pub fn national(&self) -> &str {
        let digits = self.calling_code.checked_ilog10().map_or(1, |log| log as usize + 1);
        self.e164.get(1 + digits..).unwrap_or_default()
    }

    /// For logs and pages: enough to recognise one's own number, too little to call it.
    #[must_use]
    pub fn masked(&self) -> String {
        mask(&self.e164, 4, 2)
    }
}

/// Keeps the first and the last few characters.
pub(crate) fn mask(text: &str, head: usize, tail: usize) -> String {
    let count = text.chars().count();
    if count <= head + tail {
        return "*".repeat(count);
    }
    let hidden = |(at, c): (usize, char)| if at < head || at >= count - tail { c } else { '*' };
    text.chars().enumerate().map(hidden).collect()
}

impl FromStr for Phone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, None)
    }
}

impl TryFrom<String> for Phone {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text, None)
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.e164
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}
