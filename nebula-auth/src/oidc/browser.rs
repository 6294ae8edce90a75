//! Logins that are under way.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// What is stored under the hash of a `state`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Version of this layout.
    pub(super) v: u8,
    /// Which browser, as hash.
    pub(super) browser: [u8; 32],
    pub(super) used: bool,
    pub(super) return_to: Option<String>,
    pub(super) link_to: Option<String>,
    pub(super) ends_ms: i64,
}

/// The secret in the browser's cookie, and what is derived from it for one login.
pub(super) struct Browser<'a> {
    key: hmac::Key,
    state: &'a str,
}

impl<'a> Browser<'a> {
    pub(super) fn new(secret: &SecretString, state: &'a str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()), state }
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut out = [0u8; 32];
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(self.state.as_bytes());
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// Known to the store; the secret cannot be found out from it.
    pub(super) fn mark(&self) -> [u8; 32] {
        self.derive("browser v1")
    }

    pub(super) fn nonce(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("nonce v1"))
    }

    pub(super) fn verifier(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.derive("pkce v1")).into()
    }
}

/// The challenge of a verifier (RFC 7636, 4.2, S256).
pub(super) fn challenge(verifier: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let challenge = challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn each_login_of_each_browser_has_its_own() {
        let (one, other) = ("one".to_owned().into(), "other".to_owned().into());
        let all = [Browser::new(&one, "a"), Browser::new(&one, "b"), Browser::new(&other, "a")];
        for (at, browser) in all.iter().enumerate() {
            assert_ne!(browser.nonce(), browser.verifier().expose_secret());
            for later in &all[at + 1..] {
                assert_ne!(browser.mark(), later.mark());
                assert_ne!(browser.nonce(), later.nonce());
                assert_ne!(browser.verifier().expose_secret(), later.verifier().expose_secret());
            }
        }
    }
}
