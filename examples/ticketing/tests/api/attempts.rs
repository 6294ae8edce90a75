//! Attempts to sign in are limited, by account and by address.

use crate::common::{PASSWORD, TestApp, expect, expect_problem};
use nebula_test_support::redis_url;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    config::{Config, Provider},
    problem::Code,
};

/// So many attempts to an account and from an address, and practically none come back.
fn limits(config: &mut Config, account: u64, address: u64) {
    let rule = |burst: u64| json!({"rate": 1, "per": "1d", "burst": burst});
    let rules = json!({"rules": {"login.account": rule(account), "login.ip": rule(address)}});
    config.rate_limit = serde_json::from_value(rules).unwrap();
}

async fn login(app: &TestApp, email: &str, password: &str) -> Response {
    app.post("/auth/login", &json!({"email": email, "password": password})).await
}

/// The problem, with a time to wait that header and body agree on.
async fn refused(response: Response) -> Value {
    let header: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let problem = expect_problem(response, Code::TooManyAttempts).await;
    assert!(header > 3_600, "{header}");
    assert_eq!(problem["retry_after"].as_u64(), Some(header));
    problem
}

#[tokio::test]
async fn an_account_has_so_many_attempts_whoever_makes_them() {
    let app = TestApp::start_with(|config| limits(config, 3, 100)).await;
    app.register("mei@example.com").await;
    app.register("lan@example.com").await;
    for email in ["mei@example.com", " MEI@example.com", "mei@EXAMPLE.com "] {
        expect_problem(login(&app, email, "wrong").await, Code::WrongCredentials).await;
    }
    // Not even with the right password: whoever guesses learns nothing.
    let problem = refused(login(&app, "mei@example.com", PASSWORD).await).await;
    assert!(!problem.to_string().contains("mei@"), "{problem}");
    expect(login(&app, "lan@example.com", PASSWORD).await, StatusCode::OK).await;
    // An account that does not exist is limited as well: nobody finds out which ones do.
    for _ in 0..3 {
        expect_problem(login(&app, "nobody@example.com", "wrong").await, Code::WrongCredentials).await;
    }
    refused(login(&app, "nobody@example.com", "wrong").await).await;
}

#[tokio::test]
async fn an_address_has_so_many_attempts_and_a_header_is_no_way_around() {
    let app = TestApp::start_with(|config| limits(config, 100, 3)).await;
    for number in 0..3 {
        let email = format!("nobody{number}@example.com");
        expect_problem(login(&app, &email, "wrong").await, Code::WrongCredentials).await;
    }
    let body = json!({"email": "another@example.com", "password": "wrong"});
    let request = app.request(Method::POST, "/auth/login").header("x-forwarded-for", "198.51.100.7").json(&body);
    refused(request.send().await.unwrap()).await;
}

#[tokio::test]
async fn a_network_makes_so_many_accounts() {
    let app = TestApp::start_with(|config| {
        let rules = json!({"rules": {"register.ip": {"rate": 1, "per": "1d", "burst": 2}}});
        config.rate_limit = serde_json::from_value(rules).unwrap();
    })
    .await;
    app.register("mei@example.com").await;
    app.register("lan@example.com").await;
    let body = json!({"email": "third@example.com", "password": PASSWORD, "display_name": "Third"});
    refused(app.post("/auth/register", &body).await).await;
    // Who has an account is not kept from signing in.
    expect(login(&app, "mei@example.com", PASSWORD).await, StatusCode::OK).await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_s_address_counts() {
    let app = TestApp::start_with(|config| {
        limits(config, 100, 1);
        config.http.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    })
    .await;
    let attempt = async |client: &str| {
        let body = json!({"email": "nobody@example.com", "password": "wrong"});
        let request = app.request(Method::POST, "/auth/login").header("x-forwarded-for", client).json(&body);
        request.send().await.unwrap()
    };
    expect_problem(attempt("198.51.100.7").await, Code::WrongCredentials).await;
    refused(attempt("1.2.3.4, 198.51.100.7").await).await;
    expect_problem(attempt("198.51.100.8").await, Code::WrongCredentials).await;
}

#[tokio::test]
async fn processes_that_share_redis_count_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
    config.ledger.provider = Provider::Redis;
    config.redis = nebula_redis::RedisConfig::new(redis_url().await);
    limits(&mut config, 4, 100);
    let (one, two) = (TestApp::start_on(config.clone()).await, TestApp::start_on(config).await);
    for app in [&one, &two, &one, &two] {
        expect_problem(login(app, "nobody@example.com", "wrong").await, Code::WrongCredentials).await;
    }
    for app in [&one, &two] {
        refused(login(app, "nobody@example.com", "wrong").await).await;
    }
}
