//! What goes into a session.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};

use crate::{error::Error, token::AuthMethod};

/// A hash of whatever the application can observe about a device: a cookie of its own, the user agent, and the like.
///
/// Anybody can copy these, so a fingerprint proves nothing; one that *differs* is a reason for suspicion.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceFingerprint([u8; 32]);

impl DeviceFingerprint {
    /// Hashes the observed features.
    #[must_use]
    pub fn of(features: impl AsRef<[u8]>) -> Self {
        let mut bytes = [0u8; 32];
        bytes.copy_from_slice(digest(&SHA256, features.as_ref()).as_ref());
        Self(bytes)
    }

    /// A stored fingerprint.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DeviceFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceFingerprint({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A session about to be started. Its id is always chosen by the service, never taken from the request.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewSession {
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) methods: Vec<AuthMethod>,
    pub(crate) label: Option<String>,
    pub(crate) device: Option<DeviceFingerprint>,
    pub(crate) permission_version: Option<u64>,
    pub(crate) lifetime: Option<Duration>,
}

impl NewSession {
    /// A session of that user, who has just proven who they are.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            scopes: Vec::new(),
            methods: Vec::new(),
            label: None,
            device: None,
            permission_version: None,
            lifetime: None,
        }
    }

    /// Limits the session's tokens to these scopes; a refresh can only narrow them.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// How the user proved who they are.
    pub fn methods(mut self, methods: impl IntoIterator<Item = AuthMethod>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// What to call the session in the user's list ("Firefox on Linux"); cut after 200 characters.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The device that logs in.
    pub const fn device(mut self, device: DeviceFingerprint) -> Self {
        self.device = Some(device);
        self
    }

    /// The current version of the user's permissions, for the first access token.
    pub const fn permission_version(mut self, version: u64) -> Self {
        self.permission_version = Some(version);
        self
    }

    /// Ends the session earlier than the service's default (a login without "keep me signed in").
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

/// What comes with a refresh token.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct RefreshOptions {
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) device: Option<DeviceFingerprint>,
}

impl RefreshOptions {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for an access token with fewer scopes than the session has (RFC 6749, 6).
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The device that asks.
    pub const fn device(mut self, device: DeviceFingerprint) -> Self {
        self.device = Some(device);
        self
    }
}

/// What the application knows about a user at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectState {
    /// The user may go on.
    Active {
        /// The current version of their permissions.
        permission_version: Option<u64>,
    },
    /// The user was deleted or disabled.
    Inactive,
}

/// Asked at every refresh whether the user still exists, so that a disabled account cannot live on by refreshing.
#[async_trait]
pub trait SubjectDirectory: fmt::Debug + Send + Sync + 'static {
    /// The present state of that user.
    ///
    /// # Errors
    /// When it cannot be found out; nothing is refreshed then.
    ///
    /// # Cancel safety
    /// Implementations only read, so dropping the future has no effect.
    async fn state(&self, subject: &str) -> Result<SubjectState, Error>;
}
