//! Against a stand-in for WeChat Pay that checks every signature, seals its notifications and answers as documented.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{notification::Sealed, *};
use crate::{
    ids::RefundId,
    payment::provider::{News, StatementEntry},
};

const V3: &str = "0123456789abcdef0123456789abcdef";
const MERCHANT: &str = "1900000001";
const APP: &str = "wx0000000000000001";
const SERIAL: &str = "5157F09EFDC096DE15EBE81A47057A72";
const THEIR_SERIAL: &str = "PUB_KEY_ID_0119000000012026";

/// A private key and its public one, PEM. Making them takes long: once for all tests.
fn keys() -> &'static [(String, String); 3] {
    static KEYS: OnceLock<[(String, String); 3]> = OnceLock::new();
    KEYS.get_or_init(|| {
        std::array::from_fn(|_| {
            let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
            let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
            let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let pem = |name: &str, der: &[u8]| {
                format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", BASE64_STANDARD.encode(der))
            };
            (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
        })
    })
}

/// How the stand-in behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Signs with somebody else's key.
    Forged,
    /// Signs as if an hour ago.
    Old,
}

struct Fake {
    mood: Mutex<Mood>,
    ours: VerifyingKey,
    theirs: SigningKey,
    stranger: SigningKey,
    charges: Mutex<HashMap<String, Value>>,
    refunds: Mutex<HashMap<String, Value>>,
    nonces: Mutex<Vec<String>>,
    url: OnceLock<String>,
}

impl Fake {
    async fn start() -> (Arc<Self>, WeChat) {
        let [ours, theirs, stranger] = keys();
        let fake = Arc::new(Self {
            mood: Mutex::new(Mood::Fine),
            ours: VerifyingKey::read(&ours.1).unwrap(),
            theirs: SigningKey::read(&theirs.0).unwrap(),
            stranger: SigningKey::read(&stranger.0).unwrap(),
            charges: Mutex::default(),
            refunds: Mutex::default(),
            nonces: Mutex::default(),
            url: OnceLock::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        fake.url.set(url.clone()).unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let provider = WeChat::new(&config(url), "https://tickets.example/callback".to_owned()).unwrap();
        (fake, provider)
    }

    fn signed(&self, status: StatusCode, body: &str) -> Response {
        let (headers, mood) = (self.headers(body, 0), *self.mood.lock());
        assert!(matches!(mood, Mood::Fine | Mood::Forged | Mood::Old));
        (status, headers, body.to_owned()).into_response()
    }

    fn headers(&self, body: &str, shift: i64) -> HeaderMap {
        let mood = *self.mood.lock();
        let seconds = Millis::now().0 / 1_000 + shift - if mood == Mood::Old { 3_600 } else { 0 };
        let key = if mood == Mood::Forged { &self.stranger } else { &self.theirs };
        let signature = key.sign(format!("{seconds}\nnonce\n{body}\n").as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("Wechatpay-Timestamp", seconds.into());
        headers.insert("Wechatpay-Nonce", "nonce".parse().unwrap());
        headers.insert("Wechatpay-Signature", signature.parse().unwrap());
        headers.insert("Wechatpay-Serial", THEIR_SERIAL.parse().unwrap());
        headers
    }

    /// Recomputes the signature of a request; no nonce comes twice.
    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &str) {
        let line = headers["authorization"].to_str().unwrap().strip_prefix("WECHATPAY2-SHA256-RSA2048 ").unwrap();
        let parts: HashMap<&str, &str> = line
            .split(',')
            .map(|part| part.split_once('=').map(|(name, value)| (name, value.trim_matches('"'))).unwrap())
            .collect();
        assert_eq!((parts["mchid"], parts["serial_no"]), (MERCHANT, SERIAL));
        let seconds: i64 = parts["timestamp"].parse().unwrap();
        assert!((Millis::now().0 / 1_000 - seconds).abs() < 300);
        let message = format!("{method}\n{uri}\n{seconds}\n{}\n{body}\n", parts["nonce_str"]);
        assert!(self.ours.is_signed(message.as_bytes(), parts["signature"]), "{message}");
        let mut nonces = self.nonces.lock();
        assert!(!nonces.iter().any(|nonce| nonce == parts["nonce_str"]));
        nonces.push(parts["nonce_str"].to_owned());
    }

    /// Somebody pays.
    fn pay(&self, payment: PaymentId) -> Value {
        let mut charges = self.charges.lock();
        let charge = charges.get_mut(&payment.0.simple().to_string()).unwrap();
        charge["trade_state"] = "SUCCESS".into();
        charge["transaction_id"] = format!("42000{}", payment.0.simple()).into();
        charge.clone()
    }

    fn notification(&self, event: &str, said: &Value) -> (HeaderMap, String) {
        let ciphertext = Sealed::new(V3.as_bytes()).unwrap().seal("abcdefghijkl", "transaction", said);
        let resource = json!({"algorithm": "AEAD_AES_256_GCM", "ciphertext": ciphertext, "nonce": "abcdefghijkl",
            "associated_data": "transaction", "original_type": "transaction"});
        let body = json!({"id": "EV-1", "create_time": "2026-11-22T10:00:00+08:00", "event_type": event,
            "resource_type": "encrypt-resource", "resource": resource})
        .to_string();
        (self.headers(&body, 0), body)
    }
}

async fn answer(State(fake): State<Arc<Fake>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    fake.check(&method, &uri, &headers, &body);
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let refuse = |status: u16, code: &str| {
        let text = json!({"code": code, "message": "no"}).to_string();
        fake.signed(StatusCode::from_u16(status).unwrap(), &text)
    };
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    match (method.as_str(), &parts[..]) {
        ("POST", ["v3", "pay", "transactions", "native"]) => {
            let number = asked["out_trade_no"].as_str().unwrap().to_owned();
            let mut charge = asked;
            charge["trade_state"] = "NOTPAY".into();
            fake.charges.lock().entry(number.clone()).or_insert(charge);
            fake.signed(
                StatusCode::OK,
                &json!({"code_url": format!("weixin://wxpay/bizpayurl?pr={number}")}).to_string(),
            )
        }
        ("GET", ["v3", "pay", "transactions", "out-trade-no", number]) => {
            let charge = fake.charges.lock().get(*number).cloned();
            match charge {
                Some(charge) => fake.signed(StatusCode::OK, &charge.to_string()),
                None => refuse(404, "ORDER_NOT_EXIST"),
            }
        }
        ("POST", ["v3", "pay", "transactions", "out-trade-no", number, "close"]) => {
            let state = {
                let mut charges = fake.charges.lock();
                let charge = charges.get_mut(*number);
                charge.map(|charge| {
                    if charge["trade_state"] == "NOTPAY" {
                        charge["trade_state"] = "CLOSED".into();
                    }
                    charge["trade_state"].clone()
                })
            };
            match state {
                Some(state) if state == "CLOSED" => fake.signed(StatusCode::NO_CONTENT, ""),
                Some(_) => refuse(400, "ORDER_PAID"),
                None => refuse(404, "ORDER_NOT_EXIST"),
            }
        }
        ("POST", ["v3", "refund", "domestic", "refunds"]) => {
            let number = asked["out_refund_no"].as_str().unwrap().to_owned();
            let mut refunds = fake.refunds.lock();
            let before: i64 = refunds.values().map(|one| one["amount"]["refund"].as_i64().unwrap()).sum();
            let wanted = asked["amount"]["refund"].as_i64().unwrap();
            if !refunds.contains_key(&number) {
                if before + wanted > asked["amount"]["total"].as_i64().unwrap() {
                    return refuse(400, "INVALID_REQUEST");
                }
                let mut refund = asked;
                refund["status"] = "PROCESSING".into();
                refunds.insert(number.clone(), refund);
            }
            fake.signed(StatusCode::OK, &refunds[&number].to_string())
        }
        ("GET", ["v3", "refund", "domestic", "refunds", number]) => {
            let refund = fake.refunds.lock().get(*number).cloned();
            match refund {
                Some(refund) => fake.signed(StatusCode::OK, &refund.to_string()),
                None => refuse(404, "RESOURCE_NOT_EXISTS"),
            }
        }
        ("GET", ["v3", "bill", "tradebill"]) if uri.query().unwrap().contains("2026-11-20") => {
            refuse(400, "NO_STATEMENT_EXIST")
        }
        ("GET", ["v3", "bill", "tradebill"]) => {
            let wrong = uri.query().unwrap().contains("2026-11-19");
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, BILL.as_bytes());
            let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let hash = if wrong { "0".repeat(40) } else { hash };
            let link = format!("{}/v3/billdownload/file?token=x", fake.url.get().unwrap());
            let text = json!({"hash_type": "SHA1", "hash_value": hash, "download_url": link}).to_string();
            fake.signed(StatusCode::OK, &text)
        }
        ("GET", ["v3", "billdownload", "file"]) => BILL.into_response(),
        other => panic!("nobody documented {other:?}"),
    }
}

const BILL: &str = "\u{feff}交易时间,公众账号ID,微信订单号,商户订单号,交易状态,货币种类,应结订单金额,商户退款单号,退款金额,订单金额,申请退款金额\r\n\
`2026-11-21 10:00:00,`wx,`4200001,`0190a0a0a0a07000800000000000000a,`SUCCESS,`CNY,`760.00,`0,`0.00,`760.00,`0.00\r\n\
`2026-11-21 11:00:00,`wx,`4200001,`0190a0a0a0a07000800000000000000a,`REFUND,`CNY,`0.00,`0190a0a0a0a07000800000000000000b,`608.00,`760.00,`608.00\r\n\
总交易单数,应结订单总金额\r\n`2,`760.00\r\n";

fn config(endpoint: String) -> WeChatConfig {
    let [ours, theirs, _] = keys();
    WeChatConfig {
        app_id: APP.to_owned(),
        merchant_id: MERCHANT.to_owned(),
        serial: SERIAL.to_owned(),
        private_key: ours.0.clone().into(),
        api_v3_key: V3.to_owned().into(),
        public_key_id: THEIR_SERIAL.to_owned(),
        public_key: theirs.1.clone(),
        endpoint,
    }
}

fn cny(minor: i64) -> Money {
    Money { minor, currency: Currency::CNY }
}

fn a_charge() -> Charge {
    let expires_at = Millis::now().plus(std::time::Duration::from_secs(900));
    Charge { payment: PaymentId::new(), amount: cny(76_000), expires_at }
}

#[tokio::test]
async fn a_charge_is_opened_paid_refunded_in_part_and_never_too_much() {
    let (fake, wechat) = Fake::start().await;
    let charge = a_charge();
    assert_eq!(wechat.query(charge.payment).await.unwrap(), ChargeState::Unknown);
    for _ in 0..2 {
        let till = wechat.open(&charge).await.unwrap();
        assert!(till.url.is_none() && till.qr.unwrap().starts_with("weixin://"), "the code that the provider answered");
    }
    let opened = fake.charges.lock()[&charge.payment.0.simple().to_string()].clone();
    assert_eq!((&opened["amount"]["total"], &opened["appid"]), (&json!(76_000), &json!(APP)));
    let expires = opened["time_expire"].as_str().unwrap();
    assert!(expires.len() == 25 && expires.ends_with("+08:00"), "{expires}");
    let at: jiff::Timestamp = expires.parse().unwrap();
    assert_eq!(at.as_second(), charge.expires_at.0 / 1_000);
    assert_eq!(wechat.query(charge.payment).await.unwrap(), ChargeState::Open);
    fake.pay(charge.payment);
    let txn = format!("42000{}", charge.payment.0.simple());
    let taken = Taken { txn: txn.clone(), amount: cny(76_000) };
    assert_eq!(wechat.query(charge.payment).await.unwrap(), ChargeState::Paid(taken.clone()));
    assert_eq!(wechat.close(charge.payment).await.unwrap(), Close::AlreadyPaid(taken));

    let refund = |minor| RefundOrder {
        id: RefundId::new(),
        payment: charge.payment,
        txn: txn.clone(),
        amount: cny(minor),
        charged: cny(76_000),
        reason: "a reason that is much longer than the twenty-six characters which it may have".to_owned(),
    };
    let first = refund(60_800);
    assert_eq!(wechat.query_refund(&first).await.unwrap(), Returned::Unknown);
    for _ in 0..2 {
        assert_eq!(wechat.refund(&first).await.unwrap(), Returned::Processing);
    }
    fake.refunds.lock().get_mut(&first.id.0.simple().to_string()).unwrap()["status"] = "SUCCESS".into();
    assert_eq!(wechat.query_refund(&first).await.unwrap(), Returned::Done);
    assert_eq!(wechat.refund(&refund(15_201)).await.unwrap(), Returned::Refused("INVALID_REQUEST".to_owned()));

    let other = a_charge();
    assert_eq!(wechat.close(other.payment).await.unwrap(), Close::Closed, "never opened");
    wechat.open(&other).await.unwrap();
    assert_eq!(wechat.close(other.payment).await.unwrap(), Close::Closed);
    assert_eq!(wechat.query(other.payment).await.unwrap(), ChargeState::Closed);
    let euros = Charge { amount: Money { minor: 1, currency: Currency::EUR }, ..a_charge() };
    assert!(wechat.open(&euros).await.is_err());
}

#[tokio::test]
async fn answers_that_somebody_else_signed_or_that_are_old_are_not_believed() {
    let (fake, wechat) = Fake::start().await;
    let charge = a_charge();
    wechat.open(&charge).await.unwrap();
    for mood in [Mood::Forged, Mood::Old] {
        *fake.mood.lock() = mood;
        assert!(wechat.query(charge.payment).await.is_err(), "{mood:?}");
        assert!(wechat.close(charge.payment).await.is_err(), "{mood:?}");
        // Not even a refusal is.
        assert!(wechat.query(PaymentId::new()).await.is_err(), "{mood:?}");
    }
}

#[tokio::test]
async fn notifications_are_opened_only_when_they_are_signed_fresh_and_for_us() {
    let (fake, wechat) = Fake::start().await;
    let charge = a_charge();
    wechat.open(&charge).await.unwrap();
    let paid = fake.pay(charge.payment);
    let (headers, body) = fake.notification("TRANSACTION.SUCCESS", &paid);
    let read = wechat.read_notification(&headers, body.as_bytes()).unwrap();
    assert_eq!(read.id, "EV-1");
    let News::Charge { payment, amount, paid: was_paid, .. } = read.news else { panic!("{read:?}") };
    assert_eq!((payment, amount, was_paid), (charge.payment, cny(76_000), true));

    let refund = RefundId::new();
    for (status, expected) in [("SUCCESS", Returned::Done), ("PROCESSING", Returned::Processing)] {
        let said = json!({"mchid": MERCHANT, "out_refund_no": refund.0.simple().to_string(), "refund_status": status});
        let (headers, body) = fake.notification("REFUND.SUCCESS", &said);
        let read = wechat.read_notification(&headers, body.as_bytes()).unwrap();
        let News::Refund { refund: which, outcome } = read.news else { panic!("{read:?}") };
        assert_eq!((which, outcome), (refund, expected));
    }

    // Each part of the signature counts, and each byte of the body.
    for name in ["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial"] {
        for value in [Some("1"), None] {
            let mut changed = headers.clone();
            changed.remove(name);
            if let Some(value) = value {
                changed.insert(name, value.parse().unwrap());
            }
            let refused = wechat.read_notification(&changed, body.as_bytes());
            assert!(matches!(refused, Err(BadNotification::Signature(_))), "{name}: {refused:?}");
        }
    }
    let changed = body.replace("EV-1", "EV-2");
    assert!(matches!(wechat.read_notification(&headers, changed.as_bytes()), Err(BadNotification::Signature(_))));
    for shift in [-301, 310] {
        let late = fake.headers(&body, shift);
        assert!(matches!(wechat.read_notification(&late, body.as_bytes()), Err(BadNotification::Stale(_))), "{shift}");
    }
    // Signed, but not for us, or not sealed with our key.
    for (name, value) in [("mchid", "1900000002"), ("appid", "wx2"), ("out_trade_no", "7"), ("trade_state", "?")] {
        let mut said = paid.clone();
        said[name] = value.into();
        let (headers, body) = fake.notification("TRANSACTION.SUCCESS", &said);
        let refused = wechat.read_notification(&headers, body.as_bytes());
        assert!(matches!(refused, Err(BadNotification::Malformed(_))), "{name}: {refused:?}");
    }
    let torn = body.replace("\"abcdefghijkl\"", "\"bbcdefghijkl\"");
    let refused = wechat.read_notification(&fake.headers(&torn, 0), torn.as_bytes());
    assert!(matches!(refused, Err(BadNotification::Malformed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_bill_is_fetched_and_its_hash_is_checked() {
    let (_fake, wechat) = Fake::start().await;
    let lines = wechat.statement(jiff::civil::date(2026, 11, 21)).await.unwrap();
    let payment = "0190a0a0a0a07000800000000000000a".to_owned();
    let refund = "0190a0a0a0a07000800000000000000b".to_owned();
    assert_eq!(
        lines,
        [
            StatementLine { entry: StatementEntry::Charge { txn: "4200001".to_owned(), payment }, amount: cny(76_000) },
            StatementLine { entry: StatementEntry::Refund { refund }, amount: cny(60_800) },
        ]
    );
    assert_eq!(wechat.statement(jiff::civil::date(2026, 11, 20)).await.unwrap(), []);
    assert!(wechat.statement(jiff::civil::date(2026, 11, 19)).await.is_err(), "a wrong hash");
}

#[test]
fn accounts_that_cannot_work_are_refused_and_never_printed() {
    let fine = || config("https://api.example".to_owned());
    let refused = |change: fn(&mut WeChatConfig)| {
        let mut config = fine();
        change(&mut config);
        WeChat::new(&config, String::new()).unwrap_err().to_string()
    };
    assert!(refused(|config| config.private_key = "nonsense".to_owned().into()).contains("private-key"));
    assert!(refused(|config| config.public_key = "AAAA".to_owned()).contains("public-key"));
    assert!(refused(|config| config.api_v3_key = "short".to_owned().into()).contains("api-v3-key"));
    assert!(refused(|config| config.endpoint = "http://api.example".to_owned()).contains("endpoint"));
    let printed = format!("{:?} {:?}", fine(), WeChat::new(&fine(), String::new()).unwrap());
    let secret = keys()[0].0.lines().nth(1).unwrap();
    assert!(!printed.contains(V3) && !printed.contains(&secret[..40]), "{printed}");
}
