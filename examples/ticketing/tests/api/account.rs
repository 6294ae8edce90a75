//! Registering, signing in, staying signed in, and everything that is refused.

use std::time::Duration;

use crate::common::{PASSWORD, TestApp, expect, expect_problem};
use nebula_auth::{AccessGrant, Algorithm, KeySet, ManualClock, SigningKey, TokenService, secrecy::ExposeSecret};
use reqwest::{Method, StatusCode};
use serde_json::json;
use ticketing::{problem::Code, storage::sql::query};

#[tokio::test]
async fn from_registration_to_sign_out() {
    let app = TestApp::start().await;
    let mei = app.register("Mei@Example.com").await;
    let me = expect(app.get_as(&mei, "/me").await, StatusCode::OK).await;
    let expected = json!({"id": mei.id, "email": "mei@example.com", "display_name": "Somebody", "language": "en", "phone_confirmed": false,
        "text_messages": true, "roles": []});
    assert_eq!(me, expected);

    let again = app.login(" MEI@example.com ", PASSWORD).await;
    assert_eq!(again.id, mei.id);
    let renewed =
        expect(app.post("/auth/refresh", &json!({"refresh_token": again.refresh})).await, StatusCode::OK).await;
    let tokens = &renewed["tokens"];
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(1800)));
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = &tokens["refresh_token"];

    let out = app.post("/auth/logout", &json!({"refresh_token": refresh})).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let ended = app.request(Method::GET, "/me").bearer_auth(access).send().await.unwrap();
    expect_problem(ended, Code::TokenInvalid).await;
    expect_problem(app.post("/auth/refresh", &json!({"refresh_token": refresh})).await, Code::RefreshRefused).await;
    let out = app.post("/auth/logout", &json!({"refresh_token": refresh})).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    // The other sign-in goes on.
    expect(app.get_as(&mei, "/me").await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_used_refresh_token_ends_the_sign_in() {
    let app = TestApp::start_with(|config| config.auth.session.grace = Duration::ZERO).await;
    let mei = app.register("mei@example.com").await;
    let body = json!({"refresh_token": mei.refresh});
    let renewed = expect(app.post("/auth/refresh", &body).await, StatusCode::OK).await;
    expect_problem(app.post("/auth/refresh", &body).await, Code::RefreshRefused).await;
    let successor = json!({"refresh_token": renewed["tokens"]["refresh_token"]});
    expect_problem(app.post("/auth/refresh", &successor).await, Code::RefreshRefused).await;
}

#[tokio::test]
async fn refusals_of_registration_name_the_field() {
    let app = TestApp::start().await;
    app.register("mei@example.com").await;
    let body =
        |email: &str, password: &str, name: &str| json!({"email": email, "password": password, "display_name": name});
    let post = |body| {
        let app = &app;
        async move { app.post("/auth/register", &body).await }
    };
    expect_problem(post(body("MEI@example.com", PASSWORD, "Mei")).await, Code::EmailTaken).await;
    let problem = expect_problem(post(body("mei", PASSWORD, "Mei")).await, Code::InvalidValue).await;
    assert_eq!(problem["field"], "email");
    let problem = expect_problem(post(body("a@example.com", PASSWORD, " ")).await, Code::InvalidValue).await;
    assert_eq!(problem["field"], "display_name");
    expect_problem(post(body("a@example.com", PASSWORD, &"x".repeat(81))).await, Code::InvalidValue).await;
    expect_problem(post(body("a@example.com", "short", "A")).await, Code::PasswordRefused).await;
    expect_problem(post(body("a@example.com", &"x".repeat(2_000), "A")).await, Code::PasswordRefused).await;
    // Besides the account under which counters buy.
    let users: i64 =
        query("SELECT count(*) FROM users WHERE email_sealed <> ''").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(users, 1);
}

#[tokio::test]
async fn one_address_registers_once_even_at_the_same_moment() {
    let app = TestApp::start().await;
    let body = json!({"email": "mei@example.com", "password": PASSWORD, "display_name": "Mei"});
    let answers = futures_util::future::join_all((0..4).map(|_| app.post("/auth/register", &body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
}

#[tokio::test]
async fn wrong_password_unknown_address_and_no_password_are_told_apart_by_nobody() {
    let app = TestApp::start().await;
    let mei = app.register("mei@example.com").await;
    let bulk = app.register("bulk@example.com").await.id;
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE users SET password_hash = NULL WHERE id = $1").bind(bulk).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    let mut answers = Vec::new();
    for email in [mei.email.as_str(), "nobody@example.com", "bulk@example.com", "", "no address"] {
        let body = json!({"email": email, "password": "wrong horse battery staple"});
        let mut problem = expect_problem(app.post("/auth/login", &body).await, Code::WrongCredentials).await;
        problem.as_object_mut().unwrap().remove("request_id");
        answers.push(problem);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn forged_expired_and_missing_tokens_have_their_codes() {
    let app = TestApp::start().await;
    let mei = app.register("mei@example.com").await;
    let ask = |value: Option<String>| {
        let mut request = app.request(Method::GET, "/me");
        if let Some(value) = value {
            request = request.header("authorization", value);
        }
        async move { request.send().await.unwrap() }
    };
    let missing = ask(None).await;
    assert_eq!(missing.headers()["www-authenticate"], "Bearer");
    expect_problem(missing, Code::Unauthenticated).await;
    expect_problem(ask(Some("Basic dTpw".into())).await, Code::Unauthenticated).await;
    expect_problem(ask(Some("Bearer".into())).await, Code::TokenInvalid).await;
    expect_problem(ask(Some("Bearer abc.def.ghi".into())).await, Code::TokenInvalid).await;
    // A refresh token is no access token.
    expect_problem(ask(Some(format!("Bearer {}", mei.refresh))).await, Code::TokenInvalid).await;

    let mut altered = mei.access.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    expect_problem(ask(Some(format!("Bearer {altered}"))).await, Code::TokenInvalid).await;

    let forged = TokenService::new(
        KeySet::new(SigningKey::generate(Algorithm::HS256, "forged").unwrap()),
        "nebula-ticketing",
        "nebula-ticketing",
    )
    .unwrap();
    let forged = forged.issue(&AccessGrant::new(mei.id.to_string())).unwrap();
    let forged = format!("Bearer {}", forged.token.expose_secret());
    expect_problem(ask(Some(forged)).await, Code::TokenInvalid).await;

    let yesterday = std::time::SystemTime::now() - Duration::from_secs(86_400);
    let yesterday = yesterday.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let late = app.app.users.tokens().clone().with_clock(ManualClock::at_unix(yesterday));
    let expired = late.issue(&AccessGrant::new(mei.id.to_string())).unwrap();
    let expired = format!("Bearer {}", expired.token.expose_secret());
    expect_problem(ask(Some(expired)).await, Code::TokenExpired).await;

    let stranger = app.app.users.bare_token(ticketing::ids::UserId::new()).unwrap();
    expect_problem(ask(Some(format!("Bearer {stranger}"))).await, Code::TokenInvalid).await;
}

#[tokio::test]
async fn malformed_bodies_say_where() {
    let app = TestApp::start().await;
    let send = |kind: &'static str, body: String| {
        let request = app.request(Method::POST, "/auth/login").header("content-type", kind).body(body);
        async move { request.send().await.unwrap() }
    };
    let json = "application/json";
    for (body, path) in [
        ("", "."),
        ("{", "."),
        ("[]", "."),
        (r#"{"email": 7, "password": "x"}"#, "email"),
        (r#"{"email": "a@example.com"}"#, "."),
        (r#"{"email": "a@example.com", "password": "x", "admin": true}"#, "admin"),
        (r#"{"email": "a@example.com", "password": "x"} {}"#, "."),
    ] {
        let problem = expect_problem(send(json, body.to_owned()).await, Code::MalformedRequest).await;
        assert_eq!(problem["path"], path, "{body}: {problem}");
        assert!(!problem.to_string().contains("\"x\""), "{problem}");
    }
    expect_problem(send("text/plain", "{}".into()).await, Code::UnsupportedMediaType).await;
    let nested = "[".repeat(30_000);
    expect_problem(send(json, nested).await, Code::MalformedRequest).await;
    let large = format!(r#"{{"email": "{}", "password": "x"}}"#, "a".repeat(100_000));
    expect_problem(send(json, large).await, Code::BodyTooLarge).await;
}
