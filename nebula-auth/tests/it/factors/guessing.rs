//! Thousands of guesses at once, at everything that can be guessed.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use nebula_auth::{
    Authentication, AuthenticationProvider as _, AuthenticationRefusal, Credentials, Error, MemoryRefreshStore,
    NewSession, Reauthentication, RefreshOptions, RefreshStore, Refreshed, Revocation, Rotation, RotationOutcome,
    Session, SessionService, TokenHash,
    mfa::{FactorCheck, FactorRefusal, SecondFactor as _},
    proof::MemoryProofStore,
    secrecy::ExposeSecret as _,
};
use nebula_auth::{
    PasswordAccount, PasswordAccounts, PasswordHash, PasswordHasher, PasswordProvider, throttle::Throttle,
};

use super::{NOW, clock, codes, enrolled, tokens, totp};

const GUESSES: usize = 5_000;

/// All guesses at once; how many of them were looked at.
async fn looked_at<F: Future<Output = bool> + Send + 'static>(guess: impl Fn(usize) -> F) -> usize {
    let guesses: Vec<_> = (0..GUESSES).map(|number| tokio::spawn(guess(number))).collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += usize::from(guess.await.unwrap());
    }
    looked_at
}

#[derive(Debug, Clone)]
struct Counting {
    hash: PasswordHash,
    found: Arc<AtomicUsize>,
}

#[async_trait]
impl PasswordAccounts for Counting {
    async fn find(&self, _: &str) -> Result<Option<PasswordAccount>, Error> {
        self.found.fetch_add(1, Ordering::SeqCst);
        let hash = self.hash.clone();
        Ok(Some(PasswordAccount { subject: "1".to_owned(), hash, active: true, permission_version: None }))
    }

    async fn replace_hash(&self, _: &str, _: &PasswordHash, _: &PasswordHash) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords() {
    let hasher = PasswordHasher::new();
    let hash = hasher.hash("correct horse battery staple".into()).await.unwrap().into_result().unwrap();
    let accounts = Counting { hash, found: Arc::default() };
    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock());
    let provider = Arc::new(PasswordProvider::new(hasher, accounts.clone()).with_throttle(throttle));
    let looked_at = looked_at(|number| {
        let provider = Arc::clone(&provider);
        async move {
            let guess = Credentials::password("ann", format!("guess {number}"));
            match provider.authenticate(&guess).await.unwrap() {
                Authentication::Refused(AuthenticationRefusal::BadCredentials) => true,
                Authentication::Refused(AuthenticationRefusal::Locked { .. }) => false,
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(looked_at.await, 5);
    // The others have cost neither a hash nor a query.
    assert_eq!(accounts.found.load(Ordering::SeqCst), 5);
}

fn judged(check: FactorCheck) -> bool {
    match check.into_result() {
        Err(FactorRefusal::Throttled { .. }) => false,
        Err(FactorRefusal::WrongCode | FactorRefusal::Replayed) => true,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_based_codes_and_recovery_codes() {
    let clock = clock();
    let totp = totp(&clock);
    let (app, _) = enrolled(&totp, "ann").await;
    clock.set_unix(NOW + 60);
    // None of the codes that would be accepted is among the guesses.
    let right: Vec<String> = (0..4).map(|step| app.code(NOW + 30 * step + 30).expose_secret().to_owned()).collect();
    let looked_at = looked_at(|number| {
        let (totp, right) = (totp.clone(), right.clone());
        async move {
            let guess = match number % 2 {
                0 => format!("{number:06}"),
                _ => format!("aaaa-bbbb-cccc-dddd-{number:04}"),
            };
            if right.contains(&guess) {
                return false;
            }
            judged(totp.check("ann", &guess.into()).await.unwrap())
        }
    });
    assert_eq!(looked_at.await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_codes() {
    let clock = clock();
    let (codes, outbox) = codes::codes(&clock);
    let _ = codes.send("login", "ann", "+1 555 0100").await.unwrap();
    let right = outbox.last().expose_secret().to_owned();
    let looked_at = looked_at(|number| {
        let (codes, right) = (codes.clone(), right.clone());
        async move {
            let guess = format!("{number:06}");
            guess != right && judged(codes.check("login", "ann", &guess.into()).await.unwrap())
        }
    });
    assert_eq!(looked_at.await, 5);
}

/// Counts what reaches it.
#[derive(Debug, Clone, Default)]
struct Reached {
    inner: MemoryRefreshStore,
    reads: Arc<AtomicUsize>,
}

#[async_trait]
impl RefreshStore for Reached {
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
        self.inner.create(session, first).await
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.rotate(rotation).await
    }

    async fn reauthenticate(&self, id: &str, proof: &Reauthentication) -> Result<bool, Error> {
        self.inner.reauthenticate(id, proof).await
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.session(id).await
    }

    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        self.inner.sessions_of(subject).await
    }

    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
        self.inner.revoke(id, revocation).await
    }

    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error> {
        self.inner.revoke_all(subject, except, revocation).await
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        self.inner.purge(before, limit).await
    }

    async fn health(&self) -> Result<(), Error> {
        self.inner.health().await
    }
}

/// A refresh token has 256 random bits and a signature: a guess does not even reach the store, and the owner's session
/// goes on.
#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens() {
    let clock = clock();
    let store = Reached::default();
    let sessions = SessionService::new(tokens(&clock), store.clone());
    let pair = sessions.start(NewSession::new("ann")).await.unwrap();
    let token = pair.refresh_token.expose_secret().to_owned();
    let looked_at = looked_at(|number| {
        let (sessions, mut guess) = (sessions.clone(), token.clone().into_bytes());
        async move {
            // One letter of the token is another one: in the header, in the claims, or in the signature.
            let at = number % (guess.len() - 2);
            guess[at] = if guess[at] == b'A' { b'B' } else { b'A' };
            let guess = String::from_utf8(guess).unwrap();
            match sessions.refresh(&guess.into(), RefreshOptions::new()).await.unwrap() {
                Refreshed::Refused(_) => false,
                Refreshed::Renewed(_) => panic!("letter {at}"),
            }
        }
    });
    assert_eq!(looked_at.await, 0);
    assert_eq!(store.reads.load(Ordering::SeqCst), 0);
    sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
}
