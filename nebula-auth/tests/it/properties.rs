//! Properties of tokens over random input.

use crate::support::*;
use nebula_auth::{AccessGrant, AuthMethod, secrecy::ExposeSecret as _};
use proptest::prelude::*;
use serde_json::{Value, json};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

const CLAIMS: [&str; 11] = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid", "pv", "scope", "amr"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_refused_without_panic(text in ".{0,300}") {
        prop_assert!(service().0.verify_offline(&text).is_err());
    }

    #[test]
    fn any_signed_bytes_are_handled_without_panic(
        header in prop::collection::vec(any::<u8>(), 0..120),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(service().0.verify_offline(&forge(&header, &payload)).is_err());
        prop_assert!(service().0.verify_offline(&forge_claims(&payload)).is_err());
    }

    /// Whatever is accepted says exactly what the claims say, with the types they must have.
    #[test]
    fn a_token_with_any_claim_replaced_is_right_or_refused(name in prop::sample::select(&CLAIMS[..]), value in json_value()) {
        let mut claims = claims();
        claims[name] = value.clone();
        let (service, _) = service();
        if let Ok(principal) = service.verify_offline(&forge_claims(claims.to_string())) {
            prop_assert_eq!(Some(principal.subject()), claims["sub"].as_str());
            prop_assert_eq!(Some(principal.token_id()), claims["jti"].as_str());
            prop_assert_eq!(principal.permission_version(), claims["pv"].as_u64());
            prop_assert!(claims["exp"].as_u64().is_some_and(|exp| exp + 5 > NOW));
            prop_assert!(claims["nbf"].as_u64().is_some_and(|nbf| nbf <= NOW + 5));
            prop_assert!(claims["iat"].as_u64().is_some_and(|iat| iat <= NOW + 5));
            prop_assert_eq!(claims["iss"].as_str(), Some(ISSUER));
        }
    }

    #[test]
    fn a_changed_character_makes_a_token_worthless(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.=-]") {
        let good = forge_claims(claims().to_string());
        let at = at.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != good);
        prop_assert!(service().0.verify_offline(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn what_is_issued_is_what_is_read(
        subject in "[^\\p{C}]{1,40}",
        session in prop::option::of("[a-z0-9]{1,40}"),
        version in prop::option::of(any::<u64>()),
        scopes in prop::collection::vec("[a-z:]{1,10}", 0..5),
        method in "[a-z]{1,8}",
    ) {
        let (service, clock) = service();
        let mut grant = AccessGrant::new(subject).scopes(scopes);
        grant = grant.authenticated(nebula_auth::Clock::now(&clock), [AuthMethod::from(method.as_str())]);
        if let Some(session) = session { grant = grant.session(session); }
        if let Some(version) = version { grant = grant.permission_version(version); }
        let issued = service.issue(&grant).unwrap();
        prop_assert_eq!(service.verify_offline(issued.token.expose_secret()).unwrap(), issued.principal);
    }
}
