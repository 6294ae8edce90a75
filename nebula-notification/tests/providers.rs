//! WeChat, webhooks, and what JPush and Umeng do for many: against servers that check requests as the real ones do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use nebula_notification::{
    Address, Clock as _, Delivery, ErrorClass, ErrorKind, JpushPeriod, JpushProvider, Kind, NotificationSender,
    Outcome, Params, ProviderTemplate, PushMessage, PushProvider, PushTarget, Rendered, UmengAudience, UmengPlatform,
    UmengPolicy, UmengProvider, WebhookSender, WebhookVerifier, WechatSender,
    testing::{FakeReply, FakeRequest, FakeServer, Fault, jpush_refuses, umeng_refuses, wechat_refuses},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use support::{NOW, clock};

fn reply(body: &Value) -> FakeReply {
    FakeReply::json(200, body)
}

/// A mini-program's service: tokens are `token-1`, `token-2`, …; the last one made is the only one taken.
async fn wechat() -> (FakeServer, WechatSender, Arc<AtomicU32>) {
    let current = Arc::new(AtomicU32::new(1));
    let serving = Arc::clone(&current);
    let server = FakeServer::start(move |request| {
        let body = request.json();
        let bad = |code: i64| reply(&json!({ "errcode": code, "errmsg": "no" }));
        if let Some(refused) = wechat_refuses(request) {
            return refused;
        }
        match request.path.as_str() {
            "/cgi-bin/stable_token" => {
                if (&body["grant_type"], &body["appid"]) != (&json!("client_credential"), &json!("wx1")) {
                    return bad(40013);
                }
                if body["secret"] != "app secret of the mini-program" {
                    return bad(40125);
                }
                if body["force_refresh"] == true {
                    serving.fetch_add(1, Ordering::SeqCst);
                }
                let token = format!("token-{}", serving.load(Ordering::SeqCst));
                reply(&json!({ "access_token": token, "expires_in": 7200 }))
            }
            "/cgi-bin/message/subscribe/send" => {
                if request.pairs()["access_token"] != format!("token-{}", serving.load(Ordering::SeqCst)) {
                    return bad(40001);
                }
                match body["touser"].as_str().unwrap() {
                    _ if body["template_id"] != "tmpl-paid" => bad(40037),
                    "refused" => bad(43101),
                    _ => reply(&json!({ "errcode": 0, "errmsg": "ok", "msgid": 42 })),
                }
            }
            _ => bad(48001),
        }
    })
    .await;
    let sender =
        WechatSender::new("wx1", "app secret of the mini-program").unwrap().with_endpoint(server.url()).unwrap();
    (server, sender.with_page("order.paid", "pages/order/index"), current)
}

fn subscribe(user: &str, order: &str) -> Delivery {
    Delivery::new("job.1", Address::OpenId(user.to_owned()), Rendered::default())
        .with_template("order.paid", Params::new().with("order", order).with("seats", 2))
        .with_provider_template(
            "wechat",
            ProviderTemplate::renamed("tmpl-paid", [("thing1", "order"), ("number2", "seats")]),
        )
}

fn count(server: &FakeServer, path: &str) -> usize {
    server.requests().iter().filter(|one| one.path == path).count()
}

#[tokio::test]
async fn wechat_sends_with_one_token_for_all() {
    let (server, sender, _) = wechat().await;
    let all = (0..40).map(|_| {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(&subscribe("open-1", "T-1")).await })
    });
    for one in futures_util::future::join_all(all).await {
        assert_eq!(one.unwrap(), Outcome::accepted("42"));
    }
    assert_eq!((count(&server, "/cgi-bin/stable_token"), count(&server, "/cgi-bin/message/subscribe/send")), (1, 40));
    let sent = server.requests().pop().unwrap().json();
    assert_eq!(sent["data"], json!({ "thing1": { "value": "T-1" }, "number2": { "value": "2" } }));
    assert_eq!((&sent["page"], &sent["miniprogram_state"]), (&json!("pages/order/index"), &json!("formal")));
    assert!(!format!("{sender:?}").contains("app secret"));
}

#[tokio::test]
async fn wechat_replaces_a_refused_token_once_for_all() {
    let (server, sender, current) = wechat().await;
    assert!(sender.send(&subscribe("open-1", "T-1")).await.is_accepted());
    // Somebody else has forced a new one: the stable token is asked for again and is another one now.
    current.fetch_add(1, Ordering::SeqCst);
    let all = (0..20).map(|_| {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(&subscribe("open-1", "T-2")).await })
    });
    for one in futures_util::future::join_all(all).await {
        assert_eq!(one.unwrap(), Outcome::accepted("42"));
    }
    assert_eq!(count(&server, "/cgi-bin/stable_token"), 2);
    // A token that is refused although it is the stable one is replaced by force, and not twice in a row.
    let refused = json!({ "errcode": 40001, "errmsg": "invalid credential" }).to_string();
    server.fail([Fault::Answer(200, refused.clone())]);
    assert!(sender.send(&subscribe("open-1", "T-3")).await.is_accepted());
    assert_eq!(current.load(Ordering::SeqCst), 3, "forced");
    server.fail([Fault::Answer(200, refused)]);
    assert_eq!(sender.send(&subscribe("open-1", "T-4")).await.class(), Some(ErrorClass::Account));
    assert_eq!(current.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn wechat_answers_by_class() {
    let (server, sender, _) = wechat().await;
    assert_eq!(sender.send(&subscribe("refused", "T-1")).await.class(), Some(ErrorClass::Recipient));
    let requests = server.requests().len();
    // What does not fit is not cut and not asked about.
    let long = subscribe("open-1", "twenty-one characters");
    assert_eq!(sender.send(&long).await.class(), Some(ErrorClass::Content));
    let unmapped = Delivery::new("job.1", Address::OpenId("open-1".to_owned()), Rendered::default());
    assert_eq!(sender.send(&unmapped).await.class(), Some(ErrorClass::Unmapped));
    assert_eq!(server.requests().len(), requests);
    let cases = [
        (200, json!({ "errcode": -1 }), ErrorClass::Transient),
        (200, json!({ "errcode": 45009 }), ErrorClass::Transient),
        (200, json!({ "errcode": 40003 }), ErrorClass::Recipient),
        (200, json!({ "errcode": 40037 }), ErrorClass::Account),
        (200, json!({ "errcode": 41030 }), ErrorClass::Content),
        (200, json!({ "errcode": 47003 }), ErrorClass::Content),
        (503, json!({}), ErrorClass::Transient),
        (500, json!({}), ErrorClass::Unknown),
    ];
    for (status, body, class) in cases {
        server.fail([Fault::Answer(status, body.to_string())]);
        assert_eq!(sender.send(&subscribe("open-1", "T-1")).await.class(), Some(class), "{body}");
    }
    server.fail([Fault::CutAfterReading]);
    assert_eq!(sender.send(&subscribe("open-1", "T-1")).await.class(), Some(ErrorClass::Unknown));
    let impatient = sender.clone().with_timeout(Duration::from_millis(300)).unwrap();
    server.fail([Fault::Slow(Duration::from_secs(60))]);
    assert_eq!(impatient.send(&subscribe("open-1", "T-1")).await, Outcome::unknown("timeout"));
    // Without a token nothing was sent.
    let (server, sender, _) = wechat().await;
    server.fail([Fault::CutAfterReading]);
    assert_eq!(sender.send(&subscribe("open-1", "T-1")).await.class(), Some(ErrorClass::Transient));
    let stranger = WechatSender::new("wx1", "not it").unwrap().with_endpoint(server.url()).unwrap();
    assert_eq!(stranger.send(&subscribe("open-1", "T-1")).await.class(), Some(ErrorClass::Account));
}

const SECRET: &str = "a secret of at least 24 bytes";

fn event() -> Delivery {
    let content = Rendered { title: Some("Paid".to_owned()), text: Some("订单 T-1".to_owned()), html: None };
    Delivery::new("0193abc.1", Address::Endpoint("erp".to_owned()), content)
        .with_kind(Kind::Notice)
        .with_template("order.paid", Params::new().with("order", "T-1"))
}

fn headers(request: &FakeRequest) -> (String, String, String) {
    let header = |name: &str| request.header(name).to_owned();
    (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
}

#[tokio::test]
async fn webhooks_are_signed_and_cannot_be_replayed() {
    let server = FakeServer::start(|_| reply(&json!({}))).await;
    let allowed = WebhookSender::new().unwrap().with_private_addresses().unwrap().with_clock(clock());
    let sender = allowed.with_endpoint("erp", &format!("{}/hooks", server.url()), SECRET).unwrap();
    assert_eq!(sender.send(&event()).await, Outcome::accepted_without_id());
    let request = server.requests().remove(0);
    let (id, time, signature) = headers(&request);
    assert_eq!((id.as_str(), time.as_str(), request.path.as_str()), ("0193abc", NOW.to_string().as_str(), "/hooks"));
    assert_eq!(request.json()["params"], json!({ "order": "T-1" }));

    let verifier = WebhookVerifier::new(SECRET).unwrap().with_clock(clock());
    let accept = |id: &str, time: &str, signature: &str, body: &[u8]| verifier.accept(id, time, signature, body);
    assert!(!accept("other", &time, &signature, &request.body));
    assert!(!accept(&id, &(NOW + 1).to_string(), &signature, &request.body));
    assert!(!accept(&id, &time, &signature, b"{}"));
    assert!(!accept(&id, &time, "v1,AAAA v2,x", &request.body));
    assert!(accept(&id, &time, &format!("v1,AAAA {signature}"), &request.body), "one of several keys is enough");
    assert!(!accept(&id, &time, &signature, &request.body), "once");
    let late = WebhookVerifier::new(SECRET).unwrap().with_clock(nebula_notification::ManualClock::at_unix(NOW + 301));
    assert!(!late.accept(&id, &time, &signature, &request.body));
    let other = WebhookVerifier::new("another secret of 24 bytes").unwrap().with_clock(clock());
    assert!(!other.accept(&id, &time, &signature, &request.body));
    // The next attempt has the same id, so who has got the first knows the second.
    let mut again = event();
    again.reference = "0193abc.2".to_owned();
    assert!(sender.send(&again).await.is_accepted());
    assert_eq!(headers(&server.requests().remove(1)).0, id);

    let cases = [
        (404, ErrorClass::Account),
        (410, ErrorClass::Account),
        (429, ErrorClass::Transient),
        (502, ErrorClass::Transient),
    ];
    for (status, class) in cases {
        server.fail([Fault::Answer(status, String::new())]);
        assert_eq!(sender.send(&event()).await.class(), Some(class), "{status}");
    }
    server.fail([Fault::CutAfterReading]);
    assert_eq!(sender.send(&event()).await.class(), Some(ErrorClass::Unknown));
    assert!(!format!("{sender:?}").contains(SECRET));
}

#[tokio::test]
async fn webhooks_reach_nothing_private() {
    let sender = WebhookSender::new().unwrap();
    let bad = [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "https://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "ftp://example.org/",
        "https://user:pass@example.org/",
        "not a url",
    ];
    for url in bad {
        let refused = sender.clone().with_endpoint("x", url, SECRET).map(|_| url).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConfigInvalid, "{url}");
    }
    let short = sender.clone().with_endpoint("x", "https://example.org/", "short").unwrap_err();
    assert_eq!(short.kind(), ErrorKind::ConfigInvalid);
    // A name that leads here is found out when it is looked up.
    let server = FakeServer::start(|_| reply(&json!({}))).await;
    let url = server.url().replace("127.0.0.1", "localhost");
    let sender = sender.with_endpoint("erp", &url, SECRET).unwrap();
    let Outcome::Refused(refusal) = sender.send(&event()).await else { panic!("it was sent") };
    assert_eq!((refusal.class, refusal.code.as_str()), (ErrorClass::Account, "private address"));
    assert!(server.requests().is_empty());
    let unknown = Delivery::new("job.1", Address::Endpoint("crm".to_owned()), Rendered::default());
    assert_eq!(sender.send(&unknown).await.class(), Some(ErrorClass::Unmapped));
    // Nor does an end point lead elsewhere.
    let hop =
        FakeServer::start(|_| FakeReply::json(302, &json!({})).header("location", "http://169.254.169.254/")).await;
    let allowed = WebhookSender::new().unwrap().with_private_addresses().unwrap();
    let sender = allowed.with_endpoint("erp", hop.url(), SECRET).unwrap();
    assert_eq!(sender.send(&event()).await.class(), Some(ErrorClass::Account));
}

/// JPush, with ids: the second push of an id is answered as the first.
async fn jpush() -> (FakeServer, JpushProvider, Arc<Mutex<HashSet<String>>>) {
    let pushed: Arc<Mutex<HashSet<String>>> = Arc::default();
    let serving = Arc::clone(&pushed);
    let answer = move |request: &FakeRequest| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v3/push/cid") => {
            assert_eq!((request.pairs()["count"].as_str(), request.pairs()["type"].as_str()), ("100", "push"));
            let ids: Vec<String> = (0..100).map(|number| format!("8103a4c628a0b98974ec1949-{number}")).collect();
            reply(&json!({ "cidlist": ids }))
        }
        ("POST", "/v3/push") => {
            let id = request.json()["cid"].as_str().unwrap_or_default().to_owned();
            serving.lock().insert(id.clone());
            reply(&json!({ "sendno": "0", "msg_id": format!("m-{id}") }))
        }
        ("GET", "/v3/schedules") => {
            let page = &request.pairs()["page"];
            reply(&json!({ "total_count": 2, "total_pages": 2, "page": 1,
                "schedules": [{ "schedule_id": format!("s-{page}"), "name": "n", "enabled": true }] }))
        }
        ("GET", "/v3/schedules/gone") => FakeReply::json(404, &json!({ "error": { "code": 8104, "message": "no" } })),
        (_, path) if path.starts_with("/v3/schedules") => {
            let body = request.json();
            reply(&json!({ "schedule_id": "s-1", "name": "n", "enabled": body["enabled"].as_bool().unwrap_or(true) }))
        }
        _ => FakeReply::json(404, &json!({ "error": { "code": 1002, "message": "no" } })),
    };
    let server =
        FakeServer::start(move |request| jpush_refuses(request, "key", "secret").unwrap_or_else(|| answer(request)))
            .await;
    let provider = JpushProvider::new("key", "secret").unwrap().with_endpoint(server.url()).unwrap();
    (server, provider, pushed)
}

#[tokio::test]
async fn jpush_is_asked_again_under_the_same_id() {
    let (server, provider, pushed) = jpush().await;
    let message = PushMessage::new(PushTarget::Alias("ada".to_owned()), "hello");
    let provider = provider.with_ids();
    assert!(provider.push(&message).await.is_accepted());
    // The answer is lost; the second time it is asked under the same id, so there is one push, and its id is known.
    server.fail([Fault::CutAfterReading]);
    assert!(provider.push(&message).await.is_accepted());
    assert_eq!((pushed.lock().len(), count(&server, "/v3/push"), count(&server, "/v3/push/cid")), (2, 3, 1));
    server.fail([Fault::CutAfterReading, Fault::CutAfterReading]);
    assert_eq!(provider.push(&message).await.class(), Some(ErrorClass::Unknown));
    // Without ids to be had, pushes go without.
    let (server, provider, _) = jpush().await;
    server.fail([Fault::Answer(500, String::new())]);
    assert!(provider.with_ids().push(&message).await.is_accepted());
    assert!(server.requests().pop().unwrap().json().get("cid").is_none());
}

#[tokio::test]
async fn jpush_keeps_pushes_for_later() {
    let (server, provider, _) = jpush().await;
    let message = PushMessage::new(PushTarget::Tags(vec!["vip".to_owned()]), "hello");
    let (start, end) = (UNIX_EPOCH + Duration::from_secs(NOW), UNIX_EPOCH + Duration::from_secs(NOW + 86_400));
    let days = JpushPeriod::weekly(start, end, "9:00", ["mon", "FRI"]);
    assert!(days.is_err(), "9:00 is no time as JPush writes them");
    let days = JpushPeriod::weekly(start, end, "09:00:00", ["mon", "FRI"]).unwrap();
    assert_eq!(provider.schedule_periodic("n", &days, &message).await.unwrap().id, "s-1");
    let sent = server.requests().remove(0).json();
    let period = json!({ "start": "2026-11-20 16:00:00", "end": "2026-11-21 16:00:00", "time": "09:00:00", "time_unit": "week",
        "frequency": 1, "point": ["MON", "FRI"] });
    assert_eq!((&sent["trigger"]["periodical"], &sent["enabled"]), (&period, &json!(true)));
    assert_eq!(sent["push"]["audience"], json!({ "tag": ["vip"] }));
    provider
        .schedule_periodic("n", &JpushPeriod::monthly(start, end, "09:00:00", [1, 31]).unwrap(), &message)
        .await
        .unwrap();
    assert_eq!(server.requests().remove(1).json()["trigger"]["periodical"]["point"], json!(["01", "31"]));
    for wrong in [
        JpushPeriod::daily(end, start, "09:00:00"),
        JpushPeriod::daily(start, end, "25:00:00"),
        JpushPeriod::weekly(start, end, "09:00:00", ["someday"]),
        JpushPeriod::monthly(start, end, "09:00:00", [0]),
        JpushPeriod::monthly(start, end, "09:00:00", []),
    ] {
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidNotification);
    }
    let nobody = PushMessage::new(PushTarget::Tags(Vec::new()), "hello");
    assert_eq!(provider.schedule_periodic("n", &days, &nobody).await.unwrap_err().kind(), ErrorKind::InvalidRecipient);
    assert!(!provider.enable_schedule("s-1", false).await.unwrap().enabled);
    provider.reschedule("s-1", end).await.unwrap();
    let moved = server.requests().pop().unwrap();
    assert_eq!(
        (moved.method.as_str(), &moved.json()["trigger"]["single"]["time"]),
        ("PUT", &json!("2026-11-21 16:00:00"))
    );
    assert_eq!(provider.scheduled("s-1").await.unwrap().unwrap().id, "s-1");
    assert_eq!(provider.scheduled("gone").await.unwrap(), None);
    let ids: Vec<String> = provider.schedules().await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(ids, ["s-1", "s-2"]);
    assert!(provider.unschedule("../push").await.is_err());
}

const UMENG: &str = "testappmastersecret0000000000001";

#[tokio::test]
async fn umeng_reaches_lists_files_and_groups() {
    let address: Arc<OnceLock<String>> = Arc::default();
    let known = Arc::clone(&address);
    let server = FakeServer::start(move |request| {
        let fail = |code: &str| FakeReply::json(400, &json!({ "ret": "FAIL", "data": { "error_code": code } }));
        if let Some(refused) = umeng_refuses(request, known.get().unwrap(), UMENG, clock().now()) {
            return refused;
        }
        let body = request.json();
        let is = |kind: &str| body["type"] == kind;
        let policy = body["policy"].as_object();
        let tasks_only = policy.is_some_and(|all| all.keys().any(|name| name != "expire_time"));
        let data = match request.path.as_str() {
            "/upload" if body["content"] == "a\nb" => json!({ "file_id": "PF1" }),
            "/api/status" if body["task_id"] == "us1" => {
                json!({ "task_id": "us1", "status": 2, "sent_count": 7, "open_count": 3, "dismiss_count": 1 })
            }
            "/api/cancel" => json!({ "task_id": "us1" }),
            "/api/send" if tasks_only && (is("listcast") || (is("customizedcast") && body["alias"].is_string())) => {
                return fail("2014");
            }
            "/api/send" if is("listcast") || body["alias"].is_string() => json!({ "msg_id": "uu1" }),
            "/api/send" => json!({ "task_id": "us1" }),
            _ => return fail("2016"),
        };
        reply(&json!({ "ret": "SUCCESS", "data": data }))
    })
    .await;
    address.set(server.url().to_owned()).unwrap();
    let provider = UmengProvider::new(UmengPlatform::Android, "5f0000000000000000000001", UMENG).unwrap();
    let provider = provider.with_endpoint(server.url()).unwrap().with_clock(clock()).with_alias_type("member");
    let message = PushMessage::new(PushTarget::Everybody, "开售提醒").title("明早十点");
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(NOW + seconds);
    let cast = async |audience: UmengAudience, policy: UmengPolicy| provider.cast(&audience, &message, &policy).await;
    let names = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();

    assert_eq!(cast(UmengAudience::Devices(names(500)), UmengPolicy::new()).await, Outcome::accepted("uu1"));
    assert_eq!(
        cast(UmengAudience::Aliases(names(2)), UmengPolicy::new().expire(at(60))).await,
        Outcome::accepted("uu1")
    );
    let sent = server.requests().remove(1).json();
    assert_eq!(
        (&sent["type"], &sent["alias_type"], &sent["alias"]),
        (&json!("customizedcast"), &json!("member"), &json!("n0,n1"))
    );
    assert_eq!(sent["policy"], json!({ "expire_time": "2026-11-20 16:01:00" }));
    let file = provider.upload(["a", "b"]).await.unwrap();
    let policy = UmengPolicy::new().start(at(60)).expire(at(120)).per_second(10).business_number("campaign-1");
    assert_eq!(cast(UmengAudience::File(file.clone()), policy).await, Outcome::accepted("us1"));
    let sent = server.requests().pop().unwrap().json();
    assert_eq!((&sent["type"], &sent["file_id"]), (&json!("filecast"), &json!("PF1")));
    assert_eq!(
        sent["policy"],
        json!({ "start_time": "2026-11-20 16:01:00", "expire_time": "2026-11-20 16:02:00",
        "max_send_num": 1000, "out_biz_no": "campaign-1" })
    );
    assert!(cast(UmengAudience::AliasFile(file), UmengPolicy::new()).await.is_accepted());
    let filter = json!({ "where": { "and": [{ "tag": "concert" }, { "not": { "tag": "left" } }] } });
    assert!(cast(UmengAudience::Group(filter.clone()), UmengPolicy::new()).await.is_accepted());
    assert_eq!(server.requests().pop().unwrap().json()["filter"], filter);
    assert!(cast(UmengAudience::Everybody, UmengPolicy::new().business_number("n")).await.is_accepted());
    let task = provider.task("us1").await.unwrap();
    assert_eq!((task.status, task.sent, task.opened, task.dismissed), (2, 7, 3, 1));
    assert_eq!(provider.task("none").await.unwrap_err().kind(), ErrorKind::InvalidNotification);
    provider.cancel("us1").await.unwrap();

    // What would reach somebody else, or everybody, is not asked for.
    let asked = server.requests().len();
    let nobody = [
        UmengAudience::Devices(Vec::new()),
        UmengAudience::Devices(vec!["a,b".to_owned()]),
        UmengAudience::Aliases(vec![String::new()]),
        UmengAudience::File(String::new()),
        UmengAudience::Group(json!({})),
        UmengAudience::Group(json!({ "where": { "and": [] } })),
    ];
    for audience in nobody {
        assert_eq!(cast(audience, UmengPolicy::new()).await.class(), Some(ErrorClass::Recipient));
    }
    let wrong = [
        (UmengAudience::Devices(names(501)), UmengPolicy::new()),
        (UmengAudience::Devices(names(1)), UmengPolicy::new().start(at(60))),
        (UmengAudience::Everybody, UmengPolicy::new().start(at(0))),
        (UmengAudience::Everybody, UmengPolicy::new().expire(at(8 * 86_400))),
        (UmengAudience::Everybody, UmengPolicy::new().start(at(60)).expire(at(60))),
    ];
    for (audience, policy) in wrong {
        assert_eq!(cast(audience, policy).await.class(), Some(ErrorClass::Content));
    }
    assert_eq!(provider.upload(["a\nb"]).await.unwrap_err().kind(), ErrorKind::InvalidRecipient);
    assert_eq!(server.requests().len(), asked);
}
