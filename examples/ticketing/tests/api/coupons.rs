//! Coupons: offered by a merchant, taken by buyers, held by an order, used once.
#![allow(clippy::needless_pass_by_value, reason = "what is made for one call is given away")]

use std::{collections::BTreeMap, time::Duration};

use crate::common::{Account, TestApp, expect, expect_problem};
use futures_util::future::join_all;
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{ids::SessionId, problem::Code, storage::sql::query};

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

fn yuan(amount: &str) -> Value {
    json!({"amount": amount, "currency": "CNY"})
}

/// A coupon of 50.00 CNY off, from 300.00 CNY on, with these changes.
fn coupon(changes: Value) -> Value {
    let mut coupon = json!({
        "code": "Spring-50", "title": "Spring", "title_zh": "春季", "worth": {"amount": yuan("50.00")},
        "minimum": yuan("300.00"), "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        "total": 100, "per_buyer": 1, "listed": true, "returns": true,
    });
    for (key, value) in changes.as_object().unwrap() {
        coupon[key] = value.clone();
    }
    coupon
}

async fn offer(app: &TestApp, admin: &Account, changes: Value) -> Value {
    expect(app.post_as(admin, "/desk/nebula/coupons", &coupon(changes)).await, StatusCode::CREATED).await
}

/// Changes the terms of a coupon; answers it as it is then.
async fn change(app: &TestApp, admin: &Account, was: &Value, changes: Value) -> Value {
    let mut body = was.clone();
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    let path = format!("/desk/nebula/coupons/{}", was["id"].as_str().unwrap());
    let answer = app.request(Method::PUT, &path).bearer_auth(&admin.access).json(&body).send().await.unwrap();
    expect(answer, StatusCode::OK).await
}

async fn order(app: &TestApp, buyer: &Account, session: SessionId, seat: &str, code: &str) -> Response {
    let body = json!({"session_id": session, "seats": [seat], "coupon": code});
    app.post_as(buyer, "/orders", &body).await
}

async fn reason(answer: Response) -> String {
    expect_problem(answer, Code::CouponRefused).await["reason"].as_str().unwrap().to_owned()
}

/// The coupons that a buyer has or is offered: code, and whether it is the buyer's.
async fn offered(app: &TestApp, buyer: &Account, session: SessionId) -> Vec<(String, bool)> {
    let list = expect(app.get_as(buyer, &format!("/sessions/{session}/coupons")).await, StatusCode::OK).await;
    let of = |one: &Value| (one["code"].as_str().unwrap().to_owned(), one["yours"].as_bool().unwrap());
    list["coupons"].as_array().unwrap().iter().map(of).collect()
}

async fn pay(app: &TestApp, buyer: &Account, order: &Value) {
    let own = format!("/orders/{}", order["id"].as_str().unwrap());
    let begun = expect(app.post_as(buyer, &format!("{own}/pay"), &json!({})).await, StatusCode::OK).await;
    let approve = format!("/{}/approve", begun["payment"]["pay_url"].as_str().unwrap());
    expect(app.request(Method::POST, &approve).send().await.unwrap(), StatusCode::OK).await;
    reaches(app, buyer, order, "ISSUED").await;
}

async fn reaches(app: &TestApp, buyer: &Account, order: &Value, state: &str) {
    let own = format!("/orders/{}", order["id"].as_str().unwrap());
    eventually(PATIENCE, || async {
        let now = expect(app.get_as(buyer, &own).await, StatusCode::OK).await;
        if now["state"] == state { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_coupon_is_claimed_held_released_used_and_given_back() {
    let app = TestApp::start().await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall(20).await;
    let buyer = app.register("buyer@example.com").await;
    assert!(offered(&app, &buyer, session).await.is_empty());
    let made = offer(&app, &admin, json!({})).await;
    assert_eq!((&made["code"], &made["claimed"], &made["used"]), (&json!("SPRING-50"), &json!(0), &json!(0)));

    // Offered, tried, claimed once however often it is asked for.
    assert_eq!(offered(&app, &buyer, session).await, [("SPRING-50".to_owned(), false)]);
    let quote = json!({"seats": ["1-1"], "coupon": " spring-50 "});
    let quoted = expect(app.post_as(&buyer, &format!("/sessions/{session}/quote"), &quote).await, StatusCode::OK).await;
    let steps = json!([{"kind": "coupon", "title": "Spring", "title_zh": "春季", "change": "-50.00 CNY"}]);
    assert_eq!((&quoted["subtotal"], &quoted["total"]), (&yuan("380.00"), &yuan("330.00")), "{quoted}");
    assert_eq!((&quoted["steps"], &quoted["coupons"]), (&steps, &json!(true)));
    let claim = json!({"code": "spring-50"});
    let path = format!("/sessions/{session}/coupons");
    let claims = join_all((0..4).map(|_| app.post_as(&buyer, &path, &claim))).await;
    assert!(claims.iter().all(|answer| answer.status().is_success()), "{claims:?}");
    assert_eq!(expect(app.post_as(&buyer, &path, &claim).await, StatusCode::OK).await["yours"], true);
    assert_eq!(offered(&app, &buyer, session).await, [("SPRING-50".to_owned(), true)]);

    // Held with the order, at the price that was agreed to; asked again with the same key, it is the same order.
    let wish =
        json!({"session_id": session, "seats": ["1-1"], "coupon": "SPRING-50", "expected_total": yuan("330.00")});
    let place = |wish: Value, key: &'static str| {
        let request = app.request(Method::POST, "/orders").bearer_auth(&buyer.access);
        async move { request.header("idempotency-key", key).json(&wish).send().await.unwrap() }
    };
    let placed = expect(place(wish.clone(), "one").await, StatusCode::CREATED).await;
    assert_eq!(placed["total"], yuan("330.00"));
    assert_eq!(expect(place(wish.clone(), "one").await, StatusCode::OK).await["id"], placed["id"]);
    let mut other = wish.clone();
    other["coupon"] = Value::Null;
    expect_problem(place(other, "one").await, Code::IdempotencyKeyReused).await;
    assert_eq!(reason(order(&app, &buyer, session, "1-2", "SPRING-50").await).await, "buyer-limit");
    assert!(offered(&app, &buyer, session).await.is_empty());
    let own = format!("/orders/{}", placed["id"].as_str().unwrap());
    let told = expect(app.get_as(&buyer, &own).await, StatusCode::OK).await;
    assert_eq!(told["price"], json!({"subtotal": yuan("380.00"), "steps": steps}));

    // An order that ends unpaid gives it back; the next one pays with it.
    expect(app.post_as(&buyer, &format!("{own}/cancel"), &json!({})).await, StatusCode::OK).await;
    assert_eq!(offered(&app, &buyer, session).await, [("SPRING-50".to_owned(), true)]);
    let second = expect(order(&app, &buyer, session, "1-2", "SPRING-50").await, StatusCode::CREATED).await;
    pay(&app, &buyer, &second).await;
    let charged: i64 = query("SELECT minor FROM charges").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(charged, 33_000);
    let list = expect(app.get_as(&admin, "/desk/nebula/coupons").await, StatusCode::OK).await;
    assert_eq!((&list["coupons"][0]["claimed"], &list["coupons"][0]["used"]), (&json!(1), &json!(1)));
    assert_eq!(reason(order(&app, &buyer, session, "1-3", "SPRING-50").await).await, "buyer-limit");

    // Staff see why it cost so much, from the proof.
    let why = format!("/desk/nebula/orders/{}/price", second["id"].as_str().unwrap());
    let why = expect(app.get_as(&admin, &why).await, StatusCode::OK).await;
    assert_eq!((&why["proven"], &why["revision"]), (&json!(true), &json!(0)), "{why}");
    assert!(why["explanation"].as_str().unwrap().contains("330.00 CNY to pay"), "{why}");

    // A refund gives it back as the coupon says, and returns what was paid.
    let refund = |order: &Value| format!("/orders/{}/refund", order["id"].as_str().unwrap());
    let quote = expect(app.get_as(&buyer, &refund(&second)).await, StatusCode::OK).await;
    assert_eq!(quote["quote"]["total"], yuan("330.00"));
    let ask = json!({"expected_amount": quote["quote"]["amount"], "reason": "ill"});
    expect(app.post_as(&buyer, &refund(&second), &ask).await, StatusCode::OK).await;
    reaches(&app, &buyer, &second, "REFUNDED").await;
    assert_eq!(offered(&app, &buyer, session).await, [("SPRING-50".to_owned(), true)]);
    let kept = change(&app, &admin, &list["coupons"][0], json!({"returns": false})).await;
    let third = expect(order(&app, &buyer, session, "1-4", "SPRING-50").await, StatusCode::CREATED).await;
    pay(&app, &buyer, &third).await;
    expect(app.post_as(&buyer, &refund(&third), &ask).await, StatusCode::OK).await;
    reaches(&app, &buyer, &third, "REFUNDED").await;
    assert_eq!(reason(order(&app, &buyer, session, "1-5", "SPRING-50").await).await, "buyer-limit");

    // The time to pay being over gives it back as well.
    change(&app, &admin, &kept, json!({"per_buyer": 2})).await;
    let late = expect(order(&app, &buyer, session, "1-6", "SPRING-50").await, StatusCode::CREATED).await;
    let id = late["id"].as_str().unwrap().to_owned();
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE orders SET expires_at = 1 WHERE id = $1").bind(id).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    let ended = app.app.payments.end(late["id"].as_str().unwrap().parse().unwrap(), ticketing::order::Ending::Timeout);
    ended.await.unwrap();
    assert_eq!(offered(&app, &buyer, session).await, [("SPRING-50".to_owned(), true)]);
}

#[tokio::test]
async fn a_coupon_is_used_once_however_many_ask_at_once() {
    let app = TestApp::start().await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall_with(60, |session| session.seats_per_user = 50).await;
    offer(&app, &admin, json!({"code": "ONE", "per_buyer": 1})).await;
    offer(&app, &admin, json!({"code": "FEW", "total": 3})).await;

    // One buyer, many orders, one coupon.
    let buyer = app.register("buyer@example.com").await;
    let seats: Vec<String> = (1..=8).map(|seat| format!("1-{seat}")).collect();
    let answers = join_all(seats.iter().map(|seat| order(&app, &buyer, session, seat, "ONE"))).await;
    let mut outcomes = BTreeMap::<String, u32>::new();
    for answer in answers {
        let outcome = match answer.status() {
            StatusCode::CREATED => expect(answer, StatusCode::CREATED).await["total"]["amount"].to_string(),
            // The database is one file, and may say that it is busy.
            StatusCode::SERVICE_UNAVAILABLE => "busy".to_owned(),
            _ => match reason(answer).await.as_str() {
                "used" | "buyer-limit" => "refused".to_owned(),
                other => panic!("{other}"),
            },
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert_eq!(outcomes.get("\"330.00\""), Some(&1), "{outcomes:?}");
    let held: i64 = query("SELECT COUNT(*) FROM order_prices").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(held, 1, "a refused order leaves nothing behind");

    // Many buyers, few coupons.
    let buyers = join_all((0..6).map(|buyer| {
        let (app, email) = (&app, format!("buyer{buyer}@example.com"));
        async move { app.register(&email).await }
    }))
    .await;
    let path = format!("/sessions/{session}/coupons");
    let claim = json!({"code": "few"});
    let mut claimed = 0;
    for answer in join_all(buyers.iter().map(|buyer| app.post_as(buyer, &path, &claim))).await {
        match answer.status() {
            StatusCode::CREATED => claimed += 1,
            _ => assert_eq!(reason(answer).await, "exhausted"),
        }
    }
    assert_eq!(claimed, 3);
    let list = expect(app.get_as(&admin, "/desk/nebula/coupons").await, StatusCode::OK).await;
    let few = list["coupons"].as_array().unwrap().iter().find(|one| one["code"] == "FEW").unwrap();
    assert_eq!(few["claimed"], 3);
}

#[tokio::test]
async fn a_coupon_that_cannot_be_used_says_why() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall(20).await;
    let buyer = app.register("buyer@example.com").await;
    let path = format!("/sessions/{session}/quote");
    let ask = |code: &str| json!({"seats": ["1-1"], "coupon": code});
    for (code, changes) in [
        ("NOTYET", json!({"starts_at": "2098-01-01T00:00:00Z"})),
        ("OVER", json!({"ends_at": "2021-01-01T00:00:00Z"})),
        ("STOPPED", json!({"stopped": true})),
        ("DOLLARS", json!({"worth": {"percent": 10}, "minimum": {"amount": "0.00", "currency": "USD"}})),
        ("RICH", json!({"minimum": yuan("380.01")})),
        ("ALL", json!({"worth": {"percent": 100}, "minimum": yuan("0.00")})),
        ("MORE", json!({"worth": {"amount": yuan("9999999999.99")}, "minimum": yuan("380.00")})),
    ] {
        let mut changes = changes;
        changes["code"] = code.into();
        offer(&app, &admin, changes).await;
    }
    let long = "X".repeat(5_000);
    for (code, expected) in [
        ("NOTYET", "not-yet"),
        ("OVER", "over"),
        ("STOPPED", "stopped"),
        ("DOLLARS", "currency"),
        ("RICH", "minimum"),
        ("NOTHING", "unknown"),
        ("", "unknown"),
        (&long, "unknown"),
    ] {
        let refused = app.post_as(&buyer, &path, &ask(code)).await;
        assert_eq!(reason(refused).await, expected, "{code}");
        assert_eq!(reason(order(&app, &buyer, session, "1-1", code).await).await, expected, "{code}");
    }
    let refused = expect_problem(app.post_as(&buyer, &path, &ask("RICH")).await, Code::CouponRefused).await;
    assert_eq!(refused["minimum"], yuan("380.01"));
    // Something is always left to be paid.
    for code in ["ALL", "MORE"] {
        let quoted = expect(app.post_as(&buyer, &path, &ask(code)).await, StatusCode::OK).await;
        assert_eq!(quoted["total"], yuan("0.01"), "{quoted}");
    }
    // Nothing was held, and nothing claimed, by what was refused.
    let rows: i64 = query("SELECT COUNT(*) FROM order_prices").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(rows, 0);

    // Coupons come after the merchant's rules, and their floor holds.
    let rules = "name: x\ncurrency: CNY\nfloor: basket.subtotal * 0.8\nphases: [{ id: p, groups: [{ id: g }] }]\n\
                 rules: [{ id: r, group: g, order: 1, then: { percent-off: 10 } }]\n";
    let rules = app.post_as(&admin, "/desk/nebula/rules", &json!({"text": rules})).await;
    expect(rules, StatusCode::CREATED).await;
    assert_eq!(reason(app.post_as(&buyer, &path, &ask("MORE")).await).await, "minimum");
    let quoted = expect(app.post_as(&buyer, &path, &ask("ALL")).await, StatusCode::OK).await;
    assert_eq!(quoted["total"], yuan("304.00"), "{quoted}");
    let kinds: Vec<_> = quoted["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rule", "coupon", "floor"]);
    let placed = expect(order(&app, &buyer, session, "1-1", "ALL").await, StatusCode::CREATED).await;
    assert_eq!(placed["total"], yuan("304.00"));
    let why = format!("/desk/nebula/orders/{}/price", placed["id"].as_str().unwrap());
    assert_eq!(expect(app.get_as(&admin, &why).await, StatusCode::OK).await["proven"], true);
    let rules = "name: x\ncurrency: CNY\nfloor: basket.subtotal\nphases: [{ id: p, groups: [{ id: g }] }]\n";
    let rules = app.post_as(&admin, "/desk/nebula/rules", &json!({"text": rules, "active": 1})).await;
    expect(rules, StatusCode::CREATED).await;
    let other = app.register("other@example.com").await;
    assert_eq!(reason(app.post_as(&other, &path, &ask("ALL")).await).await, "no-effect");

    // Another merchant's code is unknown here, its coupons are not found, and the same code is free there.
    let star = json!({"id": "star", "name": "Star", "name_zh": "星"});
    expect(app.post_as(&boss, "/admin/merchants", &star).await, StatusCode::CREATED).await;
    let star = app.register_at(&"star".parse().unwrap(), "star@example.com", "merchant-admin").await;
    let theirs = coupon(json!({"code": "STARS"}));
    expect(app.post_as(&star, "/desk/star/coupons", &theirs).await, StatusCode::CREATED).await;
    assert_eq!(reason(app.post_as(&other, &path, &ask("STARS")).await).await, "unknown");
    let same = coupon(json!({"code": "ALL"}));
    expect(app.post_as(&star, "/desk/star/coupons", &same).await, StatusCode::CREATED).await;
    let taken = expect_problem(app.post_as(&admin, "/desk/nebula/coupons", &same).await, Code::NameTaken).await;
    assert_eq!(taken["field"], "code");

    // What cannot be a coupon.
    for (changes, field) in [
        (json!({"code": "a b"}), "code"),
        (json!({"code": "AB"}), "code"),
        (json!({"worth": {"percent": 101}}), "worth"),
        (json!({"worth": {"percent": 0}}), "worth"),
        (json!({"worth": {"amount": yuan("0.00")}}), "worth"),
        (json!({"worth": {"amount": yuan("90000000000000000.00")}}), "worth"),
        (json!({"worth": {"amount": {"amount": "1.00", "currency": "USD"}}}), "worth"),
        (json!({"minimum": yuan("90000000000000000.00")}), "minimum"),
        (json!({"title": " "}), "title"),
        (json!({"ends_at": "2019-01-01T00:00:00Z"}), "starts_at"),
        (json!({"total": 0}), "total"),
        (json!({"per_buyer": 101}), "per_buyer"),
    ] {
        let mut changes = changes;
        if changes["code"].is_null() {
            changes["code"] = "FRESH".into();
        }
        let refused = app.post_as(&admin, "/desk/nebula/coupons", &coupon(changes)).await;
        assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], field);
    }
    let finance = app.register_staff("finance@example.com", "finance").await;
    let list = expect(app.get_as(&finance, "/desk/nebula/coupons").await, StatusCode::OK).await;
    assert_eq!(list["coupons"].as_array().unwrap().len(), 7);
    let refused = app.post_as(&finance, "/desk/nebula/coupons", &coupon(json!({}))).await;
    expect_problem(refused, Code::Forbidden).await;
    let stale = list["coupons"][0].clone();
    change(&app, &admin, &stale, json!({"stopped": true})).await;
    let again = format!("/desk/nebula/coupons/{}", stale["id"].as_str().unwrap());
    let again = app.request(Method::PUT, &again).bearer_auth(&admin.access).json(&stale).send().await.unwrap();
    assert_eq!(expect_problem(again, Code::VersionConflict).await["version"], 2);
}
