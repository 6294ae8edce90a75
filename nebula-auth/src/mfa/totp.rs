//! Time-based codes: set up, checked, replaced by codes on paper.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    FactorCheck, FactorKey, FactorProof, FactorRefusal, RecoveryCodes, SecondFactor, TotpParams, recovery, sealed,
};
use crate::{
    audit::{AuditLog, Decision, Journal},
    clock::{Clock, unix_seconds},
    error::Error,
    proof::{Change, ProofKey, ProofStore, Records},
    random, telemetry,
    throttle::{Admission, BackOff, Throttle},
    token::{AuthMethod, Principal},
};

/// How long somebody has to confirm a new secret.
const PENDING: Duration = Duration::from_mins(10);
/// Factors stay until they are removed; a store wants an end all the same.
const KEPT: Duration = Duration::from_hours(24 * 365 * 100);
/// How recent a proof has to be for a change of factors.
const FRESH: Duration = Duration::from_mins(5);
/// How recent a login has to be for the first factor.
const FRESH_LOGIN: Duration = Duration::from_mins(15);
const WHAT: &str = "second-factor";

/// Time-based codes (RFC 6238) with recovery codes.
///
/// - A code is accepted once, and none after it that is older: the last step is kept, and compared and written in one
///   atomic step.
/// - Attempts are counted for each user before anything is compared, whatever login they come from.
/// - Secrets are stored encrypted, recovery codes as keyed hashes.
/// - Factors are changed by who has shown one within the last five minutes only.
///
/// ```
/// use nebula_auth::{mfa::{FactorKey, Totp}, proof::MemoryProofStore};
///
/// # async fn settings(principal: &nebula_auth::Principal) -> Result<(), Box<dyn std::error::Error>> {
/// let totp = Totp::new(MemoryProofStore::new(), FactorKey::generate()?, "Example Shop");
/// // Show the address as a QR code, and ask for the first code.
/// let enrolment = totp.enrol(principal, "ann@example.org").await??;
/// let typed = "123456".into();
/// let recovery_codes = totp.confirm(principal, &typed).await??;
/// # let _ = (enrolment.uri(), recovery_codes);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Totp {
    records: Records,
    throttle: Throttle,
    key: FactorKey,
    issuer: String,
    params: TotpParams,
    skew: u64,
    recovery_codes: usize,
    journal: Journal,
}

/// A new secret, to be shown to its user once.
#[derive(Clone)]
pub struct Enrolment {
    secret: SecretString,
    uri: SecretString,
}

impl Enrolment {
    /// The secret in base32, for those who type it.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// The `otpauth:` address, for a QR code.
    #[must_use]
    pub const fn uri(&self) -> &SecretString {
        &self.uri
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment([redacted])")
    }
}

/// Why a factor was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnrolmentRefusal {
    /// Factors are changed by who has shown one recently; where there is none yet, by who has logged in recently.
    StepUpRequired {
        /// How recent the proof has to be.
        within: Duration,
    },
    /// The code is not that of the new secret.
    Code(FactorRefusal),
}

impl EnrolmentRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::StepUpRequired { .. } => "step_up_required",
            Self::Code(refusal) => refusal.code(),
        }
    }
}

impl fmt::Display for EnrolmentRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StepUpRequired { within } => {
                write!(f, "this needs a proof given within the last {}", humantime::format_duration(*within))
            }
            Self::Code(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for EnrolmentRefusal {}

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Version of this layout.
    v: u8,
    sealed: String,
    params: TotpParams,
    last_step: u64,
    recovery: Vec<[u8; 32]>,
}

fn active(subject: &str) -> ProofKey {
    ProofKey::of("totp", &[subject])
}

fn pending(subject: &str) -> ProofKey {
    ProofKey::of("totp-pending", &[subject])
}

impl Totp {
    /// Codes of 6 digits and 30 seconds, one step of skew, ten recovery codes. `issuer` is the name that authenticator
    /// apps show.
    #[must_use]
    pub fn new(store: impl ProofStore + Clone, key: FactorKey, issuer: impl Into<String>) -> Self {
        Self {
            records: Records::new(store.clone()),
            throttle: Throttle::new(store),
            key,
            issuer: issuer.into(),
            params: TotpParams::default(),
            skew: 1,
            recovery_codes: 10,
            journal: Journal::default(),
        }
    }

    /// How new codes are made; those that were set up before stay as they are.
    #[must_use]
    pub const fn with_params(mut self, params: TotpParams) -> Self {
        self.params = params;
        self
    }

    /// How many steps a device's clock may be off, either way. Zero keeps the life of a code at one step, at the price
    /// of codes that are typed late.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for more than 2.
    pub fn with_skew(mut self, steps: u64) -> Result<Self, Error> {
        if steps > 2 {
            return Err(Error::config("the skew of time-based codes must be at most 2 steps"));
        }
        self.skew = steps;
        Ok(self)
    }

    /// How many recovery codes there are.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for none or more than 20.
    pub fn with_recovery_codes(mut self, count: usize) -> Result<Self, Error> {
        RecoveryCodes::generate(count)?;
        self.recovery_codes = count;
        Ok(self)
    }

    /// How fast attempts of one user may follow one another. Default: [`BackOff::account`].
    #[must_use]
    pub fn with_back_off(mut self, back_off: BackOff) -> Self {
        self.throttle = self.throttle.with_account(back_off);
        self
    }

    /// Writes to that log which codes were accepted and which were not, and whenever a factor is set up, changed or removed.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.journal = Journal::to(log);
        self
    }

    async fn changed(&self, subject: &str, reason: &'static str) -> Result<(), Error> {
        self.journal.note(subject, "factor:change", format!("account {subject}"), Decision::Changed, reason).await
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + Clone) -> Self {
        self.records.set_clock(clock.clone());
        self.throttle = self.throttle.with_clock(clock);
        self
    }

    /// Makes a new secret for the user of `principal`; it counts once [`confirm`](Self::confirm) has seen its first
    /// code, and replaces the one before. `account` is what authenticator apps show beside the issuer.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// A secret may be stored that counts for nothing.
    pub async fn enrol(
        &self,
        principal: &Principal,
        account: &str,
    ) -> Result<Result<Enrolment, EnrolmentRefusal>, Error> {
        if let Err(refusal) = self.may_change(principal).await? {
            return Ok(Err(refusal));
        }
        let mut secret = vec![0u8; self.params.algorithm().secret_bytes()];
        random::fill(&mut secret)?;
        let sealed = STANDARD.encode(sealed::seal(&self.key, principal.subject(), &secret)?);
        self.records
            .update(&pending(principal.subject()), |_: Option<Stored>, now| {
                let (sealed, params) = (sealed.clone(), self.params);
                Ok(Change::Put(Stored { v: 1, sealed, params, last_step: 0, recovery: Vec::new() }, now + PENDING, ()))
            })
            .await?;
        let text = BASE32_NOPAD.encode(&secret);
        let label = format!("{}:{}", percent(&self.issuer), percent(account));
        let uri = format!(
            "otpauth://totp/{label}?secret={text}&issuer={}&algorithm={}&digits={}&period={}",
            percent(&self.issuer),
            self.params.algorithm().as_str(),
            self.params.digits(),
            self.params.step_seconds(),
        );
        Ok(Ok(Enrolment { secret: text.into(), uri: uri.into() }))
    }

    /// Makes the new secret count, if the code is its current one. The recovery codes are shown once; those of the
    /// secret before are void.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The new secret may count, with recovery codes that nobody has seen; renew them.
    pub async fn confirm(
        &self,
        principal: &Principal,
        code: &SecretString,
    ) -> Result<Result<RecoveryCodes, EnrolmentRefusal>, Error> {
        let subject = principal.subject();
        if let Err(refusal) = self.may_change(principal).await? {
            return Ok(Err(refusal));
        }
        let attempt = match self.throttle.admit(WHAT, subject, None).await? {
            Admission::Admitted(attempt) => attempt,
            Admission::Throttled { retry_after } => {
                return Ok(Err(EnrolmentRefusal::Code(FactorRefusal::Throttled { retry_after })));
            }
        };
        let wrong = Ok(Err(EnrolmentRefusal::Code(FactorRefusal::WrongCode)));
        let Some(new) = self.records.read::<Stored>(&pending(subject)).await? else { return wrong };
        let Some(step) = self.matching(&new, subject, code)? else { return wrong };
        let codes = RecoveryCodes::generate(self.recovery_codes)?;
        let recovery = codes.hashes(&self.key, subject);
        self.records
            .update(&active(subject), |_: Option<Stored>, now| {
                let (sealed, recovery) = (new.sealed.clone(), recovery.clone());
                let stored = Stored { v: 1, sealed, params: new.params, last_step: step, recovery };
                Ok(Change::Put(stored, now + KEPT, ()))
            })
            .await?;
        self.records.update(&pending(subject), |_: Option<Stored>, _| Ok(Change::Remove(()))).await?;
        self.throttle.succeeded(attempt).await?;
        telemetry::factor_checked("totp", "enrolled");
        self.changed(subject, "enrolled").await?;
        Ok(Ok(codes))
    }

    /// Makes new recovery codes; the old ones are void. `None` if nothing is set up.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The old codes may be void without anybody having seen the new ones; renew them again.
    pub async fn renew_recovery_codes(
        &self,
        principal: &Principal,
    ) -> Result<Result<Option<RecoveryCodes>, EnrolmentRefusal>, Error> {
        if let Err(refusal) = self.may_change(principal).await? {
            return Ok(Err(refusal));
        }
        let codes = RecoveryCodes::generate(self.recovery_codes)?;
        let recovery = codes.hashes(&self.key, principal.subject());
        let key = active(principal.subject());
        let found = self.records.update(&key, |found: Option<Stored>, now| {
            Ok(match found {
                None => Change::Keep(false),
                Some(stored) => Change::Put(Stored { recovery: recovery.clone(), ..stored }, now + KEPT, true),
            })
        });
        let renewed = found.await?;
        if renewed {
            self.changed(principal.subject(), "recovery_codes_renewed").await?;
        }
        Ok(Ok(renewed.then_some(codes)))
    }

    /// How many recovery codes are left; `None` if nothing is set up.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn recovery_codes_left(&self, subject: &str) -> Result<Option<usize>, Error> {
        Ok(self.records.read::<Stored>(&active(subject)).await?.map(|stored| stored.recovery.len()))
    }

    /// Removes the factor of the principal.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The factor may or may not have been removed; repeating it is harmless.
    pub async fn disable(&self, principal: &Principal) -> Result<Result<(), EnrolmentRefusal>, Error> {
        match self.may_change(principal).await? {
            Ok(()) => self.reset(principal.subject()).await.map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Removes somebody's factor without asking for a proof: for administrators who have convinced themselves otherwise
    /// who is calling.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The factor may or may not have been removed; repeating it is harmless.
    pub async fn reset(&self, subject: &str) -> Result<(), Error> {
        for key in [pending(subject), active(subject)] {
            self.records.update(&key, |_: Option<Stored>, _| Ok(Change::Remove(()))).await?;
        }
        self.changed(subject, "removed").await
    }

    async fn may_change(&self, principal: &Principal) -> Result<Result<(), EnrolmentRefusal>, Error> {
        let enrolled = self.is_enrolled(principal.subject()).await?;
        let within = if enrolled { FRESH } else { FRESH_LOGIN };
        let strong = !enrolled || principal.methods().contains(&AuthMethod::MultiFactor);
        // Tokens have whole seconds, so a proof may seem to lie a moment ahead.
        let recent = |at: SystemTime| match self.records.now().duration_since(at) {
            Ok(age) => age <= within,
            Err(ahead) => ahead.duration() <= Duration::from_secs(1),
        };
        let fresh = strong && principal.authenticated_at().is_some_and(recent);
        Ok(if fresh { Ok(()) } else { Err(EnrolmentRefusal::StepUpRequired { within }) })
    }

    fn matching(&self, stored: &Stored, subject: &str, code: &SecretString) -> Result<Option<u64>, Error> {
        let sealed = STANDARD.decode(&stored.sealed).unwrap_or_default();
        let secret = sealed::open(&self.key, subject, &sealed)?;
        let step = stored.params.step_at(unix_seconds(self.records.now()));
        let steps = step.saturating_sub(self.skew)..=step.saturating_add(self.skew);
        Ok(stored.params.matching_step(secret.expose_secret(), steps, &typed_digits(code)))
    }

    fn judge(
        &self,
        subject: &str,
        code: &SecretString,
        found: Option<Stored>,
        now: SystemTime,
    ) -> Result<Change<Stored, Result<AuthMethod, FactorRefusal>>, Error> {
        let Some(stored) = found else { return Ok(Change::Keep(Err(FactorRefusal::WrongCode))) };
        if let Some(step) = self.matching(&stored, subject, code)? {
            if step <= stored.last_step {
                return Ok(Change::Keep(Err(FactorRefusal::Replayed)));
            }
            let stored = Stored { last_step: step, ..stored };
            return Ok(Change::Put(stored, now + KEPT, Ok(AuthMethod::OneTimeCode)));
        }
        match recovery::position(&self.key, subject, code.expose_secret(), &stored.recovery) {
            None => Ok(Change::Keep(Err(FactorRefusal::WrongCode))),
            Some(at) => {
                let mut stored = stored;
                stored.recovery.remove(at);
                Ok(Change::Put(stored, now + KEPT, Ok(AuthMethod::RecoveryCode)))
            }
        }
    }
}

#[async_trait]
impl SecondFactor for Totp {
    async fn is_enrolled(&self, subject: &str) -> Result<bool, Error> {
        Ok(self.records.read::<Stored>(&active(subject)).await?.is_some())
    }

    async fn check(&self, subject: &str, code: &SecretString) -> Result<FactorCheck, Error> {
        let attempt = match self.throttle.admit(WHAT, subject, None).await? {
            Admission::Admitted(attempt) => attempt,
            Admission::Throttled { retry_after } => {
                telemetry::factor_checked("totp", "account_throttled");
                let refusal = FactorRefusal::Throttled { retry_after };
                self.journal.judged("", "factor:check", format!("account {subject}"), Some(refusal.code())).await?;
                return Ok(FactorCheck::Refused(refusal));
            }
        };
        let judged = self.records.update(&active(subject), |found, now| self.judge(subject, code, found, now)).await?;
        telemetry::factor_checked("totp", judged.as_ref().map_or_else(|refusal| refusal.code(), |_| "accepted"));
        let (who, refusal) = match &judged {
            Ok(_) => (subject, None),
            Err(refusal) => ("", Some(refusal.code())),
        };
        self.journal.judged(who, "factor:check", format!("account {subject}"), refusal).await?;
        match judged {
            Ok(method) => {
                // The code is right and used up; that the count stays is an inconvenience.
                if let Err(error) = self.throttle.succeeded(attempt).await {
                    tracing::warn!(target: "nebula_auth", %error, "an attempt could not be taken back");
                }
                Ok(FactorCheck::Accepted(FactorProof::new(subject, method)))
            }
            Err(refusal) => Ok(FactorCheck::Refused(refusal)),
        }
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("store", &self.records).field("params", &self.params).finish_non_exhaustive()
    }
}

/// Apps show codes in groups.
fn typed_digits(code: &SecretString) -> String {
    code.expose_secret().chars().filter(|letter| !letter.is_whitespace()).collect()
}

fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
