//! What monitoring sees: the page of numbers, metrics, warnings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "monitoring/slow.rs"]
mod slow;
mod support;
#[path = "monitoring/telemetry.rs"]
mod telemetry;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use nebula_cache::dashboard::Dashboard;
use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::rate_limit::{Quota, RateLimiter, Rule};
use nebula_cache::{CacheManager, RedisShared};
use nebula_test_support::{RedisServer, unique};
use tower::ServiceExt;

async fn get(app: &Router, path: &str) -> Response<Body> {
    app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(app: &Router, path: &str) -> String {
    let response = get(app, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn the_page_keeps_to_its_policy_and_the_numbers_are_right() {
    let server = RedisServer::start().await;
    let config = RedisConfig::new(server.url());
    let mut connection = config.connect().await.unwrap();
    // Everything is slow for this server.
    let set = ["CONFIG", "SET", "slowlog-log-slower-than", "0"];
    redis::cmd(set[0]).arg(&set[1..]).exec_async(&mut connection).await.unwrap();
    let shared = RedisShared::new(connection, config.subscriber().unwrap()).with_namespace(unique("cache"));
    let caches = CacheManager::new(shared.clone()).await.unwrap();
    let cache = caches.cache::<u64, String>("names").build().unwrap();
    cache.put(7, "a secret value".to_owned()).await.unwrap();
    for key in [7, 7, 8] {
        let _ = cache.get(&key).await.unwrap();
    }
    let rule = Rule::new("login", Quota::rate(1, Duration::from_secs(600)).unwrap()).unwrap();
    let limiter = RateLimiter::memory([rule]).unwrap();
    for _ in 0..3 {
        let _ = limiter.check("login", "k").await.unwrap();
    }
    let page = Dashboard::new().with_caches(&caches).with_limiter(&limiter).with_slow_log(&shared).router();
    let app: Router = Router::new().nest("/admin/cache", page);
    let page = text(&app, "/admin/cache").await;
    for link in ["/admin/cache/dashboard.js", "/admin/cache/dashboard.css", "data-base=\"/admin/cache\""] {
        assert!(page.contains(link), "{link}");
    }
    assert!(
        !page.contains("<style") && !page.contains(" style=") && !page.contains("onclick") && !page.contains("{base}")
    );
    for file in ["/admin/cache/dashboard.js", "/admin/cache/dashboard.css"] {
        let text = text(&app, file).await;
        // The name of the namespace of SVG is no address that anything is fetched from.
        assert!(!text.replace("http://www.w3.org/2000/svg", "").contains("http"), "{file}");
    }
    let numbers = text(&app, "/admin/cache/snapshot.json").await;
    assert!(!numbers.contains("secret"), "{numbers}");
    let numbers: serde_json::Value = serde_json::from_str(&numbers).unwrap();
    let names = &numbers["caches"]["caches"][0];
    assert_eq!((names["name"].as_str(), names["puts"].as_u64()), (Some("names"), Some(1)));
    assert_eq!((names["local_hits"].as_u64(), names["misses"].as_u64()), (Some(2), Some(1)));
    let answers: u64 =
        names["shared_histogram"].as_array().unwrap().iter().map(|class| class[1].as_u64().unwrap()).sum();
    assert!(answers >= 2, "a put and a read");
    let login = &numbers["limits"]["rules"][0];
    assert_eq!((login["allowed"].as_u64(), login["denied"].as_u64()), (Some(1), Some(2)));
    let slow = numbers["slow"].as_array().unwrap();
    assert!(!slow.is_empty() && slow.iter().all(|one| one["command"].as_str().is_some_and(|it| !it.is_empty())));
    assert_eq!(get(&app, "/admin/cache/other").await.status(), StatusCode::NOT_FOUND);
}
