//! What surrounds every handler: problems, limits, headers, health, metrics, documents.

use std::time::Duration;

use crate::common::{PASSWORD, TestApp, expect, expect_problem};
use nebula_test_support::eventually;
use reqwest::{Client, Method, StatusCode};
use serde_json::json;
use ticketing::problem::Code;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
    for name in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds "] {
        assert!(metrics.contains(&format!("\n{name}")), "{name}: {metrics}");
    }
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
async fn whoever_never_finishes_a_request_is_hung_up_on() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let app = TestApp::start_with(|config| config.http.header_timeout = Duration::from_millis(200)).await;
    let address = app.url.strip_prefix("http://").unwrap();
    for head in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: here\r\nx-slow: "] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "{head:?} was waited for");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn whoever_never_reads_an_answer_is_hung_up_on() {
    use std::io::ErrorKind::WouldBlock;

    use nebula_test_support::eventually;
    use tokio::io::AsyncWriteExt;

    let app = TestApp::start_with(|config| config.http.stall_timeout = Duration::from_millis(500)).await;
    let mut stream = tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    // More answers than the buffers of both ends can take; the server then waits for one who reads.
    let requests = "GET /api/openapi.json HTTP/1.1\r\nhost: here\r\n\r\n".repeat(2_000);
    stream.write_all(requests.as_bytes()).await.unwrap();
    let stream = &stream;
    // Nobody tells a client that does not read; it notices when it sends something.
    let hung_up = move || async move { stream.try_write(b"x").is_err_and(|error| error.kind() != WouldBlock) };
    eventually(Duration::from_secs(30), hung_up).await;
}

#[tokio::test]
async fn a_request_in_progress_is_finished_before_the_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let app = TestApp::start().await;
    let mut stream = tokio::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /api/v1/auth/logout HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n\
                content-length: 21\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Sent when the handler begins to read the body.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    app.app.stopping.cancel();
    stream.write_all(br#"{"refresh_token":"x"}"#).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn the_problems_page_explains_each_code() {
    let app = TestApp::start().await;
    let page = app.get("//problems").await.text().await.unwrap();
    for code in Code::ALL {
        assert!(page.contains(&format!("<dt id=\"{}\">", code.as_str())), "{}", code.as_str());
    }
}

/// Without cookies nothing is sent along by itself, and what a form of another site can send is not read.
#[tokio::test]
async fn a_page_of_another_site_can_do_nothing_in_a_buyers_name() {
    let app = TestApp::start().await;
    let buyer = app.register("ann@example.com").await;
    let wish = json!({ "email": buyer.email, "password": PASSWORD });
    let signed_in = app.post("/auth/login", &wish).await;
    assert_eq!(signed_in.status(), StatusCode::OK);
    assert!(!signed_in.headers().contains_key("set-cookie"));
    let elsewhere = "https://elsewhere.example";
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let form = app.request(Method::POST, "/orders").bearer_auth(&buyer.access);
        let form = form.header("content-type", kind).header("origin", elsewhere);
        expect_problem(form.body("{}").send().await.unwrap(), Code::UnsupportedMediaType).await;
    }
    let asked = app
        .request(Method::OPTIONS, "/orders")
        .header("origin", elsewhere)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let read = app.request(Method::GET, "/shows").header("origin", elsewhere);
    for answer in [asked.send().await.unwrap(), read.send().await.unwrap()] {
        assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control-allow")), "{answer:?}");
    }
}

/// A connection that has been served and stays open.
async fn idle(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn whoever_comes_beyond_the_connections_is_told_so_and_served_when_somebody_has_left() {
    let app = TestApp::start_with(|config| config.http.max_connections = Some(2)).await;
    let address = app.url.trim_start_matches("http://");
    let mut held = vec![idle(address).await, idle(address).await];
    let visitor = || Client::builder().no_proxy().build().unwrap().get(format!("{}/healthz", app.url)).send();
    let answer = visitor().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.headers()["connection"], "close");
    expect_problem(answer, Code::Busy).await;
    held.pop();
    eventually(Duration::from_secs(60), || async { visitor().await.unwrap().status() == StatusCode::OK }).await;
    let metrics = eventually(Duration::from_secs(60), || async {
        let answer = Client::builder().no_proxy().build().unwrap().get(format!("{}/metrics", app.url)).send().await?;
        answer.error_for_status()?.text().await
    })
    .await;
    assert!(metrics.contains("\nhttp_connections_refused_total "), "{metrics}");
    assert!(metrics.contains("\nhttp_connections_open "), "{metrics}");
}
