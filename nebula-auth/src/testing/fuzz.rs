//! What fuzzers call with any bytes: nothing here may panic or hang, and what is accepted has to be what it claims to be.
//! The crate's own tests call the same functions with a million cases (`cargo test -p nebula-auth --release --test fuzz --
//! --ignored`).

use std::sync::LazyLock;

use secrecy::ExposeSecret as _;

use crate::{
    AccessGrant, Algorithm, KeySet, SigningKey, TokenService,
    rbac::{MAX_PERMISSION_BYTES, MAX_PERMISSION_SEGMENTS, Permission, PermissionPattern},
    token::{Claims, parse_object},
};

struct Fixture {
    service: TokenService,
    issued: Vec<String>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let signing = SigningKey::generate(Algorithm::HS256, "h").expect("a key");
    let other = SigningKey::generate(Algorithm::EdDSA, "d").expect("a key");
    let keys = KeySet::new(signing).with_verifying(other.verifying_key().clone()).expect("two keys");
    let service = TokenService::new(keys, "issuer", "audience").expect("a service");
    let issued = (0..4)
        .map(|number| {
            let grant = AccessGrant::new(format!("user-{number}")).session("s").scopes(["a:b", "c"]);
            service.issue(&grant).expect("a token").token.expose_secret().to_owned()
        })
        .collect();
    Fixture { service, issued }
});

/// Tokens that are good, to begin with.
#[must_use]
pub fn token_seeds() -> &'static [String] {
    &FIXTURE.issued
}

/// Any bytes as a token, as its header and as its claims. Of all texts only those that were issued are accepted.
///
/// # Panics
/// If something else is.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if FIXTURE.service.verify_offline(&text).is_ok() {
        assert!(FIXTURE.issued.iter().any(|issued| *issued == text), "accepted: {text}");
    }
    // Claims are read after the signature was found good, so they are tried by themselves.
    if let Ok(claims) = Claims::parse(data) {
        assert!(!claims.sub.is_empty() && !claims.jti.is_empty(), "accepted: {text}");
        assert!(!claims.sub.chars().any(char::is_control), "accepted: {text}");
    }
    if let Some(object) = parse_object(data) {
        let again = serde_json::from_slice::<serde_json::Value>(data).expect("what we read, others read");
        assert_eq!(serde_json::Value::Object(object), again, "{text}");
    }
}

/// Any bytes as a permission and as a pattern: what is accepted is of the grammar, and comes back as it was.
///
/// # Panics
/// If it is not.
pub fn permission(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let segment = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let bounded = text.len() <= MAX_PERMISSION_BYTES && text.split(':').count() <= MAX_PERMISSION_SEGMENTS;
    let plain = bounded && text.split(':').all(segment);
    let pattern = bounded && text.split(':').all(|part| part == "*" || segment(part));
    let permission = Permission::new(&*text);
    assert_eq!(permission.is_ok(), plain, "{text:?}");
    match PermissionPattern::new(&*text) {
        Err(_) => assert!(!pattern, "{text:?}"),
        Ok(found) => {
            assert!(pattern && found.to_string() == text, "{text:?}");
            if let Ok(permission) = permission {
                assert!(found.covers(&permission) && permission.to_string() == text, "{text:?}");
            }
        }
    }
}
