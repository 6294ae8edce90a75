//! What logins, second factors and sessions leave in the audit log.

use std::time::Duration;

use nebula_auth::{
    AuthMethod, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials, ErrorKind,
    MemoryRefreshStore, NewSession, PasswordAccount, PasswordAccounts, PasswordHash, PasswordHasher, PasswordProvider,
    RefreshOptions, RefreshRefusal, RevokeReason, SessionService,
    audit::{Appended, AuditEntry, AuditLog, AuditSink, Decision, EntryHash, MemoryAuditSink},
    mfa::{CodeMessage, CodeSender, FactorKey, FactorProof, MfaProvider, OneTimeCodes, SecondFactor as _},
    proof::MemoryProofStore,
    secrecy::ExposeSecret as _,
    throttle::{BackOff, Throttle},
};

use super::{NOW, clock, enrolled, login::Passwords, tokens, totp};

#[derive(Debug)]
struct Account(PasswordHash);

#[async_trait::async_trait]
impl PasswordAccounts for Account {
    async fn find(&self, name: &str) -> Result<Option<PasswordAccount>, nebula_auth::Error> {
        Ok((name == "ann").then(|| PasswordAccount {
            subject: "10001".to_owned(),
            hash: self.0.clone(),
            active: true,
            permission_version: None,
        }))
    }

    async fn replace_hash(&self, _: &str, _: &PasswordHash, _: &PasswordHash) -> Result<(), nebula_auth::Error> {
        Ok(())
    }
}

type Line = (String, String, Decision, String);

/// Who, what, decision and reason of every line, and the whole log as text.
async fn lines(log: &AuditLog) -> (Vec<Line>, String) {
    let entries = log.read(0, 1000).await.unwrap();
    let text = entries.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect();
    let of = |entry: AuditEntry| (entry.record.who, entry.record.what, entry.record.decision, entry.record.reason);
    (entries.into_iter().map(of).collect(), text)
}

fn line(who: &str, what: &str, decision: Decision, reason: &str) -> Line {
    (who.to_owned(), what.to_owned(), decision, reason.to_owned())
}

#[tokio::test]
async fn logins_that_succeed_fail_and_are_slowed_down_are_written_down() {
    let log = AuditLog::new(MemoryAuditSink::new());
    let hasher = PasswordHasher::new().with_params(nebula_auth::Argon2Params::new(7168, 5, 1).unwrap());
    let hash = hasher.hash("correct horse battery staple".into()).await.unwrap().into_result().unwrap();
    let minute = Duration::from_mins(1);
    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock());
    let throttle = throttle.with_account(BackOff::new(2, minute, minute, 60 * minute).unwrap());
    let provider = PasswordProvider::new(hasher, Account(hash)).with_throttle(throttle).with_audit(log.clone());
    let attempts = [
        ("ann", "correct horse battery staple"),
        ("Ann ", "hunter2-hunter2"),
        // The password where the name should be.
        ("my-secret-passphrase", "ann"),
        ("ann", "hunter2-hunter2"),
        ("ann", "hunter2-hunter2"),
    ];
    for (name, password) in attempts {
        let _ = provider.authenticate(&Credentials::password(name, password)).await.unwrap();
    }
    let (found, text) = lines(&log).await;
    let denied = |reason| line("", "login:password", Decision::Denied, reason);
    let (wrong, locked) = (AuthenticationRefusal::BadCredentials.code(), found[4].3.clone());
    let granted = line("10001", "login:password", Decision::Granted, "");
    assert_eq!(found, [granted, denied(wrong), denied(wrong), denied(wrong), denied(&locked)]);
    assert_ne!(locked, wrong, "a lockout is told from a wrong password");
    let entries = log.read(0, 10).await.unwrap();
    let on = |at: usize| entries[at].record.on.clone();
    assert!(on(1).starts_with("account 10001, name ") && on(1) == on(3), "{}", on(1));
    assert!(on(2).starts_with("name ") && !on(2).contains("secret"), "{}", on(2));
    // What is turned away is known as the same name all the same.
    assert!(on(4).starts_with("name ") && on(1).ends_with(&on(4)), "{} and {}", on(4), on(1));
    for secret in ["correct horse", "hunter2", "passphrase"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[derive(Debug)]
struct Nowhere;

#[async_trait::async_trait]
impl CodeSender for Nowhere {
    async fn send(&self, _: &CodeMessage) -> Result<(), nebula_auth::Error> {
        Ok(())
    }
}

#[tokio::test]
async fn factors_and_codes_are_written_down() {
    let (clock, log) = (clock(), AuditLog::new(MemoryAuditSink::new()));
    let totp = totp(&clock).with_audit(log.clone());
    let provider = MfaProvider::new(Passwords, totp.clone(), MemoryProofStore::new()).with_clock(clock.clone());
    let provider = provider.with_audit(log.clone());
    let (app, recovery) = enrolled(&totp, "ann").await;
    clock.set_unix(NOW + 60);
    let asked = provider.authenticate(&Credentials::password("ann", "right")).await.unwrap();
    let Authentication::SecondFactor(asked) = asked else { panic!("{asked:?}") };
    for code in ["000000-x".into(), app.code(NOW + 60)] {
        let credentials = Credentials::one_time_code(asked.challenge.expose_secret(), code);
        let _ = provider.authenticate(&credentials).await.unwrap();
    }
    // The code again, in the middle of a session.
    let _ = totp.check("ann", &app.code(NOW + 60)).await.unwrap();
    totp.reset("ann").await.unwrap();
    let codes = OneTimeCodes::new(MemoryProofStore::new(), FactorKey::generate().unwrap(), Nowhere);
    let codes = codes.with_clock(clock).with_audit(log.clone());
    let _ = codes.send("login", "ann", "+1 555 0100").await.unwrap();
    let _ = codes.check("login", "ann", &"000000-x".into()).await.unwrap();
    let (found, text) = lines(&log).await;
    assert_eq!(
        found,
        [
            line("ann", "factor:change", Decision::Changed, "enrolled"),
            line("", "factor:check", Decision::Denied, "wrong_code"),
            line("", "login:second-factor", Decision::Denied, "wrong_code"),
            line("ann", "factor:check", Decision::Granted, ""),
            line("ann", "login:second-factor", Decision::Granted, ""),
            line("", "factor:check", Decision::Denied, "otp_replayed"),
            line("ann", "factor:change", Decision::Changed, "removed"),
            line("", "code:send", Decision::Granted, ""),
            line("", "code:check", Decision::Denied, "wrong_code"),
        ]
    );
    let mut secrets = vec!["555 0100".to_owned(), app.code(NOW + 60).expose_secret().to_owned()];
    secrets.extend(recovery.iter().map(|code| code.expose_secret().to_owned()));
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn sessions_are_written_down_from_their_beginning_to_their_end() {
    let (clock, log) = (clock(), AuditLog::new(MemoryAuditSink::new()));
    let sessions = SessionService::new(tokens(&clock), MemoryRefreshStore::new()).with_audit(log.clone());
    let password = || NewSession::new("ann").methods([AuthMethod::Password]);
    let first = sessions.start(password()).await.unwrap();
    let proof = FactorProof::vouched("ann", AuthMethod::OneTimeCode);
    let _ = sessions.step_up(&first.principal, proof, RefreshOptions::new()).await.unwrap();
    let second = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    let third = sessions.refresh(&second.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    // Stolen, and used later than the owner.
    let _ = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await.unwrap();
    let _ = sessions.refresh(&third.refresh_token, RefreshOptions::new()).await.unwrap();
    let other = sessions.start(password()).await.unwrap();
    let id = other.principal.session_id().unwrap();
    assert!(sessions.revoke(id, RevokeReason::Logout).await.unwrap());
    assert!(!sessions.revoke(id, RevokeReason::Logout).await.unwrap(), "what is over is not ended again");
    sessions.start(NewSession::new("ann")).await.unwrap();
    sessions.revoke_all("ann", RevokeReason::Administrator).await.unwrap();
    let (found, text) = lines(&log).await;
    let begun = || line("ann", "session:start", Decision::Granted, AuthMethod::Password.as_str());
    assert_eq!(
        found,
        [
            begun(),
            line("ann", "session:step-up", Decision::Granted, ""),
            line("", "session:refresh", Decision::Denied, RefreshRefusal::Reused.code()),
            line("", "session:refresh", Decision::Denied, RefreshRefusal::SessionRevoked.code()),
            begun(),
            line("", "session:revoke", Decision::Changed, RevokeReason::Logout.as_str()),
            line("ann", "session:start", Decision::Granted, ""),
            line("ann", "session:revoke", Decision::Changed, RevokeReason::Administrator.as_str()),
        ]
    );
    for token in [&first.refresh_token, &first.access_token, &third.refresh_token] {
        let signature = token.expose_secret().rsplit('.').next().unwrap();
        assert!(!text.contains(signature), "{text}");
    }
}

/// A log without room.
#[derive(Debug)]
struct Full;

#[async_trait::async_trait]
impl AuditSink for Full {
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, nebula_auth::Error> {
        Ok(None)
    }

    async fn append(&self, _: &AuditEntry) -> Result<Appended, nebula_auth::Error> {
        Err(nebula_auth::Error::new(ErrorKind::Unavailable, "no room"))
    }

    async fn read(&self, _: u64, _: u32) -> Result<Vec<AuditEntry>, nebula_auth::Error> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn nobody_gets_in_unrecorded_and_everybody_can_be_thrown_out() {
    let (clock, log) = (clock(), AuditLog::new(Full));
    let plain = totp(&clock);
    let (app, _) = enrolled(&plain, "ann").await;
    clock.set_unix(NOW + 60);
    let strict = plain.clone().with_audit(log.clone());
    strict.check("ann", &app.code(NOW + 60)).await.unwrap_err();
    let refused = strict.check("ann", &"000000-x".into()).await.unwrap();
    assert_eq!(refused.into_result().unwrap_err().code(), "wrong_code", "a refusal stays one");

    let store = MemoryRefreshStore::new();
    let open = SessionService::new(tokens(&clock), store.clone());
    let session = open.start(NewSession::new("ann")).await.unwrap();
    let sessions = SessionService::new(tokens(&clock), store).with_audit(log);
    sessions.start(NewSession::new("ann")).await.unwrap_err();
    let id = session.principal.session_id().unwrap();
    sessions.revoke(id, RevokeReason::Logout).await.unwrap_err();
    assert!(open.session(id).await.unwrap().unwrap().revoked.is_some(), "it is ended, and the error says the rest");
}
