//! Secrets that are stored encrypted (AES-256-GCM), bound to whom they belong to.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use secrecy::SecretSlice;

use super::FactorKey;
use crate::error::{Error, ErrorKind};

/// Version of the layout: this byte, the nonce, the encrypted secret with its tag.
const LAYOUT: u8 = 1;

pub(super) fn seal(key: &FactorKey, subject: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = secret.to_vec();
    let nonce = cipher(key)?
        .seal_in_place_append_tag(Aad::from(subject.as_bytes()), &mut text)
        .map_err(|_| Error::internal("a second factor could not be encrypted"))?;
    let mut sealed = vec![LAYOUT];
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut text);
    Ok(sealed)
}

pub(super) fn open(key: &FactorKey, subject: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, Error> {
    let failed = || {
        let text = "a stored second factor cannot be decrypted; was nebula.auth.mfa.key changed?";
        Error::new(ErrorKind::Unavailable, text)
    };
    let (&[LAYOUT], rest) = sealed.split_first_chunk::<1>().ok_or_else(failed)? else { return Err(failed()) };
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(failed)?;
    let mut text = text.to_vec();
    let plain = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(subject.as_bytes()), &mut text)
        .map_err(|_| failed())?;
    Ok(plain.to_vec().into())
}

fn cipher(key: &FactorKey) -> Result<RandomizedNonceKey, Error> {
    RandomizedNonceKey::new(&AES_256_GCM, &key.mac("seal v1", &[]))
        .map_err(|_| Error::internal("a sealing key could not be made"))
}
