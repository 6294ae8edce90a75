//! Codes that are sent: by text message, by mail, by push.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{FactorCheck, FactorKey, FactorProof, FactorRefusal};
use crate::{
    audit::{AuditLog, Journal},
    clock::{Clock, from_unix_millis, unix_millis},
    error::{Error, ErrorKind},
    proof::{Change, ProofKey, ProofStore, Records},
    random, telemetry,
    throttle::{Admission, BackOff, Throttle},
    token::AuthMethod,
};

/// A code on its way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CodeMessage {
    /// Where to: a phone number, an address.
    pub recipient: String,
    /// What it is for ("login", "change-phone"), so that the text can say so.
    pub scene: String,
    /// The code.
    pub code: SecretString,
    /// How long it can be used.
    pub expires_in: Duration,
}

/// Sends codes. Fill it with whatever delivers messages.
#[async_trait]
pub trait CodeSender: fmt::Debug + Send + Sync + 'static {
    /// Hands a code over for delivery.
    ///
    /// # Errors
    /// When it was not handed over; the code is void then.
    ///
    /// # Cancel safety
    /// The code may have been sent.
    async fn send(&self, message: &CodeMessage) -> Result<(), Error>;
}

#[async_trait]
impl<T: CodeSender + ?Sized> CodeSender for Arc<T> {
    async fn send(&self, message: &CodeMessage) -> Result<(), Error> {
        (**self).send(message).await
    }
}

/// What became of a request for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum CodeSent {
    /// It was handed over.
    Sent {
        /// How long it can be used.
        expires_in: Duration,
    },
    /// The last one was sent a moment ago, or too many were sent to this recipient.
    CoolingDown {
        /// How long to wait.
        retry_after: Duration,
    },
}

/// One-time codes by message.
///
/// - A code belongs to one subject and one scene: what was sent for a login changes no phone number.
/// - It works once, for five minutes, and for five attempts, which are counted before they are compared, in one atomic
///   step with the comparison; a new code makes the one before void.
/// - Attempts are counted for each subject as well, over all codes and scenes.
/// - No code, an expired one, a wrong one: the same answer. The store has keyed hashes.
/// - Sending has a cool-down of a minute for each subject and scene, and slows down for each recipient.
///
/// ```
/// use nebula_auth::mfa::{CodeMessage, CodeSender, FactorKey, OneTimeCodes};
/// use nebula_auth::{Error, proof::MemoryProofStore};
///
/// #[derive(Debug)]
/// struct Sms;
///
/// #[async_trait::async_trait]
/// impl CodeSender for Sms {
///     async fn send(&self, message: &CodeMessage) -> Result<(), Error> {
///         // Hand it to the crate that delivers.
///         Ok(())
///     }
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let codes = OneTimeCodes::new(MemoryProofStore::new(), FactorKey::generate()?, Sms);
/// let _ = codes.send("login", "10001", "+44 20 7946 0000").await?;
/// let proof = codes.check("login", "10001", &"123456".into()).await?.into_result()?;
/// # let _ = proof;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OneTimeCodes {
    records: Records,
    throttle: Throttle,
    key: FactorKey,
    sender: Arc<dyn CodeSender>,
    digits: u32,
    expiration: Duration,
    cool_down: Duration,
    attempts: u32,
    sending: BackOff,
    journal: Journal,
}

/// What is stored.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    /// Version of this layout.
    v: u8,
    mac: [u8; 32],
    attempts: u32,
    ends_ms: i64,
    next_ms: i64,
}

const WHAT: &str = "one-time-code";

fn key_of(scene: &str, subject: &str) -> ProofKey {
    ProofKey::of("code", &[scene, subject])
}

impl OneTimeCodes {
    /// Codes of 6 digits that last 5 minutes and 5 attempts, one a minute.
    #[must_use]
    pub fn new(store: impl ProofStore + Clone, key: FactorKey, sender: impl CodeSender) -> Self {
        Self {
            records: Records::new(store.clone()),
            throttle: Throttle::new(store),
            key,
            sender: Arc::new(sender),
            digits: 6,
            expiration: Duration::from_mins(5),
            cool_down: Duration::from_mins(1),
            attempts: 5,
            sending: BackOff::sending(),
            journal: Journal::default(),
        }
    }

    /// How many digits, for how long, and for how many attempts.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] unless there are 6 to 9 digits, 30 seconds to 30 minutes, and 1 to 10 attempts.
    pub fn with_limits(mut self, digits: u32, expiration: Duration, attempts: u32) -> Result<Self, Error> {
        let times = Duration::from_secs(30)..=Duration::from_mins(30);
        if !(6..=9).contains(&digits) || !times.contains(&expiration) || !(1..=10).contains(&attempts) {
            return Err(Error::config("one-time codes have 6 to 9 digits, last 30 s to 30 min and 1 to 10 attempts"));
        }
        (self.digits, self.expiration, self.attempts) = (digits, expiration, attempts);
        Ok(self)
    }

    /// How long to wait between two codes for one subject and scene.
    #[must_use]
    pub const fn with_cool_down(mut self, cool_down: Duration) -> Self {
        self.cool_down = cool_down;
        self
    }

    /// How fast messages to one recipient may follow one another. Default: [`BackOff::sending`].
    #[must_use]
    pub const fn with_sending(mut self, back_off: BackOff) -> Self {
        self.sending = back_off;
        self
    }

    /// How fast attempts of one subject may follow one another. Default: [`BackOff::account`].
    #[must_use]
    pub fn with_back_off(mut self, back_off: BackOff) -> Self {
        self.throttle = self.throttle.with_account(back_off);
        self
    }

    /// Writes to that log which codes were sent, for what, and which were accepted. It has neither codes nor recipients.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.journal = Journal::to(log);
        self
    }

    async fn checked(&self, scene: &str, subject: &str, refusal: Option<FactorRefusal>) -> Result<(), Error> {
        let who = if refusal.is_some() { "" } else { subject };
        let on = format!("account {subject}, {scene}");
        self.journal.judged(who, "code:check", on, refusal.map(FactorRefusal::code)).await
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + Clone) -> Self {
        self.records.set_clock(clock.clone());
        self.throttle = self.throttle.with_clock(clock);
        self
    }

    /// Sends a new code; the one before is void.
    ///
    /// For a name that nobody has, call it all the same, with a sender that drops the message, or answer as if it had
    /// been sent: else the answer tells who exists.
    ///
    /// # Errors
    /// If the store cannot answer, or the sender has not taken the message; the code is void then.
    ///
    /// # Cancel safety
    /// The code may have been sent, and works then.
    pub async fn send(&self, scene: &str, subject: &str, recipient: &str) -> Result<CodeSent, Error> {
        let code = self.new_code()?;
        let mac = self.mac(scene, subject, code.expose_secret());
        let key = key_of(scene, subject);
        let stored = self.records.update(&key, |found: Option<Stored>, now| {
            let next = found.map_or(now, |stored| from_unix_millis(stored.next_ms));
            let wait = next.duration_since(now).unwrap_or_default().min(self.cool_down);
            if !wait.is_zero() {
                return Ok(Change::Keep(Some(wait)));
            }
            let (ends_ms, next_ms) = (unix_millis(now + self.expiration), unix_millis(now + self.cool_down));
            let stored = Stored { v: 1, mac, attempts: 0, ends_ms, next_ms };
            Ok(Change::Put(stored, now + self.expiration.max(self.cool_down), None))
        });
        if let Some(retry_after) = stored.await? {
            telemetry::code_sent("cooling_down");
            return Ok(CodeSent::CoolingDown { retry_after });
        }
        let recipients = ProofKey::of("code-recipient", &[recipient]);
        let wait = self.records.update(&recipients, |found, now| Ok(self.sending.count(found, now))).await;
        let (expires_in, recipient) = (self.expiration, recipient.to_owned());
        let outcome = match wait {
            Ok(Some(retry_after)) => Ok(CodeSent::CoolingDown { retry_after }),
            Err(error) => Err(error),
            Ok(None) => {
                let message = CodeMessage { recipient, scene: scene.to_owned(), code, expires_in };
                self.sender.send(&message).await.map(|()| CodeSent::Sent { expires_in })
            }
        };
        if !matches!(outcome, Ok(CodeSent::Sent { .. })) {
            // What was not sent cannot be used, and is no reason to wait.
            let void = |found: Option<Stored>, _| {
                Ok(if found.is_some_and(|stored| stored.mac == mac) { Change::Remove(()) } else { Change::Keep(()) })
            };
            if let Err(error) = self.records.update(&key, void).await {
                tracing::warn!(target: "nebula_auth", %error, "a code that was not sent could not be removed");
            }
        }
        if matches!(outcome, Ok(CodeSent::Sent { .. })) {
            self.journal.judged("", "code:send", format!("account {subject}, {scene}"), None).await?;
        }
        telemetry::code_sent(match &outcome {
            Ok(CodeSent::Sent { .. }) => "sent",
            Ok(CodeSent::CoolingDown { .. }) => "recipient_cooling_down",
            Err(_) => "failed",
        });
        outcome
    }

    /// Checks a code, and uses it up if it is right.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The attempt may have been counted, and the code used up.
    pub async fn check(&self, scene: &str, subject: &str, code: &SecretString) -> Result<FactorCheck, Error> {
        let attempt = match self.throttle.admit(WHAT, subject, None).await? {
            Admission::Admitted(attempt) => attempt,
            Admission::Throttled { retry_after } => {
                telemetry::factor_checked("code", "account_throttled");
                let refusal = FactorRefusal::Throttled { retry_after };
                self.checked(scene, subject, Some(refusal)).await?;
                return Ok(FactorCheck::Refused(refusal));
            }
        };
        let typed: String = code.expose_secret().chars().filter(|letter| !letter.is_whitespace()).collect();
        let presented = self.mac(scene, subject, &typed);
        let key = key_of(scene, subject);
        let checked = self.records.update(&key, |found: Option<Stored>, now| {
            // Something is compared in any case.
            let mac = found.as_ref().map_or([0; 32], |stored| stored.mac);
            let same = bool::from(mac.ct_eq(&presented));
            let Some(mut stored) = found else { return Ok(Change::Keep(false)) };
            if stored.attempts >= self.attempts || unix_millis(now) >= stored.ends_ms {
                return Ok(Change::Keep(false));
            }
            stored.attempts += 1;
            if same {
                // What is left keeps the cool-down.
                stored.attempts = self.attempts;
                stored.mac = [0; 32];
            }
            let end = from_unix_millis(stored.ends_ms.max(stored.next_ms));
            Ok(Change::Put(stored, end, same))
        });
        if !checked.await? {
            telemetry::factor_checked("code", FactorRefusal::WrongCode.code());
            self.checked(scene, subject, Some(FactorRefusal::WrongCode)).await?;
            return Ok(FactorCheck::Refused(FactorRefusal::WrongCode));
        }
        telemetry::factor_checked("code", "accepted");
        self.checked(scene, subject, None).await?;
        if let Err(error) = self.throttle.succeeded(attempt).await {
            tracing::warn!(target: "nebula_auth", %error, "an attempt could not be taken back");
        }
        Ok(FactorCheck::Accepted(FactorProof::new(subject, AuthMethod::OneTimeCode)))
    }

    fn mac(&self, scene: &str, subject: &str, code: &str) -> [u8; 32] {
        self.key.mac("one-time code v1", &[scene, subject, code])
    }

    /// Every code equally likely.
    fn new_code(&self) -> Result<SecretString, Error> {
        let count = 10u32.pow(self.digits);
        let fair = u32::MAX - u32::MAX % count;
        for _ in 0..128 {
            let mut bytes = [0u8; 4];
            random::fill(&mut bytes)?;
            let number = u32::from_be_bytes(bytes);
            if number < fair {
                let width = usize::try_from(self.digits).unwrap_or(6);
                return Ok(format!("{:0width$}", number % count).into());
            }
        }
        Err(Error::new(ErrorKind::Internal, "the random number generator repeats itself"))
    }
}

impl fmt::Debug for OneTimeCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeCodes")
            .field("store", &self.records)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}
