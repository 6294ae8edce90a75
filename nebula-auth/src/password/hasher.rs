//! The handle for passwords.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Argon2Params, BreachList, PasswordHash, PasswordPolicy, PasswordRefusal, gate::Gate, hash::Parsed};
use crate::error::Error;

const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// What became of a new password.
#[derive(Debug, Clone)]
pub enum Hashed {
    /// Store this.
    Hash(PasswordHash),
    /// The password may not be used.
    Refused(PasswordRefusal),
}

impl Hashed {
    /// The hash of an accepted password.
    ///
    /// # Errors
    /// The reason, for a refused one.
    pub fn into_result(self) -> Result<PasswordHash, PasswordRefusal> {
        match self {
            Self::Hash(hash) => Ok(hash),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// Whether a password is the right one.
#[derive(Debug, Clone)]
#[must_use]
pub enum Verified {
    /// It is.
    Match,
    /// It is, and the stored hash is outdated: replace it with this one.
    MatchNeedsRehash(PasswordHash),
    /// It is not.
    NoMatch,
}

impl Verified {
    /// Whether the password is the right one.
    #[must_use]
    pub const fn is_match(&self) -> bool {
        !matches!(self, Self::NoMatch)
    }
}

/// Hashes and verifies passwords with argon2id on blocking threads, a bounded number at a time.
///
/// ```
/// use nebula_auth::{PasswordHasher, Verified, secrecy::SecretString};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let passwords = PasswordHasher::new();
/// let hash = passwords.hash(SecretString::from("correct horse battery staple")).await?.into_result()?;
///
/// let verified = passwords.verify(SecretString::from("correct horse battery staple"), &hash).await?;
/// assert!(matches!(verified, Verified::Match));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    params: Argon2Params,
    policy: PasswordPolicy,
    breach_list: Option<Arc<dyn BreachList>>,
    gate: Gate,
    concurrent: usize,
    deadline: Duration,
}

impl PasswordHasher {
    /// OWASP's parameters, 8 to 1024 characters, as many hashes at once as there are cores, and five seconds of
    /// waiting before [`ErrorKind::Busy`](crate::ErrorKind::Busy).
    #[must_use]
    pub fn new() -> Self {
        let concurrent = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            params: Argon2Params::default(),
            policy: PasswordPolicy::default(),
            breach_list: None,
            gate: Gate::new(concurrent, DEFAULT_DEADLINE),
            concurrent,
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// The cost of new hashes. Hashes of another cost still verify, and are then renewed.
    #[must_use]
    pub const fn with_params(mut self, params: Argon2Params) -> Self {
        self.params = params;
        self
    }

    /// The rules for new passwords.
    #[must_use]
    pub const fn with_policy(mut self, policy: PasswordPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Refuses new passwords that are on the list.
    #[must_use]
    pub fn with_breach_list(mut self, list: impl BreachList) -> Self {
        self.breach_list = Some(Arc::new(list));
        self
    }

    /// How many hashes may run at once (at least one). Their memory adds up.
    #[must_use]
    pub fn with_max_concurrent(mut self, concurrent: usize) -> Self {
        self.concurrent = concurrent;
        self.gate = Gate::new(self.concurrent, self.deadline);
        self
    }

    /// How long a call waits for its turn before it fails as busy.
    #[must_use]
    pub fn with_queue_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self.gate = Gate::new(self.concurrent, self.deadline);
        self
    }

    /// The cost of new hashes.
    #[must_use]
    pub const fn params(&self) -> Argon2Params {
        self.params
    }

    /// The rules for new passwords.
    #[must_use]
    pub const fn policy(&self) -> PasswordPolicy {
        self.policy
    }

    /// Checks a new password and hashes it.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) after the queue deadline; the error of the breach list;
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) without random numbers.
    ///
    /// # Cancel safety
    /// Safe: nothing is kept. A hash that has begun runs to its end on its thread.
    pub async fn hash(&self, password: SecretString) -> Result<Hashed, Error> {
        if let Err(refusal) = self.policy.check(password.expose_secret()) {
            return Ok(Hashed::Refused(refusal));
        }
        if let Some(list) = &self.breach_list
            && list.contains(&password).await?
        {
            return Ok(Hashed::Refused(PasswordRefusal::Breached));
        }
        let params = self.params;
        self.gate.run("hash", move || params.hash(password.expose_secret().as_bytes())).await.map(Hashed::Hash)
    }

    /// Compares a password with a stored hash.
    ///
    /// The policy does not apply here: passwords set under older rules still work. Input above 1024 bytes costs as
    /// much as any other and never matches.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) after the queue deadline;
    /// [`ErrorKind::InvalidHash`](crate::ErrorKind::InvalidHash) for a stored hash that cannot be used.
    ///
    /// # Cancel safety
    /// Safe: nothing is kept. A hash that has begun runs to its end on its thread.
    pub async fn verify(&self, password: SecretString, stored: &PasswordHash) -> Result<Verified, Error> {
        let (params, stored) = (self.params, stored.clone());
        self.gate
            .run("verify", move || {
                let parsed = Parsed::new(stored.expose())?;
                let (input, fits) = bounded(&password);
                // The comparison runs whatever the length, so that time tells nothing.
                if !(parsed.matches(input)? & fits) {
                    return Ok(Verified::NoMatch);
                }
                if parsed.is_current(params) {
                    return Ok(Verified::Match);
                }
                params.hash(input).map(Verified::MatchNeedsRehash)
            })
            .await
    }

    /// Spends the time of [`verify`](Self::verify) where there is no such user, and answers
    /// [`NoMatch`](Verified::NoMatch), so that the response time does not tell which users exist.
    ///
    /// The cost is that of the current parameters. Users whose hashes are older than the last change of parameters
    /// can be told apart until they have logged in once.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) after the queue deadline, exactly as for known users.
    ///
    /// # Cancel safety
    /// Safe: nothing is kept.
    pub async fn verify_unknown_user(&self, password: SecretString) -> Result<Verified, Error> {
        let params = self.params;
        self.gate
            .run("verify", move || {
                let (input, _) = bounded(&password);
                params.hash(input)?;
                Ok(Verified::NoMatch)
            })
            .await
    }
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of the input that is looked at, and whether that is all of it.
fn bounded(password: &SecretString) -> (&[u8], bool) {
    let bytes = password.expose_secret().as_bytes();
    let fits = bytes.len() <= PasswordPolicy::MAX_BYTES_CEILING;
    (&bytes[..bytes.len().min(PasswordPolicy::MAX_BYTES_CEILING)], fits)
}

#[cfg(test)]
impl PasswordHasher {
    pub(crate) async fn occupy(&self) -> super::gate::Occupied {
        self.gate.occupy().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[tokio::test]
    async fn everybody_is_turned_away_beyond_the_limit_known_or_not() {
        let hasher = PasswordHasher::new().with_max_concurrent(1).with_queue_deadline(Duration::ZERO);
        let password = || SecretString::from("correct horse battery staple");
        let hash = hasher.hash(password()).await.unwrap().into_result().unwrap();
        let _occupied = hasher.occupy().await;
        let errors = [
            hasher.hash(password()).await.unwrap_err(),
            hasher.verify(password(), &hash).await.unwrap_err(),
            hasher.verify_unknown_user(password()).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind() == ErrorKind::Busy && error.is_retryable(), "{error:?}");
        }
        // What the policy refuses costs nothing and needs no place.
        assert!(matches!(hasher.hash("short".into()).await.unwrap(), Hashed::Refused(_)));
    }
}
