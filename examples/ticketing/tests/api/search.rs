//! Shows are found by their words, in English and Chinese, filtered, sorted and suggested.

use std::{collections::BTreeMap, time::Duration};

use crate::common::{TestApp, expect, expect_problem};
use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    ids::{SessionId, ShowId},
    money::{Currency, Money},
    problem::Code,
    show::{
        Genre, HALL_CATEGORY, hall,
        store::{self, NewSession, NewShow},
    },
    storage::sql::query,
};

const PATIENCE: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 60 * 60;

/// A performance: city, venue, days from now, price in yuan, whether the sale has begun.
type Performance = (&'static str, &'static str, u64, i64, bool);

async fn show(app: &TestApp, show: NewShow, performances: Vec<Performance>) -> (ShowId, Vec<SessionId>) {
    app.write(move |connection| {
        Box::pin(async move {
            let (id, now) = (store::insert_show(connection, &show).await?, Millis::now());
            let mut sessions = Vec::new();
            for (city, venue, days, yuan, open) in performances {
                let venue = store::venue(connection, venue, city, "").await?;
                let plan = store::insert_plan(connection, venue, &hall(3), |_| {}).await?;
                let starts_at = now.plus(Duration::from_secs(days * DAY));
                let session = NewSession {
                    show: id,
                    plan,
                    starts_at,
                    sale_opens_at: if open { now } else { starts_at },
                    sale_closes_at: starts_at,
                    hold: Duration::from_secs(900),
                    seats_per_user: 3,
                    prices: BTreeMap::from([(
                        HALL_CATEGORY.to_owned(),
                        Money { minor: yuan * 100, currency: Currency::CNY },
                    )]),
                };
                sessions.push(store::insert_session(connection, &session).await?);
            }
            Ok((id, sessions))
        })
    })
    .await
}

/// Four shows in three cities.
async fn season(app: &TestApp) -> Vec<SessionId> {
    let text = str::to_owned;
    let jazz = NewShow {
        title: text("Midnight Jazz"),
        title_zh: text("午夜爵士"),
        artist: text("Zoë Quartet"),
        artist_zh: text("佐伊四重奏"),
        genre: Genre::Concert,
        ..NewShow::default()
    };
    let peony = NewShow {
        title: text("The Peony Pavilion"),
        title_zh: text("牡丹亭"),
        description: text("A dream at midnight."),
        genre: Genre::Opera,
        ..NewShow::default()
    };
    let circus = NewShow {
        title: text("Winter Circus"),
        title_zh: text("冬日马戏"),
        genre: Genre::Family,
        ..NewShow::default()
    };
    let laughs = NewShow {
        title: text("Stand-up 2027"),
        title_zh: text("脱口秀之夜"),
        genre: Genre::Comedy,
        ..NewShow::default()
    };
    let both = vec![("Shanghai · 上海", "Blue Note", 10, 300, true), ("Beijing · 北京", "Old Factory", 40, 100, false)];
    let (_, sessions) = show(app, jazz, both).await;
    show(app, peony, vec![("Beijing · 北京", "Grand Theatre 大剧院", 20, 500, true)]).await;
    show(app, circus, vec![("Chengdu · 成都", "Tent", 5, 80, true)]).await;
    show(app, laughs, vec![("Beijing · 北京", "Old Factory", 30, 200, false)]).await;
    sessions
}

/// A path with these parameters.
fn asking(path: &str, parameters: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://shop.example", parameters).unwrap();
    format!("{path}?{}", url.query().unwrap_or_default())
}

async fn search(app: &TestApp, parameters: &[(&str, &str)]) -> Value {
    expect(app.get(&asking("/search", parameters)).await, StatusCode::OK).await
}

fn titles(found: &Value) -> Vec<&str> {
    found["shows"].as_array().unwrap().iter().map(|show| show["title"].as_str().unwrap()).collect()
}

async fn eventually_found(app: &TestApp, question: &str, wanted: &[&str]) {
    eventually(PATIENCE, || async {
        let found = search(app, &[("q", question)]).await;
        if titles(&found) == wanted { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn shows_are_found_by_their_words_in_both_languages() {
    let app = TestApp::start().await;
    season(&app).await;
    eventually_found(&app, "stand", &["Stand-up 2027"]).await;
    for (question, wanted) in [
        // What has it in the title comes before what only tells of it.
        ("midnight", &["Midnight Jazz", "The Peony Pavilion"] as &[&str]),
        ("MIDNIGHT jazz", &["Midnight Jazz"]),
        ("zoe", &["Midnight Jazz"]),
        // Where it is all that is said of the place.
        ("old factory", &["Stand-up 2027", "Midnight Jazz"]),
        // While somebody types.
        ("peo pav", &["The Peony Pavilion"]),
        // A slip or two.
        ("penoy pavillion", &["The Peony Pavilion"]),
        ("circsu", &["Winter Circus"]),
        // Another year is no slip.
        ("2028", &[]),
        ("2027", &["Stand-up 2027"]),
        ("牡丹亭", &["The Peony Pavilion"]),
        ("丹亭", &["The Peony Pavilion"]),
        ("亭", &["The Peony Pavilion"]),
        ("爵士", &["Midnight Jazz"]),
        ("四重奏", &["Midnight Jazz"]),
        ("成都", &["Winter Circus"]),
        ("成都 马戏", &["Winter Circus"]),
        ("上海 jazz", &["Midnight Jazz"]),
        ("脱口秀", &["Stand-up 2027"]),
        ("ｊａｚｚ", &["Midnight Jazz"]),
        ("话剧", &[]),
        // Of the database's language and of the index's.
        ("' OR '1'='1", &[]),
        ("'; DROP TABLE shows; --", &[]),
        ("title:* OR genre:concert", &[]),
        ("%", &[]),
        ("jazz circus", &[]),
        ("?!", &[]),
        ("\" OR title:* --", &[]),
    ] {
        let found = search(&app, &[("q", question)]).await;
        assert_eq!(titles(&found), wanted, "{question}");
        assert_eq!((&found["total"], &found["degraded"]), (&json!(wanted.len()), &json!(false)), "{question}");
    }
    // By the kind's name, in both languages.
    assert_eq!(titles(&search(&app, &[("q", "戏曲")]).await), ["The Peony Pavilion"]);
    assert_eq!(titles(&search(&app, &[("q", "comedy")]).await), ["Stand-up 2027"]);
}

#[tokio::test]
async fn filters_speak_of_one_performance_and_sorts_of_those_that_fit() {
    let app = TestApp::start().await;
    let sessions = season(&app).await;
    let everything = ["Winter Circus", "Midnight Jazz", "The Peony Pavilion", "Stand-up 2027"];
    eventually_found(&app, "", &everything).await;
    eventually_found(&app, "stand", &["Stand-up 2027"]).await;
    let at = |days: u64| Millis::now().plus(Duration::from_secs(days * DAY)).0;
    let at = |days: u64| serde_json::to_value(Millis(at(days))).unwrap().as_str().unwrap().to_owned();
    let (day_15, day_25, day_35) = (at(15), at(25), at(35));
    for (parameters, wanted) in [
        (vec![("city", "Beijing · 北京")], vec!["The Peony Pavilion", "Stand-up 2027", "Midnight Jazz"]),
        (vec![("genre", "family")], vec!["Winter Circus"]),
        (vec![("from", &*day_15), ("to", &*day_35)], vec!["The Peony Pavilion", "Stand-up 2027"]),
        (vec![("from", &*day_25)], vec!["Stand-up 2027", "Midnight Jazz"]),
        (vec![("price_max", "100")], vec!["Winter Circus", "Midnight Jazz"]),
        (vec![("price_min", "200"), ("price_max", "300.00")], vec!["Midnight Jazz", "Stand-up 2027"]),
        (vec![("price_max", "100"), ("currency", "EUR")], vec![]),
        (vec![("on_sale", "true")], vec!["Winter Circus", "Midnight Jazz", "The Peony Pavilion"]),
        // In Beijing it is not on sale yet, and what is on sale costs more.
        (vec![("city", "Beijing · 北京"), ("on_sale", "true")], vec!["The Peony Pavilion"]),
        (vec![("price_max", "100"), ("on_sale", "true")], vec!["Winter Circus"]),
        (vec![("sort", "price")], vec!["Winter Circus", "Midnight Jazz", "Stand-up 2027", "The Peony Pavilion"]),
        (vec![("sort", "date"), ("q", "old")], vec!["Midnight Jazz", "Stand-up 2027"]),
        (vec![("sort", "price"), ("on_sale", "true")], vec!["Winter Circus", "Midnight Jazz", "The Peony Pavilion"]),
        (vec![("limit", "2"), ("offset", "1")], vec!["Midnight Jazz", "The Peony Pavilion"]),
        (vec![("offset", "1000")], vec![]),
    ] {
        assert_eq!(titles(&search(&app, &parameters).await), wanted, "{parameters:?}");
    }
    let found = search(&app, &[("city", "Chengdu · 成都"), ("limit", "1")]).await;
    let cities: Vec<_> = found["facets"]["cities"].as_array().unwrap().iter().map(|one| one["shows"].clone()).collect();
    assert_eq!(cities, [3, 1, 1], "{found}");
    assert_eq!(found["facets"]["genres"], json!([{"value": "family", "shows": 1}]));

    // What sells comes first, as soon as it is counted.
    let buyer = app.register("buyer@example.com").await;
    let wish = json!({"session_id": sessions[0], "seats": ["1-1"]});
    let placed = expect(app.post_as(&buyer, "/orders", &wish).await, StatusCode::CREATED).await;
    let path = format!("/orders/{}/pay", placed["id"].as_str().unwrap());
    let begun = expect(app.post_as(&buyer, &path, &json!({})).await, StatusCode::OK).await;
    let page = format!("/{}/approve", begun["payment"]["pay_url"].as_str().unwrap());
    expect(app.request(Method::POST, &page).send().await.unwrap(), StatusCode::OK).await;
    eventually(PATIENCE, || async {
        app.app.search.refresh().await.unwrap();
        let found = search(&app, &[("sort", "heat")]).await;
        if titles(&found)[0] == "Midnight Jazz" { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn suggestions_follow_what_is_typed() {
    let app = TestApp::start().await;
    season(&app).await;
    eventually_found(&app, "stand", &["Stand-up 2027"]).await;
    let suggest = |question: &'static str| {
        let path = asking("/search/suggestions", &[("q", question)]);
        let app = &app;
        async move {
            let body = expect(app.get(&path).await, StatusCode::OK).await;
            let list = body["suggestions"].as_array().unwrap().iter();
            list.map(|one| (one["kind"].as_str().unwrap().to_owned(), one["text"].as_str().unwrap().to_owned()))
                .collect::<Vec<_>>()
        }
    };
    let pair = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    assert_eq!(suggest("mid").await, [pair("show", "Midnight Jazz"), pair("show", "The Peony Pavilion")]);
    assert_eq!(suggest("牡").await, [pair("show", "牡丹亭")]);
    assert_eq!(suggest("佐伊").await, [pair("artist", "佐伊四重奏")]);
    assert_eq!(suggest("old f").await, [pair("place", "Old Factory")]);
    assert_eq!(suggest("pavillion").await, [pair("show", "The Peony Pavilion")]);
    assert!(suggest("").await.is_empty() && suggest("xyzzy").await.is_empty());
    let body = expect(app.get("/search/suggestions?q=jaz").await, StatusCode::OK).await;
    let show = body["suggestions"][0]["show_id"].as_str().unwrap();
    assert_eq!(expect(app.get(&format!("/shows/{show}")).await, StatusCode::OK).await["title"], "Midnight Jazz");
}

#[tokio::test]
async fn what_is_changed_hidden_or_another_merchants_is_found_accordingly() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let star = json!({"id": "star", "name": "Star", "name_zh": "星", "domains": ["star.example"]});
    expect(app.post_as(&boss, "/admin/merchants", &star).await, StatusCode::CREATED).await;
    season(&app).await;
    let theirs = NewShow {
        merchant: Some("star".parse().unwrap()),
        title: "Starlight Jazz".into(),
        title_zh: "星光爵士".into(),
        ..NewShow::default()
    };
    let (show_id, _) = show(&app, theirs, vec![("Xi'an", "Wall", 50, 10, true)]).await;
    eventually_found(&app, "爵士", &["Midnight Jazz", "Starlight Jazz"]).await;

    let at = |host: &'static str, path: &'static str| {
        let request = app.request(Method::GET, path).header("host", host).send();
        async move { expect(request.await.unwrap(), StatusCode::OK).await }
    };
    for path in ["/search?q=jazz", "/search"] {
        let found = at("star.example", path).await;
        assert_eq!((titles(&found), &found["total"]), (vec!["Starlight Jazz"], &json!(1)), "{path}");
        assert_eq!(found["facets"]["cities"], json!([{"value": "Xi'an", "shows": 1}]), "nothing tells of the others");
    }
    assert_eq!(titles(&at("localhost", "/m/star/search?q=jazz").await), ["Starlight Jazz"]);
    assert_eq!(titles(&at("localhost", "/m/nebula/search?q=jazz").await), ["Midnight Jazz"]);
    let typed = at("star.example", "/search/suggestions?q=jaz").await;
    assert_eq!(typed["suggestions"].as_array().unwrap().len(), 1, "{typed}");
    let typed = at("localhost", "/m/star/search/suggestions?q=midn").await;
    assert_eq!(typed["suggestions"], json!([]));
    expect_problem(app.get("/m/nowhere/search").await, Code::NotFound).await;

    // Their show gets another name by their desk, and is found by it.
    let path = format!("/desk/star/shows/{show_id}");
    let change =
        json!({"version": 1, "title": "Moonlight Blues", "title_zh": "月光", "artist": "Ana Luz", "genre": "dance"});
    let put = |path: String, body: Value| app.request(Method::PUT, &path).bearer_auth(&boss.access).json(&body).send();
    let changed = expect(put(path.clone(), change).await.unwrap(), StatusCode::OK).await;
    assert_eq!((&changed["artist"], &changed["genre"]), (&json!("Ana Luz"), &json!("dance")));
    eventually_found(&app, "ana luz", &["Moonlight Blues"]).await;
    eventually_found(&app, "芭蕾", &["Moonlight Blues"]).await;
    eventually_found(&app, "爵士", &["Midnight Jazz"]).await;

    // Not published, it is not found; nor while its merchant is suspended.
    let publish = |version: i64, published: bool| {
        put(format!("{path}/publication"), json!({"version": version, "published": published}))
    };
    expect(publish(2, false).await.unwrap(), StatusCode::OK).await;
    eventually_found(&app, "moonlight", &[]).await;
    expect(publish(3, true).await.unwrap(), StatusCode::OK).await;
    eventually_found(&app, "moonlight", &["Moonlight Blues"]).await;
    app.app.merchants.suspend(&"star".parse().unwrap(), true).await.unwrap();
    assert_eq!(titles(&search(&app, &[("q", "moonlight")]).await), [""; 0]);
    let typed = expect(app.get("/search/suggestions?q=moonl").await, StatusCode::OK).await;
    assert_eq!(typed["suggestions"], json!([]));

    // Hidden or over, as rehearsals and yesterday's shows are.
    app.write(|connection| {
        Box::pin(async move {
            query("UPDATE shows SET hidden = 1 WHERE title = 'Winter Circus'").execute(&mut *connection).await?;
            query("UPDATE sessions SET starts_at = 1, version = version + 1 WHERE show_id IN (SELECT id FROM shows WHERE title = 'Stand-up 2027')")
                .execute(connection)
                .await?;
            Ok(())
        })
    })
    .await;
    eventually_found(&app, "", &["Midnight Jazz", "The Peony Pavilion"]).await;
}

#[tokio::test]
async fn bad_questions_are_refused_with_what_is_allowed() {
    let app = TestApp::start().await;
    let long = "x".repeat(101);
    for (parameters, field) in [
        (vec![("q", &*long)], "q"),
        (vec![("limit", "0")], "limit"),
        (vec![("limit", "51")], "limit"),
        (vec![("offset", "1001")], "offset"),
        (vec![("price_min", "-1")], "price_min"),
        (vec![("price_max", "1e9")], "price_max"),
        (vec![("price_min", "2"), ("price_max", "1")], "price_max"),
        (vec![("from", "2027-01-02T00:00:00Z"), ("to", "2027-01-02T00:00:00Z")], "to"),
    ] {
        let answer = app.get(&asking("/search", &parameters)).await;
        assert_eq!(expect_problem(answer, Code::InvalidValue).await["field"], field, "{parameters:?}");
    }
    for (path, code) in [
        ("/search?unheard_of=1", Code::MalformedRequest),
        ("/search?q=a%00b", Code::MalformedRequest),
        ("/search?sort=best", Code::MalformedRequest),
        ("/search?genre=Opera", Code::MalformedRequest),
        ("/search?from=tomorrow", Code::MalformedRequest),
        ("/search?limit=-1", Code::MalformedRequest),
        ("/search?on_sale=maybe", Code::MalformedRequest),
        ("/search/suggestions", Code::MalformedRequest),
        ("/search/suggestions?q=a&limit=11", Code::InvalidValue),
    ] {
        expect_problem(app.get(path).await, code).await;
    }
}
