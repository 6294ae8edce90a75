//! Sessions: rotation, grace, reuse, ends.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{AUDIENCE, ISSUER, NOW, service};
use async_trait::async_trait;
use nebula_auth::{
    AccessGrant, Algorithm, AuthMethod, DeviceFingerprint, Error, ErrorKind, KeySet, ManualClock, MemoryRefreshStore,
    NewSession, Reauthentication, RefreshOptions, RefreshRefusal, RefreshStore, Revocation, RevokeReason, Rotation,
    RotationOutcome, Session, SessionService, SigningKey, SubjectDirectory, SubjectState, TokenHash, TokenPair,
    TokenRefusal, TokenService, TokioClock, Verdict,
    secrecy::{ExposeSecret as _, SecretString},
};

fn sessions() -> (SessionService, ManualClock) {
    let (tokens, clock) = service();
    (SessionService::new(tokens, MemoryRefreshStore::new()), clock)
}

async fn start(sessions: &SessionService) -> TokenPair {
    sessions.start(NewSession::new("ann")).await.unwrap()
}

async fn refresh(sessions: &SessionService, token: &SecretString) -> Result<TokenPair, RefreshRefusal> {
    sessions.refresh(token, RefreshOptions::new()).await.unwrap().into_result()
}

fn text(token: &SecretString) -> &str {
    token.expose_secret()
}

#[tokio::test]
async fn a_refresh_carries_the_session_on() {
    let (sessions, clock) = sessions();
    let new = NewSession::new("ann")
        .scopes(["orders:read"])
        .methods([AuthMethod::Password, AuthMethod::OneTimeCode])
        .label("x".repeat(500))
        .permission_version(7);
    let first = sessions.start(new).await.unwrap();
    clock.advance(Duration::from_secs(3600));
    let second = refresh(&sessions, &first.refresh_token).await.unwrap();
    let (a, b) = (&first.principal, &second.principal);
    assert_eq!(
        (a.subject(), a.session_id(), a.scopes(), a.methods()),
        (b.subject(), b.session_id(), b.scopes(), b.methods())
    );
    assert_eq!(
        (a.permission_version(), b.permission_version()),
        (Some(7), None),
        "without a directory it is not known"
    );
    assert_eq!(b.authenticated_at(), Some(UNIX_EPOCH + Duration::from_secs(NOW)), "a refresh is no new login");
    assert_eq!(b.issued_at(), UNIX_EPOCH + Duration::from_secs(NOW + 3600));
    assert_ne!(a.token_id(), b.token_id());
    assert_ne!(text(&first.refresh_token), text(&second.refresh_token));
    assert_eq!((second.expires_in.as_secs(), second.refresh_expires_in.as_secs()), (7200, 7 * 86_400 - 3600));
    let stored = sessions.session(b.session_id().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.label.unwrap().len(), 200);
}

#[tokio::test]
async fn the_response_body_is_that_of_oauth() {
    let (sessions, _) = sessions();
    let pair = sessions.start(NewSession::new("ann").scopes(["a", "b"])).await.unwrap();
    let body = serde_json::to_value(&pair).unwrap();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 7200);
    assert_eq!(body["refresh_expires_in"], 604_800);
    assert_eq!(body["scope"], "a b");
    assert_eq!(body["access_token"], text(&pair.access_token));
    assert_eq!(body["refresh_token"], text(&pair.refresh_token));
    assert!(serde_json::to_value(start(&sessions).await).unwrap().get("scope").is_none());
}

#[tokio::test]
async fn every_login_has_a_session_id_of_its_own() {
    let (sessions, _) = sessions();
    let mut ids = HashSet::new();
    for _ in 0..50 {
        ids.insert(start(&sessions).await.principal.session_id().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 50);
}

#[tokio::test]
async fn a_hundred_refreshers_at_once_get_one_successor() {
    let (sessions, _) = sessions();
    let first = start(&sessions).await;
    let refreshers: Vec<_> = (0..100)
        .map(|_| {
            let (sessions, token) = (sessions.clone(), first.refresh_token.clone());
            tokio::spawn(async move { refresh(&sessions, &token).await.unwrap() })
        })
        .collect();
    let mut successors = HashSet::new();
    let mut last = None;
    for refresher in refreshers {
        let pair = refresher.await.unwrap();
        successors.insert(text(&pair.refresh_token).to_owned());
        last = Some(pair);
    }
    assert_eq!(successors.len(), 1);
    refresh(&sessions, &last.unwrap().refresh_token).await.expect("the family lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_refreshers_on_threads_get_one_successor() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        let keys = KeySet::new(SigningKey::generate(algorithm, "k").unwrap());
        let tokens = TokenService::new(keys, ISSUER, AUDIENCE).unwrap();
        let sessions = SessionService::new(tokens, MemoryRefreshStore::new());
        let first = start(&sessions).await;
        let barrier = Arc::new(tokio::sync::Barrier::new(100));
        let refreshers: Vec<_> = (0..100)
            .map(|_| {
                let (sessions, token, barrier) = (sessions.clone(), first.refresh_token.clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    refresh(&sessions, &token).await.unwrap()
                })
            })
            .collect();
        let mut successors = HashSet::new();
        for refresher in refreshers {
            successors.insert(text(&refresher.await.unwrap().refresh_token).to_owned());
        }
        assert_eq!(successors.len(), 1, "{algorithm}");
    }
}

#[tokio::test]
async fn the_grace_ends() {
    let (sessions, clock) = sessions();
    let first = start(&sessions).await;
    let second = refresh(&sessions, &first.refresh_token).await.unwrap();
    clock.advance(Duration::from_millis(9_999));
    let again = refresh(&sessions, &first.refresh_token).await.unwrap();
    assert_eq!(text(&again.refresh_token), text(&second.refresh_token));
    clock.advance(Duration::from_millis(1));
    assert_eq!(refresh(&sessions, &first.refresh_token).await.unwrap_err(), RefreshRefusal::Reused);
    assert_eq!(refresh(&sessions, &second.refresh_token).await.unwrap_err(), RefreshRefusal::SessionRevoked);
}

#[tokio::test]
async fn a_token_whose_successor_was_used_is_stolen_even_in_the_same_second() {
    let (sessions, _) = sessions();
    let first = start(&sessions).await;
    let second = refresh(&sessions, &first.refresh_token).await.unwrap();
    let third = refresh(&sessions, &second.refresh_token).await.unwrap();
    let refusal = refresh(&sessions, &first.refresh_token).await.unwrap_err();
    assert_eq!(
        (refusal, refusal.code(), refusal.oauth_error()),
        (RefreshRefusal::Reused, "family_revoked", "invalid_grant")
    );
    for token in [&first, &second, &third].map(|pair| &pair.refresh_token) {
        assert_eq!(refresh(&sessions, token).await.unwrap_err(), RefreshRefusal::SessionRevoked);
    }
}

#[tokio::test]
async fn without_grace_every_repetition_is_reuse() {
    let (sessions, _) = sessions();
    let sessions = sessions.with_grace(Duration::ZERO).unwrap();
    let first = start(&sessions).await;
    let second = refresh(&sessions, &first.refresh_token).await.unwrap();
    let _third = refresh(&sessions, &second.refresh_token).await.unwrap();
    assert_eq!(refresh(&sessions, &second.refresh_token).await.unwrap_err(), RefreshRefusal::Reused);
}

#[tokio::test]
async fn the_grace_is_for_the_same_device_only() {
    let (sessions, _) = sessions();
    let (phone, thief) = (DeviceFingerprint::of("phone"), DeviceFingerprint::of("thief"));
    let first = sessions.start(NewSession::new("ann").device(phone)).await.unwrap();
    let from = |device| RefreshOptions::new().device(device);
    let second = sessions.refresh(&first.refresh_token, from(phone)).await.unwrap().into_result().unwrap();
    let again = sessions.refresh(&first.refresh_token, from(phone)).await.unwrap().into_result().unwrap();
    assert_eq!(text(&again.refresh_token), text(&second.refresh_token));
    let stolen = sessions.refresh(&first.refresh_token, from(thief)).await.unwrap().into_result();
    assert_eq!(stolen.unwrap_err(), RefreshRefusal::Reused);
    let session = sessions.session(first.principal.session_id().unwrap()).await.unwrap().unwrap();
    assert_eq!(session.revoked.map(|revocation| revocation.reason), Some(RevokeReason::Reuse));
}

#[tokio::test]
async fn refreshing_does_not_prolong_a_session() {
    let (sessions, clock) = sessions();
    let mut pair = start(&sessions).await;
    for day in 1..7 {
        clock.advance(Duration::from_hours(24));
        pair = refresh(&sessions, &pair.refresh_token).await.unwrap();
        assert_eq!(pair.refresh_expires_in, Duration::from_hours(24 * (7 - day)));
    }
    clock.advance(Duration::from_hours(24));
    let refusal = refresh(&sessions, &pair.refresh_token).await.unwrap_err();
    assert_eq!(refusal.code(), "session_expired", "the store's clock has no leeway");
    clock.advance(Duration::from_secs(10));
    assert_eq!(refresh(&sessions, &pair.refresh_token).await.unwrap_err().code(), "session_expired");
}

#[tokio::test]
async fn an_idle_session_ends() {
    let (sessions, clock) = sessions();
    let sessions = sessions.with_idle_timeout(Duration::from_hours(1)).unwrap();
    let first = start(&sessions).await;
    assert_eq!(first.refresh_expires_in, Duration::from_hours(1));
    clock.advance(Duration::from_mins(59));
    let second = refresh(&sessions, &first.refresh_token).await.unwrap();
    clock.advance(Duration::from_mins(61));
    let refusal = refresh(&sessions, &second.refresh_token).await.unwrap_err();
    assert_eq!((refusal, refusal.code()), (RefreshRefusal::Token(TokenRefusal::Expired), "session_expired"));
}

#[tokio::test(start_paused = true)]
async fn a_week_passes_at_once_on_a_paused_clock() {
    let (tokens, _) = service();
    let tokens = tokens.with_clock(TokioClock::starting_at(SystemTime::now()));
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let pair = start(&sessions).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(tokens.verify_offline(text(&pair.access_token)).is_ok());
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(tokens.verify_offline(text(&pair.access_token)).unwrap_err(), TokenRefusal::Expired);
    let pair = refresh(&sessions, &pair.refresh_token).await.unwrap();
    tokio::time::sleep(Duration::from_hours(7 * 24)).await;
    assert_eq!(refresh(&sessions, &pair.refresh_token).await.unwrap_err().code(), "session_expired");
    assert_eq!(sessions.purge_expired().await.unwrap(), 1);
}

#[tokio::test]
async fn access_and_refresh_tokens_do_not_stand_in_for_each_other() {
    let (sessions, _) = sessions();
    let (tokens, _) = service();
    let pair = start(&sessions).await;
    let refusal = refresh(&sessions, &pair.access_token).await.unwrap_err();
    assert_eq!((refusal, refusal.code()), (RefreshRefusal::Token(TokenRefusal::WrongTokenType), "wrong_token_type"));
    assert_eq!(tokens.verify_offline(text(&pair.refresh_token)).unwrap_err(), TokenRefusal::WrongTokenType);
}

#[tokio::test]
async fn a_forged_token_never_reaches_the_store() {
    let (tokens, _) = service();
    let store = Wrapped::default();
    let sessions = SessionService::new(tokens, store.clone());
    let stranger = SessionService::new(
        TokenService::new(KeySet::new(SigningKey::generate(Algorithm::EdDSA, "d").unwrap()), ISSUER, AUDIENCE)
            .unwrap()
            .with_clock(ManualClock::at_unix(NOW)),
        MemoryRefreshStore::new(),
    );
    let forged = start(&stranger).await;
    let refusal = refresh(&sessions, &forged.refresh_token).await.unwrap_err();
    assert_eq!(refusal, RefreshRefusal::Token(TokenRefusal::BadSignature));
    for garbage in ["", "a.b.c", &"A".repeat(10_000)] {
        assert!(matches!(refresh(&sessions, &garbage.into()).await, Err(RefreshRefusal::Token(_))));
    }
    assert_eq!(store.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn sessions_end_at_logout_one_or_all() {
    let (sessions, clock) = sessions();
    let mut pairs = Vec::new();
    for _ in 0..4 {
        clock.advance(Duration::from_secs(1));
        pairs.push(start(&sessions).await);
    }
    let bob = sessions.start(NewSession::new("bob")).await.unwrap();
    let id = |pair: &TokenPair| pair.principal.session_id().unwrap().to_owned();
    let newest_first: Vec<_> = pairs.iter().rev().map(id).collect();
    let listed: Vec<_> = sessions.sessions_of("ann").await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(listed, newest_first);

    assert!(sessions.revoke(&id(&pairs[0]), RevokeReason::Logout).await.unwrap());
    assert!(!sessions.revoke(&id(&pairs[0]), RevokeReason::Logout).await.unwrap());
    assert_eq!(refresh(&sessions, &pairs[0].refresh_token).await.unwrap_err().code(), "session_revoked");
    assert_eq!(sessions.revoke_others("ann", &id(&pairs[1]), RevokeReason::LogoutEverywhere).await.unwrap(), 2);
    let kept = refresh(&sessions, &pairs[1].refresh_token).await.expect("the kept session lives");
    for pair in &pairs[2..] {
        assert_eq!(refresh(&sessions, &pair.refresh_token).await.unwrap_err(), RefreshRefusal::SessionRevoked);
    }
    assert_eq!(sessions.sessions_of("ann").await.unwrap().len(), 1);
    assert_eq!(sessions.revoke_all("ann", RevokeReason::CredentialsChanged).await.unwrap(), 1);
    assert_eq!(refresh(&sessions, &kept.refresh_token).await.unwrap_err(), RefreshRefusal::SessionRevoked);
    refresh(&sessions, &bob.refresh_token).await.expect("bob stays");
}

#[tokio::test]
async fn the_session_check_ends_access_tokens_too() {
    let (sessions, clock) = sessions();
    let tokens = service().0.with_clock(clock.clone()).with_session_check(sessions.session_check());
    let pair = start(&sessions).await;
    let verdict = || async { tokens.verify(text(&pair.access_token)).await.unwrap().into_result() };
    assert!(verdict().await.is_ok());
    sessions.revoke_all("ann", RevokeReason::Administrator).await.unwrap();
    assert_eq!(verdict().await.unwrap_err(), TokenRefusal::Revoked);
    // A session the store does not know, and one of somebody else, are as good as revoked.
    let other = sessions.start(NewSession::new("bob")).await.unwrap();
    for grant in [
        AccessGrant::new("ann").session("made-up"),
        AccessGrant::new("ann").session(other.principal.session_id().unwrap()),
    ] {
        let issued = tokens.issue(&grant).unwrap();
        assert_eq!(tokens.verify(text(&issued.token)).await.unwrap(), Verdict::Refused(TokenRefusal::Revoked));
    }
    let sessionless = tokens.issue(&AccessGrant::new("robot")).unwrap();
    assert!(matches!(tokens.verify(text(&sessionless.token)).await.unwrap(), Verdict::Accepted(_)));
    // A session shorter than its access tokens takes them along.
    let short = sessions.start(NewSession::new("ann").lifetime(Duration::from_secs(60))).await.unwrap();
    clock.advance(Duration::from_secs(61));
    assert_eq!(tokens.verify(text(&short.access_token)).await.unwrap(), Verdict::Refused(TokenRefusal::Revoked));
}

#[tokio::test]
async fn scopes_can_only_be_narrowed() {
    let (sessions, _) = sessions();
    let first = sessions.start(NewSession::new("ann").scopes(["read", "write"])).await.unwrap();
    let asking = |scopes: &[&str]| RefreshOptions::new().scopes(scopes.iter().copied());
    for wider in [&["read", "admin"][..], &["admin"], &[], &["read write"], &["READ"], &[""]] {
        let refusal = sessions.refresh(&first.refresh_token, asking(wider)).await.unwrap().into_result().unwrap_err();
        assert_eq!((refusal.code(), refusal.oauth_error()), ("invalid_scope", "invalid_scope"), "{wider:?}");
    }
    let narrow = sessions.refresh(&first.refresh_token, asking(&["read"])).await.unwrap().into_result().unwrap();
    assert_eq!(narrow.principal.scopes(), ["read"], "a refused request has not used the token up");
    let full = refresh(&sessions, &narrow.refresh_token).await.unwrap();
    assert_eq!(full.principal.scopes(), ["read", "write"], "the session keeps what it was granted");
    let unlimited = start(&sessions).await;
    let refused = sessions.refresh(&unlimited.refresh_token, asking(&["a b"])).await.unwrap().into_result();
    assert_eq!(refused.unwrap_err(), RefreshRefusal::InvalidScope);
}

#[tokio::test]
async fn a_disabled_user_cannot_refresh_and_versions_are_current() {
    #[derive(Debug, Clone, Default)]
    struct Directory {
        inactive: Arc<AtomicBool>,
        away: Arc<AtomicBool>,
    }

    #[async_trait]
    impl SubjectDirectory for Directory {
        async fn state(&self, _: &str) -> Result<SubjectState, Error> {
            if self.away.load(Ordering::SeqCst) {
                return Err(Error::unavailable("the directory does not answer", "timeout"));
            }
            Ok(match self.inactive.load(Ordering::SeqCst) {
                true => SubjectState::Inactive,
                false => SubjectState::Active { permission_version: Some(8) },
            })
        }
    }

    let (sessions, _) = sessions();
    let directory = Directory::default();
    let sessions = sessions.with_directory(directory.clone());
    let first = start(&sessions).await;
    directory.away.store(true, Ordering::SeqCst);
    let error = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    directory.away.store(false, Ordering::SeqCst);
    let second = refresh(&sessions, &first.refresh_token).await.expect("the token was not used up");
    assert_eq!(second.principal.permission_version(), Some(8));
    directory.inactive.store(true, Ordering::SeqCst);
    assert_eq!(refresh(&sessions, &second.refresh_token).await.unwrap_err().code(), "user_not_active");
}

#[tokio::test]
async fn a_lost_store_logs_everybody_out_and_an_absent_one_is_an_error() {
    let (tokens, _) = service();
    let store = Wrapped::default();
    let sessions = SessionService::new(tokens.clone(), store.clone());
    let pair = start(&sessions).await;
    store.away.store(true, Ordering::SeqCst);
    let error = sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(sessions.start(NewSession::new("ann")).await.is_err());
    assert!(tokens.with_session_check(sessions.session_check()).verify(text(&pair.access_token)).await.is_err());
    store.away.store(false, Ordering::SeqCst);
    refresh(&sessions, &pair.refresh_token).await.expect("an outage uses no token up");

    let emptied = SessionService::new(service().0, MemoryRefreshStore::new());
    assert_eq!(refresh(&emptied, &pair.refresh_token).await.unwrap_err(), RefreshRefusal::SessionRevoked);
}

#[tokio::test]
async fn a_refresh_cancelled_after_the_exchange_can_be_repeated() {
    let (tokens, _) = service();
    let store = Wrapped::default();
    let sessions = SessionService::new(tokens, store.clone());
    let first = start(&sessions).await;
    store.stall_after_rotation.store(true, Ordering::SeqCst);
    let stalled = tokio::spawn({
        let (sessions, token) = (sessions.clone(), first.refresh_token.clone());
        async move { refresh(&sessions, &token).await }
    });
    tokio::time::timeout(Duration::from_secs(30), store.rotated.notified()).await.expect("the exchange happens");
    stalled.abort();
    assert!(stalled.await.unwrap_err().is_cancelled());
    store.stall_after_rotation.store(false, Ordering::SeqCst);
    let second = refresh(&sessions, &first.refresh_token).await.expect("the same token works again");
    let again = refresh(&sessions, &first.refresh_token).await.unwrap();
    assert_eq!(text(&second.refresh_token), text(&again.refresh_token));
    refresh(&sessions, &second.refresh_token).await.expect("and so does its successor");
}

#[tokio::test]
async fn ended_sessions_are_purged_in_batches() {
    let (sessions, clock) = sessions();
    for number in 0..1203 {
        sessions.start(NewSession::new(format!("user-{number}")).lifetime(Duration::from_secs(60))).await.unwrap();
    }
    let alive = start(&sessions).await;
    clock.advance(Duration::from_secs(61));
    assert_eq!(sessions.purge_expired().await.unwrap(), 1203);
    assert_eq!(sessions.purge_expired().await.unwrap(), 0);
    refresh(&sessions, &alive.refresh_token).await.expect("the live session stays");
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let (sessions, _) = sessions();
    let kinds = [
        sessions.clone().with_lifetime(Duration::ZERO).map(drop),
        sessions.clone().with_lifetime(Duration::from_hours(24 * 367)).map(drop),
        sessions.clone().with_idle_timeout(Duration::ZERO).map(drop),
        sessions.with_grace(Duration::from_secs(61)).map(drop),
        service().0.with_access_ttl(Duration::ZERO).map(drop),
        service().0.with_access_ttl(Duration::from_secs(86_401)).map(drop),
        service().0.with_leeway(Duration::from_secs(61)).map(drop),
    ];
    for result in kinds {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Config);
    }
}

/// A store that can be away, and that can hang after it has done its work.
#[derive(Debug, Clone, Default)]
struct Wrapped {
    inner: MemoryRefreshStore,
    calls: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
    stall_after_rotation: Arc<AtomicBool>,
    rotated: Arc<tokio::sync::Notify>,
}

impl Wrapped {
    fn call(&self) -> Result<(), Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.away.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("the session store does not answer", "connection refused")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl RefreshStore for Wrapped {
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
        self.call()?;
        self.inner.create(session, first).await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        self.call()?;
        let outcome = self.inner.rotate(rotation).await;
        if self.stall_after_rotation.load(Ordering::SeqCst) {
            self.rotated.notify_one();
            std::future::pending::<()>().await;
        }
        outcome
    }

    async fn reauthenticate(&self, id: &str, proof: &Reauthentication) -> Result<bool, Error> {
        self.call()?;
        self.inner.reauthenticate(id, proof).await
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        self.call()?;
        self.inner.session(id).await
    }

    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        self.call()?;
        self.inner.sessions_of(subject).await
    }

    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
        self.call()?;
        self.inner.revoke(id, revocation).await
    }

    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error> {
        self.call()?;
        self.inner.revoke_all(subject, except, revocation).await
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        self.call()?;
        self.inner.purge(before, limit).await
    }

    async fn health(&self) -> Result<(), Error> {
        self.call()?;
        self.inner.health().await
    }
}
