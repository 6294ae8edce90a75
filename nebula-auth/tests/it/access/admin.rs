//! The admin API.

use std::collections::BTreeSet;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use nebula_auth::{
    AccessGrant, MemoryRefreshStore, NewSession, SessionService, TokenService,
    admin::{Admin, SignIn, openapi, permissions::PERMISSIONS},
    audit::{AuditLog, MemoryAuditSink},
    axum::{AuthLayer, Policy, SecureRouter, SecuredRoute},
    rbac::{Actor, PermissionEvaluator, PermissionPattern, Role, RoleName, UserId, rights},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{bearer, evaluator, tokens};

struct Test {
    app: Router,
    tokens: TokenService,
    sessions: SessionService,
    routes: Vec<SecuredRoute>,
}

/// Root may do everything, Hanna may change users and roles, and Ann reads orders.
async fn start() -> Test {
    let (tokens, evaluator) = (tokens(), evaluator().await);
    for (user, patterns) in
        [("root", &["*"][..]), ("hanna", &["rbac:user:*", "rbac:role:*", "order:read", "auth:session:read"][..])]
    {
        role(&evaluator, user, patterns).await;
    }
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let log = AuditLog::new(MemoryAuditSink::new());
    let admin = Admin::new(&evaluator).with_sessions(sessions.clone()).with_audit(log.clone()).with_sign_in(
        SignIn::new("/login", "email", "/token")
            .with_second_factor("/login/code", "/second/challenge")
            .with_step_up("/show", "/token"),
    );
    let router = SecureRouter::new().nest("/access", admin.routes());
    let routes = router.routes().to_vec();
    let app = router.finish(AuthLayer::new(tokens.clone(), evaluator).with_audit(log));
    Test { app, tokens, sessions, routes }
}

/// A role of the user's name.
async fn role(evaluator: &PermissionEvaluator, user: &str, patterns: &[&str]) {
    let (service, setup, name) = (evaluator.service(), Actor::system("test"), RoleName::new(user).unwrap());
    let patterns = patterns.iter().map(|text| PermissionPattern::new(text).unwrap());
    let role = Role::new(name.clone()).with_permissions(patterns);
    service.create_role(&setup, role).await.unwrap().into_result().unwrap();
    let user = UserId::new(user).unwrap();
    service.assign_role(&setup, &user, &name, None).await.unwrap().into_result().unwrap();
}

impl Test {
    async fn ask(&self, who: Option<&str>, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(format!("/access{path}")).header("x-request-id", "r-7");
        if let Some(who) = who {
            let token = bearer(&self.tokens, &AccessGrant::new(who));
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}: {status}");
        }
        let bytes = to_bytes(response.into_body(), 1_000_000).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, who: &str, path: &str) -> Value {
        let (status, body) = self.ask(Some(who), Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn done(&self, who: &str, method: Method, path: &str, body: Option<Value>) {
        let (status, body) = self.ask(Some(who), method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {body}");
    }

    /// Who asks is refused, for this reason.
    async fn refused(&self, who: &str, method: Method, path: &str, body: Option<Value>, expected: (u16, &str)) {
        let (status, body) = self.ask(Some(who), method.clone(), path, body).await;
        assert_eq!((status.as_u16(), body["code"].as_str().unwrap_or_default()), expected, "{method} {path}: {body}");
        assert_eq!(body["status"], expected.0);
    }
}

#[tokio::test]
async fn no_route_is_open_to_those_without_its_permission() {
    let test = start().await;
    let mut open = BTreeSet::new();
    for route in &test.routes {
        let path = route.path.strip_prefix("/access").unwrap();
        // Names that would do, so that nothing but the policy refuses.
        let path: String =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        if matches!(route.policy, Policy::Public) {
            open.insert(route.path.clone());
            continue;
        }
        for (who, expected) in [(None, (401, "missing_credentials")), (Some("ann"), (403, "permission_denied"))] {
            let (status, body) = test.ask(who, route.method.clone(), &path, Some(json!({}))).await;
            assert_eq!((status.as_u16(), body["code"].as_str().unwrap()), expected, "{} {path}", route.method);
        }
    }
    // Static files only.
    let files = ["/access/openapi.json", "/access/page", "/access/page/{file}"];
    assert_eq!(open.iter().map(String::as_str).collect::<Vec<_>>(), files);
    assert!(test.routes.len() > 40, "{}", test.routes.len());
}

#[tokio::test]
async fn every_route_is_documented_with_what_it_needs() {
    let document = openapi();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let needed = operation["x-permission"].as_str().unwrap_or("public").to_owned();
            documented.insert((method.to_uppercase(), format!("/access{path}"), needed));
        }
    }
    let policy = |policy: &Policy| match policy.to_string() {
        any if any.starts_with("any(") => "any of those that read".to_owned(),
        one => one,
    };
    let routes = start().await.routes;
    let served = routes.iter().map(|route| (route.method.to_string(), route.path.clone(), policy(&route.policy)));
    assert_eq!(served.collect::<BTreeSet<_>>(), documented);
    // And nothing is referred to that is not there.
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[test]
fn the_rights_that_the_service_asks_for_are_declared() {
    for right in
        [rights::USERS, rights::ROLES, rights::DEPARTMENTS, rights::RESOURCES, rights::SEPARATIONS, rights::PERMISSIONS]
    {
        assert!(PERMISSIONS.contains(&right), "{right}");
    }
}

#[tokio::test]
async fn roles_and_users_are_administered_within_what_one_has() {
    let test = start().await;
    test.done("root", Method::POST, "/roles", Some(json!({ "name": "cashier", "title": "Cashier" }))).await;
    test.done("root", Method::PUT, "/roles/cashier/permissions/till:*", None).await;
    test.done("root", Method::PUT, "/roles/cashier/parents/clerk", None).await;
    test.done("root", Method::PATCH, "/roles/cashier", Some(json!({ "title": "Till" }))).await;
    let role = test.get("hanna", "/roles/cashier").await;
    assert_eq!(role["permissions"], json!(["till:*"]));
    assert_eq!((&role["parents"], &role["title"]), (&json!(["clerk"]), &json!("Till")));

    // Hanna has `order:read`, and so she can give it; she has no till.
    test.done("hanna", Method::PUT, "/users/bob/grants/order:read", Some(json!({}))).await;
    test.refused("hanna", Method::PUT, "/users/bob/roles/cashier", Some(json!({})), (403, "escalation_denied")).await;
    test.refused("hanna", Method::PUT, "/users/hanna/grants/*", Some(json!({})), (403, "escalation_denied")).await;
    test.refused("hanna", Method::PUT, "/roles/hanna/permissions/till:open", None, (403, "escalation_denied")).await;
    test.refused("hanna", Method::DELETE, "/roles/cashier", None, (403, "escalation_denied")).await;
    test.refused("hanna", Method::PUT, "/separations/x", Some(json!({})), (403, "permission_denied")).await;

    let until = "2999-01-01T00:00:00.000Z";
    test.done("root", Method::PUT, "/users/bob/roles/cashier", Some(json!({ "until": until }))).await;
    let bob = test.get("hanna", "/users/bob").await;
    assert_eq!(bob["roles"], json!([{ "name": "cashier", "by": "root", "until": until }]));
    assert_eq!(bob["grants"][0]["by"], "hanna");
    let authority = test.get("hanna", "/users/bob/authority").await;
    assert_eq!(authority["roles"], json!(["cashier", "clerk"]));
    assert_eq!(authority["until"], until);
    let why = test.get("hanna", "/users/bob/explanation?permission=order:read").await;
    assert_eq!((&why["granted"], why["by"].as_array().unwrap().len()), (&json!(true), 2), "{why}");
    assert!(why["text"].as_str().unwrap().contains("by role cashier -> clerk"), "{why}");
    let why = test.get("hanna", "/users/bob/explanation?permission=order:delete").await;
    assert_eq!(why["granted"], false);

    // What has ended gives nothing.
    test.done("root", Method::PUT, "/users/bob/roles/cashier", Some(json!({ "until": "2020-01-01T00:00:00Z" }))).await;
    assert_eq!(test.get("hanna", "/users/bob/authority").await["roles"], json!([]));
    test.done("root", Method::PUT, "/users/bob/roles/cashier", Some(json!({}))).await;
    test.done("root", Method::PATCH, "/users/bob", Some(json!({ "disabled": true }))).await;
    assert_eq!(test.get("hanna", "/users/bob/authority").await["permissions"], json!([]));
    test.done("root", Method::PATCH, "/users/bob", Some(json!({ "disabled": false }))).await;
    assert_eq!(test.get("hanna", "/users/bob/authority").await["roles"], json!(["cashier", "clerk"]));
    test.done("root", Method::DELETE, "/users/bob", None).await;
    test.refused("hanna", Method::GET, "/users/bob", None, (404, "unknown")).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_reason() {
    let test = start().await;
    test.done("root", Method::POST, "/roles", Some(json!({ "name": "buyer" }))).await;
    test.done("root", Method::POST, "/roles", Some(json!({ "name": "payer" }))).await;
    let apart = json!({ "kind": "static", "roles": ["buyer", "payer"], "limit": 2 });
    test.done("root", Method::PUT, "/separations/purchase", Some(apart)).await;
    test.done("root", Method::PUT, "/users/bob/roles/buyer", Some(json!({}))).await;
    for (method, path, body, expected) in [
        (Method::PUT, "/users/bob/roles/payer", Some(json!({})), (409, "separation_of_duty")),
        (Method::POST, "/roles", Some(json!({ "name": "payer" })), (409, "already_exists")),
        (Method::PUT, "/roles/clerk/parents/lead", None, (409, "cycle_rejected")),
        (Method::DELETE, "/roles/clerk", None, (409, "in_use")),
        (Method::DELETE, "/roles/root/permissions/*", None, (409, "last_administrator")),
        (Method::PUT, "/users/bob/roles/nothing", Some(json!({})), (404, "unknown")),
        (Method::PUT, "/roles/clerk/permissions/a:*b", None, (400, "invalid")),
        (Method::GET, "/roles/No%20Role", None, (400, "invalid")),
        (Method::GET, "/users?limit=x", None, (400, "invalid")),
        (Method::GET, "/users?unknown=1", None, (400, "invalid")),
        (Method::GET, "/users/bob/explanation", None, (400, "invalid")),
        (Method::PUT, "/users/bob/roles/clerk", Some(json!({ "until": "soon" })), (422, "invalid")),
        (Method::PATCH, "/roles/clerk", Some(json!({ "name": "other" })), (422, "invalid")),
        (
            Method::PUT,
            "/separations/one",
            Some(json!({ "kind": "static", "roles": ["buyer"], "limit": 2 })),
            (400, "invalid"),
        ),
        (Method::PUT, "/departments/a", Some(json!({ "parent": "a" })), (409, "cycle_rejected")),
        (Method::PUT, "/resources/a", Some(json!({ "kind": "menu", "parent": "b" })), (404, "unknown")),
        (Method::DELETE, "/users/bob/sessions/none", None, (404, "unknown")),
        (Method::GET, "/page/..%2fCargo.toml", None, (404, "unknown")),
    ] {
        test.refused("root", method, path, body, expected).await;
    }
}

#[tokio::test]
async fn trees_make_the_menu() {
    let test = start().await;
    let node = |title: &str, extra: Value| {
        let mut node = json!({ "kind": "menu", "title": title });
        node.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Some(node)
    };
    test.done("root", Method::PUT, "/resources/shop", node("Shop", json!({}))).await;
    let orders = json!({ "parent": "shop", "permission": "order:read", "target": "/orders" });
    test.done("root", Method::PUT, "/resources/orders", node("Orders", orders)).await;
    let delete = json!({ "kind": "button", "parent": "orders", "permission": "order:delete" });
    test.done("root", Method::PUT, "/resources/delete", node("Delete", delete)).await;
    let menu = test.get("hanna", "/users/ann/menu").await;
    assert_eq!(menu[0]["children"][0]["target"], "/orders");
    assert_eq!(menu[0]["children"][0].get("children"), None, "she may not delete: {menu}");
    assert_eq!(test.get("hanna", "/users/bob/menu").await, json!([]));

    test.done("root", Method::PUT, "/departments/sales", Some(json!({ "title": "Sales" }))).await;
    test.done("root", Method::PATCH, "/users/ann", Some(json!({ "department": "sales" }))).await;
    test.refused("root", Method::DELETE, "/departments/sales", None, (409, "in_use")).await;
    test.done("root", Method::PATCH, "/users/ann", Some(json!({ "department": null }))).await;
    test.done("root", Method::DELETE, "/departments/sales", None).await;
    test.done("root", Method::PUT, "/permissions/order:read", Some(json!({ "title": "See orders" }))).await;
    assert_eq!(
        test.get("root", "/permissions").await["items"],
        json!([{ "name": "order:read", "title": "See orders" }])
    );
    let routes = test.get("root", "/routes").await;
    assert!(routes.as_array().unwrap().iter().any(|route| route["policy"] == "auth:audit:read"), "{routes}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let test = start().await;
    let mut ids = Vec::new();
    for label in ["phone", "desk", "tablet"] {
        let pair = test.sessions.start(NewSession::new("bob").label(label)).await.unwrap();
        ids.push(pair.principal.session_id().unwrap().to_owned());
    }
    assert_eq!(test.get("hanna", "/users/bob/sessions").await.as_array().unwrap().len(), 3);
    test.refused("hanna", Method::DELETE, "/users/bob/sessions", None, (403, "permission_denied")).await;
    let phone = format!("/users/bob/sessions/{}", ids[0]);
    // Not as somebody else's.
    let wrong = format!("/users/ann/sessions/{}", ids[0]);
    test.refused("root", Method::DELETE, &wrong, None, (404, "unknown")).await;
    test.done("root", Method::DELETE, &phone, None).await;
    let left = test.get("hanna", "/users/bob/sessions").await;
    assert_eq!(left.as_array().unwrap().iter().filter(|one| one["label"] == "phone").count(), 0, "{left}");
    let (_, ended) = test.ask(Some("root"), Method::DELETE, "/users/bob/sessions", None).await;
    assert_eq!(ended, json!({ "ended": 2 }));
    let log = test.get("root", "/audit?what=auth:session:revoke&decision=changed").await;
    let on: Vec<_> = log["items"].as_array().unwrap().iter().map(|one| one["on"].as_str().unwrap()).collect();
    assert_eq!(on, ["2 sessions of bob".to_owned(), format!("session {} of bob", ids[0])]);
}

#[tokio::test]
async fn everything_is_in_the_log_with_the_request() {
    let test = start().await;
    for number in 0..120 {
        test.done("root", Method::PUT, &format!("/users/user-{number:03}/roles/clerk"), Some(json!({}))).await;
    }
    test.refused("ann", Method::GET, "/users", None, (403, "permission_denied")).await;
    test.refused("hanna", Method::PUT, "/users/bob/grants/*", Some(json!({})), (403, "escalation_denied")).await;

    // Users in pages, each once.
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = test.get("root", &format!("/users?limit=50{after}")).await;
        names.extend(page["items"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(names.len(), 123, "with ann, hanna and root");
    assert!(names.is_sorted());

    // The log, newest first.
    let page = test.get("root", "/audit?limit=2").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!((&items[0]["reason"], &items[1]["reason"]), (&json!("escalation_denied"), &json!("permission_denied")));
    assert_eq!((&items[0]["who"], &items[0]["request_id"]), (&json!("hanna"), &json!("r-7")));
    let mut seen = items.iter().map(|one| one["number"].as_u64().unwrap()).collect::<Vec<_>>();
    let mut before = page["next"].as_str().map(str::to_owned);
    while let Some(number) = before {
        let page = test.get("root", &format!("/audit?limit=50&before={number}")).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()));
        before = page["next"].as_str().map(str::to_owned);
    }
    // Each change was announced, because this log is elsewhere than the roles.
    assert_eq!(seen, (1..=242).rev().collect::<Vec<_>>());
    let found = test.get("root", "/audit?who=ann").await;
    assert_eq!((found["items"].as_array().unwrap().len(), &found["next"]), (1, &Value::Null));
    let changed = &test.get("root", "/audit?decision=changed&limit=1").await["items"][0];
    assert_eq!((&changed["on"], &changed["request_id"]), (&json!("user user-119"), &json!("r-7")));
    let verdict = test.get("root", "/audit/verification").await;
    assert_eq!((&verdict["intact"], &verdict["entries"]), (&json!(true), &json!(242)));
}

#[tokio::test]
async fn the_page_has_nothing_inline_and_says_what_it_may_load() {
    let test = start().await;
    for path in [
        "/page",
        "/page/admin.js",
        "/page/admin.css",
        "/page/api.js",
        "/page/users.js",
        "/page/step-up.js",
        "/page/words.js",
    ] {
        let request = Request::builder().uri(format!("/access{path}")).body(Body::empty()).unwrap();
        let response = test.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let text = String::from_utf8(to_bytes(response.into_body(), 1_000_000).await.unwrap().to_vec()).unwrap();
        // Text from the server never becomes markup, and nothing comes from elsewhere.
        for never in
            ["innerHTML", "insertAdjacent", "document.write", "eval(", "http://", "https://", "<style", " style="]
        {
            assert!(!text.contains(never), "{path}: {never}");
        }
        if path == "/page" {
            for script in text.split("<script").skip(1) {
                assert!(script.starts_with(" type=\"module\" src=\"page/admin.js\"></script>"), "{script}");
            }
            // What it loads is there.
            for file in text.split('"').filter(|part| part.starts_with("page/")) {
                assert_eq!(test.ask(None, Method::GET, &format!("/{file}"), None).await.0, StatusCode::OK, "{file}");
            }
        } else if path.ends_with(".js") {
            for file in text.split("from './").skip(1).map(|rest| rest.split('\'').next().unwrap()) {
                let file = format!("/page/{file}");
                assert_eq!(test.ask(None, Method::GET, &file, None).await.0, StatusCode::OK, "{file}");
            }
        }
    }
    let (_, how) = test.ask(None, Method::GET, "/page/sign-in.json", None).await;
    let second = json!({ "path": "/login/code", "challenge": "/second/challenge" });
    let step_up = json!({ "path": "/show", "token": "/token" });
    assert_eq!(
        how,
        json!({ "path": "/login", "identifier": "email", "token": "/token", "second": second, "step_up": step_up })
    );
}

#[test]
fn every_text_of_the_page_has_chinese_words() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
    let chinese = std::fs::read_to_string(folder.join("words-zh.js")).unwrap();
    let mut texts = BTreeSet::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "js") && !path.ends_with("words-zh.js") {
            let source = std::fs::read_to_string(&path).unwrap();
            // Of each call of `t` its first argument, if that is a text itself.
            let parts: Vec<_> = source.split("t('").collect();
            for pair in parts.windows(2) {
                if !pair[0].ends_with(char::is_alphanumeric) {
                    texts.insert(pair[1].split('\'').next().unwrap().to_owned());
                }
            }
        }
    }
    assert!(texts.len() > 100, "{}", texts.len());
    for text in texts {
        let known = [format!("'{text}':"), format!("\n  {text}:")].iter().any(|key| chinese.contains(key));
        assert!(known, "no Chinese words for: {text}");
    }
}

#[tokio::test]
async fn a_token_of_a_narrow_scope_opens_no_more_than_that() {
    let test = start().await;
    let token = bearer(&test.tokens, &AccessGrant::new("root").scopes(["rbac:role:read"]));
    for (path, expected) in [("/roles", 200), ("/users", 403)] {
        let request =
            Request::builder().uri(format!("/access{path}")).header("authorization", format!("Bearer {token}"));
        let response = test.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{path}");
    }
    let request = Request::builder().uri("/access/me").header("authorization", format!("Bearer {token}"));
    let response = test.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let me: Value = serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap();
    assert_eq!(me["permissions"], json!(["rbac:role:read"]));
}

/// A token that is limited, and a session that has chosen its roles, give no more than they have themselves.
#[tokio::test]
async fn a_narrow_token_of_a_mighty_user_gives_little() {
    let test = start().await;
    let ask = async |grant: AccessGrant, path: &str| {
        let request = Request::builder().method(Method::PUT).uri(format!("/access{path}"));
        let request = request.header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {}", bearer(&test.tokens, &grant)));
        test.app.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap().status().as_u16()
    };
    let narrow = || AccessGrant::new("root").scopes(["rbac:user:write", "order:*"]);
    assert_eq!(ask(narrow(), "/users/bob/grants/*").await, 403, "everything");
    assert_eq!(ask(narrow(), "/users/bob/grants/rbac:role:write").await, 403, "what root has and the token has not");
    assert_eq!(ask(narrow(), "/users/bob/roles/root").await, 403, "a role");
    assert_eq!(ask(narrow(), "/roles/clerk/permissions/report:read").await, 403, "not even asked for");
    assert!(ask(narrow(), "/users/bob/grants/order:read").await < 300);
    assert!(ask(AccessGrant::new("root"), "/users/bob/roles/root").await < 300, "without limits she may");
}
