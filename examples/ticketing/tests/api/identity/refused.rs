//! Names that the authority refuses after the order was placed: what comes of the order.

use std::time::Duration;

use futures_util::future::join_all;
use nebula_auth::audit::AuditQuery;
use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    admission::Policy,
    config::Config,
    identity::{RealName, WhenDown},
    ids::SessionId,
    problem::Code,
    refund::RefusedNames,
    storage::sql::query,
};

use super::authority::{Mood, Office, asks, person};
use crate::common::{Account, TestApp, expect, expect_problem};

const PATIENCE: Duration = Duration::from_secs(60);
const REASON: &str = "a name was refused by the authority";

/// A hall that sells while names cannot be checked, and an authority that is away.
async fn away(change: impl FnOnce(&mut Config)) -> (Office, TestApp, SessionId) {
    let (office, url) = Office::open().await;
    let app = TestApp::start_with(|config| {
        asks(config, &url);
        config.sales.sweep_interval = Duration::from_millis(200);
        change(config);
    })
    .await;
    let session = app.hall(50).await;
    let real_name = RealName { when_down: WhenDown::Later, ..RealName::default() };
    let policy = Policy { real_name: Some(real_name), ..Policy::default() };
    app.app.admission.policies().put(session, policy, "test".to_owned()).await.unwrap();
    office.be(Mood::Broken);
    (office, app, session)
}

fn lei() -> Value {
    json!({"person": person("李雷", 1)})
}

/// The authority refuses the name once it is asked.
fn impostor() -> Value {
    json!({"person": person("冒名", 2)})
}

async fn placed(app: &TestApp, who: &Account, session: SessionId, seats: &[&str], people: &[Value]) -> String {
    let wish = json!({"session_id": session, "seats": seats, "attendees": people});
    let order = expect(app.post_as(who, "/orders", &wish).await, StatusCode::CREATED).await;
    order["id"].as_str().unwrap().to_owned()
}

async fn till(app: &TestApp, who: &Account, order: &str) -> String {
    let begun = expect(app.post_as(who, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    begun["payment"]["pay_url"].as_str().unwrap().to_owned()
}

async fn read(app: &TestApp, who: &Account, order: &str) -> Value {
    expect(app.get_as(who, &format!("/orders/{order}")).await, StatusCode::OK).await
}

async fn reaches(app: &TestApp, who: &Account, order: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(PATIENCE, || async {
        let order = read(app, who, order).await;
        if wanted(&order) { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

async fn bought(app: &TestApp, who: &Account, session: SessionId, seats: &[&str], people: &[Value]) -> String {
    let order = placed(app, who, session, seats, people).await;
    let page = till(app, who, &order).await;
    expect(app.post(&format!("/{page}/approve"), &json!({})).await, StatusCode::OK).await;
    reaches(app, who, &order, |order| order["state"] == "ISSUED").await;
    order
}

/// The message of a topic, once it is there.
async fn told(app: &TestApp, who: &Account, topic: &str) -> Value {
    eventually(PATIENCE, || async {
        let inbox = expect(app.get_as(who, "/inbox").await, StatusCode::OK).await;
        let found = inbox["messages"].as_array().unwrap().iter().find(|message| message["topic"] == topic).cloned();
        found.ok_or_else(|| inbox.to_string())
    })
    .await
}

fn came_of(order: &Value) -> &Value {
    &order["name_refused"]["consequence"]
}

fn verified(order: &Value) -> Vec<&str> {
    let seats = order["seats"].as_array().unwrap();
    seats.iter().map(|seat| seat["attendee"]["verified"].as_str().unwrap()).collect()
}

/// What the log says came of orders, by order.
async fn logged(app: &TestApp) -> Vec<(String, String)> {
    let asked = AuditQuery { what: Some("order:name-refused".to_owned()), ..AuditQuery::default() };
    let entries = app.app.office.log().query(&asked).await.unwrap().entries;
    entries.into_iter().map(|entry| (entry.record.on, entry.record.reason)).collect()
}

#[tokio::test]
async fn an_order_with_a_name_that_is_refused_later_ends_or_its_money_goes_back_in_full() {
    let (office, app, session) = away(|config| config.refund.provider_fee = 50).await;
    let (mei, tom) = (app.register("mei@example.com").await, app.register("tom@example.com").await);
    let id = tom.id;
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE users SET language = 'zh' WHERE id = $1").bind(id).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    let staff = async |role: &str| app.register_staff(&format!("{role}@example.com"), role).await;
    let (door, support, clerk, finance) =
        (staff("door").await, staff("support").await, staff("box-office").await, staff("finance").await);

    // While it is away: unpaid, about to be paid, paid, entered with, given back, sold at a counter, and one that is well.
    let unpaid = placed(&app, &mei, session, &["1-1", "1-2"], &[lei(), impostor()]).await;
    let paying = placed(&app, &mei, session, &["1-3"], &[impostor()]).await;
    let page = till(&app, &mei, &paying).await;
    let well = bought(&app, &mei, session, &["1-4"], &[json!({"person": person("韩梅", 3)})]).await;
    let paid = bought(&app, &tom, session, &["1-5", "1-6"], &[lei(), impostor()]).await;
    let entered = bought(&app, &tom, session, &["1-7"], &[impostor()]).await;
    let returned = bought(&app, &tom, session, &["1-8"], &[impostor()]).await;
    let code = read(&app, &tom, &entered).await["tickets"][0]["code"].clone();
    let scan = async |code: &Value| {
        let path = format!("/admin/sessions/{session}/check-in");
        expect(app.post_as(&door, &path, &json!({"code": code, "gate": "main"})).await, StatusCode::OK).await
    };
    assert_eq!(scan(&code).await["verdict"], "admitted");
    let path = format!("/orders/{returned}/refund");
    let offer = expect(app.get_as(&tom, &path).await, StatusCode::OK).await;
    let wish = json!({"expected_amount": offer["quote"]["amount"], "reason": "I cannot come"});
    expect(app.post_as(&tom, &path, &wish).await, StatusCode::OK).await;
    reaches(&app, &tom, &returned, |order| order["state"] == "REFUNDED").await;
    let counter = "/desk/nebula/counter/orders";
    let sale = json!({"session_id": session, "seats": ["1-9"], "attendees": [impostor()]});
    let request = app.request(Method::POST, counter).bearer_auth(&clerk.access).header("idempotency-key", "one");
    let sold = expect(request.json(&sale).send().await.unwrap(), StatusCode::CREATED).await;
    let sold = (sold["order"]["id"].as_str().unwrap().to_owned(), sold["order"]["total"].clone());
    let cash = json!({"method": "cash", "amount": sold.1});
    expect(app.post_as(&clerk, &format!("{counter}/{}/payment", sold.0), &cash).await, StatusCode::OK).await;

    // It is back, and says no to one of the names.
    let codes = read(&app, &tom, &paid).await["tickets"].clone();
    office.be(Mood::Well);
    let ended = reaches(&app, &mei, &unpaid, |order| *came_of(order) == "ended").await;
    assert_eq!((&ended["state"], verified(&ended)), (&json!("CANCELLED"), vec!["yes", "no"]), "{ended}");
    assert_eq!(ended["history"].as_array().unwrap().last().unwrap()["reason"], REASON);
    let refused = app.post_as(&mei, &format!("/orders/{unpaid}/pay"), &json!({})).await;
    expect_problem(refused, Code::OrderState).await;
    assert_eq!(told(&app, &mei, "order-ended-name").await["title"], "Your order has ended: Test");
    // So does one that waits for its payment: the provider takes none any more.
    reaches(&app, &mei, &paying, |order| *came_of(order) == "ended").await;
    let late = expect(app.post(&format!("/{page}/approve"), &json!({})).await, StatusCode::OK).await;
    assert_eq!(late["status"], "CLOSED", "{late}");

    // All of a paid one goes back, at no fee, and its tickets open no door.
    let back = reaches(&app, &tom, &paid, |order| order["state"] == "REFUNDED").await;
    let refund = &back["refunds"][0];
    let money = (&refund["amount"]["amount"], &refund["fee"]["amount"], &refund["reason"], &refund["state"]);
    assert_eq!(money, (&json!("760.00"), &json!("0.00"), &json!(REASON), &json!("DONE")), "{back}");
    assert!(back["tickets"].as_array().unwrap().iter().all(|ticket| ticket["state"] == "VOID"), "{back}");
    let history = back["history"].as_array().unwrap();
    let asked = history.iter().find(|step| step["state"] == "REFUNDING").unwrap();
    assert_eq!(asked["reason"], REASON);
    assert_eq!(scan(&codes[0]["code"]).await["verdict"], "refunded");
    let notice = told(&app, &tom, "refund-name").await;
    assert_eq!(notice["title"], "电子票已失效：测试");
    assert!(notice["text"].as_str().unwrap().contains("760.00 CNY"), "{notice}");
    told(&app, &tom, "refund-done").await;

    // Whoever went in went in: the staff sees it and decides. What is well, or was over, is left alone.
    let used = reaches(&app, &tom, &entered, |order| *came_of(order) == "staff").await;
    assert_eq!((&used["state"], &used["tickets"][0]["state"]), (&json!("ISSUED"), &json!("USED")), "{used}");
    assert!(used["refunds"].is_null(), "{used}");
    let seen = app.get_as(&support, &format!("/desk/nebula/orders/{entered}")).await;
    assert_eq!(*came_of(&expect(seen, StatusCode::OK).await["order"]), "staff");
    let well = reaches(&app, &mei, &well, |order| verified(order) == ["yes"]).await;
    assert_eq!((&well["state"], &well["name_refused"]), (&json!("ISSUED"), &Value::Null), "{well}");
    let over = read(&app, &tom, &returned).await;
    assert_eq!((verified(&over), &over["name_refused"]), (vec!["later"], &Value::Null), "answers cost money");

    // Money of a till is handed out by somebody.
    let of_counter = eventually(PATIENCE, || async {
        let sale = expect(app.get_as(&clerk, &format!("{counter}/{}", sold.0)).await, StatusCode::OK).await;
        if sale["order"]["state"] == "REFUNDING" { Ok(sale) } else { Err(sale.to_string()) }
    })
    .await;
    let refund = &of_counter["order"]["refunds"][0];
    assert_eq!((&refund["state"], &refund["amount"]), (&json!("REQUESTED"), &sold.1), "{of_counter}");
    let approve = format!("/admin/refunds/{}/approve", refund["id"].as_str().unwrap());
    expect(app.post_as(&finance, &approve, &json!({})).await, StatusCode::OK).await;

    // Its seats are on sale again, the books add up, and the log has each once.
    eventually(PATIENCE, || async {
        let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.unwrap();
        let seats = (audit.ledger.sold, audit.ledger.locked);
        if audit.sound && seats == (2, 0) { Ok(()) } else { Err(format!("{audit:?}")) }
    })
    .await;
    let mut log = eventually(PATIENCE, || async {
        let log = logged(&app).await;
        if log.len() == 5 { Ok(log) } else { Err(format!("{log:?}")) }
    })
    .await;
    let mut expected =
        [(&unpaid, "ended"), (&paying, "ended"), (&paid, "refund"), (&entered, "staff"), (&sold.0, "refund")]
            .map(|(order, what)| (format!("order {order}"), what.to_owned()));
    log.sort();
    expected.sort();
    assert_eq!(log, expected);
    let metrics = app.get("//metrics").await.text().await.unwrap();
    for consequence in ["ended", "refund", "staff"] {
        assert!(
            metrics.contains(&format!("ticketing_names_refused_total{{consequence=\"{consequence}\"}}")),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn a_refusal_that_nothing_came_of_yet_is_seen_to_once_and_the_staff_may_be_asked_first() {
    let (office, app, session) = away(|config| config.refund.review = true).await;
    let finance = app.register_staff("finance@example.com", "finance").await;
    let mei = app.register("mei@example.com").await;
    let orders = [
        bought(&app, &mei, session, &["1-1"], &[impostor()]).await,
        bought(&app, &mei, session, &["1-2"], &[lei()]).await,
    ];
    // As whoever was killed after the answer was written down left it: a refusal, and nothing else.
    let killed = orders.clone();
    app.write(move |connection| {
        Box::pin(async move {
            for order in killed {
                for sql in [
                    "UPDATE order_attendees SET verified = 'no' WHERE order_id = $1",
                    "INSERT INTO refused_names (order_id, at) VALUES ($1, 1)",
                ] {
                    query(sql).bind(&order).execute(&mut *connection).await?;
                }
            }
            Ok(())
        })
    })
    .await;
    // Told by the sweep, and by others at the same moment.
    let parts = &app.app;
    let refused = RefusedNames::new(
        parts.database.clone(),
        parts.identities.clone(),
        parts.payments.clone(),
        parts.refunds.clone(),
        parts.office.clone(),
    );
    let ids = || orders.iter().map(|order| order.parse().unwrap());
    join_all((0..4).flat_map(|_| ids()).map(|order| refused.settle(order))).await;
    // Where the staff agrees to refunds it agrees to these: the tickets open no door meanwhile.
    let decide = async |order: &str, action: &str, body: &Value| {
        let waits = reaches(&app, &mei, order, |order| *came_of(order) == "refund").await;
        assert_eq!((&waits["state"], &waits["tickets"][0]["state"]), (&json!("REFUNDING"), &json!("VOID")), "{waits}");
        let refunds = waits["refunds"].as_array().unwrap();
        assert_eq!((refunds.len(), &refunds[0]["state"]), (1, &json!("REQUESTED")), "{waits}");
        let path = format!("/admin/refunds/{}/{action}", refunds[0]["id"].as_str().unwrap());
        expect(app.post_as(&finance, &path, body).await, StatusCode::OK).await
    };
    // It believes the document that it was shown.
    decide(&orders[0], "refuse", &json!({"reason": "the passport was seen"})).await;
    decide(&orders[1], "approve", &json!({})).await;
    reaches(&app, &mei, &orders[1], |order| order["state"] == "REFUNDED").await;
    for order in ids() {
        assert!(!refused.settle(order).await.unwrap(), "it was seen to");
    }
    let kept = read(&app, &mei, &orders[0]).await;
    assert_eq!((&kept["state"], &kept["tickets"][0]["state"]), (&json!("ISSUED"), &json!("VALID")), "{kept}");
    assert_eq!(kept["refunds"].as_array().unwrap().len(), 1, "it is not asked for again: {kept}");

    // What is over is left as it is, and one that somebody asks back is left to what comes of that.
    office.be(Mood::Broken);
    let own = bought(&app, &mei, session, &["1-3"], &[lei()]).await;
    let path = format!("/orders/{own}/refund");
    let offer = expect(app.get_as(&mei, &path).await, StatusCode::OK).await;
    let wish = json!({"expected_amount": offer["quote"]["amount"], "reason": "I cannot come"});
    let asked = expect(app.post_as(&mei, &path, &wish).await, StatusCode::OK).await;
    for (order, over) in [(orders[1].clone(), true), (own.clone(), false)] {
        let at = order.clone();
        app.write(move |connection| {
            Box::pin(async move {
                query("DELETE FROM refused_names WHERE order_id = $1").bind(&at).execute(&mut *connection).await?;
                query("UPDATE refunds SET asked_by = (SELECT user_id FROM orders WHERE id = $1) WHERE order_id = $1")
                    .bind(&at)
                    .execute(&mut *connection)
                    .await?;
                query("UPDATE order_attendees SET verified = 'no' WHERE order_id = $1")
                    .bind(&at)
                    .execute(&mut *connection)
                    .await?;
                query("INSERT INTO refused_names (order_id, at) VALUES ($1, 1)").bind(&at).execute(connection).await?;
                Ok(())
            })
        })
        .await;
        if over {
            let over = reaches(&app, &mei, &order, |order| *came_of(order) == "nothing").await;
            assert_eq!(over["state"], "REFUNDED", "{over}");
        } else {
            assert!(!refused.settle(order.parse().unwrap()).await.unwrap());
        }
    }
    // The staff refuses what the buyer asked for: now it is the platform's turn.
    let path = format!("/admin/refunds/{}/refuse", asked["refunds"][0]["id"].as_str().unwrap());
    expect(app.post_as(&finance, &path, &json!({"reason": "too late"})).await, StatusCode::OK).await;
    let turn = reaches(&app, &mei, &own, |order| *came_of(order) == "refund").await;
    assert_eq!(turn["refunds"][1]["reason"], REASON, "{turn}");
}
