//! Routes.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, Response, StatusCode},
    response::IntoResponse,
    routing::{any, get},
};
use nebula_auth::{
    AccessGrant, TokenService,
    access::{AuthContext, Granted, Requirement},
    axum::{AuthLayer, Policy, SecureRouter},
    requires_mfa, requires_permission,
};
use tower::ServiceExt as _;

use super::{bearer, evaluator, mfa, order, tokens};

#[requires_permission("order:read")]
async fn read(context: AuthContext) -> impl IntoResponse {
    context.user().unwrap().to_string()
}

#[requires_mfa(within = "5m")]
async fn remove() -> axum::response::Response {
    StatusCode::NO_CONTENT.into_response()
}

async fn proven(_: Granted<order::Read>) -> &'static str {
    "proven"
}

async fn app(tokens: &TokenService) -> Router {
    let admin = SecureRouter::new().get("/password", Requirement::permission::<order::Delete>(), async || "secret");
    let read_orders = Requirement::permission::<order::Read>();
    let routes = SecureRouter::new()
        .get("/public", Policy::Public, async || "open")
        .get("/me", Requirement::Authenticated, async || "me")
        .get("/orders", read_orders.clone(), read)
        .post("/orders", Requirement::permission::<order::Delete>(), async || "made")
        .delete("/orders", read_orders.clone(), remove)
        .get("/proven", Policy::Public, proven)
        .nest("/admin", admin)
        .merge(SecureRouter::new().put("/merged", read_orders, async || "merged"));
    let listed: Vec<_> = routes.routes().iter().map(|r| format!("{} {} {}", r.method, r.path, r.policy)).collect();
    assert_eq!(
        listed,
        [
            "GET /public public",
            "GET /me authenticated",
            "GET /orders order:read",
            "POST /orders order:delete",
            "DELETE /orders order:read",
            "GET /proven public",
            "GET /admin/password order:delete",
            "PUT /merged order:read",
        ]
    );
    routes.finish(AuthLayer::new(tokens.clone(), evaluator().await))
}

async fn ask(app: &Router, method: Method, path: &str, token: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.header("x-original-url", "/public").header("x-rewrite-url", "/public");
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn routes_are_open_to_those_whom_their_policy_names() {
    let tokens = tokens();
    let app = app(&tokens).await;
    let ann = bearer(&tokens, &AccessGrant::new("ann"));
    let bob = bearer(&tokens, &AccessGrant::new("bob"));
    for (method, path, nobody, bobs, anns) in [
        (Method::GET, "/public", 200, 200, 200),
        (Method::GET, "/me", 401, 200, 200),
        (Method::GET, "/orders", 401, 403, 200),
        (Method::HEAD, "/orders", 401, 403, 200),
        (Method::POST, "/orders", 401, 403, 403),
        (Method::PUT, "/orders", 405, 405, 405),
        // She may, and has to show her second factor first.
        (Method::DELETE, "/orders", 401, 403, 401),
        (Method::GET, "/proven", 401, 403, 200),
        (Method::GET, "/admin/password", 401, 403, 403),
        (Method::PUT, "/merged", 401, 403, 200),
    ] {
        for (token, expected) in [(None, nobody), (Some(&bob), bobs), (Some(&ann), anns)] {
            let status = ask(&app, method.clone(), path, token.map(String::as_str)).await.status();
            assert_eq!(status.as_u16(), expected, "{method} {path} {}", token.is_some());
        }
    }
    assert_eq!(text(ask(&app, Method::GET, "/orders", Some(&ann)).await).await, "ann");
    let fresh = bearer(&tokens, &mfa(Duration::from_secs(10)));
    assert_eq!(ask(&app, Method::DELETE, "/orders", Some(&fresh)).await.status(), StatusCode::NO_CONTENT);
    // A token that is not acceptable is told so, even where none is needed.
    assert_eq!(ask(&app, Method::GET, "/public", Some("forged")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refusals_say_what_the_client_can_do() {
    let tokens = tokens();
    let app = app(&tokens).await;
    let ann = bearer(&tokens, &AccessGrant::new("ann"));
    for (method, path, token, code, challenge) in [
        (Method::GET, "/orders", None, "missing_credentials", Some("Bearer")),
        (Method::POST, "/orders", Some(&ann), "permission_denied", None),
        (
            Method::DELETE,
            "/orders",
            Some(&ann),
            "step_up_required",
            Some(r#"Bearer error="insufficient_user_authentication", max_age="300""#),
        ),
    ] {
        let response = ask(&app, method, path, token.map(String::as_str)).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers().get("www-authenticate").map(|value| value.to_str().unwrap()), challenge);
        let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["code"], code);
        assert!(!body.to_string().contains("order:delete"), "what exactly is missing stays here: {body}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_around_a_policy() {
    let tokens = tokens();
    let app = app(&tokens).await;
    let bob = bearer(&tokens, &AccessGrant::new("bob"));
    for path in [
        "/admin/password/",
        "//admin/password",
        "/admin//password",
        "/admin/..;/orders",
        "/admin/%3bpage",
        "/admin/%252fpassword",
        "/admin/%0a",
        "/public/..;/admin/password",
        "/public/../admin/password",
        "/admin/./password",
        "/Admin/Password",
        "/admin/password;x=1",
        "/%61dmin/password",
        "/admin%2fpassword",
    ] {
        let status = ask(&app, Method::GET, path, Some(&bob)).await.status().as_u16();
        assert!(matches!(status, 403 | 404), "{path}: {status}");
    }
}

#[tokio::test]
async fn without_the_layer_nobody_is_let_through() {
    let bare = Router::new().route("/orders", axum::routing::get(read)).route("/proven", axum::routing::get(proven));
    for path in ["/orders", "/proven"] {
        let response = ask(&bare, Method::GET, path, None).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn handlers_for_any_method_are_not_open_for_others() {
    let tokens = tokens();
    let needed = Requirement::permission::<order::Delete>();
    let routes = SecureRouter::new()
        .methods(&[Method::GET, Method::PATCH], "/any", needed.clone(), any(async || "secret"))
        .methods(&[Method::GET], "/fallback", needed.clone(), get(async || "secret").fallback(async || "open"))
        .methods(&[Method::GET], "/shared", Policy::Public, get(async || "public"))
        .put("/shared", needed, async || "secret");
    let app = routes.finish(AuthLayer::new(tokens.clone(), evaluator().await));
    for path in ["/any", "/fallback"] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(ask(&app, method, path, None).await.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = ask(&app, method, path, None).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert!(answer.headers()["allow"].to_str().unwrap().starts_with("GET"), "{path}");
            assert!(!text(answer).await.contains("open"), "{path}");
        }
    }
    assert_eq!(ask(&app, Method::PATCH, "/any", None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(text(ask(&app, Method::GET, "/shared", None).await).await, "public");
    assert_eq!(ask(&app, Method::PUT, "/shared", None).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&app, Method::POST, "/shared", None).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}
