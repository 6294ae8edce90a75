//! What is given up first when there is too much to do, and what never is.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use nebula_test_support::eventually;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    api_limits::{ApiLimit, ApiLimitsConfig},
    problem::Code,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

async fn order(app: &TestApp, who: &Account, least: u8) -> Value {
    let body = json!({"least": least, "automatic": false, "reason": "a big sale"});
    let answer = app.request(Method::PUT, "/admin/load").bearer_auth(&who.access).json(&body).send().await.unwrap();
    expect(answer, StatusCode::OK).await
}

/// The class that was refused, with a time to come back that header and body agree on.
async fn refused(answer: Response) -> String {
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let problem = expect_problem(answer, Code::Degraded).await;
    assert_eq!(problem["retry_after"].as_u64(), Some(wait));
    problem["class"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn operators_give_up_what_costs_the_sale_least_and_payments_go_on() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let mei = app.register("mei@example.com").await;
    let session = app.hall(10).await;
    let events = format!("/sessions/{session}/events");
    let wish = |seat: &str| json!({"session_id": session, "seats": [seat]});
    let placed = expect(app.post_as(&mei, "/orders", &wish("1-1")).await, StatusCode::CREATED).await;
    let own = format!("/orders/{}", placed["id"].as_str().unwrap());

    let state = expect(app.get_as(&boss, "/admin/load").await, StatusCode::OK).await;
    assert_eq!((&state["level"], &state["ordered"]["least"]), (&json!(0), &json!(0)));
    assert_eq!(state["classes"], json!(["extras", "history", "arrivals", "orders"]));

    // First the live streams: the list is still there.
    assert_eq!(order(&app, &boss, 1).await["level"], 1);
    assert_eq!(refused(app.get(&events).await).await, "extras");
    expect(app.get_as(&mei, "/orders").await, StatusCode::OK).await;
    expect(app.get(&format!("/sessions/{session}/seats")).await, StatusCode::OK).await;
    // Then lists, then newcomers.
    order(&app, &boss, 2).await;
    assert_eq!(refused(app.get_as(&mei, "/orders").await).await, "history");
    let room = format!("/sessions/{session}/waiting-room");
    assert_ne!(app.post_as(&mei, &room, &json!({})).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    order(&app, &boss, 3).await;
    assert_eq!(refused(app.post_as(&mei, &room, &json!({})).await).await, "arrivals");
    let newcomer = json!({"email": "tom@example.com", "password": crate::common::PASSWORD, "display_name": "Tom"});
    assert_eq!(refused(app.post("/auth/register", &newcomer).await).await, "arrivals");
    expect(app.post_as(&mei, "/orders", &wish("1-2")).await, StatusCode::CREATED).await;
    // At last new orders; what is ordered is still paid.
    order(&app, &boss, 4).await;
    assert_eq!(refused(app.post_as(&mei, "/orders", &wish("1-3")).await).await, "orders");
    app.login("mei@example.com", crate::common::PASSWORD).await;
    expect(app.get_as(&mei, &own).await, StatusCode::OK).await;
    let paying = expect(app.post_as(&mei, &format!("{own}/pay"), &json!({})).await, StatusCode::OK).await;
    let till = paying["payment"]["pay_url"].as_str().unwrap();
    expect(app.post(&format!("/{till}/approve"), &json!({})).await, StatusCode::OK).await;

    let metrics = app.get("//metrics").await.text().await.unwrap();
    for class in ["extras", "history", "arrivals", "orders"] {
        let counted = format!("ticketing_degradation_refusals_total{{class=\"{class}\"}}");
        assert!(metrics.contains(&counted), "{counted}");
    }
    // Nobody but operators, and not without a reason; it is written down.
    expect_problem(app.get_as(&mei, "/admin/load").await, Code::Forbidden).await;
    for (body, field) in [
        (json!({"least": 5, "automatic": true, "reason": "x"}), "least"),
        (json!({"least": 0, "automatic": true, "reason": " "}), "reason"),
    ] {
        let put = app.request(Method::PUT, "/admin/load").bearer_auth(&boss.access).json(&body);
        let problem = expect_problem(put.send().await.unwrap(), Code::InvalidValue).await;
        assert_eq!(problem["field"], field);
    }
    let changes = nebula_auth::audit::AuditQuery { who: Some(boss.id.to_string()), ..Default::default() };
    let log = app.app.office.log().query(&changes).await.unwrap().entries;
    assert_eq!(log.iter().filter(|entry| entry.record.what == "load.order").count(), 4);
    order(&app, &boss, 0).await;
    expect(app.post_as(&mei, "/orders", &wish("1-3")).await, StatusCode::CREATED).await;
}

/// Asks until it is one too many; answers how the limit of that name says so.
async fn one_too_many(name: &str, ask: impl AsyncFn(usize) -> Response) {
    for turn in 0..1_000 {
        let answer = ask(turn).await;
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.status().is_success(), "{name}: {}", answer.text().await.unwrap());
            continue;
        }
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let wait: u64 = header("retry-after").parse().unwrap();
        assert_eq!(header("ratelimit-policy"), format!("\"{name}\";q=1;w=1"));
        assert!(header("ratelimit").starts_with(&format!("\"{name}\";r=0;t=")), "{}", header("ratelimit"));
        let problem = expect_problem(answer, Code::RateLimited).await;
        assert_eq!((&problem["limit"], problem["retry_after"].as_u64()), (&json!(name), Some(wait)));
        assert!(wait > 0 && problem["request_id"].is_string(), "{problem}");
        return;
    }
    panic!("{name} is never reached");
}

#[tokio::test]
async fn a_server_takes_so_many_requests_of_a_class_and_says_when_to_come_back() {
    let slow = ApiLimit { rate: Some(1), warm_up: None };
    let app = TestApp::start_with(|config| {
        config.api_limits = ApiLimitsConfig { queries: slow, orders: slow, payments: slow };
    })
    .await;
    let boss = app.register_admin("boss@example.com").await;
    let mei = app.register("mei@example.com").await;
    let session = app.hall_with(1_000, |session| session.seats_per_user = 1_000).await;
    let placed = app.post_as(&mei, "/orders", &json!({"session_id": session, "seats": ["1-1"]})).await;
    let placed = expect(placed, StatusCode::CREATED).await;
    let pay = format!("/orders/{}/pay", placed["id"].as_str().unwrap());

    one_too_many("api.queries", async |_| app.get("/shows").await).await;
    one_too_many("api.orders", async |turn| {
        let seat = format!("{}-{}", turn / 50 + 2, turn % 50 + 1);
        app.post_as(&mei, "/orders", &json!({"session_id": session, "seats": [seat]})).await
    })
    .await;
    one_too_many("api.payments", async |_| app.post_as(&mei, &pay, &json!({})).await).await;

    // Operators are in nobody's way, and see it.
    for _ in 0..5 {
        let state = expect(app.get_as(&boss, "/admin/system").await, StatusCode::OK).await;
        let limits = state["limits"].as_array().unwrap();
        for name in ["api.queries", "api.orders", "api.payments"] {
            let limit = limits.iter().find(|limit| limit["name"] == name).unwrap();
            assert_eq!((&limit["count"], &limit["window_ms"]), (&json!(1), &json!(1_000)));
            assert!(limit["refused"].as_u64() > Some(0) && limit["allowed"].as_u64() > Some(0), "{limit}");
        }
    }
    let metrics = app.get("//metrics").await.text().await.unwrap();
    for line in [
        "ticketing_api_limit_decisions_total{class=\"api.queries\",outcome=\"refused\"}",
        "ticketing_api_limit_decisions_total{class=\"api.orders\",outcome=\"allowed\"}",
        "ticketing_api_limit_rate{class=\"api.payments\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn what_operators_say_holds_after_a_restart_and_in_other_processes() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    order(&app, &boss, 2).await;
    let config = app.app.config.clone();
    // Another process writes it: this one hears of it by itself.
    app.write(|connection| {
        Box::pin(async move {
            ticketing::storage::sql::query("UPDATE degradation SET level = 1").execute(connection).await?;
            Ok(())
        })
    })
    .await;
    eventually(PATIENCE, || async {
        let level = app.app.degrade.level().number();
        if level == 1 { Ok(()) } else { Err(level) }
    })
    .await;
    let _folder = app.stop().await;
    let app = TestApp::start_on(config).await;
    assert_eq!(app.app.degrade.level().number(), 1);
    assert_eq!(app.app.degrade.ordered().reason, "a big sale");
}

#[tokio::test]
async fn a_process_that_is_late_gives_up_the_first_classes_by_itself_and_takes_them_back() {
    let app = TestApp::start().await;
    let mut config = app.app.config.clone();
    let _folder = app.stop().await;
    config.degrade.automatic = true;
    config.degrade.wait = Duration::from_millis(200);
    config.degrade.raise_after = Duration::from_millis(200);
    config.degrade.lower_after = Duration::from_millis(500);
    let app = TestApp::start_late_on(config).await;
    // Others keep every connection of the database for longer than a write may wait.
    let freed = CancellationToken::new();
    let mut busy = JoinSet::new();
    for _ in 0..app.app.config.database.max_connections {
        let (database, freed) = (app.app.database.clone(), freed.clone());
        busy.spawn(async move {
            let work = database.write.run::<_, ticketing::problem::Problem, _>(move |_| {
                Box::pin(async move {
                    let _freed = tokio::time::timeout(PATIENCE, freed.cancelled()).await;
                    Ok(())
                })
            });
            work.await
        });
    }
    let level = |least: u8, most: u8| {
        let app = &app;
        move || async move {
            let level = app.app.degrade.level().number();
            if (least..=most).contains(&level) { Ok(()) } else { Err(level) }
        }
    };
    eventually(PATIENCE, level(1, 3)).await;
    freed.cancel();
    for ended in busy.join_all().await {
        ended.unwrap();
    }
    eventually(PATIENCE, level(0, 0)).await;
}
