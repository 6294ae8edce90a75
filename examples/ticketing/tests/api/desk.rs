//! A merchant's desk: the catalog from nothing to on sale, on the latest version only, and orders, all behind the wall.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use nebula_auth::audit::AuditQuery;
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    ids::{SessionId, platform},
    problem::Code,
};

const PLAN: &str = include_str!("../../demo/nebula-grand-theatre.json");

async fn send(app: &TestApp, who: &Account, method: Method, path: &str, body: &Value) -> Response {
    app.request(method, path).bearer_auth(&who.access).json(body).send().await.unwrap()
}

async fn merchant(app: &TestApp, boss: &Account, name: &str) -> Account {
    let body = json!({"id": name, "name": name, "name_zh": name});
    expect(app.post_as(boss, "/admin/merchants", &body).await, StatusCode::CREATED).await;
    app.register_at(&name.parse().unwrap(), &format!("{name}@example.com"), "merchant-admin").await
}

fn yuan(amount: &str) -> Value {
    json!({"amount": amount, "currency": "CNY"})
}

fn times() -> Value {
    let at = |hours: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string();
    json!({
        "starts_at": at(48), "sale_opens_at": at(-1), "sale_closes_at": at(47),
        "hold_seconds": 900, "seats_per_user": 6,
    })
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}

/// A merchant's session that nobody finds yet: venue, show and session.
async fn draft(app: &TestApp, who: &Account, merchant: &str) -> (Value, Value, Value) {
    let desk = format!("/desk/{merchant}");
    let venue = json!({"name": "House", "city": "Suzhou", "latitude": 31.3, "longitude": 120.6});
    let venue = expect(app.post_as(who, &format!("{desk}/venues"), &venue).await, StatusCode::CREATED).await;
    let plan: Value = serde_json::from_str(PLAN).unwrap();
    let plans = format!("{desk}/venues/{}/plans", id(&venue));
    let plan = expect(app.post_as(who, &plans, &plan).await, StatusCode::CREATED).await;
    let show = json!({"title": "The Tempest", "title_zh": "暴风雨"});
    let show = expect(app.post_as(who, &format!("{desk}/shows"), &show).await, StatusCode::CREATED).await;
    let session = json!({"show_id": show["id"], "plan_id": plan["id"], "prices": {"Stalls": yuan("380.00")}});
    let session = with(times(), &session);
    let session = expect(app.post_as(who, &format!("{desk}/sessions"), &session).await, StatusCode::CREATED).await;
    (venue, show, session)
}

#[tokio::test]
async fn a_merchant_goes_from_nothing_to_on_sale_by_importing_a_seating_plan() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let star = merchant(&app, &boss, "star").await;

    // A plan is looked at before anything is stored.
    let plan: Value = serde_json::from_str(PLAN).unwrap();
    let checked = expect(app.post_as(&star, "/desk/star/plans/check", &plan).await, StatusCode::OK).await;
    assert_eq!(checked["usable"], true, "{checked}");
    assert!(checked["preview"]["seats"].as_array().is_some_and(|seats| seats.len() > 100), "{checked}");
    let broken = json!({"categories": [{"name": "A"}], "zones": [{"rows": [{"seats": [{"seat_guid": "1"}]}]}]});
    let checked = expect(app.post_as(&star, "/desk/star/plans/check", &broken).await, StatusCode::OK).await;
    assert_eq!((&checked["usable"], &checked["preview"]), (&json!(false), &Value::Null));
    assert!(checked["problems"][0].as_str().unwrap().contains("zones[0].rows[0].seats[0]"), "{checked}");
    let plans = expect(app.get_as(&star, "/desk/star/plans").await, StatusCode::OK).await;
    assert_eq!(plans, json!({"plans": []}));

    let (venue, show, session) = draft(&app, &star, "star").await;
    let refused = app.post_as(&star, &format!("/desk/star/venues/{}/plans", id(&venue)), &broken).await;
    let refused = expect_problem(refused, Code::PlanRefused).await;
    assert_eq!(refused["problems"], checked["problems"]);
    let again = app.post_as(&star, &format!("/desk/star/venues/{}/plans", id(&venue)), &plan).await;
    assert_eq!(expect(again, StatusCode::CREATED).await["reused"], true);
    let plans = expect(app.get_as(&star, "/desk/star/plans").await, StatusCode::OK).await;
    let layout = format!("/desk/star/plans/{}/layout", id(&plans["plans"][0]));
    assert_eq!(expect(app.get_as(&star, &layout).await, StatusCode::OK).await["plan_id"], plans["plans"][0]["id"]);

    // Nobody finds it before both are published.
    let public = format!("/sessions/{}", id(&session));
    let buyer = app.register("buyer@example.com").await;
    let layout = expect(app.get_as(&star, &layout).await, StatusCode::OK).await;
    let stalls = layout["seats"].as_array().unwrap().iter().find(|seat| seat["category"] == "Stalls").unwrap();
    let wish = json!({"session_id": session["id"], "seats": [stalls["guid"]]});
    let (show_path, session_path) = (
        format!("/desk/star/shows/{}/publication", id(&show)),
        format!("/desk/star/sessions/{}/publication", id(&session)),
    );
    for path in [&show_path, &session_path] {
        expect_problem(app.get(&public).await, Code::NotFound).await;
        expect_problem(app.post_as(&buyer, "/orders", &wish).await, Code::NotFound).await;
        let publish = json!({"version": 1, "published": true});
        expect(send(&app, &star, Method::PUT, path, &publish).await, StatusCode::OK).await;
    }
    app.app.catalog.forget_session(id(&session).parse().unwrap()).await;
    let shows = expect(app.get("/m/star/shows").await, StatusCode::OK).await;
    assert_eq!(shows["shows"][0]["sessions"][0]["id"], session["id"], "{shows}");
    let order = expect(app.post_as(&buyer, "/orders", &wish).await, StatusCode::CREATED).await;
    assert_eq!(order["total"], yuan("380.00"));

    // A changed price is seen at once; the order keeps its own.
    let prices = json!({"version": 2, "prices": {"Stalls": yuan("400.00")}});
    let prices_path = format!("/desk/star/sessions/{}/prices", id(&session));
    expect(send(&app, &star, Method::PUT, &prices_path, &prices).await, StatusCode::OK).await;
    let seen = expect(app.get(&public).await, StatusCode::OK).await;
    assert_eq!(seen["prices"][0]["price"], yuan("400.00"), "{seen}");
    let kept = expect(app.get_as(&buyer, &format!("/orders/{}", id(&order))).await, StatusCode::OK).await;
    assert_eq!(kept["total"], yuan("380.00"));

    // Off sale: not found any more, and the order stays.
    let hide = json!({"version": 3, "published": false});
    expect(send(&app, &star, Method::PUT, &session_path, &hide).await, StatusCode::OK).await;
    expect_problem(app.get(&public).await, Code::NotFound).await;
    expect(app.get_as(&buyer, &format!("/orders/{}", id(&order))).await, StatusCode::OK).await;
}

#[tokio::test]
async fn changes_are_made_on_the_latest_version_and_with_allowed_values() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let star = merchant(&app, &boss, "star").await;
    let (venue, show, session) = draft(&app, &star, "star").await;
    let put = |path: String, body: Value| {
        let (app, star) = (&app, &star);
        async move { send(app, star, Method::PUT, &path, &body).await }
    };
    let venue_path = format!("/desk/star/venues/{}", id(&venue));
    let show_path = format!("/desk/star/shows/{}", id(&show));
    let session_path = format!("/desk/star/sessions/{}", id(&session));
    for (path, body) in [
        (venue_path.clone(), json!({"name": "Old House"})),
        (show_path.clone(), json!({"title": "A", "title_zh": "甲"})),
        (session_path.clone(), times()),
        (format!("{session_path}/prices"), json!({"prices": {"Balcony": yuan("1.00")}})),
    ] {
        let version = if path.ends_with("/prices") { 2 } else { 1 };
        let first =
            expect(put(path.clone(), with(body.clone(), &json!({"version": version}))).await, StatusCode::OK).await;
        assert_eq!(first["version"], version + 1, "{first}");
        // Somebody else, who read the same version.
        let late = put(path, with(body, &json!({"version": version}))).await;
        assert_eq!(expect_problem(late, Code::VersionConflict).await["version"], version + 1);
    }
    let second = json!({"name": "Second"});
    expect(app.post_as(&star, "/desk/star/venues", &second).await, StatusCode::CREATED).await;
    expect_problem(app.post_as(&star, "/desk/star/venues", &second).await, Code::NameTaken).await;
    let renamed = put(venue_path.clone(), json!({"name": "Second", "version": 2})).await;
    expect_problem(renamed, Code::NameTaken).await;
    let used = send(&app, &star, Method::DELETE, &format!("{venue_path}?version=2"), &json!({})).await;
    expect_problem(used, Code::InUse).await;

    let new = |more: Value| {
        let session = json!({"show_id": show["id"], "plan_id": session["plan_id"], "prices": {"Stalls": yuan("1.00")}});
        with(with(times(), &session), &more)
    };
    for (more, field) in [
        (json!({"prices": {}}), "prices"),
        (json!({"prices": {"Nowhere": yuan("1.00")}}), "prices"),
        (json!({"prices": {"Stalls": yuan("1.00"), "Box": {"amount": "1.00", "currency": "EUR"}}}), "prices"),
        (json!({"hold_seconds": 1}), "hold_seconds"),
        (json!({"seats_per_user": 0}), "seats_per_user"),
        (json!({"sale_opens_at": "2999-01-01T00:00:00Z"}), "sale_opens_at"),
        (json!({"sale_closes_at": "2999-01-01T00:00:00Z"}), "sale_closes_at"),
    ] {
        let refused =
            expect_problem(app.post_as(&star, "/desk/star/sessions", &new(more)).await, Code::InvalidValue).await;
        assert_eq!(refused["field"], field, "{refused}");
    }
    for (more, code) in [
        (json!({"show_id": ticketing::ids::ShowId::new()}), Code::NotFound),
        (json!({"plan_id": ticketing::ids::PlanId::new()}), Code::NotFound),
        (json!({"starts_at": "tomorrow"}), Code::MalformedRequest),
    ] {
        expect_problem(app.post_as(&star, "/desk/star/sessions", &new(more)).await, code).await;
    }
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x", "latitude": 91.0, "longitude": 0.0}), "latitude"),
        (json!({"name": "x", "latitude": 1.0}), "longitude"),
    ] {
        let refused = expect_problem(app.post_as(&star, "/desk/star/venues", &body).await, Code::InvalidValue).await;
        assert_eq!(refused["field"], field);
    }
    let calendar = |query: &str| format!("/desk/star/sessions?{query}");
    for (query, sessions) in [("", 1), ("from=2999-01-01T00:00:00Z", 0), ("to=2999-01-01T00:00:00Z", 1)] {
        let found = expect(app.get_as(&star, &calendar(query)).await, StatusCode::OK).await;
        assert_eq!(found["sessions"].as_array().unwrap().len(), sessions, "{query}");
    }
    expect_problem(app.get_as(&star, &calendar("from=x")).await, Code::MalformedRequest).await;
}

#[tokio::test]
async fn another_merchants_catalog_is_not_there() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let (star, moon) = (merchant(&app, &boss, "star").await, merchant(&app, &boss, "moon").await);
    let (venue, show, session) = draft(&app, &moon, "moon").await;
    let (own_venue, own_show, own_session) = draft(&app, &star, "star").await;
    let plan: Value = serde_json::from_str(PLAN).unwrap();
    let publication = json!({"version": 1, "published": true});
    let prices = json!({"version": 1, "prices": {"Stalls": yuan("0.01")}});
    let steal = |show: &Value, plan: &Value| {
        with(times(), &json!({"show_id": show, "plan_id": plan, "prices": {"Stalls": yuan("1.00")}}))
    };
    // By moon's own address, and by star's address with moon's identifiers.
    for desk in ["/desk/moon", "/desk/star"] {
        for (method, path, body) in [
            (Method::PUT, format!("/venues/{}", id(&venue)), json!({"version": 1, "name": "mine"})),
            (Method::DELETE, format!("/venues/{}?version=1", id(&venue)), json!({})),
            (Method::POST, format!("/venues/{}/plans", id(&venue)), plan.clone()),
            (Method::GET, format!("/plans/{}/layout", session["plan_id"].as_str().unwrap()), json!({})),
            (Method::PUT, format!("/shows/{}", id(&show)), json!({"version": 1, "title": "x", "title_zh": "x"})),
            (Method::PUT, format!("/shows/{}/publication", id(&show)), publication.clone()),
            (Method::PUT, format!("/sessions/{}", id(&session)), with(times(), &json!({"version": 1}))),
            (Method::PUT, format!("/sessions/{}/prices", id(&session)), prices.clone()),
            (Method::PUT, format!("/sessions/{}/publication", id(&session)), publication.clone()),
            (Method::POST, "/sessions".to_owned(), steal(&show["id"], &own_session["plan_id"])),
            (Method::POST, "/sessions".to_owned(), steal(&own_show["id"], &session["plan_id"])),
        ] {
            let refused = send(&app, &star, method.clone(), &format!("{desk}{path}"), &body).await;
            assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{method} {desk}{path}");
        }
    }
    for path in ["venues", "plans", "shows", "sessions"] {
        expect_problem(app.get_as(&star, &format!("/desk/moon/{path}")).await, Code::NotFound).await;
        let own = expect(app.get_as(&star, &format!("/desk/star/{path}")).await, StatusCode::OK).await;
        assert_eq!(own[path].as_array().unwrap().len(), 1, "{own}");
        let whole = own.to_string();
        assert!([&venue, &show, &session].into_iter().all(|theirs| !whole.contains(&id(theirs))), "{whole}");
    }
    assert_ne!(id(&venue), id(&own_venue), "two merchants may have a venue of the same name");
    let mine = expect(app.get_as(&moon, "/desk/moon/sessions").await, StatusCode::OK).await;
    assert_eq!((&mine["sessions"][0]["version"], &mine["sessions"][0]["published"]), (&json!(1), &json!(false)));

    // Who may only look does not change.
    let clerk = app.register_at(&platform(), "clerk@example.com", "box-office").await;
    expect(app.get_as(&clerk, "/desk/nebula/shows").await, StatusCode::OK).await;
    let new = json!({"title": "x", "title_zh": "x"});
    expect_problem(app.post_as(&clerk, "/desk/nebula/shows", &new).await, Code::Forbidden).await;
}

/// An order of one seat.
async fn ordered(app: &TestApp, buyer: &Account, session: SessionId, seat: &str) -> String {
    let wish = json!({"session_id": session, "seats": [seat]});
    id(&expect(app.post_as(buyer, "/orders", &wish).await, StatusCode::CREATED).await)
}

/// The numbers of the orders that a search finds.
async fn found(app: &TestApp, who: &Account, query: &str) -> Vec<String> {
    let page = expect(app.get_as(who, &format!("/desk/nebula/orders?{query}")).await, StatusCode::OK).await;
    page["orders"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn orders_are_found_and_shown_to_those_who_may() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let moon = merchant(&app, &boss, "moon").await;
    let [support, clerk, finance, door] = [
        app.register_staff("support@example.com", "support").await,
        app.register_staff("clerk@example.com", "box-office").await,
        app.register_staff("finance@example.com", "finance").await,
        app.register_staff("door@example.com", "door").await,
    ];
    let (ann, bob) = (app.register("ann@example.com").await, app.register("bob@example.com").await);
    let (one, other) = (app.hall(20).await, app.hall(20).await);
    let mut all = Vec::new();
    for (buyer, session, seat) in [(&ann, one, "1-1"), (&ann, one, "1-2"), (&bob, other, "1-1"), (&ann, other, "1-2")] {
        all.insert(0, ordered(&app, buyer, session, seat).await);
    }
    let paid = all[3].clone();
    let begun = expect(app.post_as(&ann, &format!("/orders/{paid}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap();
    expect(app.request(Method::POST, &format!("/{page}/approve")).send().await.unwrap(), StatusCode::OK).await;
    let at_desk = |who: &Account, order: &str| {
        app.request(Method::GET, &format!("/desk/nebula/orders/{order}")).bearer_auth(&who.access)
    };
    eventually(Duration::from_secs(60), || async {
        let shown = expect(at_desk(&support, &paid).send().await.unwrap(), StatusCode::OK).await;
        if shown["order"]["state"] == "ISSUED" { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;

    // Newest first, by each condition and by several, in pages.
    assert_eq!(found(&app, &support, "").await, all);
    let hour = jiff::SignedDuration::from_hours(1);
    let (before, after) = (jiff::Timestamp::now() - hour, jiff::Timestamp::now() + hour);
    for (query, expected) in [
        (format!("number={paid}"), &all[3..]),
        (format!("number={}", paid[..35].to_uppercase()), &all[3..]),
        (format!("session={one}"), &all[2..]),
        ("email=Bob%40Example.com".to_owned(), &all[1..2]),
        ("email=nobody%40example.com".to_owned(), &[]),
        ("state=ISSUED".to_owned(), &all[3..]),
        ("state=PAYING&email=bob%40example.com".to_owned(), &[]),
        (format!("email=ann%40example.com&session={other}&state=LOCKED"), &all[..1]),
        (format!("from={before}&to={after}"), &all[..]),
        (format!("from={after}"), &[]),
        (format!("to={before}"), &[]),
        ("number=&email=".to_owned(), &all[..]),
    ] {
        assert_eq!(found(&app, &support, &query).await, expected, "{query}");
    }
    // Whoever sees addresses masked finds nobody by them.
    for who in [&clerk, &finance] {
        let refused = app.get_as(who, "/desk/nebula/orders?email=ann%40example.com").await;
        let problem = expect_problem(refused, Code::Forbidden).await;
        assert_eq!((&problem["reason"], &problem["field"]), (&json!("field_denied"), &json!("email")));
    }
    let (mut pages, mut next) = (Vec::new(), String::new());
    for _ in 0..2 {
        let page = format!("/desk/nebula/orders?limit=2{next}");
        let page = expect(app.get_as(&finance, &page).await, StatusCode::OK).await;
        pages.extend(page["orders"].as_array().unwrap().iter().map(id));
        next = page["next"].as_str().map_or(String::new(), |after| format!("&after={after}"));
    }
    assert_eq!((pages, next.as_str()), (all.clone(), ""));
    for (query, field) in [("limit=0", "limit"), ("number=%25%25%25%25%25%25", "number"), ("email=ann", "email")] {
        let refused = app.get_as(&support, &format!("/desk/nebula/orders?{query}")).await;
        assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], field);
    }
    for query in ["state=OPEN", "from=yesterday", "session=7", "after=7"] {
        let refused = app.get_as(&support, &format!("/desk/nebula/orders?{query}")).await;
        assert!(refused.status().is_client_error(), "{query}: {}", refused.status());
    }

    // An order with all that happened to it, without what opens the door. Addresses are for those who may see them.
    for (who, email, masked) in
        [(&support, "ann@example.com", false), (&clerk, "a***@example.com", true), (&finance, "a***@example.com", true)]
    {
        let shown = expect(at_desk(who, &paid).send().await.unwrap(), StatusCode::OK).await;
        assert_eq!(shown["buyer"], json!({"id": ann.id, "email": email, "masked": masked}));
        let page = expect(app.get_as(who, "/desk/nebula/orders").await, StatusCode::OK).await;
        assert_eq!(page["orders"][3]["buyer"]["email"], email);
        let text = format!("{shown}{page}");
        assert!(!text.contains("<svg") && !text.contains("\"code\""), "{text}");
        assert_eq!(text.contains("ann@example.com"), !masked, "{text}");
        let order = &shown["order"];
        let states: Vec<_> = order["history"].as_array().unwrap().iter().map(|step| &step["state"]).collect();
        assert_eq!(states, ["LOCKED", "PAYING", "PAID", "ISSUED"]);
        assert_eq!(order["tickets"][0]["state"], "VALID");
        let payment = &shown["payments"][0];
        assert_eq!((&payment["provider"], &payment["state"]), (&json!("mock"), &json!("SUCCEEDED")));
        assert!(payment["txn"].is_string(), "{payment}");
    }
    let seen = AuditQuery { what: Some("order:personal".to_owned()), ..AuditQuery::default() };
    let seen = app.app.office.log().query(&seen).await.unwrap().entries;
    assert!(!seen.is_empty() && seen.iter().all(|entry| entry.record.who == support.id.to_string()), "{seen:?}");

    // Nobody else's, nobody without the permission, and nobody by another merchant's cursor.
    for who in [&door, &ann] {
        expect_problem(app.get_as(who, "/desk/nebula/orders").await, Code::Forbidden).await;
        expect_problem(at_desk(who, &paid).send().await.unwrap(), Code::Forbidden).await;
    }
    expect_problem(at_desk(&moon, &paid).send().await.unwrap(), Code::NotFound).await;
    for path in [format!("/desk/moon/orders/{paid}"), format!("/desk/moon/orders?after={paid}")] {
        expect_problem(app.get_as(&moon, &path).await, Code::NotFound).await;
    }
    let own = format!("/desk/moon/orders?email=ann%40example.com&number={paid}");
    assert_eq!(expect(app.get_as(&moon, &own).await, StatusCode::OK).await, json!({"orders": []}));

    // Money back from here, by whoever may grant it.
    let refund = format!("/admin/orders/{paid}/refund");
    expect_problem(app.post_as(&clerk, &refund, &json!({"reason": "ill"})).await, Code::Forbidden).await;
    expect(app.post_as(&finance, &refund, &json!({"reason": "ill", "goodwill": true})).await, StatusCode::OK).await;
    eventually(Duration::from_secs(60), || async {
        let shown = expect(at_desk(&finance, &paid).send().await.unwrap(), StatusCode::OK).await;
        let refund = &shown["order"]["refunds"][0];
        if shown["order"]["state"] == "REFUNDED" && refund["reason"] == "ill" { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    assert_eq!(found(&app, &clerk, "state=REFUNDED").await, all[3..]);
    // What somebody wrote of themselves is not for those who sell.
    let shown = expect(at_desk(&clerk, &paid).send().await.unwrap(), StatusCode::OK).await;
    assert!(shown["order"]["refunds"][0]["amount"].is_object() && !shown.to_string().contains("\"ill\""), "{shown}");
}
