//! The client of Alipay alone.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderMap;
use nebula_test_support::{TcpProxy, eventually};
use serde_json::json;
use ticketing::{
    clock::Millis,
    ids::{PaymentId, RefundId},
    money::{Currency, Money},
    payment::{
        alipay::{Alipay, AlipayConfig, AlipayWay},
        provider::{
            BadNotification, Charge, ChargeState, Close, News, Notification, PaymentProvider, RefundOrder, Returned,
            StatementEntry, StatementLine, Taken,
        },
    },
};

use super::{
    DEADLINE, Mood, PATIENCE, a_charge,
    alipay::{APP, Fake, SELLER, Stage, archive, config, form, number, signed_form, written},
    cny, keys,
};

fn txn(payment: PaymentId) -> String {
    format!("2026{}", number(payment))
}

fn refund(charge: &Charge, minor: i64, reason: &str) -> RefundOrder {
    RefundOrder {
        id: RefundId::new(),
        payment: charge.payment,
        txn: txn(charge.payment),
        amount: cny(minor),
        charged: charge.amount,
        reason: reason.to_owned(),
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it gives up by itself")
}

#[tokio::test]
async fn a_code_is_opened_read_paid_and_refunded_in_part_and_never_too_much() {
    let fake = Fake::start().await;
    let alipay = fake.client();
    let charge = a_charge();
    assert_eq!(alipay.query(charge.payment).await.unwrap(), ChargeState::Unknown);
    for _ in 0..2 {
        let till = alipay.open(&charge).await.unwrap();
        let qr = format!("https://qr.alipay.com/{}", number(charge.payment));
        assert_eq!((till.url, till.qr), (None, Some(qr)), "the code that the provider answered");
    }
    let opened = fake.trade(charge.payment).asked;
    assert_eq!(opened["total_amount"], "760.00");
    assert_eq!(opened["time_expire"], written(charge.expires_at).as_str(), "in China's time");
    // A code that nobody has read is no trade.
    assert_eq!(alipay.query(charge.payment).await.unwrap(), ChargeState::Unknown);
    fake.scan(charge.payment);
    assert_eq!(alipay.query(charge.payment).await.unwrap(), ChargeState::Open);
    fake.pay(charge.payment);
    let taken = Taken { txn: txn(charge.payment), amount: cny(76_000) };
    assert_eq!(alipay.query(charge.payment).await.unwrap(), ChargeState::Paid(taken.clone()));
    assert_eq!(alipay.close(charge.payment).await.unwrap(), Close::AlreadyPaid(taken.clone()));

    let long = "a reason that is much longer than the eighty characters which Alipay keeps of one, and then some";
    let first = refund(&charge, 60_800, long);
    assert_eq!(alipay.query_refund(&first).await.unwrap(), Returned::Unknown);
    for _ in 0..2 {
        assert_eq!(alipay.refund(&first).await.unwrap(), Returned::Done, "repeated, it moves nothing and is done");
    }
    assert_eq!(alipay.query_refund(&first).await.unwrap(), Returned::Done);
    let kept = fake.trade(charge.payment).refunds[&first.id.0.simple().to_string()].clone();
    assert_eq!(kept, ("608.00".to_owned(), long[..80].to_owned()));
    let much = Returned::Refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL".to_owned());
    assert_eq!(alipay.refund(&refund(&charge, 15_201, "")).await.unwrap(), much);
    let other = RefundOrder { amount: cny(1), ..first };
    let other = alipay.refund(&other).await.unwrap();
    assert_eq!(other, Returned::Refused("ACQ.DISCORDANT_REPEAT_REQUEST".to_owned()));
    assert_eq!(alipay.refund(&refund(&charge, 15_200, "the rest")).await.unwrap(), Returned::Done);
    assert_eq!(alipay.query(charge.payment).await.unwrap(), ChargeState::Paid(taken), "given back, but it was paid");

    let unknown = RefundOrder { txn: "2026x".to_owned(), ..refund(&charge, 1, "") };
    assert_eq!(alipay.refund(&unknown).await.unwrap(), Returned::Refused("ACQ.TRADE_NOT_EXIST".to_owned()));
    assert_eq!(alipay.query_refund(&unknown).await.unwrap(), Returned::Unknown);
    let euros = Charge { amount: Money { minor: 1, currency: Currency::EUR }, ..a_charge() };
    assert!(alipay.open(&euros).await.is_err());
    fake.is_content();
}

#[tokio::test]
async fn charges_are_closed_whether_or_not_somebody_read_their_code() {
    let fake = Fake::start().await;
    let alipay = fake.client();
    let (never, unread, read) = (a_charge(), a_charge(), a_charge());
    assert_eq!(alipay.close(never.payment).await.unwrap(), Close::Closed, "never opened");
    alipay.open(&unread).await.unwrap();
    assert_eq!(alipay.close(unread.payment).await.unwrap(), Close::Closed, "it ends by its time");
    alipay.open(&read).await.unwrap();
    fake.scan(read.payment);
    assert_eq!(alipay.close(read.payment).await.unwrap(), Close::Closed);
    assert_eq!(alipay.query(read.payment).await.unwrap(), ChargeState::Closed);
    assert_eq!(fake.trade(read.payment).state, Stage::Closed);
    // Until its time is over an unread code may still be paid: the money is found by asking, too.
    fake.pay(unread.payment);
    assert!(matches!(alipay.query(unread.payment).await.unwrap(), ChargeState::Paid(_)));
    fake.is_content();
}

#[tokio::test]
async fn buyers_are_sent_to_a_signed_address() {
    let fake = Fake::start().await;
    let config = AlipayConfig { way: AlipayWay::Page, ..fake.config() };
    let back = "https://tickets.example/orders/1?a=b&c=d".to_owned();
    let alipay = Alipay::new(&config, super::alipay::CALLBACK.to_owned(), back.clone()).unwrap();
    let charge = a_charge();
    let till = alipay.open(&charge).await.unwrap();
    let (url, qr) = (till.url.unwrap(), till.qr);
    assert_eq!(qr, None);
    assert!(
        reqwest::Url::parse(&url).unwrap().query_pairs().any(|(name, value)| name == "return_url" && value == back)
    );
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(browser.get(&url).send().await.unwrap().status().is_success());
    assert_eq!(alipay.query(charge.payment).await.unwrap(), ChargeState::Open);
    fake.is_content();
    // Whoever changes it is sent away: the stand-in does check.
    assert!(!browser.get(url.replace("760.00", "0.01")).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn answers_that_somebody_else_signed_or_that_do_not_come_are_not_believed() {
    let fake = Fake::start().await;
    let proxy = TcpProxy::to_port(fake.url.get().unwrap().rsplit(':').next().unwrap().parse().unwrap()).await;
    let endpoint = format!("http://127.0.0.1:{}/gateway.do", proxy.port());
    let client = |timeout| {
        let config = AlipayConfig { timeout, ..config(endpoint.clone()) };
        Alipay::new(&config, super::alipay::CALLBACK.to_owned(), String::new()).unwrap()
    };
    let (alipay, hasty) = (client(DEADLINE), client(PATIENCE));
    let charge = a_charge();
    alipay.open(&charge).await.unwrap();
    fake.scan(charge.payment);
    fake.pay(charge.payment);
    let order = refund(&charge, 100, "x");
    for (mood, alipay) in [(Mood::Forged, &alipay), (Mood::Away, &alipay), (Mood::Silent, &hasty), (Mood::Half, &hasty)]
    {
        fake.be(mood);
        assert!(in_time(alipay.query(charge.payment)).await.is_err(), "{mood:?}");
        assert!(in_time(alipay.close(charge.payment)).await.is_err(), "{mood:?}");
        assert!(in_time(alipay.open(&a_charge())).await.is_err(), "{mood:?}");
        assert!(in_time(alipay.refund(&order)).await.is_err(), "{mood:?}");
        // Not even a refusal is.
        assert!(in_time(alipay.query(PaymentId::new())).await.is_err(), "{mood:?}");
        assert!(in_time(alipay.statement(jiff::civil::date(2026, 11, 21))).await.is_err(), "{mood:?}");
    }
    fake.be(Mood::Fine);
    // Whatever was not answered was done once.
    assert_eq!(alipay.refund(&order).await.unwrap(), Returned::Done);
    assert_eq!(fake.trade(charge.payment).refunds.len(), 1);

    // A connection that is kept, and whose other end is gone without a word.
    let kept = client(Duration::from_secs(3));
    eventually(DEADLINE, || async { kept.query(charge.payment).await.map_err(|error| error.to_string()) }).await;
    proxy.black_hole();
    assert!(in_time(kept.query(charge.payment)).await.is_err());
    proxy.cut().await;
    let refused = in_time(kept.query(charge.payment)).await.unwrap_err();
    let whole = format!("{refused:?} {}", ticketing::problem::chain(&refused));
    assert!(!whole.contains("biz_content") && !whole.contains(&number(charge.payment)), "{whole}");
    proxy.heal().await;
    assert!(matches!(alipay.query(charge.payment).await.unwrap(), ChargeState::Paid(_)));
    fake.is_content();
}

#[tokio::test]
async fn notifications_are_read_only_when_they_are_signed_fresh_and_for_us() {
    let fake = Fake::start().await;
    let alipay = fake.client();
    let charge = a_charge();
    alipay.open(&charge).await.unwrap();
    fake.scan(charge.payment);
    let read = |body: &str| alipay.read_notification(&HeaderMap::new(), body.as_bytes());
    let waiting = read(&fake.notification(charge.payment, "n-0", &[])).unwrap();
    assert!(matches!(waiting.news, News::Nothing), "{waiting:?}");
    fake.pay(charge.payment);
    let body = fake.notification(charge.payment, "n-1", &[]);
    let Notification { id, news } = read(&body).unwrap();
    let News::Charge { payment, amount, paid, txn: by } = news else { panic!("{news:?}") };
    assert_eq!((id.as_str(), payment, amount, paid), ("n-1", charge.payment, cny(76_000), true));
    assert_eq!(by, txn(charge.payment));

    let request = RefundId::new();
    let number = request.0.simple().to_string();
    let back = fake.notification(charge.payment, "n-2", &[("refund_fee", Some("1.00")), ("out_biz_no", Some(&number))]);
    let News::Refund { refund, outcome } = read(&back).unwrap().news else { panic!("{back}") };
    assert_eq!((refund, outcome), (request, Returned::Done));
    let nothing = fake.notification(charge.payment, "n-3", &[("refund_fee", Some("0.00"))]);
    assert!(matches!(read(&nothing).unwrap().news, News::Charge { .. }), "nothing of it went back");

    // Each byte counts, and who signed them.
    let fields = fake.news(charge.payment, "n-1", &[]);
    let forged = signed_form(&fields, keys::stranger());
    let unsigned = form(&fields);
    let older = body.replace("RSA2", "RSA");
    let twice = format!("{body}&total_amount=0.01");
    let added = format!("{body}&passback_params=x");
    let changed = body.replace("760.00", "760.01");
    for bad in [forged, unsigned, older, twice, added, changed, String::new(), "\u{0}%zz&&=".to_owned()] {
        let refused = read(&bad);
        assert!(matches!(refused, Err(BadNotification::Signature(_))), "{bad}: {refused:?}");
    }
    let hour = Duration::from_secs(3_600);
    for at in [Millis::now().minus(27 * hour), Millis::now().plus(hour)] {
        let body = fake.notification(charge.payment, "n-1", &[("notify_time", Some(&written(at)))]);
        assert!(matches!(read(&body), Err(BadNotification::Stale(_))), "{at:?}");
    }
    // Alipay says it again for a day.
    let again = written(Millis::now().minus(25 * hour));
    assert!(read(&fake.notification(charge.payment, "n-1", &[("notify_time", Some(&again))])).is_ok());
    // Signed, but not for us, or without sense.
    for (name, value) in [
        ("app_id", Some("2021000000000002")),
        ("app_id", None),
        ("seller_id", Some("2088000000000002")),
        ("notify_id", None),
        ("notify_time", Some("yesterday")),
        ("out_trade_no", Some("7")),
        ("trade_status", Some("?")),
        ("total_amount", Some("-1")),
        ("trans_currency", Some("USD")),
        ("trade_no", None),
    ] {
        let refused = read(&fake.notification(charge.payment, "n-1", &[(name, value)]));
        let expected = matches!(refused, Err(BadNotification::Malformed(_) | BadNotification::Stale(_)));
        assert!(expected, "{name}: {refused:?}");
    }
    assert_eq!((fields["app_id"].as_str(), fields["seller_id"].as_str()), (APP, SELLER));
}

#[tokio::test]
async fn a_bill_is_unpacked_and_read() {
    let fake: Arc<Fake> = Fake::start().await;
    let alipay = fake.client();
    let day = jiff::civil::date(2026, 11, 21);
    assert_eq!(alipay.statement(day).await.unwrap(), [], "nothing happened that day");
    let (charge, other) = (a_charge(), a_charge());
    for charge in [&charge, &other] {
        alipay.open(charge).await.unwrap();
    }
    fake.scan(charge.payment);
    fake.pay(charge.payment);
    let order = refund(&charge, 60_800, "门票");
    assert_eq!(alipay.refund(&order).await.unwrap(), Returned::Done);
    fake.write_bill();
    let (payment, refund) = (number(charge.payment), order.id.0.simple().to_string());
    let charged = StatementEntry::Charge { txn: txn(charge.payment), payment };
    assert_eq!(
        alipay.statement(day).await.unwrap(),
        [
            StatementLine { entry: charged, amount: cny(76_000) },
            StatementLine { entry: StatementEntry::Refund { refund }, amount: cny(60_800) },
        ]
    );
    // No archive, one without the table, and a row of a kind that nobody knows.
    for bad in [b"PK".to_vec(), b"{}".to_vec(), archive("1,2,转账,x,1.00,1.00,,0.00,\r\n"), archive("1,2\r\n")] {
        *fake.bill.lock() = Some(bad);
        assert!(alipay.statement(day).await.is_err());
    }
    fake.is_content();
}

#[test]
fn accounts_that_cannot_work_are_refused_and_never_printed() {
    let fine = || config("https://openapi.example/gateway.do".to_owned());
    let made = |config: &AlipayConfig| Alipay::new(config, String::new(), String::new());
    let refused = |change: fn(&mut AlipayConfig)| {
        let mut config = fine();
        change(&mut config);
        made(&config).unwrap_err().to_string()
    };
    assert!(refused(|config| config.private_key = "nonsense".to_owned().into()).contains("alipay.private-key"));
    assert!(refused(|config| config.public_key = "AAAA".to_owned()).contains("alipay.public-key"));
    assert!(refused(|config| config.endpoint = "http://openapi.example".to_owned()).contains("alipay.endpoint"));
    assert!(refused(|config| config.app_id = String::new()).contains("alipay.app-id"));
    assert!(refused(|config| config.seller_id = "somebody".to_owned()).contains("alipay.seller-id"));
    assert!(refused(|config| config.timeout = Duration::ZERO).contains("alipay.timeout"));
    let mut wrong = fine();
    wrong.private_key = keys::ours().public.clone().into();
    let wrong = made(&wrong).unwrap_err();
    let printed = format!("{:?} {:?} {wrong:?} {wrong}", fine(), made(&fine()).unwrap());
    let secret = keys::ours().private.lines().nth(1).unwrap();
    assert!(!printed.contains(&secret[..40]), "{printed}");
    // What merchants copy from Alipay's page has no lines around it.
    assert!(made(&AlipayConfig { private_key: secret.to_owned().into(), ..fine() }).is_ok());
    let text = json!({"app-id": "a", "seller-id": "b", "private-key": "c", "public-key": "d", "timeout": "2s"});
    let read: AlipayConfig = serde_json::from_value(text).unwrap();
    assert_eq!((read.way, read.timeout), (AlipayWay::Qr, Duration::from_secs(2)));
    assert!(read.endpoint.starts_with("https://openapi.alipay.com/"));
}
