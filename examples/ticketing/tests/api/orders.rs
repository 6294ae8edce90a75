//! Orders over HTTP: placed in one idempotent step, refused with the documented code and without a trace.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use axum::http::{Method, StatusCode};
use nebula_test_support::eventually;
use reqwest::Response;
use serde_json::{Value, json};
use ticketing::{audit::SeatCounts, clock::Millis, ids::SessionId, problem::Code, storage::sql::query};

async fn order(app: &TestApp, buyer: &Account, session: SessionId, seats: &[&str]) -> Response {
    app.post_as(buyer, "/orders", &json!({"session_id": session, "seats": seats})).await
}

async fn order_with_key(app: &TestApp, buyer: &Account, session: SessionId, seats: &[&str], key: &str) -> Response {
    app.request(Method::POST, "/orders")
        .bearer_auth(&buyer.access)
        .header("Idempotency-Key", key)
        .json(&json!({"session_id": session, "seats": seats}))
        .send()
        .await
        .unwrap()
}

async fn counts(app: &TestApp, session: SessionId) -> SeatCounts {
    let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.unwrap();
    assert_eq!(audit.ledger, audit.database, "{:?}", audit.violations);
    assert!(audit.sound, "{:?}", audit.violations);
    audit.ledger
}

async fn locked(app: &TestApp, session: SessionId) -> u32 {
    counts(app, session).await.locked
}

#[tokio::test]
async fn an_order_holds_its_seats_and_can_be_read() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let placed = expect(order(&app, &buyer, session, &["1-2", "1-1"]).await, StatusCode::CREATED).await;
    assert_eq!(placed["state"], "LOCKED");
    assert_eq!(placed["total"], json!({"amount": "760.00", "currency": "CNY"}));
    let names: Vec<&str> = placed["seats"].as_array().unwrap().iter().map(|s| s["guid"].as_str().unwrap()).collect();
    assert_eq!(names, ["1-1", "1-2"]);
    assert_eq!(counts(&app, session).await, SeatCounts { seats: 100, available: 98, locked: 2, sold: 0 });

    let id = placed["id"].as_str().unwrap();
    let read = expect(app.get_as(&buyer, &format!("/orders/{id}")).await, StatusCode::OK).await;
    assert_eq!(read["history"][0]["state"], "LOCKED");
    let list = expect(app.get_as(&buyer, "/orders").await, StatusCode::OK).await;
    assert_eq!(list["orders"][0]["id"], id);
}

#[tokio::test]
async fn a_list_is_read_in_pages() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let mut placed = Vec::new();
    for seat in ["1-1", "1-2", "1-3", "1-4", "1-5"] {
        let order = expect(order(&app, &buyer, session, &[seat]).await, StatusCode::CREATED).await;
        placed.insert(0, order["id"].as_str().unwrap().to_owned());
    }
    let (mut read, mut query) = (Vec::new(), String::from("/orders?limit=2"));
    loop {
        let page = expect(app.get_as(&buyer, &query).await, StatusCode::OK).await;
        read.extend(page["orders"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("/orders?limit=2&after={next}");
    }
    read.sort();
    placed.sort();
    assert_eq!(read, placed);
    for limit in ["0", "101", "-1", "x"] {
        let reply = app.get_as(&buyer, &format!("/orders?limit={limit}")).await;
        assert!(reply.status().is_client_error(), "{limit}");
    }
}

#[tokio::test]
async fn all_seats_or_none() {
    let app = TestApp::start().await;
    let (first, second) = (app.register("a@example.com").await, app.register("b@example.com").await);
    let session = app.hall(100).await;
    expect(order(&app, &first, session, &["1-3"]).await, StatusCode::CREATED).await;
    let problem = expect_problem(order(&app, &second, session, &["1-1", "1-3"]).await, Code::SeatTaken).await;
    assert_eq!(problem["seats"], json!(["1-3"]));
    assert_eq!(locked(&app, session).await, 1);
    expect(order(&app, &second, session, &["1-1"]).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn bad_orders_are_refused_with_their_code_and_change_nothing() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(600).await;
    let small = app.hall(50).await;
    let many: Vec<String> = (1..=10).flat_map(|row| (1..=50).map(move |seat| format!("{row}-{seat}"))).collect();
    assert_eq!(many.len(), 500);
    let names: Vec<&str> = many.iter().map(String::as_str).collect();
    for (seats, code) in [
        (&[][..], Code::SeatCount),
        (&names[..11], Code::SeatCount),
        (&names[..], Code::SeatCount),
        (&["1-1", "1-1"], Code::DuplicateSeat),
        (&["99-1"], Code::UnknownSeat),
        (&["1-1", ""], Code::UnknownSeat),
        (&["1-1' OR 1=1 --"], Code::UnknownSeat),
    ] {
        expect_problem(order(&app, &buyer, session, seats).await, code).await;
    }
    // A seat of another session.
    let problem = expect_problem(order(&app, &buyer, small, &["1-1", "12-1"]).await, Code::UnknownSeat).await;
    assert_eq!(problem["seats"], json!(["12-1"]));
    // No such session.
    let nowhere = SessionId::new();
    expect_problem(order(&app, &buyer, nowhere, &["1-1"]).await, Code::NotFound).await;
    assert_eq!(locked(&app, session).await, 0);
    assert_eq!(locked(&app, small).await, 0);
}

#[tokio::test]
async fn wrong_json_is_refused_with_its_place() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(50).await;
    let send = |body: String| {
        app.request(Method::POST, "/orders")
            .bearer_auth(&buyer.access)
            .header("Content-Type", "application/json")
            .body(body)
            .send()
    };
    for (body, path) in [
        ("{".to_owned(), "."),
        ("[]".to_owned(), "."),
        (json!({"session_id": "x", "seats": ["1-1"]}).to_string(), "session_id"),
        (json!({"session_id": session, "seats": [1]}).to_string(), "seats[0]"),
        (json!({"session_id": session, "seats": "1-1"}).to_string(), "seats"),
        (json!({"session_id": session, "seats": ["1-1"], "user_id": 1}).to_string(), "user_id"),
        (
            json!({"session_id": session, "seats": ["1-1"], "expected_total": {"amount": 380.0, "currency": "CNY"}})
                .to_string(),
            "expected_total.amount",
        ),
    ] {
        let problem = expect_problem(send(body.clone()).await.unwrap(), Code::MalformedRequest).await;
        assert_eq!(problem["path"], path, "{body}: {problem}");
    }
    // Exactly one of two ways to say which seats.
    let neither = send(json!({"session_id": session}).to_string()).await.unwrap();
    assert_eq!(expect_problem(neither, Code::InvalidValue).await["field"], "seats");
    let both = json!({"session_id": session, "seats": ["1-1"], "best": {"count": 1}});
    let both = send(both.to_string()).await.unwrap();
    assert_eq!(expect_problem(both, Code::InvalidValue).await["field"], "best");
    assert_eq!(locked(&app, session).await, 0);
}

#[tokio::test]
async fn a_changed_price_is_not_charged_silently() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(50).await;
    let with_total = |amount: &str| {
        let total = json!({"amount": amount, "currency": "CNY"});
        json!({"session_id": session, "seats": ["1-1", "1-2"], "expected_total": total})
    };
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE session_prices SET minor = 40000 WHERE session_id = $1")
                .bind(session)
                .execute(connection)
                .await?;
            Ok(())
        })
    })
    .await;
    app.app.catalog.forget_session(session).await;
    let problem = expect_problem(app.post_as(&buyer, "/orders", &with_total("760.00")).await, Code::PriceChanged).await;
    assert_eq!(problem["total"], json!({"amount": "800.00", "currency": "CNY"}));
    assert_eq!(locked(&app, session).await, 0);
    expect(app.post_as(&buyer, "/orders", &with_total("800.00")).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn a_sale_has_a_beginning_and_an_end() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let later = app.hall_with(50, |session| session.sale_opens_at = Millis::now().plus(Duration::from_secs(600))).await;
    let problem = expect_problem(order(&app, &buyer, later, &["1-1"]).await, Code::SaleNotOpen).await;
    assert!(problem["opens_at"].as_str().unwrap().ends_with('Z'));
    let over = app.hall_with(50, |session| session.sale_closes_at = Millis::now().minus(Duration::from_secs(1))).await;
    expect_problem(order(&app, &buyer, over, &["1-1"]).await, Code::SaleClosed).await;
}

#[tokio::test]
async fn a_buyer_has_a_limit() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall_with(50, |session| session.seats_per_user = 3).await;
    expect(order(&app, &buyer, session, &["1-1", "1-2"]).await, StatusCode::CREATED).await;
    let problem = expect_problem(order(&app, &buyer, session, &["1-3", "1-4"]).await, Code::UserLimit).await;
    assert_eq!((&problem["limit"], &problem["has"]), (&json!(3), &json!(2)));
    expect(order(&app, &buyer, session, &["1-3"]).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn a_sold_out_session_says_so() {
    let app = TestApp::start().await;
    let (first, second) = (app.register("a@example.com").await, app.register("b@example.com").await);
    let session = app.hall(2).await;
    expect(order(&app, &first, session, &["1-1", "1-2"]).await, StatusCode::CREATED).await;
    eventually(Duration::from_secs(10), || async {
        let reply = order(&app, &second, session, &["1-1"]).await;
        let body: Value = reply.json().await.unwrap();
        match body["code"].as_str() {
            Some("sold-out") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_is_the_same_order() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let first = order_with_key(&app, &buyer, session, &["1-1", "1-2"], "k-1").await;
    let first = expect(first, StatusCode::CREATED).await;
    // The sequence of the seats does not matter.
    let again = order_with_key(&app, &buyer, session, &["1-2", "1-1"], "k-1").await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(expect(again, StatusCode::OK).await["id"], first["id"]);
    let other = order_with_key(&app, &buyer, session, &["1-3"], "k-1").await;
    expect_problem(other, Code::IdempotencyKeyReused).await;
    // The key of another buyer is another key.
    let stranger = app.register("stranger@example.com").await;
    let theirs = order_with_key(&app, &stranger, session, &["1-4"], "k-1").await;
    assert_ne!(expect(theirs, StatusCode::CREATED).await["id"], first["id"]);
    assert_eq!(locked(&app, session).await, 3);
    let long = "k".repeat(256);
    for key in ["", " ", "é", &long] {
        let reply = order_with_key(&app, &buyer, session, &["1-9"], key).await;
        expect_problem(reply, Code::InvalidValue).await;
    }
}

#[tokio::test]
async fn a_key_brings_no_dead_order_back_to_life() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let placed = expect(order_with_key(&app, &buyer, session, &["1-1"], "k").await, StatusCode::CREATED).await;
    let id = placed["id"].as_str().unwrap();
    expect(app.post_as(&buyer, &format!("/orders/{id}/cancel"), &json!({})).await, StatusCode::OK).await;
    let again = expect(order_with_key(&app, &buyer, session, &["1-1"], "k").await, StatusCode::OK).await;
    assert_eq!(again["state"], "CANCELLED");
    freed(&app, session).await;
}

#[tokio::test]
async fn many_requests_with_one_key_are_one_order() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let requests = (0..50).map(|_| order_with_key(&app, &buyer, session, &["1-1", "1-2"], "k"));
    let mut ids = std::collections::HashSet::new();
    let mut created = 0;
    for reply in futures_util::future::join_all(requests).await {
        created += u32::from(reply.status() == StatusCode::CREATED);
        let body: Value = reply.json().await.unwrap();
        ids.insert(body["id"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned());
    }
    assert_eq!((ids.len(), created), (1, 1));
    assert_eq!(locked(&app, session).await, 2);
}

#[tokio::test]
async fn many_buyers_of_few_seats_get_each_seat_once() {
    let app = TestApp::start().await;
    let session = app.hall(20).await;
    let names: Vec<String> = (0..12).map(|n| format!("buyer-{n}@example.com")).collect();
    let buyers = futures_util::future::join_all(names.iter().map(|name| app.register(name))).await;
    let tries = buyers.iter().flat_map(|buyer| {
        let app = &app;
        (1..=20).map(move |seat| async move { order(app, buyer, session, &[&format!("1-{seat}")]).await.status() })
    });
    let statuses = futures_util::future::join_all(tries).await;
    let created = statuses.iter().filter(|status| **status == StatusCode::CREATED).count();
    assert!(statuses.iter().all(|status| matches!(status.as_u16(), 201 | 409)), "{statuses:?}");
    assert_eq!(created, 20);
    assert_eq!(counts(&app, session).await, SeatCounts { seats: 20, available: 0, locked: 20, sold: 0 });
}

#[tokio::test]
async fn an_order_is_its_buyers_secret() {
    let app = TestApp::start().await;
    let (buyer, stranger) = (app.register("a@example.com").await, app.register("b@example.com").await);
    let session = app.hall(100).await;
    let placed = expect(order(&app, &buyer, session, &["1-1"]).await, StatusCode::CREATED).await;
    let id = placed["id"].as_str().unwrap();
    expect_problem(app.get_as(&stranger, &format!("/orders/{id}")).await, Code::NotFound).await;
    for action in ["pay", "cancel"] {
        let reply = app.post_as(&stranger, &format!("/orders/{id}/{action}"), &json!({})).await;
        expect_problem(reply, Code::NotFound).await;
        let reply = app.post(&format!("/orders/{id}/{action}"), &json!({})).await;
        expect_problem(reply, Code::Unauthenticated).await;
    }
    let list = expect(app.get_as(&stranger, "/orders").await, StatusCode::OK).await;
    assert_eq!(list["orders"], json!([]));
    expect_problem(app.get_as(&stranger, &format!("/orders?after={id}")).await, Code::NotFound).await;
    assert_eq!(locked(&app, session).await, 1);
}

#[tokio::test]
async fn only_a_sound_token_orders() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let body = json!({"session_id": session, "seats": ["1-1"]});
    expect_problem(app.post("/orders", &body).await, Code::Unauthenticated).await;
    let mut parts: Vec<&str> = buyer.access.split('.').collect();
    let forged =
        Account { access: format!("{}.{}.{}", parts[0], parts[1], "A".repeat(parts[2].len())), ..buyer.clone() };
    parts[2] = "";
    let unsigned = Account { access: parts.join("."), ..buyer.clone() };
    let refresh = Account { access: buyer.refresh.clone(), ..buyer.clone() };
    for account in [forged, unsigned, refresh] {
        expect_problem(app.post_as(&account, "/orders", &body).await, Code::TokenInvalid).await;
    }
    assert_eq!(locked(&app, session).await, 0);
}

async fn freed(app: &TestApp, session: SessionId) {
    eventually(Duration::from_secs(20), || async {
        let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.map_err(|e| e.to_string())?;
        if audit.sound && audit.ledger.available == audit.ledger.seats { Ok(()) } else { Err(format!("{audit:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_order_gives_its_seats_back() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let placed = expect(order(&app, &buyer, session, &["1-1", "1-2"]).await, StatusCode::CREATED).await;
    let path = format!("/orders/{}/cancel", placed["id"].as_str().unwrap());
    let ended = expect(app.post_as(&buyer, &path, &json!({})).await, StatusCode::OK).await;
    assert_eq!(ended["state"], "CANCELLED");
    assert_eq!(expect(app.post_as(&buyer, &path, &json!({})).await, StatusCode::OK).await["state"], "CANCELLED");
    freed(&app, session).await;
    let pay = path.replace("cancel", "pay");
    expect_problem(app.post_as(&buyer, &pay, &json!({})).await, Code::OrderState).await;
}

#[tokio::test]
async fn an_unpaid_order_ends_by_the_delay_queue() {
    for queues in [json!({}), json!({"queue-prefix": "tonight"})] {
        let app = TestApp::start_with(|config| {
            config.delay_queue = serde_json::from_value(queues).unwrap();
            // The sweep comes too late to be the one that ends it.
            config.sales.sweep_interval = Duration::from_secs(3_600);
        })
        .await;
        let buyer = app.register("buyer@example.com").await;
        let session = app.hall_with(100, |session| session.hold = Duration::from_millis(300)).await;
        let placed = expect(order(&app, &buyer, session, &["1-1", "1-2"]).await, StatusCode::CREATED).await;
        let id = placed["id"].as_str().unwrap();
        freed(&app, session).await;
        let ended = expect(app.get_as(&buyer, &format!("/orders/{id}")).await, StatusCode::OK).await;
        assert_eq!(ended["state"], "TIMEOUT_CANCELLED");
        let reply = app.post_as(&buyer, &format!("/orders/{id}/pay"), &json!({})).await;
        expect_problem(reply, Code::OrderExpired).await;
    }
}

#[tokio::test]
async fn the_sweep_ends_what_the_queue_missed() {
    let app = TestApp::start_with(|config| config.sales.sweep_interval = Duration::from_millis(200)).await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall_with(100, |session| session.hold = Duration::from_secs(3_600)).await;
    let placed = expect(order(&app, &buyer, session, &["1-1"]).await, StatusCode::CREATED).await;
    let id = placed["id"].as_str().unwrap().to_owned();
    // The message is lost, and the time to pay is over.
    let cancelled = app.app.timeouts.cancel("order.timeout", id.as_str()).await.unwrap();
    assert_eq!(cancelled, nebula_delay_queue::Cancel::Cancelled);
    app.write({
        let id = id.clone();
        move |connection| {
            Box::pin(async move {
                query("UPDATE orders SET expires_at = 1 WHERE id = $1").bind(id).execute(connection).await?;
                Ok(())
            })
        }
    })
    .await;
    freed(&app, session).await;
}

#[tokio::test]
async fn a_hold_without_an_order_ends() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    let request = ticketing::inventory::HoldRequest {
        session,
        order: ticketing::ids::OrderId::new(),
        user: buyer.id,
        seats: vec![0, 1],
    };
    assert!(matches!(app.app.inventory.hold(&request).await.unwrap(), ticketing::inventory::Hold::Held { .. }));
    assert_eq!(app.app.inventory.sweep(session, Duration::from_secs(30)).await.unwrap(), 0, "too young");
    assert_eq!(app.app.inventory.sweep(session, Duration::ZERO).await.unwrap(), 1);
    freed(&app, session).await;
}

#[tokio::test]
async fn an_order_needs_a_hold_of_the_present_ledger() {
    let app = TestApp::start().await;
    let buyer = app.register("buyer@example.com").await;
    let session = app.hall(100).await;
    expect(order(&app, &buyer, session, &["1-1"]).await, StatusCode::CREATED).await;
    // Another process counted the seats anew: every hold that this process's ledger gives is void.
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE sessions SET ledger_epoch = ledger_epoch + 1 WHERE id = $1")
                .bind(session)
                .execute(connection)
                .await?;
            Ok(())
        })
    })
    .await;
    let epoch = app.app.inventory.counts(session).await.unwrap().cursor.epoch;
    expect(order(&app, &buyer, session, &["1-2"]).await, StatusCode::CREATED).await;
    assert!(app.app.inventory.counts(session).await.unwrap().cursor.epoch > epoch, "the ledger was not rebuilt");
    assert_eq!(locked(&app, session).await, 2);
}
