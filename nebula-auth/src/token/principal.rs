//! Who is asking.

use std::{fmt, time::SystemTime};

use super::claims::Claims;
use crate::clock::from_unix_seconds;

/// How somebody proved who they are (values of RFC 8176).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// A password.
    Password,
    /// A one-time code: time-based, by message or by mail.
    OneTimeCode,
    /// More than one factor.
    MultiFactor,
    /// Another identity provider vouched for them.
    Federated,
    /// One of the recovery codes that stand in for a lost second factor (a private value).
    RecoveryCode,
    /// Any other registered or private value.
    Other(String),
}

impl AuthMethod {
    /// The value as it stands in the `amr` claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Password => "pwd",
            Self::OneTimeCode => "otp",
            Self::MultiFactor => "mfa",
            Self::Federated => "fed",
            Self::RecoveryCode => "recovery",
            Self::Other(other) => other,
        }
    }
}

impl From<&str> for AuthMethod {
    fn from(value: &str) -> Self {
        match value {
            "pwd" => Self::Password,
            "otp" => Self::OneTimeCode,
            "mfa" => Self::MultiFactor,
            "fed" => Self::Federated,
            "recovery" => Self::RecoveryCode,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is asking, as proven by an access token.
///
/// It says *who*, never *what they may do*: authority comes from the application's store, so that a demotion takes
/// effect before the token expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    subject: String,
    session_id: Option<String>,
    token_id: String,
    issued_at: SystemTime,
    expires_at: SystemTime,
    permission_version: Option<u64>,
    scopes: Vec<String>,
    authenticated_at: Option<SystemTime>,
    methods: Vec<AuthMethod>,
}

impl Principal {
    /// `None` if a time cannot be represented; the checks before make that unreachable for accepted tokens.
    pub(crate) fn from_claims(claims: Claims) -> Option<Self> {
        Some(Self {
            scopes: claims.scopes(),
            methods: claims.amr.iter().map(|method| AuthMethod::from(method.as_str())).collect(),
            issued_at: from_unix_seconds(claims.iat)?,
            expires_at: from_unix_seconds(claims.exp)?,
            authenticated_at: claims.auth_time.and_then(from_unix_seconds),
            subject: claims.sub,
            session_id: claims.sid,
            token_id: claims.jti,
            permission_version: claims.pv,
        })
    }

    /// The user (or service) the token speaks for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The session the token belongs to; absent for tokens issued without one.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The id of this one token, for revocation and audit.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// When the token was issued.
    #[must_use]
    pub const fn issued_at(&self) -> SystemTime {
        self.issued_at
    }

    /// When the token ends.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// The version of the subject's permissions when the token was issued. A higher one in the store means that
    /// whatever was cached for the subject must be read again.
    #[must_use]
    pub const fn permission_version(&self) -> Option<u64> {
        self.permission_version
    }

    /// The OAuth scopes the token was limited to; empty means that it was not limited.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether that scope was granted by name.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// When the subject last proved who they are; later than the login after a step-up, earlier than
    /// [`issued_at`](Self::issued_at) after a refresh.
    #[must_use]
    pub const fn authenticated_at(&self) -> Option<SystemTime> {
        self.authenticated_at
    }

    /// How the subject proved who they are.
    #[must_use]
    pub fn methods(&self) -> &[AuthMethod] {
        &self.methods
    }
}

/// What an access token is to say.
///
/// ```
/// use nebula_auth::AccessGrant;
///
/// let grant = AccessGrant::new("10001").session("s-1").permission_version(7).scopes(["orders:read"]);
/// # let _ = grant;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct AccessGrant {
    pub(crate) subject: String,
    pub(crate) session_id: Option<String>,
    pub(crate) permission_version: Option<u64>,
    pub(crate) scopes: Vec<String>,
    pub(crate) authenticated_at: Option<SystemTime>,
    pub(crate) methods: Vec<AuthMethod>,
}

impl AccessGrant {
    /// A token for `subject`, the stable id of a user.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            session_id: None,
            permission_version: None,
            scopes: Vec::new(),
            authenticated_at: None,
            methods: Vec::new(),
        }
    }

    /// Binds the token to a session, so that ending the session ends the token.
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// The current version of the subject's permissions.
    pub const fn permission_version(mut self, version: u64) -> Self {
        self.permission_version = Some(version);
        self
    }

    /// Limits the token to these scopes.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// When and how the subject proved who they are.
    pub fn authenticated(mut self, at: SystemTime, methods: impl IntoIterator<Item = AuthMethod>) -> Self {
        self.authenticated_at = Some(at);
        self.methods = methods.into_iter().collect();
        self
    }

    /// Says nothing about when and how.
    pub(crate) fn unproven(mut self) -> Self {
        self.authenticated_at = None;
        self.methods.clear();
        self
    }
}
