//! Prices by a merchant's rules: what may be in force, what buyers see before they order, and what is kept.
#![allow(clippy::needless_pass_by_value, reason = "what is made for one call is given away")]

use crate::common::{Account, TestApp, expect, expect_problem};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{ids::platform, problem::Code, storage::sql::query};

const RULES: &str = "
name: x
currency: CNY
floor: basket.subtotal * 0.5
phases: [{ id: sale, groups: [{ id: all }] }]
rules:
  - { id: two, title: Two and more, group: all, order: 1, when: seats >= 2, then: { percent-off: 10 } }
  - { id: vip, title: Friends, group: all, order: 2, when: buyer == 'VIP', then: { percent-off: 25 } }
";

fn yuan(amount: &str) -> Value {
    json!({"amount": amount, "currency": "CNY"})
}

async fn put(app: &TestApp, who: &Account, path: &str, body: Value) -> Response {
    app.request(Method::PUT, path).bearer_auth(&who.access).json(&body).send().await.unwrap()
}

/// Puts rules in force in the place of those that were.
async fn publish(app: &TestApp, who: &Account, text: &str, known: Option<i64>) -> Response {
    app.post_as(who, "/desk/nebula/rules", &json!({"text": text, "active": known})).await
}

#[tokio::test]
async fn rules_are_proven_published_and_put_back() {
    let app = TestApp::start().await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall(10).await;
    let none = expect(app.get_as(&admin, "/desk/nebula/rules").await, StatusCode::OK).await;
    assert_eq!(none, json!({"revisions": []}));

    // A test run says in words what comes out.
    let sample = json!({"session_id": session, "seats": ["1-1", "1-2"], "buyer": "VIP"});
    let (client, who) = (&app, &admin);
    let check = |text: &str, sample: Value| {
        let body = json!({"text": text, "sample": sample});
        async move { client.post_as(who, "/desk/nebula/rules/check", &body).await }
    };
    let checked = expect(check(RULES, sample.clone()).await, StatusCode::OK).await;
    assert!(checked["proof"].as_str().unwrap().starts_with("the floor holds"), "{checked}");
    let words = checked["sample"].as_str().unwrap();
    assert!(words.contains("Friends") && words.contains("570.00 CNY to pay"), "{words}");
    for (text, place) in [
        (RULES.replace("percent-off: 25", "percent-off: 75"), "floor"),
        (RULES.replace("seats >= 2", "seets >= 2"), "rules.two.when"),
        (RULES.replace("floor: basket.subtotal * 0.5", ""), "floor"),
    ] {
        let refused = expect_problem(check(&text, Value::Null).await, Code::RulesRefused).await;
        let places = refused["problems"].as_array().unwrap();
        assert!(places.iter().any(|one| one["place"].as_str().unwrap().starts_with(place)), "{place}: {refused}");
        expect_problem(publish(&app, &admin, &text, None).await, Code::RulesRefused).await;
    }
    expect_problem(check("rules: [", Value::Null).await, Code::RulesRefused).await;

    let first = expect(publish(&app, &admin, RULES, None).await, StatusCode::CREATED).await;
    assert_eq!((&first["active"], &first["text"]), (&json!(1), &json!(RULES)));
    let other = RULES.replace("percent-off: 10", "percent-off: 20");
    let late = expect_problem(publish(&app, &admin, &other, None).await, Code::VersionConflict).await;
    assert_eq!(late["version"], 1);
    // Of editors who have read the same, one comes first.
    let editors = futures_util::future::join_all((0..5).map(|_| publish(&app, &admin, &other, Some(1)))).await;
    let mut first = Vec::new();
    for answer in editors {
        match answer.status() {
            StatusCode::CREATED => first.push(expect(answer, StatusCode::CREATED).await["active"].clone()),
            StatusCode::SERVICE_UNAVAILABLE => {}
            _ => drop(expect_problem(answer, Code::VersionConflict).await),
        }
    }
    assert_eq!(first.len(), 1, "{first:?}");
    let back = json!({"revision": 1, "active": first[0]});
    let back = expect(put(&app, &admin, "/desk/nebula/rules/active", back).await, StatusCode::OK).await;
    assert_eq!(back["active"], 1);
    assert!(back["revisions"].as_array().unwrap().contains(&first[0]), "{back}");
    let missing = put(&app, &admin, "/desk/nebula/rules/active", json!({"revision": 9, "active": 1})).await;
    expect_problem(missing, Code::NotFound).await;
    let old = format!("/desk/nebula/rules/{}", first[0]);
    let old = expect(app.get_as(&admin, &old).await, StatusCode::OK).await;
    assert_eq!(old["text"], other);

    // Finance reads, and changes nothing; another merchant's staff do neither.
    let finance = app.register_staff("finance@example.com", "finance").await;
    expect(app.get_as(&finance, "/desk/nebula/rules").await, StatusCode::OK).await;
    expect_problem(publish(&app, &finance, RULES, Some(1)).await, Code::Forbidden).await;
    let boss = app.register_admin("boss@example.com").await;
    let star = json!({"id": "star", "name": "Star", "name_zh": "星"});
    expect(app.post_as(&boss, "/admin/merchants", &star).await, StatusCode::CREATED).await;
    let star = app.register_at(&"star".parse().unwrap(), "star@example.com", "merchant-admin").await;
    expect_problem(app.get_as(&star, "/desk/nebula/rules").await, Code::NotFound).await;
    expect_problem(app.get_as(&star, "/desk/star/rules/1").await, Code::NotFound).await;
    let body = json!({"text": RULES, "sample": sample});
    expect_problem(app.post_as(&star, "/desk/star/rules/check", &body).await, Code::NotFound).await;
}

#[tokio::test]
async fn a_buyer_sees_the_price_before_ordering_and_staff_see_why() {
    let app = TestApp::start().await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall(10).await;
    let buyer = app.register("buyer@example.com").await;
    let wish = |seats: &[&str]| json!({"session_id": session, "seats": seats});
    let path = format!("/sessions/{session}/quote");
    let ask = |seats: &[&str]| json!({"seats": seats});
    let list = expect(app.post_as(&buyer, &path, &ask(&["1-1"])).await, StatusCode::OK).await;
    assert_eq!((&list["total"], &list["steps"]), (&yuan("380.00"), &json!([])));
    expect(publish(&app, &admin, RULES, None).await, StatusCode::CREATED).await;

    let quoted = expect(app.post_as(&buyer, &path, &ask(&["1-2", "1-1"])).await, StatusCode::OK).await;
    assert_eq!((&quoted["subtotal"], &quoted["total"]), (&yuan("760.00"), &yuan("684.00")), "{quoted}");
    let steps = json!([{"kind": "rule", "title": "Two and more", "change": "-76.00 CNY"}]);
    assert_eq!(quoted["steps"], steps);
    assert_eq!(quoted["lines"][0]["price"], yuan("342.00"));
    for (seats, code) in
        [(vec!["9-9"], Code::UnknownSeat), (vec![], Code::SeatCount), (vec!["1-1"; 2], Code::DuplicateSeat)]
    {
        expect_problem(app.post_as(&buyer, &path, &ask(&seats)).await, code).await;
    }

    // Ordered at the price that was shown, and not at another.
    let mut order = wish(&["1-1", "1-2"]);
    order["expected_total"] = yuan("760.00");
    let refused = expect_problem(app.post_as(&buyer, "/orders", &order).await, Code::PriceChanged).await;
    assert_eq!(refused["total"], yuan("684.00"));
    order["expected_total"] = yuan("684.00");
    let order = expect(app.post_as(&buyer, "/orders", &order).await, StatusCode::CREATED).await;
    assert_eq!((&order["total"], &order["seats"][1]["price"]), (&yuan("684.00"), &yuan("342.00")));

    let own = format!("/orders/{}", order["id"].as_str().unwrap());
    let told = expect(app.get_as(&buyer, &own).await, StatusCode::OK).await;
    assert_eq!(told["price"], json!({"subtotal": yuan("760.00"), "steps": steps}));
    // What is charged is what was agreed to.
    let paid = expect(app.post_as(&buyer, &format!("{own}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = format!("/{}", paid["payment"]["pay_url"].as_str().unwrap());
    let page = app.request(Method::GET, &page).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("760.00"), "{page}");
    let charged: i64 = query("SELECT minor FROM payments").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(charged, 68_400);

    // The proof is kept, also when other rules are in force.
    let other = RULES.replace("percent-off: 10", "percent-off: 20");
    expect(publish(&app, &admin, &other, Some(1)).await, StatusCode::CREATED).await;
    let why = format!("/desk/nebula/orders/{}/price", order["id"].as_str().unwrap());
    let clerk = app.register_at(&platform(), "clerk@example.com", "support").await;
    let price = expect(app.get_as(&clerk, &why).await, StatusCode::OK).await;
    assert_eq!((&price["revision"], &price["proven"]), (&json!(1), &json!(true)), "{price}");
    assert!(price["explanation"].as_str().unwrap().contains("684.00 CNY to pay"), "{price}");
    expect_problem(app.get_as(&buyer, &why).await, Code::Forbidden).await;
    let quoted = expect(app.post_as(&buyer, &path, &ask(&["1-3", "1-4"])).await, StatusCode::OK).await;
    assert_eq!(quoted["total"], yuan("608.00"));
}

#[tokio::test]
async fn rules_that_give_no_price_are_refused_and_no_price_leaves_its_bounds() {
    let app = TestApp::start().await;
    let admin = app.register_staff("admin@example.com", "merchant-admin").await;
    let session = app.hall(10).await;
    let buyer = app.register("buyer@example.com").await;
    let path = format!("/sessions/{session}/quote");
    let ask = json!({"seats": ["1-1"]});
    let rules = |floor: &str, rule: &str| {
        format!(
            "name: x\ncurrency: CNY\nfloor: {floor}\nphases: [{{ id: p, groups: [{{ id: g }}] }}]\n\
             rules: [{{ id: r, group: g, order: 1, {rule} }}]\n"
        )
    };
    let mut known = None;
    for (floor, rule, total) in [
        // Everything off is nothing, and never less.
        ("'0'", "then: { amount-off: 100000 }", Some("0.00")),
        ("'0'", "then: { percent-off: 100 }", Some("0.00")),
        // Dearer only because the rule says so, and not by more than can be counted.
        ("'0'", "then: { percent-on: 10 }", Some("418.00")),
        ("'0'", "then: { amount-on: '90000000000000000000' }", None),
        ("'0'", "then: { percent-off: 10 / (seats - 1) }", None),
        ("'0'", "then: { amount-off: 10 }", Some("370.00")),
    ] {
        let text = rules(floor, rule);
        let answer = publish(&app, &admin, &text, known).await;
        if answer.status() == StatusCode::UNPROCESSABLE_ENTITY {
            assert_eq!(total, None, "{text}: {}", expect_problem(answer, Code::RulesRefused).await);
            continue;
        }
        let published = expect(answer, StatusCode::CREATED).await;
        known = published["active"].as_i64();
        let quoted = app.post_as(&buyer, &path, &ask).await;
        match total {
            Some(total) => assert_eq!(expect(quoted, StatusCode::OK).await["total"], yuan(total), "{text}"),
            None => {
                expect_problem(quoted, Code::NotPriced).await;
                let order = app.post_as(&buyer, "/orders", &json!({"session_id": session, "seats": ["1-1"]})).await;
                expect_problem(order, Code::NotPriced).await;
            }
        }
    }
    // Prices in another currency are not these rules'.
    let text = rules("'0'", "then: { percent-off: 50 }").replace("CNY", "USD");
    expect(publish(&app, &admin, &text, known).await, StatusCode::CREATED).await;
    assert_eq!(expect(app.post_as(&buyer, &path, &ask).await, StatusCode::OK).await["total"], yuan("380.00"));
    // Whoever asks too often waits.
    let many = futures_util::future::join_all((0..40).map(|_| app.post_as(&buyer, &path, &ask))).await;
    assert!(many.iter().any(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS));
    expect_problem(app.post(&path, &ask).await, Code::Unauthenticated).await;
}

#[tokio::test]
async fn a_data_folder_of_an_earlier_version_gets_the_new_permissions_once() {
    let app = TestApp::start().await;
    app.register_staff("admin@example.com", "merchant-admin").await;
    // As it was before there were rules and coupons.
    let rbac = app.app.office.service();
    let actor = nebula_auth::rbac::Actor::system("test");
    let name = nebula_auth::rbac::RoleName::new("merchant-admin").unwrap();
    let without = |role: &mut nebula_auth::rbac::Role| {
        role.permissions.retain(|one| !one.as_str().starts_with("rule") && !one.as_str().starts_with("coupon"));
    };
    for role in [&name, &nebula_auth::rbac::RoleName::new("finance").unwrap()] {
        rbac.update_role(&actor, role, without).await.unwrap().into_result().unwrap();
    }
    for gone in ["rule:read", "rule:write", "coupon:read", "coupon:write"] {
        rbac.delete_permission(&actor, &gone.parse().unwrap()).await.unwrap().into_result().unwrap();
    }
    let config = app.app.config.clone();
    let folder = app.stop().await;

    let app = TestApp::start_on(config.clone()).await;
    let admin = app.login("admin@example.com", crate::common::PASSWORD).await;
    expect(publish(&app, &admin, RULES, None).await, StatusCode::CREATED).await;
    expect(app.get_as(&admin, "/desk/nebula/coupons").await, StatusCode::OK).await;
    // What an administrator takes away after that stays away.
    app.app.office.service().update_role(&actor, &name, without).await.unwrap().into_result().unwrap();
    app.stop().await;
    let app = TestApp::start_on(config).await;
    let admin = app.login("admin@example.com", crate::common::PASSWORD).await;
    expect_problem(app.get_as(&admin, "/desk/nebula/rules").await, Code::Forbidden).await;
    app.stop().await;
    drop(folder);
}
