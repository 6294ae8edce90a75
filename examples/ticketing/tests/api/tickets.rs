//! What follows a payment: tickets, the door, and money that goes back.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use axum::http::{Method, StatusCode};
use nebula_test_support::eventually;
use serde_json::{Value, json};
use ticketing::{
    audit::Audit,
    clock::Millis,
    config::Config,
    ids::{OrderId, SessionId},
    problem::Code,
    storage::sql::query,
};

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

struct Sale {
    buyer: Account,
    session: SessionId,
    order: String,
}

async fn start(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::start_with(|config| {
        config.sales.sweep_interval = Duration::from_millis(200);
        change(config);
    })
    .await
}

/// An order of two seats, 760.00 CNY, paid and issued, of a show that begins in a day.
async fn sold(app: &TestApp, buyer: Account, session: SessionId, seats: [&str; 2]) -> Sale {
    let body = json!({"session_id": session, "seats": seats});
    let placed = expect(app.post_as(&buyer, "/orders", &body).await, StatusCode::CREATED).await;
    let order = placed["id"].as_str().unwrap().to_owned();
    let begun = expect(app.post_as(&buyer, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap();
    expect(app.request(Method::POST, &format!("/{page}/approve")).send().await.unwrap(), StatusCode::OK).await;
    let sale = Sale { buyer, session, order };
    reaches(app, &sale, "ISSUED").await;
    sale
}

async fn sale(app: &TestApp) -> Sale {
    let (buyer, session) = (app.register("buyer@example.com").await, app.hall(100).await);
    sold(app, buyer, session, ["1-1", "1-2"]).await
}

async fn read(app: &TestApp, sale: &Sale) -> Value {
    expect(app.get_as(&sale.buyer, &format!("/orders/{}", sale.order)).await, StatusCode::OK).await
}

async fn reaches(app: &TestApp, sale: &Sale, state: &str) -> Value {
    eventually(PATIENCE, || async {
        let order = read(app, sale).await;
        if order["state"] == state { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

async fn codes(app: &TestApp, sale: &Sale) -> Vec<String> {
    let order = read(app, sale).await;
    let tickets = order["tickets"].as_array().unwrap();
    tickets.iter().map(|ticket| ticket["code"].as_str().unwrap().to_owned()).collect()
}

async fn scan(app: &TestApp, staff: &Account, session: SessionId, code: &str, gate: &str) -> Value {
    let body = json!({"code": code, "gate": gate});
    expect(app.post_as(staff, &format!("/admin/sessions/{session}/check-in"), &body).await, StatusCode::OK).await
}

async fn quote(app: &TestApp, sale: &Sale) -> Value {
    expect(app.get_as(&sale.buyer, &format!("/orders/{}/refund", sale.order)).await, StatusCode::OK).await
}

fn wish(amount: &str) -> Value {
    json!({"expected_amount": {"amount": amount, "currency": "CNY"}, "reason": "I cannot come"})
}

async fn ask(app: &TestApp, sale: &Sale, amount: &str) -> Value {
    let reply = app.post_as(&sale.buyer, &format!("/orders/{}/refund", sale.order), &wish(amount)).await;
    expect(reply, StatusCode::OK).await
}

async fn sound(app: &TestApp, session: SessionId, wanted: impl Fn(&Audit) -> bool) -> Audit {
    eventually(PATIENCE, || async {
        let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.map_err(|e| e.to_string())?;
        if audit.sound && wanted(&audit) { Ok(audit) } else { Err(format!("{audit:?}")) }
    })
    .await
}

/// Runs statements about an order behind the platform's back.
async fn behind(app: &TestApp, sale: &Sale, statements: &'static [&'static str]) {
    let order = sale.order.clone();
    app.write(move |connection| {
        Box::pin(async move {
            for statement in statements {
                query(*statement).bind(&order).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
}

#[tokio::test]
async fn a_paid_order_gets_one_ticket_a_seat_however_often_it_is_told() {
    let app = start(|_| {}).await;
    let sale = sale(&app).await;
    let order = read(&app, &sale).await;
    let tickets = order["tickets"].as_array().unwrap().clone();
    let seats: Vec<_> = tickets.iter().map(|ticket| ticket["seat"].as_str().unwrap()).collect();
    assert_eq!(seats, ["1-1", "1-2"]);
    for ticket in &tickets {
        assert_eq!(ticket["state"], "VALID");
        assert!(ticket["qr"].as_str().unwrap().starts_with("<svg "), "{ticket}");
        let id = ticket["id"].as_str().unwrap();
        let read = app.app.tickets.codes().read(ticket["code"].as_str().unwrap()).unwrap();
        assert_eq!(read.to_string(), id);
    }
    // The same message again, many times at once.
    let id: OrderId = sale.order.parse().unwrap();
    let again = futures_util::future::join_all((0..20).map(|_| app.app.tickets.issue(id))).await;
    assert!(again.into_iter().all(|issued| !issued.unwrap()));
    assert_eq!(read(&app, &sale).await["tickets"], json!(tickets));
    assert_eq!(read(&app, &sale).await["history"].as_array().unwrap().len(), 4);
    sound(&app, sale.session, |audit| audit.ledger.sold == 2).await;

    // Codes are the buyer's own, and no list has them.
    let stranger = app.register("stranger@example.com").await;
    for path in ["", "/refund"] {
        expect_problem(app.get_as(&stranger, &format!("/orders/{}{path}", sale.order)).await, Code::NotFound).await;
    }
    let reply = app.post_as(&stranger, &format!("/orders/{}/refund", sale.order), &wish("608.00")).await;
    expect_problem(reply, Code::NotFound).await;
    let list = expect(app.get_as(&sale.buyer, "/orders").await, StatusCode::OK).await;
    assert!(list["orders"][0]["tickets"].is_null(), "{list}");

    // A platform that lost the message finds the order, and one that is over is completed.
    behind(
        &app,
        &sale,
        &["DELETE FROM tickets WHERE order_id = $1", "UPDATE orders SET state = 'PAID', updated_at = 1 WHERE id = $1"],
    )
    .await;
    reaches(&app, &sale, "ISSUED").await;
    assert_eq!(codes(&app, &sale).await.len(), 2);
    behind(
        &app,
        &sale,
        &["UPDATE sessions SET starts_at = 1 WHERE id = (SELECT session_id FROM orders WHERE id = $1)"],
    )
    .await;
    reaches(&app, &sale, "COMPLETED").await;
    sound(&app, sale.session, |_| true).await;
}

#[tokio::test]
async fn of_many_doors_one_admits_and_each_refusal_is_told_apart() {
    let app = start(|_| {}).await;
    let sale = sale(&app).await;
    let door = app.register_staff("door@example.com", "door").await;
    let codes = codes(&app, &sale).await;
    let gates: Vec<String> = (0..20).map(|gate| format!("Gate {gate}")).collect();
    let scans = gates.iter().map(|gate| scan(&app, &door, sale.session, &codes[0], gate));
    let verdicts = futures_util::future::join_all(scans).await;
    let (inside, outside): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict["verdict"] == "admitted");
    assert_eq!((inside.len(), outside.len()), (1, 19), "{verdicts:?}");
    assert_eq!(inside[0]["seat"]["number"], "1");
    let first = verdicts.iter().position(|verdict| verdict["verdict"] == "admitted").unwrap();
    for refused in outside {
        assert_eq!((&refused["verdict"], &refused["first_gate"]), (&json!("used"), &json!(gates[first])), "{refused}");
        assert!(refused["first_at"].is_string(), "{refused}");
    }
    assert!(read(&app, &sale).await["tickets"][0]["code"].is_null(), "a used code is of no use to anybody");

    let other = app.hall(10).await;
    let verdict = |session, code: String| {
        let (app, door) = (&app, &door);
        async move { scan(app, door, session, &code, "Main").await["verdict"].clone() }
    };
    let mut forged = codes[1].clone();
    let another = if &forged[20..21] == "A" { "B" } else { "A" };
    forged.replace_range(20..21, another);
    assert_eq!(verdict(other, codes[1].clone()).await, "other-session");
    assert_eq!(verdict(sale.session, forged).await, "forged");
    assert_eq!(verdict(sale.session, sale.order.clone()).await, "unreadable");
    // None of these used up the ticket, and a person may have typed it.
    assert_eq!(verdict(sale.session, format!(" {} ", codes[1].to_lowercase())).await, "admitted");
    let path = format!("/admin/sessions/{}/check-in", sale.session);
    let counts = expect(app.get_as(&door, &path).await, StatusCode::OK).await;
    assert_eq!(counts, json!({"valid": 0, "used": 2, "void": 0}));

    for bad in [json!({"code": "x", "gate": ""}), json!({"code": "x", "gate": "x".repeat(41)})] {
        expect_problem(app.post_as(&door, &path, &bad).await, Code::InvalidValue).await;
    }
    let body = json!({"code": codes[0], "gate": "Main"});
    expect_problem(app.post_as(&sale.buyer, &path, &body).await, Code::Forbidden).await;
    let nowhere = format!("/admin/sessions/{}/check-in", SessionId::new());
    expect_problem(app.post_as(&door, &nowhere, &body).await, Code::NotFound).await;
    let sessions = expect(app.get_as(&door, "/admin/check-in/sessions").await, StatusCode::OK).await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2, "{sessions}");
    sound(&app, sale.session, |_| true).await;
}

#[tokio::test]
async fn a_door_without_a_network_takes_a_list_along_and_brings_its_scans_back() {
    let app = start(|_| {}).await;
    let sale = sale(&app).await;
    let door = app.register_staff("door@example.com", "door").await;
    let codes = codes(&app, &sale).await;
    let path = format!("/admin/sessions/{}/check-in", sale.session);
    let list = expect(app.get_as(&door, &format!("{path}/list")).await, StatusCode::OK).await;
    let text = list.to_string();
    assert!(!codes.iter().any(|code| text.contains(code)) && !text.contains("buyer") && !text.contains("Somebody"));
    // A device finds a code on the list by its hash alone.
    let mark = |code: &str| {
        use base64::Engine;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, code.as_bytes());
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
    };
    for (ticket, code) in list["tickets"].as_array().unwrap().iter().zip(&codes) {
        assert_eq!((&ticket["mark"], &ticket["state"]), (&json!(mark(code)), &json!("VALID")));
    }

    // The first was let in elsewhere meanwhile; the second here, twice.
    scan(&app, &door, sale.session, &codes[0], "North").await;
    let at = Millis::now().0 - 60_000;
    let scans = json!([
        {"id": "1", "code": codes[0], "at": at},
        {"id": "2", "code": codes[1], "at": at + 1},
        {"id": "3", "code": codes[1], "at": at + 2},
        {"id": "4", "code": "nonsense", "at": at + 3},
    ]);
    let upload = |body: Value| {
        let (app, door, path) = (&app, &door, format!("{path}/scans"));
        async move { app.post_as(door, &path, &body).await }
    };
    let body = json!({"gate": "South", "scans": scans});
    let done = expect(upload(body.clone()).await, StatusCode::OK).await;
    assert_eq!((&done["admitted"], &done["repeated"]), (&json!(1), &json!(0)), "{done}");
    let told: Vec<_> = done["conflicts"].as_array().unwrap().iter().map(|one| [&one["id"], &one["verdict"]]).collect();
    assert_eq!(
        told,
        [[&json!("1"), &json!("used")], [&json!("3"), &json!("used")], [&json!("4"), &json!("unreadable")]]
    );
    assert_eq!(done["conflicts"][0]["first_gate"], "North");
    assert_eq!(done["conflicts"][1]["first_gate"], "South");
    // The answer was lost: told again, nothing changes.
    let again = expect(upload(body).await, StatusCode::OK).await;
    assert_eq!((&again["admitted"], &again["repeated"]), (&json!(0), &json!(4)), "{again}");
    // Somebody who comes to a door with a network later is told when the other one opened.
    let late = scan(&app, &door, sale.session, &codes[1], "North").await;
    assert_eq!((&late["verdict"], &late["first_gate"]), (&json!("used"), &json!("South")));

    let future = Millis::now().0 + 3_600_000;
    for bad in [
        json!({"gate": "South", "scans": []}),
        json!({"gate": "", "scans": [{"id": "9", "code": "x", "at": at}]}),
        json!({"gate": "South", "scans": [{"id": "9", "code": "x", "at": future}]}),
        json!({"gate": "South", "scans": [{"id": "", "code": "x", "at": at}]}),
    ] {
        expect_problem(upload(bad).await, Code::InvalidValue).await;
    }
}

#[tokio::test]
async fn a_refund_keeps_the_fee_voids_the_tickets_and_frees_the_seats() {
    let app = start(|config| config.refund.provider_fee = 50).await;
    let sale = sale(&app).await;
    let door = app.register_staff("door@example.com", "door").await;
    let codes = codes(&app, &sale).await;
    // A day before the show a fifth is kept, and what the provider keeps.
    let offer = quote(&app, &sale).await;
    assert_eq!(
        (&offer["quote"]["fee"]["amount"], &offer["quote"]["amount"]["amount"]),
        (&json!("155.80"), &json!("604.20"))
    );
    let path = format!("/orders/{}/refund", sale.order);
    let changed = expect_problem(app.post_as(&sale.buyer, &path, &wish("760.00")).await, Code::RefundChanged).await;
    assert_eq!(changed["amount"]["amount"], "604.20");
    assert_eq!(read(&app, &sale).await["state"], "ISSUED");

    let asked = futures_util::future::join_all((0..10).map(|_| ask(&app, &sale, "604.20"))).await;
    for order in &asked {
        assert_eq!(order["refunds"].as_array().unwrap().len(), 1, "{order}");
        // From this moment on.
        assert!(order["tickets"].as_array().unwrap().iter().all(|ticket| ticket["state"] == "VOID"), "{order}");
    }
    assert_eq!(scan(&app, &door, sale.session, &codes[0], "Main").await["verdict"], "refunded");
    let order = reaches(&app, &sale, "REFUNDED").await;
    let refund = &order["refunds"][0];
    assert_eq!((&refund["state"], &refund["amount"]["amount"]), (&json!("DONE"), &json!("604.20")));
    let states: Vec<_> =
        order["history"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["LOCKED", "PAYING", "PAID", "ISSUED", "REFUNDING", "REFUNDED"]);
    let audit = sound(&app, sale.session, |audit| audit.ledger.available == 100).await;
    let money = audit.money[0];
    let minor = [money.taken, money.tickets, money.refunds, money.fees].map(|money| money.minor);
    assert_eq!(minor, [76_000, 0, 60_420, 15_580]);
    // Asking once more is the same refund; the seats are somebody else's by now.
    assert_eq!(ask(&app, &sale, "604.20").await["refunds"][0]["id"], refund["id"]);
    let next = sold(&app, app.register("next@example.com").await, sale.session, ["1-1", "1-2"]).await;
    assert_eq!(scan(&app, &door, sale.session, &codes[0], "Main").await["verdict"], "refunded");
    let theirs = self::codes(&app, &next).await;
    assert_eq!(scan(&app, &door, sale.session, &theirs[0], "Main").await["verdict"], "admitted");
    sound(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn a_lost_word_about_a_refund_is_made_good_by_asking() {
    let app = start(|_| {}).await;
    let sale = sale(&app).await;
    ask(&app, &sale, "608.00").await;
    reaches(&app, &sale, "REFUNDED").await;
    // As if the provider's word had never come: its books say that the money is back.
    behind(
        &app,
        &sale,
        &[
            "UPDATE orders SET state = 'REFUNDING' WHERE id = $1",
            "UPDATE refunds SET state = 'PENDING', updated_at = 1 WHERE order_id = $1",
        ],
    )
    .await;
    reaches(&app, &sale, "REFUNDED").await;
    // As if the ledger had never heard of it.
    let audit = sound(&app, sale.session, |audit| audit.ledger.available == 100).await;
    assert_eq!(audit.money[0].refunds.minor, 60_800);
}

#[tokio::test]
async fn a_refund_that_the_provider_refuses_leads_back_with_the_reason() {
    let app = start(|_| {}).await;
    let sale = sale(&app).await;
    let door = app.register_staff("door@example.com", "door").await;
    let codes = codes(&app, &sale).await;
    // The provider's books know no such money.
    behind(
        &app,
        &sale,
        &["UPDATE mock_charges SET state = 'CLOSED' \
                           WHERE payment_id = (SELECT id FROM payments WHERE order_id = $1)"],
    )
    .await;
    ask(&app, &sale, "608.00").await;
    let order = reaches(&app, &sale, "ISSUED").await;
    let refund = &order["refunds"][0];
    assert_eq!(refund["state"], "REFUSED");
    let reason = format!("refund refused: {}", refund["note"].as_str().unwrap());
    assert_eq!(order["history"].as_array().unwrap().last().unwrap()["reason"], json!(reason));
    assert_eq!(scan(&app, &door, sale.session, &codes[0], "Main").await["verdict"], "admitted");
    assert_eq!(quote(&app, &sale).await["refusal"], "used");
    sound(&app, sale.session, |audit| audit.ledger.sold == 2).await;
}

#[tokio::test]
async fn where_the_staff_has_to_agree_it_refuses_with_a_reason_or_agrees() {
    let app = start(|config| config.refund.review = true).await;
    let sale = sale(&app).await;
    let finance = app.register_staff("finance@example.com", "finance").await;
    let counter = app.register_staff("counter@example.com", "box-office").await;
    let order = ask(&app, &sale, "608.00").await;
    assert_eq!((&order["state"], &order["refunds"][0]["state"]), (&json!("REFUNDING"), &json!("REQUESTED")));
    let desk = |who: &Account, action: &str, id: &Value, body: Value| {
        let (app, who, path) = (&app, who.clone(), format!("/admin/refunds/{}/{action}", id.as_str().unwrap()));
        async move { app.post_as(&who, &path, &body).await }
    };
    let first = order["refunds"][0]["id"].clone();
    let why = json!({"reason": "The show was a success"});
    expect_problem(desk(&counter, "refuse", &first, why.clone()).await, Code::Forbidden).await;
    expect_problem(desk(&finance, "refuse", &first, json!({"reason": " "})).await, Code::InvalidValue).await;
    expect(desk(&finance, "refuse", &first, why.clone()).await, StatusCode::OK).await;
    let order = read(&app, &sale).await;
    assert_eq!((&order["state"], &order["refunds"][0]["note"]), (&json!("ISSUED"), &why["reason"]));
    assert_eq!(order["tickets"][0]["state"], "VALID");
    for action in ["approve", "refuse"] {
        expect_problem(desk(&finance, action, &first, why.clone()).await, Code::RefundState).await;
    }
    let order = ask(&app, &sale, "608.00").await;
    let second = order["refunds"][1]["id"].clone();
    assert_ne!(first, second);
    expect(desk(&finance, "approve", &second, json!({})).await, StatusCode::OK).await;
    reaches(&app, &sale, "REFUNDED").await;
    let list = expect(app.get_as(&counter, "/admin/refunds?state=DONE").await, StatusCode::OK).await;
    assert_eq!(list["refunds"][0]["id"], second, "{list}");
    expect_problem(app.get_as(&sale.buyer, "/admin/refunds").await, Code::Forbidden).await;
    expect_problem(app.get_as(&counter, "/admin/refunds?limit=0").await, Code::InvalidValue).await;
    sound(&app, sale.session, |audit| audit.ledger.available == 100).await;
}

#[tokio::test]
async fn too_late_is_too_late_but_the_staff_may_be_kind() {
    let app = start(|_| {}).await;
    let buyer = app.register("buyer@example.com").await;
    let soon = Millis::now().plus(Duration::from_secs(3_600));
    let session = app.hall_with(10, move |session| session.starts_at = soon).await;
    let sale = sold(&app, buyer, session, ["1-1", "1-2"]).await;
    assert_eq!(quote(&app, &sale).await["refusal"], "too-late");
    let reply = app.post_as(&sale.buyer, &format!("/orders/{}/refund", sale.order), &wish("760.00")).await;
    assert_eq!(expect_problem(reply, Code::RefundRefused).await["reason"], "too-late");
    let finance = app.register_staff("finance@example.com", "finance").await;
    let path = format!("/admin/orders/{}/refund", sale.order);
    let offer = expect(app.get_as(&finance, &path).await, StatusCode::OK).await;
    assert_eq!(
        (&offer["by_rule"]["refusal"], &offer["goodwill"]["quote"]["amount"]["amount"]),
        (&json!("too-late"), &json!("760.00"))
    );
    let by_rule = app.post_as(&finance, &path, &json!({"reason": "illness"})).await;
    expect_problem(by_rule, Code::RefundRefused).await;
    expect(app.post_as(&finance, &path, &json!({"reason": "illness", "goodwill": true})).await, StatusCode::OK).await;
    reaches(&app, &sale, "REFUNDED").await;
    let audit = sound(&app, session, |audit| audit.ledger.available == 10).await;
    assert_eq!((audit.money[0].refunds.minor, audit.money[0].fees.minor), (76_000, 0));
    assert_eq!(quote(&app, &sale).await["refusal"], "state");
}

#[tokio::test]
async fn a_bill_is_compared_with_the_books_line_by_line() {
    let app = start(|_| {}).await;
    let sale = sale(&app).await;
    ask(&app, &sale, "608.00").await;
    reaches(&app, &sale, "REFUNDED").await;
    let next = sold(&app, app.register("next@example.com").await, sale.session, ["1-3", "1-4"]).await;
    // A bill is of all merchants: it is the platform's to compare.
    let merchant = app.register_staff("finance@example.com", "finance").await;
    let finance = app.register_admin("books@example.com").await;
    // All of it happened yesterday, at one moment of the middle of the day in China.
    let (day, noon) = yesterday();
    app.write(move |connection| {
        Box::pin(async move {
            for table in [
                "UPDATE charges SET at = $1",
                "UPDATE mock_charges SET paid_at = $1",
                "UPDATE mock_refunds SET at = $1",
                "UPDATE refunds SET updated_at = $1",
            ] {
                query(table).bind(noon).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    let path = format!("/admin/statements/mock/{day}");
    for who in [&sale.buyer, &merchant] {
        expect_problem(app.post_as(who, &path, &json!({})).await, Code::Forbidden).await;
    }
    let report = expect(app.post_as(&finance, &path, &json!({})).await, StatusCode::OK).await;
    assert_eq!((&report["matched"], &report["differences"]), (&json!(3), &json!([])), "{report}");
    assert_eq!(expect(app.get_as(&finance, &path).await, StatusCode::OK).await, report);

    // The provider forgot one charge, took another amount for one, and knows a refund that nobody asked for.
    let (first, second) = (sale.order.clone(), next.order.clone());
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE mock_charges SET minor = 76001 WHERE payment_id = (SELECT id FROM payments WHERE order_id = $1)")
                .bind(first)
                .execute(&mut *connection)
                .await?;
            query("DELETE FROM mock_charges WHERE payment_id = (SELECT id FROM payments WHERE order_id = $1)")
                .bind(second)
                .execute(&mut *connection)
                .await?;
            query("INSERT INTO mock_refunds (refund_id, payment_id, txn, minor, currency, state, at) \
                   VALUES ('stray', 'p', 't', 5, 'CNY', 'DONE', $1)")
                .bind(noon)
                .execute(connection)
                .await?;
            Ok(())
        })
    })
    .await;
    let report = expect(app.post_as(&finance, &path, &json!({})).await, StatusCode::OK).await;
    let mut kinds: Vec<_> =
        report["differences"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["charge-amount", "charge-not-theirs", "refund-not-ours"], "{report}");
    assert_eq!(report["matched"], 1);

    for bad in ["2999-01-01", "1999-12-31", "yesterday", "2026-02-30", "-9999-01-01"] {
        let path = format!("/admin/statements/mock/{bad}");
        expect_problem(app.post_as(&finance, &path, &json!({})).await, Code::InvalidValue).await;
    }
    let nobody = format!("/admin/statements/nobody/{day}");
    expect_problem(app.post_as(&finance, &nobody, &json!({})).await, Code::NotFound).await;
    expect_problem(app.get_as(&finance, &nobody).await, Code::NotFound).await;
}

/// Yesterday in China, and its noon.
fn yesterday() -> (String, i64) {
    const DAY: i64 = 86_400_000;
    let zone = 8 * 3_600_000;
    let midnight = (Millis::now().0 + zone) / DAY * DAY - zone;
    let noon = midnight - DAY / 2;
    let text = jiff::Timestamp::from_millisecond(noon + zone).unwrap().to_string();
    (text[..10].to_owned(), noon)
}
