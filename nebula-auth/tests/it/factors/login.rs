//! Logins that ask for a second factor.

use std::time::Duration;

use async_trait::async_trait;
use nebula_auth::{
    AuthMethod, AuthenticatedSubject, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials,
    Error, ManualClock,
    mfa::{FactorRefusal, MfaProvider, Totp},
    proof::MemoryProofStore,
    secrecy::{ExposeSecret as _, SecretString},
};

use super::{App, NOW, clock, enrolled, totp};

/// Lets in whoever says that they are right.
#[derive(Debug)]
pub(super) struct Passwords;

#[async_trait]
impl AuthenticationProvider for Passwords {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error> {
        let Credentials::Password { identifier, password, .. } = credentials else {
            return Ok(Authentication::Unsupported);
        };
        Ok(match password.expose_secret() {
            "right" => Authentication::Authenticated(AuthenticatedSubject::new(identifier, AuthMethod::Password)),
            _ => Authentication::Refused(AuthenticationRefusal::BadCredentials),
        })
    }
}

fn provider(totp: &Totp, clock: &ManualClock) -> MfaProvider {
    MfaProvider::new(Passwords, totp.clone(), MemoryProofStore::new()).with_clock(clock.clone())
}

async fn challenge(provider: &MfaProvider) -> String {
    match provider.authenticate(&Credentials::password("ann", "right")).await.unwrap() {
        Authentication::SecondFactor(challenge) => challenge.challenge.expose_secret().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn answer(provider: &MfaProvider, challenge: &str, code: &SecretString) -> Authentication {
    provider.authenticate(&Credentials::one_time_code(challenge, code.clone())).await.unwrap()
}

fn refusal(answer: Authentication) -> FactorRefusal {
    match answer {
        Authentication::Refused(AuthenticationRefusal::SecondFactor(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn wrong(app: &App, seconds: u64) -> SecretString {
    let code: u32 = app.code(seconds).expose_secret().parse().unwrap();
    format!("{:06}", (code + 1) % 1_000_000).into()
}

#[tokio::test]
async fn who_has_a_second_factor_is_asked_for_it() {
    let clock = clock();
    let totp = totp(&clock);
    let provider = provider(&totp, &clock);
    let without = provider.authenticate(&Credentials::password("ann", "right")).await.unwrap();
    assert!(matches!(without, Authentication::Authenticated(_)), "{without:?}");
    let (app, _) = enrolled(&totp, "ann").await;
    let wrong = provider.authenticate(&Credentials::password("ann", "wrong")).await.unwrap();
    assert_eq!(wrong, Authentication::Refused(AuthenticationRefusal::BadCredentials));
    let challenge = challenge(&provider).await;
    clock.set_unix(NOW + 60);
    let Authentication::Authenticated(who) = answer(&provider, &challenge, &app.code(NOW + 60)).await else { panic!() };
    assert_eq!(who.subject, "ann");
    assert_eq!(who.methods, [AuthMethod::Password, AuthMethod::OneTimeCode, AuthMethod::MultiFactor]);
    // A challenge lets in once.
    clock.set_unix(NOW + 120);
    assert_eq!(refusal(answer(&provider, &challenge, &app.code(NOW + 120)).await), FactorRefusal::WrongCode);
    assert_eq!(refusal(answer(&provider, "made up", &app.code(NOW + 120)).await), FactorRefusal::WrongCode);
}

#[tokio::test]
async fn who_has_none_is_refused_where_it_is_required() {
    let clock = clock();
    let provider = provider(&totp(&clock), &clock).with_required(true);
    let answer = provider.authenticate(&Credentials::password("ann", "right")).await.unwrap();
    assert_eq!(answer, Authentication::Refused(AuthenticationRefusal::SecondFactorRequired));
}

#[tokio::test]
async fn the_sixth_code_of_a_challenge_is_not_looked_at() {
    let clock = clock();
    let totp = totp(&clock);
    let provider = provider(&totp, &clock);
    let (app, _) = enrolled(&totp, "ann").await;
    let challenge = challenge(&provider).await;
    clock.set_unix(NOW + 60);
    for _ in 0..5 {
        let refused = refusal(answer(&provider, &challenge, &wrong(&app, NOW + 60)).await);
        assert_eq!(refused, FactorRefusal::WrongCode);
    }
    let sixth = refusal(answer(&provider, &challenge, &app.code(NOW + 60)).await);
    assert_eq!((sixth, sixth.code()), (FactorRefusal::Exhausted, "challenge_exhausted"));
}

#[tokio::test]
async fn new_challenges_do_not_start_the_count_anew() {
    let clock = clock();
    let totp = totp(&clock);
    let provider = provider(&totp, &clock);
    let (app, _) = enrolled(&totp, "ann").await;
    clock.set_unix(NOW + 60);
    for number in 0..50 {
        let challenge = challenge(&provider).await;
        let refused = refusal(answer(&provider, &challenge, &wrong(&app, NOW + 60)).await);
        match number {
            0..5 => assert_eq!(refused, FactorRefusal::WrongCode),
            _ => assert_eq!(refused.code(), "account_throttled"),
        }
    }
    let challenge = challenge(&provider).await;
    assert_eq!(refusal(answer(&provider, &challenge, &app.code(NOW + 60)).await).code(), "account_throttled");
}

#[tokio::test]
async fn a_challenge_lasts_five_minutes() {
    let clock = clock();
    let totp = totp(&clock);
    let provider = provider(&totp, &clock);
    let (app, _) = enrolled(&totp, "ann").await;
    let challenge = challenge(&provider).await;
    clock.advance(Duration::from_mins(5));
    assert_eq!(refusal(answer(&provider, &challenge, &app.code(NOW + 300)).await), FactorRefusal::WrongCode);
}
