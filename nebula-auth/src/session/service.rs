//! The handle for sessions.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    NewSession, RefreshRefusal, StoreSessionCheck, SubjectDirectory, TokenPair,
    refresh::RefreshToken,
    store::{RefreshStore, Revocation, RevokeReason, Session},
};
use crate::{
    audit::{AuditLog, Decision, Journal},
    clock::unix_seconds,
    error::Error,
    random, telemetry,
    token::{AccessGrant, TokenService},
};

const DEFAULT_LIFETIME: Duration = Duration::from_hours(7 * 24);
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
const MAX_GRACE: Duration = Duration::from_secs(60);
/// Sessions are not meant to outlive a year; refresh tokens beyond that are refused.
pub(super) const MAX_LIFETIME: Duration = Duration::from_hours(366 * 24);
/// Labels come from user agents, which are of any length.
const MAX_LABEL_CHARS: usize = 200;
const PURGE_BATCH: u32 = 500;

/// What became of a refresh.
#[derive(Debug, Clone)]
pub enum Refreshed {
    /// New tokens; the presented refresh token is used up.
    Renewed(Box<TokenPair>),
    /// No new tokens; the user must log in again, except after [`RefreshRefusal::InvalidScope`].
    Refused(RefreshRefusal),
}

impl Refreshed {
    /// The new tokens.
    ///
    /// # Errors
    /// The reason, if the refresh was refused.
    pub fn into_result(self) -> Result<TokenPair, RefreshRefusal> {
        match self {
            Self::Renewed(pair) => Ok(*pair),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// Starts, refreshes and ends sessions. Clones are cheap and share everything.
///
/// ```
/// use nebula_auth::{
///     Algorithm, KeySet, MemoryRefreshStore, NewSession, RefreshOptions, SessionService, SigningKey, TokenService,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "2026-11")?);
/// let tokens = TokenService::new(keys, "https://auth.example.org", "orders-api")?;
/// let sessions = SessionService::new(tokens, MemoryRefreshStore::new());
///
/// let first = sessions.start(NewSession::new("10001")).await?;
/// let second = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await?.into_result()?;
/// assert_eq!(first.principal.session_id(), second.principal.session_id());
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct SessionService {
    pub(super) tokens: TokenService,
    pub(super) store: Arc<dyn RefreshStore>,
    pub(super) settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) lifetime: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) directory: Option<Arc<dyn SubjectDirectory>>,
    pub(super) journal: Journal,
}

impl SessionService {
    /// Sessions of 7 days, with 10 seconds of grace for concurrent refreshes, on the clock of `tokens`.
    #[must_use]
    pub fn new(tokens: TokenService, store: impl RefreshStore) -> Self {
        let settings = Settings {
            lifetime: DEFAULT_LIFETIME,
            idle_timeout: None,
            grace: DEFAULT_GRACE,
            directory: None,
            journal: Journal::default(),
        };
        Self { tokens, store: Arc::new(store), settings: Arc::new(settings) }
    }

    /// How long a session lives, however often it is refreshed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for less than a second or more than 366 days.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Result<Self, Error> {
        if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
            return Err(Error::config("the life of a session must be between 1 second and 366 days"));
        }
        Arc::make_mut(&mut self.settings).lifetime = lifetime;
        Ok(self)
    }

    /// Ends sessions that are not refreshed for this long. Default: none.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for less than a second.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Result<Self, Error> {
        if timeout < Duration::from_secs(1) {
            return Err(Error::config("the idle timeout of sessions must be at least 1 second"));
        }
        Arc::make_mut(&mut self.settings).idle_timeout = Some(timeout);
        Ok(self)
    }

    /// For how long after its exchange a refresh token still yields the same successor, so that two tabs refreshing
    /// at once, or a response lost on the way, do not log the user out. Zero makes every repetition a reuse.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for more than a minute.
    pub fn with_grace(mut self, grace: Duration) -> Result<Self, Error> {
        if grace > MAX_GRACE {
            return Err(Error::config("the grace for concurrent refreshes must be at most 60 seconds"));
        }
        Arc::make_mut(&mut self.settings).grace = grace;
        Ok(self)
    }

    /// Asks whether the user is still active, and for the version of their permissions, at every refresh.
    #[must_use]
    pub fn with_directory(mut self, directory: impl SubjectDirectory) -> Self {
        Arc::make_mut(&mut self.settings).directory = Some(Arc::new(directory));
        self
    }

    /// Writes to that log which sessions are begun, raised and ended, by whom, and which refresh tokens were not taken. A
    /// session that cannot be written down is not begun; one that is ended is ended, and the error is reported.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        Arc::make_mut(&mut self.settings).journal = Journal::to(log);
        self
    }

    #[cfg(feature = "admin")]
    pub(crate) fn is_audited(&self) -> bool {
        self.settings.journal.is_kept()
    }

    /// A check that makes a [`TokenService`] refuse the access tokens of ended sessions.
    #[must_use]
    pub fn session_check(&self) -> StoreSessionCheck {
        StoreSessionCheck { store: self.store.clone(), clock: self.tokens.clock().clone() }
    }

    /// Starts a session after the user has proven who they are. The id is new, whatever the request carried.
    ///
    /// # Errors
    /// If the store cannot answer, or the subject or a scope cannot stand in a token.
    ///
    /// # Cancel safety
    /// A session may remain that nobody holds a token for; it is purged when it ends.
    pub async fn start(&self, new: NewSession) -> Result<TokenPair, Error> {
        let now = self.tokens.clock().now();
        let lifetime = new.lifetime.unwrap_or(self.settings.lifetime).min(self.settings.lifetime);
        let session = Session {
            id: random::public_id(),
            subject: new.subject,
            scopes: new.scopes,
            methods: new.methods,
            label: new.label.map(|label| label.chars().filter(|c| !c.is_control()).take(MAX_LABEL_CHARS).collect()),
            device: new.device,
            authenticated_at: now,
            created_at: now,
            refreshed_at: now,
            expires_at: now + lifetime,
            revoked: None,
        };
        let access = self.tokens.issue(&self.grant(&session, session.scopes.clone(), new.permission_version))?;
        let refresh = RefreshToken::issue(self, &session, now)?;
        self.store.create(&session, refresh.hash()).await?;
        telemetry::session_started();
        let methods: Vec<&str> = session.methods.iter().map(crate::token::AuthMethod::as_str).collect();
        let (on, how) = (format!("session {}", session.id), methods.join(" "));
        self.settings.journal.note(&session.subject, "session:start", on, Decision::Granted, &how).await?;
        Ok(self.pair(access, refresh, now, false))
    }

    pub(super) fn grant(&self, session: &Session, scopes: Vec<String>, version: Option<u64>) -> AccessGrant {
        let grant = AccessGrant::new(session.subject.clone())
            .session(session.id.clone())
            .scopes(scopes)
            .authenticated(session.authenticated_at, session.methods.iter().cloned());
        match version {
            Some(version) => grant.permission_version(version),
            None => grant,
        }
    }

    /// The session of that id, ended or not.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        self.store.session(id).await
    }

    /// The live sessions of a user, newest first.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        let now = self.tokens.clock().now();
        let mut sessions = self.store.sessions_of(subject).await?;
        sessions.retain(|session| session.is_live(now));
        Ok(sessions)
    }

    /// Ends one session; `false` if there was none to end.
    ///
    /// Its access tokens end too where the verifier uses [`session_check`](Self::session_check), and live on until
    /// they expire where it does not.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// The session may or may not have been ended; repeating it is harmless.
    pub async fn revoke(&self, id: &str, reason: RevokeReason) -> Result<bool, Error> {
        let ended = self.store.revoke(id, self.revocation(reason)).await?;
        telemetry::sessions_revoked(reason.as_str(), u64::from(ended));
        self.ended(u64::from(ended), || format!("session {id}"), "", reason).await?;
        Ok(ended)
    }

    /// Ends all sessions of a user and counts them: after a password change, for a disabled account.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// All or none have been ended; repeating it is harmless.
    pub async fn revoke_all(&self, subject: &str, reason: RevokeReason) -> Result<u64, Error> {
        let count = self.store.revoke_all(subject, None, self.revocation(reason)).await?;
        telemetry::sessions_revoked(reason.as_str(), count);
        self.ended(count, || format!("{count} sessions of {subject}"), subject, reason).await?;
        Ok(count)
    }

    /// Ends all sessions of a user except the one they are using.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// All or none have been ended; repeating it is harmless.
    pub async fn revoke_others(&self, subject: &str, keep: &str, reason: RevokeReason) -> Result<u64, Error> {
        let count = self.store.revoke_all(subject, Some(keep), self.revocation(reason)).await?;
        telemetry::sessions_revoked(reason.as_str(), count);
        self.ended(count, || format!("{count} other sessions of {subject}"), subject, reason).await?;
        Ok(count)
    }

    async fn ended(
        &self,
        count: u64,
        on: impl FnOnce() -> String + Send,
        whose: &str,
        reason: RevokeReason,
    ) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        self.settings.journal.note(whose, "session:revoke", on(), Decision::Changed, reason.as_str()).await
    }

    fn revocation(&self, reason: RevokeReason) -> Revocation {
        Revocation { at: self.tokens.clock().now(), reason }
    }

    /// Removes ended sessions from the store and counts them. Call it now and then, for example once an hour.
    ///
    /// Revoked sessions stay until their natural end, so that their tokens are still recognised as revoked.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Some of the sessions may have been removed; repeating it is harmless.
    pub async fn purge_expired(&self) -> Result<u64, Error> {
        let before = self.tokens.clock().now();
        let mut total = 0;
        loop {
            let count = self.store.purge(before, PURGE_BATCH).await?;
            total += count;
            if count < u64::from(PURGE_BATCH) {
                return Ok(total);
            }
        }
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// If it does not.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn health(&self) -> Result<(), Error> {
        self.store.health().await
    }

    /// The latest time at which a refresh token issued now for this session may end.
    pub(super) fn refresh_expiry(&self, session: &Session, now: std::time::SystemTime) -> u64 {
        let absolute = unix_seconds(session.expires_at);
        match self.settings.idle_timeout {
            Some(idle) => absolute.min(unix_seconds(now).saturating_add(idle.as_secs())),
            None => absolute,
        }
    }
}

impl fmt::Debug for SessionService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
