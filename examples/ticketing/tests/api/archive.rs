//! Ended orders in the archive: found, read and added up as before, and moved whole, whoever is killed meanwhile.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use crate::common::{Account, TestApp, expect, expect_problem};
use axum::http::{Method, StatusCode};
use nebula_test_support::eventually;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use ticketing::{
    admission::Policy,
    archive::{Archive, ArchiveConfig},
    clock::Millis,
    config::DatabaseProvider,
    identity::RealName,
    ids::SessionId,
    problem::Code,
    storage::{
        Database,
        sql::{Sql, Value as SqlValue, query},
    },
};
use tokio_util::sync::CancellationToken;

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

const TABLES: [&str; 12] = [
    "orders",
    "order_seats",
    "order_history",
    "order_prices",
    "order_attendees",
    "counter_sales",
    "sold_seats",
    "payments",
    "charges",
    "refunds",
    "tickets",
    "ticket_scans",
];

fn archive(app: &TestApp, batch: u32) -> Archive {
    let config = ArchiveConfig { batch, ..ArchiveConfig::default() };
    Archive::new(app.app.database.clone(), config, app.app.config.sales.show_length)
}

async fn order(app: &TestApp, who: &Account, session: SessionId, seat: &str) -> String {
    let placed = app
        .request(Method::POST, "/orders")
        .bearer_auth(&who.access)
        .header("Idempotency-Key", format!("key-{seat}"))
        .json(&json!({"session_id": session, "seats": [seat], "attendees": [{"person": {"name": "李雷", "kind": "cn-id", "number": "11010519491231002X"}}]}))
        .send()
        .await
        .unwrap();
    assert!(placed.status().is_success(), "{placed:?}");
    placed.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

async fn pay(app: &TestApp, who: &Account, order: &str) {
    let begun = expect(app.post_as(who, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = format!("/{}/approve", begun["payment"]["pay_url"].as_str().unwrap());
    expect(app.request(Method::POST, &page).send().await.unwrap(), StatusCode::OK).await;
    reaches(app, who, order, "ISSUED").await;
}

async fn reaches(app: &TestApp, who: &Account, order: &str, state: &str) -> Value {
    eventually(PATIENCE, || async {
        let order = expect(app.get_as(who, &format!("/orders/{order}")).await, StatusCode::OK).await;
        if order["state"] == state { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

/// Runs statements of one parameter behind the platform's back.
async fn change(app: &TestApp, statements: &'static [&'static str], value: impl Into<SqlValue>) {
    let value = value.into();
    app.write(move |connection| {
        Box::pin(async move {
            for sql in statements {
                query(*sql).bind(value.clone()).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
}

/// What nobody can tell from before, but for the mark.
async fn seen(
    app: &TestApp,
    buyer: &Account,
    boss: &Account,
    session: SessionId,
    orders: &[String],
    day: &str,
) -> Value {
    let mut views = Vec::new();
    for order in orders {
        views.push(expect(app.get_as(buyer, &format!("/orders/{order}")).await, StatusCode::OK).await);
    }
    let search = format!("/desk/nebula/orders?session={session}&email={}", buyer.email);
    let report =
        expect(app.post_as(boss, &format!("/admin/statements/mock/{day}"), &json!({})).await, StatusCode::OK).await;
    let audit = expect(app.get_as(boss, &format!("/admin/sessions/{session}/audit")).await, StatusCode::OK).await;
    assert_eq!(audit["sound"], true, "{audit}");
    let mut seen = json!({
        "orders": views,
        "list": expect(app.get_as(buyer, "/orders").await, StatusCode::OK).await["orders"],
        "desk": expect(app.get_as(boss, &search).await, StatusCode::OK).await["orders"],
        "one": expect(app.get_as(boss, &format!("/desk/nebula/orders/{}", orders[0])).await, StatusCode::OK).await,
        "people": expect(app.post_as(boss, "/desk/nebula/attendees", &json!({"name_part": "雷"})).await, StatusCode::OK).await["orders"],
        "refunds": expect(app.get_as(boss, "/admin/refunds").await, StatusCode::OK).await["refunds"],
        "door": expect(app.get_as(boss, &format!("/admin/sessions/{session}/check-in")).await, StatusCode::OK).await,
        "bill": [report["matched"], report["differences"]],
        "audit": [audit["money"], audit["database"], audit["ledger"]],
    });
    forget(&mut seen);
    seen
}

/// Forgets what changes with the time, and the mark of the archive.
fn forget(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("server_time");
            members.remove("archived_at");
            members.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

async fn counted(database: &Database, prefix: &str) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        let sql = Sql::Built(format!("SELECT count(*) FROM {prefix}{table}"));
        counts.push(query(sql).scalar(&database.read).await.unwrap());
    }
    counts
}

#[tokio::test]
async fn what_is_over_is_archived_with_its_money_and_found_as_before() {
    let app = TestApp::start_with(|config| {
        config.archive.enabled = false;
        config.sales.sweep_interval = Duration::from_millis(200);
    })
    .await;
    let (buyer, boss) = (app.register("buyer@example.com").await, app.register_admin("boss@example.com").await);
    let session = app.hall(100).await;
    let named = Policy { real_name: Some(RealName::default()), ..Policy::default() };
    app.app.admission.policies().put(session, named, "test".to_owned()).await.unwrap();
    let mut orders = Vec::new();
    for seat in ["1-1", "1-2", "1-3", "1-4", "1-5", "1-6"] {
        orders.push(order(&app, &buyer, session, seat).await);
    }
    let [used, returned, cancelled, open, wrong, recent] = &orders[..] else { panic!("{orders:?}") };
    for order in [used, returned, open, wrong, recent] {
        pay(&app, &buyer, order).await;
    }
    expect(app.post_as(&buyer, &format!("/orders/{cancelled}/cancel"), &json!({})).await, StatusCode::OK).await;
    let quote = expect(app.get_as(&buyer, &format!("/orders/{returned}/refund")).await, StatusCode::OK).await;
    let wish = json!({"expected_amount": quote["quote"]["amount"]});
    expect(app.post_as(&buyer, &format!("/orders/{returned}/refund"), &wish).await, StatusCode::OK).await;
    reaches(&app, &buyer, returned, "REFUNDED").await;
    let code = reaches(&app, &buyer, used, "ISSUED").await["tickets"][0]["code"].as_str().unwrap().to_owned();
    let scan = json!({"code": code, "gate": "main"});
    let door = format!("/admin/sessions/{session}/check-in");
    assert_eq!(expect(app.post_as(&boss, &door, &scan).await, StatusCode::OK).await["verdict"], "admitted");

    // All of it happened long ago, at noon in China, and the show is over.
    let noon = (Millis::now().minus(400 * DAY).0 / 86_400_000) * 86_400_000 + 4 * 3_600_000;
    let day = jiff::Timestamp::from_millisecond(noon).unwrap().to_string()[..10].to_owned();
    change(&app, &["UPDATE sessions SET starts_at = $1, sale_closes_at = $1"], noon).await;
    for order in [used, open, wrong, recent] {
        reaches(&app, &buyer, order, "COMPLETED").await;
    }
    // Sessions are kept in memory for half a second.
    eventually(PATIENCE, || async {
        let view = expect(app.get_as(&buyer, &format!("/orders/{used}")).await, StatusCode::OK).await;
        if view["starts_at"].as_str().unwrap().starts_with(&day) { Ok(()) } else { Err(view.to_string()) }
    })
    .await;
    change(
        &app,
        &[
            "UPDATE orders SET updated_at = $1",
            "UPDATE payments SET updated_at = $1",
            "UPDATE charges SET at = $1",
            "UPDATE refunds SET updated_at = $1",
            "UPDATE tickets SET used_at = $1 WHERE used_at IS NOT NULL",
            "UPDATE mock_charges SET paid_at = $1",
            "UPDATE mock_refunds SET at = $1",
        ],
        noon,
    )
    .await;
    // Of one a refund waits for the staff, of one the books do not balance, of one something changed lately.
    let reopened: &[&str] = &[
        "INSERT INTO refunds (id, kind, payment_id, order_id, provider_txn, minor, fee_minor, currency, reason, state, created_at, updated_at) \
         SELECT '01900000-0000-7000-8000-000000000000', 'CHARGE', id, order_id, 'second', 0, 0, currency, 'charged twice', 'REFUSED', 1, 1 \
         FROM payments WHERE order_id = $1",
    ];
    change(&app, reopened, open.as_str()).await;
    let before = seen(&app, &buyer, &boss, session, &orders, &day).await;
    change(&app, &["UPDATE charges SET minor = minor + 1 WHERE order_id = $1"], wrong.as_str()).await;
    change(&app, &["UPDATE payments SET updated_at = 9999999999999 WHERE order_id = $1"], recent.as_str()).await;
    let rows = counted(&app.app.database, "all_").await;

    let moved = archive(&app, 2).run(&CancellationToken::new(), |_| ()).await.unwrap();
    assert_eq!(moved.orders, 3, "{moved:?}");
    assert_eq!(counted(&app.app.database, "archived_").await[0], 3);
    assert_eq!(archive(&app, 2).run(&CancellationToken::new(), |_| ()).await.unwrap().orders, 0);
    assert_eq!(counted(&app.app.database, "all_").await, rows, "nothing is lost or doubled");
    change(&app, &["UPDATE charges SET minor = minor - 1 WHERE order_id = $1"], wrong.as_str()).await;
    assert_eq!(seen(&app, &buyer, &boss, session, &orders, &day).await, before);
    for (order, archived) in orders.iter().zip([true, true, true, false, false, false]) {
        let view = expect(app.get_as(&buyer, &format!("/orders/{order}")).await, StatusCode::OK).await;
        assert_eq!(view["archived_at"].is_string(), archived, "{view}");
    }
    // The ledger counts its seats from the archive as well.
    let epoch = app.app.inventory.snapshot(session).await.unwrap().cursor.epoch;
    app.app.inventory.invalidate(session, epoch).await.unwrap();
    assert_eq!(seen(&app, &buyer, &boss, session, &orders, &day).await["audit"], before["audit"]);

    // What is over stays over, with the same words as before.
    let path = |order: &str, what: &str| format!("/orders/{order}/{what}");
    expect_problem(app.post_as(&buyer, &path(used, "pay"), &json!({})).await, Code::AlreadyPaid).await;
    expect_problem(app.post_as(&buyer, &path(used, "cancel"), &json!({})).await, Code::AlreadyPaid).await;
    expect_problem(app.post_as(&buyer, &path(used, "refund"), &wish).await, Code::RefundRefused).await;
    expect(app.post_as(&buyer, &path(returned, "refund"), &wish).await, StatusCode::OK).await;
    expect(app.post_as(&buyer, &path(cancelled, "cancel"), &json!({})).await, StatusCode::OK).await;
    expect_problem(app.post_as(&buyer, &path(cancelled, "pay"), &json!({})).await, Code::OrderState).await;
    assert_eq!(order(&app, &buyer, session, "1-3").await, *cancelled, "a key leads to its order");
    assert_eq!(expect(app.post_as(&boss, &door, &scan).await, StatusCode::OK).await["verdict"], "used");
    let goodwill = json!({"reason": "x", "goodwill": true});
    let desk = format!("/admin/orders/{used}/refund");
    expect_problem(app.post_as(&boss, &desk, &goodwill).await, Code::RefundRefused).await;
    // Nobody else sees more of it than before.
    let other = app.register("other@example.com").await;
    expect_problem(app.get_as(&other, &format!("/orders/{used}")).await, Code::NotFound).await;
    app.stop().await;
}

/// Ended orders of long ago, one seat each, every second one paid for.
async fn fill(app: &TestApp, orders: u32) {
    let buyer = app.register("buyer@example.com").await.id;
    let long_ago = Millis::now().minus(500 * DAY);
    let session = app
        .hall_with(orders, move |session| {
            session.starts_at = long_ago;
            session.sale_opens_at = long_ago.minus(2 * DAY);
            session.sale_closes_at = long_ago.minus(DAY);
        })
        .await;
    app.write(move |connection| {
        Box::pin(async move {
            for number in 0..orders {
                let (order, payment) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
                let at = long_ago.0 + i64::from(number);
                let paid = number % 2 == 0;
                let state = if paid { "COMPLETED" } else { "CANCELLED" };
                let mut statements = vec![
                    format!(
                        "INSERT INTO orders (id, user_id, session_id, state, minor, currency, fingerprint, ledger_epoch, \
                         created_at, expires_at, updated_at) \
                         VALUES ('{order}', '{buyer}', '{session}', '{state}', 38000, 'CNY', '', 0, {at}, {at}, {at})"
                    ),
                    format!("INSERT INTO order_seats VALUES ('{order}', {number}, '', 'Standard', 38000)"),
                    format!("INSERT INTO order_history VALUES ('{order}', 1, 'INIT', 'LOCKED', 'seats held', {at})"),
                ];
                if paid {
                    statements.extend([
                        format!("INSERT INTO sold_seats VALUES ('{session}', {number}, '{order}', {at})"),
                        format!(
                            "INSERT INTO payments VALUES ('{payment}', '{order}', 'mock', 'SUCCEEDED', 38000, 'CNY', \
                             '{payment}', {at}, {at})"
                        ),
                        format!(
                            "INSERT INTO charges VALUES ('mock', '{payment}', '{payment}', '{order}', 38000, 'CNY', {at})"
                        ),
                        format!(
                            "INSERT INTO tickets VALUES ('{payment}', '{order}', '{session}', {number}, 'VALID', NULL, NULL, {at})"
                        ),
                    ]);
                }
                for sql in statements {
                    query(Sql::Built(sql)).execute(&mut *connection).await?;
                }
            }
            Ok(())
        })
    })
    .await;
}

/// What was taken, all in all.
async fn money(database: &Database, prefix: &str) -> i64 {
    let sql = format!("SELECT CAST(coalesce(sum(minor), 0) AS BIGINT) FROM {prefix}charges");
    query(Sql::Built(sql)).scalar(&database.read).await.unwrap()
}

#[tokio::test]
async fn whoever_is_killed_or_cancelled_in_the_middle_loses_and_doubles_nothing() {
    const ORDERS: u32 = 240;
    let app = TestApp::start_with(|config| config.archive.enabled = false).await;
    fill(&app, ORDERS).await;
    let rows = counted(&app.app.database, "all_").await;
    let taken = money(&app.app.database, "").await;
    assert_eq!((rows[0], taken), (240, 120 * 38_000));

    // Cancelled after the first batch: that one is there as a whole, and no other.
    let stopping = CancellationToken::new();
    let some = archive(&app, 10).run(&stopping, |_| stopping.cancel()).await.unwrap();
    assert_eq!(some.orders, 10);
    assert_eq!(counted(&app.app.database, "archived_").await[0], 10);
    assert_eq!(archive(&app, 10).run(&stopping, |_| ()).await.unwrap().orders, 0, "stopped before it began");

    let config = app.app.config.clone();
    let folder = app.stop().await.unwrap();
    let command = || -> Command {
        let mut command = crate::program::ticketing(&folder.path().join("data"), &["archive"]);
        command.env("NEBULA_TICKETING__ARCHIVE__BATCH", "2").stdout(Stdio::piped());
        if let (DatabaseProvider::Postgres, Some(url)) = (config.database.provider, &config.database.url) {
            command.env("NEBULA_TICKETING__DATABASE__PROVIDER", "postgres");
            command.env("NEBULA_TICKETING__DATABASE__URL", url.expose_secret());
        }
        command
    };
    // Killed while the batches after the first one are on their way.
    let mut killed = 0;
    for _ in 0..3 {
        let mut child = command().spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("are in the archive"), "{line}");
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
    }
    let database = Database::of(&config.database, &config.data).await.unwrap();
    let between = counted(&database, "archived_").await;
    assert!(killed > 0 && between[0] >= 16 && between[0] < 240 && between[0] % 2 == 0, "{killed} {between:?}");
    assert_eq!(counted(&database, "all_").await, rows);
    assert_eq!(money(&database, "all_").await, taken);

    // Two at once do the rest.
    let running = [command().spawn().unwrap(), command().spawn().unwrap()];
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(counted(&database, "archived_").await, rows);
    assert_eq!(counted(&database, "").await, [0; TABLES.len()]);
    assert_eq!((money(&database, "archived_").await, money(&database, "").await), (taken, 0));
}
