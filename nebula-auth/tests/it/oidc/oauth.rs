//! Logins with providers that have access tokens only.

use nebula_auth::{
    AccessGrant, ErrorKind, ManualClock,
    audit::{AuditLog, Decision, MemoryAuditSink},
    oidc::{Callback, LoginRequest, OAuthClient, OAuthSettings, OAuthStyle, OAuthUser, OidcRefusal, ReturnTo},
    proof::MemoryProofStore,
    testing::openid::{ACCESS, CLIENT, Provider, REDIRECT, SECRET},
};
use serde_json::{Value, json};

use crate::support::{self, NOW};

fn settings(provider: &Provider, style: OAuthStyle) -> OAuthSettings {
    let at = |path: &str| format!("{}{path}", provider.issuer());
    let (mut settings, token, user) = match style {
        OAuthStyle::WeChat => (OAuthSettings::wechat(CLIENT, SECRET, REDIRECT), "/sns/token", "/sns/user"),
        _ => (OAuthSettings::github(CLIENT, SECRET, REDIRECT), "/token", "/user"),
    };
    settings.authorization_endpoint = at("/authorize");
    (settings.token_endpoint, settings.userinfo_endpoint, settings.style) = (at(token), at(user), style);
    settings
}

fn client(settings: OAuthSettings) -> OAuthClient {
    let mapper: fn(&Value) -> Option<OAuthUser> = match settings.style {
        OAuthStyle::WeChat => OAuthUser::from_wechat,
        _ => OAuthUser::from_github,
    };
    OAuthClient::new(settings, mapper, MemoryProofStore::new()).unwrap().with_clock(ManualClock::at_unix(NOW))
}

#[tokio::test]
async fn somebody_logs_in_without_an_id_token() {
    let provider = Provider::start().await.at(NOW);
    let ann = support::service().0.issue(&AccessGrant::new("10001")).unwrap().principal;
    for style in [OAuthStyle::Basic, OAuthStyle::Post] {
        let client = client(settings(&provider, style));
        let request = LoginRequest::new().return_to(ReturnTo::new("/orders").unwrap()).link_to(&ann);
        let login = client.begin(request).await.unwrap();
        let callback = provider.agree(&login.url);
        let identity = client.finish(&callback, &login.browser).await.unwrap().unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), ("https://github.com", "7"));
        assert_eq!((identity.name.as_deref(), identity.email_verified), (Some("ann"), false));
        assert_eq!((identity.return_to.as_deref(), identity.link_to.as_deref()), (Some("/orders"), Some("10001")));
        // A login comes back once.
        let again = client.finish(&callback, &login.browser).await.unwrap();
        assert_eq!(again.unwrap_err(), OidcRefusal::StateReplayed);
    }
}

#[tokio::test]
async fn a_login_belongs_to_its_browser_its_state_and_its_code() {
    let provider = Provider::start().await.at(NOW);
    let log = AuditLog::new(MemoryAuditSink::new());
    let strict = client(settings(&provider, OAuthStyle::Basic)).with_audit(log.clone());
    let victim = strict.begin(LoginRequest::new()).await.unwrap();
    let attacker = strict.begin(LoginRequest::new()).await.unwrap();
    let (stolen, own) = (provider.agree(&victim.url), provider.agree(&attacker.url));
    let finish = async |callback: &Callback, browser| strict.finish(callback, browser).await.unwrap();
    assert_eq!(finish(&own, &victim.browser).await.unwrap_err(), OidcRefusal::StateMismatch);
    assert_eq!(finish(&stolen, &attacker.browser).await.unwrap_err(), OidcRefusal::StateMismatch);
    // The victim's code in the attacker's login: PKCE.
    let injected = Callback { code: stolen.code.clone(), ..own };
    assert_eq!(finish(&injected, &attacker.browser).await.unwrap_err(), OidcRefusal::CodeRejected);
    let denied = strict.begin(LoginRequest::new()).await.unwrap();
    let no = Callback { code: None, error: Some("access_denied".to_owned()), ..provider.agree(&denied.url) };
    assert_eq!(finish(&no, &denied.browser).await.unwrap_err(), OidcRefusal::Denied);
    let entries = log.read(0, 10).await.unwrap();
    assert!(entries.iter().all(|entry| entry.record.what == "login:oauth"));
    assert!(entries.iter().all(|entry| entry.record.decision == Decision::Denied) && entries.len() == 4);
    // A provider that names itself is held to it.
    let mut named = settings(&provider, OAuthStyle::Basic);
    named.issuer = Some(provider.issuer());
    let named = client(named);
    let evil = "https://evil.example.test".to_owned();
    for (iss, fine) in [(Some(evil), false), (None, false), (Some(provider.issuer()), true)] {
        let login = named.begin(LoginRequest::new()).await.unwrap();
        let callback = Callback { iss, ..provider.agree(&login.url) };
        let outcome = named.finish(&callback, &login.browser).await.unwrap();
        assert_eq!(outcome.err(), (!fine).then_some(OidcRefusal::WrongIssuer));
    }
}

#[tokio::test]
async fn an_answer_that_says_not_who_it_is_lets_nobody_in() {
    let provider = Provider::start().await.at(NOW);
    let posting = client(settings(&provider, OAuthStyle::Post));
    let nobodies =
        [json!({}), json!({ "id": "7" }), json!({ "id": -7 }), json!({ "id": null, "login": "ann" }), json!([7])];
    for user in nobodies {
        provider.set_user(user.clone());
        let login = posting.begin(LoginRequest::new()).await.unwrap();
        let error = posting.finish(&provider.agree(&login.url), &login.browser).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{user}");
        assert!(!format!("{error:?}").contains(ACCESS));
    }
    let mut wrong = settings(&provider, OAuthStyle::Basic);
    wrong.client_secret = Some("wrong-secret".into());
    let wrong = client(wrong);
    let login = wrong.begin(LoginRequest::new()).await.unwrap();
    let error = wrong.finish(&provider.agree(&login.url), &login.browser).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let mut plain = settings(&provider, OAuthStyle::Basic);
    plain.token_endpoint = "http://provider.example.test/token".to_owned();
    let refused = OAuthClient::new(plain, OAuthUser::from_github, MemoryProofStore::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config, "codes travel over TLS");
}

#[tokio::test]
async fn wechat_is_spoken_to_in_its_own_way() {
    let provider = Provider::start().await.at(NOW);
    let wechat = client(settings(&provider, OAuthStyle::WeChat));
    provider.set_user(json!({ "openid": "o-7", "nickname": "An", "unionid": "u-1" }));
    let login = wechat.begin(LoginRequest::new()).await.unwrap();
    let callback = provider.agree_at_wechat(&login.url);
    let identity = wechat.finish(&callback, &login.browser).await.unwrap().unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("o-7", Some("An")));
    // Somebody else's answer for this token.
    provider.set_user(json!({ "openid": "o-8", "nickname": "Eve" }));
    let login = wechat.begin(LoginRequest::new()).await.unwrap();
    let callback = provider.agree_at_wechat(&login.url);
    wechat.finish(&callback, &login.browser).await.unwrap_err();
    // A code that was made up is a refusal, though WeChat says 200.
    let login = wechat.begin(LoginRequest::new()).await.unwrap();
    let made_up = Callback { code: Some("made up".into()), ..provider.agree_at_wechat(&login.url) };
    assert_eq!(wechat.finish(&made_up, &login.browser).await.unwrap().unwrap_err(), OidcRefusal::CodeRejected);
    let mut wrong = settings(&provider, OAuthStyle::WeChat);
    wrong.client_secret = Some("wrong".into());
    let wrong = client(wrong);
    let login = wrong.begin(LoginRequest::new()).await.unwrap();
    let error = wrong.finish(&provider.agree_at_wechat(&login.url), &login.browser).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
