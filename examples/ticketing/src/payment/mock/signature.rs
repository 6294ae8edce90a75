//! How the mock provider signs its notifications: HMAC-SHA256 over identifier, time and body.

use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{clock::Millis, payment::provider::BadNotification};

pub(crate) const NOTIFICATION: HeaderName = HeaderName::from_static("x-mock-notification");
pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("x-mock-timestamp");
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("x-mock-signature");

/// How far the provider's clock and ours may differ, and how long a notification may be on its way.
const WINDOW: Duration = Duration::from_secs(300);

/// Signs and checks notifications.
pub(crate) struct Signer(hmac::Key);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

impl Signer {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The headers of a notification sent now.
    pub(crate) fn headers(&self, id: &str, body: &[u8]) -> Result<HeaderMap, axum::http::Error> {
        let seconds = Millis::now().0 / 1_000;
        let tag = hmac::sign(&self.0, &signed(id, &seconds.to_string(), body));
        let mut headers = HeaderMap::new();
        headers.insert(NOTIFICATION, HeaderValue::from_str(id)?);
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(SIGNATURE, HeaderValue::from_str(&hex(tag.as_ref()))?);
        Ok(headers)
    }

    /// Checks the headers of a notification and answers its identifier.
    pub(crate) fn check<'h>(&self, headers: &'h HeaderMap, body: &[u8]) -> Result<&'h str, BadNotification> {
        let id = single(headers, &NOTIFICATION, "the header X-Mock-Notification is missing, repeated or not text")?;
        let time = single(headers, &TIMESTAMP, "the header X-Mock-Timestamp is missing, repeated or not text")?;
        let tag = single(headers, &SIGNATURE, "the header X-Mock-Signature is missing, repeated or not text")?;
        if id.is_empty() || id.len() > 128 || id.contains('\n') {
            return Err(BadNotification::Signature("X-Mock-Notification has 1 to 128 characters"));
        }
        let tag = unhex(tag).ok_or(BadNotification::Signature("X-Mock-Signature is not hexadecimal"))?;
        // In constant time.
        hmac::verify(&self.0, &signed(id, time, body), &tag)
            .map_err(|_| BadNotification::Signature("X-Mock-Signature does not match the body"))?;
        let seconds: i64 =
            time.parse().map_err(|_| BadNotification::Signature("X-Mock-Timestamp is not a Unix time"))?;
        let (now, then) = (Millis::now(), Millis(seconds.saturating_mul(1_000)));
        if now.since(then) > WINDOW {
            return Err(BadNotification::Stale("more than 5 minutes old"));
        }
        if then.since(now) > WINDOW {
            return Err(BadNotification::Stale("from the future"));
        }
        Ok(id)
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName, problem: &'static str) -> Result<&'h str, BadNotification> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(BadNotification::Signature(problem)),
    }
}

fn signed(id: &str, time: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b"\n", time.as_bytes(), b"\n", body].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks_exact(2).map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tampered(change: impl FnOnce(&mut HeaderMap)) -> Result<(), BadNotification> {
        let signer = Signer::new(b"secret");
        let mut headers = signer.headers("n-1", b"body").unwrap();
        change(&mut headers);
        signer.check(&headers, b"body").map(|_| ())
    }

    #[test]
    fn what_was_signed_is_accepted() {
        assert_eq!(tampered(|_| ()), Ok(()));
    }

    #[test]
    fn any_change_is_noticed() {
        for name in [NOTIFICATION, TIMESTAMP, SIGNATURE] {
            for value in ["", "1", "00", "zz"] {
                let result = tampered(|headers| {
                    headers.insert(name.clone(), value.parse().unwrap());
                });
                assert!(matches!(result, Err(BadNotification::Signature(_))), "{name}: {value}: {result:?}");
            }
            assert!(matches!(
                tampered(|headers| {
                    headers.remove(&name);
                }),
                Err(BadNotification::Signature(_))
            ));
            assert!(matches!(
                tampered(|headers| {
                    let value = headers[&name].clone();
                    headers.append(name.clone(), value);
                }),
                Err(BadNotification::Signature(_))
            ));
        }
        let signer = Signer::new(b"secret");
        let headers = signer.headers("n-1", b"body").unwrap();
        assert!(signer.check(&headers, b"bodY").is_err());
        assert!(Signer::new(b"Secret").check(&headers, b"body").is_err());
    }

    #[test]
    fn an_old_notification_is_stale_although_its_signature_holds() {
        let signer = Signer::new(b"secret");
        for (seconds, told) in [(0, "more than 5 minutes old"), (Millis::now().0 / 1_000 + 3_600, "from the future")] {
            let tag = hmac::sign(&signer.0, &signed("n-1", &seconds.to_string(), b"body"));
            let mut headers = HeaderMap::new();
            headers.insert(NOTIFICATION, HeaderValue::from_static("n-1"));
            headers.insert(TIMESTAMP, HeaderValue::from(seconds));
            headers.insert(SIGNATURE, hex(tag.as_ref()).parse().unwrap());
            assert_eq!(signer.check(&headers, b"body"), Err(BadNotification::Stale(told)));
        }
    }
}
