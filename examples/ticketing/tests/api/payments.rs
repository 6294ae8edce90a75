//! Payments: through the mock provider as a buyer would, and through its signed notifications as an attacker would.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use aws_lc_rs::hmac;
use axum::http::{Method, StatusCode};
use nebula_test_support::eventually;
use reqwest::Response;
use serde_json::{Value, json};
use ticketing::{audit::Audit, clock::Millis, ids::SessionId, problem::Code, storage::sql::query};

const SECRET: &str = "a secret of the tests that is long enough";

/// A platform whose provider's secret the test knows.
async fn start() -> TestApp {
    TestApp::start_with(|config| {
        config.payment.mock.secret = Some(SECRET.to_owned().into());
        config.sales.sweep_interval = Duration::from_millis(200);
    })
    .await
}

struct Sale {
    buyer: Account,
    session: SessionId,
    order: String,
    payment: String,
    pay_url: String,
}

/// An order of two seats, 760.00 CNY, whose payment was begun.
async fn begin(app: &TestApp) -> Sale {
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let body = json!({"session_id": session, "seats": ["1-1", "1-2"]});
    let placed = expect(app.post_as(&buyer, "/orders", &body).await, StatusCode::CREATED).await;
    let order = placed["id"].as_str().unwrap().to_owned();
    let (payment, pay_url) = pay(app, &buyer, &order).await;
    Sale { buyer, session, order, payment, pay_url }
}

async fn pay(app: &TestApp, buyer: &Account, order: &str) -> (String, String) {
    let reply = expect(app.post_as(buyer, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    assert_eq!(reply["order"]["state"], "PAYING");
    let text = |name: &str| reply["payment"][name].as_str().unwrap().to_owned();
    (text("id"), text("pay_url"))
}

async fn press(app: &TestApp, pay_url: &str, button: &str) -> Value {
    expect(app.request(Method::POST, &format!("/{pay_url}/{button}")).send().await.unwrap(), StatusCode::OK).await
}

async fn state(app: &TestApp, sale: &Sale) -> Value {
    expect(app.get_as(&sale.buyer, &format!("/orders/{}", sale.order)).await, StatusCode::OK).await
}

fn news(payment: &str, txn: &str, amount: &str, status: &str) -> String {
    json!({"payment_id": payment, "txn": txn, "amount": {"amount": amount, "currency": "CNY"}, "status": status})
        .to_string()
}

fn sign(secret: &str, id: &str, time: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{id}\n{time}\n{body}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn notify_signed(app: &TestApp, id: &str, time: i64, signature: &str, body: &str) -> Response {
    app.request(Method::POST, "/payments/mock/callback")
        .header("X-Mock-Notification", id)
        .header("X-Mock-Timestamp", time)
        .header("X-Mock-Signature", signature)
        .header("Content-Type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

async fn notify(app: &TestApp, id: &str, body: &str) -> Response {
    let now = Millis::now().0 / 1_000;
    notify_signed(app, id, now, &sign(SECRET, id, now, body), body).await
}

async fn result(app: &TestApp, id: &str, body: &str) -> String {
    let reply = expect(notify(app, id, body).await, StatusCode::OK).await;
    reply["result"].as_str().unwrap().to_owned()
}

async fn rested(app: &TestApp, session: SessionId, wanted: impl Fn(&Audit) -> bool) -> Audit {
    eventually(Duration::from_secs(60), || async {
        let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.map_err(|e| e.to_string())?;
        if audit.sound && wanted(&audit) { Ok(audit) } else { Err(format!("{audit:?}")) }
    })
    .await
}

/// The provider's books say that the money was taken, whatever else they said before.
async fn taken(app: &TestApp, sale: &Sale, txn: &str) {
    let (payment, txn) = (sale.payment.clone(), txn.to_owned());
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE mock_charges SET state = 'PAID', txn = $1, minor = 76000 WHERE payment_id = $2")
                .bind(txn)
                .bind(payment)
                .execute(connection)
                .await?;
            Ok(())
        })
    })
    .await;
}

/// Waits until a paid order has its tickets.
async fn issued(app: &TestApp, sale: &Sale) -> Value {
    eventually(Duration::from_secs(60), || async {
        let order = state(app, sale).await;
        if order["state"] == "ISSUED" { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

async fn refunded(app: &TestApp, sale: &Sale, reason: &str) {
    eventually(Duration::from_secs(60), || async {
        let order = state(app, sale).await;
        let refund = &order["refunds"][0];
        if refund["state"] == "DONE" && refund["reason"] == reason { Ok(()) } else { Err(order.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_buyer_pays_at_the_provider() {
    let app = start().await;
    let sale = begin(&app).await;
    let details = expect(app.get(&format!("/{}/details", sale.pay_url)).await, StatusCode::OK).await;
    assert_eq!((&details["status"], &details["amount"]["amount"]), (&json!("OPEN"), &json!("760.00")));
    assert_eq!(press(&app, &sale.pay_url, "approve").await["status"], "PAID");
    let order = issued(&app, &sale).await;
    assert_eq!(order["payment"]["state"], "SUCCEEDED");
    let states: Vec<&str> =
        order["history"].as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["LOCKED", "PAYING", "PAID", "ISSUED"]);
    let audit = rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
    assert_eq!(audit.ledger.locked, 0);
}

#[tokio::test]
async fn the_page_of_a_payment_is_found_by_its_link_alone() {
    let app = start().await;
    let sale = begin(&app).await;
    let link = sale.pay_url.strip_prefix("/pay/mock/").unwrap();
    let changed = format!("{}{}", &link[..42], if link.ends_with('A') { "E" } else { "A" });
    for guess in [sale.payment.as_str(), &sale.payment.replace('-', ""), &sale.order, &link[..30], &changed, "%00", "x"]
    {
        for button in ["approve", "decline"] {
            let path = format!("//pay/mock/{guess}/{button}");
            expect_problem(app.request(Method::POST, &path).send().await.unwrap(), Code::NotFound).await;
        }
        expect_problem(app.get(&format!("//pay/mock/{guess}/details")).await, Code::NotFound).await;
    }
    assert_eq!(state(&app, &sale).await["state"], "PAYING");
    let path = format!("/orders/{}/pay?provider=nobody", sale.order);
    let problem = expect_problem(app.post_as(&sale.buyer, &path, &json!({})).await, Code::InvalidValue).await;
    assert!(problem["detail"].as_str().unwrap().contains("mock"), "{problem}");
    let list = expect(app.get("/payments/providers").await, StatusCode::OK).await;
    assert_eq!(list["providers"], json!(["mock"]));
    expect_problem(app.post("/payments/nobody/callback", &json!({})).await, Code::NotFound).await;
}

#[tokio::test]
async fn without_any_provider_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = ticketing::config::Config { data: folder.path().to_owned(), ..Default::default() };
    config.payment.mock.enabled = false;
    let failure = ticketing::assembly::assemble(config, ([127, 0, 0, 1], 1).into()).await.unwrap_err();
    assert!(failure.to_string().contains("payment"), "{failure}");
}

#[tokio::test]
async fn asking_to_pay_again_goes_on_with_the_same_payment() {
    let app = start().await;
    let sale = begin(&app).await;
    assert_eq!(pay(&app, &sale.buyer, &sale.order).await, (sale.payment, sale.pay_url));
}

#[tokio::test]
async fn a_paid_order_is_paid_once() {
    let app = start().await;
    let sale = begin(&app).await;
    press(&app, &sale.pay_url, "approve").await;
    for action in ["pay", "cancel"] {
        let reply = app.post_as(&sale.buyer, &format!("/orders/{}/{action}", sale.order), &json!({})).await;
        let problem = expect_problem(reply, Code::AlreadyPaid).await;
        assert!(["PAID", "ISSUED"].contains(&problem["state"].as_str().unwrap()), "{problem}");
    }
    // Pressing the button again moves no money.
    assert_eq!(press(&app, &sale.pay_url, "approve").await["status"], "PAID");
    assert_eq!(state(&app, &sale).await["refunds"], Value::Null);
    rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn forged_notifications_change_nothing() {
    let app = start().await;
    let sale = begin(&app).await;
    let body = news(&sale.payment, "t-1", "760.00", "PAID");
    let now = Millis::now().0 / 1_000;
    let good = sign(SECRET, "n-1", now, &body);
    let forged = sign("another secret that is long enough", "n-1", now, &body);
    let other = news(&sale.payment, "t-2", "760.00", "PAID");
    for (id, time, signature, body) in [
        ("n-1", now, forged.as_str(), body.as_str()),
        ("n-1", now, "", &body),
        ("n-1", now, "zz", &body),
        ("n-1", now, &good[..62], &body),
        ("n-2", now, &good, &body),
        ("n-1", now + 1, &good, &body),
        ("n-1", now, &good, &other),
    ] {
        expect_problem(notify_signed(&app, id, time, signature, body).await, Code::CallbackSignature).await;
    }
    let bare = app.request(Method::POST, "/payments/mock/callback").body(body.clone()).send().await.unwrap();
    expect_problem(bare, Code::CallbackSignature).await;
    for time in [now - 301, now + 310] {
        let signature = sign(SECRET, "n-1", time, &body);
        expect_problem(notify_signed(&app, "n-1", time, &signature, &body).await, Code::CallbackStale).await;
    }
    for nonsense in ["", "{}", "[]", "{\"payment_id\": 1}"] {
        expect_problem(notify(&app, "n-3", nonsense).await, Code::MalformedRequest).await;
    }
    let unknown = news(&ticketing::ids::PaymentId::new().to_string(), "t-1", "760.00", "PAID");
    expect_problem(notify(&app, "n-4", &unknown).await, Code::NotFound).await;
    for amount in ["0.01", "760.01"] {
        let wrong = news(&sale.payment, "t-1", amount, "PAID");
        expect_problem(notify(&app, "n-5", &wrong).await, Code::CallbackAmount).await;
    }
    assert_eq!(state(&app, &sale).await["state"], "PAYING");
    rested(&app, sale.session, |audit| audit.ledger.locked == 2).await;
    // None of this used up the real one.
    assert_eq!(result(&app, "n-1", &body).await, "paid");
}

#[tokio::test]
async fn a_replayed_notification_is_refused_and_the_same_news_in_another_is_a_duplicate() {
    let app = start().await;
    let sale = begin(&app).await;
    taken(&app, &sale, "t-1").await;
    let body = news(&sale.payment, "t-1", "760.00", "PAID");
    assert_eq!(result(&app, "n-1", &body).await, "paid");
    let before = issued(&app, &sale).await;
    expect_problem(notify(&app, "n-1", &body).await, Code::CallbackReplayed).await;
    assert_eq!(result(&app, "n-2", &body).await, "duplicate");
    let declined = news(&sale.payment, "t-1", "760.00", "DECLINED");
    assert_eq!(result(&app, "n-3", &declined).await, "duplicate");
    let after = state(&app, &sale).await;
    assert_eq!((&before["history"], &before["payment"]), (&after["history"], &after["payment"]));
    rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn many_notifications_at_once_pay_once() {
    let app = start().await;
    let sale = begin(&app).await;
    taken(&app, &sale, "t-1").await;
    let body = news(&sale.payment, "t-1", "760.00", "PAID");
    let ids: Vec<String> = (0..30).map(|n| format!("n-{n}")).collect();
    let results = futures_util::future::join_all(ids.iter().map(|id| result(&app, id, &body))).await;
    assert_eq!(results.iter().filter(|result| *result == "paid").count(), 1);
    assert_eq!(results.iter().filter(|result| *result == "duplicate").count(), 29);
    rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn a_declined_payment_can_be_tried_again() {
    let app = start().await;
    let sale = begin(&app).await;
    assert_eq!(press(&app, &sale.pay_url, "decline").await["status"], "DECLINED");
    let order = state(&app, &sale).await;
    assert_eq!((&order["state"], &order["payment"]["state"]), (&json!("PAYING"), &json!("FAILED")));
    let (second, url) = pay(&app, &sale.buyer, &sale.order).await;
    assert_ne!(second, sale.payment);
    press(&app, &url, "approve").await;
    issued(&app, &sale).await;
}

#[tokio::test]
async fn a_cancelled_order_cannot_be_paid_at_the_provider() {
    let app = start().await;
    let sale = begin(&app).await;
    let reply = app.post_as(&sale.buyer, &format!("/orders/{}/cancel", sale.order), &json!({})).await;
    assert_eq!(expect(reply, StatusCode::OK).await["state"], "CANCELLED");
    assert_eq!(press(&app, &sale.pay_url, "approve").await["status"], "CLOSED");
    rested(&app, sale.session, |audit| audit.ledger.available == 100).await;
}

#[tokio::test]
async fn cancelling_finds_out_that_the_money_was_taken() {
    let app = start().await;
    let sale = begin(&app).await;
    // The provider has the money, its notification is still on its way.
    taken(&app, &sale, "t-1").await;
    let reply = app.post_as(&sale.buyer, &format!("/orders/{}/cancel", sale.order), &json!({})).await;
    expect_problem(reply, Code::AlreadyPaid).await;
    issued(&app, &sale).await;
    rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn money_that_comes_after_the_release_goes_back() {
    let app = start().await;
    let sale = begin(&app).await;
    let order = sale.order.clone();
    // The time to pay is over.
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE orders SET expires_at = 1 WHERE id = $1").bind(order).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    rested(&app, sale.session, |audit| audit.ledger.available == 100).await;
    assert_eq!(state(&app, &sale).await["state"], "TIMEOUT_CANCELLED");
    // A provider that took the money although it said that the charge was closed.
    taken(&app, &sale, "t-1").await;
    let body = news(&sale.payment, "t-1", "760.00", "PAID");
    assert_eq!(result(&app, "n-1", &body).await, "refunded");
    assert_eq!(result(&app, "n-2", &body).await, "duplicate");
    refunded(&app, &sale, "the order had ended before the payment arrived").await;
    assert_eq!(state(&app, &sale).await["state"], "TIMEOUT_CANCELLED");
    rested(&app, sale.session, |audit| audit.ledger.available == 100).await;
}

#[tokio::test]
async fn a_second_charge_goes_back_and_leaves_the_order_alone() {
    let app = start().await;
    let sale = begin(&app).await;
    taken(&app, &sale, "t-1").await;
    assert_eq!(result(&app, "n-1", &news(&sale.payment, "t-1", "760.00", "PAID")).await, "paid");
    taken(&app, &sale, "t-2").await;
    assert_eq!(result(&app, "n-2", &news(&sale.payment, "t-2", "760.00", "PAID")).await, "refunded");
    refunded(&app, &sale, "charged twice").await;
    let order = issued(&app, &sale).await;
    assert_eq!(order["refunds"].as_array().unwrap().len(), 1);
    rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn a_seat_that_is_sold_already_is_not_sold_again() {
    let app = start().await;
    let sale = begin(&app).await;
    // Whatever went wrong before: the unique row of another order stands in the way.
    let (session, other) = (sale.session, ticketing::ids::OrderId::new());
    let buyer = sale.buyer.id;
    app.write(move |connection| {
        Box::pin(async move {
            query(
                "INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch,
                                     created_at, expires_at, updated_at)
                 VALUES ($1, $2, $3, 'PAID', 38000, 'CNY', '', 0, 0, 0, 0)",
            )
            .bind(other)
            .bind(buyer)
            .bind(session)
            .execute(&mut *connection)
            .await?;
            query("INSERT INTO order_seats VALUES ($1, 1, '1-2', 'Hall', 38000)")
                .bind(other)
                .execute(&mut *connection)
                .await?;
            query("INSERT INTO sold_seats VALUES ($1, 1, $2, 0)").bind(session).bind(other).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    press(&app, &sale.pay_url, "approve").await;
    refunded(&app, &sale, "a seat was sold to another order").await;
    assert_eq!(state(&app, &sale).await["state"], "CANCELLED");
    let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.unwrap();
    assert_eq!((audit.violations.oversold, audit.database.sold), (0, 1));
}

#[tokio::test]
async fn a_lost_notification_is_made_good_by_asking() {
    let app = start().await;
    let sale = begin(&app).await;
    taken(&app, &sale, "t-1").await;
    let payment = sale.payment.clone();
    // Nobody has heard of the payment for a long time.
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE payments SET updated_at = 1 WHERE id = $1").bind(payment).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    rested(&app, sale.session, |audit| audit.ledger.sold == 2).await;
    issued(&app, &sale).await;
}
