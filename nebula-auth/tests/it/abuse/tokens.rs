//! Tokens, presented as they are.

use async_trait::async_trait;
use nebula_auth::{
    Algorithm, Error, KeySet, ManualClock, Principal, RevokedTokens, SessionCheck, SessionStatus, SigningKey,
    TokenRefusal, TokenService, VerifyingKey,
};
use serde_json::{Value, json};

use super::{abuse_cases, cases, text};
use crate::support;

/// The service that the cases are written for.
pub(super) fn service() -> (TokenService, ManualClock) {
    let cases = cases();
    let (meta, keys) = (&cases["meta"], &cases["keys"]);
    let clock = ManualClock::at_unix(meta["fixed_clock_unix"].as_u64().unwrap());
    let key = |kid, algorithm, pem| VerifyingKey::from_pem(text(keys, kid), algorithm, text(keys, pem)).unwrap();
    let set = KeySet::new(SigningKey::hs256(text(keys, "hs256_kid"), text(keys, "hs256_utf8")).unwrap())
        .with_verifying(key("es256_kid", Algorithm::ES256, "es256_public_pem"))
        .unwrap()
        .with_verifying(key("ed25519_kid", Algorithm::EdDSA, "ed25519_public_pem"))
        .unwrap();
    let service = TokenService::new(set, text(meta, "issuer"), text(meta, "audience")).unwrap();
    (service.with_clock(clock.clone()), clock)
}

pub(super) fn code(refusal: TokenRefusal) -> String {
    match refusal {
        TokenRefusal::MissingClaim(claim) => format!("missing_claim:{claim}"),
        other => other.code().to_owned(),
    }
}

/// Whether the case is a token to be presented, with nothing else to do.
pub(super) fn is_plain(case: &Value) -> bool {
    case["input"]["token"].is_string() && !["J30", "C24", "C25"].contains(&text(case, "id"))
}

#[test]
fn good_tokens_are_accepted() {
    let (service, _) = service();
    let cases = cases();
    let accepted = cases["accept"].as_array().unwrap();
    assert_eq!(accepted.len(), 4);
    for case in accepted {
        let principal = service.verify_offline(text(case, "token")).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!((principal.subject(), principal.permission_version()), ("10001", Some(7)));
    }
}

#[tokio::test]
async fn tokens_that_are_abuse_are_refused_with_their_code() {
    let (plain, _) = service();
    // With a cache of verified tokens, and each twice, nothing is different.
    let (cached, _) = service();
    let cached = cached.with_verified_cache(1000).unwrap();
    let cases = abuse_cases();
    let tokens: Vec<_> = cases.iter().filter(|case| is_plain(case)).collect();
    for case in &tokens {
        for service in [&plain, &cached, &cached] {
            let refusal = service.verify(text(&case["input"], "token")).await.unwrap().into_result().unwrap_err();
            assert_eq!(code(refusal), text(&case["expect"], "code"), "{} {}", case["id"], case["title"]);
        }
    }
    assert_eq!(tokens.len(), 32, "every case with a token");
}

/// J26
#[test]
fn a_token_beyond_the_limit_is_not_even_decoded() {
    let (service, _) = service();
    let mut claims = support::claims();
    claims["x"] = json!("A".repeat(16_384));
    let token = support::forge(support::header("HS256", "k1"), claims.to_string());
    assert_eq!(code(service.verify_offline(&token).unwrap_err()), "token_too_large");
    let cut = &token[..8192];
    assert_ne!(code(service.verify_offline(cut).unwrap_err()), "token_too_large");
}

/// J30
#[tokio::test]
async fn the_other_text_of_a_revoked_token_is_revoked_too() {
    let case = abuse_cases().into_iter().find(|case| case["id"] == "J30").unwrap();
    let (service, clock) = service();
    let revoked = RevokedTokens::with_clock(clock);
    let service = service.with_session_check(revoked.clone()).with_verified_cache(100).unwrap();
    let (original, mirrored) = (text(&case["input"], "original"), text(&case["input"], "token"));
    assert_ne!(original, mirrored);
    let principal = service.verify(original).await.unwrap().into_result().unwrap();
    assert_eq!(service.verify(mirrored).await.unwrap().into_result().unwrap(), principal);
    revoked.revoke_token(&principal);
    for token in [original, mirrored] {
        let refusal = service.verify(token).await.unwrap().into_result().unwrap_err();
        assert_eq!(code(refusal), text(&case["expect"], "code"));
    }
}

/// Knows nobody but 10001.
#[derive(Debug)]
struct Directory;

#[async_trait]
impl SessionCheck for Directory {
    async fn check(&self, principal: &Principal) -> Result<SessionStatus, Error> {
        Ok(if principal.subject() == "10001" { SessionStatus::Active } else { SessionStatus::SubjectInactive })
    }
}

/// C24
#[tokio::test]
async fn a_user_who_was_deleted_is_not_active() {
    let case = abuse_cases().into_iter().find(|case| case["id"] == "C24").unwrap();
    let service = service().0.with_session_check(Directory);
    let refusal = service.verify(text(&case["input"], "token")).await.unwrap().into_result().unwrap_err();
    assert_eq!(code(refusal), text(&case["expect"], "code"));
}

/// C25: the version tells whoever keeps permissions by it that what they keep is old. The evaluator of this crate does not
/// go by it: it knows the store's own sequence.
#[test]
fn an_old_version_of_permissions_shows() {
    let cases = cases();
    let case = abuse_cases().into_iter().find(|case| case["id"] == "C25").unwrap();
    let principal = service().0.verify_offline(text(&case["input"], "token")).unwrap();
    let current = cases["meta"]["server_permission_version"].as_u64();
    assert!(principal.permission_version() < current, "{principal:?}");
}
