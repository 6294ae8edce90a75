//! Back-off.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_auth::{
    Authentication, AuthenticationProvider as _, AuthenticationRefusal, Credentials, Error, ErrorKind, PasswordAccount,
    PasswordAccounts, PasswordHash, PasswordHasher, PasswordProvider,
    proof::{MemoryProofStore, ProofKey, ProofRecord, ProofStore},
    throttle::{Admission, BackOff, Source, Throttle},
};

use super::clock;

fn ip(address: &str) -> Source {
    Source::ip(address.parse().unwrap())
}

async fn wait(throttle: &Throttle, account: &str, source: Option<&Source>) -> Option<Duration> {
    match throttle.admit("password", account, source).await.unwrap() {
        Admission::Admitted(_) => None,
        Admission::Throttled { retry_after } => Some(retry_after),
    }
}

#[tokio::test]
async fn waits_double_up_to_the_longest_and_are_forgotten() {
    let clock = clock();
    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock.clone());
    for _ in 0..5 {
        assert_eq!(wait(&throttle, "ann", None).await, None);
    }
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        let expected = Duration::from_secs(expected);
        // Asking again does not prolong the wait.
        for _ in 0..3 {
            assert_eq!(wait(&throttle, "ann", None).await, Some(expected));
        }
        clock.advance(expected - Duration::from_millis(1));
        assert_eq!(wait(&throttle, "ann", None).await, Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(wait(&throttle, "ann", None).await, None);
    }
    assert_eq!(wait(&throttle, "bob", None).await, None, "others are not concerned");
    clock.advance(Duration::from_hours(1));
    for _ in 0..5 {
        assert_eq!(wait(&throttle, "ann", None).await, None, "forgotten");
    }
}

#[tokio::test]
async fn an_attacker_does_not_lock_the_owner_out() {
    let clock = clock();
    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock.clone());
    let home = ip("192.0.2.1");
    let Admission::Admitted(login) = throttle.admit("password", "ann", Some(&home)).await.unwrap() else { panic!() };
    throttle.succeeded(login).await.unwrap();
    // From a thousand places at once.
    for number in 0..1000u32 {
        let _ = wait(&throttle, "ann", Some(&ip(&format!("198.51.{}.{}", number / 250, number % 250)))).await;
    }
    assert!(wait(&throttle, "ann", Some(&ip("203.0.113.9"))).await.is_some(), "the account is slow for strangers");
    for _ in 0..5 {
        assert_eq!(wait(&throttle, "ann", Some(&home)).await, None, "not for where she has logged in from");
    }
    assert!(wait(&throttle, "ann", Some(&home)).await.is_some(), "which is no way to guess, either");
    // Who resets a password forgets what was attempted.
    throttle.forget("password", "ann").await.unwrap();
    assert_eq!(wait(&throttle, "ann", Some(&ip("203.0.113.9"))).await, None);
}

#[tokio::test]
async fn a_source_is_slowed_down_over_all_accounts() {
    let clock = clock();
    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock.clone());
    // One machine has a network of addresses.
    let source = |number: u32| ip(&format!("2001:db8:1:2:{number:x}::1"));
    for number in 0..50 {
        assert_eq!(wait(&throttle, &format!("user-{number}"), Some(&source(number))).await, None);
    }
    assert_eq!(wait(&throttle, "user-50", Some(&source(50))).await, Some(Duration::from_secs(1)));
    assert_eq!(wait(&throttle, "user-50", Some(&ip("2001:db8:1:3::1"))).await, None);
    assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
}

#[tokio::test]
async fn logins_that_succeed_do_not_count() {
    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock());
    let office = ip("192.0.2.1");
    for number in 0..500 {
        let account = format!("user-{number}");
        let Admission::Admitted(login) = throttle.admit("password", &account, Some(&office)).await.unwrap() else {
            panic!("{account}")
        };
        throttle.succeeded(login).await.unwrap();
    }
}

#[derive(Debug)]
struct OnlyAnn(PasswordHash);

#[async_trait]
impl PasswordAccounts for OnlyAnn {
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
        let hash = self.0.clone();
        Ok((identifier == "ann").then(|| PasswordAccount {
            subject: "1".to_owned(),
            hash,
            active: true,
            permission_version: None,
        }))
    }

    async fn replace_hash(&self, _: &str, _: &PasswordHash, _: &PasswordHash) -> Result<(), Error> {
        Ok(())
    }
}

async fn provider(store: impl ProofStore) -> PasswordProvider<OnlyAnn> {
    let hasher = PasswordHasher::new();
    let hash = hasher.hash("correct horse battery staple".into()).await.unwrap().into_result().unwrap();
    PasswordProvider::new(hasher, OnlyAnn(hash)).with_throttle(Throttle::new(store).with_clock(clock()))
}

#[tokio::test]
async fn names_that_nobody_has_are_slowed_down_like_others() {
    let provider = provider(MemoryProofStore::new()).await;
    let mut answers = Vec::new();
    for name in ["ann", "nobody", "no\nbody"] {
        let mut of_name = Vec::new();
        for _ in 0..8 {
            of_name.push(provider.authenticate(&Credentials::password(name, "wrong")).await.unwrap());
        }
        answers.push(of_name);
    }
    let locked = AuthenticationRefusal::Locked { retry_after: Duration::from_secs(1) };
    assert_eq!(answers[0][5], Authentication::Refused(locked));
    assert_eq!(answers[0][..5], vec![Authentication::Refused(AuthenticationRefusal::BadCredentials); 5]);
    assert!(answers.iter().all(|of_name| *of_name == answers[0]), "{answers:?}");
    // One account, however its name is written.
    let other = provider.authenticate(&Credentials::password(" ANN ", "correct horse battery staple")).await.unwrap();
    assert_eq!(other, Authentication::Refused(locked));
}

#[tokio::test]
async fn the_right_password_starts_anew() {
    let provider = provider(MemoryProofStore::new()).await;
    let home = || Credentials::password("ann", "correct horse battery staple").from_source(ip("192.0.2.1"));
    for _ in 0..3 {
        for _ in 0..4 {
            let wrong = provider.authenticate(&Credentials::password("ann", "wrong")).await.unwrap();
            assert_eq!(wrong, Authentication::Refused(AuthenticationRefusal::BadCredentials));
        }
        let right = provider.authenticate(&Credentials::password("ann", "correct horse battery staple")).await.unwrap();
        assert!(matches!(right, Authentication::Authenticated(_)), "{right:?}");
    }
    assert!(matches!(provider.authenticate(&home()).await.unwrap(), Authentication::Authenticated(_)));
}

#[derive(Debug)]
struct Away;

#[async_trait]
impl ProofStore for Away {
    async fn load(&self, _: &ProofKey) -> Result<Option<ProofRecord>, Error> {
        Err(Error::unavailable("the store is away", "connection refused"))
    }

    async fn put(
        &self,
        _: &ProofKey,
        _: Option<u64>,
        _: &ProofRecord,
        _: std::time::SystemTime,
    ) -> Result<bool, Error> {
        Err(Error::unavailable("the store is away", "connection refused"))
    }

    async fn remove(&self, _: &ProofKey, _: u64) -> Result<bool, Error> {
        Err(Error::unavailable("the store is away", "connection refused"))
    }

    async fn purge(&self, _: std::time::SystemTime, _: u32) -> Result<u64, Error> {
        Err(Error::unavailable("the store is away", "connection refused"))
    }

    async fn health(&self) -> Result<(), Error> {
        Err(Error::unavailable("the store is away", "connection refused"))
    }
}

#[tokio::test]
async fn nobody_gets_in_while_the_store_is_away() {
    let provider = provider(Arc::new(Away)).await;
    let right = Credentials::password("ann", "correct horse battery staple");
    assert_eq!(provider.authenticate(&right).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let s = Duration::from_secs;
    for (free, first, longest, forget) in [
        (0, s(1), s(60), s(60)),
        (10_001, s(1), s(60), s(60)),
        (5, Duration::from_millis(99), s(60), s(60)),
        (5, s(2), s(1), s(60)),
        (5, s(1), s(86_401), s(86_401)),
        (5, s(1), s(60), s(59)),
        (5, s(1), s(60), s(30 * 86_400 + 1)),
    ] {
        assert_eq!(BackOff::new(free, first, longest, forget).unwrap_err().kind(), ErrorKind::Config);
    }
    BackOff::new(5, s(1), s(900), s(3600)).unwrap();
}
