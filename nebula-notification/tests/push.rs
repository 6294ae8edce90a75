//! Push services: what they are sent, and what their answers mean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::{Duration, UNIX_EPOCH};

use nebula_notification::{
    Clock as _, Delivery, ErrorClass, ErrorKind, JpushProvider, NotificationSender, Outcome, Params, PushMessage,
    PushProvider, PushSender, PushTarget, Rendered, UmengPlatform, UmengProvider,
    testing::{FakeReply, FakeRequest, FakeServer, Fault, jpush_refuses, umeng_refuses},
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

/// The key and the secret of the vectors.
const APP: (&str, &str) = ("7d431e42dfa6a6d693ac2d04", "5e987ac6d2e04d95a9d8f0d1");

fn jpush(request: &FakeRequest) -> FakeReply {
    if let Some(refused) = jpush_refuses(request, APP.0, APP.1) {
        return refused;
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("DELETE", _) => FakeReply { status: 200, headers: Vec::new(), body: String::new() },
        ("POST", "/v3/push" | "/v3/push/validate") => FakeReply::json(200, &json!({ "sendno": "0", "msg_id": "18" })),
        ("POST", "/v3/schedules") => {
            FakeReply::json(200, &json!({ "schedule_id": "0eac1b80-c2ac", "name": request.json()["name"] }))
        }
        _ => FakeReply::json(404, &json!({ "error": { "code": 8104, "message": "no" } })),
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
    networks_fail(&server, &provider, provider.clone().with_timeout(Duration::from_millis(300)).unwrap()).await;
    let stranger = JpushProvider::new(APP.0, "not it").unwrap().with_endpoint(server.url()).unwrap();
    assert_eq!(stranger.push(&message).await.class(), Some(ErrorClass::Account));
}

/// What is known when a network fails: nothing, once the request was written.
async fn networks_fail(server: &FakeServer, provider: &impl PushProvider, impatient: impl PushProvider) {
    let message = PushMessage::new(PushTarget::Everybody, "x");
    for (fault, class) in [
        (Fault::CutAfterReading, ErrorClass::Unknown),
        (Fault::CutUnread, ErrorClass::Unknown),
        (Fault::Answer(500, "<html>".to_owned()), ErrorClass::Unknown),
        (Fault::Answer(503, String::new()), ErrorClass::Transient),
        (Fault::Answer(200, "{}".to_owned()), ErrorClass::Unknown),
    ] {
        server.fail([fault.clone()]);
        assert_eq!(provider.push(&message).await.class(), Some(class), "{fault:?}");
    }
    server.fail([Fault::Slow(Duration::from_secs(60))]);
    assert_eq!(impatient.push(&message).await, Outcome::unknown("timeout"));
}

/// The fakes refuse what the services refuse.
#[test]
fn fakes_check_types_times_and_who_asks() {
    let request = |path: &str, query: String, kind: &str, authorization: &str, body: &Value| FakeRequest {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query,
        headers: [("content-type", kind), ("authorization", authorization)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: body.to_string().into_bytes(),
    };
    let basic = "Basic N2Q0MzFlNDJkZmE2YTZkNjkzYWMyZDA0OjVlOTg3YWM2ZDJlMDRkOTVhOWQ4ZjBkMQ==";
    let push = json!({ "platform": "all", "audience": { "tag": ["a"] }, "notification": {}, "options": { "apns_production": true } });
    let jpush = |kind: &str, basic: &str, body: &Value| {
        jpush_refuses(&request("/v3/push", String::new(), kind, basic, body), APP.0, APP.1).map(|reply| reply.status)
    };
    assert_eq!(jpush("application/json", basic, &push), None);
    assert_eq!(jpush("text/plain", basic, &push), Some(400));
    assert_eq!(jpush("application/json", "Basic eDp5", &push), Some(401));
    for (place, value) in [
        ("/audience", json!({ "tag": [] })),
        ("/audience", json!({ "tag": [7] })),
        ("/audience", json!([])),
        ("/options/apns_production", json!("true")),
        ("/platform", json!(["all"])),
    ] {
        let mut wrong = push.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        assert_eq!(jpush("application/json", basic, &wrong), Some(400), "{wrong}");
    }
    let url = "http://umeng.test";
    let cast = json!({ "appkey": "k", "timestamp": NOW.to_string(), "type": "broadcast", "payload": {}, "production_mode": "true" });
    let umeng = |kind: &str, body: &Value, signed: &Value| {
        let sign = umeng_sign("POST", "http://umeng.test/api/send", &signed.to_string(), SECRET);
        let refused =
            umeng_refuses(&request("/api/send", format!("sign={sign}"), kind, "", body), url, SECRET, clock().now());
        refused.map(|reply| serde_json::from_str::<Value>(&reply.body).unwrap()["data"]["error_code"].clone())
    };
    assert_eq!(umeng("application/json", &cast, &cast), None);
    assert_eq!(umeng("application/x-www-form-urlencoded", &cast, &cast), Some(json!("2000")));
    assert_eq!(umeng("application/json", &cast, &json!({})), Some(json!("2027")));
    for (place, value, code) in [
        ("/timestamp", json!((NOW - 601).to_string()), "2028"),
        ("/timestamp", json!((NOW + 601).to_string()), "2028"),
        ("/timestamp", json!(NOW), "2028"),
        ("/production_mode", json!(true), "2003"),
        ("/type", json!("all"), "2003"),
        ("/appkey", json!(1), "2021"),
    ] {
        let mut wrong = cast.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        assert_eq!(umeng("application/json", &wrong, &wrong), Some(json!(code)), "{wrong}");
    }
}

const SECRET: &str = "testappmastersecret0000000000001";

fn umeng(url: &str, request: &FakeRequest) -> FakeReply {
    if let Some(refused) = umeng_refuses(request, url, SECRET, clock().now()) {
        return refused;
    }
    let task = matches!(request.json()["type"].as_str(), Some("broadcast" | "groupcast"));
    let data = match request.path.as_str() {
        "/api/cancel" => json!({}),
        _ if task => json!({ "task_id": "us1" }),
        _ => json!({ "msg_id": "uu1" }),
    };
    FakeReply::json(200, &json!({ "ret": "SUCCESS", "data": data }))
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
    networks_fail(&server, &provider, provider.clone().with_timeout(Duration::from_millis(300)).unwrap()).await;
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
