//! What surrounds every handler: problems, limits, headers, health, metrics, documents.

mod common;

use common::{TestApp, expect, expect_problem};
use reqwest::{Method, StatusCode};
use ticketing::problem::Code;

#[tokio::test]
async fn alive_ready_and_measured() {
    let app = TestApp::start().await;
    assert_eq!(expect(app.get("//healthz").await, StatusCode::OK).await["status"], "ok");
    assert_eq!(expect(app.get("//readyz").await, StatusCode::OK).await["status"], "ok");
    app.get("//nowhere/at/all").await;
    let metrics = app.get("//metrics").await.text().await.unwrap();
    assert!(metrics.contains(r#"http_requests_total{method="GET",path="/healthz",status="200"}"#), "{metrics}");
    assert!(metrics.contains(r#"http_request_duration_seconds_bucket{method="GET",path="/healthz",le="#), "{metrics}");
    assert!(metrics.contains(r#"path="other",status="404""#) && !metrics.contains("nowhere"), "{metrics}");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_the_request_id() {
    let app = TestApp::start().await;
    let response = app.request(Method::GET, "//nowhere").header("x-request-id", "abc-1").send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    let body = expect_problem(response, Code::NotFound).await;
    assert_eq!((&body["request_id"], &body["type"]), (&"abc-1".into(), &"/problems#not-found".into()));
    let odd = app.request(Method::GET, "//nowhere").header("x-request-id", "a b").send().await.unwrap();
    assert_ne!(odd.headers()["x-request-id"], "a b");
    let response = app.request(Method::DELETE, "//healthz").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    expect_problem(response, Code::MethodNotAllowed).await;
}

#[tokio::test]
async fn every_answer_narrows_what_a_browser_may_do() {
    let app = TestApp::start().await;
    for path in ["//healthz", "//nowhere", "//problems"] {
        let response = app.get(path).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn the_problems_page_explains_each_code() {
    let app = TestApp::start().await;
    let page = app.get("//problems").await.text().await.unwrap();
    for code in Code::ALL {
        assert!(page.contains(&format!("<dt id=\"{}\">", code.as_str())), "{}", code.as_str());
    }
}
