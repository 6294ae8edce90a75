use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nebula_rule_engine::{ErrorKind, Format, HttpSource, Reload, RuleKeeper};
use parking_lot::Mutex;

use crate::common::{rules, total};

/// A server with one document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    document: Arc<Mutex<(StatusCode, String, Option<String>)>>,
    full: Arc<AtomicU32>,
    empty: Arc<AtomicU32>,
}

async fn answer(State(server): State<Server>, headers: HeaderMap) -> Response {
    if headers.get("authorization").is_none_or(|it| it != "Bearer let me in") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (status, text, tag) = server.document.lock().clone();
    if let Some(tag) = tag {
        if headers.get("if-none-match").is_some_and(|known| known == tag.as_str()) {
            server.empty.fetch_add(1, Ordering::Relaxed);
            return StatusCode::NOT_MODIFIED.into_response();
        }
        server.full.fetch_add(1, Ordering::Relaxed);
        return (status, [("etag", tag)], text).into_response();
    }
    server.full.fetch_add(1, Ordering::Relaxed);
    (status, text).into_response()
}

impl Server {
    pub(crate) async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/rules.json")
    }

    pub(crate) fn set(&self, text: String, tag: Option<&str>) {
        *self.document.lock() = (StatusCode::OK, text, tag.map(str::to_owned));
    }

    pub(crate) fn remove(&self) {
        *self.document.lock() = (StatusCode::NOT_FOUND, String::new(), None);
    }
}

pub(crate) fn source(url: &str) -> HttpSource {
    HttpSource::builder(url).with_token("let me in".into()).with_timeout(Duration::from_secs(30)).build().unwrap()
}

#[tokio::test]
async fn a_document_with_a_tag_is_sent_once() {
    let server = Server::default();
    server.set(rules(10), Some("\"1\""));
    let keeper = RuleKeeper::open(source(&server.start().await)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(keeper.reload().await.unwrap(), Reload::Unchanged);
    }
    assert_eq!((server.full.load(Ordering::Relaxed), server.empty.load(Ordering::Relaxed)), (1, 3));
    server.set(rules(20), Some("\"2\""));
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!(total(keeper.engine()), "64.00 CNY");
    // Without tags it is told apart by its content.
    server.set(rules(30), None);
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!(keeper.reload().await.unwrap(), Reload::Unchanged);
}

#[tokio::test]
async fn what_a_server_can_do_wrong_leaves_the_old_rules() {
    let server = Server::default();
    server.set(rules(10), Some("\"1\""));
    let url = server.start().await;
    let keeper = RuleKeeper::open(source(&url)).await.unwrap();
    for (status, text, kind) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "", ErrorKind::Unavailable),
        (StatusCode::NOT_FOUND, "", ErrorKind::NotFound),
        (StatusCode::OK, "<html>please log in</html>", ErrorKind::Invalid),
        (StatusCode::OK, "", ErrorKind::Invalid),
    ] {
        *server.document.lock() = (status, text.to_owned(), None);
        let error = keeper.reload().await.unwrap_err();
        assert_eq!((error.kind(), total(keeper.engine())), (kind, "81.00 CNY".into()), "{error}");
        assert!(!error.to_string().contains("let me in"));
    }
    *server.document.lock() = (StatusCode::OK, " ".repeat(33 * 1024 * 1024), None);
    assert_eq!(keeper.reload().await.unwrap_err().kind(), ErrorKind::TooLarge);
    let error = RuleKeeper::open(HttpSource::builder(&url).build().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("401") && error.is_retryable(), "{error}");
    let nobody = HttpSource::builder("http://user:secret@127.0.0.1:1/x?key=secret").with_format(Format::Json).build();
    let nobody = nobody.unwrap();
    assert!(!format!("{nobody:?} {:?}", HttpSource::builder("http://secret:secret@x/")).contains("secret"));
    let error = RuleKeeper::open(nobody).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    assert!(
        HttpSource::builder("file:///etc/passwd").build().is_err() && HttpSource::builder("nothing").build().is_err()
    );
}

#[tokio::test]
async fn a_server_that_comes_back_clears_its_own_problem_only() {
    let server = Server::default();
    server.set(rules(10), Some("\"1\""));
    let keeper = RuleKeeper::open(source(&server.start().await)).await.unwrap();
    let problem_after = async |document: (StatusCode, String, Option<String>)| {
        *server.document.lock() = document;
        drop(keeper.reload().await);
        keeper.status().problem.unwrap_or_default()
    };
    let down = (StatusCode::SERVICE_UNAVAILABLE, String::new(), None);
    assert!(problem_after(down.clone()).await.contains("503"));
    assert_eq!(problem_after((StatusCode::OK, rules(10), Some("\"1\"".into()))).await, "");
    let broken = (StatusCode::OK, rules(120), Some("\"2\"".to_owned()));
    assert!(problem_after(broken.clone()).await.contains("120 %"));
    assert!(problem_after(down).await.contains("503"));
    assert!(problem_after(broken).await.contains("120 %"), "why its rules are not in force");
}
