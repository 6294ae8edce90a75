//! Documents that say who somebody is.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::{card, countries};
use crate::{
    clock::Millis,
    day,
    problem::{Problem, Result},
};

/// Whose card it is, as [`countries`] write it.
const CHINA: &str = "CN";

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// A Chinese resident identity card.
    CnId,
    /// A passport of another country.
    Passport,
}

/// A document whose number can be one. Numbers are shown by nothing but [`Document::number`].
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    kind: DocumentKind,
    country: String,
    number: String,
}

/// Why a number cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadDocument {
    /// Too short or too long.
    #[error("an identity card's number has 18 characters, and this has {length}")]
    Length {
        /// How many it has.
        length: usize,
    },
    /// Something else than digits.
    #[error("an identity card's number is 17 digits and a digit or X")]
    Characters,
    /// No province begins so.
    #[error("no region has the number that an identity card's number begins with")]
    Region,
    /// The calendar has no such day.
    #[error("digits 7 to 14 of an identity card's number are a day of birth since 1900")]
    Date,
    /// Nobody is born tomorrow.
    #[error("the day of birth is in the future")]
    Unborn,
    /// Mistyped.
    #[error("the check digit does not match: a digit is wrong, or two are swapped")]
    CheckDigit,
    /// No such country.
    #[error("a passport has its country, by the two letters of ISO 3166-1")]
    Country,
    /// Chinese citizens have a card.
    #[error("a Chinese citizen gives the resident identity card, not a passport")]
    Domestic,
    /// Not how passports are numbered.
    #[error("a passport's number has 6 to 9 letters A to Z and digits, with at least one digit")]
    Passport,
}

impl BadDocument {
    /// The word for it, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Length { .. } => "length",
            Self::Characters => "characters",
            Self::Region => "region",
            Self::Date => "date",
            Self::Unborn => "unborn",
            Self::CheckDigit => "check-digit",
            Self::Country => "country",
            Self::Domestic => "domestic",
            Self::Passport => "passport",
        }
    }

    /// Which field is wrong.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Country | Self::Domestic => "country",
            _ => "number",
        }
    }
}

impl Document {
    /// Reads what somebody typed. A card needs no country.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(kind: DocumentKind, country: Option<&str>, number: &str) -> Result<Self, BadDocument> {
        match kind {
            DocumentKind::CnId => {
                let today = day::of(Millis::now()).map_err(|_| BadDocument::Date)?;
                Ok(Self { kind, country: CHINA.to_owned(), number: card::canonical(number, today)? })
            }
            DocumentKind::Passport => {
                let country = country.unwrap_or_default().trim().to_ascii_uppercase();
                if country == CHINA {
                    return Err(BadDocument::Domestic);
                }
                if !countries::is_one(&country) {
                    return Err(BadDocument::Country);
                }
                Ok(Self { kind, country, number: passport(number)? })
            }
        }
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// Of which country, by two letters.
    #[must_use]
    pub fn country(&self) -> &str {
        &self.country
    }

    /// All of the number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The number for pages and lists: of a card the first three and the last four characters, of a passport the last four.
    #[must_use]
    pub fn masked(&self) -> String {
        let shown = if self.kind == DocumentKind::CnId { 3 } else { 0 };
        let hidden = self.number.len().saturating_sub(shown + 4);
        format!("{}{}{}", &self.number[..shown], "*".repeat(hidden), self.ending())
    }

    /// The last four characters, which a door compares.
    #[must_use]
    pub fn ending(&self) -> &str {
        &self.number[self.number.len().saturating_sub(4)..]
    }

    /// What tells it from every other document: the number alone is not enough, since countries count for themselves.
    pub(super) fn key(&self) -> String {
        format!("{}:{}", self.country, self.number)
    }
}

/// All of a number, as those type it who look for it and do not know whose it is.
///
/// # Errors
///
/// [`Code::InvalidValue`](crate::problem::Code::InvalidValue).
pub(super) fn read_whole(number: &str) -> Result<String> {
    let number: String = number.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>().to_ascii_uppercase();
    if !(6..=18).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Problem::invalid("number", "A document's whole number: 6 to 18 letters and digits."));
    }
    Ok(number)
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// As machines read them: ICAO 9303 has room for nine characters.
fn passport(text: &str) -> Result<String, BadDocument> {
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>().to_ascii_uppercase();
    let sound = (6..=9).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && number.bytes().any(|byte| byte.is_ascii_digit());
    if sound { Ok(number) } else { Err(BadDocument::Passport) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passport_has_its_country_and_a_number_as_machines_read_it() {
        let read = |country: Option<&str>, number: &str| Document::read(DocumentKind::Passport, country, number);
        let passport = read(Some(" de "), "c01x-00t47").unwrap();
        assert_eq!((passport.country(), passport.number(), &*passport.masked()), ("DE", "C01X00T47", "*****0T47"));
        for (country, number, expected) in [
            (None, "C01X00T47", BadDocument::Country),
            (Some("XX"), "C01X00T47", BadDocument::Country),
            (Some("DEU"), "C01X00T47", BadDocument::Country),
            (Some("cn"), "E12345678", BadDocument::Domestic),
            (Some("DE"), "C01X0", BadDocument::Passport),
            (Some("DE"), "C01X00T471", BadDocument::Passport),
            (Some("DE"), "ABCDEFGH", BadDocument::Passport),
            (Some("DE"), "C01X00Ü47", BadDocument::Passport),
        ] {
            assert_eq!(read(country, number), Err(expected), "{country:?} {number}");
        }
        assert_ne!(read(Some("DE"), "123456789").unwrap().key(), read(Some("FR"), "123456789").unwrap().key());
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_not_asked_for() {
        let card = Document::read(DocumentKind::CnId, None, "11010519491231002X").unwrap();
        assert_eq!((&*card.masked(), card.ending()), ("110***********002X", "002X"));
        assert!(!format!("{card:?}").contains("110105"), "{card:?}");
    }
}
