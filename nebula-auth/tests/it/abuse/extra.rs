//! What no other file has a test for.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nebula_auth::{
    Algorithm, ErrorKind, KeySet, SigningKey,
    rbac::{
        Actor, EvaluatorOptions, MemoryRbacStore, Permission, PermissionEvaluator, PermissionPattern, Role, RoleName,
        UserId,
    },
};
use serde_json::json;

fn patient() -> EvaluatorOptions {
    EvaluatorOptions::new().lease(Duration::from_secs(120)).timeout(Duration::from_secs(60))
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

async fn given(pattern: &str) -> PermissionEvaluator {
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), patient()).await.unwrap();
    let pattern = PermissionPattern::new(pattern).unwrap();
    let grant = evaluator.service().grant(&Actor::system("test"), &user("ann"), &pattern, None).await;
    grant.unwrap().into_result().unwrap();
    evaluator
}

async fn may(evaluator: &PermissionEvaluator, name: &str) -> bool {
    evaluator.check_name(&user("ann"), &Permission::new(name).unwrap()).await.unwrap()
}

/// P05
#[tokio::test]
async fn who_was_given_nothing_may_nothing() {
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), patient()).await.unwrap();
    let service = evaluator.service();
    let empty = RoleName::new("empty").unwrap();
    service.create_role(&Actor::system("test"), Role::new(empty.clone())).await.unwrap().into_result().unwrap();
    service.assign_role(&Actor::system("test"), &user("ann"), &empty, None).await.unwrap().into_result().unwrap();
    assert!(!may(&evaluator, "order:read").await);
}

/// P06
#[tokio::test]
async fn a_name_is_not_the_beginning_of_another() {
    let evaluator = given("order").await;
    assert!(may(&evaluator, "order").await);
    for other in ["orders:read", "order:read", "orde", "orders"] {
        assert!(!may(&evaluator, other).await, "{other}");
    }
}

/// P09 to P13
#[test]
fn what_is_no_permission_is_not_stored() {
    let bomb = vec!["a"; 1000].join(":");
    for text in [
        "ord*:read",
        "order:re*d",
        "order:(read|.*)",
        "order:.*",
        "order:[a-z]+",
        "Order:Read",
        "order\u{ff1a}read",
        "\u{43e}rder:read",
        "order:read\u{200b}",
        "order:read\0",
        "order:read ",
        " order:read",
        "",
        ":",
        "order:",
        ":read",
        "order::read",
        &bomb,
        &"a".repeat(65_536),
    ] {
        assert!(PermissionPattern::new(text).is_err(), "{text:.40}");
        assert!(Permission::new(text).is_err(), "{text:.40}");
    }
}

/// P15
#[tokio::test]
async fn a_permission_is_no_role() {
    let evaluator = given("admin").await;
    assert!(may(&evaluator, "admin").await);
    assert!(!evaluator.has_role(&user("ann"), &RoleName::new("admin").unwrap()).await.unwrap());
}

/// K07: messages say that it is worth asking the store, and nothing else.
#[tokio::test]
async fn nothing_that_comes_from_redis_is_believed() {
    let server = nebula_test_support::redis_url().await;
    let config: nebula_redis::RedisConfig = serde_json::from_value(json!({ "url": server })).unwrap();
    let channel = nebula_test_support::unique("abuse");
    let evaluator = given("order:read").await.with_redis_signal(&config, &channel).await.unwrap();
    let mut link = nebula_redis::redis::Client::open(server).unwrap().get_multiplexed_async_connection().await.unwrap();
    for lie in ["18446744073709551615", "-1", "0", "ann=*", "\u{0}\u{1}", "{\"ann\":[\"*\"]}", ""] {
        for _ in 0..20 {
            nebula_redis::redis::cmd("PUBLISH").arg(&channel).arg(lie).exec_async(&mut link).await.unwrap();
        }
        assert!(may(&evaluator, "order:read").await, "{lie:?}");
        assert!(!may(&evaluator, "order:delete").await, "{lie:?}");
        assert!(!evaluator.check_name(&user("bob"), &Permission::new("order:read").unwrap()).await.unwrap());
    }
}

/// K10
#[tokio::test]
async fn many_permissions_are_told_apart() {
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), patient()).await.unwrap();
    let names: Vec<String> = (0..300).map(|number| format!("thing-{number}:read")).collect();
    let every_third = names.iter().step_by(3).map(|name| PermissionPattern::new(name).unwrap());
    let role = RoleName::new("third").unwrap();
    let service = evaluator.service();
    let new = Role::new(role.clone()).with_permissions(every_third);
    service.create_role(&Actor::system("test"), new).await.unwrap().into_result().unwrap();
    service.assign_role(&Actor::system("test"), &user("ann"), &role, None).await.unwrap().into_result().unwrap();
    // Cold and warm.
    for _ in 0..2 {
        for (number, name) in names.iter().enumerate() {
            assert_eq!(may(&evaluator, name).await, number % 3 == 0, "{name}");
        }
    }
}

/// F03, F04
#[test]
fn secrets_that_everybody_knows_are_refused() {
    for known in [
        "SecretKey012345678901234567890123456789012345678901234567890123456789",
        "secret",
        "changeme",
        "your-secret-key",
        "change-me-change-me-change-me-change-me",
        &"a".repeat(64),
        &"ab".repeat(32),
        &"0".repeat(40),
    ] {
        let error = SigningKey::hs256("k", known).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WeakSecret, "{known}");
        assert!(error.to_string().contains("openssl rand -base64 48"), "{error}");
    }
}

/// F09: nothing is signed with RSA, and of others' keys the small ones are left out.
#[test]
fn small_rsa_keys_are_not_taken() {
    let set = |bytes: usize| {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xc5; bytes]);
        json!({ "keys": [{ "kty": "RSA", "kid": "r", "alg": "RS256", "n": modulus, "e": "AQAB" }] })
    };
    for (bytes, taken) in [(64, 0), (128, 0), (255, 0), (256, 1), (512, 1), (1025, 0)] {
        assert_eq!(KeySet::from_jwks(&set(bytes), &[Algorithm::RS256]).unwrap().len(), taken, "{bytes}");
    }
    assert_eq!(KeySet::from_jwks(&set(256), &[Algorithm::EdDSA]).unwrap().len(), 0, "only what is listed");
    assert_eq!(SigningKey::generate(Algorithm::RS256, "r").unwrap_err().kind(), ErrorKind::InvalidKey);
    let pem = crate::support::pem(crate::support::RSA_PRIVATE);
    assert_eq!(SigningKey::from_pem("r", Algorithm::RS256, &pem).unwrap_err().kind(), ErrorKind::InvalidKey);
}
