//! The hook that lets a verified token be refused because of what happened after it was issued.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::Principal;
use crate::{
    clock::{Clock, SystemClock},
    error::Error,
};

/// What became of a token since it was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionStatus {
    /// Nothing speaks against it.
    Active,
    /// The token or its session was revoked or has ended.
    Revoked,
    /// The subject was deleted or disabled.
    SubjectInactive,
}

/// Asked by [`TokenService::verify`](super::TokenService::verify) about every token whose signature, times and names
/// are right.
///
/// # Contract
/// - Decides by token id, session id or subject, never by the text of a token: an ES256 token has two valid texts.
/// - An `Err` means that it cannot be known; the token is then not accepted.
#[async_trait]
pub trait SessionCheck: fmt::Debug + Send + Sync + 'static {
    /// Whether the token may still be used.
    ///
    /// # Errors
    /// When the state cannot be found out.
    ///
    /// # Cancel safety
    /// Implementations only read, so dropping the future has no effect.
    async fn check(&self, principal: &Principal) -> Result<SessionStatus, Error>;
}

#[async_trait]
impl<T: SessionCheck + ?Sized> SessionCheck for Arc<T> {
    async fn check(&self, principal: &Principal) -> Result<SessionStatus, Error> {
        (**self).check(principal).await
    }
}

/// Revoked token and session ids of this process, each kept until the tokens concerned have expired by themselves.
///
/// For one process, or fed by the application's own broadcast; for several processes use the check of a shared
/// session store ([`SessionService::session_check`](crate::SessionService::session_check)).
#[derive(Debug, Clone)]
pub struct RevokedTokens {
    revoked: Arc<Mutex<Revoked>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Revoked {
    until: HashMap<String, SystemTime>,
    sweep_at: usize,
}

impl RevokedTokens {
    /// An empty list on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// An empty list on the clock that also judges the tokens.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { revoked: Arc::default(), clock: Arc::new(clock) }
    }

    /// How many ids are kept at the moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.revoked.lock().until.len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Revokes one token for the rest of its life.
    pub fn revoke_token(&self, principal: &Principal) {
        self.insert(format!("jti:{}", principal.token_id()), principal.expires_at());
    }

    /// Revokes every token of a session; `until` is the latest time at which one of them can expire.
    pub fn revoke_session(&self, session_id: &str, until: SystemTime) {
        self.insert(format!("sid:{session_id}"), until);
    }

    fn insert(&self, id: String, until: SystemTime) {
        // Kept a little longer than the token lives, so that the verifier's leeway cannot revive it.
        let until = until.checked_add(Duration::from_secs(120)).unwrap_or(until);
        let mut revoked = self.revoked.lock();
        revoked.until.insert(id, until);
        if revoked.until.len() > revoked.sweep_at {
            let now = self.clock.now();
            revoked.until.retain(|_, until| *until > now);
            revoked.sweep_at = revoked.until.len() * 2 + 64;
        }
    }

    fn contains(&self, id: &str) -> bool {
        self.revoked.lock().until.contains_key(id)
    }
}

impl Default for RevokedTokens {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl SessionCheck for RevokedTokens {
    async fn check(&self, principal: &Principal) -> Result<SessionStatus, Error> {
        let by_session = principal.session_id().is_some_and(|sid| self.contains(&format!("sid:{sid}")));
        let revoked = by_session || self.contains(&format!("jti:{}", principal.token_id()));
        Ok(if revoked { SessionStatus::Revoked } else { SessionStatus::Active })
    }
}
