//! A stand-in for Alipay: one gateway, requests signed over their sorted fields, answers signed as they stand.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Cursor, Write},
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    ids::PaymentId,
    payment::alipay::{Alipay, AlipayConfig, AlipayWay},
};

use super::{DEADLINE, Mood, keys, told};

pub const APP: &str = "2021000000000001";
pub const SELLER: &str = "2088000000000001";
pub const CALLBACK: &str = "https://tickets.example/api/v1/payments/alipay/callback";

pub type Fields = BTreeMap<String, String>;

/// What became of an order that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has read its code: there is no trade yet.
    Unread,
    Waiting,
    Paid,
    Closed,
}

#[derive(Clone, Debug)]
pub struct Trade {
    pub state: Stage,
    pub asked: Value,
    pub refunds: BTreeMap<String, (String, String)>,
}

pub struct Fake {
    pub mood: Mutex<Mood>,
    pub url: OnceLock<String>,
    pub trades: Mutex<HashMap<String, Trade>>,
    /// What is wrong with requests that came.
    complaints: Mutex<Vec<String>>,
    /// The bill of any day; without one there is none.
    pub bill: Mutex<Option<Vec<u8>>>,
}

pub fn number(payment: PaymentId) -> String {
    payment.0.simple().to_string()
}

/// In China, as Alipay writes it.
pub fn written(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap();
    jiff::tz::Offset::constant(8).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn minor(amount: &str) -> i64 {
    ticketing::money::parse_minor(amount).unwrap()
}

/// The fields that have a value, by name, without the signature.
fn covered(fields: &Fields, except: &[&str]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, value) in fields {
        if !except.contains(&name.as_str()) && !value.is_empty() {
            lines.push(format!("{name}={value}"));
        }
    }
    lines.join("&")
}

impl Fake {
    pub async fn start() -> Arc<Self> {
        let fake = Arc::new(Self {
            mood: Mutex::default(),
            url: OnceLock::new(),
            trades: Mutex::default(),
            complaints: Mutex::default(),
            bill: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        fake.url.set(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        fake
    }

    pub fn config(&self) -> AlipayConfig {
        config(format!("{}/gateway.do", self.url.get().unwrap()))
    }

    pub fn client(&self) -> Alipay {
        Alipay::new(&self.config(), CALLBACK.to_owned(), "https://tickets.example/".to_owned()).unwrap()
    }

    pub fn be(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    /// Every request so far was as documented.
    pub fn is_content(&self) {
        assert_eq!(*self.complaints.lock(), Vec::<String>::new());
    }

    pub fn trade(&self, payment: PaymentId) -> Trade {
        self.trades.lock()[&number(payment)].clone()
    }

    fn set(&self, payment: PaymentId, state: Stage) {
        self.trades.lock().get_mut(&number(payment)).unwrap().state = state;
    }

    /// Somebody's app reads the code.
    pub fn scan(&self, payment: PaymentId) {
        self.set(payment, Stage::Waiting);
    }

    pub fn pay(&self, payment: PaymentId) {
        self.set(payment, Stage::Paid);
    }

    /// The news of a trade as a form, with fields changed or, where they are `None`, left out.
    pub fn notification(&self, payment: PaymentId, id: &str, changes: &[(&str, Option<&str>)]) -> String {
        signed_form(&self.news(payment, id, changes), keys::theirs())
    }

    pub fn news(&self, payment: PaymentId, id: &str, changes: &[(&str, Option<&str>)]) -> Fields {
        let (number, trade) = (number(payment), self.trade(payment));
        let now = written(Millis::now());
        let state = if trade.state == Stage::Paid { "TRADE_SUCCESS" } else { "WAIT_BUYER_PAY" };
        let mut fields: Fields = [
            ("notify_time", now.as_str()),
            ("notify_type", "trade_status_sync"),
            ("notify_id", id),
            ("charset", "utf-8"),
            ("version", "1.0"),
            ("app_id", APP),
            ("auth_app_id", APP),
            ("seller_id", SELLER),
            ("buyer_id", "2088000000000777"),
            ("trade_no", &format!("2026{number}")),
            ("out_trade_no", &number),
            ("trade_status", state),
            ("total_amount", trade.asked["total_amount"].as_str().unwrap()),
            ("subject", "Tickets & 门票"),
            ("gmt_create", &now),
            ("gmt_payment", &now),
            ("fund_bill_list", "[{\"amount\":\"760.00\",\"fundChannel\":\"ALIPAYACCOUNT\"}]"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, value) in changes {
            match value {
                Some(value) => fields.insert((*name).to_owned(), (*value).to_owned()),
                None => fields.remove(*name),
            };
        }
        fields
    }

    fn complain(&self, what: String) -> Response {
        self.complaints.lock().push(what);
        StatusCode::BAD_REQUEST.into_response()
    }

    /// The fields of a request, if everything about them is right.
    fn checked(&self, form: &[u8]) -> Result<Fields, String> {
        let mut fields = Fields::new();
        for (name, value) in form_urlencoded::parse(form) {
            if fields.insert(name.to_string(), value.to_string()).is_some() {
                return Err(format!("{name} twice"));
            }
        }
        for (name, value) in
            [("app_id", APP), ("charset", "utf-8"), ("format", "JSON"), ("sign_type", "RSA2"), ("version", "1.0")]
        {
            if fields.get(name).map(String::as_str) != Some(value) {
                return Err(format!("{name}: {:?}", fields.get(name)));
            }
        }
        let sent =
            jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &fields["timestamp"]).map_err(|e| e.to_string())?;
        let sent = jiff::tz::Offset::constant(8).to_timestamp(sent).unwrap().as_millisecond();
        if (Millis::now().0 - sent).abs() > 300_000 {
            return Err(format!("sent at {sent}"));
        }
        let covered = covered(&fields, &["sign"]);
        if !keys::ours().is_signed(&covered, &fields["sign"]) {
            return Err(format!("not signed: {covered}"));
        }
        Ok(fields)
    }

    /// An answer, with the signature over its bytes.
    fn signed(&self, method: &str, content: &Value) -> Response {
        let (content, name) = (content.to_string(), method.replace('.', "_"));
        let pair = if *self.mood.lock() == Mood::Forged { keys::stranger() } else { keys::theirs() };
        let body = format!("{{\"{name}_response\":{content},\"sign\":\"{}\"}}", pair.sign(&content));
        ([(header::CONTENT_TYPE, "text/html;charset=utf-8")], body).into_response()
    }

    fn act(&self, method: &str, asked: &Value) -> Value {
        let refuse = |sub_code: &str| json!({"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "不行"});
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let mut trades = self.trades.lock();
        let fine = |mut answer: Value| {
            answer["code"] = "10000".into();
            answer["msg"] = "Success".into();
            answer
        };
        if method == "alipay.data.dataservice.bill.downloadurl.query" {
            if self.bill.lock().is_none() {
                return refuse("isp.bill_not_exist");
            }
            return fine(
                json!({"bill_download_url": format!("{}/bill?day={}", self.url.get().unwrap(), text("bill_date"))}),
            );
        }
        if method == "alipay.trade.precreate" {
            let number = text("out_trade_no");
            let new = Trade { state: Stage::Unread, asked: asked.clone(), refunds: BTreeMap::new() };
            let trade = trades.entry(number.clone()).or_insert(new);
            if trade.asked["total_amount"] != asked["total_amount"] {
                return refuse("ACQ.CONTEXT_INCONSISTENT");
            }
            let qr = format!("https://qr.alipay.com/{number}");
            return fine(json!({"out_trade_no": number, "qr_code": qr}));
        }
        let number = match text("trade_no").strip_prefix("2026") {
            Some(number) => number.to_owned(),
            None => text("out_trade_no"),
        };
        let Some(trade) = trades.get_mut(&number).filter(|trade| trade.state != Stage::Unread) else {
            return refuse("ACQ.TRADE_NOT_EXIST");
        };
        let total = trade.asked["total_amount"].as_str().unwrap().to_owned();
        let back = |trade: &Trade| trade.refunds.values().map(|(amount, _)| minor(amount)).sum::<i64>();
        let known = json!({"out_trade_no": number, "trade_no": format!("2026{number}")});
        match method {
            "alipay.trade.query" => {
                let mut answer = fine(known);
                answer["total_amount"] = total.clone().into();
                let all_back = back(trade) == minor(&total);
                answer["trade_status"] = match trade.state {
                    Stage::Waiting => "WAIT_BUYER_PAY",
                    Stage::Paid if !all_back => "TRADE_SUCCESS",
                    Stage::Paid | Stage::Closed | Stage::Unread => "TRADE_CLOSED",
                }
                .into();
                if trade.state == Stage::Paid {
                    answer["send_pay_date"] = written(Millis::now()).into();
                }
                answer
            }
            "alipay.trade.close" => match trade.state {
                Stage::Waiting => {
                    trade.state = Stage::Closed;
                    fine(known)
                }
                _ => refuse("ACQ.REASON_TRADE_STATUS_INVALID"),
            },
            "alipay.trade.refund" => {
                let (request, amount) = (text("out_request_no"), text("refund_amount"));
                let mut answer = fine(known);
                answer["refund_fee"] = amount.clone().into();
                if let Some((before, _)) = trade.refunds.get(&request) {
                    answer["fund_change"] = "N".into();
                    return if *before == amount { answer } else { refuse("ACQ.DISCORDANT_REPEAT_REQUEST") };
                }
                if trade.state != Stage::Paid {
                    return refuse("ACQ.TRADE_STATUS_ERROR");
                }
                if back(trade) + minor(&amount) > minor(&total) {
                    return refuse("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL");
                }
                trade.refunds.insert(request, (amount, text("refund_reason")));
                answer["fund_change"] = "Y".into();
                answer
            }
            "alipay.trade.fastpay.refund.query" => match trade.refunds.get(&text("out_request_no")) {
                Some((amount, _)) => {
                    let mut answer = fine(known);
                    answer["out_request_no"] = text("out_request_no").into();
                    answer["refund_amount"] = amount.clone().into();
                    answer["refund_status"] = "REFUND_SUCCESS".into();
                    answer
                }
                None => fine(json!({})),
            },
            other => json!({"code": "40002", "msg": other, "sub_code": "isv.invalid-method"}),
        }
    }

    /// The books of all trades as the archive that merchants fetch.
    pub fn write_bill(&self) {
        let mut rows = String::new();
        for (number, trade) in &*self.trades.lock() {
            let total = trade.asked["total_amount"].as_str().unwrap();
            if trade.state == Stage::Paid {
                rows += &format!("2026{number}\t,{number}\t,交易,Tickets,{total},{total},,0.00,\r\n");
            }
            for (request, (amount, _)) in &trade.refunds {
                rows += &format!("2026{number}\t,{number}\t,退款,Tickets,-{amount},-{amount},{request}\t,0.00,\r\n");
            }
        }
        *self.bill.lock() = Some(archive(&rows));
    }
}

/// The two tables of a day, in GBK.
pub fn archive(rows: &str) -> Vec<u8> {
    let details = format!(
        "#支付宝业务明细查询\r\n#账号:[20880000000000010156]\r\n#-----业务明细列表-----\r\n\
         支付宝交易号,商户订单号,业务类型,商品名称,订单金额(元),商家实收(元),退款批次号/请求号,服务费(元),备注\r\n{rows}\
         #-----业务明细列表结束-----\r\n"
    );
    let sums = "#支付宝业务汇总查询\r\n门店编号,门店名称,交易订单总笔数,退款订单总笔数\r\n合计,,1,1\r\n";
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("sums.csv", sums), ("details.csv", details.as_str())] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&encoding_rs::GBK.encode(text).0).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A form of these fields, signed.
pub fn signed_form(fields: &Fields, pair: &keys::Pair) -> String {
    let mut fields = fields.clone();
    fields.insert("sign".to_owned(), pair.sign(&covered(&fields, &["sign", "sign_type"])));
    fields.insert("sign_type".to_owned(), "RSA2".to_owned());
    form(&fields)
}

pub fn form(fields: &Fields) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub fn config(endpoint: String) -> AlipayConfig {
    AlipayConfig {
        app_id: APP.to_owned(),
        seller_id: SELLER.to_owned(),
        private_key: keys::ours().private.clone().into(),
        public_key: keys::theirs().public.clone(),
        way: AlipayWay::Qr,
        endpoint,
        timeout: DEADLINE,
    }
}

async fn answer(State(fake): State<Arc<Fake>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *fake.mood.lock();
    let answer = match (method.as_str(), uri.path()) {
        ("GET", "/bill") => match fake.bill.lock().clone() {
            Some(bill) => bill.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        // A buyer who was sent here.
        ("GET", "/gateway.do") => match fake.checked(uri.query().unwrap_or_default().as_bytes()) {
            Ok(fields) if fields["method"] == "alipay.trade.page.pay" && fields["notify_url"] == CALLBACK => {
                let asked: Value = serde_json::from_str(&fields["biz_content"]).unwrap();
                assert_eq!(asked["product_code"], "FAST_INSTANT_TRADE_PAY");
                let number = asked["out_trade_no"].as_str().unwrap().to_owned();
                let new = Trade { state: Stage::Waiting, asked, refunds: BTreeMap::new() };
                fake.trades.lock().entry(number).or_insert(new);
                "<html>Alipay</html>".into_response()
            }
            Ok(fields) => fake.complain(format!("{fields:?}")),
            Err(complaint) => fake.complain(complaint),
        },
        ("POST", "/gateway.do") => {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind != "application/x-www-form-urlencoded;charset=utf-8" {
                return fake.complain(format!("content type {kind}"));
            }
            match fake.checked(&body) {
                Ok(fields) => {
                    let method = &fields["method"];
                    if method == "alipay.trade.precreate" && fields["notify_url"] != CALLBACK {
                        return fake.complain(format!("notify_url {}", fields["notify_url"]));
                    }
                    let asked = serde_json::from_str(&fields["biz_content"]).unwrap();
                    fake.signed(method, &fake.act(method, &asked))
                }
                Err(complaint) => fake.complain(complaint),
            }
        }
        (method, path) => fake.complain(format!("nobody documented {method} {path}")),
    };
    told(mood, answer).await
}
