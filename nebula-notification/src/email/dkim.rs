//! Signatures of domains under mails: DKIM, RFC 6376 and RFC 8463, with relaxed canonicalization of headers and body.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    clock::{Clock, seconds},
    error::{Error, ErrorKind, Result},
};

/// Headers that are signed if they are there. `From` is signed once more than it is there, so that no other can be added.
const SIGNED: [&str; 10] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "mime-version",
    "content-type",
    "list-unsubscribe",
    "list-unsubscribe-post",
];

/// The key by which a domain signs its mails, published at `<selector>._domainkey.<domain>`.
#[derive(Clone)]
pub struct DkimKey {
    domain: String,
    selector: String,
    key: Arc<Key>,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl DkimKey {
    /// A private key in PEM: RSA (2048 bits and more; PKCS #8 or PKCS #1) or Ed25519 (PKCS #8).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if it is none, or the domain or the selector is no name.
    pub fn new(domain: impl Into<String>, selector: impl Into<String>, pem: impl Into<SecretString>) -> Result<Self> {
        let (domain, selector, pem) = (domain.into(), selector.into(), pem.into());
        let refuse = |what: &'static str| Error::new(ErrorKind::ConfigInvalid, format!("dkim: {what}"));
        let name =
            |text: &str| !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || ".-_".contains(one));
        if !name(&domain) || !name(&selector) {
            return Err(refuse("a domain and a selector have letters, digits, dots and dashes"));
        }
        let lines = pem.expose_secret().lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        let bytes = STANDARD.decode(lines.collect::<String>()).map_err(|_| refuse("this is no key in PEM"))?;
        let rsa = || RsaKeyPair::from_pkcs8(&bytes).or_else(|_| RsaKeyPair::from_der(&bytes));
        let key = match Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes) {
            Ok(key) => Key::Ed25519(key),
            Err(_) => Key::Rsa(rsa().map_err(|_| refuse("this is no private key of RSA or Ed25519"))?),
        };
        Ok(Self { domain, selector, key: Arc::new(key) })
    }

    /// The mail with the signature above it.
    pub(super) fn sign(&self, mail: &[u8], clock: &dyn Clock) -> Result<Vec<u8>> {
        let broken = || Error::internal("a mail that is not one cannot be signed");
        let mail_text = std::str::from_utf8(mail).map_err(|_| broken())?;
        let (head, body) = mail_text.split_once("\r\n\r\n").ok_or_else(broken)?;
        let headers = unfold(head);
        let find = |name: &str| headers.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
        let present: Vec<&str> = SIGNED.into_iter().filter(|name| find(name).is_some()).collect();
        let mut signed = String::new();
        for name in &present {
            if let Some((name, value)) = find(name) {
                signed.push_str(&relaxed_header(name, value));
                signed.push_str("\r\n");
            }
        }
        let algorithm = match *self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, relaxed_body(body).as_bytes()));
        let (domain, selector, time) = (&self.domain, &self.selector, seconds(clock.now()));
        let value = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={domain}; s={selector}; t={time};\r\n\th={}:from;\r\n\tbh={hash};\r\n\tb=",
            present.join(":"),
        );
        signed.push_str(&relaxed_header("DKIM-Signature", &value));
        let signature = self.signature(signed.as_bytes())?;
        let mut out = format!("DKIM-Signature: {value}").into_bytes();
        for (number, part) in signature.as_bytes().chunks(72).enumerate() {
            if number > 0 {
                out.extend_from_slice(b"\r\n\t");
            }
            out.extend_from_slice(part);
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(mail);
        Ok(out)
    }

    fn signature(&self, signed: &[u8]) -> Result<String> {
        match &*self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature)
                    .map_err(|_| Error::internal("a mail cannot be signed"))?;
                Ok(STANDARD.encode(signature))
            }
            // What is signed is the hash, RFC 8463 section 3.
            Key::Ed25519(key) => Ok(STANDARD.encode(key.sign(digest::digest(&digest::SHA256, signed).as_ref()))),
        }
    }
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimKey")
            .field("domain", &self.domain)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

/// Names and values, folded as they are.
fn unfold(head: &str) -> Vec<(&str, String)> {
    let mut headers: Vec<(&str, String)> = Vec::new();
    for line in head.split("\r\n") {
        match (line.starts_with([' ', '\t']), headers.last_mut()) {
            (true, Some((_, value))) => {
                value.push_str("\r\n");
                value.push_str(line);
            }
            _ => {
                if let Some((name, value)) = line.split_once(':') {
                    headers.push((name, value.to_owned()));
                }
            }
        }
    }
    headers
}

/// RFC 6376, 3.4.2: names in lower case, lines unfolded, white space as one space and none at the ends.
fn relaxed_header(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}", name.trim().to_ascii_lowercase(), words.join(" "))
}

/// RFC 6376, 3.4.4: white space as one space, none at the end of lines, no empty lines at the end.
fn relaxed_body(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    for line in body.trim_end_matches("\r\n").split("\r\n") {
        let mut space = false;
        for one in line.trim_end_matches([' ', '\t']).chars() {
            if one == ' ' || one == '\t' {
                space = true;
                continue;
            }
            if std::mem::take(&mut space) {
                out.push(' ');
            }
            out.push(one);
        }
        out.push_str("\r\n");
    }
    // A body of nothing but empty lines is empty.
    if out == "\r\n" { String::new() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mail of RFC 8463, appendix A.3, and the hash of its body there.
    const BODY: &str = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

    #[test]
    fn the_published_body_has_its_published_hash() {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, relaxed_body(BODY).as_bytes()));
        assert_eq!(hash, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    }

    /// The examples of RFC 6376, 3.4.5.
    #[test]
    fn relaxed_as_published() {
        assert_eq!(relaxed_header("A", " X"), "a:X");
        assert_eq!(relaxed_header("B ", " Y\t\r\n\tZ  "), "b:Y Z");
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        assert_eq!(relaxed_body("\r\n\r\n"), "");
    }
}
