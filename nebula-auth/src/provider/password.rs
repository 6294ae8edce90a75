//! Login with a password.

use std::fmt;

use async_trait::async_trait;

use super::{Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials, credentials::Authenticated};
use crate::{
    audit::{AuditLog, Journal, fingerprint},
    error::{Error, ErrorKind},
    password::{PasswordHash, PasswordHasher, Verified},
    telemetry,
    throttle::{Admission, Source, Throttle},
    token::AuthMethod,
};

/// Longer names are nobody's.
const MAX_IDENTIFIER_BYTES: usize = 320;

/// A stored account.
#[derive(Debug, Clone)]
pub struct PasswordAccount {
    /// The stable id.
    pub subject: String,
    /// The stored hash.
    pub hash: PasswordHash,
    /// Whether the account may be used.
    pub active: bool,
    /// The version of its permissions, if the application keeps one.
    pub permission_version: Option<u64>,
}

/// Where the application keeps its accounts.
///
/// # Contract
/// - `find` gets the canonical form of the name: trimmed and in lower case. Keep a unique index on that form, with a
///   collation that does not fold further.
/// - `replace_hash` writes `new` only where `old` is still stored, so that it never undoes a password change.
#[async_trait]
pub trait PasswordAccounts: fmt::Debug + Send + Sync + 'static {
    /// The account of that name.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    ///
    /// # Cancel safety
    /// Implementations only read, so dropping the future has no effect.
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error>;

    /// Replaces an outdated hash after a successful login.
    ///
    /// # Errors
    /// When the account cannot be written; the login succeeds all the same.
    ///
    /// # Cancel safety
    /// The hash may or may not have been replaced; both verify.
    async fn replace_hash(&self, subject: &str, old: &PasswordHash, new: &PasswordHash) -> Result<(), Error>;
}

/// Checks names and passwords, upgrades outdated hashes, and takes as long for users who do not exist.
#[derive(Debug, Clone)]
pub struct PasswordProvider<A> {
    hasher: PasswordHasher,
    accounts: A,
    throttle: Option<Throttle>,
    journal: Journal,
}

impl<A: PasswordAccounts> PasswordProvider<A> {
    /// A provider for these accounts.
    #[must_use]
    pub fn new(hasher: PasswordHasher, accounts: A) -> Self {
        Self { hasher, accounts, throttle: None, journal: Journal::default() }
    }

    /// Slows guessing down, for each account and for each source. Names that nobody has are slowed down like others.
    #[must_use]
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Writes every login to that log: who got in, and on which account somebody did not, and why. A name that nobody has, or
    /// that is turned away before anybody looks, stands there as a fingerprint only: people type passwords into the wrong
    /// field. A login that cannot be written down is none.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.journal = Journal::to(log);
        self
    }

    async fn note(&self, identifier: &str, subject: Option<&str>, outcome: &Authentication) -> Result<(), Error> {
        const WHAT: &str = "login:password";
        let named = || {
            let name = canonical(identifier);
            format!("name {}", fingerprint(name.as_deref().unwrap_or(identifier)))
        };
        match outcome {
            Authentication::Authenticated(who) => {
                self.journal.judged(&who.subject, WHAT, format!("account {}", who.subject), None).await
            }
            Authentication::Refused(refusal) => {
                let on = subject.map_or_else(named, |subject| format!("account {subject}, {}", named()));
                self.journal.judged("", WHAT, on, Some(refusal.code())).await
            }
            _ => Ok(()),
        }
    }

    async fn admitted(
        &self,
        found: &mut Option<String>,
        identifier: &str,
        password: &secrecy::SecretString,
        source: Option<&Source>,
    ) -> Result<Authentication, Error> {
        let canonical = canonical(identifier);
        let Some(throttle) = &self.throttle else { return self.check(found, canonical.as_deref(), password).await };
        let account = canonical.as_deref().unwrap_or(identifier);
        let attempt = match throttle.admit("password", account, source).await? {
            Admission::Admitted(attempt) => attempt,
            Admission::Throttled { retry_after } => {
                return Ok(Authentication::Refused(AuthenticationRefusal::Locked { retry_after }));
            }
        };
        let outcome = self.check(found, canonical.as_deref(), password).await;
        let noted = match &outcome {
            Ok(Authentication::Refused(AuthenticationRefusal::BadCredentials)) => Ok(()),
            Ok(_) => throttle.succeeded(attempt).await,
            Err(_) => throttle.withdraw(attempt).await,
        };
        if let Err(error) = noted {
            // Who is right is let in; the attempt counts as failed until it is forgotten.
            tracing::warn!(target: "nebula_auth", %error, "an attempt could not be taken back");
        }
        outcome
    }

    async fn check(
        &self,
        found: &mut Option<String>,
        canonical: Option<&str>,
        password: &secrecy::SecretString,
    ) -> Result<Authentication, Error> {
        let account = match canonical {
            Some(identifier) => self.accounts.find(identifier).await?,
            None => None,
        };
        let Some(account) = account else {
            let _ = self.hasher.verify_unknown_user(password.clone()).await?;
            return Ok(Authentication::Refused(AuthenticationRefusal::BadCredentials));
        };
        *found = Some(account.subject.clone());
        match self.hasher.verify(password.clone(), &account.hash).await? {
            Verified::NoMatch => return Ok(Authentication::Refused(AuthenticationRefusal::BadCredentials)),
            Verified::Match => {}
            Verified::MatchNeedsRehash(new) => {
                if let Err(error) = self.accounts.replace_hash(&account.subject, &account.hash, &new).await {
                    // The user is who they say; the upgrade is tried again at the next login.
                    tracing::warn!(target: "nebula_auth", %error, "an outdated password hash could not be replaced");
                }
            }
        }
        // Only who knows the password learns that the account is closed.
        if !account.active {
            return Ok(Authentication::Refused(AuthenticationRefusal::AccountInactive));
        }
        let mut who = Authenticated::new(account.subject, AuthMethod::Password);
        who.permission_version = account.permission_version;
        Ok(Authentication::Authenticated(who))
    }
}

#[async_trait]
impl<A: PasswordAccounts> AuthenticationProvider for PasswordProvider<A> {
    /// # Cancel safety
    /// Safe; a hash that has begun runs to its end on its thread.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error> {
        let Credentials::Password { identifier, password, source } = credentials else {
            return Ok(Authentication::Unsupported);
        };
        let mut found = None;
        let mut outcome = self.admitted(&mut found, identifier, password, source.as_ref()).await;
        if self.journal.is_kept()
            && let Ok(done) = &outcome
            && let Err(error) = self.note(identifier, found.as_deref(), done).await
        {
            outcome = Err(error);
        }
        telemetry::login(match &outcome {
            Ok(Authentication::Authenticated(_)) => "authenticated",
            Ok(Authentication::Refused(refusal)) => refusal.code(),
            Ok(_) => "unsupported",
            Err(error) if error.kind() == ErrorKind::Busy => "busy",
            Err(_) => "error",
        });
        outcome
    }
}

/// Trimmed and in lower case; nothing for names that cannot be anybody's, control characters included.
fn canonical(identifier: &str) -> Option<String> {
    let name = identifier.trim();
    let fine = (1..=MAX_IDENTIFIER_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
    fine.then(|| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug)]
    struct OnlyAnn(PasswordHash);

    #[async_trait]
    impl PasswordAccounts for OnlyAnn {
        async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
            Ok((identifier == "ann").then(|| PasswordAccount {
                subject: "1".to_owned(),
                hash: self.0.clone(),
                active: true,
                permission_version: None,
            }))
        }

        async fn replace_hash(&self, _: &str, _: &PasswordHash, _: &PasswordHash) -> Result<(), Error> {
            Ok(())
        }
    }

    /// Where a hash is computed, a full queue is felt: so it must be for names that are known, unknown or impossible.
    #[tokio::test]
    async fn unknown_names_go_through_the_same_work() {
        let hasher = PasswordHasher::new().with_max_concurrent(1).with_queue_deadline(Duration::ZERO);
        let hash = hasher.hash("correct horse battery staple".into()).await.unwrap().into_result().unwrap();
        let provider = PasswordProvider::new(hasher.clone(), OnlyAnn(hash));
        let _occupied = hasher.occupy().await;
        for name in ["ann", "nobody", "no\nbody", "", "  "] {
            for password in ["guess".to_owned(), "x".repeat(5000)] {
                let error = provider.authenticate(&Credentials::password(name, password)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Busy, "{name:?}");
            }
        }
    }
}
