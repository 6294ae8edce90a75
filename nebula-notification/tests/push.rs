//! Push services: what they are sent, and what their answers mean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, UNIX_EPOCH};

use nebula_notification::{
    Delivery, ErrorClass, ErrorKind, JpushProvider, NotificationSender, Outcome, Params, PushMessage, PushProvider,
    PushSender, PushTarget, Rendered, UmengPlatform, UmengProvider,
    testing::{FakeReply, FakeRequest, FakeServer, Fault},
    umeng_sign,
};
use serde_json::{Value, json};
use support::{NOW, clock};

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn umeng_signatures() {
    let all = vectors(include_str!("fixtures/umeng.json"));
    for vector in all.as_array().unwrap() {
        let input = |name: &str| vector["input"][name].as_str().unwrap();
        let sign = umeng_sign(input("method"), input("url_without_query"), input("body"), input("app_master_secret"));
        assert_eq!(sign, vector["expected"]["sign"].as_str().unwrap(), "{}", vector["id"]);
    }
    assert_eq!(all.as_array().unwrap().len(), 2);
}

/// Checks a request as JPush does.
fn jpush(request: &FakeRequest) -> FakeReply {
    let error = |status, code: u64| FakeReply::json(status, &json!({ "error": { "code": code, "message": "no" } }));
    if request.header("authorization") != "Basic N2Q0MzFlNDJkZmE2YTZkNjkzYWMyZDA0OjVlOTg3YWM2ZDJlMDRkOTVhOWQ4ZjBkMQ==" {
        return error(401, 1004);
    }
    let body = request.json();
    let push = if request.path.starts_with("/v3/schedules") { &body["push"] } else { &body };
    let audience = &push["audience"];
    let lists = audience.as_object().into_iter().flat_map(|all| all.values());
    let empty = lists.clone().any(|list| list.as_array().is_none_or(Vec::is_empty));
    match (request.method.as_str(), request.path.as_str()) {
        ("DELETE", _) => FakeReply { status: 200, headers: Vec::new(), body: String::new() },
        _ if empty || (audience != "all" && lists.count() == 0) || push["platform"] != "all" => error(400, 1003),
        ("POST", "/v3/push" | "/v3/push/validate") => FakeReply::json(200, &json!({ "sendno": "0", "msg_id": "18" })),
        ("POST", "/v3/schedules") => {
            FakeReply::json(200, &json!({ "schedule_id": "0eac1b80-c2ac", "name": body["name"] }))
        }
        _ => error(404, 8104),
    }
}

async fn jpush_server() -> (FakeServer, JpushProvider) {
    let server = FakeServer::start(jpush).await;
    let vector = &vectors(include_str!("fixtures/jpush.json"))[0]["input"];
    let (key, secret) = (vector["app_key"].as_str().unwrap(), vector["master_secret"].as_str().unwrap());
    let provider = JpushProvider::new(key, secret).unwrap().with_endpoint(server.url()).unwrap();
    (server, provider)
}

#[tokio::test]
async fn jpush_gets_what_its_pages_ask_for() {
    let (server, provider) = jpush_server().await;
    let all = vectors(include_str!("fixtures/jpush.json"));
    let find = |id: &str| all.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()["expected"].clone();
    let alias = PushMessage::new(PushTarget::Alias("u1".to_owned()), "x").lifetime(Duration::from_secs(3600));
    assert_eq!(provider.push(&alias).await, Outcome::accepted("18"));
    let request = server.requests().remove(0);
    let expected = find("jpush-sdk-push-alias");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", expected["path"].as_str().unwrap()));
    assert_eq!(request.header("authorization"), expected["authorization"].as_str().unwrap());
    let body = request.json();
    assert_eq!(body["audience"], json!({ "alias": ["u1"] }));
    assert_eq!(body["platform"], expected["body"]["platform"]);
    assert_eq!(body["notification"]["alert"], expected["body"]["notification"]["alert"]);
    assert_eq!(body["options"], json!({ "apns_production": true, "time_to_live": 3600 }));

    let device = PushMessage::new(PushTarget::Device("4312kjklfds2".to_owned()), "msg").title("t").extra("k", "v");
    assert!(provider.validate(&device).await.is_accepted());
    let request = server.requests().remove(1);
    let expected = find("jpush-sdk-push-validate-regid-message");
    assert_eq!(request.path, expected["path"].as_str().unwrap());
    assert_eq!(request.json()["audience"], expected["body"]["audience"]);
    assert_eq!(
        request.json()["notification"]["android"],
        json!({ "alert": "msg", "title": "t", "extras": { "k": "v" } })
    );

    let tag = PushMessage::new(PushTarget::Tags(vec!["vip".to_owned()]), "x");
    let at = UNIX_EPOCH + Duration::from_secs(NOW + 17 * 3600);
    let schedule = provider.schedule("nebula-1", at, &tag).await.unwrap();
    assert_eq!((schedule.id.as_str(), schedule.name.as_str()), ("0eac1b80-c2ac", "nebula-1"));
    let body = server.requests().remove(2).json();
    let expected = &find("jpush-sdk-schedule-single")["body"];
    assert_eq!((&body["trigger"], &body["enabled"]), (&expected["trigger"], &expected["enabled"]));
    assert_eq!(body["push"]["audience"], expected["push"]["audience"]);
    provider.unschedule(&schedule.id).await.unwrap();
    assert_eq!(server.requests().remove(3).method, "DELETE");
    assert!(provider.unschedule("../push").await.is_err());
    assert!(!format!("{provider:?}").contains("5e987ac6"));
}

#[tokio::test]
async fn an_empty_audience_never_becomes_everybody() {
    let (server, provider) = jpush_server().await;
    for target in
        [PushTarget::Tags(Vec::new()), PushTarget::Alias(String::new()), PushTarget::Tags(vec![String::new()])]
    {
        let message = PushMessage::new(target, "x");
        assert_eq!(provider.push(&message).await.class(), Some(ErrorClass::Recipient));
        let error = provider.schedule("n", UNIX_EPOCH, &message).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRecipient);
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn jpush_answers() {
    let (server, provider) = jpush_server().await;
    let message = PushMessage::new(PushTarget::Everybody, "x");
    let cases = [
        (400, 1011, ErrorClass::Recipient),
        (429, 2002, ErrorClass::Transient),
        (503, 1030, ErrorClass::Transient),
        (500, 1000, ErrorClass::Unknown),
        (401, 1004, ErrorClass::Account),
        (403, 2003, ErrorClass::Account),
        (400, 1005, ErrorClass::Content),
    ];
    for (status, code, class) in cases {
        server.fail([Fault::Answer(status, json!({ "error": { "code": code, "message": "" } }).to_string())]);
        assert_eq!(provider.push(&message).await.class(), Some(class), "{code}");
    }
    server.fail([Fault::CutAfterReading]);
    assert_eq!(provider.push(&message).await.class(), Some(ErrorClass::Unknown));
}

const SECRET: &str = "testappmastersecret0000000000001";

/// Checks a request as Umeng does.
fn umeng(url: &str, request: &FakeRequest) -> FakeReply {
    let fail =
        |code: &str| FakeReply::json(400, &json!({ "ret": "FAIL", "data": { "error_code": code, "error_msg": "no" } }));
    let body = String::from_utf8(request.body.clone()).unwrap();
    let sign = umeng_sign("POST", &format!("{url}{}", request.path), &body, SECRET);
    let body = request.json();
    let stamp: u64 = body["timestamp"].as_str().unwrap().parse().unwrap();
    if request.query != format!("sign={sign}") {
        return fail("2027");
    }
    if stamp.abs_diff(NOW) > 600 {
        return fail("2028");
    }
    if request.path == "/api/cancel" {
        return FakeReply::json(200, &json!({ "ret": "SUCCESS", "data": {} }));
    }
    if !body["production_mode"].is_string() {
        return fail("2003");
    }
    let task = matches!(body["type"].as_str(), Some("broadcast" | "groupcast"));
    let id = if task { json!({ "task_id": "us1" }) } else { json!({ "msg_id": "uu1" }) };
    FakeReply::json(200, &json!({ "ret": "SUCCESS", "data": id }))
}

#[tokio::test]
async fn umeng_signs_what_it_sends() {
    let port = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let url = std::sync::Arc::clone(&port);
    let server = FakeServer::start(move |request| umeng(url.get().unwrap(), request)).await;
    port.set(server.url().to_owned()).unwrap();
    let provider = UmengProvider::new(UmengPlatform::Android, "5f0000000000000000000001", SECRET).unwrap();
    let provider = provider.with_endpoint(server.url()).unwrap().with_clock(clock());
    let message = |target: PushTarget| PushMessage::new(target, "您的订单已出票").title("出票成功");
    let device = message(PushTarget::Device("Aabb".to_owned())).lifetime(Duration::from_secs(3600));
    assert_eq!(provider.push(&device).await, Outcome::accepted("uu1"));
    let body = server.requests().remove(0).json();
    assert_eq!((&body["type"], &body["device_tokens"]), (&json!("unicast"), &json!("Aabb")));
    assert_eq!(
        (&body["policy"]["expire_time"], &body["production_mode"]),
        (&json!("2026-11-20 17:00:00"), &json!("true"))
    );
    assert_eq!(body["payload"]["body"]["text"], "您的订单已出票");
    assert!(provider.push(&message(PushTarget::Alias("ada".to_owned()))).await.is_accepted());
    assert_eq!(server.requests().remove(1).json()["alias_type"], "user");
    let tags = message(PushTarget::Tags(vec!["vip".to_owned(), "gold".to_owned()]));
    assert_eq!(provider.push(&tags).await, Outcome::accepted("us1"));
    let filter = json!({ "where": { "and": [{ "or": [{ "tag": "vip" }, { "tag": "gold" }] }] } });
    assert_eq!(server.requests().remove(2).json()["filter"], filter);
    assert!(provider.push(&message(PushTarget::Everybody)).await.is_accepted());
    provider.cancel("us1").await.unwrap();
    let late = provider.clone().with_clock(nebula_notification::ManualClock::at_unix(NOW + 601));
    assert_eq!(late.push(&device).await.class(), Some(ErrorClass::Account));
    let limited = json!({ "ret": "FAIL", "data": { "error_code": "2050", "error_msg": "" } }).to_string();
    server.fail([Fault::Answer(400, limited)]);
    assert_eq!(provider.push(&device).await.class(), Some(ErrorClass::Transient));
    assert!(!format!("{provider:?}").contains(SECRET));
}

#[tokio::test]
async fn a_notification_becomes_a_push() {
    let (server, provider) = jpush_server().await;
    let sender = PushSender::new(provider).with_clock(clock());
    let content = Rendered { title: Some("Paid".to_owned()), text: Some("Order T-1 is paid.".to_owned()), html: None };
    let mut delivery = Delivery::new("job.1", PushTarget::Alias("ada".to_owned()), content)
        .with_template("order.paid", Params::new().with("order", "T-1"));
    delivery.expires = Some(UNIX_EPOCH + Duration::from_secs(NOW + 60));
    assert!(sender.send(&delivery).await.is_accepted());
    let body = server.requests().remove(0).json();
    assert_eq!(body["options"]["time_to_live"], 60);
    assert_eq!(body["notification"]["ios"]["alert"], json!({ "title": "Paid", "body": "Order T-1 is paid." }));
    assert_eq!(body["notification"]["android"]["extras"], json!({ "order": "T-1", "template": "order.paid" }));
    delivery.content.text = None;
    assert_eq!(sender.send(&delivery).await.class(), Some(ErrorClass::Unmapped));
}
