//! Selling at a counter: who may, what a till holds, and that money and seats add up whatever happens in between.

use std::time::Duration;

use crate::common::{Account, PASSWORD, TestApp, expect, expect_problem};
use nebula_auth::{
    audit::{AuditQuery, Decision},
    rbac::{Actor, DepartmentId, UserId as SubjectId},
};
use nebula_tenant::TenantId;
use nebula_test_support::{eventually, postgres_database};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    config::{Config, DatabaseProvider},
    ids::SessionId,
    payment::storage as payments,
    problem::Code,
    storage::sql::query,
};

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400_000;

fn cny(amount: &str) -> Value {
    json!({"amount": amount, "currency": "CNY"})
}

async fn hold(app: &TestApp, who: &Account, merchant: &str, key: &str, body: &Value) -> Response {
    let request = app.request(Method::POST, &format!("/desk/{merchant}/counter/orders")).bearer_auth(&who.access);
    request.header("idempotency-key", key).json(body).send().await.unwrap()
}

fn wish(session: SessionId, seats: &[&str]) -> Value {
    json!({"session_id": session, "seats": seats})
}

/// Holds seats of the platform's own merchant, and gives the order's number.
async fn held(app: &TestApp, who: &Account, session: SessionId, key: &str, seats: &[&str]) -> String {
    let held = expect(hold(app, who, "nebula", key, &wish(session, seats)).await, StatusCode::CREATED).await;
    held["order"]["id"].as_str().unwrap().to_owned()
}

async fn take(app: &TestApp, who: &Account, order: &str, amount: &str) -> Response {
    let body = json!({"method": "cash", "amount": cny(amount)});
    app.post_as(who, &format!("/desk/nebula/counter/orders/{order}/payment"), &body).await
}

async fn sale(app: &TestApp, who: &Account, order: &str) -> Value {
    expect(app.get_as(who, &format!("/desk/nebula/counter/orders/{order}")).await, StatusCode::OK).await
}

async fn in_state(app: &TestApp, who: &Account, order: &str, state: &str) -> Value {
    eventually(PATIENCE, || async {
        let sale = sale(app, who, order).await;
        if sale["order"]["state"] == state { Ok(sale) } else { Err(sale.to_string()) }
    })
    .await
}

/// The till of that clerk in a report.
fn till_of<'r>(report: &'r Value, clerk: &Account) -> &'r Value {
    let tills = report["tills"].as_array().unwrap();
    tills.iter().find(|till| till["clerk_id"] == json!(clerk.id)).unwrap_or_else(|| panic!("no till: {report}"))
}

async fn sound(app: &TestApp, session: SessionId) {
    eventually(PATIENCE, || async {
        let audit = app.app.auditor.audit(session, Duration::ZERO).await.unwrap();
        if audit.sound { Ok(()) } else { Err(format!("{audit:?}")) }
    })
    .await;
}

async fn notes(app: &TestApp, what: &str) -> usize {
    let asked = AuditQuery { what: Some(what.to_owned()), ..AuditQuery::default() };
    // What is refused is in the log as well.
    let entries = app.app.office.log().query(&asked).await.unwrap().entries;
    entries.iter().filter(|entry| matches!(entry.record.decision, Decision::Granted | Decision::Changed)).count()
}

#[tokio::test]
async fn a_box_office_sells_prints_and_its_till_adds_up() {
    let app = TestApp::start().await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let finance = app.register_staff("finance@example.com", "finance").await;
    let session = app.hall(60).await;
    let offered = expect(app.get_as(&clerk, "/desk/nebula/counter").await, StatusCode::OK).await;
    assert_eq!((&offered["channel"], &offered["sessions"][0]["id"]), (&json!("BOX_OFFICE"), &json!(session)));
    assert_eq!((&offered["sessions"][0]["available"], &offered["commission_bp"]), (&json!(60), &json!(0)));
    let opened = app.post_as(&clerk, "/desk/nebula/counter/till", &json!({"opening": cny("200.00")})).await;
    assert_eq!(till_of(&expect(opened, StatusCode::OK).await, &clerk)["expected_cash"], cny("200.00"));

    let slip = app.post_as(&clerk, "/desk/nebula/counter/till", &json!({"opening": cny("9000000000000000.00")})).await;
    assert_eq!(expect_problem(slip, Code::InvalidValue).await["field"], "opening");

    // Ten seats where one buyer may have six, and then more: limits are of buyers.
    let seats: Vec<String> = (1..=10).map(|number| format!("1-{number}")).collect();
    let body = json!({"session_id": session, "seats": seats, "buyer": {"name": "李雷", "email": "Li@Example.com", "language": "zh"}});
    let group = expect(hold(&app, &clerk, "nebula", "group", &body).await, StatusCode::CREATED).await;
    let order = group["order"]["id"].as_str().unwrap().to_owned();
    assert_eq!((&group["order"]["state"], &group["sale"]["buyer_email"]), (&json!("LOCKED"), &json!("li@example.com")));
    assert_eq!(group["sale"]["buyer_name"], "李雷");
    // At rest nobody reads who it was.
    let sealed: String = query("SELECT email_sealed FROM counter_sales").scalar(&app.app.database.read).await.unwrap();
    assert!(!sealed.contains("example"), "{sealed}");

    for (body, field) in [
        (json!({"method": "cash", "amount": cny("1.00")}), "amount"),
        (json!({"method": "cash", "amount": {"amount": "3800.00", "currency": "EUR"}}), "amount"),
        (json!({"method": "card", "amount": cny("3800.00")}), "reference"),
        (json!({"method": "card", "amount": cny("3800.00"), "reference": "two words"}), "reference"),
        (json!({"method": "cash", "amount": cny("3800.00"), "reference": "T-1"}), "reference"),
    ] {
        let refused = app.post_as(&clerk, &format!("/desk/nebula/counter/orders/{order}/payment"), &body).await;
        assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], field, "{body}");
    }
    expect(take(&app, &clerk, &order, "3800.00").await, StatusCode::OK).await;
    let printed = in_state(&app, &clerk, &order, "ISSUED").await;
    let tickets = printed["order"]["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 10);
    assert!(tickets.iter().all(|ticket| ticket["qr"].as_str().unwrap().starts_with("<svg")), "{printed}");

    let second = held(&app, &clerk, session, "second", &["2-1"]).await;
    let body = json!({"method": "card", "amount": cny("380.00"), "reference": "T-4711"});
    let path = format!("/desk/nebula/counter/orders/{second}/payment");
    expect(app.post_as(&clerk, &path, &body).await, StatusCode::OK).await;
    expect_problem(take(&app, &clerk, &second, "380.00").await, Code::AlreadyPaid).await;

    // What the door reads opens the door.
    let door = json!({"code": tickets[0]["code"], "gate": "north"});
    let path = format!("/admin/sessions/{session}/check-in");
    let admitted = expect(app.post_as(&clerk, &path, &door).await, StatusCode::OK).await;
    assert_eq!(admitted["verdict"], "admitted", "{admitted}");

    // The merchant's desk says who sold it; the till says what came in; nothing is missing in the books.
    let shown = expect(app.get_as(&finance, &format!("/desk/nebula/orders/{order}")).await, StatusCode::OK).await;
    assert_eq!(shown["sale"], json!({"channel": "BOX_OFFICE", "clerk_id": clerk.id, "clerk": "Somebody"}));
    assert_eq!(
        (&shown["payments"][0]["provider"], &shown["payments"][0]["state"]),
        (&json!("cash"), &json!("SUCCEEDED"))
    );
    let report = expect(app.get_as(&finance, "/desk/nebula/tills").await, StatusCode::OK).await;
    let till = till_of(&report, &clerk);
    assert_eq!((&till["expected_cash"], &till["commission"]), (&cny("4000.00"), &cny("0.00")));
    let lines: Vec<_> =
        till["lines"].as_array().unwrap().iter().map(|line| (&line["method"], &line["sales"])).collect();
    let (cash, card) = (json!({"count": 1, "amount": cny("3800.00")}), json!({"count": 1, "amount": cny("380.00")}));
    assert_eq!(lines, [(&json!("cash"), &cash), (&json!("card"), &card)]);
    sound(&app, session).await;
    assert_eq!(
        [notes(&app, "order:sell").await, notes(&app, "order:take").await, notes(&app, "till:open").await],
        [2, 2, 1]
    );
    assert!(notes(&app, "order:print").await > 0);

    // The journal is the bill that the books are compared with: as if it had all been yesterday.
    app.write(|connection| {
        Box::pin(async move {
            for sql in ["UPDATE charges SET at = at - $1", "UPDATE till_entries SET at = at - $1"] {
                query(sql).bind(DAY).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    let yesterday = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(8 - 24)).to_string()[..10].to_owned();
    for (method, matched) in [("cash", 1), ("card", 1)] {
        let compared = app.app.statements.compare(method, yesterday.parse().unwrap()).await.unwrap();
        assert_eq!((compared.matched, compared.differences), (matched, Vec::new()), "{method}");
    }
    // Buyers cannot choose what clerks have.
    let providers = expect(app.get("/payments/providers").await, StatusCode::OK).await;
    assert_eq!(providers["providers"], json!(["mock"]));
    let buyer = app.register("buyer@example.com").await;
    let own = expect(app.post_as(&buyer, "/orders", &wish(session, &["1-20"])).await, StatusCode::CREATED).await;
    let path = format!("/orders/{}/pay?provider=cash", own["id"].as_str().unwrap());
    expect_problem(app.post_as(&buyer, &path, &json!({})).await, Code::InvalidValue).await;
}

#[tokio::test]
async fn a_counter_sells_what_is_its_own_and_an_agent_for_a_commission() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    for name in ["star", "moon"] {
        let body = json!({"id": name, "name": name, "name_zh": name});
        expect(app.post_as(&boss, "/admin/merchants", &body).await, StatusCode::CREATED).await;
    }
    let star: TenantId = "star".parse().unwrap();
    let (ours, theirs) = (app.hall(10).await, app.hall(10).await);
    app.write(move |connection| {
        Box::pin(async move {
            for sql in [
                "UPDATE sessions SET tenant_id = 'star' WHERE id = $1",
                "UPDATE session_prices SET tenant_id = 'star' WHERE session_id = $1",
                "UPDATE shows SET tenant_id = 'star' WHERE id = (SELECT show_id FROM sessions WHERE id = $1)",
            ] {
                query(sql).bind(theirs).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    let clerk = app.register_at(&star, "clerk@example.com", "box-office").await;
    let agent = app.register("agent@example.com").await;
    app.app.office.assign_agent(agent.id).await.unwrap();
    let support = app.register_staff("support@example.com", "support").await;

    // Of another merchant a clerk finds nothing, under either name.
    expect_problem(app.get_as(&clerk, "/desk/nebula/counter").await, Code::NotFound).await;
    expect_problem(hold(&app, &clerk, "nebula", "a", &wish(ours, &["1-1"])).await, Code::NotFound).await;
    expect_problem(hold(&app, &clerk, "star", "b", &wish(ours, &["1-1"])).await, Code::NotFound).await;
    let sold = expect(hold(&app, &agent, "nebula", "c", &wish(ours, &["1-1"])).await, StatusCode::CREATED).await;
    assert_eq!((&sold["sale"]["channel"], &sold["sale"]["clerk_id"]), (&json!("AGENT"), &json!(agent.id)));
    let order = sold["order"]["id"].as_str().unwrap().to_owned();
    for (method, what) in
        [(Method::GET, ""), (Method::POST, "/cancel"), (Method::POST, "/payment"), (Method::POST, "/refund")]
    {
        for merchant in ["star", "nebula"] {
            let path = format!("/desk/{merchant}/counter/orders/{order}{what}");
            let body = if what == "/refund" {
                json!({"reason": "x"})
            } else {
                json!({"method": "cash", "amount": cny("380.00")})
            };
            let asked = app.request(method.clone(), &path).bearer_auth(&clerk.access).json(&body).send().await.unwrap();
            expect_problem(asked, Code::NotFound).await;
        }
    }
    let offered = expect(app.get_as(&clerk, "/desk/star/counter").await, StatusCode::OK).await;
    assert_eq!(offered["sessions"].as_array().unwrap().len(), 1, "{offered}");
    assert_eq!(offered["sessions"][0]["id"], json!(theirs));
    // Support helps and sells nothing; a buyer has no counter.
    expect_problem(hold(&app, &support, "nebula", "d", &wish(ours, &["1-2"])).await, Code::Forbidden).await;
    let buyer = app.register("buyer@example.com").await;
    expect_problem(app.get_as(&buyer, "/desk/nebula/counter").await, Code::Forbidden).await;
    // An online order is none of the counter's.
    let online = expect(app.post_as(&buyer, "/orders", &wish(ours, &["1-9"])).await, StatusCode::CREATED).await;
    expect_problem(take(&app, &agent, online["id"].as_str().unwrap(), "380.00").await, Code::NotFound).await;

    // What the agent keeps is what held when it sold.
    let rate = |points: u32| {
        let (request, body) =
            (app.request(Method::PUT, "/admin/merchants/star/commission"), json!({"basis_points": points}));
        request.bearer_auth(&boss.access).json(&body).send()
    };
    expect_problem(rate(10_001).await.unwrap(), Code::InvalidValue).await;
    for (points, key, seat) in [(250, "e", "1-3"), (199, "f", "1-4")] {
        expect(rate(points).await.unwrap(), StatusCode::NO_CONTENT).await;
        let sold = expect(hold(&app, &agent, "star", key, &wish(theirs, &[seat])).await, StatusCode::CREATED).await;
        let path = format!("/desk/star/counter/orders/{}/payment", sold["order"]["id"].as_str().unwrap());
        let body = json!({"method": "cash", "amount": cny("380.00")});
        expect(app.post_as(&agent, &path, &body).await, StatusCode::OK).await;
    }
    assert_eq!(notes(&app, "commission:set").await, 2);
    let finance = app.register_at(&star, "finance@example.com", "finance").await;
    let report = expect(app.get_as(&finance, "/desk/star/tills").await, StatusCode::OK).await;
    let till = till_of(&report, &agent);
    // 380.00 at 2.50 % and 380.00 at 1.99 %: 17.062, rounded down once.
    assert_eq!((&till["commission"], &report["commission_bp"]), (&cny("17.06"), &json!(199)));
    assert_eq!(till["lines"][0]["channel"], "AGENT");
    // Of what the agent sold elsewhere, this merchant sees nothing; and finance sells nothing.
    assert_eq!(till["expected_cash"], cny("760.00"));
    expect_problem(app.get_as(&finance, "/desk/nebula/tills").await, Code::NotFound).await;
    expect_problem(app.get_as(&clerk, "/desk/star/tills").await, Code::Forbidden).await;
    expect_problem(hold(&app, &finance, "star", "g", &wish(theirs, &["1-5"])).await, Code::Forbidden).await;

    // Nobody has both, and an agent below one merchant sells for that one only.
    let apart = app.app.office.assign(agent.id, "finance", "test").await;
    assert!(apart.is_err(), "agents do not settle what they took");
    let (id, moon) = (SubjectId::new(agent.id.to_string()).unwrap(), DepartmentId::new("moon").unwrap());
    let moved = app.app.office.service().set_department(&Actor::system("test"), &id, Some(&moon)).await.unwrap();
    moved.into_result().unwrap();
    eventually(PATIENCE, || async {
        let answer = hold(&app, &agent, "star", "h", &wish(theirs, &["1-6"])).await;
        if answer.status() == StatusCode::NOT_FOUND { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    expect_problem(hold(&app, &agent, "nebula", "i", &wish(ours, &["1-6"])).await, Code::NotFound).await;
}

#[tokio::test]
async fn a_sale_is_made_once_however_often_it_is_sent() {
    let app = TestApp::start().await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let colleague = app.register_staff("colleague@example.com", "box-office").await;
    let session = app.hall(20).await;
    let body = wish(session, &["1-1", "1-2"]);
    let answers = futures_util::future::join_all((0..6).map(|_| hold(&app, &clerk, "nebula", "same", &body))).await;
    let mut orders = Vec::new();
    for answer in answers {
        assert!([StatusCode::CREATED, StatusCode::OK].contains(&answer.status()), "{}", answer.status());
        let answer: Value = answer.json().await.unwrap();
        orders.push(answer["order"]["id"].as_str().unwrap().to_owned());
    }
    orders.dedup();
    assert_eq!(orders.len(), 1, "{orders:?}");
    let other = hold(&app, &clerk, "nebula", "same", &wish(session, &["1-3"])).await;
    expect_problem(other, Code::IdempotencyKeyReused).await;
    // The key is the clerk's: a colleague's is another one, and neither is that of a purchase of their own.
    expect_problem(hold(&app, &colleague, "nebula", "same", &body).await, Code::SeatTaken).await;
    let own = app.request(Method::POST, "/orders").bearer_auth(&clerk.access).header("idempotency-key", "same");
    let own = expect(own.json(&wish(session, &["1-4"])).send().await.unwrap(), StatusCode::CREATED).await;
    assert_ne!(own["id"], json!(orders[0]));
    let missing = app.post_as(&clerk, "/desk/nebula/counter/orders", &body).await;
    assert_eq!(expect_problem(missing, Code::InvalidValue).await["field"], "Idempotency-Key");

    let taken = futures_util::future::join_all((0..6).map(|_| take(&app, &clerk, &orders[0], "760.00"))).await;
    for answer in taken {
        expect(answer, StatusCode::OK).await;
    }
    in_state(&app, &clerk, &orders[0], "ISSUED").await;
    let count = |sql: &'static str| {
        let pool = app.app.database.read.clone();
        async move { query(sql).scalar::<i64>(&pool).await.unwrap() }
    };
    assert_eq!(count("SELECT count(*) FROM till_entries").await, 1);
    assert_eq!(count("SELECT count(*) FROM charges").await, 1);
    assert_eq!(notes(&app, "order:take").await, 1);
    sound(&app, session).await;

    // Of two tills that want one seat, one gets it.
    let rush = futures_util::future::join_all((0..8).map(|index| {
        let who = if index % 2 == 0 { &clerk } else { &colleague };
        let (app, key, body) = (&app, format!("rush-{index}"), wish(session, &["1-10"]));
        async move { hold(app, who, "nebula", &key, &body).await.status() }
    }));
    let rush = rush.await;
    assert_eq!(rush.iter().filter(|status| **status == StatusCode::CREATED).count(), 1, "{rush:?}");
}

#[tokio::test]
async fn what_is_cut_off_between_seats_and_money_loses_neither() {
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
    config.sales.sweep_interval = Duration::from_millis(200);
    // These tests are compiled into `postgres` once more.
    if env!("CARGO_CRATE_NAME") == "postgres" {
        config.database.provider = DatabaseProvider::Postgres;
        config.database.url = Some(postgres_database().await.into());
        config.database.max_connections = 8;
    }
    let app = TestApp::start_on(config.clone()).await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let session = app.hall(10).await;
    let order = held(&app, &clerk, session, "kept", &["1-1"]).await;
    let lost = held(&app, &clerk, session, "lost", &["1-2", "1-3"]).await;
    app.stop().await;

    // Another process finds the order as it was, and takes its money.
    let app = TestApp::start_on(config).await;
    let clerk = app.login("clerk@example.com", PASSWORD).await;
    assert_eq!(sale(&app, &clerk, &order).await["order"]["state"], "LOCKED");
    let again = hold(&app, &clerk, "nebula", "kept", &wish(session, &["1-1"])).await;
    assert_eq!(expect(again, StatusCode::OK).await["order"]["id"], json!(order), "the same order");
    expect(take(&app, &clerk, &order, "380.00").await, StatusCode::OK).await;
    in_state(&app, &clerk, &order, "ISSUED").await;

    // Nobody came back for the other one: its time is over, and its seats are free again.
    let id = lost.clone();
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE orders SET expires_at = 1 WHERE id = $1").bind(id).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    expect_problem(take(&app, &clerk, &lost, "760.00").await, Code::OrderExpired).await;
    in_state(&app, &clerk, &lost, "TIMEOUT_CANCELLED").await;
    expect_problem(take(&app, &clerk, &lost, "760.00").await, Code::OrderExpired).await;
    eventually(PATIENCE, || async {
        let answer = hold(&app, &clerk, "nebula", "next", &wish(session, &["1-2", "1-3"])).await;
        if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap()) }
    })
    .await;
    // Given up, they are free at once.
    let given_up = held(&app, &clerk, session, "given-up", &["1-4"]).await;
    let path = format!("/desk/nebula/counter/orders/{given_up}/cancel");
    assert_eq!(
        expect(app.post_as(&clerk, &path, &json!({})).await, StatusCode::OK).await["order"]["state"],
        "CANCELLED"
    );
    expect_problem(app.post_as(&clerk, &path.replace(&given_up, &order), &json!({})).await, Code::AlreadyPaid).await;
    let entries: i64 = query("SELECT count(*) FROM till_entries").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(entries, 1, "nothing was taken for what ended");
    sound(&app, session).await;
    app.stop().await;
}

#[tokio::test]
async fn money_goes_back_when_a_colleague_agrees_and_a_counted_till_is_closed() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let finance = app.register_staff("finance@example.com", "finance").await;
    let session = app.hall(20).await;
    let sold = async |key: &str, seat: &str| {
        let order = held(&app, &clerk, session, key, &[seat]).await;
        expect(take(&app, &clerk, &order, "380.00").await, StatusCode::OK).await;
        in_state(&app, &clerk, &order, "ISSUED").await;
        order
    };
    let (first, second, third) = (sold("1", "1-1").await, sold("2", "1-2").await, sold("3", "1-3").await);

    let ask = async |who: &Account, order: &str| {
        let path = format!("/desk/nebula/counter/orders/{order}/refund");
        let asked = expect(app.post_as(who, &path, &json!({"reason": "ill"})).await, StatusCode::OK).await;
        assert_eq!(asked["order"]["refunds"][0]["state"], "REQUESTED", "{asked}");
        asked["order"]["refunds"][0]["id"].as_str().unwrap().to_owned()
    };
    let approve = |who: &Account, refund: &str| {
        let (path, token) = (format!("/admin/refunds/{refund}/approve"), who.access.clone());
        app.request(Method::POST, &path).bearer_auth(token).json(&json!({})).send()
    };
    let refund = ask(&clerk, &first).await;
    assert_eq!(ask(&clerk, &first).await, refund, "asked again, it is the same");
    let tickets = sale(&app, &clerk, &first).await["order"]["tickets"].clone();
    assert!(tickets[0]["code"].is_null(), "its tickets open no door meanwhile: {tickets}");
    expect_problem(approve(&clerk, &refund).await.unwrap(), Code::Forbidden).await;
    expect(approve(&finance, &refund).await.unwrap(), StatusCode::OK).await;
    in_state(&app, &clerk, &first, "REFUNDED").await;
    // By the rules: the show begins within two days.
    let report = expect(app.get_as(&finance, "/desk/nebula/tills").await, StatusCode::OK).await;
    let till = till_of(&report, &clerk);
    assert_eq!(till["lines"][0]["refunds"], json!({"count": 1, "amount": cny("304.00")}));
    assert_eq!(till["expected_cash"], cny("836.00"));
    eventually(PATIENCE, || async {
        let answer = hold(&app, &clerk, "nebula", "again", &wish(session, &["1-1"])).await;
        if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap()) }
    })
    .await;

    // Not even whoever may do everything agrees to their own, or gives back what they took.
    let refund = ask(&boss, &second).await;
    expect_problem(approve(&boss, &refund).await.unwrap(), Code::OwnMoney).await;
    let own = held(&app, &boss, session, "own", &["1-5"]).await;
    expect(take(&app, &boss, &own, "380.00").await, StatusCode::OK).await;
    in_state(&app, &boss, &own, "ISSUED").await;
    let grant = json!({"reason": "x", "goodwill": true});
    expect_problem(app.post_as(&boss, &format!("/admin/orders/{own}/refund"), &grant).await, Code::OwnMoney).await;

    // Counted by somebody else, once; what is missing shows.
    let today = report["day"].as_str().unwrap().to_owned();
    let count = |who: &Account, of: &Account, amount: &str| {
        let body = json!({"clerk_id": of.id, "day": today, "counted": cny(amount), "note": "one note too few"});
        app.request(Method::POST, "/desk/nebula/tills/closings").bearer_auth(&who.access).json(&body).send()
    };
    expect_problem(count(&clerk, &clerk, "836.00").await.unwrap(), Code::Forbidden).await;
    expect_problem(count(&boss, &boss, "380.00").await.unwrap(), Code::OwnMoney).await;
    expect_problem(count(&finance, &finance, "0.00").await.unwrap(), Code::OwnMoney).await;
    let stranger = app.register("stranger@example.com").await;
    expect_problem(count(&finance, &stranger, "0.00").await.unwrap(), Code::NotFound).await;
    let late = held(&app, &clerk, session, "late", &["1-6"]).await;
    let closed = expect(count(&finance, &clerk, "736.00").await.unwrap(), StatusCode::OK).await;
    let closing = &till_of(&closed, &clerk)["closing"];
    assert_eq!((&closing["difference"], &closing["closed_by"]), (&cny("-100.00"), &json!(finance.id)));
    assert_eq!(closing["note"], "one note too few");
    expect_problem(count(&finance, &clerk, "836.00").await.unwrap(), Code::TillClosed).await;
    expect_problem(take(&app, &clerk, &late, "380.00").await, Code::TillClosed).await;
    assert_eq!(sale(&app, &clerk, &late).await["order"]["state"], "LOCKED", "nothing was taken");
    let opening = app.post_as(&clerk, "/desk/nebula/counter/till", &json!({"opening": cny("1.00")})).await;
    expect_problem(opening, Code::TillClosed).await;
    let open: i64 = query("SELECT count(*) FROM payments WHERE order_id = $1")
        .bind(&late)
        .scalar(&app.app.database.read)
        .await
        .unwrap();
    assert_eq!(open, 0);
    assert_eq!(notes(&app, "till:close").await, 1);
    // A colleague's till takes it.
    let colleague = app.register_staff("colleague@example.com", "box-office").await;
    expect(take(&app, &colleague, &late, "380.00").await, StatusCode::OK).await;

    // What goes back after the count is the next day's.
    let refund = ask(&clerk, &third).await;
    expect(approve(&finance, &refund).await.unwrap(), StatusCode::OK).await;
    in_state(&app, &clerk, &third, "REFUNDED").await;
    let after = expect(app.get_as(&finance, "/desk/nebula/tills").await, StatusCode::OK).await;
    assert_eq!(till_of(&after, &clerk)["expected_cash"], cny("836.00"), "what was counted stays as it was");
    let day: String =
        query("SELECT day FROM till_entries WHERE id = $1").bind(&refund).scalar(&app.app.database.read).await.unwrap();
    assert!(day > today, "{day}");
    // The order says how its money went back, and the books agree.
    let paid = payments::of_order(&app.app.database.read, third.parse().unwrap()).await.unwrap();
    assert_eq!((paid.len(), &*paid[0].provider), (1, "cash"));
    sound(&app, session).await;
}
