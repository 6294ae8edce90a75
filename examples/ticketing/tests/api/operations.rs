//! What operators see and do: queues and dead letters, the stock by the hour, locks, caches and limits.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use nebula_auth::audit::AuditQuery;
use nebula_cache::HotKeys;
use nebula_delay_queue::{DelayMessage, DelayQueue, RetryPolicy};
use nebula_redis::RedisConfig;
use nebula_test_support::{amqp_url, eventually, redis_url, unique};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{
    config::{Config, Provider},
    ids::{OrderId, SessionId, UserId},
    inventory::{Hold, HoldRequest},
    outbox::{ISSUE, Issue, TIMEOUT},
    problem::Code,
    reconcile::{LOCK, StockRun},
    routine::SWEEP_LOCK,
    storage::sql::query,
};

const PATIENCE: Duration = Duration::from_secs(60);
const LETTERS: &str = "/admin/queues/ticket.issue/dead-letters";

/// Asks until the answer is as it should be.
async fn until(app: &TestApp, who: &Account, path: &str, good: impl Fn(&Value) -> bool) -> Value {
    eventually(PATIENCE, || async {
        let answer = app.get_as(who, path).await;
        let status = answer.status();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
        if status == StatusCode::OK && good(&body) { Ok(body) } else { Err(format!("{status} {body}")) }
    })
    .await
}

fn queue<'a>(state: &'a Value, name: &str) -> &'a Value {
    state["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == name).unwrap()
}

async fn dead(app: &TestApp, who: &Account, name: &str, number: u64) {
    until(app, who, "/admin/queues", |state| queue(state, name)["messages"]["dead"] == number).await;
}

/// Sends a message that its workers do not understand, under this identity.
async fn nonsense(queue: &DelayQueue, name: &str, id: &str) {
    let body = json!({"email": "mei@example.com", "phone": 13_800_138_000_u64});
    queue.send(name, &DelayMessage::builder().id(id).body(body).build().unwrap()).await.unwrap();
}

async fn delete(app: &TestApp, who: &Account, path: &str) -> reqwest::Response {
    app.request(Method::DELETE, path).bearer_auth(&who.access).send().await.unwrap()
}

/// What somebody did, with its reason, in the order in which it was done.
async fn done(app: &TestApp, who: &Account) -> Vec<(String, String, String)> {
    let changes = AuditQuery { who: Some(who.id.to_string()), ..AuditQuery::default() };
    let mut entries = app.app.office.log().query(&changes).await.unwrap().entries;
    entries.sort_by_key(|entry| entry.number);
    let changes = entries.into_iter().map(|entry| (entry.record.what, entry.record.on, entry.record.reason));
    changes.filter(|(what, ..)| ["queue.", "stock."].iter().any(|kind| what.starts_with(kind))).collect()
}

async fn rename(app: &TestApp, sql: &'static str) {
    app.write(move |connection| {
        Box::pin(async move {
            query(sql).execute(connection).await?;
            Ok(())
        })
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_is_looked_at_and_replayed_and_its_order_gets_its_ticket() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let mei = app.register("mei@example.com").await;
    let session = app.hall(10).await;
    let placed = app.post_as(&mei, "/orders", &json!({"session_id": session, "seats": ["1-1"]})).await;
    let placed = expect(placed, StatusCode::CREATED).await;
    let (own, order) = (format!("/orders/{}", placed["id"].as_str().unwrap()), &placed["id"]);

    let paying = expect(app.post_as(&mei, &format!("{own}/pay"), &json!({})).await, StatusCode::OK).await;
    let till = paying["payment"]["pay_url"].as_str().unwrap();
    // Nobody can issue a ticket: the message that is tried once is given up.
    rename(&app, "ALTER TABLE tickets RENAME TO tickets_away").await;
    expect(app.post(&format!("/{till}/approve"), &json!({})).await, StatusCode::OK).await;
    let body = Issue { order: order.as_str().unwrap().parse().unwrap() };
    let message = DelayMessage::builder().id("mei/late").body(body).retry(RetryPolicy::none()).build().unwrap();
    eventually(PATIENCE, || async {
        let state: String = query("SELECT state FROM orders").scalar(&app.app.database.read).await.unwrap();
        if state == "PAID" { Ok(()) } else { Err(state) }
    })
    .await;
    app.app.outbox.send(ISSUE, &message).await.unwrap();
    dead(&app, &boss, ISSUE, 1).await;

    let state = expect(app.get_as(&boss, "/admin/queues").await, StatusCode::OK).await;
    let names: Vec<_> =
        state["queues"].as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["ledger.follow", "ticket.issue", "payment.refund", "notice.send", "wanted.remind", "order.timeout"]
    );
    let counted = queue(&state, ISSUE);
    assert!(counted["messages"]["overdue"].is_u64() && counted["messages"]["lateness_ms"].is_u64(), "{counted}");

    let found = expect(app.get_as(&boss, LETTERS).await, StatusCode::OK).await;
    let letter = &found["letters"][0];
    assert_eq!((&found["more"], &letter["id"], &letter["attempts"]), (&json!(false), &json!("mei/late"), &json!(1)));
    assert_eq!(letter["reason"], "retries-exhausted");
    assert_eq!(letter["body"], format!("{{\"order\":{order}}}"));
    assert!(letter["last_error"].as_str().unwrap().contains("tickets"), "{letter}");
    let life = "/admin/queues/ticket.issue/messages/mei%2Flate";
    let ended =
        |what: &'static str| move |life: &Value| life["events"].as_array().unwrap().last().unwrap()["what"] == what;
    until(&app, &boss, life, ended("dead")).await;

    // Mended and replayed, it is handled.
    rename(&app, "ALTER TABLE tickets_away RENAME TO tickets").await;
    let replay = format!("{LETTERS}/mei%2Flate/replay");
    let problem = expect_problem(app.post_as(&boss, &replay, &json!({"reason": " "})).await, Code::InvalidValue).await;
    assert_eq!(problem["field"], "reason");
    let replayed = app.post_as(&boss, &replay, &json!({"reason": "the table is back"})).await;
    assert_eq!(replayed.status(), StatusCode::NO_CONTENT);
    dead(&app, &boss, ISSUE, 0).await;
    let told = until(&app, &boss, life, ended("done")).await;
    let told: Vec<_> = told["events"].as_array().unwrap().iter().map(|event| event["what"].as_str().unwrap()).collect();
    assert_eq!(told, ["scheduled", "due", "delivered", "dead", "replayed", "delivered", "done"]);
    until(&app, &mei, &own, |order| order["tickets"].as_array().is_some_and(|tickets| tickets.len() == 1)).await;
    expect_problem(app.post_as(&boss, &replay, &json!({"reason": "x"})).await, Code::NotFound).await;

    // What nobody understands dies again; bodies say nothing of people.
    for id in ["one", "two"] {
        nonsense(&app.app.outbox, ISSUE, id).await;
    }
    dead(&app, &boss, ISSUE, 2).await;
    let found = expect(app.get_as(&boss, LETTERS).await, StatusCode::OK).await;
    assert_eq!(found["letters"][0]["reason"], "undecodable");
    assert_eq!(found["letters"][0]["body"], r#"{"email":"***","phone":"***"}"#);
    assert!(!found.to_string().contains("mei@") && !found.to_string().contains("13800138000"), "{found}");
    let second = expect(app.get_as(&boss, &format!("{LETTERS}?skip=1")).await, StatusCode::OK).await;
    assert_eq!(second["letters"].as_array().unwrap().len(), 1);
    let all = app.post_as(&boss, "/admin/queues/ticket.issue/replays", &json!({"reason": "another try"})).await;
    assert_eq!(expect(all, StatusCode::OK).await, json!({"replayed": 2, "more": false}));
    let again =
        |life: &Value| life["events"].as_array().unwrap().iter().filter(|event| event["what"] == "dead").count() == 2;
    until(&app, &boss, "/admin/queues/ticket.issue/messages/one", again).await;
    dead(&app, &boss, ISSUE, 2).await;
    assert_eq!(delete(&app, &boss, &format!("{LETTERS}/one?reason=a+test")).await.status(), StatusCode::NO_CONTENT);
    expect_problem(delete(&app, &boss, &format!("{LETTERS}/one?reason=a+test")).await, Code::NotFound).await;
    dead(&app, &boss, ISSUE, 1).await;

    let entry = |what: &str, on: &str, reason: &str| (what.to_owned(), on.to_owned(), reason.to_owned());
    assert_eq!(
        done(&app, &boss).await,
        [
            entry("queue.replay", "message:ticket.issue/mei/late", "the table is back"),
            entry("queue.replay-all", "queue:ticket.issue", "another try (2)"),
            entry("queue.purge", "message:ticket.issue/one", "a test"),
        ]
    );

    // Nobody else, and nothing that is not there.
    for (method, path) in [
        (Method::GET, "/admin/queues"),
        (Method::GET, LETTERS),
        (Method::GET, life),
        (Method::POST, &*replay),
        (Method::POST, "/admin/queues/ticket.issue/replays"),
        (Method::DELETE, "/admin/queues/ticket.issue/dead-letters/two?reason=x"),
    ] {
        let request = app.request(method, path).json(&json!({"reason": "x"}));
        expect_problem(request.try_clone().unwrap().send().await.unwrap(), Code::Unauthenticated).await;
        expect_problem(request.bearer_auth(&mei.access).send().await.unwrap(), Code::Forbidden).await;
    }
    for path in [
        "/admin/queues/other/dead-letters",
        "/admin/queues/ticket.issue/messages/nobody",
        "/admin/queues/ticket.issue/messages/a%0Ab",
    ] {
        expect_problem(app.get_as(&boss, path).await, Code::NotFound).await;
    }
    let far = expect_problem(app.get_as(&boss, &format!("{LETTERS}?skip=10001")).await, Code::InvalidValue).await;
    assert_eq!(far["field"], "skip");
}

#[tokio::test]
async fn dead_letters_of_time_outs_are_replayed_on_redis_and_on_rabbitmq() {
    let (redis, broker) = (redis_url().await, amqp_url().await);
    for store in ["redis", "rabbitmq"] {
        let app = TestApp::start_with(|config| {
            config.ledger.provider = Provider::Redis;
            config.redis = RedisConfig::new(redis.clone());
            let prefix = unique("ops");
            let url = if store == "redis" { redis.clone() } else { broker.clone() };
            let queue = json!({"provider": store, "queue-prefix": prefix, store: {"url": url}});
            config.delay_queue = serde_json::from_value(queue).unwrap();
        })
        .await;
        let boss = app.register_admin("boss@example.com").await;
        let name = app.app.timeouts.name(TIMEOUT).unwrap().to_string();
        let state = expect(app.get_as(&boss, "/admin/queues").await, StatusCode::OK).await;
        let relay = queue(&state, &format!("outbox.{name}"));
        assert_eq!(relay["purpose"], "relay");
        assert_eq!(relay["store"], queue(&state, ISSUE)["store"], "with the orders");
        let counted = queue(&state, &name);
        assert_eq!(counted["store"], store);
        // A broker does not tell what it cannot count.
        for unknown in ["overdue", "delayed"] {
            assert_eq!(counted["messages"][unknown].is_null(), store == "rabbitmq", "{counted}");
        }

        nonsense(&app.app.timeouts, TIMEOUT, "lost").await;
        dead(&app, &boss, &name, 1).await;
        let letters = format!("/admin/queues/{name}/dead-letters");
        let found = expect(app.get_as(&boss, &letters).await, StatusCode::OK).await;
        assert_eq!(
            (&found["letters"][0]["id"], &found["letters"][0]["reason"]),
            (&json!("lost"), &json!("undecodable"))
        );
        let replay = app.post_as(&boss, &format!("{letters}/lost/replay"), &json!({"reason": "x"})).await;
        assert_eq!(replay.status(), StatusCode::NO_CONTENT, "{store}");
        // Every process can tell, since the server keeps it.
        let life = format!("/admin/queues/{name}/messages/lost");
        let told = until(&app, &boss, &life, |life| {
            life["events"].as_array().unwrap().iter().filter(|event| event["what"] == "dead").count() == 2
        })
        .await;
        let told: Vec<_> =
            told["events"].as_array().unwrap().iter().map(|event| event["what"].as_str().unwrap()).collect();
        assert_eq!(told[0], "scheduled", "{told:?}");
        assert!(told.contains(&"replayed"), "{told:?}");
        dead(&app, &boss, &name, 1).await;
        assert_eq!(delete(&app, &boss, &format!("{letters}/lost?reason=x")).await.status(), StatusCode::NO_CONTENT);
        dead(&app, &boss, &name, 0).await;
        app.stop().await;
    }
}

/// Seats in the ledger for an order that nobody ever made.
async fn stray(app: &TestApp, session: SessionId, seats: std::ops::Range<u32>) {
    let (order, user) = (OrderId::new(), UserId::new());
    let held = app.app.ledger.hold(&HoldRequest { session, order, user, seats: seats.collect() }).await.unwrap();
    assert!(matches!(held, Hold::Held { .. }), "{held:?}");
}

/// A run, once the one that the start began is over.
async fn run(app: &TestApp) -> StockRun {
    let guard = app.app.locks.lock(LOCK).await.unwrap();
    let run = app.app.stock_reports.compare_all().await.unwrap();
    guard.release().await;
    run
}

#[tokio::test]
async fn the_stock_is_compared_and_a_few_seats_are_mended_and_many_are_left_to_people() {
    let app = TestApp::start_with(|config| config.sales.sweep_interval = Duration::from_secs(3_600)).await;
    let boss = app.register_admin("boss@example.com").await;
    let mei = app.register("mei@example.com").await;
    let (few, many) = (app.hall(20).await, app.hall(20).await);
    for session in [few, many] {
        app.app.inventory.counts(session).await.unwrap();
    }
    let first = run(&app).await;
    assert_eq!((first.sessions, first.mended, first.differing, first.failed), (2, 0, 0, 0));

    stray(&app, few, 0..2).await;
    stray(&app, many, 0..5).await;
    stray(&app, many, 5..10).await;
    let second = run(&app).await;
    assert_eq!((second.sessions, second.mended, second.differing), (2, 1, 1));
    assert_eq!(app.app.inventory.counts(few).await.unwrap().locked, 0, "mended");
    assert_eq!(app.app.inventory.counts(many).await.unwrap().locked, 10, "for people");
    let known = expect(app.get_as(&boss, "/admin/stock-reports").await, StatusCode::OK).await;
    assert_eq!(known["runs"][0]["differing"], 1);
    let [worst, mended] = [&known["sessions"][0], &known["sessions"][1]];
    assert_eq!((&worst["outcome"], &worst["differences"]), (&json!("differs"), &json!(10)));
    assert_eq!((&worst["session_id"], &worst["title_zh"]), (&json!(many), &json!("测试")));
    assert_eq!((&mended["outcome"], &mended["differences"]), (&json!("mended"), &json!(2)));
    assert_eq!(worst["audit"]["violations"]["ledger_differs"], 10);
    let metrics = app.get("//metrics").await.text().await.unwrap();
    for outcome in ["sound", "mended", "differs"] {
        assert!(metrics.contains(&format!("ticketing_stock_reports_total{{outcome=\"{outcome}\"}}")), "{outcome}");
    }

    // Somebody looks, and has the seats counted anew.
    let recount = format!("/admin/stock-reports/{many}/recount");
    expect_problem(app.post_as(&boss, &recount, &json!({"reason": ""})).await, Code::InvalidValue).await;
    expect_problem(app.post_as(&mei, &recount, &json!({"reason": "x"})).await, Code::Forbidden).await;
    let mended = expect(app.post_as(&boss, &recount, &json!({"reason": "a stray order"})).await, StatusCode::OK).await;
    assert_eq!(mended["outcome"], "sound");
    assert_eq!(app.app.inventory.counts(many).await.unwrap().locked, 0);
    let of = expect(app.get_as(&boss, &format!("/admin/stock-reports/{many}")).await, StatusCode::OK).await;
    let outcomes: Vec<_> = of.as_array().unwrap().iter().map(|report| report["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["sound", "differs", "sound"]);
    let nobody = SessionId::new();
    expect_problem(app.get_as(&boss, &format!("/admin/stock-reports/{nobody}")).await, Code::NotFound).await;
    let nowhere = format!("/admin/stock-reports/{nobody}/recount");
    expect_problem(app.post_as(&boss, &nowhere, &json!({"reason": "x"})).await, Code::NotFound).await;

    // One process at a time; and when somebody asks.
    let guard = app.app.locks.lock(LOCK).await.unwrap();
    let asked = app.post_as(&boss, "/admin/stock-reports", &json!({})).await;
    assert_eq!(asked.status(), StatusCode::ACCEPTED, "somebody is at it: that is enough");
    let now = app.post_as(&boss, "/admin/jobs/stock/runs", &json!({"reason": "now"})).await;
    expect_problem(now, Code::JobRunning).await;
    guard.release().await;
    let before = expect(app.get_as(&boss, "/admin/stock-reports").await, StatusCode::OK).await["runs"][0]["at"].clone();
    let asked = app.post_as(&boss, "/admin/stock-reports", &json!({})).await;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    until(&app, &boss, "/admin/stock-reports", |known| known["runs"][0]["at"] != before).await;
    let done: Vec<_> = done(&app, &boss).await.into_iter().map(|(what, ..)| what).collect();
    assert_eq!(done, ["stock.recount", "stock.compare", "stock.compare"]);
}

fn job<'a>(state: &'a Value, name: &str) -> &'a Value {
    state["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap_or_else(|| panic!("{state}"))
}

#[tokio::test]
async fn jobs_are_told_alike_by_every_server_and_run_when_somebody_asks_and_again_after_a_failure() {
    let redis = redis_url().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
    config.ledger.provider = Provider::Redis;
    config.redis = RedisConfig::new(redis);
    config.sales.sweep_interval = Duration::from_millis(500);
    config.archive.schedule = Some("0 3 1 * *".to_owned());
    let (one, two) = (TestApp::start_on(config.clone()).await, TestApp::start_on(config).await);
    let boss = one.register_admin("boss@example.com").await;
    let mei = one.register("mei@example.com").await;
    let why = json!({"reason": "a test"});
    let run = "/admin/jobs/stock/runs";

    // The first run of the stock's comparison comes by itself, on one of them; both tell of it.
    let ran = |state: &Value| job(state, "stock")["runs"] == 1;
    let here = until(&one, &boss, "/admin/jobs", ran).await;
    let there = until(&two, &boss, "/admin/jobs", ran).await;
    for key in ["last", "next_at", "succeeded_at", "failures", "every_ms", "overdue"] {
        assert_eq!(job(&here, "stock")[key], job(&there, "stock")[key], "{key}");
    }
    let last = &job(&here, "stock")["last"];
    assert_eq!((&last["outcome"], &last["did"]["sessions"], &last["error"]), (&json!("done"), &json!(0), &Value::Null));
    assert!(last["process"].as_str().unwrap().ends_with(&format!("/{}", std::process::id())), "{last}");
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(at(&job(&here, "stock")["next_at"]) - at(&last["began_at"]), 3_600_000);
    let archive = job(&here, "archive");
    assert_eq!((&archive["cron"], &archive["time_zone"]), (&json!("0 3 1 * *"), &json!("Asia/Shanghai")));
    assert_eq!((&archive["last"], &archive["every_ms"]), (&Value::Null, &Value::Null), "by the calendar only");
    assert_eq!(job(&here, "search")["place"], "each");

    // One at a time, on whichever server somebody asks.
    let guard = one.app.locks.lock(LOCK).await.unwrap();
    for app in [&one, &two] {
        expect_problem(app.post_as(&boss, run, &why).await, Code::JobRunning).await;
        let state = expect(app.get_as(&boss, "/admin/jobs").await, StatusCode::OK).await;
        assert_eq!(
            (&job(&state, "stock")["running"], &job(&state, "archive")["running"]),
            (&json!(true), &json!(false))
        );
    }
    guard.release().await;
    assert_eq!(two.post_as(&boss, run, &why).await.status(), StatusCode::ACCEPTED);
    until(&one, &boss, "/admin/jobs", |state| job(state, "stock")["runs"] == 2).await;

    // A run that fails is told with its cause, and the next one comes when it is due.
    rename(&one, "ALTER TABLE refunds RENAME TO refunds_away").await;
    let failed = until(&two, &boss, "/admin/jobs", |state| job(state, "sweep")["last"]["outcome"] == "failed").await;
    assert!(job(&failed, "sweep")["last"]["error"].as_str().unwrap().contains("steps"), "{failed}");
    let metrics = one.get("//metrics").await.text().await.unwrap();
    for line in [
        "ticketing_job_runs_total{name=\"sweep\",outcome=\"failed\"}",
        "ticketing_job_interval_seconds{name=\"stock\"} 3600",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    rename(&one, "ALTER TABLE refunds_away RENAME TO refunds").await;
    let mended = until(&two, &boss, "/admin/jobs", |state| job(state, "sweep")["last"]["outcome"] == "done").await;
    assert!(job(&mended, "sweep")["failures"].as_u64() > Some(0), "{mended}");

    // Nobody else, nothing else, and not without a reason; it is written down.
    expect_problem(one.get_as(&mei, "/admin/jobs").await, Code::Forbidden).await;
    expect_problem(one.post_as(&mei, run, &why).await, Code::Forbidden).await;
    expect_problem(one.post_as(&boss, "/admin/jobs/nothing/runs", &why).await, Code::NotFound).await;
    expect_problem(one.post_as(&boss, run, &json!({"reason": " "})).await, Code::InvalidValue).await;
    let changes = AuditQuery { what: Some("job.run".to_owned()), ..AuditQuery::default() };
    let log = one.app.office.log().query(&changes).await.unwrap().entries;
    assert_eq!(log.iter().map(|entry| &*entry.record.on).collect::<Vec<_>>(), ["job:stock"]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn the_stock_is_compared_by_itself_and_locks_caches_and_limits_are_shown() {
    let app = TestApp::start_with(|config| {
        config.sales.stock_interval = Duration::from_secs(1);
        config.hot_keys = HotKeys::new().with_threshold(1).with_sample(1);
    })
    .await;
    let boss = app.register_admin("boss@example.com").await;
    let mei = app.register("mei@example.com").await;
    let session = app.hall(10).await;
    expect_problem(app.get_as(&mei, "/admin/system").await, Code::Forbidden).await;
    until(&app, &boss, "/admin/stock-reports", |known| known["runs"].as_array().unwrap().len() > 1).await;

    // A limit that is used up.
    let rule = json!({"rule": {"rate": 1, "per": "1h", "burst": 1}, "reason": "a test"});
    let put = app.request(Method::PUT, "/admin/limits/quote.user").bearer_auth(&boss.access).json(&rule);
    assert_eq!(put.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let (quote, wish) = (format!("/sessions/{session}/quote"), json!({"seats": ["1-1"]}));
    let ask = || app.post_as(&mei, &quote, &wish);
    expect(ask().await, StatusCode::OK).await;
    expect_problem(ask().await, Code::RateLimited).await;

    // What is read most is named.
    let hot = until(&app, &boss, "/admin/system", |state| {
        state["hot"].as_array().is_some_and(|hot| hot.iter().any(|one| one["key"] == json!(session)))
    })
    .await;
    let hot = hot["hot"].as_array().unwrap().iter().find(|one| one["key"] == json!(session)).unwrap();
    assert_eq!((&hot["cache"], &hot["title_zh"]), (&json!("sessions"), &json!("测试")));
    assert!(hot["reads"].as_u64() > Some(0), "{hot}");

    let guard = app.app.locks.lock("ledger:a-session-that-nobody-sells").await.unwrap();
    let sweep =
        eventually(PATIENCE, || async { app.app.locks.try_lock(SWEEP_LOCK).await.unwrap().ok_or("it sweeps") }).await;
    let find =
        |list: &Value, name: &str| list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    let state = until(&app, &boss, "/admin/system", |state| {
        let quotes = find(&state["limits"], "quote.user");
        let sessions = state["caches"].as_array().unwrap().iter().find(|cache| cache["name"] == "sessions");
        quotes["refused"].as_u64() > Some(0)
            && quotes["allowed"].as_u64() > Some(0)
            && sessions.is_some_and(|cache| cache["misses"].as_u64() > Some(0))
    })
    .await;
    assert_eq!(find(&state["limits"], "quote.user")["window_ms"], 3_600_000);
    let lease = find(&state["locks"]["leases"], SWEEP_LOCK);
    assert_eq!(lease["holder"]["fence"], sweep.fence().get());
    assert!(lease["holder"]["remaining_ms"].as_u64() > Some(0), "{lease}");
    assert!(state["locks"]["held"].as_u64() >= Some(2), "{state}");
    assert!(state["locks"]["counts"]["acquired"].as_u64() >= Some(2), "{state}");
    let bounded = state["caches"].as_array().unwrap().iter().find(|cache| cache["capacity"].as_u64() > Some(0));
    assert!(bounded.is_some_and(|cache| cache["name"] != "sessions"), "{state}");
    let database = state["breakers"].as_array().unwrap().iter().find(|breaker| breaker["part"] == "database").unwrap();
    assert_eq!(database["state"], "closed");
    assert_eq!(state["load"]["level"], 0);
    guard.release().await;
    sweep.release().await;
}
