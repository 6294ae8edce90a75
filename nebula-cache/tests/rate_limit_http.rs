//! The layer: keys, header fields, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::get;
use axum::{Extension, Router};
use nebula_cache::rate_limit::http::{Headers, Key, RateLimitLayer, TrustedProxies};
use nebula_cache::rate_limit::{Calendar, Quota, RateLimiter, Rule, WhenDown};
use tower::ServiceExt;

fn limiter() -> RateLimiter {
    let rate = |count, seconds| Quota::rate(count, Duration::from_secs(seconds)).unwrap();
    RateLimiter::memory([
        Rule::new("ip", rate(60, 60).with_burst(3).unwrap()).unwrap(),
        Rule::new("path", rate(100, 1)).unwrap(),
        Rule::new("user", Quota::calendar(2, Calendar::Day, "UTC").unwrap()).unwrap().with_when_down(WhenDown::Closed),
    ])
    .unwrap()
}

fn app(layer: RateLimitLayer) -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/item/{id}", get(|| async { "item" })).layer(layer)
}

async fn send(app: &Router, peer: &str, change: impl FnOnce(&mut Request<Body>)) -> Response<Body> {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(ConnectInfo(format!("{peer}:4711").parse::<SocketAddr>().unwrap()));
    change(&mut request);
    app.clone().oneshot(request).await.unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn answers_say_what_is_left_and_refusals_when_to_come_back() {
    let app = app(RateLimitLayer::new(limiter()).limit("ip", Key::peer_ip()).limit("path", Key::path()));
    for left in (0..3).rev() {
        let response = send(&app, "203.0.113.7", |_| {}).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(header(headers, "ratelimit-policy"), r#""ip";q=60;w=60, "path";q=100;w=1"#);
        let state = header(headers, "ratelimit");
        assert!(state.starts_with(&format!(r#""ip";r={left};t={}, "path";r="#, 3 - left)), "{state}");
        assert!(headers.get("retry-after").is_none());
    }
    let refused = send(&app, "203.0.113.7", |_| {}).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let headers = refused.headers().clone();
    assert_eq!(header(&headers, "retry-after"), "1");
    assert!(header(&headers, "ratelimit").starts_with(r#""ip";r=0;t=1, "path";r=97"#), "the path was not charged");
    assert_eq!(header(&headers, "content-type"), "application/problem+json");
    let body = to_bytes(refused.into_body(), 10_000).await.unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((problem["status"].as_u64(), problem["retry-after"].as_u64()), (Some(429), Some(1)));
    assert_eq!(problem["violated-policies"], serde_json::json!(["ip"]));
    // Whoever does what it says is let in.
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(send(&app, "203.0.113.7", |_| {}).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn neighbours_in_a_network_of_64_bits_share_and_other_addresses_do_not() {
    let app = app(RateLimitLayer::new(limiter()).limit("ip", Key::peer_ip()));
    for host in 1..=3 {
        assert_eq!(send(&app, &format!("[2001:db8::{host}]"), |_| {}).await.status(), StatusCode::OK);
    }
    assert_eq!(send(&app, "[2001:db8::ffff:1:2:3]", |_| {}).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send(&app, "[2001:db8:0:1::1]", |_| {}).await.status(), StatusCode::OK);
    // A header changes nothing.
    for _ in 0..3 {
        assert_eq!(send(&app, "203.0.113.7", |_| {}).await.status(), StatusCode::OK);
    }
    let forged = send(&app, "203.0.113.7", |request| {
        request.headers_mut().insert("x-forwarded-for", "198.51.100.99".parse().unwrap());
    })
    .await;
    assert_eq!(forged.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_named_is_believed() {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let app = app(RateLimitLayer::new(limiter()).limit("ip", Key::client_ip(proxies)));
    let through = async |peer: &str, client: &str| {
        let line = client.to_owned();
        let response = send(&app, peer, |request| {
            request.headers_mut().insert("x-forwarded-for", line.parse().unwrap());
        });
        response.await.status()
    };
    for _ in 0..3 {
        assert_eq!(through("10.0.0.1", "198.51.100.1").await, StatusCode::OK);
    }
    assert_eq!(through("10.0.0.2", "9.9.9.9, 198.51.100.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(through("10.0.0.1", "198.51.100.2").await, StatusCode::OK);
}

#[derive(Clone)]
struct User(u64);

#[tokio::test(start_paused = true)]
async fn users_are_limited_and_nobody_is_not() {
    let layer: RateLimitLayer =
        RateLimitLayer::new(limiter()).limit("user", Key::user(|user: &User| user.0.to_string()));
    let signed_in = app(layer.clone()).layer(Extension(User(7)));
    let nobody = app(layer);
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(send(&signed_in, "203.0.113.7", |_| {}).await.status(), expected);
        let response = send(&nobody, "203.0.113.7", |_| {}).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().get("ratelimit").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn costs_older_headers_and_answers_of_ones_own() {
    let layer = RateLimitLayer::new(limiter())
        .limit("ip", Key::peer_ip())
        .with_cost(|request| header(&request.headers, "x-cost").parse().unwrap_or(1))
        .with_headers(Headers::Legacy)
        .with_answer(|refusal| Response::new(Body::from(format!("no: {:?}", refusal.violated))));
    let app = app(layer);
    let cost = async |cost: &'static str| {
        send(&app, "203.0.113.7", |request| {
            request.headers_mut().insert("x-cost", cost.parse().unwrap());
        })
        .await
    };
    let first = cost("2").await;
    let headers = first.headers();
    assert_eq!(
        ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| header(headers, name).to_owned()),
        ["3", "1", "2"]
    );
    assert!(headers.get("ratelimit").is_none());
    let refused = cost("2").await;
    assert_eq!(header(refused.headers(), "retry-after"), "1");
    assert_eq!(to_bytes(refused.into_body(), 1000).await.unwrap(), r#"no: ["ip"]"#);
    // More than is ever allowed: no time to come back at.
    let never = cost("4").await;
    assert!(never.headers().get("retry-after").is_none());
}

#[tokio::test]
async fn what_is_put_together_wrongly_lets_nobody_through() {
    let no_address = app(RateLimitLayer::new(limiter()).limit("ip", Key::peer_ip()));
    let response = no_address.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let no_rule = app(RateLimitLayer::new(limiter()).limit("other", Key::all()));
    assert_eq!(send(&no_rule, "203.0.113.7", |_| {}).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(start_paused = true)]
async fn routes_count_not_paths() {
    let quota = Quota::rate(2, Duration::from_secs(60)).unwrap();
    let limiter = RateLimiter::memory([Rule::new("path", quota).unwrap()]).unwrap();
    let layer: RateLimitLayer = RateLimitLayer::new(limiter).limit("path", Key::path());
    let app = Router::new().route("/item/{id}", get(|| async { "item" }).layer(layer));
    for (id, expected) in [(1, StatusCode::OK), (2, StatusCode::OK), (3, StatusCode::TOO_MANY_REQUESTS)] {
        let response = send(&app, "203.0.113.7", |request| *request.uri_mut() = format!("/item/{id}").parse().unwrap());
        assert_eq!(response.await.status(), expected);
    }
}
