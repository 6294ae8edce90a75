//! Loading, refusing and publishing keys.

use crate::support::*;
use nebula_auth::{
    AccessGrant, Algorithm, ErrorKind, KeySet, SigningKey, TokenService, VerifyingKey, secrecy::ExposeSecret as _,
};

fn works(key: SigningKey) {
    let verifying = key.verifying_key().clone();
    let issuer = TokenService::new(KeySet::new(key), ISSUER, AUDIENCE).unwrap();
    let issued = issuer.issue(&AccessGrant::new("10001")).unwrap();
    let verifier = TokenService::new(KeySet::verify_only(verifying), ISSUER, AUDIENCE).unwrap();
    let principal = verifier.verify_offline(issued.token.expose_secret()).unwrap();
    assert_eq!(principal, issued.principal);
    assert_eq!(verifier.issue(&AccessGrant::new("10001")).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn generated_and_loaded_keys_sign_and_verify() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        works(SigningKey::generate(algorithm, "k").unwrap());
    }
    works(SigningKey::from_pem("k", Algorithm::EdDSA, &pem(ED25519_PRIVATE)).unwrap());
    works(SigningKey::from_pem("k", Algorithm::ES256, &pem(P256_PRIVATE)).unwrap());
    works(SigningKey::hs256("k", SECRET).unwrap());
}

#[test]
fn exported_keys_can_be_loaded_again() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm, "k").unwrap();
        let again = SigningKey::from_pem("k", algorithm, &key.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(key.verifying_key().to_jwk(), again.verifying_key().to_jwk());
        works(again);
    }
    assert!(SigningKey::generate(Algorithm::HS256, "k").unwrap().to_pkcs8_pem().is_none());
}

#[test]
fn keys_of_another_kind_or_damaged_are_refused() {
    let refused = |algorithm, text: &str| {
        let error = SigningKey::from_pem("k", algorithm, &pem(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{algorithm}: {error:?}");
        assert!(!format!("{error:?}").contains(text.lines().nth(1).unwrap_or("no second line")), "the key leaks");
    };
    for text in [P384_PRIVATE, RSA_PRIVATE, ED25519_PUBLIC, P256_PUBLIC, "", "no PEM", &P256_PRIVATE[..100]] {
        refused(Algorithm::ES256, text);
        refused(Algorithm::EdDSA, text);
        refused(Algorithm::HS256, text);
    }
    refused(Algorithm::ES256, ED25519_PRIVATE);
    refused(Algorithm::EdDSA, P256_PRIVATE);

    for (algorithm, public) in [
        (Algorithm::ES256, ED25519_PUBLIC),
        (Algorithm::EdDSA, P256_PUBLIC),
        (Algorithm::HS256, P256_PUBLIC),
        (Algorithm::ES256, P256_PRIVATE),
    ] {
        assert_eq!(VerifyingKey::from_pem("k", algorithm, public).unwrap_err().kind(), ErrorKind::InvalidKey);
    }
    for (algorithm, raw) in [
        (Algorithm::ES256, vec![4; 65]),
        (Algorithm::ES256, vec![4; 64]),
        (Algorithm::ES256, vec![]),
        (Algorithm::EdDSA, vec![1; 31]),
        (Algorithm::HS256, vec![1; 32]),
    ] {
        assert_eq!(VerifyingKey::from_raw("k", algorithm, &raw).unwrap_err().kind(), ErrorKind::InvalidKey);
    }
}

#[test]
fn key_ids_are_plain_and_unique() {
    for kid in ["", " ", "a b", "a\"b", "a\\b", "ä", "a\n", &"k".repeat(129)] {
        assert_eq!(SigningKey::generate(Algorithm::EdDSA, kid).unwrap_err().kind(), ErrorKind::InvalidKey, "{kid:?}");
    }
    let (a, b) =
        (SigningKey::generate(Algorithm::EdDSA, "k").unwrap(), SigningKey::generate(Algorithm::ES256, "k").unwrap());
    let error = KeySet::new(a).with_verifying(b.verifying_key().clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
}

#[test]
fn issuer_and_audience_must_be_set() {
    let keys = || KeySet::new(SigningKey::generate(Algorithm::EdDSA, "k").unwrap());
    for (issuer, audience) in [("", "a"), ("i", ""), (" ", "a"), ("", "")] {
        assert_eq!(TokenService::new(keys(), issuer, audience).unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn the_published_set_holds_public_keys_only() {
    let keys = key_set();
    let jwks = keys.jwks();
    let text = jwks.to_string();
    let kids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids, ["e", "d"]);
    assert!(!text.contains("\"d\":") && !text.contains("\"k\":") && !text.contains("oct"), "{text}");
    // Another library reads the set and verifies our tokens with it.
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks).unwrap();
    for (kid, algorithm, name, sign) in [
        ("e", jsonwebtoken::Algorithm::ES256, "ES256", sign_es256 as fn(&str) -> Vec<u8>),
        ("d", jsonwebtoken::Algorithm::EdDSA, "EdDSA", sign_eddsa as fn(&str) -> Vec<u8>),
    ] {
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(kid).unwrap()).unwrap();
        let message = unsigned(header(name, kid), claims().to_string());
        assert!(jsonwebtoken::crypto::verify(&b64(sign(&message)), message.as_bytes(), &key, algorithm).unwrap());
    }
}

#[test]
fn our_tokens_are_plain_jwts_to_others() {
    let key = SigningKey::from_pem("d", Algorithm::EdDSA, &pem(ED25519_PRIVATE)).unwrap();
    let service = TokenService::new(KeySet::new(key), ISSUER, AUDIENCE).unwrap();
    let grant = AccessGrant::new("10001").session("s-1").permission_version(7).scopes(["a", "b"]);
    let issued = service.issue(&grant).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    let public = jsonwebtoken::DecodingKey::from_ed_pem(ED25519_PUBLIC.as_bytes()).unwrap();
    let data = jsonwebtoken::decode::<serde_json::Value>(issued.token.expose_secret(), &public, &validation).unwrap();
    assert_eq!((data.header.typ.as_deref(), data.header.kid.as_deref()), (Some("at+jwt"), Some("d")));
    assert_eq!(
        (&data.claims["scope"], &data.claims["pv"], &data.claims["sid"]),
        (&"a b".into(), &7.into(), &"s-1".into())
    );
}

#[test]
fn a_grant_that_no_verifier_would_accept_is_not_issued() {
    let (service, _) = service();
    let bad = [
        AccessGrant::new(""),
        AccessGrant::new("a\nb"),
        AccessGrant::new("x".repeat(257)),
        AccessGrant::new("a").session(""),
        AccessGrant::new("a").scopes([""]),
        AccessGrant::new("a").scopes(["a b"]),
        AccessGrant::new("a").scopes(["a\"b"]),
        AccessGrant::new("a").authenticated(std::time::UNIX_EPOCH, ["a b".into()]),
        AccessGrant::new("a").scopes((0..65).map(|n| format!("s{n}"))),
    ];
    for grant in bad {
        assert_eq!(service.issue(&grant).unwrap_err().kind(), ErrorKind::InvalidInput, "{grant:?}");
    }
}

#[test]
fn tokens_that_would_be_too_large_are_not_issued() {
    let (service, _) = service();
    let grant = AccessGrant::new("a").scopes((0..60).map(|n| format!("{n}{}", "s".repeat(200))));
    assert_eq!(service.issue(&grant).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// RFC 7515 A.1 and A.3, RFC 8037 A.4.
#[test]
fn the_signatures_of_the_standards_verify() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};

    let decode = |text: &str| B64.decode(text).unwrap();
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let point = [vec![4], decode(x), decode(y)].concat();
    let es256 = VerifyingKey::from_raw("k", Algorithm::ES256, &point).unwrap();
    let ed25519 =
        VerifyingKey::from_raw("k", Algorithm::EdDSA, &decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")).unwrap();
    let hs256 = VerifyingKey::hs256(
        "k",
        decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
    )
    .unwrap();
    let joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let examples = [
        (
            hs256,
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{joe}"),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            es256,
            format!("eyJhbGciOiJFUzI1NiJ9.{joe}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            ed25519,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (key, message, signature) in examples {
        let mut signature = decode(signature);
        assert!(key.verify_signature(message.as_bytes(), &signature), "{}", key.algorithm());
        signature[10] ^= 1;
        assert!(!key.verify_signature(message.as_bytes(), &signature), "{}", key.algorithm());
    }
}
