//! Hands concurrent refreshers the same successor without the store ever holding a usable token.
//!
//! The winner of an exchange encrypts the successor under a key that only the presented token yields
//! (HMAC-SHA256 as key derivation, AES-256-GCM). Whoever presents the same token within the grace can open it; who
//! reads the database cannot.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};

use crate::error::Error;

/// Version of the layout: this byte, the nonce, the encrypted token with its tag.
const LAYOUT: u8 = 1;

pub(super) fn seal(presented: &str, session_id: &str, successor: &str) -> Result<Vec<u8>, Error> {
    let mut text = successor.as_bytes().to_vec();
    let nonce = key(presented)?
        .seal_in_place_append_tag(Aad::from(session_id.as_bytes()), &mut text)
        .map_err(|_| Error::internal("a refresh token could not be sealed"))?;
    let mut sealed = vec![LAYOUT];
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut text);
    Ok(sealed)
}

/// The successor, or nothing if the bytes were not sealed under this token for this session.
pub(super) fn open(presented: &str, session_id: &str, sealed: &[u8]) -> Result<Option<String>, Error> {
    let Some((&[LAYOUT], rest)) = sealed.split_first_chunk::<1>() else { return Ok(None) };
    let Some((nonce, text)) = rest.split_first_chunk::<NONCE_LEN>() else { return Ok(None) };
    let mut text = text.to_vec();
    let aad = Aad::from(session_id.as_bytes());
    let Ok(plain) = key(presented)?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text) else {
        return Ok(None);
    };
    Ok(String::from_utf8(plain.to_vec()).ok())
}

fn key(presented: &str) -> Result<RandomizedNonceKey, Error> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, presented.as_bytes());
    let derived = hmac::sign(&secret, b"nebula-auth successor v1");
    RandomizedNonceKey::new(&AES_256_GCM, derived.as_ref())
        .map_err(|_| Error::internal("a sealing key could not be made"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_with_the_same_token_and_session_only() {
        let sealed = seal("token-0", "session", "token-1").unwrap();
        assert_eq!(open("token-0", "session", &sealed).unwrap().as_deref(), Some("token-1"));
        assert_eq!(open("token-x", "session", &sealed).unwrap(), None);
        assert_eq!(open("token-0", "other", &sealed).unwrap(), None);
        assert!(!sealed.windows(7).any(|window| window == b"token-1"));
    }

    #[test]
    fn refuses_every_damaged_byte() {
        let sealed = seal("token-0", "session", "token-1").unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(open("token-0", "session", &damaged).unwrap(), None, "byte {at}");
            assert_eq!(open("token-0", "session", &sealed[..at]).unwrap(), None, "cut at {at}");
        }
    }
}
