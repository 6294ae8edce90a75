//! The client of WeChat Pay alone.

use serde_json::json;
use ticketing::{
    ids::{PaymentId, RefundId},
    money::{Currency, Money},
    payment::{
        provider::{
            BadNotification, Charge, ChargeState, Close, News, PaymentProvider, RefundOrder, Returned, StatementEntry,
            StatementLine, Taken,
        },
        wechat::{WeChat, WeChatConfig},
    },
};

use super::{
    Mood, PATIENCE, a_charge, cny, keys,
    wechat::{APP, Fake, MERCHANT, V3, config},
};

#[tokio::test]
async fn a_charge_is_opened_paid_refunded_in_part_and_never_too_much() {
    let (fake, wechat) = Fake::start().await;
    let charge = a_charge();
    assert_eq!(wechat.query(charge.payment).await.unwrap(), ChargeState::Unknown);
    for _ in 0..2 {
        let till = wechat.open(&charge).await.unwrap();
        assert!(till.url.is_none() && till.qr.unwrap().starts_with("weixin://"), "the code that the provider answered");
    }
    let opened = fake.charge(charge.payment);
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
    for mood in [Mood::Forged, Mood::Old, Mood::Away] {
        *fake.mood.lock() = mood;
        assert!(wechat.query(charge.payment).await.is_err(), "{mood:?}");
        assert!(wechat.close(charge.payment).await.is_err(), "{mood:?}");
        // Not even a refusal is.
        assert!(wechat.query(PaymentId::new()).await.is_err(), "{mood:?}");
    }
    // Answers that do not come, or not whole, are waited for so long and no longer.
    let hasty = WeChatConfig { timeout: PATIENCE, ..config(fake.url.get().unwrap().clone()) };
    let hasty = WeChat::new(&hasty, String::new()).unwrap();
    for mood in [Mood::Silent, Mood::Half] {
        *fake.mood.lock() = mood;
        for _ in 0..2 {
            let asked = tokio::time::timeout(super::DEADLINE, hasty.query(charge.payment)).await;
            assert!(asked.expect("it gives up by itself").is_err(), "{mood:?}");
        }
    }
    *fake.mood.lock() = Mood::Fine;
    // Whatever was not believed was done.
    assert_eq!(wechat.query(charge.payment).await.unwrap(), ChargeState::Closed);
    fake.is_content();
}

#[tokio::test]
async fn notifications_are_opened_only_when_they_are_signed_fresh_and_for_us() {
    let (fake, wechat) = Fake::start().await;
    let charge = a_charge();
    wechat.open(&charge).await.unwrap();
    let paid = fake.pay(charge.payment);
    let (headers, body) = fake.notification("EV-1", "TRANSACTION.SUCCESS", &paid);
    let read = wechat.read_notification(&headers, body.as_bytes()).unwrap();
    assert_eq!(read.id, "EV-1");
    let News::Charge { payment, amount, paid: was_paid, .. } = read.news else { panic!("{read:?}") };
    assert_eq!((payment, amount, was_paid), (charge.payment, cny(76_000), true));

    let refund = RefundId::new();
    for (status, expected) in [("SUCCESS", Returned::Done), ("PROCESSING", Returned::Processing)] {
        let said = json!({"mchid": MERCHANT, "out_refund_no": refund.0.simple().to_string(), "refund_status": status});
        let (headers, body) = fake.notification("EV-1", "REFUND.SUCCESS", &said);
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
        let (headers, body) = fake.notification("EV-1", "TRANSACTION.SUCCESS", &said);
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
    assert!(refused(|config| config.private_key = "nonsense".to_owned().into()).contains("wechat.private-key"));
    assert!(refused(|config| config.public_key = "AAAA".to_owned()).contains("public-key"));
    assert!(refused(|config| config.api_v3_key = "short".to_owned().into()).contains("api-v3-key"));
    assert!(refused(|config| config.endpoint = "http://api.example".to_owned()).contains("endpoint"));
    let printed = format!("{:?} {:?}", fine(), WeChat::new(&fine(), String::new()).unwrap());
    let secret = keys::ours().private.lines().nth(1).unwrap();
    assert!(!printed.contains(V3) && !printed.contains(&secret[..40]), "{printed}");
}
