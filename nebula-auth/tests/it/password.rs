//! Passwords.

use std::time::Duration;

use async_trait::async_trait;
use nebula_auth::{
    Argon2Params, BreachList, DenyList, Error, ErrorKind, PasswordHash, PasswordHasher, PasswordPolicy,
    PasswordRefusal, Verified, secrecy::SecretString,
};

const GOOD: &str = "correct horse battery staple";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

async fn hashed(hasher: &PasswordHasher, password: &str) -> PasswordHash {
    hasher.hash(secret(password)).await.unwrap().into_result().unwrap()
}

async fn refusal(hasher: &PasswordHasher, password: &str) -> PasswordRefusal {
    hasher.hash(secret(password)).await.unwrap().into_result().unwrap_err()
}

#[tokio::test]
async fn the_right_password_matches_and_no_other() {
    let hasher = PasswordHasher::new();
    let hash = hashed(&hasher, GOOD).await;
    assert!(matches!(hasher.verify(secret(GOOD), &hash).await.unwrap(), Verified::Match));
    for wrong in ["", "Correct horse battery staple", "correct horse battery staple ", "correct horse", "\u{0}"] {
        assert!(!hasher.verify(secret(wrong), &hash).await.unwrap().is_match(), "{wrong:?}");
    }
}

#[tokio::test]
async fn hashes_are_salted_and_in_the_standard_form() {
    let hasher = PasswordHasher::new();
    let (a, b) = (hashed(&hasher, GOOD).await, hashed(&hasher, GOOD).await);
    assert_ne!(a.expose(), b.expose());
    assert!(a.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", a.expose());
    let stored = PasswordHash::from_phc(a.expose()).unwrap();
    assert!(hasher.verify(secret(GOOD), &stored).await.unwrap().is_match());
}

/// The first vector was made by the reference implementation (`argon2 somesalt -t 2 -m 16 -p 1` and its test suite),
/// so the hashes of other systems can be taken over.
#[tokio::test]
async fn hashes_of_other_systems_match_and_are_renewed() {
    let hasher = PasswordHasher::new();
    let foreign = [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ];
    for phc in foreign {
        let stored = PasswordHash::from_phc(phc).unwrap();
        let Verified::MatchNeedsRehash(renewed) = hasher.verify(secret("password"), &stored).await.unwrap() else {
            panic!("{phc} must match and be outdated")
        };
        assert!(matches!(hasher.verify(secret("password"), &renewed).await.unwrap(), Verified::Match));
        assert!(!hasher.verify(secret("passwort"), &stored).await.unwrap().is_match());
    }
}

#[tokio::test]
async fn a_change_of_parameters_renews_hashes_at_login() {
    let (weaker, stronger) = (Argon2Params::new(7168, 5, 1).unwrap(), Argon2Params::new(9216, 4, 1).unwrap());
    let old = PasswordHasher::new().with_params(weaker);
    let new = PasswordHasher::new().with_params(stronger);
    let hash = hashed(&old, GOOD).await;
    assert!(matches!(old.verify(secret(GOOD), &hash).await.unwrap(), Verified::Match));
    let Verified::MatchNeedsRehash(renewed) = new.verify(secret(GOOD), &hash).await.unwrap() else {
        panic!("outdated")
    };
    assert!(renewed.expose().contains("m=9216,t=4,p=1"));
    assert!(!new.verify(secret("wrong"), &hash).await.unwrap().is_match(), "a wrong password renews nothing");
}

#[tokio::test]
async fn new_passwords_obey_the_policy() {
    let hasher = PasswordHasher::new();
    assert_eq!(refusal(&hasher, "seven77").await, PasswordRefusal::TooShort { min_chars: 8 });
    assert_eq!(refusal(&hasher, "äöüäöüä").await, PasswordRefusal::TooShort { min_chars: 8 }, "characters, not bytes");
    assert_eq!(refusal(&hasher, "").await.code(), "password_too_short");
    assert_eq!(refusal(&hasher, &"x".repeat(1025)).await, PasswordRefusal::TooLong { max_bytes: 1024 });
    assert_eq!(refusal(&hasher, &"x".repeat(1 << 20)).await.code(), "password_too_long");
    hashed(&hasher, "密码密码密码密码").await;
    let strict = PasswordHasher::new().with_policy(PasswordPolicy::new(15, 64).unwrap());
    assert_eq!(refusal(&strict, "fourteen chars").await, PasswordRefusal::TooShort { min_chars: 15 });
    assert_eq!(refusal(&strict, &"x".repeat(65)).await, PasswordRefusal::TooLong { max_bytes: 64 });
}

#[tokio::test]
async fn every_byte_of_a_long_password_counts() {
    let hasher = PasswordHasher::new();
    let long = "x".repeat(1023);
    let hash = hashed(&hasher, &format!("{long}a")).await;
    assert!(!hasher.verify(secret(&format!("{long}b")), &hash).await.unwrap().is_match());
    assert!(!hasher.verify(secret(&long), &hash).await.unwrap().is_match());
    // Beyond the limit nothing matches, not even with a matching beginning.
    assert!(!hasher.verify(secret(&format!("{long}a!")), &hash).await.unwrap().is_match());
    assert!(!hasher.verify(secret(&format!("{long}a{}", "y".repeat(1 << 20))), &hash).await.unwrap().is_match());
    assert!(hasher.verify(secret(&format!("{long}a")), &hash).await.unwrap().is_match());
}

#[tokio::test]
async fn old_passwords_work_under_a_stricter_policy() {
    let hash = hashed(&PasswordHasher::new(), "eight888").await;
    let strict = PasswordHasher::new().with_policy(PasswordPolicy::new(15, 64).unwrap());
    assert!(strict.verify(secret("eight888"), &hash).await.unwrap().is_match());
}

#[tokio::test]
async fn leaked_passwords_are_refused() {
    let list = DenyList::new(["password1234", "", "  ", "Nebula Tickets"]);
    assert_eq!(list.len(), 2);
    let hasher = PasswordHasher::new().with_breach_list(list);
    for leaked in ["password1234", "PASSWORD1234", " nebula tickets "] {
        assert_eq!(refusal(&hasher, leaked).await, PasswordRefusal::Breached, "{leaked}");
    }
    hashed(&hasher, "password12345").await;
}

#[tokio::test]
async fn a_breach_list_that_is_away_lets_nothing_through() {
    #[derive(Debug)]
    struct Away;

    #[async_trait]
    impl BreachList for Away {
        async fn contains(&self, _: &SecretString) -> Result<bool, Error> {
            Err(Error::unavailable("the breach list does not answer", "connection refused"))
        }
    }

    let error = PasswordHasher::new().with_breach_list(Away).hash(secret(GOOD)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable());
}

#[test]
fn parameters_and_policies_have_a_floor() {
    for (memory, passes) in [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5), (1 << 20, 64)] {
        Argon2Params::new(memory, passes, 1).unwrap();
    }
    for (memory, passes, lanes) in [
        (47_103, 1, 1),
        (19_455, 2, 1),
        (7_167, 64, 1),
        (19_456, 0, 1),
        (0, 0, 0),
        ((1 << 20) + 1, 2, 1),
        (19_456, 65, 1),
        (19_456, 2, 0),
        (19_456, 2, 17),
    ] {
        let error = Argon2Params::new(memory, passes, lanes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{memory} {passes} {lanes}");
    }
    for (least, most) in [(7, 64), (0, 64), (8, 63), (8, 1025), (100, 64)] {
        assert_eq!(PasswordPolicy::new(least, most).unwrap_err().kind(), ErrorKind::Config, "{least} {most}");
    }
}

#[test]
fn stored_hashes_that_cannot_be_used_are_errors() {
    let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let unusable = [
        String::new(),
        "plaintext".to_owned(),
        "$2b$12$KIXQ4uJ0m1Q9nq5c7b0Zxe6H7v4H5h7ZQwq1lK0R2s8qQ1Zb1yF8K".to_owned(),
        format!("$argon2x$v=19$m=65536,t=2,p=1${tail}"),
        format!("$argon2id$v=99$m=65536,t=2,p=1${tail}"),
        format!("$argon2id$v=19$m=4294967295,t=2,p=1${tail}"),
        format!("$argon2id$v=19$m=65536,t=4000000000,p=1${tail}"),
        format!("$argon2id$v=19$m=65536,t=2,p=1000${tail}"),
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ".to_owned(),
        "$argon2id$v=19$m=65536,t=2,p=1".to_owned(),
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$AAAAAAAA".to_owned(),
    ];
    for phc in unusable {
        let error = PasswordHash::from_phc(phc.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidHash, "{phc}");
        assert!(phc.is_empty() || !format!("{error:?}").contains(&phc), "the hash leaks: {error:?}");
    }
}

#[tokio::test]
async fn unknown_users_never_match() {
    let hasher = PasswordHasher::new();
    for password in ["", GOOD, &"x".repeat(1 << 20)] {
        assert!(!hasher.verify_unknown_user(secret(password)).await.unwrap().is_match());
    }
}

#[tokio::test]
async fn waiting_callers_are_served_in_turn() {
    let hasher = PasswordHasher::new().with_max_concurrent(2).with_queue_deadline(Duration::from_secs(120));
    let hash = hashed(&hasher, GOOD).await;
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            let (hasher, hash) = (hasher.clone(), hash.clone());
            let password = if number % 2 == 0 { secret(GOOD) } else { secret("wrong") };
            tokio::spawn(async move { hasher.verify(password, &hash).await.unwrap().is_match() })
        })
        .collect();
    for (number, caller) in waiting.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap(), number % 2 == 0);
    }
}
