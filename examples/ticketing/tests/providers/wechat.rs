//! A stand-in for WeChat Pay: requests signed in a header, answers and sealed notifications likewise.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
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
use ticketing::{
    clock::Millis,
    ids::PaymentId,
    payment::wechat::{WeChat, WeChatConfig},
};

use super::{DEADLINE, Mood, keys, told};

pub const V3: &str = "0123456789abcdef0123456789abcdef";
pub const MERCHANT: &str = "1900000001";
pub const APP: &str = "wx0000000000000001";
const SERIAL: &str = "5157F09EFDC096DE15EBE81A47057A72";
const THEIR_SERIAL: &str = "PUB_KEY_ID_0119000000012026";

pub struct Fake {
    pub mood: Mutex<Mood>,
    pub charges: Mutex<HashMap<String, Value>>,
    pub refunds: Mutex<HashMap<String, Value>>,
    nonces: Mutex<Vec<String>>,
    complaints: Mutex<Vec<String>>,
    pub url: OnceLock<String>,
}

impl Fake {
    pub async fn start() -> (Arc<Self>, WeChat) {
        let fake = Arc::new(Self {
            mood: Mutex::default(),
            charges: Mutex::default(),
            refunds: Mutex::default(),
            nonces: Mutex::default(),
            complaints: Mutex::default(),
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

    /// Every request so far was as documented.
    pub fn is_content(&self) {
        assert_eq!(*self.complaints.lock(), Vec::<String>::new());
    }

    pub fn charge(&self, payment: PaymentId) -> Value {
        self.charges.lock()[&payment.0.simple().to_string()].clone()
    }

    fn signed(&self, status: StatusCode, body: &str) -> Response {
        (status, self.headers(body, 0), body.to_owned()).into_response()
    }

    pub fn headers(&self, body: &str, shift: i64) -> HeaderMap {
        let mood = *self.mood.lock();
        let seconds = Millis::now().0 / 1_000 + shift - if mood == Mood::Old { 3_600 } else { 0 };
        let pair = if mood == Mood::Forged { keys::stranger() } else { keys::theirs() };
        let signature = pair.sign(&format!("{seconds}\nnonce\n{body}\n"));
        let mut headers = HeaderMap::new();
        headers.insert("Wechatpay-Timestamp", seconds.into());
        headers.insert("Wechatpay-Nonce", "nonce".parse().unwrap());
        headers.insert("Wechatpay-Signature", signature.parse().unwrap());
        headers.insert("Wechatpay-Serial", THEIR_SERIAL.parse().unwrap());
        headers
    }

    /// Recomputes the signature of a request; no nonce comes twice.
    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &str) -> Option<()> {
        let line = headers.get("authorization")?.to_str().ok()?.strip_prefix("WECHATPAY2-SHA256-RSA2048 ")?;
        let parts: Option<HashMap<&str, &str>> = line
            .split(',')
            .map(|part| part.split_once('=').map(|(name, value)| (name, value.trim_matches('"'))))
            .collect();
        let parts = parts?;
        let seconds: i64 = parts.get("timestamp")?.parse().ok()?;
        let nonce = (*parts.get("nonce_str")?).to_owned();
        let message = format!("{method}\n{uri}\n{seconds}\n{nonce}\n{body}\n");
        let mut nonces = self.nonces.lock();
        let fine = *parts.get("mchid")? == MERCHANT
            && *parts.get("serial_no")? == SERIAL
            && (Millis::now().0 / 1_000 - seconds).abs() < 300
            && keys::ours().is_signed(&message, parts.get("signature")?)
            && !nonces.contains(&nonce);
        nonces.push(nonce);
        fine.then_some(())
    }

    /// Somebody pays.
    pub fn pay(&self, payment: PaymentId) -> Value {
        let mut charges = self.charges.lock();
        let charge = charges.get_mut(&payment.0.simple().to_string()).unwrap();
        charge["trade_state"] = "SUCCESS".into();
        charge["transaction_id"] = format!("42000{}", payment.0.simple()).into();
        charge.clone()
    }

    pub fn notification(&self, id: &str, event: &str, said: &Value) -> (HeaderMap, String) {
        let mut sealed = said.to_string().into_bytes();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, V3.as_bytes()).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(b"abcdefghijkl").unwrap();
        key.seal_in_place_append_tag(nonce, Aad::from(b"transaction"), &mut sealed).unwrap();
        let ciphertext = BASE64_STANDARD.encode(sealed);
        let resource = json!({"algorithm": "AEAD_AES_256_GCM", "ciphertext": ciphertext, "nonce": "abcdefghijkl",
            "associated_data": "transaction", "original_type": "transaction"});
        let body = json!({"id": id, "create_time": "2026-11-22T10:00:00+08:00", "event_type": event,
            "resource_type": "encrypt-resource", "resource": resource})
        .to_string();
        (self.headers(&body, 0), body)
    }
}

async fn answer(State(fake): State<Arc<Fake>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *fake.mood.lock();
    let body = String::from_utf8(body.to_vec()).unwrap();
    if fake.check(&method, &uri, &headers, &body).is_none() {
        fake.complaints.lock().push(format!("{method} {uri} {headers:?} {body}"));
        return StatusCode::BAD_REQUEST.into_response();
    }
    let answer = act(&fake, &method, &uri, &body);
    told(mood, answer).await
}

fn act(fake: &Fake, method: &Method, uri: &Uri, body: &str) -> Response {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
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
        other => {
            fake.complaints.lock().push(format!("nobody documented {other:?}"));
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

const BILL: &str = "\u{feff}交易时间,公众账号ID,微信订单号,商户订单号,交易状态,货币种类,应结订单金额,商户退款单号,退款金额,订单金额,申请退款金额\r\n\
`2026-11-21 10:00:00,`wx,`4200001,`0190a0a0a0a07000800000000000000a,`SUCCESS,`CNY,`760.00,`0,`0.00,`760.00,`0.00\r\n\
`2026-11-21 11:00:00,`wx,`4200001,`0190a0a0a0a07000800000000000000a,`REFUND,`CNY,`0.00,`0190a0a0a0a07000800000000000000b,`608.00,`760.00,`608.00\r\n\
总交易单数,应结订单总金额\r\n`2,`760.00\r\n";

pub fn config(endpoint: String) -> WeChatConfig {
    WeChatConfig {
        app_id: APP.to_owned(),
        merchant_id: MERCHANT.to_owned(),
        serial: SERIAL.to_owned(),
        private_key: keys::ours().private.clone().into(),
        api_v3_key: V3.to_owned().into(),
        public_key_id: THEIR_SERIAL.to_owned(),
        public_key: keys::theirs().public.clone(),
        endpoint,
        timeout: DEADLINE,
    }
}
