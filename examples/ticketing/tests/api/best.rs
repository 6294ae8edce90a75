//! Tickets that the server chooses: the best seats for a party, and places in standing areas. On the ledger in memory and on
//! Redis.

use std::{collections::BTreeMap, time::Duration};

use crate::common::{Account, TestApp, expect, expect_problem};
use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use nebula_redis::RedisConfig;
use nebula_test_support::{eventually, redis_url};
use reqwest::Response;
use serde_json::{Value, json};
use ticketing::{
    audit::SeatCounts,
    clock::Millis,
    config::Provider,
    ids::SessionId,
    import::{Findings, plan},
    money::{Currency, Money},
    problem::Code,
    show::store,
    storage::sql::query,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// One platform on each ledger.
async fn platforms() -> [TestApp; 2] {
    let url = redis_url().await;
    let on_redis = TestApp::start_with(|config| {
        config.ledger.provider = Provider::Redis;
        config.redis = RedisConfig::new(&url);
    });
    [TestApp::start().await, on_redis.await]
}

async fn best(app: &TestApp, buyer: &Account, session: SessionId, best: &Value) -> Response {
    app.post_as(buyer, "/orders", &json!({"session_id": session, "best": best})).await
}

async fn best_with_key(app: &TestApp, buyer: &Account, session: SessionId, best: &Value, key: &str) -> Response {
    let request = app.request(Method::POST, "/orders").bearer_auth(&buyer.access).header("Idempotency-Key", key);
    request.json(&json!({"session_id": session, "best": best})).send().await.unwrap()
}

fn seats(order: &Value) -> Vec<String> {
    let seats = order["seats"].as_array().unwrap_or_else(|| panic!("{order}"));
    seats.iter().map(|seat| seat["guid"].as_str().unwrap().to_owned()).collect()
}

async fn counts(app: &TestApp, session: SessionId) -> SeatCounts {
    let audit = app.app.auditor.audit(session, Duration::from_secs(30)).await.unwrap();
    assert!(audit.sound, "{:?}", audit.violations);
    assert_eq!(audit.ledger, audit.database);
    audit.ledger
}

#[tokio::test]
async fn the_best_seats_are_held_at_their_price_and_a_repetition_is_the_same_order() {
    for app in platforms().await {
        let (buyer, other) = (app.register("a@example.com").await, app.register("b@example.com").await);
        let session = app.hall(150).await;
        let pair = json!({"count": 2});
        let quote = app.post_as(&buyer, &format!("/sessions/{session}/quote"), &json!({"best": pair})).await;
        assert_eq!(expect(quote, StatusCode::OK).await["total"], json!({"amount": "760.00", "currency": "CNY"}));
        let placed = expect(best_with_key(&app, &buyer, session, &pair, "k").await, StatusCode::CREATED).await;
        assert_eq!(seats(&placed), ["1-25", "1-26"]);
        assert_eq!(placed["total"], json!({"amount": "760.00", "currency": "CNY"}));
        let again = best_with_key(&app, &buyer, session, &pair, "k").await;
        assert_eq!(again.headers()["idempotent-replayed"], "true");
        assert_eq!(expect(again, StatusCode::OK).await["id"], placed["id"]);
        let three = json!({"count": 3});
        expect_problem(best_with_key(&app, &buyer, session, &three, "k").await, Code::IdempotencyKeyReused).await;
        // Neighbours of the first, with nobody left alone between.
        let next =
            expect(best(&app, &other, session, &json!({"count": 4, "area": "Hall"})).await, StatusCode::CREATED).await;
        let numbers: Vec<u32> =
            seats(&next).iter().map(|name| name.split_once('-').unwrap().1.parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{next}");
        assert_eq!(counts(&app, session).await.locked, 6);
        // The limits of a buyer count as for chosen seats; so does the price that the buyer expects.
        let limit = best(&app, &other, session, &json!({"count": 10})).await;
        expect_problem(limit, Code::UserLimit).await;
        let body = json!({"session_id": session, "best": {"count": 1}, "expected_total": {"amount": "1.00", "currency": "CNY"}});
        expect_problem(app.post_as(&other, "/orders", &body).await, Code::PriceChanged).await;
        assert_eq!(counts(&app, session).await.locked, 6);
    }
}

#[tokio::test]
async fn a_wish_is_for_seats_by_name_or_for_the_best_and_within_what_there_is() {
    let app = TestApp::start().await;
    let buyer = app.register("a@example.com").await;
    let session = app.hall(50).await;
    for (body, code) in [
        (json!({}), Code::InvalidValue),
        (json!({"seats": ["1-1"], "best": {"count": 1}}), Code::InvalidValue),
        (json!({"best": {"count": 0}}), Code::SeatCount),
        (json!({"best": {"count": 11}}), Code::SeatCount),
        (json!({"best": {"count": 1, "category": "Royal"}}), Code::InvalidValue),
        (json!({"best": {"count": 1, "area": "Roof"}}), Code::InvalidValue),
        (json!({"best": {"count": 1, "colour": "red"}}), Code::MalformedRequest),
        (json!({"best": {"count": -1}}), Code::MalformedRequest),
    ] {
        let mut order = body.clone();
        order["session_id"] = json!(session);
        expect_problem(app.post_as(&buyer, "/orders", &order).await, code).await;
        expect_problem(app.post_as(&buyer, &format!("/sessions/{session}/quote"), &body).await, code).await;
    }
    assert_eq!(counts(&app, session).await.locked, 0);
}

#[tokio::test]
async fn a_party_is_told_how_many_can_sit_together_and_sits_apart_only_if_it_may() {
    for app in platforms().await {
        let (buyer, other) = (app.register("a@example.com").await, app.register("b@example.com").await);
        let session = app.hall(7).await;
        let taken = json!({"session_id": session, "seats": ["1-3", "1-6"]});
        expect(app.post_as(&other, "/orders", &taken).await, StatusCode::CREATED).await;
        let refused = expect_problem(best(&app, &buyer, session, &json!({"count": 3})).await, Code::NotTogether).await;
        assert_eq!((&refused["together"], &refused["left"]), (&json!(2), &json!(5)));
        let refused = best(&app, &buyer, session, &json!({"count": 6, "together": false})).await;
        assert_eq!(expect_problem(refused, Code::TooFewLeft).await["left"], 5);
        let apart = best(&app, &buyer, session, &json!({"count": 4, "together": false})).await;
        assert_eq!(seats(&expect(apart, StatusCode::CREATED).await), ["1-1", "1-2", "1-4", "1-5"]);
        // What came back is known at once.
        let refused = best(&app, &other, session, &json!({"count": 2})).await;
        assert_eq!(expect_problem(refused, Code::TooFewLeft).await["left"], 1);
        let mine = expect(app.get_as(&buyer, "/orders").await, StatusCode::OK).await;
        let cancel = format!("/orders/{}/cancel", mine["orders"][0]["id"].as_str().unwrap());
        expect(app.post_as(&buyer, &cancel, &json!({})).await, StatusCode::OK).await;
        eventually(PATIENCE, || async {
            let reply = best(&app, &other, session, &json!({"count": 2})).await;
            if reply.status() == StatusCode::CREATED { Ok(()) } else { Err(reply.text().await.unwrap()) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_hold_whose_order_was_lost_is_found_by_the_key_and_made_an_order() {
    for app in platforms().await {
        let buyer = app.register("a@example.com").await;
        let session = app.hall(50).await;
        let pair = json!({"count": 2});
        let placed = expect(best_with_key(&app, &buyer, session, &pair, "k").await, StatusCode::CREATED).await;
        let id = placed["id"].as_str().unwrap().to_owned();
        // As if the server had died between the hold and the order.
        app.write(move |connection| {
            Box::pin(async move {
                for table in ["order_seats", "order_history"] {
                    let sql = format!("DELETE FROM {table} WHERE order_id = $1");
                    query(ticketing::storage::sql::Sql::Built(sql)).bind(&id).execute(&mut *connection).await?;
                }
                query("DELETE FROM orders WHERE id = $1").bind(&id).execute(connection).await?;
                Ok(())
            })
        })
        .await;
        let three = json!({"count": 3});
        expect_problem(best_with_key(&app, &buyer, session, &three, "k").await, Code::IdempotencyKeyReused).await;
        let again = expect(best_with_key(&app, &buyer, session, &pair, "k").await, StatusCode::CREATED).await;
        assert_eq!((seats(&again), &again["id"]), (seats(&placed), &placed["id"]));
        assert_eq!(counts(&app, session).await.locked, 2);
    }
}

#[tokio::test]
async fn many_parties_at_once_get_all_seats_each_once_and_nobody_is_refused_before() {
    for app in platforms().await {
        let session = app.hall(60).await;
        let names: Vec<String> = (0..20).map(|n| format!("buyer-{n}@example.com")).collect();
        let buyers = join_all(names.iter().map(|name| app.register(name))).await;
        // Some go by the map meanwhile, for the very seats that are best.
        let map = ["1-25", "1-26", "1-27"].map(|seat| {
            let body = json!({"session_id": session, "seats": [seat]});
            let (app, buyer) = (&app, &buyers[0]);
            async move { app.post_as(buyer, "/orders", &body).await.status() }
        });
        let apart = json!({"count": 3, "together": false});
        let parties = buyers[1..].iter().map(|buyer| best(&app, buyer, session, &apart));
        let (by_map, parties) = futures_util::join!(join_all(map), join_all(parties));
        let by_map = by_map.iter().filter(|status| **status == StatusCode::CREATED).count();
        assert!(parties.iter().all(|reply| reply.status() == StatusCode::CREATED), "{parties:?}");
        let mut all = Vec::new();
        for reply in parties {
            all.extend(seats(&reply.json().await.unwrap()));
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 57);
        let left = u32::try_from(60 - 57 - by_map).unwrap();
        assert_eq!(counts(&app, session).await.available, left);
    }
}

/// A house with ten seats and two standing areas.
async fn standing_house(app: &TestApp, floor: u32) -> SessionId {
    let rows = (1..=10).map(|n| json!({"seat_guid": format!("b-{n}"), "seat_number": n.to_string(), "category": "Balcony", "position": {"x": n * 20, "y": 300}}));
    let area = |name: &str, category: &str, places: u32, y: u32| {
        json!({"shape": "rectangle", "rectangle": {"width": 200, "height": 80}, "position": {"x": 10, "y": y}, "color": "#ddd",
            "text": {"text": name}, "standing": {"name": name, "category": category, "capacity": places}})
    };
    let house = json!({
        "name": "Club", "size": {"width": 400, "height": 400},
        "categories": [{"name": "Balcony", "color": "#111111"}, {"name": "Standing", "color": "#222222"}],
        "zones": [
            {"name": "Floor zone", "position": {"x": 0, "y": 0}, "rows": [], "areas": [area("Floor", "Standing", floor, 50), area("Pit", "Standing", 2, 0)]},
            {"name": "Balcony", "position": {"x": 0, "y": 0}, "rows": [{"row_number": "1", "seats": rows.collect::<Vec<_>>()}]},
        ],
    });
    app.write(move |connection| {
        Box::pin(async move {
            let mut findings = Findings::default();
            let plan = plan::read(house.to_string().as_bytes(), &mut findings).unwrap_or_else(|| panic!("{findings}"));
            let venue = store::venue(connection, "Club", "Shanghai", "").await?;
            let plan = store::insert_plan(connection, venue, &plan, |_| {}).await?;
            let show = store::NewShow { title: "Standing".into(), title_zh: "站席".into(), ..Default::default() };
            let show = store::insert_show(connection, &show).await?;
            let (now, cny) = (Millis::now(), |minor| Money { minor, currency: Currency::CNY });
            let prices = [("Balcony", 30_000), ("Standing", 10_000)];
            let session = store::NewSession {
                show,
                plan,
                starts_at: now.plus(Duration::from_secs(86_400)),
                sale_opens_at: now.minus(Duration::from_secs(60)),
                sale_closes_at: now.plus(Duration::from_secs(3_600)),
                hold: Duration::from_secs(900),
                seats_per_user: 6,
                prices: BTreeMap::from(prices.map(|(name, minor)| (name.to_owned(), cny(minor)))),
            };
            Ok(store::insert_session(connection, &session).await?)
        })
    })
    .await
}

#[tokio::test]
async fn many_buyers_at_once_of_few_standing_places_buy_exactly_all() {
    for app in platforms().await {
        let session = standing_house(&app, 40).await;
        let names: Vec<String> = (0..24).map(|n| format!("buyer-{n}@example.com")).collect();
        let buyers = join_all(names.iter().map(|name| app.register(name))).await;
        let wish = json!({"count": 2, "area": "Floor"});
        let replies = join_all(buyers.iter().map(|buyer| best(&app, buyer, session, &wish))).await;
        let placed = replies.iter().filter(|reply| reply.status() == StatusCode::CREATED).count();
        assert_eq!(placed, 20, "{replies:?}");
        for reply in replies.into_iter().filter(|reply| reply.status() != StatusCode::CREATED) {
            assert_eq!(expect_problem(reply, Code::TooFewLeft).await["left"], 0);
        }
        assert_eq!(counts(&app, session).await, SeatCounts { seats: 52, available: 12, locked: 40, sold: 0 });
        // The other area and the seats are still there.
        let pit = best(&app, &buyers[0], session, &json!({"count": 2, "category": "Standing"})).await;
        let pit = expect(pit, StatusCode::CREATED).await;
        assert!(pit["seats"].as_array().unwrap().iter().all(|seat| seat["zone"] == "Pit"), "{pit}");
        let seated = expect(best(&app, &buyers[1], session, &json!({"count": 2})).await, StatusCode::CREATED).await;
        assert!(seated["seats"].as_array().unwrap().iter().all(|seat| seat["zone"] == "Balcony"), "{seated}");
    }
}

#[tokio::test]
async fn standing_tickets_say_their_area_and_no_seat_from_the_map_to_the_door() {
    let app = TestApp::start().await;
    let buyer = app.register("a@example.com").await;
    let door = app.register_staff("door@example.com", "door").await;
    let session = standing_house(&app, 5).await;
    let map = expect(app.get(&format!("/sessions/{session}/seatmap")).await, StatusCode::OK).await;
    assert_eq!(map["seats"].as_array().unwrap().len(), 10);
    assert_eq!(
        map["standing"],
        json!([
            {"area": "Floor", "category": "Standing", "first": 10, "places": 5},
            {"area": "Pit", "category": "Standing", "first": 15, "places": 2},
        ])
    );
    assert_eq!(map["areas"][0]["standing"], "Floor");
    let live = expect(app.get(&format!("/sessions/{session}/seats")).await, StatusCode::OK).await;
    assert_eq!(live["states"].as_str().unwrap().len(), 17);
    // Nobody chooses a place by its name.
    let named = json!({"session_id": session, "seats": ["Floor#1"]});
    expect_problem(app.post_as(&buyer, "/orders", &named).await, Code::UnknownSeat).await;
    let none = best(&app, &buyer, session, &json!({"count": 1, "area": "Floor", "category": "Balcony"})).await;
    expect_problem(none, Code::InvalidValue).await;

    let order =
        expect(best(&app, &buyer, session, &json!({"count": 3, "area": "Floor"})).await, StatusCode::CREATED).await;
    assert_eq!(order["total"], json!({"amount": "300.00", "currency": "CNY"}));
    for seat in order["seats"].as_array().unwrap() {
        assert_eq!((&seat["zone"], &seat["row"], &seat["number"]), (&json!("Floor"), &json!(""), &json!("")));
        assert_eq!(seat["standing"], true);
    }
    let id = order["id"].as_str().unwrap();
    let paying = expect(app.post_as(&buyer, &format!("/orders/{id}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = paying.pointer("/payment/pay_url").and_then(Value::as_str).unwrap();
    expect(app.post(&format!("/{page}/approve"), &json!({})).await, StatusCode::OK).await;
    let issued = eventually(PATIENCE, || async {
        let order = expect(app.get_as(&buyer, &format!("/orders/{id}")).await, StatusCode::OK).await;
        if order["tickets"].as_array().is_some_and(|tickets| tickets.len() == 3) { Ok(order) } else { Err(order) }
    })
    .await;
    let tickets = issued["tickets"].as_array().unwrap();
    // Each ticket is one entry, told from the others by the books.
    let mut places: Vec<_> = tickets.iter().map(|ticket| ticket["seat"].as_str().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, seats(&issued));
    let list =
        expect(app.get_as(&door, &format!("/admin/sessions/{session}/check-in/list")).await, StatusCode::OK).await;
    assert_eq!(list["tickets"].as_array().unwrap().len(), 3);
    let scan = json!({"code": tickets[0]["code"], "gate": "North"});
    let admitted = app.post_as(&door, &format!("/admin/sessions/{session}/check-in"), &scan).await;
    let admitted = expect(admitted, StatusCode::OK).await;
    assert_eq!(admitted["verdict"], "admitted");
    assert_eq!(
        admitted["seat"],
        json!({"zone": "Floor", "row": "", "number": "", "standing": true, "category": "Standing"})
    );
}
