//! A login that asks for a second factor.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{FactorCheck, FactorRefusal, SecondFactor};
use crate::{
    audit::{AuditLog, Journal},
    clock::Clock,
    error::Error,
    proof::{Change, ProofKey, ProofStore, Records},
    provider::{
        AuthenticatedSubject, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials,
        SecondFactorChallenge,
    },
    random, telemetry,
    token::AuthMethod,
};

/// How long somebody has to find their phone.
const EXPIRATION: Duration = Duration::from_mins(5);
const ATTEMPTS: u32 = 5;

/// Asks those who have set up a second factor for it, after another provider has found that they are right so far.
///
/// The first answer is then [`Authentication::SecondFactor`] with a challenge; the second call presents it with a code
/// ([`Credentials::OneTimeCode`]). A challenge lasts five minutes and five codes, and counts them before they are
/// compared; the factor counts for each user as well, so that new challenges win nothing.
#[derive(Clone)]
pub struct MfaProvider {
    inner: Arc<dyn AuthenticationProvider>,
    factor: Arc<dyn SecondFactor>,
    records: Records,
    required: bool,
    journal: Journal,
}

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Version of this layout.
    v: u8,
    subject: String,
    methods: Vec<String>,
    permission_version: Option<u64>,
    attempts: u32,
    ends_ms: i64,
}

fn key_of(challenge: &str) -> ProofKey {
    ProofKey::of("challenge", &[challenge])
}

impl MfaProvider {
    /// Asks for that factor after that provider. Who has not set it up is let in without.
    #[must_use]
    pub fn new(inner: impl AuthenticationProvider, factor: impl SecondFactor, store: impl ProofStore) -> Self {
        Self {
            inner: Arc::new(inner),
            factor: Arc::new(factor),
            records: Records::new(store),
            required: false,
            journal: Journal::default(),
        }
    }

    /// Refuses those who have not set it up ([`AuthenticationRefusal::SecondFactorRequired`]).
    #[must_use]
    pub const fn with_required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    /// Writes to that log what became of second factors at logins. What cannot be written down lets nobody in.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.journal = Journal::to(log);
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.records.set_clock(clock);
        self
    }

    async fn challenge(&self, who: AuthenticatedSubject) -> Result<Authentication, Error> {
        if !self.factor.is_enrolled(&who.subject).await? {
            return Ok(match self.required {
                true => Authentication::Refused(AuthenticationRefusal::SecondFactorRequired),
                false => Authentication::Authenticated(who),
            });
        }
        let id = random::secret_id()?;
        let methods: Vec<String> = who.methods.iter().map(|method| method.as_str().to_owned()).collect();
        self.records
            .update(&key_of(&id), |_: Option<Stored>, now| {
                let end = now + EXPIRATION;
                let stored = Stored {
                    v: 1,
                    subject: who.subject.clone(),
                    methods: methods.clone(),
                    permission_version: who.permission_version,
                    attempts: 0,
                    ends_ms: crate::clock::unix_millis(end),
                };
                Ok(Change::Put(stored, end, ()))
            })
            .await?;
        Ok(Authentication::SecondFactor(SecondFactorChallenge { challenge: id.into(), expires_in: EXPIRATION }))
    }

    async fn answer(&self, whose: &mut String, challenge: &str, code: &SecretString) -> Result<Authentication, Error> {
        let key = key_of(challenge);
        let refused = |refusal| Ok(Authentication::Refused(AuthenticationRefusal::SecondFactor(refusal)));
        // Counted first: whatever happens later, this was an attempt.
        let counted = self.records.update(&key, |found: Option<Stored>, _| {
            let Some(stored) = found else { return Ok(Change::Keep(Err(FactorRefusal::WrongCode))) };
            if stored.attempts >= ATTEMPTS {
                return Ok(Change::Keep(Err(FactorRefusal::Exhausted)));
            }
            let (subject, end) = (stored.subject.clone(), crate::clock::from_unix_millis(stored.ends_ms));
            Ok(Change::Put(Stored { attempts: stored.attempts + 1, ..stored }, end, Ok(subject)))
        });
        let subject = match counted.await? {
            Ok(subject) => subject,
            Err(refusal) => return refused(refusal),
        };
        whose.clone_from(&subject);
        let proof = match self.factor.check(&subject, code).await? {
            FactorCheck::Accepted(proof) => proof,
            FactorCheck::Refused(refusal) => return refused(refusal),
        };
        // A challenge lets in once.
        let taken = self.records.update(&key, |found: Option<Stored>, _| {
            Ok(match found {
                Some(stored) => Change::Remove(Some(stored)),
                None => Change::Keep(None),
            })
        });
        let Some(stored) = taken.await? else { return refused(FactorRefusal::WrongCode) };
        let mut methods: Vec<AuthMethod> = stored.methods.iter().map(|name| AuthMethod::from(name.as_str())).collect();
        methods.extend([proof.method().clone(), AuthMethod::MultiFactor]);
        let mut who = AuthenticatedSubject::new(stored.subject, AuthMethod::MultiFactor);
        (who.methods, who.permission_version) = (methods, stored.permission_version);
        Ok(Authentication::Authenticated(who))
    }
}

#[async_trait]
impl AuthenticationProvider for MfaProvider {
    /// # Cancel safety
    /// An attempt may have been counted, and a code used up.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error> {
        if let Credentials::OneTimeCode { challenge, code } = credentials {
            let mut whose = String::new();
            let mut outcome = self.answer(&mut whose, challenge.expose_secret(), code).await;
            if let Ok(done) = &outcome {
                let refusal = match done {
                    Authentication::Refused(refusal) => Some(refusal.code()),
                    _ => None,
                };
                let on = if whose.is_empty() { String::new() } else { format!("account {whose}") };
                let who = if refusal.is_some() { "" } else { whose.as_str() };
                if let Err(error) = self.journal.judged(who, "login:second-factor", on, refusal).await {
                    outcome = Err(error);
                }
            }
            telemetry::login(match &outcome {
                Ok(Authentication::Refused(refusal)) => refusal.code(),
                Ok(_) => "second_factor_accepted",
                Err(_) => "error",
            });
            return outcome;
        }
        match self.inner.authenticate(credentials).await? {
            Authentication::Authenticated(who) => {
                let subject = who.subject.clone();
                let outcome = self.challenge(who).await?;
                if let Authentication::Refused(refusal) = &outcome {
                    let on = format!("account {subject}");
                    self.journal.judged("", "login:second-factor", on, Some(refusal.code())).await?;
                }
                Ok(outcome)
            }
            other => Ok(other),
        }
    }
}

impl fmt::Debug for MfaProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MfaProvider")
            .field("inner", &self.inner)
            .field("factor", &self.factor)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}
