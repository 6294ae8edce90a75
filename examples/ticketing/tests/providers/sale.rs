//! The whole way over HTTP, at both providers: chosen, paid, told, issued, given back, and compared with the bill.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use nebula_test_support::eventually;
use reqwest::Response;
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    ids::{PaymentId, SessionId},
    problem::Code,
    storage::sql::query,
};

use super::{
    DEADLINE, Mood, alipay,
    common::{Account, TestApp, expect, expect_problem},
    keys, wechat,
};

/// A provider's stand-in, as the test drives it.
enum Stand {
    Alipay(Arc<alipay::Fake>),
    WeChat(Arc<wechat::Fake>),
}

/// What is wrong with a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A stranger signed it.
    Forged,
    /// Another amount was paid.
    Amount,
    /// It speaks of another application.
    App,
}

impl Stand {
    fn name(&self) -> &'static str {
        match self {
            Self::Alipay(_) => "alipay",
            Self::WeChat(_) => "wechat",
        }
    }

    fn be(&self, mood: Mood) {
        match self {
            Self::Alipay(fake) => fake.be(mood),
            Self::WeChat(fake) => *fake.mood.lock() = mood,
        }
    }

    /// The buyer reads the code and pays.
    fn pay(&self, payment: PaymentId) {
        match self {
            Self::Alipay(fake) => {
                fake.scan(payment);
                fake.pay(payment);
            }
            Self::WeChat(fake) => drop(fake.pay(payment)),
        }
    }

    /// The news that it was paid, sent to the platform as this provider does.
    async fn tell(&self, app: &TestApp, payment: PaymentId, id: &str, flaw: Flaw) -> Response {
        let (headers, body) = match self {
            Self::Alipay(fake) => {
                let changes: &[(&str, Option<&str>)] = match flaw {
                    Flaw::Amount => &[("total_amount", Some("0.01"))],
                    Flaw::App => &[("app_id", Some("2021000000000002"))],
                    Flaw::None | Flaw::Forged => &[],
                };
                let signer = if flaw == Flaw::Forged { keys::stranger() } else { keys::theirs() };
                (HeaderMap::new(), alipay::signed_form(&fake.news(payment, id, changes), signer))
            }
            Self::WeChat(fake) => {
                let mut said = fake.charge(payment);
                match flaw {
                    Flaw::Amount => said["amount"]["total"] = 1.into(),
                    Flaw::App => said["appid"] = "wx2".into(),
                    Flaw::None | Flaw::Forged => {}
                }
                let (mut headers, body) = fake.notification(id, "TRANSACTION.SUCCESS", &said);
                if flaw == Flaw::Forged {
                    let forged = keys::stranger().sign(&body);
                    headers.insert("Wechatpay-Signature", HeaderValue::from_str(&forged).unwrap());
                }
                (headers, body)
            }
        };
        notify(app, self.name(), headers, body).await
    }

    /// What the provider reads when its news arrived.
    async fn is_thanked(&self, response: Response) {
        let (status, text) = (response.status(), response.text().await.unwrap());
        match self {
            Self::Alipay(_) => assert_eq!((status, text.as_str()), (StatusCode::OK, "success")),
            Self::WeChat(_) => assert_eq!((status, text.as_str()), (StatusCode::NO_CONTENT, "")),
        }
    }

    /// The amounts and reasons of what went back, or is about to.
    fn refunds(&self, payment: PaymentId) -> Vec<(i64, String)> {
        match self {
            Self::Alipay(fake) => {
                let refunds = fake.trade(payment).refunds;
                let minor = |amount: &str| ticketing::money::parse_minor(amount).unwrap();
                refunds.into_values().map(|(amount, reason)| (minor(&amount), reason)).collect()
            }
            Self::WeChat(fake) => {
                let txn = fake.charge(payment)["transaction_id"].clone();
                let refunds = fake.refunds.lock();
                let mine = refunds.values().filter(|refund| refund["transaction_id"] == txn);
                mine.map(|one| (one["amount"]["refund"].as_i64().unwrap(), one["reason"].as_str().unwrap().to_owned()))
                    .collect()
            }
        }
    }

    /// Refunds that the provider was asked for are done, and it says so.
    async fn finishes_refunds(&self, app: &TestApp) {
        let Self::WeChat(fake) = self else { return };
        let waiting: Vec<Value> = {
            let mut refunds = fake.refunds.lock();
            let waiting = refunds.values_mut().filter(|refund| refund["status"] == "PROCESSING");
            waiting
                .map(|refund| {
                    refund["status"] = "SUCCESS".into();
                    json!({"mchid": wechat::MERCHANT, "out_refund_no": refund["out_refund_no"], "refund_status": "SUCCESS"})
                })
                .collect()
        };
        for said in waiting {
            let id = format!("refund-{}", said["out_refund_no"].as_str().unwrap());
            let (headers, body) = fake.notification(&id, "REFUND.SUCCESS", &said);
            self.is_thanked(notify(app, "wechat", headers, body).await).await;
        }
    }

    fn is_content(&self) {
        match self {
            Self::Alipay(fake) => fake.is_content(),
            Self::WeChat(fake) => fake.is_content(),
        }
    }
}

async fn notify(app: &TestApp, provider: &str, headers: HeaderMap, body: String) -> Response {
    let kind =
        if provider == "alipay" { "application/x-www-form-urlencoded; charset=utf-8" } else { "application/json" };
    let request = app.request(Method::POST, &format!("/payments/{provider}/callback")).headers(headers);
    request.header("content-type", kind).body(body).send().await.unwrap()
}

/// A platform that takes money at both, and at the provider that moves none.
async fn start() -> (TestApp, [Stand; 2]) {
    let alipay = alipay::Fake::start().await;
    let (wechat, _) = wechat::Fake::start().await;
    let (one, other) = (alipay.config(), wechat::config(wechat.url.get().unwrap().clone()));
    let app = TestApp::start_with(move |config| {
        config.public_url = Some("https://tickets.example".to_owned());
        config.payment.alipay = Some(one);
        config.payment.wechat = Some(other);
        config.sales.sweep_interval = Duration::from_millis(200);
    })
    .await;
    (app, [Stand::Alipay(alipay), Stand::WeChat(wechat)])
}

struct Sale {
    buyer: Account,
    order: String,
}

/// An order of two seats: each pair of them is somebody's.
async fn order(app: &TestApp, session: SessionId, who: &str, pair: usize) -> Sale {
    let buyer = app.register(&format!("{who}@example.com")).await;
    let body = json!({"session_id": session, "seats": [format!("1-{}", 2 * pair + 1), format!("1-{}", 2 * pair + 2)]});
    let placed = expect(app.post_as(&buyer, "/orders", &body).await, StatusCode::CREATED).await;
    Sale { buyer, order: placed["id"].as_str().unwrap().to_owned() }
}

impl Sale {
    async fn begin(&self, app: &TestApp, provider: &str) -> Response {
        app.post_as(&self.buyer, &format!("/orders/{}/pay?provider={provider}", self.order), &json!({})).await
    }

    /// Chooses the provider, and is shown its code.
    async fn choose(&self, app: &TestApp, provider: &str) -> PaymentId {
        let begun = expect(self.begin(app, provider).await, StatusCode::OK).await;
        let payment = &begun["payment"];
        assert_eq!((&payment["provider"], &payment["pay_url"]), (&json!(provider), &Value::Null), "{begun}");
        assert!(payment["pay_qr"].as_str().unwrap().starts_with("<svg"), "{begun}");
        payment["id"].as_str().unwrap().parse().unwrap()
    }

    async fn now(&self, app: &TestApp) -> Value {
        expect(app.get_as(&self.buyer, &format!("/orders/{}", self.order)).await, StatusCode::OK).await
    }

    async fn reaches(&self, app: &TestApp, state: &str) -> Value {
        eventually(DEADLINE, || async {
            let order = self.now(app).await;
            if order["state"] == state { Ok(order) } else { Err(order.to_string()) }
        })
        .await
    }
}

/// Nobody has heard of anything for a long time: the sweep asks.
async fn silence(app: &TestApp) {
    app.write(|connection| {
        Box::pin(async move {
            query("UPDATE payments SET updated_at = 1 WHERE state = 'PENDING'").execute(connection).await?;
            Ok(())
        })
    })
    .await;
}

#[tokio::test]
async fn tickets_are_paid_told_of_given_back_and_compared_at_both_providers() {
    let (app, stands) = start().await;
    let session = app.hall(100).await;
    let list = expect(app.get("/payments/providers").await, StatusCode::OK).await;
    assert_eq!(list["providers"], json!(["alipay", "wechat", "mock"]));
    let mut given_back = Vec::new();
    for (place, stand) in stands.iter().enumerate() {
        let (name, other) = (stand.name(), &stands[1 - place]);
        let pair = 3 * place;

        // The provider is away at first; then it is the same payment.
        let sale = order(&app, session, &format!("{name}-told"), pair).await;
        stand.be(Mood::Away);
        expect_problem(sale.begin(&app, name).await, Code::Unavailable).await;
        stand.be(Mood::Fine);
        let payment = sale.choose(&app, name).await;
        assert_eq!(sale.choose(&app, name).await, payment);

        // What is forged, wrong or somebody else's changes nothing.
        stand.pay(payment);
        for (flaw, status) in [
            (Flaw::Forged, StatusCode::UNAUTHORIZED),
            (Flaw::Amount, Code::CallbackAmount.status()),
            (Flaw::App, Code::MalformedRequest.status()),
        ] {
            let refused = stand.tell(&app, payment, &format!("{name}-{flaw:?}"), flaw).await;
            assert_eq!(refused.status(), status, "{name} {flaw:?}");
            assert_ne!(refused.text().await.unwrap(), "success", "{name} {flaw:?}");
        }
        let (headers, body) = (HeaderMap::new(), String::from("sign=x&sign_type=RSA2"));
        assert_eq!(notify(&app, name, headers, body).await.status(), StatusCode::UNAUTHORIZED);
        let before = sale.now(&app).await;
        assert_eq!((&before["state"], &before["tickets"]), (&json!("PAYING"), &Value::Null), "{before}");

        // Its own word counts, once, however often it comes.
        stand.is_thanked(stand.tell(&app, payment, &format!("{name}-1"), Flaw::None).await).await;
        let issued = sale.reaches(&app, "ISSUED").await;
        assert_eq!(issued["tickets"].as_array().unwrap().len(), 2, "{issued}");
        assert_eq!((&issued["payment"]["state"], &issued["payment"]["provider"]), (&json!("SUCCEEDED"), &json!(name)));
        for id in [format!("{name}-1"), format!("{name}-2")] {
            stand.is_thanked(stand.tell(&app, payment, &id, Flaw::None).await).await;
        }
        assert_eq!(sale.now(&app).await["refunds"], Value::Null);

        // Part of it goes back, and the provider is told why.
        let wish = json!({"expected_amount": {"amount": "608.00", "currency": "CNY"}, "reason": "病了 & ill"});
        let asked = app.post_as(&sale.buyer, &format!("/orders/{}/refund", sale.order), &wish).await;
        expect(asked, StatusCode::OK).await;
        eventually(DEADLINE, || async {
            let refunds = stand.refunds(payment);
            if refunds == [(60_800, "病了 & ill".to_owned())] { Ok(()) } else { Err(format!("{refunds:?}")) }
        })
        .await;
        stand.finishes_refunds(&app).await;
        sale.reaches(&app, "REFUNDED").await;

        // The word of a payment is lost: asking finds it.
        let lost = order(&app, session, &format!("{name}-lost"), pair + 1).await;
        let payment = lost.choose(&app, name).await;
        stand.pay(payment);
        silence(&app).await;
        lost.reaches(&app, "ISSUED").await;
        // Late, it is known already.
        stand.is_thanked(stand.tell(&app, payment, &format!("{name}-late"), Flaw::None).await).await;

        // Given up for the other provider, whose word says nothing of this one's money.
        let moved = order(&app, session, &format!("{name}-moved"), pair + 2).await;
        let left = moved.choose(&app, name).await;
        let payment = moved.choose(&app, other.name()).await;
        assert_ne!(left, payment);
        other.pay(payment);
        other.is_thanked(other.tell(&app, payment, &format!("{name}-moved"), Flaw::None).await).await;
        moved.reaches(&app, "ISSUED").await;
        given_back.push((stand, left, moved));
    }

    // A code that nobody had read cannot be closed at Alipay: who pays it afterwards gets the money back.
    let (stand, left, moved) = given_back.remove(0);
    stand.pay(left);
    stand.is_thanked(stand.tell(&app, left, "late", Flaw::None).await).await;
    eventually(DEADLINE, || async {
        let refunds = stand.refunds(left);
        if refunds == [(76_000, "charged twice".to_owned())] { Ok(()) } else { Err(format!("{refunds:?}")) }
    })
    .await;
    moved.reaches(&app, "ISSUED").await;

    // The bill of the day agrees with the books, line by line.
    let Stand::Alipay(fake) = &stands[0] else { panic!("the first one is Alipay") };
    eventually(DEADLINE, || async {
        let open: i64 = query("SELECT count(*) FROM refunds WHERE state <> 'DONE'")
            .scalar(&app.app.database.read)
            .await
            .map_err(|e| e.to_string())?;
        if open == 0 { Ok(()) } else { Err(format!("{open} refunds are under way")) }
    })
    .await;
    let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(8 - 24);
    let day = day.to_zoned(jiff::tz::TimeZone::UTC).date();
    let noon = jiff::tz::Offset::constant(8).to_timestamp(day.at(12, 0, 0, 0)).unwrap().as_millisecond();
    app.write(move |connection| {
        Box::pin(async move {
            for table in ["UPDATE charges SET at = $1", "UPDATE refunds SET updated_at = $1"] {
                query(table).bind(noon).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    fake.write_bill();
    let boss = app.register_admin("books@example.com").await;
    let path = format!("/admin/statements/alipay/{day}");
    let report = expect(app.post_as(&boss, &path, &json!({})).await, StatusCode::OK).await;
    // Told, lost, moved from WeChat Pay, and paid late; two of them went back, in part or whole.
    assert_eq!((&report["matched"], &report["differences"]), (&json!(6), &json!([])), "{report}");
    fake.trades.lock().retain(|number, _| *number != alipay::number(left));
    fake.write_bill();
    let report = expect(app.post_as(&boss, &path, &json!({})).await, StatusCode::OK).await;
    assert_eq!(
        report["differences"].as_array().unwrap().len(),
        2,
        "the provider forgot a charge and its refund: {report}"
    );

    // A provider that does not give its bill keeps nobody else's from being compared.
    let (day, statements) = (jiff::civil::date(2026, 1, 2), &app.app.statements);
    stands[0].be(Mood::Away);
    assert_eq!(statements.compare_all(day).await.unwrap_err().code, Code::Unavailable);
    stands[0].be(Mood::Fine);
    for (provider, compared) in [("alipay", false), ("wechat", true), ("mock", true)] {
        assert_eq!(statements.report(provider, day).await.is_ok(), compared, "{provider}");
    }

    let audit = eventually(DEADLINE, || async {
        let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.map_err(|e| e.to_string())?;
        if audit.sound && audit.ledger.sold == 8 { Ok(audit) } else { Err(format!("{audit:?}")) }
    })
    .await;
    assert_eq!(audit.violations.oversold, 0);
    for stand in &stands {
        stand.is_content();
    }
    assert!(Millis::now().0 > noon);
}
