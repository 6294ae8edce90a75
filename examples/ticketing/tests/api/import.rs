//! Seating plans: good ones, bad ones, arbitrary ones, large ones.

use std::{collections::BTreeMap, time::Duration};

use crate::common::{TestApp, expect};
use proptest::prelude::*;
use reqwest::StatusCode;
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    import::{self, Findings, Sale, plan},
    money::{Currency, Money},
    show::store::NewPlan,
    storage::{
        Database,
        sql::{Sql, query},
    },
};

fn sale(prices: &[(&str, i64)]) -> Sale {
    let now = Millis::now();
    let prices = prices.iter().map(|(name, minor)| {
        let price = Money { minor: *minor, currency: Currency::CNY };
        ((*name).to_owned(), price)
    });
    Sale {
        venue: "Old Mill".into(),
        city: "Suzhou".into(),
        show: "The Tempest".into(),
        show_zh: Some("暴风雨".into()),
        prices: prices.collect(),
        starts_at: now.plus(Duration::from_secs(86_400)),
        sale_opens_at: now,
        sale_closes_at: now.plus(Duration::from_secs(3_600)),
        seats_per_user: 6,
        hold: Duration::from_secs(900),
    }
}

/// Two zones, as an editor writes them, with keys that nobody knows.
fn document() -> Value {
    json!({
        "name": "Old Mill, great hall",
        "categories": [{"name": "Stalls", "color": "#1d4ed8"}, {"name": "Circle", "color": "rgb(109, 40, 217)"}],
        "size": {"width": 800, "height": 600},
        "editor_version": "9.9",
        "zones": [{
            "name": "Ground floor", "zone_id": "gf", "uuid": "3f0e", "position": {"x": 100, "y": 50},
            "rows": [{
                "row_number": "1", "row_label": "Row %s", "row_number_position": "both", "position": {"x": 10, "y": 5.5},
                "seats": [
                    {"seat_guid": "gf-1-1", "seat_number": "1", "category": "Stalls", "position": {"x": 0, "y": 0}},
                    {"seat_guid": "gf-1-2", "seat_number": 2, "category": "Stalls", "position": {"x": 25, "y": 0.25},
                     "radius": 12, "start_direction": "left", "uuid": "77aa", "mood": "good"}
                ]
            }],
            "areas": [
                {"shape": "polygon", "color": "#eee", "border_color": "", "rotation": 0, "position": {"x": 1, "y": 2},
                 "polygon": {"points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]},
                 "text": {"position": {"x": 4, "y": 4}, "color": "#333", "text": "Stage"}},
                {"shape": "rectangle", "rectangle": {"width": 20, "height": 10}, "position": {"x": 0, "y": 0}, "rotation": 45},
                {"shape": "ellipse", "ellipse": {"radius": {"x": 3, "y": 4}}, "position": {"x": 0, "y": 0}},
                {"shape": "circle", "circle": {"radius": 5}, "position": {"x": 0, "y": 0}},
                {"shape": "text", "text": {"text": "Door"}, "position": {"x": 7, "y": 7}},
                {"shape": "spiral", "position": {"x": 0, "y": 0}}
            ]
        }, {
            "name": "First floor", "position": {"x": 0, "y": 300},
            "rows": [{"row_number": "A", "seat_label": "Chair %s", "seats": [
                {"seat_guid": "ff-a-1", "seat_number": "1", "category": "Circle", "position": {"x": 3, "y": 4}}
            ]}]
        }]
    })
}

fn read(document: &Value) -> (Option<NewPlan>, Findings) {
    let mut findings = Findings::default();
    (plan::read(document.to_string().as_bytes(), &mut findings), findings)
}

#[test]
fn positions_add_up_and_what_nobody_knows_is_noted() {
    let (plan, findings) = read(&document());
    let plan = plan.unwrap_or_else(|| panic!("{findings}"));
    let seats = serde_json::to_value(&plan.seats).unwrap();
    assert_eq!(
        seats,
        json!([
            {"guid": "gf-1-1", "zone": "Ground floor", "row": "Row 1", "number": "1", "category": "Stalls", "x": 110.0, "y": 55.5},
            {"guid": "gf-1-2", "zone": "Ground floor", "row": "Row 1", "number": "2", "category": "Stalls", "x": 135.0, "y": 55.75, "r": 12.0},
            {"guid": "ff-a-1", "zone": "First floor", "row": "A", "number": "Chair 1", "category": "Circle", "x": 3.0, "y": 304.0},
        ])
    );
    let areas = plan.areas.as_array().unwrap();
    let shapes: Vec<_> = areas.iter().map(|area| area["shape"].as_str().unwrap()).collect();
    assert_eq!(shapes, ["polygon", "rectangle", "ellipse", "circle", "text"]);
    assert_eq!(areas[0]["position"], json!({"x": 101.0, "y": 52.0}));
    assert_eq!(areas[0]["text"]["text"], "Stage");
    assert!(areas[0].get("border_color").is_none());
    assert_eq!((areas[1]["rotation"].as_f64(), areas[4]["position"]["x"].as_f64()), (Some(45.0), Some(107.0)));
    let notes = findings.notes().join("\n");
    for note in ["$.editor_version: unknown", "$.zones[*].rows[*].seats[*].mood: unknown", "\"spiral\" is not known"] {
        assert!(notes.contains(note), "{notes}");
    }
}

#[test]
fn all_mistakes_are_named_at_once_each_with_its_place() {
    let mut bad = document();
    let seats = &mut bad["zones"][0]["rows"][0]["seats"];
    seats[1]["seat_guid"] = "gf-1-1".into();
    seats[1]["category"] = "Gallery".into();
    seats.as_array_mut().unwrap().push(json!({"seat_number": "3", "category": "Stalls", "position": {"x": "far"}}));
    seats.as_array_mut().unwrap().push(json!("seat"));
    bad["zones"][1]["rows"][0]["seats"][0]["position"] = json!({"x": 1e300, "y": 0});
    bad["categories"][1]["color"] = "url(evil)".into();
    bad["zones"][0]["areas"][3]["circle"] = json!({"radius": -1});
    bad["size"] = json!([1, 2]);
    let (plan, findings) = read(&bad);
    assert!(plan.is_none());
    let text = findings.to_string();
    for problem in [
        "$.zones[0].rows[0].seats[1].seat_guid: \"gf-1-1\" stands already at $.zones[0].rows[0].seats[0]",
        "$.zones[0].rows[0].seats[1].category: the category \"Gallery\" is not in `categories`",
        "$.zones[0].rows[0].seats[2]: `seat_guid` is missing",
        "$.zones[0].rows[0].seats[2].position.x: expected a number, found text",
        "$.zones[0].rows[0].seats[3]: expected an object, found text",
        "$.zones[1].rows[0].seats[0].position.x: ",
        "$.categories[1].color: \"url(evil)\" is not a CSS colour",
        "$.zones[0].areas[3].circle: `radius` must be a number greater than 0",
        "$.size: expected an object, found a list",
    ] {
        assert!(text.contains(problem), "{problem}\nis not in\n{text}");
    }
}

#[test]
fn broken_json_says_where() {
    for (text, place) in [
        ("", "$:"),
        ("{\"zones\": [{\"rows\": [}]}", "$.zones[0].rows"),
        ("{\"zones\": [}", "$.zones"),
        ("[1, 2]", "$: expected an object"),
        ("{} {}", "$: not JSON"),
        ("{\"zones\": []}", "$: the plan has no seats"),
        ("\u{feff}{}", "$: not JSON"),
    ] {
        let mut findings = Findings::default();
        assert!(plan::read(text.as_bytes(), &mut findings).is_none());
        assert!(findings.problems()[0].starts_with(place), "{text:?}: {findings}");
    }
    let mut findings = Findings::default();
    assert!(plan::read(b"{\"name\": \"\xff\"}", &mut findings).is_none());
    assert!(plan::read("[".repeat(100_000).as_bytes(), &mut findings).is_none());
}

#[test]
fn many_mistakes_are_counted_but_not_all_listed() {
    let seats: Vec<_> =
        (0..500).map(|_| json!({"seat_guid": "same", "seat_number": "1", "category": "Stalls"})).collect();
    let (_, findings) = read(&json!({"categories": [{"name": "Stalls"}], "zones": [{"rows": [{"seats": seats}]}]}));
    let text = findings.to_string();
    assert!(text.starts_with("499 problems") && text.contains("and 449 more"), "{text}");
}

#[test]
fn prices_and_times_are_checked_together_with_the_plan() {
    let json = document().to_string();
    let problems = |sale: &Sale| import::check(json.as_bytes(), sale).err().map(|findings| findings.to_string());
    assert_eq!(problems(&sale(&[("Stalls", 100), ("Circle", 200)])), None);
    let text = problems(&sale(&[("Stalls", 100), ("Gallery", 1)])).unwrap();
    assert!(text.contains("$.categories[1]: no price for \"Circle\": add --price Circle=0.00"), "{text}");
    assert!(text.contains("--price Gallery: the plan has no such category, only: Stalls, Circle"), "{text}");
    let mut late = sale(&[("Stalls", 100), ("Circle", 200)]);
    late.sale_opens_at = late.starts_at;
    assert!(problems(&late).unwrap().contains("--sale-opens-at"));
    late = sale(&[("Stalls", 100), ("Circle", 200)]);
    late.sale_closes_at = late.starts_at.plus(Duration::from_secs(1));
    assert!(problems(&late).unwrap().contains("--sale-closes-at"));
}

#[tokio::test]
async fn a_running_server_sells_what_another_process_imports() {
    let app = TestApp::start().await;
    // A database of its own on the same file, as another process has it.
    let other = Database::open(&app.app.config.database_path()).await.unwrap();
    let sale = sale(&[("Stalls", 38_000), ("Circle", 12_050)]);
    let mut named = document();
    named["names_zh"] = json!({"First floor": "二楼", "Circle": "楼座"});
    let (plan, _) = import::check(named.to_string().as_bytes(), &sale).unwrap();
    let first = import::write(&other, plan.clone(), sale.clone(), |_| {}).await.unwrap();
    assert_eq!((first.seats, first.plan_reused), (3, false));
    let map = expect(app.get(&format!("/sessions/{}/seatmap", first.session)).await, StatusCode::OK).await;
    assert_eq!((&map["width"], &map["seats"][2]["guid"]), (&json!(800.0), &json!("ff-a-1")));
    assert_eq!(map["names_zh"], named["names_zh"]);
    let session = expect(app.get(&format!("/sessions/{}", first.session)).await, StatusCode::OK).await;
    let names: Vec<_> = session["prices"].as_array().unwrap().iter().map(|price| &price["category_zh"]).collect();
    assert_eq!(names, [&Value::Null, &json!("楼座")]);
    let buyer = app.register("buyer@example.com").await;
    let order = json!({"session_id": first.session, "seats": ["gf-1-2", "ff-a-1"]});
    let order = expect(app.post_as(&buyer, "/orders", &order).await, StatusCode::CREATED).await;
    assert_eq!(order["total"], json!({"amount": "500.50", "currency": "CNY"}));
    let seats = order["seats"].as_array().unwrap();
    let named = |guid: &str| {
        seats.iter().find(|seat| seat["guid"] == guid).map(|seat| (&seat["zone_zh"], &seat["category_zh"]))
    };
    assert_eq!(named("ff-a-1"), Some((&json!("二楼"), &json!("楼座"))));
    assert_eq!(named("gf-1-2"), Some((&Value::Null, &Value::Null)));

    let second = import::write(&other, plan, sale, |_| {}).await.unwrap();
    assert!(second.plan_reused && second.show == first.show && second.session != first.session);
    let show = expect(app.get(&format!("/shows/{}", first.show)).await, StatusCode::OK).await;
    assert_eq!((show["sessions"].as_array().unwrap().len(), &show["title_zh"]), (2, &json!("暴风雨")));
}

#[tokio::test]
async fn nothing_is_half_imported() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("t.db")).await.unwrap();
    let sale = sale(&[("Stalls", 1), ("Circle", 1)]);
    let (mut plan, _) = import::check(document().to_string().as_bytes(), &sale).unwrap();
    // What the check would have found: the database refuses it when most of the plan is written.
    let first = plan.seats[0].clone();
    plan.seats.push(first);
    import::write(&database, plan, sale, |_| {}).await.unwrap_err();
    for table in ["venues", "plans", "plan_categories", "plan_seats", "shows", "sessions", "session_prices"] {
        let rows: i64 =
            query(Sql::Built(format!("SELECT count(*) FROM {table}"))).scalar(&database.read).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn fifty_thousand_seats_are_one_import() {
    let rows: Vec<_> = (0..500)
        .map(|row| {
            let seats: Vec<_> = (0..100)
                .map(|seat| {
                    json!({"seat_guid": format!("{row}-{seat}"), "seat_number": seat.to_string(), "category": "Arena",
                           "position": {"x": seat * 25, "y": 0}})
                })
                .collect();
            json!({"row_number": row.to_string(), "position": {"x": 0, "y": row * 25}, "seats": seats})
        })
        .collect();
    let json = json!({"name": "Arena", "categories": [{"name": "Arena", "color": "#333"}], "zones": [{"name": "A", "rows": rows}]});
    let sale = sale(&[("Arena", 9_900)]);
    let (plan, _) = import::check(json.to_string().as_bytes(), &sale).unwrap();
    let app = TestApp::start().await;
    let (seen, progress) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), 50_000);
    let counter = seen.clone();
    let done = import::write(&app.app.database, plan, sale, move |seats| {
        counter.fetch_add(seats, std::sync::atomic::Ordering::Relaxed);
    })
    .await
    .unwrap();
    assert_eq!((done.seats, seen.load(std::sync::atomic::Ordering::Relaxed)), (50_000, progress));
    let info = app.app.catalog.session(done.session).await.unwrap();
    let seat = info.seat("499-99").unwrap();
    assert_eq!((seat.position, seat.price.minor, seat.seat.y), (49_999, 9_900, 12_475.0));
}

#[test]
fn the_sample_of_the_demo_can_be_imported() {
    let json = include_bytes!("../../demo/nebula-grand-theatre.json");
    let prices = ["Premium", "Box", "Stalls", "Side stalls", "Balcony"].map(|name| (name, 10_000));
    let (plan, findings) = import::check(json, &sale(&prices)).unwrap();
    assert_eq!((plan.seats.len(), findings.notes().len()), (606, 0), "{:?}", findings.notes());
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    for seat in &plan.seats {
        *zones.entry(&seat.zone).or_default() += 1;
        assert!((0.0..=plan.width).contains(&seat.x) && (0.0..=plan.height).contains(&seat.y), "{seat:?}");
    }
    assert_eq!(zones.keys().copied().collect::<Vec<_>>(), ["Balcony", "Boxes", "Stalls"]);
    let near =
        plan.seats.iter().enumerate().find(|(index, one)| {
            plan.seats[..*index].iter().any(|other| (one.x - other.x).hypot(one.y - other.y) < 20.0)
        });
    assert!(near.is_none(), "{near:?} lies on another seat");
}

/// JSON that looks like a plan here and there.
fn planlike() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "name",
            "categories",
            "size",
            "zones",
            "rows",
            "areas",
            "seats",
            "position",
            "x",
            "y",
            "seat_guid",
            "seat_number",
            "category",
            "radius",
            "row_number",
            "row_label",
            "shape",
            "polygon",
            "points",
            "circle",
            "text",
            "color",
            "width",
        ])
        .prop_map(str::to_owned),
        "[a-z%]{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["polygon", "circle", "text", "Stalls", "#fff", "%s", ""]).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 120, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics(value in planlike()) {
        let (plan, findings) = read(&value);
        prop_assert_eq!(plan.is_some(), findings.is_clean());
        let _shown = (findings.to_string(), findings.notes());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut findings = Findings::default();
        prop_assert!(plan::read(&bytes, &mut findings).is_none());
        prop_assert!(!findings.is_clean());
    }

    #[test]
    fn a_plan_with_one_value_replaced_is_read_whole_or_refused(place in 0_usize..120, with in planlike()) {
        let mut changed = document();
        let mut left = place;
        replace(&mut changed, &mut left, &with);
        let (plan, findings) = read(&changed);
        prop_assert_eq!(plan.is_some(), findings.is_clean());
        if let Some(plan) = plan {
            let mut names: Vec<_> = plan.seats.iter().map(|seat| &*seat.guid).collect();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), plan.seats.len());
        }
    }
}

/// Replaces the value that is reached after `left` others.
fn replace(value: &mut Value, left: &mut usize, with: &Value) -> bool {
    if *left == 0 {
        *value = with.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Object(members) => members.values_mut().any(|member| replace(member, left, with)),
        Value::Array(items) => items.iter_mut().any(|item| replace(item, left, with)),
        _ => false,
    }
}

#[test]
fn parts_of_the_house_and_categories_may_have_chinese_names() {
    let with = |names: Value| {
        let mut document = document();
        document["names_zh"] = names;
        read(&document)
    };
    let (plan, findings) = with(json!({"Ground floor": "一楼", "Circle": "楼座", "Cellar": "地下室"}));
    let names = plan.unwrap_or_else(|| panic!("{findings}")).names_zh;
    assert_eq!(json!(names), json!({"Ground floor": "一楼", "Circle": "楼座"}));
    assert!(
        findings.notes().iter().any(|note| note.starts_with("$.names_zh.Cellar: unknown")),
        "{:?}",
        findings.notes()
    );
    for (names, problem) in [
        (json!(["一楼"]), "$.names_zh: expected an object"),
        (json!({"Circle": true}), "$.names_zh.Circle: expected text"),
        (json!({"Circle": " "}), "$.names_zh.Circle: must not be empty"),
    ] {
        let (plan, findings) = with(names);
        assert!(plan.is_none() && findings.to_string().contains(problem), "{findings}");
    }
}

#[test]
fn an_area_may_have_standing_places_which_come_after_all_seats() {
    let with = |standing: Value| {
        let mut document = document();
        let area = json!({"shape": "rectangle", "rectangle": {"width": 20, "height": 10}, "position": {"x": 30, "y": 40},
            "text": {"text": "Yard"}, "standing": standing});
        document["zones"][0]["areas"].as_array_mut().unwrap().push(area);
        document
    };
    let (plan, findings) = read(&with(json!({"name": "Yard", "category": "Circle", "capacity": 3})));
    let plan = plan.unwrap_or_else(|| panic!("{findings}"));
    let names: Vec<_> = plan.seats.iter().map(|seat| (&*seat.guid, seat.standing)).collect();
    let seated = [("gf-1-1", false), ("gf-1-2", false), ("ff-a-1", false)];
    assert_eq!(names, [&seated[..], &[("Yard#1", true), ("Yard#2", true), ("Yard#3", true)]].concat());
    let place = &plan.seats[5];
    assert_eq!((&*place.zone, &*place.row, &*place.number, &*place.category), ("Yard", "", "", "Circle"));
    assert_eq!(plan.areas.as_array().unwrap().last().unwrap()["standing"], "Yard");

    let place = "$.zones[0].areas[6].standing";
    for (standing, problem) in [
        (json!({"name": "Yard", "category": "Circle", "capacity": 0}), "capacity: the number of places"),
        (json!({"name": "Yard", "category": "Circle", "capacity": 2.5}), "capacity: the number of places"),
        (json!({"name": "Yard", "category": "Circle"}), "capacity: the number of places"),
        (json!({"name": "Yard", "category": "Circle", "capacity": 100_000}), "more than 100000 seats and places"),
        (
            json!({"name": "Yard", "category": "Attic", "capacity": 3}),
            "category: the category \"Attic\" is not in `categories`",
        ),
        (json!({"category": "Circle", "capacity": 3}), "`name` is missing"),
        (json!({"name": "Ground floor", "category": "Circle", "capacity": 3}), "another part of the house is called"),
        (json!("many"), "expected an object"),
    ] {
        let (plan, findings) = read(&with(standing.clone()));
        assert!(plan.is_none(), "{standing}");
        let problems = findings.problems();
        assert!(
            problems.iter().any(|text| text.starts_with(place) && text.contains(problem)),
            "{standing}: {problems:?}"
        );
    }
}
