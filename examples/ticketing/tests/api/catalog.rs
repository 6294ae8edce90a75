//! Shows, sessions, seat maps, rehearsals, pages and documents.

use std::{collections::BTreeSet, time::Duration};

use crate::common::{TestApp, expect, expect_problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{ids::SessionId, problem::Code, storage::sql::query};

#[tokio::test]
async fn shows_lead_to_sessions_with_prices() {
    let app = TestApp::start().await;
    assert_eq!(expect(app.get("/shows").await, StatusCode::OK).await, json!({"shows": []}));
    let id = app.hall(60).await;
    let later = nebula_test_support::eventually(Duration::from_secs(20), || async {
        let shows = expect(app.get("/shows").await, StatusCode::OK).await;
        (shows["shows"].as_array().map(Vec::len) == Some(1)).then_some(shows).ok_or("not yet listed")
    })
    .await;
    let show = &later["shows"][0];
    assert_eq!(show["from_price"], json!({"amount": "380.00", "currency": "CNY"}));
    assert_eq!(show["venue"], json!({"name": "Test hall", "city": "Shanghai"}));
    assert_eq!(show["sessions"][0]["id"], json!(id));
    let path = format!("/shows/{}", show["id"].as_str().unwrap());
    let mut alone = expect(app.get(&path).await, StatusCode::OK).await;
    alone["sessions"][0]["server_time"] = show["sessions"][0]["server_time"].clone();
    assert_eq!(&alone, show);

    let session = expect(app.get(&format!("/sessions/{id}")).await, StatusCode::OK).await;
    assert_eq!(session["hold_seconds"], 900);
    assert_eq!(session["prices"], show["sessions"][0]["prices"]);
    assert_eq!(session["prices"][0]["category"], "Standard");
    assert!(session["server_time"].as_str().unwrap().ends_with('Z'), "{session}");
}

#[tokio::test]
async fn hidden_and_past_sessions_are_not_listed() {
    let app = TestApp::start().await;
    let id = app.hall(1).await;
    for change in ["UPDATE shows SET hidden = 1", "UPDATE shows SET hidden = 0", "UPDATE sessions SET starts_at = 1"] {
        app.write(move |connection| {
            Box::pin(async move {
                query(change).execute(connection).await?;
                Ok(())
            })
        })
        .await;
        let listed = usize::from(change.ends_with("hidden = 0"));
        nebula_test_support::eventually(Duration::from_secs(20), || async {
            app.app.catalog.shows().await.is_ok_and(|shows| shows.len() == listed)
        })
        .await;
        expect(app.get(&format!("/sessions/{id}")).await, StatusCode::OK).await;
    }
}

#[tokio::test]
async fn a_changed_price_is_seen_within_a_moment() {
    let app = TestApp::start().await;
    let id = app.hall(1).await;
    assert_eq!(app.app.catalog.session(id).await.unwrap().seat("1-1").unwrap().price.minor, 38_000);
    let change = |minor: i64| {
        app.write(move |connection| {
            Box::pin(async move {
                query("UPDATE session_prices SET minor = $1").bind(minor).execute(connection).await?;
                Ok(())
            })
        })
    };
    change(40_000).await;
    assert_eq!(app.app.catalog.session_now(id).await.unwrap().seat("1-1").unwrap().price.minor, 40_000);
    change(41_000).await;
    nebula_test_support::eventually(Duration::from_secs(20), || async {
        app.app.catalog.session(id).await.is_ok_and(|info| info.seat("1-1").unwrap().price.minor == 41_000)
    })
    .await;
}

#[tokio::test]
async fn unknown_and_malformed_identifiers_are_not_found() {
    let app = TestApp::start().await;
    let id = SessionId::new();
    for path in [
        format!("/sessions/{id}"),
        format!("/sessions/{id}/seatmap"),
        format!("/shows/{id}"),
        "/sessions/1".to_owned(),
        "/sessions/%ff/seatmap".to_owned(),
        format!("/shows/{id}'%20OR%201=1"),
    ] {
        expect_problem(app.get(&path).await, Code::NotFound).await;
    }
}

#[tokio::test]
async fn the_seat_map_is_sent_once() {
    let app = TestApp::start().await;
    let id = app.hall(120).await;
    let path = format!("/sessions/{id}/seatmap");
    let plain = app.get(&path).await;
    let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    assert_eq!(plain.headers()["content-type"], "application/json");
    let map = expect(plain, StatusCode::OK).await;
    assert_eq!(map["seats"].as_array().unwrap().len(), 120);
    assert_eq!(map["seats"][50]["guid"], "2-1");
    assert_eq!(map["categories"], json!([{"name": "Standard", "color": "#4c78a8"}]));

    let request = |tag: &str, gzip: bool| {
        let request = app.request(Method::GET, &path).header("if-none-match", tag);
        let request = if gzip { request.header("accept-encoding", "gzip") } else { request };
        async move { request.send().await.unwrap() }
    };
    let again = request(&tag, false).await;
    assert_eq!((again.status(), again.headers()["etag"].to_str().unwrap()), (StatusCode::NOT_MODIFIED, tag.as_str()));
    assert!(again.bytes().await.unwrap().is_empty());
    let packed = request("\"other\"", true).await;
    assert_eq!((packed.status(), &packed.headers()["content-encoding"]), (StatusCode::OK, &"gzip".parse().unwrap()));
    let packed_tag = packed.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(packed_tag, tag);
    assert_eq!(request(&packed_tag, true).await.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_rehearsal_is_for_administrators_and_stays_hidden() {
    let app = TestApp::start().await;
    let (buyer, admin) = (app.register("buyer@example.com").await, app.register_admin("admin@example.com").await);
    let wanted = json!({"users": 3, "seats": 120, "hold_seconds": 60, "price": {"amount": "5.00", "currency": "EUR"}});
    expect_problem(app.post("/admin/rehearsals", &wanted).await, Code::Unauthenticated).await;
    expect_problem(app.post_as(&buyer, "/admin/rehearsals", &wanted).await, Code::Forbidden).await;
    for (field, value) in [("users", 0_u64), ("seats", 100_001), ("hold_seconds", 0)] {
        let mut wrong = wanted.clone();
        wrong[field] = value.into();
        let problem = expect_problem(app.post_as(&admin, "/admin/rehearsals", &wrong).await, Code::InvalidValue).await;
        assert_eq!(problem["field"], field);
    }
    let made = expect(app.post_as(&admin, "/admin/rehearsals", &wanted).await, StatusCode::CREATED).await;
    assert_eq!(made["seats"].as_array().unwrap().len(), 120);
    let mut buyers = BTreeSet::new();
    for buyer in made["buyers"].as_array().unwrap() {
        let token = buyer["access_token"].as_str().unwrap();
        let me = app.request(Method::GET, "/me").bearer_auth(token).send().await.unwrap();
        let me = expect(me, StatusCode::OK).await;
        assert_eq!(me["id"], buyer["user_id"]);
        assert_eq!(me["email"], "", "nobody writes to them");
        buyers.insert(me["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(buyers.len(), 3);
    let session = format!("/sessions/{}", made["session_id"].as_str().unwrap());
    let session = expect(app.get(&session).await, StatusCode::OK).await;
    assert_eq!(session["prices"][0]["price"], wanted["price"]);
    assert_eq!(session["hold_seconds"], 60);
    assert_eq!(expect(app.get("/shows").await, StatusCode::OK).await["shows"], json!([]));
}

#[tokio::test]
async fn a_large_rehearsal_is_made_in_one_go() {
    let app = TestApp::start().await;
    let admin = app.register_admin("admin@example.com").await;
    let wanted = json!({"users": 5_000, "seats": 50_000, "hold_seconds": 60});
    // As long as the platform gives itself, and a little more.
    let patience = app.app.config.http.preparation_timeout + Duration::from_secs(30);
    let request = app.request(Method::POST, "/admin/rehearsals").timeout(patience).bearer_auth(&admin.access);
    let made = expect(request.json(&wanted).send().await.unwrap(), StatusCode::CREATED).await;
    assert_eq!((made["seats"].as_array().unwrap().len(), made["buyers"].as_array().unwrap().len()), (50_000, 5_000));
    let map = app.get(&format!("/sessions/{}/seatmap", made["session_id"].as_str().unwrap())).await;
    assert_eq!(expect(map, StatusCode::OK).await["seats"][49_999]["guid"], "1000-50");
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let app = TestApp::start().await;
    let document = expect(app.get("//api/openapi.json").await, StatusCode::OK).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{}", document["openapi"]);
    let described: BTreeSet<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/api/v1/auth/register",
        "/api/v1/auth/login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
        "/api/v1/me",
        "/api/v1/shows",
        "/api/v1/shows/{id}",
        "/api/v1/sessions/{id}",
        "/api/v1/sessions/{id}/seatmap",
        "/api/v1/sessions/{id}/seats",
        "/api/v1/sessions/{id}/events",
        "/api/v1/orders",
        "/api/v1/payments/{provider}/callback",
        "/api/v1/admin/rehearsals",
        "/healthz",
        "/readyz",
    ] {
        assert!(described.contains(path), "{path} is not in {described:?}");
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            assert!(operations.insert(id), "two operations are called {id}");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        }
    }
    let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    assert_eq!(codes.as_array().unwrap().len(), Code::ALL.len());
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_browser_needs_no_network() {
    let app = TestApp::start().await;
    let page = app.get("//api/docs/").await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let html = page.text().await.unwrap();
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!html.contains("https://") && !html.contains("http://"), "{html}");
    for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
        assert_eq!(app.get(&format!("//api/docs/{file}")).await.status(), StatusCode::OK, "{file}");
    }
}

#[tokio::test]
async fn every_page_is_there_and_loads_from_here_only() {
    let app = TestApp::start().await;
    let id = SessionId::new();
    let mut assets = BTreeSet::new();
    let desks = [
        "/admin/check-in",
        "/admin/refunds",
        "/admin/statements",
        "/desk/admission",
        "/desk/blacklist",
        "/desk/load",
        "/desk/merchants",
        "/desk/queues",
        "/desk/reconcile",
        "/desk/jobs",
        "/desk/system",
        "/desk/counter",
        "/desk/tills",
    ];
    for path in
        ["/", "/orders", "/login", "/register", "/forgot", "/account", "/wanted", "/inbox", "/desk", "/sign-in/x"]
            .into_iter()
            .chain(desks)
            .map(str::to_owned)
            .chain(
                ["shows", "sessions", "waiting", "checkout", "orders", "pay/mock", "desk/nebula/screen"]
                    .map(|folder| format!("/{folder}/{id}")),
            )
    {
        let page = app.get(&format!("/{path}")).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        // One page may ask for the camera, and only for itself.
        let permissions = page.headers()["permissions-policy"].to_str().unwrap();
        let camera = if path == "/admin/check-in" { "camera=(self)" } else { "camera=()" };
        assert!(permissions.contains(camera), "{path}: {permissions}");
        let html = page.text().await.unwrap();
        for (index, _) in html.match_indices("=\"/assets/") {
            let asset = html[index + 2..].split('"').next().unwrap();
            assets.insert(asset.to_owned());
        }
        assert!(!html.contains("<script>") && !html.contains(" onclick=") && !html.contains(" style="), "{path}");
    }
    assert!(!assets.is_empty());
    for asset in assets {
        let file = app.get(&format!("/{asset}")).await;
        assert_eq!(file.status(), StatusCode::OK, "{asset}");
        // A page of another server's version, during an upgrade, is not left without its scripts.
        let (_, name) = asset.strip_prefix("/assets/v-").unwrap().split_once('/').unwrap();
        for elsewhere in [format!("//assets/{name}"), format!("//assets/v-0/{name}")] {
            let other = app.get(&elsewhere).await;
            assert_eq!(
                (other.status(), &other.headers()["cache-control"]),
                (StatusCode::OK, &"no-cache".parse().unwrap())
            );
            assert_eq!(other.headers()["etag"], file.headers()["etag"], "{elsewhere}");
        }
        let tag = file.headers()["etag"].clone();
        let again = app.request(Method::GET, &format!("/{asset}")).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{asset}");
    }
    expect_problem(app.get("//assets/../Cargo.toml").await, Code::NotFound).await;
    expect_problem(app.get("//assets/%2e%2e/%2e%2e/Cargo.toml").await, Code::NotFound).await;
    expect_problem(app.get("//assets/v-0/%2e%2e/index.html").await, Code::NotFound).await;
    let lost = app.request(Method::GET, "//nowhere").header("accept", "text/html").send().await.unwrap();
    assert_eq!(
        (lost.status(), &lost.headers()["content-type"]),
        (StatusCode::NOT_FOUND, &"text/html; charset=utf-8".parse().unwrap())
    );
}
