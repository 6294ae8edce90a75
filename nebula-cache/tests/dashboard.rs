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
use nebula_test_support::{RedisServer, rendered, unique};
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

/// The figures of a page: its text without the elements.
fn words(page: &str) -> String {
    page.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_draws_what_the_numbers_say() {
    let caches = CacheManager::local();
    let cache = caches.cache::<u64, String>("trains/fast").build().unwrap();
    for key in 0..12 {
        let load = async move { Ok::<_, std::convert::Infallible>((key % 3 > 0).then(|| "G1".to_owned())) };
        cache.get_or_load(&key, load).await.unwrap();
    }
    for _ in 0..1234 {
        cache.get(&1).await.unwrap();
    }
    let rule = Rule::new("login", Quota::rate(3, Duration::from_secs(6000)).unwrap()).unwrap();
    let limiter = RateLimiter::memory([rule]).unwrap();
    // While the page looks, there is something to draw.
    let (reads, decisions) = (cache.clone(), limiter.clone());
    let busy = tokio::spawn(async move {
        loop {
            reads.get(&1).await.unwrap();
            let _ = decisions.check("login", "k").await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let page = Dashboard::new().with_caches(&caches).with_limiter(&limiter).router();
    let app: Router = Router::new().nest("/admin/cache", page);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/admin/cache", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let page = rendered(&url, Duration::from_secs(7)).await;
    busy.abort();
    server.abort();

    let words = words(&page);
    assert!(words.contains("as of ") && !words.contains("no numbers"), "{words}");
    assert!(page.contains("<h2>trains/fast</h2>"), "{page}");
    let fact = |name: &str| {
        let (_, after) = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("{name}: {page}"));
        after.split_once('<').unwrap().0.to_owned()
    };
    assert_eq!((fact("Entries"), fact("Puts")), ("12".to_owned(), "0".to_owned()));
    assert!(fact("Hits").parse::<f64>().is_err() && fact("Hits").starts_with("99."), "{}", fact("Hits"));
    let snapshot = cache.snapshot();
    assert_eq!(fact("Known absent"), snapshot.known_absent.to_string());
    for tile in
        ["<strong>1</strong>Caches", "<strong>12</strong>Entries here", "<strong>followed</strong>Invalidations"]
    {
        assert!(page.contains(tile), "{tile}: {page}");
    }
    assert!(page.contains("<td>login</td><td>3</td>"), "three were allowed: {page}");

    // Lines have a point for each look, and the line of what goes on rises above the bottom.
    let line = |chart: &str, class: &str| -> Vec<f64> {
        let (_, after) = page.split_once(&format!("aria-label=\"{chart}\"")).unwrap_or_else(|| panic!("{chart}"));
        let chart = after.split_once("</svg>").unwrap().0;
        let (_, points) = chart.split_once(&format!("class=\"{class}\" points=\"")).unwrap();
        let points = points.split_once('"').unwrap().0;
        points.split(' ').map(|point| point.split_once(',').unwrap().1.parse().unwrap()).collect()
    };
    let reads = line("Reads a second", "a");
    assert!(reads.len() >= 3 && reads[0] > 97.0 && reads[1..].iter().any(|height| *height < 50.0), "{reads:?}");
    let missing = line("Reads a second", "c");
    assert!(missing.iter().all(|height| *height > 97.0), "nothing was missing: {missing:?}");
    assert!(line("Decisions a second", "b").iter().any(|height| *height < 50.0), "most were refused");
    // Bars of the loads: as high as the chart where most of them are.
    let (_, bars) = page.split_once("<rect ").expect("a histogram");
    let heights: Vec<f64> =
        bars.split("height=\"").skip(1).filter_map(|bar| bar.split_once('"')?.0.parse().ok()).collect();
    assert!(heights.iter().any(|height| *height >= 94.0), "{heights:?}");
}
