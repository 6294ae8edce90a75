//! SMS providers: signatures to the byte, and fakes that check everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use nebula_notification::{
    AliyunCredentials, AliyunSms, Delivery, DeliveryReceipt, ErrorClass, ErrorKind, JobStatus, ManualClock,
    Notification, NotificationSender, Outcome, Phone, ProviderTemplate, ReceiptReader, ReceiptRoutes, Rendered,
    Settled, SmsMessage, SmsProvider, SmsSender, TencentCredentials, TencentSms, acs3, tc3,
    testing::{FakeAliyun, FakeTencent, Fault},
};
use serde_json::{Value, json};
use support::{builder, clock, order, phone};

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn texts(value: &Value) -> Vec<(&str, &str)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

#[test]
fn aliyun_signatures() {
    let all = fixture(include_str!("fixtures/aliyun.json"));
    for vector in all.as_array().unwrap() {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        let query = acs3::canonical_query(&texts(&input["query"]));
        let headers = texts(&input["headers"]);
        let hash = text(&input["headers"]["x-acs-content-sha256"]);
        let (id, secret) = (text(&input["access_key_id"]), text(&input["access_key_secret"]));
        let signed = acs3::sign(id, secret, text(&input["method"]), text(&input["path"]), &query, &headers, hash);
        assert_eq!(query, text(&expected["canonical_query"]), "{}", vector["id"]);
        assert_eq!(signed.canonical_request, text(&expected["canonical_request"]), "{}", vector["id"]);
        assert_eq!(signed.string_to_sign, text(&expected["string_to_sign"]), "{}", vector["id"]);
        assert_eq!(signed.authorization, text(&expected["authorization"]), "{}", vector["id"]);
    }
    assert_eq!(all.as_array().unwrap().len(), 5);
}

#[test]
fn tencent_signatures() {
    let all = fixture(include_str!("fixtures/tencent.json"));
    for vector in all.as_array().unwrap() {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        let names: Vec<&str> = text(&expected["signed_headers"]).split(';').collect();
        let mut headers = texts(&input["headers"]);
        headers.retain(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()));
        let (id, key, service) = (text(&input["secret_id"]), text(&input["secret_key"]), text(&input["service"]));
        let stamp = input["timestamp"].as_u64().unwrap();
        let signed = tc3::sign(id, key, service, stamp, &headers, text(&input["body"]).as_bytes());
        assert_eq!(signed.canonical_request, text(&expected["canonical_request"]), "{}", vector["id"]);
        assert_eq!(signed.string_to_sign, text(&expected["string_to_sign"]), "{}", vector["id"]);
        let key: String = signed.signing_key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(key, text(&expected["secret_signing_hex"]), "{}", vector["id"]);
        assert_eq!(signed.authorization, text(&expected["authorization"]), "{}", vector["id"]);
    }
    assert_eq!(all.as_array().unwrap().len(), 4);
}

async fn aliyun(clock: &ManualClock) -> (FakeAliyun, AliyunSms) {
    let fake = FakeAliyun::start("LTAItest", "hunter2", clock.clone()).await;
    let credentials = AliyunCredentials::new("LTAItest", "hunter2").with_security_token("sts==");
    let client = AliyunSms::new(credentials, "票务平台").unwrap().with_endpoint(fake.server().url()).unwrap();
    (fake, client.with_clock(clock.clone()))
}

async fn tencent(clock: &ManualClock) -> (FakeTencent, TencentSms) {
    let fake = FakeTencent::start("AKIDtest", "hunter2", clock.clone()).await;
    let credentials = TencentCredentials::new("AKIDtest", "hunter2").with_token("sts==");
    let client = TencentSms::new(credentials, "1400006666", "票务平台").unwrap();
    let client = client.with_endpoint(fake.server().url()).unwrap().with_clock(clock.clone());
    (fake, client)
}

fn message(number: &str) -> SmsMessage {
    let values = BTreeMap::from([("code".to_owned(), "012345 *~'\"".to_owned())]);
    SmsMessage::new(Phone::parse(number, None).unwrap(), "SMS_123456", values).reference("job.1")
}

fn class(outcome: &Outcome) -> (Option<ErrorClass>, String) {
    let code = match outcome {
        Outcome::Accepted(_) => String::new(),
        Outcome::Refused(refusal) => refusal.code.clone(),
        Outcome::Unknown(doubt) => doubt.code.clone(),
    };
    (outcome.class(), code)
}

#[tokio::test]
async fn aliyun_sends_and_the_fake_checks() {
    let clock = clock();
    let (fake, client) = aliyun(&clock).await;
    let outcome = client.send(&message("+8613800138000")).await;
    assert_eq!(outcome, Outcome::accepted("90061974693649841^0"));
    assert!(client.send(&message("+85251234567")).await.is_accepted());
    let sent = fake.sent();
    assert_eq!(sent[0], ("13800138000".to_owned(), json!({ "code": "012345 *~'\"" })));
    assert_eq!(sent[1].0, "85251234567");
    let request = &fake.server().requests()[0];
    assert_eq!(request.pairs()["OutId"], "job.1");
    assert!(request.body.is_empty());

    // The same request once more: its nonce was used.
    let replay = replay(fake.server().url(), request).await;
    assert_eq!((replay.0, replay.1["Code"].as_str()), (400, Some("SignatureNonceUsed")));
    // A byte changed.
    let mut forged = request.clone();
    forged.query = forged.query.replace("13800138000", "13800138001");
    assert_eq!(self::replay(fake.server().url(), &forged).await.1["Code"], "SignatureDoesNotMatch");
    // Sixteen minutes off.
    let slow = client.clone().with_clock(ManualClock::at_unix(support::NOW - 16 * 60));
    let outcome = class(&slow.send(&message("+8613800138000")).await);
    assert_eq!(outcome, (Some(ErrorClass::Account), "InvalidTimeStamp.Expired".to_owned()));
    fake.refuse("13800138000", "isv.BUSINESS_LIMIT_CONTROL");
    let outcome = class(&client.send(&message("+8613800138000")).await);
    assert_eq!(outcome, (Some(ErrorClass::Recipient), "isv.BUSINESS_LIMIT_CONTROL".to_owned()));
    let wrong = AliyunSms::new(AliyunCredentials::new("LTAItest", "other"), "x").unwrap();
    let wrong = wrong.with_endpoint(fake.server().url()).unwrap().with_clock(clock);
    let outcome = class(&wrong.send(&message("+8613800138000")).await);
    assert_eq!(outcome, (Some(ErrorClass::Account), "SignatureDoesNotMatch".to_owned()));
    assert!(!format!("{client:?}").contains("hunter2"));
}

/// Sends a request as it was seen.
async fn replay(url: &str, request: &nebula_notification::testing::FakeRequest) -> (u16, Value) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let mut text = format!("POST {}?{} HTTP/1.1\r\n", request.path, request.query);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    stream.write_all(&request.body).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn aliyun_batches() {
    let clock = clock();
    let (fake, client) = aliyun(&clock).await;
    let mut messages: Vec<SmsMessage> = (0..150).map(|at| message(&format!("+861380013{at:04}"))).collect();
    messages[7].template = "SMS_OTHER".to_owned();
    let outcomes = client.send_batch(&messages).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_accepted()).count(), 150);
    assert_eq!(fake.sent().len(), 150);
    assert_eq!(fake.server().requests().len(), 3, "100, 49 and the other template");
    assert!(client.send_batch(&[]).await.is_empty());
}

#[tokio::test]
async fn tencent_sends_and_the_fake_checks() {
    let clock = clock();
    let (fake, client) = tencent(&clock).await;
    let outcome = client.send(&message("+8613800138000")).await;
    assert_eq!(outcome, Outcome::accepted("5000:1").with_units(1));
    assert_eq!(fake.sent(), [("+8613800138000".to_owned(), vec!["012345 *~'\"".to_owned()])]);
    assert_eq!(fake.server().requests()[0].json()["SessionContext"], "job.1");
    // A request succeeds in part.
    fake.refuse("+8613900139000", "LimitExceeded.PhoneNumberThirtySecondLimit");
    let messages = ["+8613900139000", "+8613800138000", "+85251234567"].map(message);
    let outcomes = client.send_batch(&messages).await;
    let limit = (Some(ErrorClass::Recipient), "LimitExceeded.PhoneNumberThirtySecondLimit".to_owned());
    assert_eq!(class(&outcomes[0]), limit);
    assert!(outcomes[1].is_accepted() && outcomes[2].is_accepted());
    assert_eq!(fake.server().requests().len(), 3, "foreign numbers go apart");
    let slow = client.clone().with_clock(ManualClock::at_unix(support::NOW - 301));
    let outcome = class(&slow.send(&message("+8613800138000")).await);
    assert_eq!(outcome, (Some(ErrorClass::Account), "AuthFailure.SignatureExpire".to_owned()));
    let request = &fake.server().requests()[0];
    let mut forged = request.clone();
    forged.body = String::from_utf8(forged.body).unwrap().replace("0013800", "0013801").into_bytes();
    let answer = replay(fake.server().url(), &forged).await.1;
    assert_eq!(answer["Response"]["Error"]["Code"], "AuthFailure.SignatureFailure");
    let mut other = request.clone();
    other.headers.insert("content-type".to_owned(), "text/plain".to_owned());
    let answer = replay(fake.server().url(), &other).await.1;
    assert_eq!(answer["Response"]["Error"]["Code"], "InvalidParameter");
    assert!(!format!("{client:?}").contains("hunter2"));
}

/// What each published answer means.
#[tokio::test]
async fn documented_answers() {
    let replies = fixture(include_str!("fixtures/replies.json"));
    let clock = clock();
    let (aliyun_fake, aliyun) = aliyun(&clock).await;
    let (tencent_fake, tencent) = tencent(&clock).await;
    let cases = [
        ("aliyun_sendsms_ok", None),
        ("aliyun_sendsms_business_limit", Some(ErrorClass::Recipient)),
        ("aliyun_signature_error", Some(ErrorClass::Account)),
        ("aliyun_throttling", Some(ErrorClass::Transient)),
        ("tencent_sendsms_ok", None),
        ("tencent_error", Some(ErrorClass::Account)),
    ];
    for (name, expected) in cases {
        let status = u16::try_from(replies[name]["http_status"].as_u64().unwrap()).unwrap();
        let fault = Fault::Answer(status, replies[name]["body"].to_string());
        let outcome = if name.starts_with("aliyun") {
            aliyun_fake.server().fail([fault]);
            aliyun.send(&message("+8613800138000")).await
        } else {
            tencent_fake.server().fail([fault]);
            tencent.send(&message("+8613800138000")).await
        };
        assert_eq!(outcome.class(), expected, "{name}: {outcome:?}");
    }
    tencent_fake.server().fail([Fault::Answer(200, replies["tencent_sendsms_partial"]["body"].to_string())]);
    let outcomes = tencent.send_batch(&["+8613900139000", "+8613800138000"].map(message)).await;
    assert_eq!(
        [outcomes[0].class(), outcomes[1].class()],
        [Some(ErrorClass::Recipient), None],
        "by number, not by place"
    );
    let codes = [
        ("Throttling.Api", ErrorClass::Transient),
        ("isp.SYSTEM_ERROR", ErrorClass::Transient),
        ("isv.OUT_OF_SERVICE", ErrorClass::Account),
        ("isv.DAY_LIMIT_CONTROL", ErrorClass::Account),
        ("isp.RAM_PERMISSION_DENY", ErrorClass::Account),
        ("isv.MOBILE_NUMBER_ILLEGAL", ErrorClass::Recipient),
        ("isv.INVALID_JSON_PARAM", ErrorClass::Content),
        ("isv.SMS_CONTENT_ILLEGAL", ErrorClass::Content),
        ("isv.SOMETHING_NEW", ErrorClass::Account),
    ];
    for (code, expected) in codes {
        let body = json!({ "Code": code, "Message": "13800138000" }).to_string();
        aliyun_fake.server().fail([Fault::Answer(200, body)]);
        let outcome = aliyun.send(&message("+8613800138000")).await;
        assert_eq!(class(&outcome), (Some(expected), code.to_owned()));
        assert!(!format!("{outcome:?}").contains("13800138000"));
    }
    let codes = [
        ("RequestLimitExceeded.UinLimitExceeded", ErrorClass::Transient),
        ("InternalError.OtherError", ErrorClass::Transient),
        ("InternalError.Timeout", ErrorClass::Unknown),
        ("FailedOperation.InsufficientBalanceInSmsPackage", ErrorClass::Account),
        ("FailedOperation.TemplateIncorrectOrUnapproved", ErrorClass::Account),
        ("LimitExceeded.AppDailyLimit", ErrorClass::Account),
        ("LimitExceeded.PhoneNumberDailyLimit", ErrorClass::Recipient),
        ("LimitExceeded.DeliveryFrequencyLimit", ErrorClass::Recipient),
        ("InvalidParameterValue.IncorrectPhoneNumber", ErrorClass::Recipient),
        ("FailedOperation.PhoneNumberInBlacklist", ErrorClass::Recipient),
        ("FailedOperation.ContainSensitiveWord", ErrorClass::Content),
    ];
    for (code, expected) in codes {
        let body = json!({ "Response": { "Error": { "Code": code, "Message": "" }, "RequestId": "" } }).to_string();
        tencent_fake.server().fail([Fault::Answer(200, body)]);
        assert_eq!(class(&tencent.send(&message("+8613800138000")).await), (Some(expected), code.to_owned()));
    }
}

#[tokio::test]
async fn networks_that_fail() {
    let clock = clock();
    let (fake, client) = aliyun(&clock).await;
    let (tencent_fake, tencent_client) = tencent(&clock).await;
    let html = Fault::Answer(502, "<html>bad gateway</html>".to_owned());
    let cases = [
        (Fault::CutAfterReading, ErrorClass::Unknown),
        (Fault::CutUnread, ErrorClass::Unknown),
        (html, ErrorClass::Unknown),
        (Fault::Answer(503, String::new()), ErrorClass::Transient),
        (Fault::Answer(429, String::new()), ErrorClass::Transient),
        (Fault::Answer(200, "{}".to_owned()), ErrorClass::Unknown),
    ];
    for (fault, expected) in cases {
        fake.server().fail([fault.clone()]);
        assert_eq!(client.send(&message("+8613800138000")).await.class(), Some(expected), "{fault:?}");
        tencent_fake.server().fail([fault.clone()]);
        let outcome = tencent_client.send(&message("+8613800138000")).await;
        assert_eq!(outcome.class(), Some(expected), "{fault:?}");
    }
    assert_eq!(fake.sent().len(), 1, "one that was cut was taken all the same");
    let hasty = client.clone().with_timeout(Duration::from_millis(300)).unwrap();
    fake.server().fail([Fault::Slow(Duration::from_secs(600))]);
    assert_eq!(class(&hasty.send(&message("+8613800138000")).await), (Some(ErrorClass::Unknown), "timeout".to_owned()));
    let port = nebula_test_support::ReservedPort::pick().unwrap();
    let nobody = client.with_endpoint(&format!("http://127.0.0.1:{}", port.number())).unwrap();
    let outcome = class(&nobody.send(&message("+8613800138000")).await);
    assert_eq!(outcome, (Some(ErrorClass::Transient), "unreachable".to_owned()));
}

#[test]
fn receipts_are_read() {
    let replies = fixture(include_str!("fixtures/replies.json"));
    let time = Some("2026-11-20T08:00:03Z".parse::<jiff::Timestamp>().unwrap().into());
    let aliyun = AliyunSms::new(AliyunCredentials::new("id", "secret"), "x").unwrap();
    let body = replies["callback_aliyun_smsreport"]["request_body"].to_string();
    let expected = DeliveryReceipt::delivered("aliyun")
        .provider_id("900619746936498440^0")
        .reference("nebula-001")
        .phone(Some(phone()))
        .at(time);
    assert_eq!(aliyun.receipts(body.as_bytes()).unwrap(), [expected]);
    let lost = body.replace("true", "false").replace("DELIVERED", "MOBILE_NOT_ON_SERVICE");
    let receipt = &aliyun.receipts(lost.as_bytes()).unwrap()[0];
    assert_eq!((receipt.delivered, receipt.class), (false, Some(ErrorClass::Recipient)));
    assert!(aliyun.receipts(b"{}").is_err());

    let tencent = TencentSms::new(TencentCredentials::new("id", "secret"), "1", "x").unwrap();
    let body = replies["callback_tencent_status"]["request_body"].to_string();
    let expected = DeliveryReceipt::delivered("tencent")
        .provider_id("5000:1045710669157053657849499619")
        .reference("nebula-001")
        .phone(Some(phone()))
        .at(time);
    assert_eq!(tencent.receipts(body.as_bytes()).unwrap(), [expected]);
    let receipt = &tencent.receipts(body.replace("SUCCESS", "FAIL").as_bytes()).unwrap()[0];
    assert_eq!((receipt.delivered, receipt.code.as_deref()), (false, Some("DELIVRD")));
}

/// All of it together: a template that both know by other names, the first that is cut, the second that takes over.
#[tokio::test]
async fn from_the_notifier_to_the_receipt() {
    let clock = clock();
    let (aliyun_fake, aliyun) = aliyun(&clock).await;
    let (tencent_fake, tencent) = tencent(&clock).await;
    let senders = builder(&clock).sender(SmsSender::new(aliyun.clone())).sender(SmsSender::new(tencent));
    let notifier = senders.build();
    aliyun_fake.server().fail([Fault::Answer(400, json!({ "Code": "isv.OUT_OF_SERVICE" }).to_string())]);
    let sent = notifier.send(order("order.paid")).await.unwrap();
    assert_eq!(sent.jobs[0].status, JobStatus::Accepted);
    assert_eq!(tencent_fake.sent(), [("+8613800138000".to_owned(), vec!["T-1".to_owned()])]);

    let notifier = builder(&clock).sender(SmsSender::new(aliyun.clone())).build();
    aliyun_fake.server().fail([Fault::CutAfterReading]);
    let sent = notifier.send(order("order.paid")).await.unwrap();
    assert_eq!(sent.jobs[0].status, JobStatus::Unknown);
    assert_eq!(aliyun_fake.sent(), [("13800138000".to_owned(), json!({ "orderNo": "T-1" }))]);
    let receipt = json!([{ "success": true, "biz_id": "b^1", "out_id": sent.jobs[0].attempts[0].reference }]);
    let receipt = aliyun.receipts(receipt.to_string().as_bytes()).unwrap().remove(0);
    assert_eq!(notifier.receipt(receipt).await.unwrap(), Settled::Delivered(sent.jobs[0].id.clone()));
}

#[tokio::test]
async fn no_template_is_not_asked_for() {
    let clock = clock();
    let (fake, client) = aliyun(&clock).await;
    let sender = SmsSender::new(client).with_template("login", ProviderTemplate::named("SMS_1"));
    let delivery = Delivery::new("1", phone(), Rendered::default());
    let outcome = sender.send(&delivery.clone().with_template("other", [("code", "1")].into_iter().collect())).await;
    assert_eq!(outcome.class(), Some(ErrorClass::Unmapped));
    assert!(fake.server().requests().is_empty());
    let known = delivery.with_template("login", [("code", "1")].into_iter().collect());
    assert!(sender.send(&known).await.is_accepted());
}

/// A notification to many numbers is few requests, also when some number of them is refused, and each receipt finds its job.
#[tokio::test]
async fn many_numbers_are_few_requests() {
    let clock = clock();
    let (fake, client) = aliyun(&clock).await;
    fake.refuse("13800130007", "isv.MOBILE_NUMBER_ILLEGAL");
    let sender = SmsSender::new(client.clone()).with_batches(Duration::from_millis(50));
    let notifier = builder(&clock).sender(sender).build();
    let phones: Vec<Phone> = (0..150).map(|at| Phone::parse(&format!("+861380013{at:04}"), None).unwrap()).collect();
    let paid = |phones: &[Phone]| {
        let to = phones.iter().fold(Notification::new("order.paid"), |all, phone| all.to(phone.clone()));
        to.param("order", "T-1")
    };
    let sent = notifier.send(paid(&phones)).await.unwrap();
    let refused: Vec<&str> = sent.failed().map(|job| job.id.as_str()).collect();
    assert_eq!(
        (sent.jobs.len(), refused),
        (150, vec![sent.jobs[7].id.as_str()]),
        "nobody else suffers from a bad number"
    );
    let mut reached: Vec<String> = fake.sent().into_iter().map(|(number, _)| number).collect();
    reached.sort_unstable();
    reached.dedup();
    assert_eq!((fake.sent().len(), reached.len()), (149, 149));
    let requests = fake.server().requests().len();
    assert!(requests < 75, "{requests} requests for 150 numbers");

    // All numbers of a request have one id at the provider.
    let app = ReceiptRoutes::new(notifier.clone(), SECRET).unwrap().reader(client).router::<()>();
    let report = |at: usize, success: bool| {
        let id = sent.jobs[at].attempts.last().unwrap().provider_id.clone().unwrap();
        json!({ "phone_number": phones[at].national(), "success": success, "err_code": "EMPTY_NUMBER", "biz_id": id })
    };
    let body = json!([report(0, true), report(1, false), report(2, true)]).to_string();
    let answer = post(&app, &format!("/{SECRET}/aliyun"), body).await;
    assert_eq!(answer, (200, r#"{"code":0,"msg":"OK"}"#.to_owned()));
    let mut states = Vec::new();
    for job in &sent.jobs[..4] {
        states.push(notifier.job(&job.id).await.unwrap().unwrap().status);
    }
    assert_eq!(states, [JobStatus::Delivered, JobStatus::Failed, JobStatus::Delivered, JobStatus::Accepted]);

    // Codes wait for nobody.
    let before = fake.server().requests().len();
    assert!(notifier.send(Notification::new("login").to(phone()).param("code", "012345")).await.unwrap().is_sent());
    let last = fake.server().requests().split_off(before);
    assert_eq!(last.iter().map(|one| one.header("x-acs-action")).collect::<Vec<_>>(), ["SendSms"]);
}

const SECRET: &str = "Kq3v9XcR7tYb2LmN5pWz8sDf";

async fn post(app: &axum::Router, path: &str, body: impl Into<axum::body::Body>) -> (u16, String) {
    let request = axum::http::Request::post(path).body(body.into()).unwrap();
    let answer = tower::ServiceExt::oneshot(app.clone(), request).await.unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn receipts_come_in_at_a_path_that_nobody_can_guess() {
    let clock = clock();
    let (_fake, aliyun) = aliyun(&clock).await;
    let (tencent_fake, tencent) = tencent(&clock).await;
    let notifier = builder(&clock).sender(SmsSender::new(tencent.clone())).build();
    tencent_fake.server().fail([Fault::CutAfterReading]);
    let job = notifier.send(order("order.paid")).await.unwrap().jobs.remove(0);
    assert_eq!(job.status, JobStatus::Unknown);
    for weak in ["short", "twenty-four bytes and / a slash", "二十四个字节以上但不是字母"] {
        assert_eq!(ReceiptRoutes::new(notifier.clone(), weak).unwrap_err().kind(), ErrorKind::ConfigInvalid, "{weak}");
    }
    let routes = ReceiptRoutes::new(notifier.clone(), SECRET).unwrap().reader(aliyun).reader(tencent);
    assert!(!format!("{routes:?}").contains(SECRET));
    let app = routes.clone().router::<()>();
    let (right, foreign) = (format!("/{SECRET}/tencent"), format!("/{}/tencent", SECRET.to_lowercase()));
    let status = |reference: &str, mobile: &str| {
        json!([{ "user_receive_time": "2026-11-20 16:00:03", "nationcode": "86", "mobile": mobile, "report_status": "SUCCESS",
            "errmsg": "DELIVRD", "sid": "5000:1", "ext": reference }])
        .to_string()
    };
    let reference = job.attempts[0].reference.as_str();
    let body = status(reference, "13800138000");
    let code = async |path: &str, body: String| post(&app, path, body).await.0;
    assert_eq!(code(&foreign, body.clone()).await, 404);
    assert_eq!(code(&format!("/{SECRET}/other"), body.clone()).await, 404);
    assert_eq!(code("/x/tencent", "x".repeat(1 << 20)).await, 404, "nothing is read of whom it does not know");
    assert_eq!(code(&right, String::new()).await, 400);
    assert_eq!(code(&right, "{}".to_owned()).await, 400);
    assert_eq!(code(&right, json!([1]).to_string()).await, 400);
    assert_eq!(code(&format!("/{SECRET}/aliyun"), body.clone()).await, 400, "Tencent's are none of Aliyun's");
    assert_eq!(code(&right, "x".repeat(256 * 1024 + 1)).await, 413);
    let many = serde_json::Value::from(vec![json!({ "report_status": "SUCCESS" }); 1001]).to_string();
    assert_eq!(code(&right, many).await, 400);
    let locked = routes.only_from(|parts| parts.headers.contains_key("x-from-tencent")).router::<()>();
    assert_eq!(post(&locked, &right, body.clone()).await.0, 404);
    let now = async || notifier.job(&job.id).await.unwrap().unwrap().status;
    // What concerns nothing on record, or another number, is taken and changes nothing.
    for nothing in [status("other", "13800138000"), status(reference, "13900139000"), "[]".to_owned()] {
        assert_eq!(code(&right, nothing).await, 200);
        assert_eq!(now().await, JobStatus::Unknown);
    }
    assert_eq!(post(&app, &right, body.clone()).await, (200, r#"{"result":0,"errmsg":"OK"}"#.to_owned()));
    assert_eq!(now().await, JobStatus::Delivered);
    assert_eq!(code(&right, body).await, 200, "a repetition is taken as well");
}
