//! Sales that ask for names: from the order to the door.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use nebula_tenant::TenantId;
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    admission::Policy,
    clock::Millis,
    identity::{Names, RealName, WhenDown},
    ids::SessionId,
    merchant::NewMerchant,
    problem::Code,
    storage::{Pool, sql::query},
};

use super::authority::{Mood, Office, asks, card, person};
use crate::common::{Account, TestApp, expect, expect_problem};

const PATIENCE: Duration = Duration::from_secs(60);

async fn asking(app: &TestApp, session: SessionId, real_name: RealName) {
    let policy = Policy { real_name: Some(real_name), ..Policy::default() };
    app.app.admission.policies().put(session, policy, "test".to_owned()).await.unwrap();
}

async fn order(app: &TestApp, who: &Account, wish: &Value) -> Response {
    app.post_as(who, "/orders", wish).await
}

fn wish(session: SessionId, seats: &[&str], attendees: &[Value]) -> Value {
    json!({"session_id": session, "seats": seats, "attendees": attendees})
}

async fn paid(app: &TestApp, who: &Account, order: &str) -> Value {
    let begun = expect(app.post_as(who, &format!("/orders/{order}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap();
    expect(app.request(Method::POST, &format!("/{page}/approve")).send().await.unwrap(), StatusCode::OK).await;
    eventually(PATIENCE, || async {
        let order = expect(app.get_as(who, &format!("/orders/{order}")).await, StatusCode::OK).await;
        if order["state"] == "ISSUED" { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

/// Whether any file below the folder has the text.
fn written(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return written(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn tickets_have_names_from_the_order_to_the_door_and_nothing_has_them_in_clear() {
    let (_office, url) = Office::open().await;
    let app = TestApp::start_with(|config| asks(config, &url)).await;
    let (mei, session) = (app.register("mei@example.com").await, app.hall(50).await);
    asking(&app, session, RealName::default()).await;
    let admission = expect(app.get(&format!("/sessions/{session}/admission")).await, StatusCode::OK).await;
    assert_eq!(admission["real_name"]["names"], "per-ticket", "{admission}");

    // As many people as seats, each of whom can be one.
    let contact = expect(app.post_as(&mei, "/me/contacts", &person("欧阳娜娜", 1)).await, StatusCode::CREATED).await;
    let (nana, lei) = (json!({"contact": contact["id"]}), json!({"person": person("李雷", 2)}));
    for attendees in [&[][..], std::slice::from_ref(&nana)] {
        let refused = order(&app, &mei, &wish(session, &["1-2", "1-1"], attendees)).await;
        let problem = expect_problem(refused, Code::RealNameRequired).await;
        assert_eq!((&problem["names"], &problem["count"]), (&json!("per-ticket"), &json!(2)));
    }
    let mistyped = json!({"person": {"name": "李雷", "kind": "cn-id", "number": "330106199001010101"}});
    let nobodys = json!({"contact": "01900000-0000-7000-8000-000000000000"});
    for (bad, field) in [
        (mistyped, "attendees[1].number"),
        (nobodys, "attendees[1].contact"),
        (json!({}), "attendees[1]"),
        (json!({"contact": contact["id"], "person": person("李雷", 2)}), "attendees[1]"),
    ] {
        let refused = order(&app, &mei, &wish(session, &["1-2", "1-1"], &[nana.clone(), bad])).await;
        assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], field);
    }
    let impostor = json!({"person": person("冒名", 3)});
    let refused = order(&app, &mei, &wish(session, &["1-2", "1-1"], &[nana.clone(), impostor])).await;
    let problem = expect_problem(refused, Code::IdentityRefused).await;
    assert_eq!((&problem["field"], &problem["reason"]), (&json!("attendees[1]"), &json!("differs")));
    let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.unwrap();
    assert_eq!(audit.ledger.locked, 0, "nothing was held: {audit:?}");

    // Repeated it is the same order; with others it is another one.
    let keyed = async |attendees: &[Value]| {
        let request = app.request(Method::POST, "/orders").bearer_auth(&mei.access).header("idempotency-key", "once");
        request.json(&wish(session, &["1-2", "1-1"], attendees)).send().await.unwrap()
    };
    let placed = expect(keyed(&[nana.clone(), lei.clone()]).await, StatusCode::CREATED).await;
    expect(keyed(&[nana.clone(), lei.clone()]).await, StatusCode::OK).await;
    expect_problem(keyed(&[lei.clone(), nana.clone()]).await, Code::IdempotencyKeyReused).await;

    // People stay with their seats, whatever the order of those.
    let id = placed["id"].as_str().unwrap();
    let issued = paid(&app, &mei, id).await;
    let attendee = |guid: &str| {
        let seats = issued["seats"].as_array().unwrap();
        seats.iter().find(|seat| seat["guid"] == guid).unwrap()["attendee"].clone()
    };
    let masked = |name: &str, sequence| {
        let number = format!("330***********{}", &card(sequence)[14..]);
        json!({"name": name, "kind": "cn-id", "country": "CN", "number": number, "verified": "yes"})
    };
    assert_eq!((attendee("1-2"), attendee("1-1")), (masked("欧***", 1), masked("李*", 2)));

    // At the door.
    let door = app.register_staff("door@example.com", "door").await;
    let path = format!("/admin/sessions/{session}/check-in");
    let of_lei = issued["tickets"].as_array().unwrap().iter().find(|ticket| ticket["seat"] == "1-1").unwrap();
    let scan = json!({"code": of_lei["code"], "gate": "main"});
    let holder = json!({"name": "李*", "ends": &card(2)[14..], "verified": "yes"});
    for verdict in ["admitted", "used"] {
        let scanned = expect(app.post_as(&door, &path, &scan).await, StatusCode::OK).await;
        assert_eq!((&scanned["verdict"], &scanned["holder"]), (&json!(verdict), &holder), "{scanned}");
    }
    let list = expect(app.get_as(&door, &format!("{path}/list")).await, StatusCode::OK).await;
    let holders: Vec<&Value> = list["tickets"].as_array().unwrap().iter().map(|ticket| &ticket["holder"]).collect();
    assert!(holders.len() == 2 && holders.contains(&&holder), "{list}");

    // At the desk: those who may see people find them by all of a name or a number.
    let support = app.register_staff("support@example.com", "support").await;
    let till = app.register_staff("till@example.com", "box-office").await;
    let find = async |who: &Account, sought: Value| app.post_as(who, "/desk/nebula/attendees", &sought).await;
    expect_problem(find(&till, json!({"name": "李雷"})).await, Code::Forbidden).await;
    expect_problem(find(&support, json!({"name": "", "number": ""})).await, Code::InvalidValue).await;
    let lower = card(2).to_lowercase();
    for (sought, found) in [
        (json!({"name": "李雷"}), true),
        (json!({"number": lower}), true),
        (json!({"name": "李雷", "number": card(2)}), true),
        (json!({"name": "李雷", "number": card(1)}), false),
        (json!({"name": "欧阳"}), false),
        (json!({"number": &card(2)[4..]}), false),
    ] {
        let orders = expect(find(&support, sought.clone()).await, StatusCode::OK).await;
        let ids: Vec<&Value> = orders["orders"].as_array().unwrap().iter().map(|order| &order["id"]).collect();
        assert_eq!(ids, if found { vec![&placed["id"]] } else { Vec::new() }, "{sought}");
    }
    // Or by what they remember: parts of names, ends of numbers, and both with all of the other. Who was found is opened before
    // it is said: parts that stand otherwise in a name are not it.
    let parts = [
        (json!({"name_part": "雷"}), true),
        (json!({"name_part": " 阳娜"}), true),
        (json!({"name_part": "娜阳"}), false),
        (json!({"name_part": "阳欧"}), false),
        (json!({"name_part": "娜娜 欧阳"}), false),
        (json!({"name_part": "雷", "number_ends": &card(2)[14..]}), true),
        (json!({"name_part": "雷", "number_ends": &card(1)[14..]}), false),
        (json!({"number_ends": card(1)[14..].to_lowercase()}), true),
        (json!({"name": "李雷", "number_ends": &card(2)[14..]}), true),
        (json!({"name_part": "雷", "number": card(2)}), true),
        (json!({"name_part": "李雷雷"}), false),
    ];
    let in_part = async || {
        for (sought, found) in &parts {
            let orders = expect(find(&support, sought.clone()).await, StatusCode::OK).await;
            let ids: Vec<&Value> = orders["orders"].as_array().unwrap().iter().map(|order| &order["id"]).collect();
            assert_eq!(ids, if *found { vec![&placed["id"]] } else { Vec::new() }, "{sought}");
        }
    };
    in_part().await;
    for (sought, field) in [
        (json!({"name_part": "A"}), "name_part"),
        (json!({"number_ends": "12"}), "number_ends"),
        (json!({"name": "李雷", "name_part": "雷"}), "name_part"),
    ] {
        assert_eq!(expect_problem(find(&support, sought).await, Code::InvalidValue).await["field"], field);
    }
    for sought in [json!({"name_part": "雷"}), json!({"number_ends": &card(2)[14..]})] {
        expect_problem(find(&till, sought).await, Code::Forbidden).await;
    }
    // Nobody of another merchant is found; and those who came before there were parts are, after the next start.
    let star = "star".parse::<TenantId>().unwrap();
    let new = NewMerchant { name: "Star", name_zh: "星", domains: &[] };
    app.app.merchants.create(star.clone(), &new).await.unwrap();
    app.app.office.open_department(&star, "Star").await.unwrap();
    let other = app.register_at(&star, "other@example.com", "support").await;
    let elsewhere = app.post_as(&other, "/desk/star/attendees", &json!({"name_part": "雷"})).await;
    assert_eq!(expect(elsewhere, StatusCode::OK).await, json!({"orders": []}));
    let kept =
        async || -> i64 { query("SELECT count(*) FROM attendee_grams").scalar(&app.app.database.read).await.unwrap() };
    let all = kept().await;
    let write = |change: &'static str| {
        app.write(move |connection| {
            Box::pin(async move {
                query(change).execute(connection).await?;
                Ok(())
            })
        })
    };
    write("DELETE FROM attendee_grams").await;
    assert_eq!(app.app.identities.fill().await.unwrap(), 0, "who is written down is not looked at again");
    // As a former release leaves them.
    write("UPDATE order_attendees SET has_grams = 0").await;
    let (one, two) = tokio::join!(app.app.identities.fill(), app.app.identities.fill());
    assert!(one.unwrap() + two.unwrap() >= 2);
    assert_eq!((kept().await, app.app.identities.fill().await.unwrap()), (all, 0));
    in_part().await;
    for (who, name) in [(&support, "李雷"), (&till, "李*")] {
        let detail = expect(app.get_as(who, &format!("/desk/nebula/orders/{id}")).await, StatusCode::OK).await;
        assert!(detail["order"]["seats"].to_string().contains(&format!("\"{name}\"")), "{detail}");
        assert_eq!(detail.to_string().contains(&card(2)), name == "李雷");
    }

    // No file of the platform has a name or a number in clear.
    let folder = app.app.config.data.clone();
    if let Pool::Sqlite(pool) = &app.app.database.queue {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await.unwrap();
    }
    assert!(written(&folder, &mei.id.to_string()) || matches!(app.app.database.read, Pool::Postgres(_)));
    for text in ["李雷", "欧阳娜娜", &card(1), &card(2)] {
        assert!(!written(&folder, text), "{text}");
    }
}

#[tokio::test]
async fn one_document_has_so_many_tickets_over_all_accounts_also_at_once() {
    let (_office, url) = Office::open().await;
    let app = TestApp::start_with(|config| asks(config, &url)).await;
    let halls = [app.hall(50).await, app.hall(50).await];
    let rule = RealName { names: Names::PerOrder, tickets: Some(2), tickets_per_day: 3, ..RealName::default() };
    for hall in halls {
        asking(&app, hall, rule).await;
    }
    let mut accounts = Vec::new();
    for number in 0..4 {
        accounts.push(app.register(&format!("fan{number}@example.com")).await);
    }
    let seats: Vec<String> = (1..=12).map(|seat| format!("1-{seat}")).collect();
    let asked = seats.iter().enumerate().map(|(number, seat)| {
        let wish = wish(halls[0], &[seat], &[json!({"person": person("李雷", 1)})]);
        let (app, who) = (&app, &accounts[number % accounts.len()]);
        async move { (who, order(app, who, &wish).await) }
    });
    let mut placed = Vec::new();
    for (who, answer) in join_all(asked).await {
        if answer.status() == StatusCode::CREATED {
            placed.push((who, expect(answer, StatusCode::CREATED).await));
        } else {
            let problem = expect_problem(answer, Code::IdentityLimit).await;
            assert_eq!((&problem["reason"], &problem["limit"]), (&json!("tickets"), &json!(2)), "{problem}");
        }
    }
    assert_eq!(placed.len(), 2);
    eventually(PATIENCE, || async {
        let audit = app.app.auditor.audit(halls[0], Duration::from_secs(10)).await.unwrap();
        if audit.sound && audit.ledger.locked == 2 { Ok(()) } else { Err(format!("{audit:?}")) }
    })
    .await;

    // Another session has room for one more on this day, for another account as well.
    let lei = |hall, seats: &[&str]| wish(hall, seats, &[json!({"person": person("李雷", 1)})]);
    let last = accounts.last().unwrap();
    let problem = expect_problem(order(&app, last, &lei(halls[1], &["1-1", "1-2"])).await, Code::IdentityLimit).await;
    assert_eq!((&problem["reason"], &problem["limit"]), (&json!("day"), &json!(3)));
    expect(order(&app, last, &lei(halls[1], &["1-1"])).await, StatusCode::CREATED).await;
    expect_problem(order(&app, last, &lei(halls[1], &["1-2"])).await, Code::IdentityLimit).await;
    // Another person has all of it; what ends gives back; and so does the next day.
    let han = wish(halls[1], &["1-2", "1-3"], &[json!({"person": person("韩梅", 2)})]);
    expect(order(&app, last, &han).await, StatusCode::CREATED).await;
    let (who, first) = &placed[0];
    let cancel = format!("/orders/{}/cancel", first["id"].as_str().unwrap());
    expect(app.post_as(who, &cancel, &json!({})).await, StatusCode::OK).await;
    expect(order(&app, last, &lei(halls[0], &["1-40"])).await, StatusCode::CREATED).await;
    expect_problem(order(&app, last, &lei(halls[1], &["1-40"])).await, Code::IdentityLimit).await;
    app.write(|connection| {
        Box::pin(async move {
            query("UPDATE orders SET created_at = created_at - 86400000").execute(connection).await?;
            Ok(())
        })
    })
    .await;
    expect(order(&app, last, &lei(halls[1], &["1-40"])).await, StatusCode::CREATED).await;
    let problem = expect_problem(order(&app, last, &lei(halls[0], &["1-41"])).await, Code::IdentityLimit).await;
    assert_eq!(problem["reason"], "tickets", "of a sale they count for good");
}

#[tokio::test]
async fn while_the_authority_is_away_a_sale_refuses_or_checks_later() {
    let (office, url) = Office::open().await;
    let app = TestApp::start_with(|config| {
        asks(config, &url);
        config.sales.sweep_interval = Duration::from_millis(200);
    })
    .await;
    let (mei, strict, lenient) = (app.register("mei@example.com").await, app.hall(50).await, app.hall(50).await);
    asking(&app, strict, RealName::default()).await;
    asking(&app, lenient, RealName { when_down: WhenDown::Later, ..RealName::default() }).await;
    office.be(Mood::Broken);
    let lei = json!({"person": person("李雷", 1)});
    let refused = order(&app, &mei, &wish(strict, &["1-1"], std::slice::from_ref(&lei))).await;
    expect_problem(refused, Code::IdentityUnchecked).await;
    let audit = app.app.auditor.audit(strict, Duration::from_secs(10)).await.unwrap();
    assert_eq!(audit.ledger.locked, 0, "{audit:?}");
    let placed = expect(order(&app, &mei, &wish(lenient, &["1-1"], &[lei])).await, StatusCode::CREATED).await;
    let path = format!("/orders/{}", placed["id"].as_str().unwrap());
    let verified = async || {
        let order = expect(app.get_as(&mei, &path).await, StatusCode::OK).await;
        order["seats"][0]["attendee"]["verified"].as_str().unwrap().to_owned()
    };
    assert_eq!(verified().await, "later");
    // It is back, and of another opinion: whoever looks at the order or the ticket sees it.
    office.be(Mood::Strict);
    let since = Millis::now();
    eventually(PATIENCE, || async {
        let verified = verified().await;
        if verified == "no" { Ok(()) } else { Err(format!("{verified} since {since:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_counter_sells_by_name_chosen_seats_and_the_best() {
    let (_office, url) = Office::open().await;
    let app = TestApp::start_with(|config| asks(config, &url)).await;
    let clerk = app.register_staff("clerk@example.com", "box-office").await;
    let session = app.hall(50).await;
    asking(&app, session, RealName { tickets: Some(1), ..RealName::default() }).await;
    let path = "/desk/nebula/counter/orders";
    let hold = async |key: &str, places: Value, attendees: &[Value]| {
        let mut body = places;
        (body["session_id"], body["attendees"]) = (json!(session), json!(attendees));
        let request = app.request(Method::POST, path).bearer_auth(&clerk.access).header("idempotency-key", key);
        request.json(&body).send().await.unwrap()
    };
    let someone = |name: &str, sequence| json!({"person": person(name, sequence)});
    let (lei, han) = (someone("李雷", 1), someone("韩梅", 2));
    let chosen = || json!({"seats": ["1-1", "1-2"]});
    // The clerk is told how many names there have to be; a counter keeps no contacts; what is wrong is said with its place.
    for places in [chosen(), json!({"best": {"count": 2}})] {
        let problem = expect_problem(hold("none", places, &[]).await, Code::RealNameRequired).await;
        assert_eq!((&problem["names"], &problem["count"]), (&json!("per-ticket"), &json!(2)));
    }
    let contact = json!({"contact": "01900000-0000-7000-8000-000000000000"});
    let refused = hold("contact", chosen(), &[lei.clone(), contact]).await;
    assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], "attendees[1].contact");
    let mistyped = json!({"person": {"name": "韩梅", "kind": "cn-id", "number": "330106199001010101"}});
    let refused = hold("mistyped", chosen(), &[lei.clone(), mistyped]).await;
    assert_eq!(expect_problem(refused, Code::InvalidValue).await["field"], "attendees[1].number");
    let refused = hold("impostor", chosen(), &[lei.clone(), someone("冒名", 3)]).await;
    assert_eq!(expect_problem(refused, Code::IdentityRefused).await["field"], "attendees[1]");
    let audit = app.app.auditor.audit(session, Duration::from_secs(10)).await.unwrap();
    assert_eq!(audit.ledger.locked, 0, "nothing was held: {audit:?}");

    // People stay with their seats; the same key is the same sale, and with others it is none.
    let named = |sale: &Value, name: &str| {
        let seats = sale["order"]["seats"].as_array().unwrap();
        let of_name = seats.iter().filter(|seat| seat["attendee"]["name"] == name);
        of_name.map(|seat| seat["guid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let held = expect(hold("chosen", chosen(), &[lei.clone(), han.clone()]).await, StatusCode::CREATED).await;
    assert_eq!((named(&held, "李*"), named(&held, "韩*")), (vec!["1-1".to_owned()], vec!["1-2".to_owned()]), "{held}");
    let again = expect(hold("chosen", chosen(), &[lei.clone(), han.clone()]).await, StatusCode::OK).await;
    assert_eq!(again["order"]["id"], held["order"]["id"]);
    expect_problem(hold("chosen", chosen(), &[han.clone(), lei.clone()]).await, Code::IdempotencyKeyReused).await;
    // A document has so many tickets at counters as well, though nobody there has an account.
    let limit = hold("limit", json!({"seats": ["1-9"]}), std::slice::from_ref(&lei)).await;
    assert_eq!(expect_problem(limit, Code::IdentityLimit).await["reason"], "tickets");

    // Seats that the server chooses, paid and printed: the names are on the tickets and at the door.
    let best = json!({"best": {"count": 2}, "buyer": {"name": "王五"}});
    let party = [someone("张三", 5), someone("赵六", 6)];
    let held = expect(hold("best", best.clone(), &party).await, StatusCode::CREATED).await;
    let (first, second) = (named(&held, "张*"), named(&held, "赵*"));
    assert_eq!((first.len(), second.len()), (1, 1), "{held}");
    let replayed = expect(hold("best", best, &party).await, StatusCode::OK).await;
    assert_eq!(replayed["order"]["seats"], held["order"]["seats"]);
    let order = held["order"]["id"].as_str().unwrap();
    let payment = json!({"method": "cash", "amount": held["order"]["total"]});
    expect(app.post_as(&clerk, &format!("{path}/{order}/payment"), &payment).await, StatusCode::OK).await;
    let printed = eventually(PATIENCE, || async {
        let sale = expect(app.get_as(&clerk, &format!("{path}/{order}")).await, StatusCode::OK).await;
        if sale["order"]["state"] == "ISSUED" { Ok(sale) } else { Err(sale.to_string()) }
    })
    .await;
    let tickets = printed["order"]["tickets"].as_array().unwrap();
    let of_zhang = tickets.iter().find(|ticket| ticket["seat"] == json!(first[0])).unwrap();
    let scan = json!({"code": of_zhang["code"], "gate": "main"});
    let scanned = app.post_as(&clerk, &format!("/admin/sessions/{session}/check-in"), &scan).await;
    let scanned = expect(scanned, StatusCode::OK).await;
    let holder = json!({"name": "张*", "ends": &card(5)[14..], "verified": "yes"});
    assert_eq!((&scanned["verdict"], &scanned["holder"]), (&json!("admitted"), &holder), "{scanned}");
}
