//! Whose an account is, and whom it buys for.

use std::time::Duration;

use futures_util::future::join_all;
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{problem::Code, storage::sql::query};

use super::authority::{Mood, Office, asks, card, person};
use crate::common::{Account, TestApp, expect, expect_problem};

async fn show(app: &TestApp, who: &Account, person: &Value) -> Response {
    app.request(Method::PUT, "/me/identity").bearer_auth(&who.access).json(person).send().await.unwrap()
}

#[tokio::test]
async fn an_account_is_a_persons_and_a_person_has_five_also_when_all_ask_at_once() {
    let (office, url) = Office::open().await;
    let app = TestApp::start_with(|config| asks(config, &url)).await;
    let mei = app.register("mei@example.com").await;
    // What cannot be a document is nobody's business.
    let wrong = |change: fn(&mut Value)| {
        let mut person = person("李雷", 1);
        change(&mut person);
        person
    };
    let swapped = wrong(|person| person["number"] = "330106199001010101".into());
    for (person, field, reason) in [
        (swapped, "number", "check-digit"),
        (wrong(|person| person["number"] = "33010619900101".into()), "number", "length"),
        (wrong(|person| person["name"] = "4 Li".into()), "name", "name"),
        (json!({"name": "Li Lei", "kind": "passport", "country": "CN", "number": "E12345678"}), "country", "domestic"),
        (json!({"name": "Li Lei", "kind": "passport", "number": "E12345678"}), "country", "country"),
    ] {
        let problem = expect_problem(show(&app, &mei, &person).await, Code::InvalidValue).await;
        assert_eq!((&problem["field"], &problem["reason"]), (&json!(field), &json!(reason)), "{problem}");
        assert!(!problem.to_string().contains("330106"), "{problem}");
    }
    assert_eq!(office.asked(), 0);
    for (name, reason) in [("冒名", "differs"), ("无名", "unknown")] {
        let problem = expect_problem(show(&app, &mei, &person(name, 2)).await, Code::IdentityRefused).await;
        assert_eq!(problem["reason"], reason);
    }
    let none = expect(app.get_as(&mei, "/me/identity").await, StatusCode::OK).await;
    assert_eq!(none, json!({"identity": null, "authority": "http"}));

    // Of eight accounts that ask at the same moment, five get it; the authority is asked once, with what was agreed on.
    let before = office.asked();
    let mut accounts = Vec::new();
    for number in 0..8 {
        accounts.push(app.register(&format!("mei{number}@example.com")).await);
    }
    let lei = person(" 李雷 ", 3);
    let answers = join_all(accounts.iter().map(|who| show(&app, who, &lei))).await;
    let (mut has, mut refused) = (Vec::new(), Vec::new());
    for (who, answer) in accounts.iter().zip(answers) {
        if answer.status() == StatusCode::OK {
            let shown = json!({"name": "李*", "kind": "cn-id", "country": "CN", "number": format!("330***********{}", &card(3)[14..])});
            assert_eq!(expect(answer, StatusCode::OK).await["identity"], shown);
            has.push(who);
        } else {
            let problem = expect_problem(answer, Code::IdentityLimit).await;
            assert_eq!((&problem["reason"], &problem["limit"]), (&json!("accounts"), &json!(5)));
            refused.push(who);
        }
    }
    assert_eq!((has.len(), refused.len()), (5, 3));
    assert_eq!(office.asked(), before + 1, "its answer is kept");
    let question = json!({"name": "李雷", "kind": "cn-id", "country": "CN", "number": card(3)});
    assert_eq!(office.last(), (Some("Bearer letmein".to_owned()), question));

    // Again is no sixth; another person needs another account, or that one taken away; then there is room.
    expect(show(&app, has[0], &lei).await, StatusCode::OK).await;
    expect_problem(show(&app, has[0], &person("韩梅", 4)).await, Code::IdentitySet).await;
    let forgotten = app.request(Method::DELETE, "/me/identity").bearer_auth(&has[0].access).send().await.unwrap();
    assert_eq!(forgotten.status(), StatusCode::NO_CONTENT);
    expect(show(&app, has[0], &person("韩梅", 4)).await, StatusCode::OK).await;
    expect(show(&app, refused[0], &lei).await, StatusCode::OK).await;
    expect_problem(show(&app, refused[1], &lei).await, Code::IdentityLimit).await;
}

#[tokio::test]
async fn an_authority_that_fails_is_left_alone_and_whoever_tries_numbers_is_stopped() {
    let (office, url) = Office::open().await;
    let app = TestApp::start_with(|config| {
        asks(config, &url);
        config.rate_limit =
            serde_json::from_value(json!({"rules": {"identity.account": {"limit": 30, "window": "1h"}}})).unwrap();
    })
    .await;
    let mei = app.register("mei@example.com").await;
    for (number, mood) in [Mood::Broken, Mood::Babbling, Mood::Silent].into_iter().enumerate() {
        office.be(mood);
        let asked = person("李雷", u32::try_from(number).unwrap());
        let answer = show(&app, &mei, &asked).await;
        assert!(answer.headers().contains_key("retry-after"));
        let problem = expect_problem(answer, Code::IdentityUnchecked).await;
        assert!(!problem.to_string().contains("李雷"), "{problem}");
    }
    // After some more it is not asked any more.
    office.be(Mood::Broken);
    let mut number = 10;
    eventually(Duration::from_secs(60), || {
        number += 1;
        let (before, app, mei, office) = (office.asked(), &app, &mei, &office);
        async move {
            expect_problem(show(app, mei, &person("李雷", number)).await, Code::IdentityUnchecked).await;
            if office.asked() == before { Ok(()) } else { Err("it is asked on and on".to_owned()) }
        }
    })
    .await;
    // Another account's questions are not counted for this one.
    let lan = app.register("lan@example.com").await;
    for number in 100..130 {
        expect_problem(show(&app, &lan, &person("李雷", number)).await, Code::IdentityUnchecked).await;
    }
    expect_problem(show(&app, &lan, &person("李雷", 130)).await, Code::TooManyAttempts).await;
    expect_problem(show(&app, &mei, &person("李雷", 131)).await, Code::IdentityUnchecked).await;
}

#[tokio::test]
async fn contacts_are_kept_renamed_and_removed_and_nobody_else_has_them() {
    let app = TestApp::start().await;
    let (mei, lan) = (app.register("mei@example.com").await, app.register("lan@example.com").await);
    let list = async |who: &Account| expect(app.get_as(who, "/me/contacts").await, StatusCode::OK).await;
    let added = expect(app.post_as(&mei, "/me/contacts", &person("李雷", 1)).await, StatusCode::CREATED).await;
    let passport = json!({"name": "Anne Li", "kind": "passport", "country": "de", "number": "c01x00t47"});
    let anne = expect(app.post_as(&mei, "/me/contacts", &passport).await, StatusCode::CREATED).await;
    assert_eq!(
        (&anne["country"], &anne["number"], &anne["name"]),
        (&json!("DE"), &json!("*****0T47"), &json!("A*** L*"))
    );
    assert_eq!(list(&mei).await["contacts"], json!([added, anne]));
    // The same document is no second person, whatever the name; in another account it is another contact.
    let again = app.post_as(&mei, "/me/contacts", &person("李大雷", 1)).await;
    assert_eq!(expect_problem(again, Code::NameTaken).await["field"], "number");
    expect(app.post_as(&lan, "/me/contacts", &person("李雷", 1)).await, StatusCode::CREATED).await;

    let path = format!("/me/contacts/{}", added["id"].as_str().unwrap());
    let rename = |who: &Account, name: &str| {
        app.request(Method::PATCH, &path).bearer_auth(&who.access).json(&json!({ "name": name })).send()
    };
    let remove = |who: &Account| app.request(Method::DELETE, &path).bearer_auth(&who.access).send();
    expect_problem(rename(&lan, "韩梅").await.unwrap(), Code::NotFound).await;
    expect_problem(remove(&lan).await.unwrap(), Code::NotFound).await;
    expect_problem(rename(&mei, "1").await.unwrap(), Code::InvalidValue).await;
    let renamed = expect(rename(&mei, "欧阳雷").await.unwrap(), StatusCode::OK).await;
    assert_eq!((&renamed["name"], &renamed["number"]), (&json!("欧**"), &added["number"]));
    assert_eq!(remove(&mei).await.unwrap().status(), StatusCode::NO_CONTENT);
    expect_problem(remove(&mei).await.unwrap(), Code::NotFound).await;
    assert_eq!(list(&mei).await["contacts"], json!([anne]));

    // Fifteen, also when more come at once.
    let many: Vec<Value> = (100..120).map(|number| person("李雷", number)).collect();
    let answers = join_all(many.iter().map(|person| app.post_as(&mei, "/me/contacts", person))).await;
    for answer in answers {
        if answer.status() != StatusCode::CREATED {
            assert_eq!(expect_problem(answer, Code::ListFull).await["limit"], 15);
        }
    }
    assert_eq!(list(&mei).await["contacts"].as_array().unwrap().len(), 15);
}

#[tokio::test]
async fn postal_addresses_are_kept_sealed_changed_and_removed() {
    let app = TestApp::start().await;
    let (mei, lan) = (app.register("mei@example.com").await, app.register("lan@example.com").await);
    let home = json!({"recipient": " Lin  Mei ", "region": "Zhejiang, Hangzhou", "street": "Lakeside 7", "postcode": "310000"});
    let added = expect(app.post_as(&mei, "/me/addresses", &home).await, StatusCode::CREATED).await;
    assert_eq!((&added["recipient"], &added["phone"]), (&json!("Lin Mei"), &json!("")));
    let path = format!("/me/addresses/{}", added["id"].as_str().unwrap());
    let send = |who: &Account, method: Method, body: &Value| {
        app.request(method, &path).bearer_auth(&who.access).json(body).send()
    };
    for (field, length) in [("recipient", 61), ("region", 0), ("street", 201), ("postcode", 17)] {
        let mut bad = home.clone();
        bad[field] = "x".repeat(length).into();
        assert_eq!(
            expect_problem(send(&mei, Method::PUT, &bad).await.unwrap(), Code::InvalidValue).await["field"],
            field
        );
    }
    let mut moved = home.clone();
    moved["street"] = "Hillside 8".into();
    expect_problem(send(&lan, Method::PUT, &moved).await.unwrap(), Code::NotFound).await;
    expect_problem(send(&lan, Method::DELETE, &json!({})).await.unwrap(), Code::NotFound).await;
    let changed = expect(send(&mei, Method::PUT, &moved).await.unwrap(), StatusCode::OK).await;
    assert_eq!(expect(app.get_as(&mei, "/me/addresses").await, StatusCode::OK).await["addresses"], json!([changed]));
    let kept: String =
        query("SELECT address_sealed FROM postal_addresses").scalar(&app.app.database.read).await.unwrap();
    assert!(kept.len() > 40 && !kept.contains("Hillside"), "{kept}");
    assert_eq!(send(&mei, Method::DELETE, &json!({})).await.unwrap().status(), StatusCode::NO_CONTENT);
    let many = join_all((0..14).map(|_| app.post_as(&mei, "/me/addresses", &home))).await;
    let full = many.into_iter().filter(|answer| answer.status() == StatusCode::CONFLICT).count();
    assert_eq!(full, 4, "ten, also when more come at once");
}
