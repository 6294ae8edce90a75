//! The live screen of a sale: its figures are what happened, whoever may not see it does not, and one painter serves all.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    admission::{Policy, Room},
    ids::SessionId,
    problem::Code,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// An order of these seats; the answer as it came.
async fn order(app: &TestApp, who: &Account, session: SessionId, seats: &[&str]) -> Response {
    app.post_as(who, "/orders", &json!({"session_id": session, "seats": seats})).await
}

async fn placed(app: &TestApp, who: &Account, session: SessionId, seats: &[&str]) -> String {
    let order = expect(order(app, who, session, seats).await, StatusCode::CREATED).await;
    order["id"].as_str().unwrap().to_owned()
}

/// Presses a button on the page of the payment provider.
async fn pay(app: &TestApp, who: &Account, order: &str, button: &str) {
    let begun = expect(app.post_as(who, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap();
    expect(app.request(Method::POST, &format!("/{page}/{button}")).send().await.unwrap(), StatusCode::OK).await;
}

fn screen(session: SessionId) -> String {
    format!("/desk/nebula/sessions/{session}/screen")
}

/// The screen, once `wanted` is true of it.
async fn shown(app: &TestApp, who: &Account, session: SessionId, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(PATIENCE, || async {
        let shown = expect(app.get_as(who, &screen(session)).await, StatusCode::OK).await;
        if wanted(&shown) { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await
}

fn step(shown: &Value, name: &str) -> Value {
    let steps = shown["funnel"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == name).map_or(Value::Null, |step| step["count"].clone())
}

fn refused(shown: &Value, step: &str, code: &str) -> Value {
    let refusals = shown["refusals"].as_array().unwrap();
    let found = refusals.iter().find(|one| one["step"] == step && one["code"] == code);
    found.map_or(Value::Null, |one| one["count"].clone())
}

fn sum(shown: &Value, scale: usize, line: &str) -> u64 {
    shown["series"][scale][line].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_figures_are_what_happened() {
    let app = TestApp::start().await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let (mei, lan) = (app.register("mei@example.com").await, app.register("lan@example.com").await);
    let hall = app.hall(60).await;
    for _ in 0..3 {
        expect(app.get(&format!("/sessions/{hall}/admission")).await, StatusCode::OK).await;
    }
    // One is paid after the provider declined once, one is given up, one waits for its payment.
    let paid = placed(&app, &mei, hall, &["1-1", "1-2"]).await;
    pay(&app, &mei, &paid, "decline").await;
    pay(&app, &mei, &paid, "approve").await;
    let given_up = placed(&app, &mei, hall, &["1-3"]).await;
    expect(app.post_as(&mei, &format!("/orders/{given_up}/cancel"), &json!({})).await, StatusCode::OK).await;
    placed(&app, &lan, hall, &["2-1"]).await;
    // Refused: two for a seat, one for a price, one for what is no seat. Nothing is counted of a session that is none.
    for _ in 0..2 {
        expect_problem(order(&app, &lan, hall, &["1-1"]).await, Code::SeatTaken).await;
    }
    let price = json!({"session_id": hall, "seats": ["1-9"], "expected_total": {"amount": "1.00", "currency": "CNY"}});
    expect_problem(app.post_as(&lan, "/orders", &price).await, Code::PriceChanged).await;
    expect_problem(order(&app, &lan, hall, &["9-9"]).await, Code::UnknownSeat).await;
    expect_problem(order(&app, &lan, SessionId::new(), &["1-1"]).await, Code::NotFound).await;

    let shown = shown(&app, &clerk, hall, |shown| {
        shown["seats"]["sold"] == 2
            && shown["seats"]["locked"] == 1
            && shown["orders"]["paid"] == 1
            && shown["orders"]["cancelled"] == 1
            && step(shown, "requested") == 7
            && step(shown, "paid") == 1
    })
    .await;
    assert_eq!(shown["seats"], json!({"seats": 60, "available": 57, "locked": 1, "sold": 2}));
    let zones = shown["zones"].as_array().unwrap();
    let zone_sum = |name: &str| zones.iter().map(|zone| zone[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((zone_sum("seats"), zone_sum("sold"), zone_sum("locked")), (60, 2, 1));
    let orders = json!({
        "placed": 3, "unpaid": 1, "paid": 1, "cancelled": 1, "timed_out": 0, "refunded": 0,
        "revenue": {"amount": "760.00", "currency": "CNY"},
    });
    assert_eq!(shown["orders"], orders);
    for (name, count) in [("visited", 3), ("held", 3), ("placed", 3), ("paid", 1)] {
        assert_eq!(step(&shown, name), count, "{name}: {shown}");
    }
    assert_eq!(step(&shown, "queued"), Value::Null, "this sale has no waiting room");
    for (gate, code, count) in [
        ("seats", "seat-taken", 2),
        ("price", "price-changed", 1),
        ("request", "unknown-seat", 1),
        ("payment", "declined", 1),
    ] {
        assert_eq!(refused(&shown, gate, code), count, "{gate}: {shown}");
    }
    assert_eq!(shown["refusals"].as_array().unwrap().len(), 4, "{shown}");
    assert_eq!((&shown["stale"], shown.get("room")), (&json!([]), None));
    for scale in 0..2 {
        for (line, total) in [("placed", 3), ("paid", 1), ("ended", 1), ("refused", 5), ("revenue_minor", 76_000)] {
            assert_eq!(sum(&shown, scale, line), total, "{line}: {shown}");
        }
    }
    // The same for whoever watches the servers.
    let metrics = app.get("//metrics").await.text().await.unwrap();
    for line in [
        format!("ticketing_sale_funnel_total{{session=\"{hall}\",step=\"paid\"}} 1\n"),
        format!("ticketing_sale_refusals_total{{session=\"{hall}\",step=\"seats\",code=\"seat-taken\"}} 2\n"),
    ] {
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn the_waiting_room_is_on_the_screen_with_all_who_came_and_were_let_in() {
    let app = TestApp::start().await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let hall = app.hall(10).await;
    let policy = Policy { room: Some(Room { admitted: 1, ..Room::default() }), ..Policy::default() };
    app.app.admission.policies().put(hall, policy, "test".to_owned()).await.unwrap();
    let mut buyers = Vec::new();
    for name in ["mei", "lan", "bo"] {
        let buyer = app.register(&format!("{name}@example.com")).await;
        // Asking again is no second place.
        for _ in 0..2 {
            let path = format!("/sessions/{hall}/waiting-room");
            expect(app.post_as(&buyer, &path, &json!({})).await, StatusCode::OK).await;
        }
        buyers.push(buyer);
    }
    expect_problem(order(&app, &buyers[1], hall, &["1-1"]).await, Code::WaitingRoom).await;
    let shown = shown(&app, &clerk, hall, |shown| {
        step(shown, "queued") == 3 && refused(shown, "waiting-room", "waiting-room") == 1
    })
    .await;
    assert_eq!(step(&shown, "admitted"), 1, "{shown}");
    assert_eq!(shown["room"], json!({"waiting": 2, "inside": 1, "most_inside": 1, "pace_per_minute": 0}));
    assert_eq!(sum(&shown, 0, "admitted"), 1);
    assert_eq!(shown["series"][0]["waiting"].as_array().unwrap().last(), Some(&json!(2)), "{shown}");
}

/// The data of the next `screen` of a stream for which `wanted` is true.
async fn next(stream: &mut Response, seen: &mut String, wanted: impl Fn(&Value) -> bool) -> Value {
    let reading = async {
        loop {
            while let Some((event, rest)) =
                seen.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
            {
                *seen = rest;
                let Some(data) = event.strip_prefix("event: screen\ndata: ") else { continue };
                let shown: Value = serde_json::from_str(data).unwrap();
                if wanted(&shown) {
                    return shown;
                }
            }
            let chunk = stream.chunk().await.unwrap().unwrap();
            seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("nothing of that came"))
}

#[tokio::test]
async fn whoever_watches_hears_of_every_change_and_one_painter_serves_them_all() {
    let app = TestApp::start().await;
    let hall = app.hall(10).await;
    let buyer = app.register("fan@example.com").await;
    let boss = app.register_admin("boss@example.com").await;
    let live = format!("{}/live", screen(hall));
    let mut streams = Vec::new();
    for name in ["a", "b", "c"] {
        let who = app.register_staff(&format!("{name}@example.com"), "box-office").await;
        streams.push((app.get_as(&who, &live).await, String::new()));
    }
    streams.push((app.get_as(&boss, &live).await, String::new()));
    for (stream, seen) in &mut streams {
        assert_eq!(stream.status(), StatusCode::OK);
        assert!(stream.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        next(stream, seen, |shown| shown["seats"]["seats"] == 10 && shown["seats"]["available"] == 10).await;
    }
    assert_eq!(app.app.screens.painted(), 1);
    let bought = placed(&app, &buyer, hall, &["1-1"]).await;
    for (stream, seen) in &mut streams {
        next(stream, seen, |shown| shown["seats"]["locked"] == 1 && shown["orders"]["unpaid"] == 1).await;
    }
    pay(&app, &buyer, &bought, "approve").await;
    for (stream, seen) in &mut streams {
        let done = |shown: &Value| shown["seats"]["sold"] == 1 && shown["orders"]["paid"] == 1;
        next(stream, seen, done).await;
    }
    assert_eq!(app.app.screens.painted(), 1);
    drop(streams);
    eventually(PATIENCE, || async { app.app.screens.painted() == 0 }).await;
}

#[tokio::test]
async fn a_merchants_screens_are_its_own_and_the_platforms() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let hall = app.hall(3).await;
    let star = json!({"id": "star", "name": "Star", "name_zh": "星"});
    expect(app.post_as(&boss, "/admin/merchants", &star).await, StatusCode::CREATED).await;
    let star = app.register_at(&"star".parse().unwrap(), "star@example.com", "merchant-admin").await;
    let own = app.register_staff("own@example.com", "finance").await;
    let door = app.register_staff("door@example.com", "door").await;
    let buyer = app.register("buyer@example.com").await;
    for path in ["screen", "screen/live"] {
        let (theirs, wrong) =
            (format!("/desk/nebula/sessions/{hall}/{path}"), format!("/desk/star/sessions/{hall}/{path}"));
        for (who, path, code) in [
            (&star, &theirs, Code::NotFound),
            (&star, &wrong, Code::NotFound),
            // The platform enters every desk, and finds there what is that merchant's.
            (&boss, &wrong, Code::NotFound),
            (&door, &theirs, Code::Forbidden),
            (&buyer, &theirs, Code::Forbidden),
        ] {
            expect_problem(app.get_as(who, path).await, code).await;
        }
        expect_problem(app.get(&theirs).await, Code::Unauthenticated).await;
        for who in [&own, &boss] {
            assert_eq!(app.get_as(who, &theirs).await.status(), StatusCode::OK);
        }
        let nothing = format!("/desk/nebula/sessions/{}/{path}", SessionId::new());
        expect_problem(app.get_as(&own, &nothing).await, Code::NotFound).await;
    }
}
