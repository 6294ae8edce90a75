//! What a ticket's QR code says: the ticket's identifier and a tag that only this platform can make.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::ids::TicketId;

/// The first version: 32 bytes in base 32, so that the QR code is small and a person can type it.
const VERSION: &str = "N1";
/// Bytes of the tag: nobody guesses 128 bits.
const TAG: usize = 16;

/// Makes and reads codes. The first key makes; all of them read.
#[derive(Clone)]
pub struct Codes(Vec<hmac::Key>);

/// Why a code is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadCode {
    /// It does not look like a code of any version.
    #[error("this is not a ticket's code")]
    Unreadable,
    /// It looks like one, but none of the keys made it.
    #[error("the code was not made here")]
    Forged,
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Codes").field(&self.0.len()).finish()
    }
}

impl Codes {
    /// Codes under these keys: the present one, then earlier ones whose codes are still good.
    #[must_use]
    pub fn new<'k>(present: &'k [u8], earlier: impl IntoIterator<Item = &'k [u8]>) -> Self {
        let keys = std::iter::once(present).chain(earlier);
        Self(keys.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)).collect())
    }

    /// The code of a ticket.
    #[must_use]
    pub fn of(&self, ticket: TicketId) -> String {
        let tag = self.0.first().map(|key| tag(key, ticket)).unwrap_or_default();
        format!("{VERSION}{}", BASE32_NOPAD.encode(&[ticket.0.as_bytes(), &tag[..]].concat()))
    }

    /// The ticket of a code. Spaces and hyphens that a person types are passed over, and capitals do not matter.
    ///
    /// # Errors
    ///
    /// [`BadCode`] says whether it is a code at all.
    pub fn read(&self, code: &str) -> Result<TicketId, BadCode> {
        let code = plain(code);
        let bytes = code.strip_prefix(VERSION).and_then(|text| BASE32_NOPAD.decode(text.as_bytes()).ok());
        let bytes = bytes.filter(|bytes| bytes.len() == 16 + TAG).ok_or(BadCode::Unreadable)?;
        let (id, found) = bytes.split_first_chunk::<16>().ok_or(BadCode::Unreadable)?;
        let ticket = TicketId(uuid::Uuid::from_bytes(*id));
        let ours = self.0.iter().any(|key| constant_time::verify_slices_are_equal(&tag(key, ticket), found).is_ok());
        if ours { Ok(ticket) } else { Err(BadCode::Forged) }
    }

    /// What a door without a network knows a code by: nothing that a code could be made from.
    #[must_use]
    pub fn mark(&self, ticket: TicketId) -> String {
        let hash = digest::digest(&digest::SHA256, self.of(ticket).as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..TAG])
    }
}

/// As it was made, whatever a person or a scanner added.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect()
}

fn tag(key: &hmac::Key, ticket: TicketId) -> [u8; TAG] {
    let full = hmac::sign(key, &[b"ticket\0N1\0".as_slice(), ticket.0.as_bytes()].concat());
    let mut tag = [0; TAG];
    tag.copy_from_slice(&full.as_ref()[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_also_when_a_person_typed_it() {
        let (codes, ticket) = (Codes::new(b"key", []), TicketId::new());
        let code = codes.of(ticket);
        assert_eq!(code.len(), 54);
        let typed = format!(" {} {}-{}\n", &code[..10], &code[10..30], code[30..].to_lowercase());
        for text in [&code, &typed] {
            assert_eq!(codes.read(text), Ok(ticket), "{text}");
        }
    }

    #[test]
    fn what_others_made_is_forged_and_what_is_no_code_is_unreadable() {
        let (codes, ticket) = (Codes::new(b"key", []), TicketId::new());
        let code = codes.of(ticket);
        assert_eq!(codes.read(&Codes::new(b"other", []).of(ticket)), Err(BadCode::Forged));
        // Each character counts.
        for at in 2..code.len() {
            let other = if &code[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &code[..at], &code[at + 1..]);
            assert!(codes.read(&changed).is_err(), "{changed}");
        }
        for text in ["", "N1", "hello", &code[1..], &code[..53], &format!("{code}AA"), &ticket.to_string(), "票"] {
            assert_eq!(codes.read(text), Err(BadCode::Unreadable), "{text}");
        }
    }

    #[test]
    fn codes_of_an_earlier_key_are_good_and_new_ones_have_the_present_key() {
        let ticket = TicketId::new();
        let earlier = Codes::new(b"earlier", []);
        let both = Codes::new(b"present", [b"earlier".as_slice()]);
        assert_eq!(both.read(&earlier.of(ticket)), Ok(ticket));
        assert_eq!(both.of(ticket), Codes::new(b"present", []).of(ticket));
        assert_eq!(earlier.read(&both.of(ticket)), Err(BadCode::Forged));
        assert!(!format!("{both:?}").contains("present"));
    }
}
