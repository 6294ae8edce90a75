//! Login through an [`AuthenticationProvider`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nebula_auth::{
    Argon2Params, AuthMethod, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials, Error,
    ErrorKind, PasswordAccount, PasswordAccounts, PasswordHash, PasswordHasher, PasswordProvider,
    secrecy::SecretString,
};

#[derive(Debug, Clone, Default)]
struct Accounts {
    by_name: Arc<Mutex<HashMap<String, PasswordAccount>>>,
    asked: Arc<Mutex<Vec<String>>>,
    read_only: Arc<AtomicBool>,
    away: Arc<AtomicBool>,
}

impl Accounts {
    async fn add(&self, name: &str, subject: &str, active: bool, hasher: &PasswordHasher) {
        let hash = hasher.hash(SecretString::from("swordfish-1")).await.unwrap().into_result().unwrap();
        let account = PasswordAccount { subject: subject.to_owned(), hash, active, permission_version: Some(7) };
        self.by_name.lock().unwrap().insert(name.to_owned(), account);
    }

    fn hash_of(&self, name: &str) -> String {
        self.by_name.lock().unwrap()[name].hash.expose().to_owned()
    }
}

#[async_trait]
impl PasswordAccounts for Accounts {
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the accounts cannot be read", "connection refused"));
        }
        self.asked.lock().unwrap().push(identifier.to_owned());
        Ok(self.by_name.lock().unwrap().get(identifier).cloned())
    }

    async fn replace_hash(&self, subject: &str, old: &PasswordHash, new: &PasswordHash) -> Result<(), Error> {
        if self.read_only.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the accounts cannot be written", "read-only replica"));
        }
        let mut accounts = self.by_name.lock().unwrap();
        let account = accounts.values_mut().find(|account| account.subject == subject).unwrap();
        if account.hash.expose() == old.expose() {
            account.hash = new.clone();
        }
        Ok(())
    }
}

fn cheap() -> PasswordHasher {
    PasswordHasher::new().with_params(Argon2Params::new(7168, 5, 1).unwrap())
}

async fn provider() -> (PasswordProvider<Accounts>, Accounts) {
    let accounts = Accounts::default();
    accounts.add("ann@example.org", "1", true, &cheap()).await;
    accounts.add("old@example.org", "2", false, &cheap()).await;
    (PasswordProvider::new(cheap(), accounts.clone()), accounts)
}

async fn login(provider: &impl AuthenticationProvider, name: &str, password: &str) -> Authentication {
    provider.authenticate(&Credentials::password(name, password)).await.unwrap()
}

const BAD: Authentication = Authentication::Refused(AuthenticationRefusal::BadCredentials);

#[tokio::test]
async fn the_right_password_authenticates() {
    let (provider, _) = provider().await;
    let Authentication::Authenticated(who) = login(&provider, "ann@example.org", "swordfish-1").await else {
        panic!("the password is right")
    };
    assert_eq!(
        (who.subject.as_str(), who.methods.as_slice(), who.permission_version),
        ("1", &[AuthMethod::Password][..], Some(7))
    );
}

#[tokio::test]
async fn names_have_one_canonical_form() {
    let (provider, accounts) = provider().await;
    for name in ["ANN@example.org", "  ann@Example.ORG\t", "Ann@EXAMPLE.org "] {
        assert!(matches!(login(&provider, name, "swordfish-1").await, Authentication::Authenticated(_)), "{name:?}");
    }
    accounts.asked.lock().unwrap().clear();
    // These are nobody's, and the store is never asked about them.
    for name in ["", "   ", "ann@example.org\r\n2026 admin login ok", "ann\u{1b}[31m", "a\u{0}b", &"x".repeat(321)] {
        assert_eq!(login(&provider, name, "swordfish-1").await, BAD, "{name:?}");
    }
    assert!(accounts.asked.lock().unwrap().is_empty());
    assert_eq!(login(&provider, "änn@example.org", "swordfish-1").await, BAD, "an accent makes another name");
}

#[tokio::test]
async fn wrong_unknown_and_closed_are_told_apart_only_by_who_knows_the_password() {
    let (provider, _) = provider().await;
    assert_eq!(login(&provider, "ann@example.org", "wrong").await, BAD);
    assert_eq!(login(&provider, "nobody@example.org", "swordfish-1").await, BAD);
    assert_eq!(login(&provider, "old@example.org", "wrong").await, BAD);
    let closed = Authentication::Refused(AuthenticationRefusal::AccountInactive);
    assert_eq!(login(&provider, "old@example.org", "swordfish-1").await, closed);
}

#[tokio::test]
async fn outdated_hashes_are_renewed_at_login_and_only_then() {
    let (_, accounts) = provider().await;
    let before = accounts.hash_of("ann@example.org");
    let provider = PasswordProvider::new(PasswordHasher::new(), accounts.clone());
    assert_eq!(login(&provider, "ann@example.org", "wrong").await, BAD);
    assert_eq!(accounts.hash_of("ann@example.org"), before);
    accounts.read_only.store(true, Ordering::SeqCst);
    let result = login(&provider, "ann@example.org", "swordfish-1").await;
    assert!(matches!(result, Authentication::Authenticated(_)), "a failed renewal does not fail the login");
    accounts.read_only.store(false, Ordering::SeqCst);
    assert!(matches!(login(&provider, "ann@example.org", "swordfish-1").await, Authentication::Authenticated(_)));
    let after = accounts.hash_of("ann@example.org");
    assert!(after.contains("m=19456,t=2"), "{after}");
    assert!(matches!(login(&provider, "ann@example.org", "swordfish-1").await, Authentication::Authenticated(_)));
    assert_eq!(accounts.hash_of("ann@example.org"), after);
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error_not_a_refusal() {
    let (provider, accounts) = provider().await;
    accounts.away.store(true, Ordering::SeqCst);
    let error = provider.authenticate(&Credentials::password("ann@example.org", "swordfish-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn providers_can_be_asked_in_turn() {
    #[derive(Debug)]
    struct Codes;

    #[async_trait]
    impl AuthenticationProvider for Codes {
        async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error> {
            Ok(match credentials {
                Credentials::OneTimeCode { .. } => {
                    Authentication::Refused(AuthenticationRefusal::Locked { retry_after: Duration::from_secs(30) })
                }
                _ => Authentication::Unsupported,
            })
        }
    }

    let providers: [Arc<dyn AuthenticationProvider>; 2] = [Arc::new(Codes), Arc::new(provider().await.0)];
    let code = Credentials::one_time_code("c", "123456");
    let password = Credentials::password("ann@example.org", "swordfish-1");
    for (credentials, expected) in [(code, "account_locked"), (password, "authenticated")] {
        let mut answer = None;
        for provider in &providers {
            match provider.authenticate(&credentials).await.unwrap() {
                Authentication::Unsupported => {}
                Authentication::Refused(refusal) => answer = Some(refusal.code()),
                _ => answer = Some("authenticated"),
            }
        }
        assert_eq!(answer, Some(expected));
    }
}
