//! What is presented, and what came of it.

use std::{fmt, time::Duration};

use secrecy::SecretString;

use crate::{mfa::FactorRefusal, throttle::Source, token::AuthMethod};

/// What somebody presents to prove who they are. Secrets are hidden in `Debug`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// A name (user name, e-mail address, phone number) and a password.
    Password {
        /// As typed; the provider brings it into canonical form.
        identifier: String,
        /// As typed.
        password: SecretString,
        /// Where it comes from, if the application can tell: attempts are counted for each source, too.
        source: Option<Source>,
    },
    /// A one-time code for a [`SecondFactorChallenge`].
    OneTimeCode {
        /// The challenge.
        challenge: SecretString,
        /// The code.
        code: SecretString,
    },
    /// The answer of another identity provider (OAuth 2.0 authorization code).
    AuthorizationCode {
        /// Which provider.
        issuer: String,
        /// The `state` that came back.
        state: String,
        /// The code.
        code: SecretString,
    },
}

impl Credentials {
    /// A name and a password.
    pub fn password(identifier: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self::Password { identifier: identifier.into(), password: password.into(), source: None }
    }

    /// The answer to a [`SecondFactorChallenge`].
    pub fn one_time_code(challenge: impl Into<SecretString>, code: impl Into<SecretString>) -> Self {
        Self::OneTimeCode { challenge: challenge.into(), code: code.into() }
    }

    /// The same, from there. One-time codes are counted by account alone.
    #[must_use]
    pub fn from_source(mut self, from: impl Into<Source>) -> Self {
        if let Self::Password { source, .. } = &mut self {
            *source = Some(from.into());
        }
        self
    }
}

/// Somebody who has proven who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authenticated {
    /// Their stable id.
    pub subject: String,
    /// How they proved it.
    pub methods: Vec<AuthMethod>,
    /// The version of their permissions, if the provider knows it.
    pub permission_version: Option<u64>,
}

impl Authenticated {
    /// The subject with that id, by that method.
    #[must_use]
    pub fn new(subject: impl Into<String>, method: AuthMethod) -> Self {
        Self { subject: subject.into(), methods: vec![method], permission_version: None }
    }
}

/// Why credentials did not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationRefusal {
    /// Unknown subject or wrong secret; deliberately not told apart.
    BadCredentials,
    /// The credentials are right, but the account may not be used.
    AccountInactive,
    /// Too many failures; try again later.
    Locked {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Right so far, but another factor is needed, and none is set up.
    SecondFactorRequired,
    /// Right so far, but the second factor was not.
    SecondFactor(FactorRefusal),
}

impl AuthenticationRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadCredentials => "bad_credentials",
            Self::AccountInactive => "user_not_active",
            Self::Locked { .. } => "account_locked",
            Self::SecondFactorRequired => "second_factor_required",
            Self::SecondFactor(refusal) => refusal.code(),
        }
    }
}

impl fmt::Display for AuthenticationRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadCredentials => "the name or the password is wrong",
            Self::AccountInactive => "the account is not active",
            Self::Locked { .. } => "too many failed attempts; try again later",
            Self::SecondFactorRequired => "another factor is needed",
            Self::SecondFactor(refusal) => return refusal.fmt(f),
        })
    }
}

impl std::error::Error for AuthenticationRefusal {}

/// What the second factor is an answer to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SecondFactorChallenge {
    /// To be sent back with the code ([`Credentials::OneTimeCode`]); whoever has it is right so far.
    pub challenge: SecretString,
    /// How long it can be answered.
    pub expires_in: Duration,
}

/// By its text.
impl PartialEq for SecondFactorChallenge {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        self.challenge.expose_secret() == other.challenge.expose_secret() && self.expires_in == other.expires_in
    }
}

impl Eq for SecondFactorChallenge {}

/// What a provider found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication {
    /// The credentials are right.
    Authenticated(Authenticated),
    /// They are right so far; a second factor has to follow.
    SecondFactor(SecondFactorChallenge),
    /// They are not, or do not suffice.
    Refused(AuthenticationRefusal),
    /// The provider does not handle this kind of credentials.
    Unsupported,
}
