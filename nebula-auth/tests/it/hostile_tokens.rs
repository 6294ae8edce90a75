//! Tokens that must not pass, and the reason each is given. Every one carries a right signature unless the signature
//! is the attack, so that a missing check cannot hide behind a failing signature.

use crate::support::*;
use nebula_auth::{Algorithm, KeySet, RevokedTokens, SigningKey, TokenRefusal, TokenService, Verdict, VerifyingKey};
use serde_json::{Value, json};

fn refusal(token: &str) -> TokenRefusal {
    service().0.verify_offline(token).expect_err("the token must be refused")
}

fn with_header(header: &str) -> TokenRefusal {
    refusal(&forge(header, claims().to_string()))
}

fn with_claim(name: &str, value: Value) -> TokenRefusal {
    refusal(&forge_claims(claims_with(name, value)))
}

#[test]
fn the_forge_makes_good_tokens() {
    // Without this, every other test here could pass for the wrong reason.
    let principal = service().0.verify_offline(&forge_claims(claims().to_string())).unwrap();
    assert_eq!(
        (principal.subject(), principal.session_id(), principal.token_id(), principal.permission_version()),
        ("10001", Some("s-1"), "t-1", Some(7))
    );
    for (algorithm, kid, sign) in
        [("ES256", "e", sign_es256 as fn(&str) -> Vec<u8>), ("EdDSA", "d", sign_eddsa as fn(&str) -> Vec<u8>)]
    {
        let message = unsigned(header(algorithm, kid), claims().to_string());
        let token = format!("{message}.{}", b64(sign(&message)));
        assert_eq!(service().0.verify_offline(&token).unwrap().subject(), "10001", "{algorithm}");
    }
}

#[test]
fn an_audience_among_several_and_a_full_media_type_are_accepted() {
    let (service, _) = service();
    let several = forge_claims(claims_with("aud", json!(["x", AUDIENCE])));
    assert_eq!(service.verify_offline(&several).unwrap().subject(), "10001");
    for typ in ["application/at+jwt", "AT+JWT", "Application/At+Jwt"] {
        let token = forge(json!({"alg": "HS256", "typ": typ, "kid": "h"}).to_string(), claims().to_string());
        assert!(service.verify_offline(&token).is_ok(), "{typ}");
    }
}

#[test]
fn no_algorithm_but_ours_is_allowed() {
    for algorithm in ["none", "None", "nOnE", "NONE", "", "hs256", "HS384", "HS512", "RS256", "PS256", "ES384", "ES512"]
    {
        let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": "h"}).to_string();
        assert_eq!(with_header(&header), TokenRefusal::AlgorithmNotAllowed, "{algorithm:?}");
        let unsigned = format!("{}.", unsigned(&header, claims().to_string()));
        assert_eq!(refusal(&unsigned), TokenRefusal::AlgorithmNotAllowed, "{algorithm:?} without signature");
    }
}

#[test]
fn a_key_works_with_its_own_algorithm_only() {
    // The classic: the public key of an asymmetric pair used as HMAC secret.
    for (kid, public) in [("e", P256_PUBLIC), ("d", ED25519_PUBLIC)] {
        let token = forge_with(public.as_bytes(), header("HS256", kid), claims().to_string());
        assert_eq!(refusal(&token), TokenRefusal::AlgorithmNotAllowed, "{kid}");
    }
    for (algorithm, kid) in [("ES256", "h"), ("EdDSA", "h"), ("ES256", "d"), ("EdDSA", "e"), ("HS256", "d")] {
        assert_eq!(with_header(&header(algorithm, kid)), TokenRefusal::AlgorithmNotAllowed, "{algorithm} with {kid}");
    }
}

#[test]
fn the_key_id_is_a_map_key_and_nothing_else() {
    for kid in ["", "H", "h ", "../../../dev/null", "x' UNION SELECT 'k'--", "https://evil.test/key", "h\u{0}"] {
        assert_eq!(with_header(&header("HS256", kid)), TokenRefusal::UnknownKey, "{kid:?}");
    }
    for kid in [json!(7), json!(null), json!(["h"]), json!({"h": 1})] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string();
        assert_eq!(with_header(&header), TokenRefusal::MalformedHeader, "{kid}");
    }
}

#[test]
fn a_key_that_arrives_with_the_token_is_ignored() {
    let attacker = b"attacker-key-attacker-key-attacker";
    let keys = [
        ("jwk", json!({"kty": "oct", "k": b64(attacker)})),
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ];
    for (name, value) in keys {
        for kid in [None, Some("h")] {
            let mut header = json!({"alg": "HS256", "typ": "at+jwt", name: value});
            if let Some(kid) = kid {
                header["kid"] = json!(kid);
            }
            let token = forge_with(attacker, header.to_string(), claims().to_string());
            assert_eq!(refusal(&token), TokenRefusal::BadSignature, "{name} with key id {kid:?}");
            // With our own signature the member changes nothing.
            let ours = forge(header.to_string(), claims().to_string());
            assert!(service().0.verify_offline(&ours).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_token_without_key_id_is_taken_only_if_there_is_no_choice() {
    let nameless = forge(r#"{"alg":"HS256","typ":"at+jwt"}"#, claims().to_string());
    assert!(service().0.verify_offline(&nameless).is_ok());
    let two = key_set().with_verifying(VerifyingKey::hs256("h2", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6").unwrap()).unwrap();
    let (service, _) = service();
    service.set_keys(two);
    assert_eq!(service.verify_offline(&nameless).unwrap_err(), TokenRefusal::UnknownKey);
}

#[test]
fn extensions_that_are_not_understood_are_refused() {
    let headers = [
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","crit":["x"],"x":1}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","crit":[]}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","crit":null}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","crit":"b64","b64":false}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","b64":false}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","b64":true}"#,
    ];
    for header in headers {
        assert_eq!(with_header(header), TokenRefusal::CriticalHeader, "{header}");
    }
}

#[test]
fn the_header_is_one_object_with_unique_names_and_texts() {
    let headers = [
        "",
        "null",
        "[]",
        "\"HS256\"",
        "{",
        "{} {}",
        r#"{"typ":"at+jwt","kid":"h"}"#,
        r#"{"alg":null,"typ":"at+jwt","kid":"h"}"#,
        r#"{"alg":["HS256"],"typ":"at+jwt","kid":"h"}"#,
        r#"{"alg":"none","alg":"HS256","typ":"at+jwt","kid":"h"}"#,
        r#"{"alg":"HS256","alg":"HS256","typ":"at+jwt","kid":"h"}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256","typ":"at+jwt","kid":"h"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","x":{"a":1,"a":2}}"#,
        r#"{"alg":"HS256","typ":7,"kid":"h"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h","x":[[[[[[[[[[[[]]]]]]]]]]]]}"#,
    ];
    for header in headers {
        assert_eq!(with_header(header), TokenRefusal::MalformedHeader, "{header}");
    }
    let not_utf8 = forge(b"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"\xff\"}", claims().to_string());
    assert_eq!(refusal(&not_utf8), TokenRefusal::MalformedHeader);
}

#[test]
fn only_access_tokens_are_access_tokens() {
    for typ in [json!("JWT"), json!("rt+jwt"), json!("at"), json!(""), json!("application/"), json!("text/at+jwt")] {
        let header = json!({"alg": "HS256", "typ": typ, "kid": "h"}).to_string();
        assert_eq!(with_header(&header), TokenRefusal::WrongTokenType, "{typ}");
    }
    assert_eq!(with_header(r#"{"alg":"HS256","kid":"h"}"#), TokenRefusal::WrongTokenType);
}

#[test]
fn the_envelope_is_three_canonical_parts() {
    let good = forge_claims(claims().to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    // The last character of a 32-byte signature carries two unused bits.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let other = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    let malformed = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("{header}.{payload}"),
        format!("{good}.AAAA"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        format!("{good}=="),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        good.replace('.', ".."),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{}{other}", &signature[..signature.len() - 1]),
        format!("{header}.{payload}.+/{}", &signature[2..]),
        format!("{header}.é{payload}.{signature}"),
    ];
    for token in malformed {
        // Two parts leave a header that is empty or no JSON; everything else fails before.
        let refusal = refusal(&token);
        assert!(matches!(refusal, TokenRefusal::Malformed | TokenRefusal::MalformedHeader), "{token}: {refusal:?}");
        assert!(service().0.verify_offline(&token).is_err());
    }
    assert_eq!(refusal(&format!("{good}=")), TokenRefusal::Malformed);
    assert_eq!(refusal(&format!("{good}.AAAA")), TokenRefusal::Malformed);
}

#[test]
fn the_signature_covers_every_byte() {
    let good = forge_claims(claims().to_string());
    let (message, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(refusal(&format!("{message}.")), TokenRefusal::BadSignature, "signature removed");
    assert_eq!(refusal(&format!("{message}.{}", b64([0u8; 32]))), TokenRefusal::BadSignature, "all zero");
    assert_eq!(refusal(&format!("{message}.{}", &signature[..40])), TokenRefusal::BadSignature, "cut");
    assert_eq!(refusal(&format!("{message}.{signature}AAAA")), TokenRefusal::BadSignature, "longer");
    let other = claims_with("sub", json!("1"));
    let swapped = format!("{}.{signature}", unsigned(header("HS256", "h"), other));
    assert_eq!(refusal(&swapped), TokenRefusal::BadSignature, "another payload");
    assert_eq!(
        refusal(&forge_with(b"another secret of sufficient length", header("HS256", "h"), claims().to_string())),
        TokenRefusal::BadSignature
    );
    let message = unsigned(header("ES256", "e"), claims().to_string());
    for (name, signature) in
        [("empty", vec![]), ("zero", vec![0; 64]), ("ones", vec![0xff; 64]), ("short", vec![1; 63])]
    {
        assert_eq!(refusal(&format!("{message}.{}", b64(signature))), TokenRefusal::BadSignature, "ES256 {name}");
    }
}

#[test]
fn size_is_checked_before_anything_else() {
    let large = forge_claims(claims_with("x", json!("A".repeat(16_384))));
    assert_eq!(refusal(&large), TokenRefusal::TooLarge);
    assert_eq!(refusal(&"A".repeat(8193)), TokenRefusal::TooLarge);
    assert_eq!(refusal(&"A".repeat(8192)), TokenRefusal::Malformed);
    let huge = forge_claims(claims_with("x", json!("A".repeat(4 << 20))));
    assert_eq!(refusal(&huge), TokenRefusal::TooLarge);
}

#[test]
fn every_claim_is_required() {
    for name in ["iss", "aud", "sub", "jti", "exp", "iat", "nbf"] {
        assert_eq!(with_claim(name, Value::Null), TokenRefusal::MissingClaim(name));
    }
    for name in ["sid", "pv"] {
        assert!(
            service().0.verify_offline(&forge_claims(claims_with(name, Value::Null))).is_ok(),
            "{name} may be absent"
        );
    }
}

#[test]
fn every_claim_has_one_type() {
    let later = NOW + 900;
    let wrong = [
        ("exp", json!(later.to_string())),
        ("exp", json!("never")),
        ("exp", json!(later as f64 + 0.5)),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!([later])),
        ("exp", json!({"$gt": 0})),
        ("exp", json!(true)),
        ("nbf", json!("9999999999")),
        ("nbf", json!(-5)),
        ("iat", json!("1")),
        ("iat", json!(0.5)),
        ("sub", json!("")),
        ("sub", json!(10001)),
        ("sub", json!({"$ne": "1"})),
        ("sub", json!(["10001"])),
        ("sub", json!("10001\u{0}x")),
        ("sub", json!("bob\r\n2026 admin login ok")),
        ("sub", json!("\u{1b}[31mred")),
        ("sub", json!("x".repeat(257))),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("sid", json!("")),
        ("sid", json!(7)),
        ("pv", json!("7")),
        ("pv", json!(-7)),
        ("pv", json!(7.5)),
        ("iss", json!([ISSUER])),
        ("iss", json!(7)),
        ("aud", json!(7)),
        ("aud", json!({"x": AUDIENCE})),
        ("aud", json!([AUDIENCE, 7])),
        ("aud", json!([[AUDIENCE]])),
        ("scope", json!(["orders:read"])),
        ("scope", json!("a  b")),
        ("scope", json!(" a")),
        ("scope", json!("a\tb")),
        ("scope", json!("a\"b")),
        ("scope", json!("x ".repeat(65).trim_end())),
        ("amr", json!("pwd")),
        ("amr", json!([1])),
        ("amr", json!(["a b"])),
        ("amr", json!(["pwd\u{0}"])),
        ("auth_time", json!("1")),
    ];
    for (name, value) in wrong {
        assert_eq!(with_claim(name, value.clone()), TokenRefusal::MalformedClaims, "{name}: {value}");
    }
    // An explicit null is not the same as an absent claim.
    for name in ["exp", "sub", "sid", "pv", "aud", "iss", "scope", "amr"] {
        let mut claims = claims();
        claims[name] = Value::Null;
        assert_eq!(refusal(&forge_claims(claims.to_string())), TokenRefusal::MalformedClaims, "{name}: null");
    }
}

#[test]
fn the_claims_are_one_object_with_unique_names() {
    let good = claims().to_string();
    let body = &good[1..good.len() - 1];
    let malformed = [
        String::new(),
        "null".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good},"),
        format!(r#"{{"exp":1,{body}}}"#),
        format!(r#"{{{body},"exp":9999999999}}"#),
        format!(r#"{{{body},"s\u0075b":"1"}}"#),
        format!(r#"{{{body},"x":{{"a":1,"a":2}}}}"#),
        format!(r#"{{{body},"x":{}{}}}"#, "[".repeat(500), "]".repeat(500)),
        format!(r#"{{{body},"x":{}{}}}"#, r#"{"a":"#.repeat(500), "}".repeat(500)),
        format!(r#"{{{body},"x":1e999}}"#),
        format!(r#"{{{body},"x":"\ud800"}}"#),
    ];
    for payload in malformed {
        assert_eq!(refusal(&forge_claims(&payload)), TokenRefusal::MalformedClaims, "{payload}");
    }
}

#[test]
fn issuer_and_audience_match_exactly() {
    for issuer in [format!("{ISSUER}/"), ISSUER.to_uppercase(), format!(" {ISSUER}"), String::new()] {
        assert_eq!(with_claim("iss", json!(issuer)), TokenRefusal::WrongIssuer, "{issuer}");
    }
    for audience in
        [json!("billing-api"), json!([]), json!(["x", "y"]), json!("Orders-Api"), json!("orders"), json!("")]
    {
        assert_eq!(with_claim("aud", audience.clone()), TokenRefusal::WrongAudience, "{audience}");
    }
}

#[test]
fn times_are_checked_with_the_given_clock_to_the_second() {
    let accepted =
        |claim: &str, value: u64| service().0.verify_offline(&forge_claims(claims_with(claim, json!(value))));
    // Five seconds of leeway: the first instant at which it is over is exp + 5.
    assert!(accepted("exp", NOW - 4).is_ok());
    assert_eq!(accepted("exp", NOW - 5).unwrap_err(), TokenRefusal::Expired);
    assert_eq!(accepted("exp", NOW - 6).unwrap_err(), TokenRefusal::Expired);
    assert_eq!(accepted("exp", NOW - 3600).unwrap_err(), TokenRefusal::Expired);
    assert_eq!(accepted("exp", 0).unwrap_err(), TokenRefusal::Expired);
    for claim in ["nbf", "iat"] {
        assert!(accepted(claim, NOW + 5).is_ok());
        assert_eq!(accepted(claim, NOW + 6).unwrap_err(), TokenRefusal::NotYetValid, "{claim}");
        assert_eq!(accepted(claim, u64::MAX).unwrap_err(), TokenRefusal::NotYetValid, "{claim}");
    }
}

#[test]
fn no_token_lives_longer_than_a_day() {
    let issued = NOW - 10;
    let accepted = |exp: u64| service().0.verify_offline(&forge_claims(claims_with("exp", json!(exp))));
    assert!(accepted(issued + 86_400).is_ok());
    for exp in [issued + 86_401, 9_999_999_999, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
        assert_eq!(accepted(exp).unwrap_err(), TokenRefusal::LifetimeTooLong, "{exp}");
    }
    assert_eq!(with_claim("exp", serde_json::from_str("18446744073709551616").unwrap()), TokenRefusal::MalformedClaims);
}

#[test]
fn a_token_expires_when_the_clock_says_so() {
    let (service, clock) = service();
    let issued = service.issue(&nebula_auth::AccessGrant::new("10001")).unwrap();
    let token = nebula_auth::secrecy::ExposeSecret::expose_secret(&issued.token);
    assert!(service.verify_offline(token).is_ok());
    clock.advance(std::time::Duration::from_secs(7200 + 4));
    assert!(service.verify_offline(token).is_ok());
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(service.verify_offline(token).unwrap_err(), TokenRefusal::Expired);
    clock.set_unix(NOW - 6);
    assert_eq!(service.verify_offline(token).unwrap_err(), TokenRefusal::NotYetValid);
}

/// Twice the signature, once the claims: whoever knows one valid text can compute the other.
#[tokio::test]
async fn the_mirrored_text_of_a_revoked_es256_token_is_revoked_too() {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let revoked = RevokedTokens::new();
    let service = service().0.with_session_check(revoked.clone());
    let message = unsigned(header("ES256", "e"), claims().to_string());
    let signature = sign_es256(&message);
    let mut mirrored = signature.clone();
    let mut borrow = 0i16;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        mirrored[32 + at] = digit.rem_euclid(256) as u8;
    }
    let texts = [format!("{message}.{}", b64(&signature)), format!("{message}.{}", b64(&mirrored))];
    assert_ne!(texts[0], texts[1]);
    let Verdict::Accepted(principal) = service.verify(&texts[0]).await.unwrap() else { panic!("a good token") };
    assert!(matches!(service.verify(&texts[1]).await.unwrap(), Verdict::Accepted(_)), "the mirrored text is valid too");
    revoked.revoke_token(&principal);
    for text in &texts {
        assert_eq!(service.verify(text).await.unwrap(), Verdict::Refused(TokenRefusal::Revoked));
    }
}

#[test]
fn a_retired_key_verifies_until_it_is_removed() {
    let old = SigningKey::generate(Algorithm::EdDSA, "old").unwrap();
    let new = SigningKey::generate(Algorithm::ES256, "new").unwrap();
    let service = TokenService::new(KeySet::new(old.clone()), ISSUER, AUDIENCE).unwrap();
    let other_handle = service.clone();
    let issue = || {
        let issued = service.issue(&nebula_auth::AccessGrant::new("10001")).unwrap();
        nebula_auth::secrecy::ExposeSecret::expose_secret(&issued.token).to_owned()
    };
    let before = issue();
    service.set_keys(KeySet::new(new.clone()).with_verifying(old.verifying_key().clone()).unwrap());
    let after = issue();
    assert!(other_handle.verify_offline(&before).is_ok() && other_handle.verify_offline(&after).is_ok());
    service.set_keys(KeySet::new(new));
    assert_eq!(other_handle.verify_offline(&before).unwrap_err(), TokenRefusal::UnknownKey);
    assert!(other_handle.verify_offline(&after).is_ok());
}

#[test]
fn the_well_known_example_tokens_are_refused_for_their_type() {
    // RFC 7515, A.1: a right signature under this key, but a plain JWT.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9le\
                 GFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(refusal(token), TokenRefusal::WrongTokenType);
}
