//! The signature, and how a receiver checks it: the scheme of "Standard Webhooks".

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    clock::{Clock, SystemClock, seconds},
    error::{Error, ErrorKind, Result},
};

/// Names of the headers.
pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";

/// How far the sender's clock may be off, either way.
const TOLERANCE: Duration = Duration::from_secs(300);

pub(super) fn key(secret: &SecretString) -> Result<hmac::Key> {
    let text = secret.expose_secret();
    // Written with a prefix, it is base64; otherwise its bytes are the key.
    let bytes = match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).unwrap_or_default(),
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() < 24 {
        return Err(Error::new(ErrorKind::ConfigInvalid, "webhook: a secret has at least 24 bytes"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn signed(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

pub(super) fn sign(key: &hmac::Key, id: &str, timestamp: &str, body: &[u8]) -> String {
    format!("v1,{}", STANDARD.encode(hmac::sign(key, &signed(id, timestamp, body))))
}

/// Checks what a [`WebhookSender`](crate::WebhookSender) has sent: its signature, its time, and that it came once.
///
/// ```
/// use nebula_notification::WebhookVerifier;
///
/// let verifier = WebhookVerifier::new("a secret of at least 24 bytes")?;
/// assert!(!verifier.accept("id", "1732200000", "v1,forged", b"{}"));
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct WebhookVerifier {
    key: Arc<hmac::Key>,
    clock: Arc<dyn Clock>,
    /// Ids that came, and until when a repetition would be in time.
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    until: HashMap<String, u64>,
    by_time: BTreeMap<u64, Vec<String>>,
}

impl WebhookVerifier {
    /// For that secret: bytes, or `whsec_` and base64.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for a secret of less than 24 bytes.
    pub fn new(secret: impl Into<SecretString>) -> Result<Self> {
        Ok(Self { key: Arc::new(key(&secret.into())?), clock: Arc::new(SystemClock), seen: Arc::default() })
    }

    /// The clock; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Whether a request is from who has the secret, not older than five minutes, and new to this verifier (and its clones). Give it the
    /// headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, and the body's bytes as they came. A message that was
    /// sent again because its answer got lost has the same id: answer it with success all the same.
    #[must_use]
    pub fn accept(&self, id: &str, timestamp: &str, signature: &str, body: &[u8]) -> bool {
        let Ok(time) = timestamp.parse::<u64>() else { return false };
        let now = seconds(self.clock.now());
        if time.abs_diff(now) > TOLERANCE.as_secs() {
            return false;
        }
        let text = signed(id, timestamp, body);
        let is_right = |one: &str| {
            let encoded = one.strip_prefix("v1,").and_then(|encoded| STANDARD.decode(encoded).ok());
            encoded.is_some_and(|tag| hmac::verify(&self.key, &text, &tag).is_ok())
        };
        if !signature.split(' ').any(is_right) {
            return false;
        }
        let mut seen = self.seen.lock();
        let Seen { until, by_time } = &mut *seen;
        while let Some(first) = by_time.first_entry().filter(|first| *first.key() < now) {
            for id in first.remove() {
                until.remove(&id);
            }
        }
        let end = now.saturating_add(2 * TOLERANCE.as_secs());
        let new = until.insert(id.to_owned(), end).is_none();
        if new {
            by_time.entry(end).or_default().push(id.to_owned());
        }
        new
    }
}

impl fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookVerifier").finish_non_exhaustive()
    }
}
