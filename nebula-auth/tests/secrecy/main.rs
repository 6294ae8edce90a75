//! No secret in logs, `Debug` or errors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

mod databases;
#[path = "../it/support/mod.rs"]
mod support;

use std::{
    io,
    sync::{Arc, Mutex},
};

use nebula_auth::{
    AccessGrant, Algorithm, AuthConfig, Authentication, AuthenticationProvider, Credentials, DenyList, KeySet,
    MemoryRefreshStore, NewSession, PasswordHash, PasswordHasher, RefreshOptions, RevokedTokens, SessionService,
    SigningKey, TokenService,
    secrecy::{ExposeSecret as _, SecretString},
};
use support::*;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const PASSWORD: &str = "correct horse battery staple";

#[derive(Debug)]
struct Account(PasswordHash);

#[async_trait::async_trait]
impl nebula_auth::PasswordAccounts for Account {
    async fn find(&self, name: &str) -> Result<Option<nebula_auth::PasswordAccount>, nebula_auth::Error> {
        Ok((name == "ann").then(|| nebula_auth::PasswordAccount {
            subject: "1".to_owned(),
            hash: self.0.clone(),
            active: true,
            permission_version: None,
        }))
    }

    async fn replace_hash(&self, _: &str, _: &PasswordHash, _: &PasswordHash) -> Result<(), nebula_auth::Error> {
        Err(nebula_auth::Error::unavailable("the accounts cannot be written", "read-only replica"))
    }
}

/// Everything that happens in the life of an account, with all it leaves in `Debug`, errors and the log.
#[tokio::test]
async fn secrets_stay_out_of_logs_debug_and_errors() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut shown = String::new();
    let mut show = |value: &dyn std::fmt::Debug| shown.push_str(&format!("{value:?}\n{value:#?}\n"));
    let mut secrets = vec![PASSWORD.to_owned(), SECRET.to_owned()];

    // Keys.
    let signing = SigningKey::from_pem("d", Algorithm::EdDSA, &pem(ED25519_PRIVATE)).unwrap();
    secrets.push(ED25519_PRIVATE.lines().nth(1).unwrap().to_owned());
    show(&signing);
    show(&SigningKey::hs256("h", SECRET).unwrap());
    show(&key_set());
    let (tokens, clock) = service();
    let tokens = tokens.with_session_check(RevokedTokens::new());
    show(&tokens);

    // Passwords, with every way to fail.
    let weak = PasswordHasher::new().with_params(nebula_auth::Argon2Params::new(7168, 5, 1).unwrap());
    let hasher = PasswordHasher::new().with_breach_list(DenyList::new(["leaked-password-1"]));
    let hashed = weak.hash(SecretString::from(PASSWORD)).await.unwrap();
    show(&hashed);
    show(&hasher.hash(SecretString::from("leaked-password-1")).await.unwrap());
    secrets.push("leaked-password-1".to_owned());
    let hash = hashed.into_result().unwrap();
    secrets.push(hash.expose().to_owned());
    secrets.push(hash.expose().rsplit('$').next().unwrap().to_owned());
    show(&hasher.verify(SecretString::from(PASSWORD), &hash).await.unwrap());
    show(&PasswordHash::from_phc(format!("{}$x", hash.expose())).unwrap_err());
    let provider = nebula_auth::PasswordProvider::new(hasher.clone(), Account(hash));
    for (name, password) in [("ann", PASSWORD), ("ann", "wrong-password-9"), ("bob", PASSWORD)] {
        let credentials = Credentials::password(name, password);
        show(&credentials);
        let answer = provider.authenticate(&credentials).await.unwrap();
        assert_eq!(matches!(answer, Authentication::Authenticated(_)), (name, password) == ("ann", PASSWORD));
        show(&answer);
    }
    secrets.push("wrong-password-9".to_owned());
    show(&provider);

    // Tokens and sessions, through rotation, repetition, reuse and refusal.
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let mut pair = sessions.start(NewSession::new("ann")).await.unwrap();
    let first = pair.refresh_token.clone();
    for _ in 0..3 {
        show(&pair);
        secrets.extend([&pair.access_token, &pair.refresh_token].map(|token| token.expose_secret().to_owned()));
        pair = sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    }
    show(&sessions.refresh(&first, RefreshOptions::new()).await.unwrap());
    show(&sessions.refresh(&pair.access_token, RefreshOptions::new()).await.unwrap());
    show(&sessions);
    let issued = tokens.issue(&AccessGrant::new("ann")).unwrap();
    show(&issued);
    secrets.push(issued.token.expose_secret().to_owned());
    clock.advance(std::time::Duration::from_hours(3));
    show(&tokens.verify(issued.token.expose_secret()).await.unwrap());

    // Configuration, right and wrong.
    let json = format!(
        r#"{{"jwt":{{"secret":"{SECRET}","previous-secrets":["hunter2hunter2"],"issuer":"i","audience":"a"}}}}"#
    );
    let config: AuthConfig = serde_json::from_str(&json).unwrap();
    show(&config);
    show(&config.connect().await.unwrap_err());
    secrets.push("hunter2hunter2".to_owned());
    let stranger = TokenService::new(KeySet::new(signing), "i", "a").unwrap();
    show(&stranger.verify_offline(issued.token.expose_secret()));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("session is revoked") && log.contains("could not be replaced"), "the log was captured: {log}");
    for secret in secrets {
        // A part is as bad as the whole, so signatures and payloads of tokens are looked for on their own.
        for part in
            secret.split('.').filter(|part| part.len() >= 14 && !secret.starts_with(*part) || !secret.contains('.'))
        {
            assert!(!log.contains(part), "in the log: {part}");
            assert!(!shown.contains(part), "in Debug or an error: {part}");
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Outbox(Arc<Mutex<Vec<nebula_auth::mfa::CodeMessage>>>);

#[async_trait::async_trait]
impl nebula_auth::mfa::CodeSender for Outbox {
    async fn send(&self, message: &nebula_auth::mfa::CodeMessage) -> Result<(), nebula_auth::Error> {
        self.0.lock().unwrap().push(message.clone());
        Ok(())
    }
}

/// Lets everybody in.
#[derive(Debug)]
struct Open;

#[async_trait::async_trait]
impl AuthenticationProvider for Open {
    async fn authenticate(&self, _: &Credentials) -> Result<Authentication, nebula_auth::Error> {
        let who = nebula_auth::AuthenticatedSubject::new("ann", nebula_auth::AuthMethod::Password);
        Ok(Authentication::Authenticated(who))
    }
}

/// The same for second factors and codes, with every way to fail.
#[tokio::test]
async fn factors_and_codes_stay_out_of_logs_debug_and_errors() {
    use nebula_auth::{
        AuthMethod, RefreshOptions,
        mfa::{FactorKey, MfaProvider, OneTimeCodes, SecondFactor as _, Totp, TotpParams},
        oidc::{Callback, OidcSettings},
        proof::MemoryProofStore,
        throttle::{Source, Throttle},
    };

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut shown = String::new();
    let mut show = |value: &dyn std::fmt::Debug| shown.push_str(&format!("{value:?}\n{value:#?}\n"));
    let mut secrets = vec![SECRET.to_owned()];

    let (tokens, clock) = service();
    let (store, key) = (MemoryProofStore::new(), FactorKey::new(&SECRET.into()).unwrap());
    show(&key);
    show(&FactorKey::new(&"hunter2hunter2".into()).unwrap_err());
    secrets.push("hunter2hunter2".to_owned());
    let totp = Totp::new(store.clone(), key.clone(), "Shop").with_clock(clock.clone());
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW);
    let grant = AccessGrant::new("ann").session("s").authenticated(at, [AuthMethod::Password]);
    let principal = tokens.issue(&grant).unwrap().principal;
    let enrolment = totp.enrol(&principal, "ann").await.unwrap().unwrap();
    show(&enrolment);
    secrets.extend([enrolment.secret(), enrolment.uri()].map(|text| text.expose_secret().to_owned()));
    let raw = data_encoding::BASE32_NOPAD.decode(enrolment.secret().expose_secret().as_bytes()).unwrap();
    secrets.push(format!("{raw:?}"));
    let code = |seconds| SecretString::from(TotpParams::default().code_at(&raw, seconds));
    let recovery = totp.confirm(&principal, &code(NOW)).await.unwrap().unwrap();
    show(&recovery);
    secrets.extend(recovery.codes().iter().map(|code| code.expose_secret().to_owned()));

    let provider = MfaProvider::new(Open, totp.clone(), store.clone()).with_clock(clock.clone());
    show(&provider);
    let asked = provider.authenticate(&Credentials::password("ann", PASSWORD)).await.unwrap();
    show(&asked);
    let Authentication::SecondFactor(challenge) = asked else { panic!() };
    let challenge = challenge.challenge.expose_secret().to_owned();
    secrets.push(challenge.clone());
    clock.set_unix(NOW + 60);
    for typed in ["000001-wrong-code".into(), recovery.codes()[0].clone(), code(NOW + 60), code(NOW + 60)] {
        let credentials = Credentials::one_time_code(challenge.clone(), typed);
        show(&credentials);
        show(&provider.authenticate(&credentials).await.unwrap());
    }
    secrets.push("000001-wrong-code".to_owned());
    for _ in 0..8 {
        show(&totp.check("ann", &"wrong-code-number-2".into()).await.unwrap());
    }
    secrets.push("wrong-code-number-2".to_owned());
    show(&totp);
    let other = Totp::new(store.clone(), FactorKey::generate().unwrap(), "Shop").with_clock(clock.clone());
    clock.set_unix(NOW + 7200);
    show(&other.check("ann", &code(NOW + 7200)).await.unwrap_err());

    let outbox = Outbox::default();
    let codes =
        OneTimeCodes::new(store.clone(), key, outbox.clone()).with_limits(9, std::time::Duration::from_mins(5), 5);
    let codes = codes.unwrap().with_clock(clock.clone());
    show(&codes.send("login", "ann", "+1 555 0100").await.unwrap());
    show(&outbox);
    let sent = outbox.0.lock().unwrap()[0].code.clone();
    secrets.push(sent.expose_secret().to_owned());
    show(&codes.check("login", "ann", &"wrong-code-number-3".into()).await.unwrap());
    show(&codes.check("login", "ann", &sent).await.unwrap());
    show(&codes);
    show(&store);

    let throttle = Throttle::new(store);
    let cookie = Source::named("cookie-of-a-device");
    for _ in 0..7 {
        show(&throttle.admit("password", "ann", Some(&cookie)).await.unwrap());
    }
    show(&Credentials::password("ann", PASSWORD).from_source(cookie));
    secrets.extend(["cookie-of-a-device".to_owned(), PASSWORD.to_owned()]);
    show(&OidcSettings::new("https://a.test", "shop", "https://b.test").client_secret("client-secret-1"));
    let callback = Callback { code: Some("authorization-code-1".into()), ..Callback::default() };
    show(&callback);
    secrets.extend(["client-secret-1".to_owned(), "authorization-code-1".to_owned()]);

    // Another device, and a step-up.
    let sessions = SessionService::new(tokens, MemoryRefreshStore::new());
    let device = nebula_auth::DeviceFingerprint::of("one");
    let new = NewSession::new("ann").methods([AuthMethod::Password]).device(device);
    let pair = sessions.start(new).await.unwrap();
    let moved = sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    let proof = nebula_auth::mfa::FactorProof::vouched("ann", AuthMethod::OneTimeCode);
    show(&proof);
    let raised = sessions.step_up(&moved.principal, proof, RefreshOptions::new()).await.unwrap();
    show(&raised);
    let raised = raised.into_result().unwrap();
    for token in [&pair.refresh_token, &moved.refresh_token, &moved.access_token, &raised.token] {
        secrets.push(token.expose_secret().rsplit('.').next().unwrap().to_owned());
    }

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for line in ["too many failed attempts", "refreshed by another device"] {
        assert!(log.contains(line), "the log was captured: {log}");
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "in the log: {secret}");
        assert!(!shown.contains(&secret), "in Debug or an error: {secret}");
    }
}

#[tokio::test]
async fn hostile_names_cannot_break_log_lines() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let store = MemoryRefreshStore::new();
    let (tokens, _) = service();
    let sessions = SessionService::new(tokens, store).with_grace(std::time::Duration::ZERO).unwrap();
    // A subject with control characters cannot even get a token.
    assert!(sessions.start(NewSession::new("bob\r\n2026 admin login ok")).await.is_err());
    let pair = sessions.start(NewSession::new("bob \"quoted\" \u{202e}reversed")).await.unwrap();
    for _ in 0..2 {
        sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap();
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(!log.contains('\u{202e}'), "{log}");
}
