//! Logins with a provider.

use nebula_auth::{
    AccessGrant, ErrorKind, ManualClock,
    oidc::{
        Callback, ExternalIdentity, LinkDecision, LocalAccount, LoginBegun, LoginRequest, OidcClient, OidcRefusal,
        OidcSettings, ReturnTo, decide_link,
    },
    proof::MemoryProofStore,
    secrecy::SecretString,
    testing::openid::{CLIENT, Provider, REDIRECT, SECRET},
};
use serde_json::{Value, json};

use crate::support::{self, NOW};

fn settings(provider: &Provider) -> OidcSettings {
    OidcSettings::new(provider.issuer(), CLIENT, REDIRECT).client_secret(SECRET)
}

async fn client(provider: &Provider) -> OidcClient {
    let client = OidcClient::discover(settings(provider), MemoryProofStore::new()).await.unwrap();
    client.with_clock(ManualClock::at_unix(NOW))
}

async fn begin(client: &OidcClient) -> LoginBegun {
    client.begin(LoginRequest::new()).await.unwrap()
}

async fn finish(
    client: &OidcClient,
    callback: &Callback,
    browser: &SecretString,
) -> Result<ExternalIdentity, OidcRefusal> {
    client.finish(callback, browser).await.unwrap()
}

async fn log_in(provider: &Provider) -> Result<ExternalIdentity, OidcRefusal> {
    let client = client(provider).await;
    let login = begin(&client).await;
    finish(&client, &provider.agree(&login.url), &login.browser).await
}

#[tokio::test]
async fn somebody_logs_in() {
    let provider = Provider::start().await.at(NOW);
    let client = client(&provider).await;
    let ann = support::service().0.issue(&AccessGrant::new("10001")).unwrap().principal;
    let request = LoginRequest::new().return_to(ReturnTo::new("/orders?page=2").unwrap()).link_to(&ann);
    let login = client.begin(request).await.unwrap();
    let identity = finish(&client, &provider.agree(&login.url), &login.browser).await.unwrap();
    assert_eq!((identity.issuer, identity.subject.as_str()), (provider.issuer(), "ext-7"));
    assert_eq!((identity.email.as_deref(), identity.email_verified), (Some("ann@example.test"), true));
    assert_eq!(identity.name.as_deref(), Some("Ann"));
    assert_eq!((identity.return_to.as_deref(), identity.link_to.as_deref()), (Some("/orders?page=2"), Some("10001")));
}

/// O02
#[tokio::test]
async fn a_login_belongs_to_the_browser_that_began_it() {
    let provider = Provider::start().await.at(NOW);
    let client = client(&provider).await;
    let (victim, attacker) = (begin(&client).await, begin(&client).await);
    // The attacker's answer in the victim's browser, and the other way round.
    let answer = provider.agree(&attacker.url);
    assert_eq!(finish(&client, &answer, &victim.browser).await.unwrap_err(), OidcRefusal::StateMismatch);
    let stolen = provider.agree(&victim.url);
    assert_eq!(finish(&client, &stolen, &attacker.browser).await.unwrap_err(), OidcRefusal::StateMismatch);
    for state in ["", "made up"] {
        let callback = Callback { state: state.to_owned(), ..stolen.clone() };
        assert_eq!(finish(&client, &callback, &victim.browser).await.unwrap_err(), OidcRefusal::StateMismatch);
    }
    // None of this has cost the victim their login.
    finish(&client, &stolen, &victim.browser).await.unwrap();
}

/// O03
#[tokio::test]
async fn a_login_comes_back_once() {
    let provider = Provider::start().await.at(NOW);
    let client = client(&provider).await;
    let login = begin(&client).await;
    let callback = provider.agree(&login.url);
    let (first, second) =
        tokio::join!(finish(&client, &callback, &login.browser), finish(&client, &callback, &login.browser));
    let refusals: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(refusals, [OidcRefusal::StateReplayed]);
    assert_eq!(finish(&client, &callback, &login.browser).await.unwrap_err(), OidcRefusal::StateReplayed);
    // A code that was used does not work in a new login either.
    let again = begin(&client).await;
    let replayed = Callback { code: callback.code, ..provider.agree(&again.url) };
    assert_eq!(finish(&client, &replayed, &again.browser).await.unwrap_err(), OidcRefusal::CodeRejected);
}

/// O04
#[tokio::test]
async fn a_code_of_another_login_is_worth_nothing() {
    let provider = Provider::start().await.at(NOW);
    let client = client(&provider).await;
    let (victim, attacker) = (begin(&client).await, begin(&client).await);
    let stolen = provider.agree(&victim.url).code;
    let injected = Callback { code: stolen, ..provider.agree(&attacker.url) };
    assert_eq!(finish(&client, &injected, &attacker.browser).await.unwrap_err(), OidcRefusal::CodeRejected);
    let login = begin(&client).await;
    let made_up = Callback { code: Some("made up".into()), ..provider.agree(&login.url) };
    assert_eq!(finish(&client, &made_up, &login.browser).await.unwrap_err(), OidcRefusal::CodeRejected);
}

/// O05
#[tokio::test]
async fn a_provider_without_s256_is_not_used() {
    let provider = Provider::start().await.at(NOW);
    for methods in [json!(["plain"]), json!([])] {
        provider.set_methods(methods);
        let error = OidcClient::discover(settings(&provider), MemoryProofStore::new()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("S256"), "{error}");
    }
}

#[tokio::test]
async fn a_provider_that_calls_itself_otherwise_is_not_used() {
    let provider = Provider::start().await.at(NOW);
    let slash = OidcSettings::new(format!("{}/", provider.issuer()), CLIENT, REDIRECT);
    let error = OidcClient::discover(slash, MemoryProofStore::new()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("calls itself"), "{error}");
    let plain = OidcSettings::new("http://provider.example.test", CLIENT, REDIRECT);
    assert_eq!(OidcClient::discover(plain, MemoryProofStore::new()).await.unwrap_err().kind(), ErrorKind::Config);
}

/// The answer of one provider, taken for that of another (RFC 9207).
#[tokio::test]
async fn an_answer_of_another_provider_is_refused() {
    let provider = Provider::start().await.at(NOW);
    let client = client(&provider).await;
    for iss in [Some("https://evil.example.test".to_owned()), Some(String::new()), None] {
        let login = begin(&client).await;
        let callback = Callback { iss, ..provider.agree(&login.url) };
        assert_eq!(finish(&client, &callback, &login.browser).await.unwrap_err(), OidcRefusal::WrongIssuer);
    }
}

#[tokio::test]
async fn a_provider_that_says_no_is_heard() {
    let provider = Provider::start().await.at(NOW);
    let client = client(&provider).await;
    for (code, error) in [(None, Some("access_denied")), (Some("x"), Some("access_denied")), (None, None)] {
        let login = begin(&client).await;
        let callback =
            Callback { code: code.map(Into::into), error: error.map(str::to_owned), ..provider.agree(&login.url) };
        assert_eq!(finish(&client, &callback, &login.browser).await.unwrap_err(), OidcRefusal::Denied);
    }
}

/// O08, O09
#[tokio::test]
async fn an_id_token_is_for_this_login_this_client_and_now() {
    let provider = Provider::start().await.at(NOW);
    let set = |name: &'static str, value: Value| {
        provider.change(move |_, claims| {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        });
    };
    for (name, value, code) in [
        ("nonce", json!("another"), "nonce_mismatch"),
        ("nonce", Value::Null, "nonce_mismatch"),
        ("nonce", json!(7), "malformed_claims"),
        ("iss", json!("https://evil.example.test"), "wrong_issuer"),
        ("iss", Value::Null, "missing_claim"),
        ("aud", json!("another-client"), "wrong_audience"),
        ("aud", json!(["another-client"]), "wrong_audience"),
        ("aud", json!([]), "wrong_audience"),
        ("aud", json!([CLIENT, "another-client"]), "wrong_audience"),
        ("aud", Value::Null, "missing_claim"),
        ("azp", json!("another-client"), "wrong_audience"),
        ("exp", json!(NOW - 31), "expired"),
        ("exp", json!("never"), "malformed_claims"),
        ("exp", Value::Null, "missing_claim"),
        ("iat", json!(NOW - 601), "expired"),
        ("iat", json!(NOW + 31), "not_yet_valid"),
        ("nbf", json!(NOW + 31), "not_yet_valid"),
        ("sub", json!(""), "malformed_claims"),
        ("sub", json!("a\u{0}b"), "malformed_claims"),
        ("sub", Value::Null, "missing_claim"),
    ] {
        set(name, value.clone());
        assert_eq!(log_in(&provider).await.unwrap_err().code(), code, "{name} = {value}");
    }
    provider.change(|_, claims| {
        claims["aud"] = json!([CLIENT, "another-client"]);
        claims["azp"] = json!(CLIENT);
    });
    log_in(&provider).await.unwrap();
}

#[tokio::test]
async fn an_id_token_is_signed_with_a_key_of_the_provider() {
    let provider = Provider::start().await.at(NOW);
    for (name, value, code) in [
        ("alg", "none", "alg_not_allowed"),
        ("alg", "HS256", "alg_not_allowed"),
        ("alg", "RS512", "alg_not_allowed"),
        ("kid", "another", "unknown_key"),
        ("typ", "at+jwt", "wrong_token_type"),
        ("crit", "x", "crit_not_understood"),
    ] {
        provider.change(move |header, _| header[name] = json!(value));
        for unsigned in [false, true] {
            provider.set_unsigned(unsigned);
            assert_eq!(log_in(&provider).await.unwrap_err().code(), code, "{name} = {value}");
        }
    }
    provider.change(|_, _| {});
    assert_eq!(log_in(&provider).await.unwrap_err().code(), "bad_signature", "without a signature");
    provider.set_unsigned(false);
    provider.change(|header, _| {
        header.as_object_mut().unwrap().remove("typ");
    });
    log_in(&provider).await.unwrap();
}

/// O10
#[tokio::test]
async fn accounts_are_joined_by_proof_only() {
    let provider = Provider::start().await.at(NOW);
    let local = |email_verified| LocalAccount { subject: "10001".to_owned(), email_verified };
    for (verified, here, expected) in [
        (json!(true), true, LinkDecision::Link("10001".to_owned())),
        (json!(true), false, LinkDecision::LinkRequiresLogin),
        (json!(false), true, LinkDecision::LinkRequiresLogin),
        (json!("true"), true, LinkDecision::LinkRequiresLogin),
        (json!(1), true, LinkDecision::LinkRequiresLogin),
        (Value::Null, true, LinkDecision::LinkRequiresLogin),
    ] {
        let says = verified.clone();
        provider.change(move |_, claims| claims["email_verified"] = says.clone());
        let identity = log_in(&provider).await.unwrap();
        assert_eq!(decide_link(&identity, None, Some(&local(here))), expected, "{verified}, {here}");
    }
    let mut identity = log_in(&provider).await.unwrap();
    assert_eq!(decide_link(&identity, None, None), LinkDecision::Create);
    // What is stored under issuer and subject decides, whatever the address.
    assert_eq!(decide_link(&identity, Some("7"), Some(&local(true))), LinkDecision::LogIn("7".to_owned()));
    // Who is logged in joins what they like, unless it is somebody else's.
    identity.link_to = Some("10001".to_owned());
    assert_eq!(decide_link(&identity, None, None), LinkDecision::Link("10001".to_owned()));
    assert_eq!(decide_link(&identity, Some("7"), None), LinkDecision::BelongsToAnother);
    assert_eq!(decide_link(&identity, Some("10001"), None), LinkDecision::LogIn("10001".to_owned()));
}

/// O12
#[test]
fn the_way_back_stays_on_this_site() {
    for bad in [
        "//evil.test",
        "https:evil.test",
        "https://evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        " //evil.test",
        "javascript:alert(1)",
        "orders",
        "",
        "/caf\u{e9}",
    ] {
        assert_eq!(ReturnTo::new(bad).unwrap_err().code(), "open_redirect_blocked", "{bad:?}");
    }
    assert!(ReturnTo::new(format!("/{}", "a".repeat(3000))).is_err());
    assert_eq!(ReturnTo::new("/orders/7?tab=a#b").unwrap().as_str(), "/orders/7?tab=a#b");
}
