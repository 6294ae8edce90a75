//! What is presented, and what came of it.

use std::{fmt, time::Duration};

use secrecy::SecretString;

use crate::token::AuthMethod;

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
    },
    /// A one-time code for a challenge that was issued before.
    OneTimeCode {
        /// The challenge.
        challenge: String,
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
        Self::Password { identifier: identifier.into(), password: password.into() }
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
    /// Right so far, but another factor is needed.
    SecondFactorRequired,
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
        })
    }
}

impl std::error::Error for AuthenticationRefusal {}

/// What a provider found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication {
    /// The credentials are right.
    Authenticated(Authenticated),
    /// They are not, or do not suffice.
    Refused(AuthenticationRefusal),
    /// The provider does not handle this kind of credentials.
    Unsupported,
}
