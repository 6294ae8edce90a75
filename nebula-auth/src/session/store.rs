//! What a store of sessions must be able to do.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};

use super::DeviceFingerprint;
use crate::{error::Error, token::AuthMethod};

/// SHA-256 of the secret part of a refresh token: all that a store ever sees of it.
///
/// A plain hash suffices because the input is 256 random bits, not a password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(secret: &str) -> Self {
        let mut bytes = [0u8; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// A stored hash.
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

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

/// Why a session was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevokeReason {
    /// The user left.
    Logout,
    /// The user ended their other sessions.
    LogoutEverywhere,
    /// The password or another credential changed.
    CredentialsChanged,
    /// An administrator ended it, or the account was disabled.
    Administrator,
    /// A refresh token was used twice: somebody else may have it.
    Reuse,
}

impl RevokeReason {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutEverywhere => "logout_everywhere",
            Self::CredentialsChanged => "credentials_changed",
            Self::Administrator => "administrator",
            Self::Reuse => "reuse",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Logout, Self::LogoutEverywhere, Self::CredentialsChanged, Self::Administrator, Self::Reuse]
            .into_iter()
            .find(|reason| reason.as_str() == name)
    }
}

/// When and why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub reason: RevokeReason,
}

/// One login on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id; also the `sid` of its tokens.
    pub id: String,
    /// Whose session it is.
    pub subject: String,
    /// What its access tokens are limited to; empty means not limited.
    pub scopes: Vec<String>,
    /// How the user proved who they are.
    pub methods: Vec<AuthMethod>,
    /// What the user calls the device, for the list of their sessions.
    pub label: Option<String>,
    /// The device that logged in: a signal, never a proof.
    pub device: Option<DeviceFingerprint>,
    /// When the user proved who they are.
    pub authenticated_at: SystemTime,
    /// When it began.
    pub created_at: SystemTime,
    /// When its refresh token was last exchanged.
    pub refreshed_at: SystemTime,
    /// When it ends, however often it is refreshed.
    pub expires_at: SystemTime,
    /// Set if it was ended before.
    pub revoked: Option<Revocation>,
}

impl Session {
    /// Whether the session can still be used at that time.
    #[must_use]
    pub fn is_live(&self, now: SystemTime) -> bool {
        self.revoked.is_none() && now < self.expires_at
    }
}

/// One exchange of a refresh token.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session named by the token.
    pub session_id: String,
    /// The token that was presented.
    pub presented: TokenHash,
    /// The token that takes its place.
    pub successor: TokenHash,
    /// The successor's text, encrypted under the presented token, for those who present the same one at the same
    /// time.
    pub sealed_successor: Vec<u8>,
    /// The device that presents it.
    pub device: Option<DeviceFingerprint>,
    /// The present.
    pub now: SystemTime,
    /// For how long after its exchange a token still yields the same successor.
    pub grace: Duration,
}

/// A proof that somebody gave once more, in the middle of their session.
#[derive(Debug, Clone)]
pub struct Reauthentication {
    /// When.
    pub at: SystemTime,
    /// What the session is based on from now on.
    pub methods: Vec<AuthMethod>,
    /// The device that the session belongs to from now on.
    pub device: Option<DeviceFingerprint>,
}

/// What became of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationOutcome {
    /// The successor is now the current token.
    Rotated,
    /// The presented token was exchanged a moment ago; this is the sealed successor that was chosen then.
    Repeated {
        /// As given in the [`Rotation`] that won.
        sealed_successor: Vec<u8>,
    },
    /// The token had been used up; the session is now revoked.
    Reused,
    /// The session was revoked earlier.
    Revoked(Revocation),
    /// The session is over.
    Expired,
    /// There is no such session.
    Unknown,
}

/// Keeps sessions and decides exchanges of refresh tokens.
///
/// # Contract
/// - `create` stores the session with its first token; a second session of the same id is
///   [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) and changes nothing.
/// - `rotate` is atomic: of any number of concurrent exchanges of one token exactly one is `Rotated`, also across
///   processes.
/// - Within the grace, a token whose successor has not been used yields `Repeated` with the winner's sealed
///   successor, provided the device is the same as the winner's.
/// - Any other token of the family that is not the current one (its successor was used, the grace is over, the device
///   differs) yields `Reused`, and the session is revoked with [`RevokeReason::Reuse`] before the answer is given.
/// - A revoked session yields `Revoked` with the first revocation, a session at or past its end `Expired`, an unknown
///   one `Unknown`; none of them changes anything.
/// - `reauthenticate` writes time, methods and device of a live session, `true` for one that is neither revoked nor over;
///   the tokens of the session stay what they are.
/// - `session` and `sessions_of` return what was stored, revoked or not; `sessions_of` is newest first.
/// - `revoke` ends a live session once: `true` the first time, `false` for sessions that are unknown or already
///   revoked, whose first reason stays.
/// - `revoke_all` ends every session of the subject that was not revoked, except the one given, and counts them;
///   sessions of others stay.
/// - `purge` removes sessions whose end is before the given time, at most `limit` at a time, and counts them.
#[async_trait]
pub trait RefreshStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a new session and its first token.
    ///
    /// # Errors
    /// If the id is taken or the store cannot answer.
    ///
    /// # Cancel safety
    /// The session may or may not have been stored; it is unusable without its token and is purged in time.
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error>;

    /// Exchanges a token.
    ///
    /// # Errors
    /// If the store cannot answer; the exchange may have happened, and repeating it within the grace is harmless.
    ///
    /// # Cancel safety
    /// The exchange may or may not have happened; repeating it within the grace yields the same successor.
    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error>;

    /// Writes down a proof that was given in the middle of a session.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The proof may or may not have been written; repeating it is harmless.
    async fn reauthenticate(&self, id: &str, proof: &Reauthentication) -> Result<bool, Error>;

    /// The session of that id.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn session(&self, id: &str) -> Result<Option<Session>, Error>;

    /// All sessions of a subject.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error>;

    /// Ends one session.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The session may or may not have been ended; repeating it is harmless.
    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error>;

    /// Ends all sessions of a subject, except perhaps one.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// All or none of the sessions have been ended; repeating it is harmless.
    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error>;

    /// Removes sessions that ended before `before`.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The sessions may or may not have been removed; repeating it is harmless.
    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// If it does not.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn health(&self) -> Result<(), Error>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: RefreshStore + ?Sized> RefreshStore for Arc<T> {
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
        (**self).create(session, first).await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        (**self).rotate(rotation).await
    }

    async fn reauthenticate(&self, id: &str, proof: &Reauthentication) -> Result<bool, Error> {
        (**self).reauthenticate(id, proof).await
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        (**self).session(id).await
    }

    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        (**self).sessions_of(subject).await
    }

    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
        (**self).revoke(id, revocation).await
    }

    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error> {
        (**self).revoke_all(subject, except, revocation).await
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        (**self).purge(before, limit).await
    }

    async fn health(&self) -> Result<(), Error> {
        (**self).health().await
    }
}
