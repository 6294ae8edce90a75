//! Signing in with a provider, against one that signs for real.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::common::{Account, PASSWORD, TestApp, expect, expect_problem};
use nebula_auth::{
    mfa::TotpParams,
    oidc::OidcSettings,
    secrecy::ExposeSecret,
    testing::openid::{CLIENT, Provider, SECRET},
};
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use ticketing::problem::Code;

const PATIENCE: Duration = Duration::from_secs(60);
const REDIRECT: &str = "https://tickets.example/sign-in/corp";

async fn start(provider: &Provider) -> TestApp {
    let settings = OidcSettings::new(provider.issuer(), CLIENT, REDIRECT).client_secret(SECRET);
    let app = TestApp::start_with(|config| {
        config.auth.oidc = BTreeMap::from([("corp".to_owned(), settings)]);
        config.accounts.provider_labels = BTreeMap::from([("corp".to_owned(), "Corp ID".to_owned())]);
    });
    app.await
}

/// Says of its user that this is their address.
fn says(provider: &Provider, subject: &str, email: &str, verified: bool) {
    let (subject, email) = (subject.to_owned(), email.to_owned());
    provider.change(move |_, claims| {
        claims["sub"] = json!(subject);
        claims["email"] = json!(email);
        claims["email_verified"] = json!(verified);
    });
}

/// A browser: it keeps cookies as it is told.
#[derive(Default)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    async fn post(&mut self, app: &TestApp, step: &str, body: &Value, account: Option<&Account>) -> Response {
        let path = if step.starts_with('/') { step.to_owned() } else { format!("/auth/providers/corp/{step}") };
        let cookies: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = app.request(Method::POST, &path).json(body).header(header::COOKIE, cookies.join("; "));
        let request = if let Some(account) = account { request.bearer_auth(&account.access) } else { request };
        let response = request.send().await.unwrap();
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            for mark in ["; Path=/api/v1/auth/providers/corp;", "; HttpOnly", "; SameSite=Strict", "; Secure"] {
                assert!(line.contains(mark), "{mark}: {line}");
            }
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Goes to the provider, agrees, and brings back what the page sends on.
    async fn agree(&mut self, app: &TestApp, provider: &Provider) -> Value {
        let begun = expect(self.post(app, "begin", &json!({"return_to": "/orders"}), None).await, StatusCode::OK).await;
        returned(provider, &begun)
    }

    async fn sign_in(&mut self, app: &TestApp, provider: &Provider) -> Value {
        let answer = self.agree(app, provider).await;
        expect(self.post(app, "finish", &answer, None).await, StatusCode::OK).await
    }

    async fn confirm(&mut self, app: &TestApp, body: &Value) -> Response {
        self.post(app, "confirm", body, None).await
    }
}

fn returned(provider: &Provider, begun: &Value) -> Value {
    let callback = provider.agree(begun["url"].as_str().unwrap());
    let code = callback.code.unwrap();
    json!({"state": callback.state, "code": code.expose_secret(), "iss": callback.iss})
}

/// The code of the mail to an address that was asked for with this purpose and has these words.
async fn code(app: &TestApp, to: &str, purpose: &str, words: &str) -> String {
    let wanted = json!({"email": to, "purpose": purpose, "language": "en"});
    expect(app.post("/auth/codes", &wanted).await, StatusCode::ACCEPTED).await;
    eventually(PATIENCE, || async {
        let shown = expect(app.get("//dev/outbox/messages.json").await, StatusCode::OK).await;
        let mails = shown.as_array().unwrap().iter().filter(|mail| mail["to"] == to);
        let texts: Vec<_> = mails.map(|mail| mail["text"].as_str().unwrap().to_owned()).collect();
        let text = texts.iter().find(|text| text.contains(words)).ok_or_else(|| format!("{texts:?}"))?;
        let digits = text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6);
        digits.map(str::to_owned).ok_or_else(|| text.clone())
    })
    .await
}

#[tokio::test]
async fn a_provider_is_a_first_step_where_there_is_a_second_factor() {
    let provider = Provider::start().await;
    let app = start(&provider).await;
    let first = Browser::default().sign_in(&app, &provider).await;
    let access = first["tokens"]["access_token"].as_str().unwrap();
    let post = async |path: &str, body: Value| {
        let request = app.request(Method::POST, path).bearer_auth(access);
        expect(request.json(&body).send().await.unwrap(), StatusCode::OK).await
    };
    let secret = post("/me/second-factor", json!({})).await["secret"].as_str().unwrap().to_owned();
    let key = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let confirmed = post("/me/second-factor/confirm", json!({"code": TotpParams::default().code_at(&key, now)})).await;
    // The provider counts as something that one knows.
    assert!(confirmed["access_token"].is_string(), "{confirmed}");

    let asked = Browser::default().sign_in(&app, &provider).await;
    assert_eq!((asked["status"].as_str(), asked["return_to"].as_str()), (Some("second-factor"), Some("/orders")));
    assert!(asked.get("tokens").is_none() && asked.get("user").is_none(), "{asked}");
    let step = json!({"challenge": asked["second_factor"]["challenge"], "code": confirmed["recovery_codes"][0]});
    let entered = expect(app.post("/auth/login/second-factor", &step).await, StatusCode::OK).await;
    assert_eq!(entered["user"]["id"], first["user"]["id"]);
}

#[tokio::test]
async fn j2_whoever_the_provider_knows_comes_in_and_comes_again() {
    let provider = Provider::start().await;
    let app = start(&provider).await;
    let listed = expect(app.get("/auth/providers").await, StatusCode::OK).await;
    let corp = json!({"name": "corp", "label": "Corp ID", "origin": "https://tickets.example"});
    assert_eq!(listed["providers"], json!([corp]));

    let first = Browser::default().sign_in(&app, &provider).await;
    assert_eq!((first["status"].as_str(), first["return_to"].as_str()), (Some("signed-in"), Some("/orders")));
    assert_eq!(first["user"]["email"], "ann@example.test");
    assert_eq!(first["user"]["display_name"], "Ann");
    // The provider may change the address: the account stays the same.
    says(&provider, "ext-7", "other@example.test", true);
    let again = Browser::default().sign_in(&app, &provider).await;
    assert_eq!(again["user"]["id"], first["user"]["id"]);
    let access = again["tokens"]["access_token"].as_str().unwrap();
    let me = app.request(Method::GET, "/me/identities").bearer_auth(access).send().await.unwrap();
    assert_eq!(expect(me, StatusCode::OK).await["identities"][0]["provider"], "corp");
    // It is the only way in: there is no password.
    let remove = || app.request(Method::DELETE, "/me/identities/corp").bearer_auth(access).send();
    assert_eq!(expect_problem(remove().await.unwrap(), Code::InUse).await["reason"], "only-way-in");
    let login = json!({"email": "ann@example.test", "password": PASSWORD});
    expect_problem(app.post("/auth/login", &login).await, Code::WrongCredentials).await;
    // Whoever is kept out does not come in this way either.
    let id = first["user"]["id"].as_str().unwrap().parse().unwrap();
    app.app.users.judge(id, ticketing::user::Kind::Normal, true).await.unwrap();
    let mut browser = Browser::default();
    let answer = browser.agree(&app, &provider).await;
    expect_problem(browser.post(&app, "finish", &answer, None).await, Code::TokenInvalid).await;
}

#[tokio::test]
async fn j2_an_address_alone_opens_no_account() {
    let provider = Provider::start().await;
    let app = start(&provider).await;
    let mei = app.register("mei@example.com").await;
    for (subject, verified) in [("thief", false), ("mei", true)] {
        says(&provider, subject, "mei@example.com", verified);
        let mut browser = Browser::default();
        let came = browser.sign_in(&app, &provider).await;
        assert_eq!((came["status"].as_str(), came["email"].as_str()), (Some("confirm"), Some("mei@example.com")));
        assert!(came.get("tokens").is_none());
        let wrong = json!({"email": "mei@example.com", "password": "not hers at all"});
        expect_problem(browser.confirm(&app, &wrong).await, Code::WrongCredentials).await;
        let wrong = json!({"email": "mei@example.com", "code": "000000"});
        expect_problem(browser.confirm(&app, &wrong).await, Code::CodeRefused).await;
        for neither in
            [json!({"email": "mei@example.com"}), json!({"email": "mei@example.com", "code": "1", "password": "2"})]
        {
            expect_problem(browser.confirm(&app, &neither).await, Code::InvalidValue).await;
        }
        // What the provider said is of use in its browser only, and nobody makes it up.
        let right = json!({"email": "mei@example.com", "password": PASSWORD});
        expect_problem(Browser::default().confirm(&app, &right).await, Code::ProviderRefused).await;
        let mut forged = Browser(BTreeMap::from([(
            "nebula-said".to_owned(),
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        )]));
        expect_problem(forged.confirm(&app, &right).await, Code::ProviderRefused).await;
        if verified {
            let entered = expect(browser.confirm(&app, &right).await, StatusCode::OK).await;
            assert_eq!(entered["user"]["id"], mei.id.to_string());
        }
    }
    // From now on the provider opens it, and the password does as before; the thief is where they were.
    let came = Browser::default().sign_in(&app, &provider).await;
    assert_eq!((came["status"].as_str(), came["user"]["id"].as_str()), (Some("signed-in"), Some(&*mei.id.to_string())));
    app.login("mei@example.com", PASSWORD).await;
    says(&provider, "thief", "mei@example.com", false);
    assert_eq!(Browser::default().sign_in(&app, &provider).await["status"], "confirm");
    // Taken away, it opens nothing any more.
    let remove = app.request(Method::DELETE, "/me/identities/corp").bearer_auth(&mei.access).send().await.unwrap();
    assert_eq!(remove.status(), StatusCode::NO_CONTENT);
    says(&provider, "mei", "mei@example.com", true);
    assert_eq!(Browser::default().sign_in(&app, &provider).await["status"], "confirm");
}

#[tokio::test]
async fn j2_a_code_shows_whose_an_unverified_address_is() {
    let provider = Provider::start().await;
    let app = start(&provider).await;
    let li = app.register("li@example.com").await;
    // Somebody new, whose provider vouches for nothing.
    says(&provider, "new", "new@example.com", false);
    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(&app, &provider).await["status"], "confirm");
    let shown = json!({"email": "new@example.com", "code": code(&app, "new@example.com", "sign-in", "account elsewhere").await});
    let entered = expect(browser.confirm(&app, &shown).await, StatusCode::OK).await;
    assert_eq!(entered["user"]["email"], "new@example.com");
    assert_ne!(entered["user"]["id"], li.id.to_string());
    // A code for another purpose is worth nothing here, and one for this purpose leads to the account of its address.
    says(&provider, "li", "li@example.com", false);
    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(&app, &provider).await["status"], "confirm");
    let other = code(&app, "li@example.com", "reset-password", "new password").await;
    let other = json!({"email": "li@example.com", "code": other});
    expect_problem(browser.confirm(&app, &other).await, Code::CodeRefused).await;
    let shown =
        json!({"email": "li@example.com", "code": code(&app, "li@example.com", "sign-in", "account elsewhere").await});
    let entered = expect(browser.confirm(&app, &shown).await, StatusCode::OK).await;
    assert_eq!(entered["user"]["id"], li.id.to_string());
}

#[tokio::test]
async fn j2_who_is_signed_in_adds_a_provider_to_their_account_and_to_no_other() {
    let provider = Provider::start().await;
    let app = start(&provider).await;
    let (mei, li) = (app.register("mei@example.com").await, app.register("li@example.com").await);
    expect_problem(Browser::default().post(&app, "/me/identities/corp", &json!({}), None).await, Code::Unauthenticated)
        .await;
    let mut browser = Browser::default();
    let begun = browser.post(&app, "/me/identities/corp", &json!({"return_to": "/account"}), Some(&mei)).await;
    let answer = returned(&provider, &expect(begun, StatusCode::OK).await);
    let linked = expect(browser.post(&app, "finish", &answer, None).await, StatusCode::OK).await;
    assert_eq!(linked, json!({"status": "linked", "return_to": "/account"}));
    // The account's address is another than the provider's: it was she who asked for it.
    assert_eq!(Browser::default().sign_in(&app, &provider).await["user"]["id"], mei.id.to_string());
    // It is hers, and nobody else's.
    let mut browser = Browser::default();
    let begun = browser.post(&app, "/me/identities/corp", &json!({}), Some(&li)).await;
    let answer = returned(&provider, &expect(begun, StatusCode::OK).await);
    expect_problem(browser.post(&app, "finish", &answer, None).await, Code::IdentityTaken).await;
    let none = expect(app.get_as(&li, "/me/identities").await, StatusCode::OK).await;
    assert_eq!(none["identities"], json!([]));
}

#[tokio::test]
async fn j2_what_comes_back_belongs_to_the_browser_that_left_and_comes_once() {
    let provider = Provider::start().await;
    let app = start(&provider).await;
    let (mut victim, mut attacker) = (Browser::default(), Browser::default());
    let answer = attacker.agree(&app, &provider).await;
    victim.agree(&app, &provider).await;
    for browser in [&mut victim, &mut Browser::default()] {
        let refused = expect_problem(browser.post(&app, "finish", &answer, None).await, Code::ProviderRefused).await;
        assert_eq!(refused["reason"], "state_mismatch");
    }
    expect(attacker.post(&app, "finish", &answer, None).await, StatusCode::OK).await;
    expect_problem(attacker.post(&app, "finish", &answer, None).await, Code::ProviderRefused).await;
    // A wrong nonce, a wrong audience, no signature: nobody comes in.
    for claim in ["nonce", "aud"] {
        provider.change(move |_, claims| claims[claim] = json!("another"));
        let mut browser = Browser::default();
        let answer = browser.agree(&app, &provider).await;
        expect_problem(browser.post(&app, "finish", &answer, None).await, Code::ProviderRefused).await;
    }
    let said_no = json!({"state": "x", "error": "access_denied"});
    expect_problem(Browser::default().post(&app, "finish", &said_no, None).await, Code::ProviderRefused).await;
    expect_problem(app.post("/auth/providers/nobody/begin", &json!({})).await, Code::NotFound).await;
    let elsewhere = json!({"return_to": "https://evil.example/"});
    expect_problem(app.post("/auth/providers/corp/begin", &elsewhere).await, Code::InvalidValue).await;
}

#[tokio::test]
async fn j2_a_provider_that_is_away_is_in_nobody_s_way() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let app = TestApp::start_with(|config| {
        config.auth.oidc = BTreeMap::from([("corp".to_owned(), OidcSettings::new(gone, CLIENT, REDIRECT))]);
    })
    .await;
    expect_problem(app.post("/auth/providers/corp/begin", &json!({})).await, Code::Unavailable).await;
    app.register("mei@example.com").await;
    app.login("mei@example.com", PASSWORD).await;
}
