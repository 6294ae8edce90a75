//! The addresses of the provider's pages. Whoever knows a payment's number cannot make one.

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::ids::PaymentId;

/// Bytes of a link's tag: nobody guesses 128 bits.
const TAG: usize = 16;

/// Makes and reads links: identifier and tag.
#[derive(Clone)]
pub(super) struct Links(hmac::Key);

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links(..)")
    }
}

impl Links {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(super) fn of(&self, payment: PaymentId) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([payment.0.as_bytes(), &self.tag(payment)[..]].concat())
    }

    pub(super) fn read(&self, link: &str) -> Option<PaymentId> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(link).ok()?;
        let (id, tag) = bytes.split_first_chunk::<16>()?;
        let payment = PaymentId(uuid::Uuid::from_bytes(*id));
        constant_time::verify_slices_are_equal(&self.tag(payment), tag).ok()?;
        Some(payment)
    }

    fn tag(&self, payment: PaymentId) -> [u8; TAG] {
        let full = hmac::sign(&self.0, &[b"payment page\0".as_slice(), payment.0.as_bytes()].concat());
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full.as_ref()[..TAG]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_links_are_read() {
        let (links, payment) = (Links::new(b"secret"), PaymentId::new());
        let link = links.of(payment);
        assert_eq!(links.read(&link), Some(payment));
        assert_eq!(Links::new(b"another").read(&link), None);
        let other = links.of(PaymentId::new());
        // The identifier of one with the tag of another.
        let mixed = format!("{}{}", &link[..22], &other[22..]);
        for forged in [&payment.to_string(), "", "~", &link[..42], &format!("{link}AA"), &mixed] {
            assert_eq!(links.read(forged), None, "{forged}");
        }
    }
}
