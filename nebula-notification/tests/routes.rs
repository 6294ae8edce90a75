//! What is served over HTTP: inboxes, the page of the development sender, unsubscription, administration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, request::Parts},
};
use futures_util::StreamExt;
use nebula_notification::{
    Admin, AdminAction, AudienceStore, Channel, CodeRequest, Content, DevelopmentOutbox, EmailAddress, ErrorClass,
    ErrorKind, Inbox, InboxQuery, InboxRoutes, Issued, JobStatus, Kind, MemoryAudience, MemoryCodes, MemoryInbox,
    MemoryTemplates, Notification, NotificationTemplate, Notifier, Outcome, Recipient, UnsubscribeLinks,
    UnsubscribeRoutes, Verdict, VerificationCodes, testing::ScriptedSender,
};
use serde_json::{Value, json};
use support::{builder, clock, order, phone, templates};
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "an unsubscribe key of at least 32 bytes";

/// What a request is answered with: status, headers worth a look, body.
async fn ask(app: &Router, request: axum::http::request::Builder, body: Body) -> (StatusCode, String, String) {
    let response = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, kind, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn get(app: &Router, path: &str) -> (StatusCode, Value) {
    let (status, _, body) = ask(app, Request::get(path), Body::empty()).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

async fn send(app: &Router, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let (status, _, body) = ask(app, request, Body::from(body.to_string())).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// Who asks stands in a header here; an application knows better.
fn user(parts: &Parts) -> Option<String> {
    Some(parts.headers.get("x-user")?.to_str().ok()?.to_owned())
}

fn as_user(method: &str, path: &str, user: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("x-user", user).header("content-type", "application/json")
}

fn paid(user: &str, order: &str) -> Notification {
    Notification::new("order.paid").to(Recipient::user(user)).param("order", order)
}

#[tokio::test]
async fn an_inbox_is_its_users_own() {
    let inbox = Inbox::new(MemoryInbox::new());
    let notifier = Notifier::builder(templates()).sender(inbox.clone()).build();
    for (user, order) in [("ada", "T-1"), ("ada", "T-2"), ("bob", "T-3")] {
        assert!(notifier.send(paid(user, order)).await.unwrap().is_sent());
    }
    let app: Router = Router::new().nest("/inbox", InboxRoutes::new(inbox.clone(), user).router());
    assert_eq!(get(&app, "/inbox").await.0, StatusCode::UNAUTHORIZED);
    let json = async |method: &str, path: &str, user: &str, body: Value| {
        let (status, _, body) = ask(&app, as_user(method, path, user), Body::from(body.to_string())).await;
        (status, serde_json::from_str::<Value>(&body).unwrap_or_default())
    };
    let (_, mine) = json("GET", "/inbox", "ada", json!(null)).await;
    let titles: Vec<&str> = mine.as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Order T-2", "Order T-1"]);
    let ids: Vec<&Value> = mine.as_array().unwrap().iter().map(|one| &one["id"]).collect();
    let theirs = inbox.list("bob", &InboxQuery::new()).await.unwrap()[0].id.clone();
    // Ids of somebody else's messages do nothing.
    let (_, read) = json("POST", "/inbox/read", "ada", json!({ "ids": [ids[0], theirs] })).await;
    assert_eq!(read, json!({ "read": 1 }));
    assert_eq!(json("DELETE", &format!("/inbox/{theirs}"), "ada", json!(null)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(inbox.state("bob").await.unwrap().unread, 1);
    let (_, state) = json("GET", "/inbox/state", "ada", json!(null)).await;
    assert_eq!((&state["unread"], &state["total"]), (&json!(1), &json!(2)));
    let (_, unread) = json("GET", "/inbox?unread=true", "ada", json!(null)).await;
    assert_eq!(unread.as_array().unwrap().len(), 1);
    assert_eq!(json("POST", "/inbox/read-all", "ada", json!(null)).await.1, json!({ "read": 1 }));
    let path = format!("/inbox/{}", ids[1].as_str().unwrap());
    assert_eq!(json("DELETE", &path, "ada", json!(null)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(json("GET", "/inbox?limit=x", "ada", json!(null)).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn changes_of_an_inbox_are_told() {
    let store = MemoryInbox::new();
    // Two processes: each has a handle of its own on the same store.
    let inbox = Inbox::new(store.clone()).with_poll(PATIENCE);
    let elsewhere = Inbox::new(store).with_poll(Duration::from_millis(20));
    let app: Router = InboxRoutes::new(inbox.clone(), user).router();
    let response = app.oneshot(as_user("GET", "/events", "ada").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    let mut next = async || {
        let part = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        String::from_utf8(part.to_vec()).unwrap()
    };
    let first = next().await;
    assert!(first.starts_with("event: inbox\n") && first.contains(r#""unread":0"#), "{first}");
    let notifier = Notifier::builder(templates()).sender(inbox.clone()).build();
    notifier.send(paid("bob", "T-0")).await.unwrap();
    notifier.send(paid("ada", "T-1")).await.unwrap();
    // At once, long before the next look.
    assert!(next().await.contains(r#""unread":1"#));
    inbox.mark_all_read("ada").await.unwrap();
    assert!(next().await.contains(r#""unread":0"#));
    // The other process is not told, and looks.
    let mut polled = Box::pin(elsewhere.watch("ada"));
    let state = tokio::time::timeout(PATIENCE, polled.next()).await.unwrap().unwrap();
    assert_eq!((state.unread, state.total), (0, 1));
    notifier.send(paid("ada", "T-2")).await.unwrap();
    let state = tokio::time::timeout(PATIENCE, polled.next()).await.unwrap().unwrap();
    assert_eq!((state.unread, state.total), (1, 2));
}

#[tokio::test]
async fn an_inbox_takes_no_codes() {
    let inbox = Inbox::new(MemoryInbox::new());
    let template = NotificationTemplate::new("secret", Kind::Code).content("en", Content::new().text("1234"));
    let notifier = Notifier::builder(MemoryTemplates::new().with(template).unwrap()).sender(inbox.clone()).build();
    let sent = notifier.send(Notification::new("secret").to(Recipient::user("ada"))).await.unwrap();
    assert_eq!(sent.jobs[0].status, JobStatus::Failed);
    assert_eq!(inbox.state("ada").await.unwrap().total, 0);
}

#[tokio::test]
async fn the_development_sender_shows_codes_and_is_not_for_production() {
    for environment in ["production", "prod", "staging", "", "developmental"] {
        let refused = DevelopmentOutbox::for_environment(environment).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConfigInvalid, "{environment:?}");
    }
    let outbox = DevelopmentOutbox::for_environment("Development").unwrap();
    let notifier = Notifier::builder(templates()).sender(outbox.sender(Channel::Sms)).build();
    let codes = VerificationCodes::new(notifier, MemoryCodes::new(), KEY).unwrap();
    let issued = codes.send(CodeRequest::new("login", "login", phone())).await.unwrap();
    assert!(matches!(issued, Issued::Sent { .. }));
    let app: Router = Router::new().nest("/outbox", outbox.router());
    let (_, shown) = get(&app, "/outbox/messages.json").await;
    assert_eq!((&shown[0]["to"], &shown[0]["channel"]), (&json!(phone().as_str()), &json!("sms")));
    let code = shown[0]["params"]["code"].as_str().unwrap().to_owned();
    assert_eq!(codes.verify("login", phone(), &code).await.unwrap(), Verdict::Accepted);
    let (status, kind, page) = ask(&app, Request::get("/outbox"), Body::empty()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(kind.starts_with("text/html") && page.contains(r#"<base href="/outbox/">"#), "{page}");
    assert!(!page.contains("//cdn") && !page.contains("http"), "nothing is from elsewhere");
    for (file, word) in [("outbox.js", "发件箱"), ("outbox.css", "body")] {
        assert!(get(&app, &format!("/outbox/{file}")).await.1.as_str().unwrap().contains(word));
    }
    assert!(!format!("{:?}", outbox.messages()).contains(&code), "not even in a log");
    assert_eq!(send(&app, "DELETE", "/outbox/messages.json", &json!(null)).await.0, StatusCode::NO_CONTENT);
    assert!(outbox.messages().is_empty());
}

#[tokio::test]
async fn one_click_ends_marketing_and_nothing_else() {
    let ada = EmailAddress::new("Ada@example.org").unwrap();
    let audience = MemoryAudience::new();
    let consent = nebula_notification::Preferences::new().consent(Channel::Email, "form", std::time::UNIX_EPOCH);
    // Consent is the user's, who also has another mailbox.
    audience.set("user:ada", Some(&consent)).await.unwrap();
    let mail = ScriptedSender::new("smtp", Channel::Email);
    let notifier = builder(&clock()).audience(audience.clone()).sender(mail.clone()).build();
    let advertise = async |template: &str| {
        let to = Recipient::user("ada").with(ada.clone());
        let sent = notifier.send(Notification::new(template).to(to).param("order", "T-1")).await.unwrap();
        (sent.jobs[0].status, sent.jobs[0].reason.clone())
    };
    assert_eq!(advertise("sale").await.0, JobStatus::Accepted);

    let links = UnsubscribeLinks::new("https://tickets.example/unsubscribe", KEY).unwrap();
    let app: Router =
        Router::new().nest("/unsubscribe", UnsubscribeRoutes::new(notifier.clone(), links.clone()).router());
    let link = links.link(&ada.clone().into()).unwrap();
    assert_ne!(link, links.link(&ada.clone().into()).unwrap(), "no two are the same");
    assert!(!link.to_lowercase().contains("ada"));
    let path = link.strip_prefix("https://tickets.example").unwrap();
    // Scanners of mail open links: that changes nothing.
    let (status, kind, page) = ask(&app, Request::get(path), Body::empty()).await;
    assert!(status == StatusCode::OK && kind.starts_with("text/html") && page.contains("退订"));
    assert_eq!(advertise("sale").await.0, JobStatus::Accepted);
    for _ in 0..2 {
        let click = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let (status, _, page) = ask(&app, click, Body::from("List-Unsubscribe=One-Click")).await;
        assert!(status == StatusCode::OK && page.contains("已退订"), "{status} {page}");
    }
    assert_eq!(advertise("sale").await, (JobStatus::Suppressed, Some("unsubscribed from marketing".to_owned())));
    assert_eq!(advertise("order.paid").await.0, JobStatus::Accepted, "what is about orders still comes");

    let token = path.split_once("token=").unwrap().1;
    let other =
        UnsubscribeLinks::new("https://tickets.example/unsubscribe", "another key of at least 32 bytes..").unwrap();
    let foreign = other.link(&ada.into()).unwrap();
    let mut flipped = token.to_owned();
    flipped.replace_range(30..31, if &token[30..31] == "A" { "B" } else { "A" });
    for bad in
        ["", "x", &flipped, &token[..token.len() - 4], foreign.split_once("token=").unwrap().1, &"A".repeat(9000)]
    {
        assert_eq!(links.read(bad), None, "{bad}");
        let status = ask(&app, Request::post(format!("/unsubscribe?token={bad}")), Body::empty()).await.0;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    for (base, key) in
        [("http://tickets.example/u", KEY), ("https://tickets.example/u?x=1", KEY), ("https://t.example/u", "short")]
    {
        assert_eq!(UnsubscribeLinks::new(base, key).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}

/// Lets whoever says so in a header do that one thing.
fn guard(parts: &Parts, action: AdminAction) -> bool {
    let may = parts.headers.get("x-may").map(|may| may.to_str().unwrap_or_default());
    may.is_none_or(|may| may == format!("{action:?}"))
}

#[tokio::test]
async fn administration_is_guarded_route_by_route() {
    let notifier = builder(&clock()).sender(ScriptedSender::new("one", Channel::Sms)).build();
    let app: Router = Admin::new(notifier, guard).router();
    let routes = [
        ("GET", "/templates", AdminAction::ReadTemplates),
        ("GET", "/templates/sale", AdminAction::ReadTemplates),
        ("GET", "/templates/sale/versions", AdminAction::ReadTemplates),
        ("POST", "/templates/sale/preview", AdminAction::ReadTemplates),
        ("PUT", "/templates/sale", AdminAction::WriteTemplates),
        ("DELETE", "/templates/sale", AdminAction::WriteTemplates),
        ("GET", "/jobs", AdminAction::ReadRecords),
        ("GET", "/jobs/x", AdminAction::ReadRecords),
        ("GET", "/statistics", AdminAction::ReadRecords),
        ("GET", "/circuits", AdminAction::ReadRecords),
        ("POST", "/jobs/x/resend", AdminAction::Resend),
        ("POST", "/jobs/x/cancel", AdminAction::Resend),
    ];
    let all = [AdminAction::ReadTemplates, AdminAction::WriteTemplates, AdminAction::ReadRecords, AdminAction::Resend];
    for (method, path, needed) in routes {
        for may in all {
            let request = Request::builder().method(method).uri(path).header("x-may", format!("{may:?}"));
            let request = request.header("content-type", "application/json");
            let status = ask(&app, request, Body::from("{}")).await.0;
            assert_eq!(status == StatusCode::FORBIDDEN, may != needed, "{method} {path} with {may:?}: {status}");
        }
    }
    // A form of another page has no such type, so a cookie alone changes nothing.
    let form = Request::post("/jobs/x/resend").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(ask(&app, form, Body::empty()).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (_, kind, page) = ask(&app, Request::get("/page"), Body::empty()).await;
    assert!(kind.starts_with("text/html") && page.contains(r#"<base href="/page/">"#), "{page}");
    assert!(get(&app, "/page/words.js").await.1.as_str().unwrap().contains("通知管理"));
    assert_eq!(get(&app, "/page/../mod.rs").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn templates_are_administered() {
    let notifier = builder(&clock()).sender(ScriptedSender::new("one", Channel::Sms)).build();
    let app: Router = Admin::new(notifier, guard).router();
    let template = |text: &str| {
        json!({ "name": "hint", "kind": "notice", "fallback": "en",
        "params": { "n": { "type": "integer" } }, "contents": { "en": { "text": text } } })
    };
    assert_eq!(get(&app, "/templates/hint").await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        send(&app, "PUT", "/templates/hint", &template("{{ n }} left")).await,
        (StatusCode::OK, json!({ "version": 1 }))
    );
    assert_eq!(send(&app, "PUT", "/templates/hint", &template("lost")).await.0, StatusCode::CONFLICT);
    assert_eq!(send(&app, "PUT", "/templates/hint?expected=1", &template("{{ n }} seats left")).await.1["version"], 2);
    for (name, bad) in [("hint", template("{{ who }}")), ("hint", template("{% if %}")), ("other", template("x"))] {
        let (status, problem) = send(&app, "PUT", &format!("/templates/{name}?expected=2"), &bad).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid")));
    }
    assert_eq!(get(&app, "/templates/hint/versions").await.1, json!([2, 1]));
    assert_eq!(get(&app, "/templates/hint?version=1").await.1["template"]["contents"]["en"]["text"], "{{ n }} left");
    let preview = json!({ "locale": "en", "params": { "n": 3 } });
    assert_eq!(send(&app, "POST", "/templates/hint/preview", &preview).await.1["text"], "3 seats left");
    let draft = json!({ "params": { "n": 3 }, "template": template("only {{ n }}!") });
    assert_eq!(send(&app, "POST", "/templates/hint/preview", &draft).await.1["text"], "only 3!");
    let wrong = json!({ "params": { "n": "three" } });
    assert_eq!(send(&app, "POST", "/templates/hint/preview", &wrong).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(send(&app, "DELETE", "/templates/hint", &json!(null)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&app, "DELETE", "/templates/hint", &json!(null)).await.0, StatusCode::NOT_FOUND);
    let (_, list) = get(&app, "/templates").await;
    assert!(list.as_array().unwrap().iter().all(|one| one["template"]["name"] != "hint"));
}

#[tokio::test]
async fn records_are_shown_masked_and_failures_sent_again() {
    let first = ScriptedSender::new("one", Channel::Sms)
        .then(Outcome::refused(ErrorClass::Content, "isv.WORDS", "no"))
        .then(Outcome::accepted("id-2"));
    let notifier = builder(&clock()).sender(first.clone()).build();
    let app: Router = Admin::new(notifier.clone(), guard).router();
    let failed = notifier.send(order("order.paid")).await.unwrap();
    assert_eq!(failed.jobs[0].status, JobStatus::Failed);
    let id = &failed.jobs[0].id;
    let (_, found) = get(&app, "/jobs?status=failed&address=sms%3A%2B8613800138000").await;
    assert_eq!((&found[0]["id"], &found[0]["resendable"]), (&json!(id), &json!(true)));
    let shown = found.to_string();
    assert!(shown.contains("+861********00") && !shown.contains("13800138000") && !shown.contains("T-1"), "{shown}");
    assert_eq!(get(&app, "/jobs?status=sent").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&app, "/jobs?since=99999999999999999").await.1, json!([]));
    assert_eq!(get(&app, &format!("/jobs/{id}")).await.1["attempts"][0]["code"], "isv.WORDS");
    assert_eq!(get(&app, "/jobs/none").await.0, StatusCode::NOT_FOUND);
    let (status, again) = send(&app, "POST", &format!("/jobs/{id}/resend"), &json!(null)).await;
    assert_eq!((status, &again["status"]), (StatusCode::OK, &json!("accepted")));
    let (status, refusal) = send(&app, "POST", &format!("/jobs/{id}/resend"), &json!(null)).await;
    assert_eq!((status, &refusal["code"]), (StatusCode::CONFLICT, &json!("conflict")));
    let (_, statistics) = get(&app, "/statistics").await;
    let one = &statistics[0];
    assert_eq!((&one["provider"], &one["attempts"], &one["sent"]), (&json!("one"), &json!(2), &json!(1)));
    assert_eq!(one["sent_per_mille"], 500);
    let later = order("order.paid").at(notifier.now() + Duration::from_secs(60));
    let waiting = notifier.send(later).await.unwrap().jobs[0].id.clone();
    assert_eq!(send(&app, "POST", &format!("/jobs/{waiting}/cancel"), &json!(null)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&app, "POST", &format!("/jobs/{waiting}/cancel"), &json!(null)).await.0, StatusCode::CONFLICT);
    assert_eq!(get(&app, "/circuits").await.1[0]["provider"], "one");
}
