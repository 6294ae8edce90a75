//! Each step of the chain on its own: refused, told why, and let through once the buyer has done what was asked.

use std::time::Duration;

use nebula_cache::rate_limit::Quota;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{clock::Millis, problem::Code, storage::sql::query};

use super::help::{answer, order, solve, steps, with};
use crate::common::{TestApp, expect, expect_problem};

#[tokio::test]
async fn a_sale_without_steps_asks_for_nothing() {
    let app = TestApp::start().await;
    let (hall, mei) = (app.hall(10).await, app.register("mei@example.com").await);
    let view = expect(app.get(&format!("/sessions/{hall}/admission")).await, StatusCode::OK).await;
    assert_eq!(view["steps"], json!(["sold-out"]));
    assert!(view.get("waiting_room").is_none() && view.get("reservation").is_none(), "{view}");
    let placed = order(&app, &mei, hall, "1-1", &[]).await;
    assert!(!placed.headers().contains_key("ratelimit"));
    expect(placed, StatusCode::CREATED).await;
    let missing = format!("/sessions/{}/admission", uuid::Uuid::now_v7());
    expect_problem(app.get(&missing).await, Code::NotFound).await;
}

#[tokio::test]
async fn orders_are_limited_and_answers_say_how_much_is_left() {
    let app = TestApp::start_with(|config| {
        let rule = |burst: u64| json!({"rate": 1, "per": "1d", "burst": burst});
        let rules = json!({"rules": {"order.user": rule(2), "order.ip": rule(3)}});
        config.rate_limit = serde_json::from_value(rules).unwrap();
    })
    .await;
    let (hall, mei, lan) =
        (app.hall(10).await, app.register("mei@example.com").await, app.register("lan@example.com").await);
    steps(&app, hall, with(|policy| policy.limits = true)).await;
    let first = order(&app, &mei, hall, "1-1", &[("idempotency-key", "first")]).await;
    let left = first.headers()["ratelimit"].to_str().unwrap().to_owned();
    assert!(left.contains("\"order.ip\";r=2") && left.contains("\"order.user\";r=1"), "{left}");
    assert!(first.headers()["ratelimit-policy"].to_str().unwrap().contains("\"order.session\";q=1000;w=1"));
    let first = expect(first, StatusCode::CREATED).await;
    expect(order(&app, &mei, hall, "1-2", &[]).await, StatusCode::CREATED).await;
    let refused = order(&app, &mei, hall, "1-3", &[]).await;
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(refused.headers()["ratelimit"].to_str().unwrap().contains("\"order.user\";r=0"));
    let problem = expect_problem(refused, Code::RateLimited).await;
    assert_eq!(problem["retry_after"].as_u64(), Some(seconds));
    // What was placed is answered, whatever holds now; and another buyer has orders left, but the address has only one.
    let again = order(&app, &mei, hall, "1-1", &[("idempotency-key", "first")]).await;
    assert_eq!(expect(again, StatusCode::OK).await["id"], first["id"]);
    expect(order(&app, &lan, hall, "1-3", &[]).await, StatusCode::CREATED).await;
    // A header that anybody can send is no way around.
    let header = [("x-forwarded-for", "198.51.100.7")];
    expect_problem(order(&app, &lan, hall, "1-4", &header).await, Code::RateLimited).await;
}

#[tokio::test]
async fn a_rule_changes_while_the_platform_runs() {
    let app = TestApp::start().await;
    let (hall, mei, boss) =
        (app.hall(10).await, app.register("mei@example.com").await, app.register_admin("boss@example.com").await);
    steps(&app, hall, with(|policy| policy.limits = true)).await;
    expect(order(&app, &mei, hall, "1-1", &[]).await, StatusCode::CREATED).await;
    let change = |name: &'static str, rule: Value, reason: &'static str| {
        let request = app.request(Method::PUT, &format!("/admin/limits/{name}")).bearer_auth(&boss.access);
        async move { request.json(&json!({"rule": rule, "reason": reason})).send().await.unwrap() }
    };
    let none = json!({"rate": 1, "per": "1d", "burst": 1});
    expect_problem(change("order.nobody", none.clone(), "why").await, Code::NotFound).await;
    expect_problem(change("order.user", json!({"rate": 0}), "why").await, Code::InvalidValue).await;
    expect_problem(change("order.user", none.clone(), " ").await, Code::InvalidValue).await;
    expect(change("order.user", none, "a flood").await, StatusCode::NO_CONTENT).await;
    expect_problem(order(&app, &mei, hall, "1-2", &[]).await, Code::RateLimited).await;
    expect(change("order.user", json!({"rate": 1000}), "it is over").await, StatusCode::NO_CONTENT).await;
    expect(order(&app, &mei, hall, "1-2", &[]).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn only_who_reserved_may_buy_and_a_token_says_so_without_the_database() {
    let app = TestApp::start().await;
    let later = Millis::now().plus(Duration::from_secs(3_600));
    let hall = app.hall_with(10, move |session| session.sale_opens_at = later).await;
    let (mei, lan) = (app.register("mei@example.com").await, app.register("lan@example.com").await);
    let path = format!("/sessions/{hall}/reservation");
    expect_problem(app.post_as(&mei, &path, &json!({})).await, Code::ReservationClosed).await;
    steps(&app, hall, with(|policy| policy.reservation = true)).await;
    let view = expect(app.get(&format!("/sessions/{hall}/admission")).await, StatusCode::OK).await;
    assert_eq!(view["reservation"]["open"], true, "{view}");
    for reserved in [true, true] {
        let answer = expect(app.post_as(&mei, &path, &json!({})).await, StatusCode::OK).await;
        assert_eq!((&answer["reserved"], answer.get("token")), (&json!(reserved), None));
    }
    expect(app.post_as(&lan, &path, &json!({})).await, StatusCode::OK).await;
    let undo = app.request(Method::DELETE, &path).bearer_auth(&lan.access).send().await.unwrap();
    assert_eq!(undo.status(), StatusCode::NO_CONTENT);
    // The sale opens.
    app.write(move |connection| {
        Box::pin(async move {
            let open = query("UPDATE sessions SET sale_opens_at = 0 WHERE id = $1").bind(hall);
            Ok(open.execute(connection).await?)
        })
    })
    .await;
    app.app.catalog.forget_session(hall).await;
    expect_problem(app.post_as(&lan, &path, &json!({})).await, Code::ReservationClosed).await;
    expect_problem(order(&app, &lan, hall, "1-1", &[]).await, Code::ReservationRequired).await;
    expect(order(&app, &mei, hall, "1-1", &[]).await, StatusCode::CREATED).await;

    // The same by a token.
    steps(&app, hall, with(|policy| (policy.reservation, policy.qualification) = (true, true))).await;
    let token = async |who| {
        let view = expect(app.get_as(who, &format!("/sessions/{hall}/admission")).await, StatusCode::OK).await;
        view["reservation"]["token"].as_str().map(str::to_owned)
    };
    assert_eq!(token(&lan).await, None);
    let mine = token(&mei).await.unwrap();
    expect_problem(order(&app, &mei, hall, "1-2", &[]).await, Code::QualificationRequired).await;
    let header = [("qualification-token", &*mine)];
    expect_problem(order(&app, &lan, hall, "1-2", &header).await, Code::QualificationRequired).await;
    expect(order(&app, &mei, hall, "1-2", &header).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn a_challenge_is_solved_once_by_its_buyer_and_lets_through() {
    let app = TestApp::start().await;
    let (hall, mei, lan) =
        (app.hall(10).await, app.register("mei@example.com").await, app.register("lan@example.com").await);
    steps(&app, hall, with(|policy| policy.slider = true)).await;
    expect_problem(order(&app, &mei, hall, "1-1", &[]).await, Code::ChallengeRequired).await;
    let path = format!("/sessions/{hall}/challenges");

    let slider = expect(app.post_as(&mei, &path, &json!({})).await, StatusCode::CREATED).await;
    let pictures = &slider["slider"];
    for picture in ["background", "piece"] {
        assert!(pictures[picture].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"), "{slider}");
    }
    assert!(pictures.get("left").is_none() && pictures.get("x").is_none(), "the answer stays on the server");
    assert_eq!(slider["expires_in"], 120);
    // Every tenth pixel: at most one is within 5 pixels, and the first wrong answer uses the challenge up.
    let this = format!("{path}/{}", slider["id"].as_str().unwrap());
    expect_problem(app.post_as(&mei, &this, &json!({"value": 0})).await, Code::ChallengeFailed).await;
    for value in (0..320).step_by(10) {
        expect_problem(app.post_as(&mei, &this, &json!({"value": value})).await, Code::ChallengeFailed).await;
    }

    let question = expect(app.post_as(&mei, &path, &json!({"kind": "question"})).await, StatusCode::CREATED).await;
    assert!(question["question_zh"].as_str().unwrap().contains('加'), "{question}");
    let value = json!({ "value": answer(question["question"].as_str().unwrap()) });
    let this = format!("{path}/{}", question["id"].as_str().unwrap());
    // Somebody else's answer is wrong, even if it is right; and uses it up.
    expect_problem(app.post_as(&lan, &this, &value).await, Code::ChallengeFailed).await;
    expect_problem(app.post_as(&mei, &this, &value).await, Code::ChallengeFailed).await;

    let token = solve(&app, &mei, hall).await;
    let header = [("challenge-token", &*token)];
    expect_problem(order(&app, &lan, hall, "1-1", &header).await, Code::ChallengeRequired).await;
    expect(order(&app, &mei, hall, "1-1", &header).await, StatusCode::CREATED).await;
    for body in [json!({"kind": "riddle"}), json!({"kind": 7})] {
        expect_problem(app.post_as(&mei, &path, &body).await, Code::MalformedRequest).await;
    }
}

#[tokio::test]
async fn who_asks_as_no_person_does_is_challenged_and_then_blacklisted() {
    let app = TestApp::start_with(|config| {
        let rules = json!({"rules": {
            "conduct.user": {"limit": 2, "window": "1h"},
            "conduct.gap": {"rate": 1_000_000, "per": "1s"},
            "conduct.strikes": {"limit": 2, "window": "1h"},
        }});
        config.rate_limit = serde_json::from_value(rules).unwrap();
    })
    .await;
    let (hall, mei, lan) =
        (app.hall(10).await, app.register("mei@example.com").await, app.register("lan@example.com").await);
    let boss = app.register_admin("boss@example.com").await;
    steps(&app, hall, with(|policy| (policy.behaviour, policy.blacklist) = (true, true))).await;
    for seat in ["1-1", "1-2"] {
        expect(order(&app, &mei, hall, seat, &[]).await, StatusCode::CREATED).await;
    }
    expect_problem(order(&app, &mei, hall, "1-3", &[]).await, Code::ChallengeRequired).await;
    let token = solve(&app, &mei, hall).await;
    let header = [("challenge-token", &*token)];
    expect(order(&app, &mei, hall, "1-3", &header).await, StatusCode::CREATED).await;
    // And on and on: the third offence is one too many, whatever was solved.
    expect_problem(order(&app, &mei, hall, "1-4", &header).await, Code::Blocked).await;
    let blocked = expect_problem(order(&app, &mei, hall, "1-4", &header).await, Code::Blocked).await;
    assert!(blocked["until"].is_string(), "{blocked}");
    expect(order(&app, &lan, hall, "1-4", &[]).await, StatusCode::CREATED).await;
    let list = expect(app.get_as(&boss, "/admin/blacklist").await, StatusCode::OK).await;
    assert_eq!(list["entries"][0]["value"], json!(mei.id), "{list}");
    assert!(list["entries"][0].get("made_by").is_none(), "the rules did it: {list}");
}

#[tokio::test]
async fn less_than_a_tenth_of_a_second_between_two_requests_is_no_person() {
    let app = TestApp::start_with(|config| {
        // So that a slow machine does not make a person of a program.
        let rules = json!({"rules": {"conduct.gap": {"rate": 1, "per": "1h", "burst": 1}}});
        config.rate_limit = serde_json::from_value(rules).unwrap();
    })
    .await;
    let (hall, mei) = (app.hall(10).await, app.register("mei@example.com").await);
    steps(&app, hall, with(|policy| policy.behaviour = true)).await;
    expect(order(&app, &mei, hall, "1-1", &[]).await, StatusCode::CREATED).await;
    expect_problem(order(&app, &mei, hall, "1-2", &[]).await, Code::ChallengeRequired).await;
    let rules = ticketing::admission::limits::default_rules().unwrap();
    let gap = rules.iter().find(|rule| rule.name() == "conduct.gap").unwrap();
    assert_eq!(*gap.quota(), Quota::rate(1, Duration::from_millis(100)).unwrap().with_burst(1).unwrap());
    let often = rules.iter().find(|rule| rule.name() == "conduct.user").unwrap();
    assert_eq!(*often.quota(), Quota::rolling(30, Duration::from_secs(60)).unwrap());
}
