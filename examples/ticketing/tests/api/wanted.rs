//! Shows that buyers want to see: their list, what merchants are told of it, and the reminders before a sale opens.

use std::time::Duration;

use crate::common::{Account, TestApp, expect, expect_problem};
use axum::http::{Method, StatusCode};
use nebula_tenant::TenantId;
use nebula_test_support::eventually;
use serde_json::{Value, json};
use ticketing::{
    clock::Millis, ids::SessionId, merchant::NewMerchant, problem::Code, show::store::NewSession, storage::sql::query,
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn show_of(app: &TestApp, session: SessionId) -> String {
    let session = expect(app.get(&format!("/sessions/{session}")).await, StatusCode::OK).await;
    session["show_id"].as_str().unwrap().to_owned()
}

async fn change(app: &TestApp, buyer: &Account, method: Method, show: &str) -> reqwest::Response {
    app.request(method, &format!("/me/wanted/{show}")).bearer_auth(&buyer.access).send().await.unwrap()
}

async fn wanted(app: &TestApp, buyer: &Account) -> Vec<String> {
    let page = expect(app.get_as(buyer, "/me/wanted").await, StatusCode::OK).await;
    let shows = page["shows"].as_array().unwrap();
    shows.iter().map(|entry| entry["show"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_kept_read_in_pages_and_counted_for_the_merchant() {
    let app = TestApp::start().await;
    let (buyer, other) = (app.register("a@example.com").await, app.register("b@example.com").await);
    let boss = app.register_admin("boss@example.com").await;
    let mut shows = Vec::new();
    for _ in 0..3 {
        let session = app.hall(10).await;
        let show = show_of(&app, session).await;
        for _ in 0..2 {
            assert_eq!(change(&app, &buyer, Method::PUT, &show).await.status(), StatusCode::NO_CONTENT);
        }
        shows.insert(0, show);
    }
    let mut latest_first = wanted(&app, &buyer).await;
    // Within a millisecond, identifiers decide.
    latest_first.sort();
    let mut expected = shows.clone();
    expected.sort();
    assert_eq!(latest_first, expected);
    assert_eq!(wanted(&app, &other).await, [""; 0]);
    // In pages.
    let (mut read, mut path) = (Vec::new(), String::from("/me/wanted?limit=1"));
    loop {
        let page = expect(app.get_as(&buyer, &path).await, StatusCode::OK).await;
        read.extend(page["shows"].as_array().unwrap().iter().map(|entry| entry["show"]["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/me/wanted?limit=1&after={next}");
    }
    assert_eq!(read, wanted(&app, &buyer).await);
    expect_problem(app.get_as(&other, &path).await, Code::NotFound).await;
    expect_problem(app.get_as(&buyer, "/me/wanted?limit=101").await, Code::InvalidValue).await;
    expect_problem(app.get("/me/wanted").await, Code::Unauthenticated).await;
    let nowhere = uuid::Uuid::nil().to_string();
    expect_problem(change(&app, &buyer, Method::PUT, &nowhere).await, Code::NotFound).await;

    change(&app, &other, Method::PUT, &shows[0]).await;
    let counted = expect(app.get_as(&boss, "/desk/nebula/shows").await, StatusCode::OK).await;
    let count = |id: &str| {
        let shows = counted["shows"].as_array().unwrap();
        shows.iter().find(|show| show["id"] == id).unwrap_or_else(|| panic!("{counted}"))["wanted"].clone()
    };
    assert_eq!((count(&shows[0]), count(&shows[1])), (json!(2), json!(1)));

    for _ in 0..2 {
        assert_eq!(change(&app, &buyer, Method::DELETE, &shows[0]).await.status(), StatusCode::NO_CONTENT);
    }
    assert!(!wanted(&app, &buyer).await.contains(&shows[0]));
    // What is hidden is not there, and comes back with its place on the list.
    let hidden = shows[1].clone();
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE shows SET published = 0 WHERE id = $1").bind(hidden).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    assert_eq!(wanted(&app, &buyer).await, [shows[2].clone()]);
}

/// A session whose sale opens in so many hours.
fn opens(hours: u64) -> impl FnOnce(&mut NewSession) + Send + 'static {
    move |session| {
        let now = Millis::now();
        session.sale_opens_at = now.plus(Duration::from_secs(hours * 3_600));
        session.sale_closes_at = now.plus(Duration::from_secs(200 * 3_600));
        session.starts_at = now.plus(Duration::from_secs(300 * 3_600));
    }
}

#[tokio::test]
async fn who_wants_to_see_a_show_is_reminded_once_before_its_sale_opens() {
    let app = TestApp::start_with(|config| config.sales.sweep_interval = Duration::from_millis(200)).await;
    let (buyer, other) = (app.register("a@example.com").await, app.register("b@example.com").await);
    let (soon, later, open) =
        (app.hall_with(10, opens(3)).await, app.hall_with(10, opens(72)).await, app.hall(10).await);
    for session in [soon, later, open] {
        change(&app, &buyer, Method::PUT, &show_of(&app, session).await).await;
    }
    let inbox =
        async |account: &Account| expect(app.get_as(account, "/inbox").await, StatusCode::OK).await["messages"].clone();
    let told = eventually(PATIENCE, || async {
        let messages = inbox(&buyer).await;
        if messages.as_array().unwrap().is_empty() { Err(messages) } else { Ok(messages) }
    })
    .await;
    assert_eq!(told[0]["topic"], "sale-opens");
    let text = told[0]["text"].as_str().unwrap();
    assert!(text.ends_with(&format!("/sessions/{soon}")) && text.contains("(UTC+08"), "{text}");
    // Looked for again and again, it is told once, and only of what opens within a day. Who wants it late is told as well.
    change(&app, &other, Method::PUT, &show_of(&app, soon).await).await;
    eventually(PATIENCE, || async {
        let messages: Value = inbox(&other).await;
        if messages.as_array().unwrap().is_empty() { Err(messages) } else { Ok(()) }
    })
    .await;
    let reminders = ticketing::wanted::Reminders::new(app.app.database.clone(), outbox(&app).await);
    assert_eq!(reminders.run().await.unwrap(), 0);
    assert_eq!(inbox(&buyer).await.as_array().unwrap().len(), 1);
    // By mail, too: here it is shown instead of sent.
    eventually(PATIENCE, || async {
        let mails: Value = expect(app.get("//dev/outbox/messages.json").await, StatusCode::OK).await;
        let mut to: Vec<_> = mails.as_array().unwrap().iter().map(|mail| mail["to"].clone()).collect();
        to.sort_by_key(ToString::to_string);
        if to == ["a@example.com", "b@example.com"] { Ok(()) } else { Err(mails) }
    })
    .await;
}

#[tokio::test]
async fn of_a_suspended_merchant_nothing_is_told_and_afterwards_what_is_still_to_come() {
    // Reminders are looked for by hand: the sweep sleeps.
    let app = TestApp::start_with(|config| config.sales.sweep_interval = Duration::from_secs(3_600)).await;
    let buyer = app.register("a@example.com").await;
    let (mut soon, mut shows) = (Vec::new(), Vec::new());
    for hours in 1..=4 {
        let session = app.hall_with(10, opens(hours)).await;
        shows.push(show_of(&app, session).await);
        change(&app, &buyer, Method::PUT, shows.last().unwrap()).await;
        soon.push(session);
    }
    let moon: TenantId = "moon".parse().unwrap();
    let new = NewMerchant { name: "Moon", name_zh: "月", domains: &[] };
    app.app.merchants.create(moon.clone(), &new).await.unwrap();
    app.write(|connection| {
        Box::pin(async move {
            for sql in ["UPDATE sessions SET tenant_id = 'moon'", "UPDATE shows SET tenant_id = 'moon'"] {
                query(sql).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    let notices = &app.app.notices;
    let reminders = ticketing::wanted::Reminders::new(app.app.database.clone(), outbox(&app).await);
    let reminder = |session| ticketing::wanted::Reminder { user: buyer.id, session, at: 7 };
    let recorded = async || -> Vec<String> {
        query("SELECT session_id FROM sale_reminders ORDER BY session_id")
            .scalars(&app.app.database.read)
            .await
            .unwrap()
    };
    app.app.merchants.suspend(&moon, true).await.unwrap();
    assert_eq!(reminders.run().await.unwrap(), 0);
    // One was recorded a moment before: it is not told, and put back; the mark of another one stays.
    let [first, second] = [soon[0], soon[1]];
    app.write(move |connection| {
        Box::pin(async move {
            for (session, at) in [(first, 7_i64), (second, 8)] {
                let mark = "INSERT INTO sale_reminders (session_id, user_id, at) VALUES ($1, $2, $3)";
                query(mark).bind(session).bind(buyer.id).bind(at).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
    .await;
    for session in [first, second] {
        notices.remind(reminder(session)).await.unwrap();
    }
    assert_eq!(recorded().await, [second.to_string()]);

    // It goes on. Meanwhile one sale has opened, of another the buyer wants nothing any more, and one was taken back.
    app.app.merchants.suspend(&moon, false).await.unwrap();
    let [opened, unwanted, hidden] = [soon[1], soon[2], soon[3]];
    change(&app, &buyer, Method::DELETE, &shows[2]).await;
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE sessions SET sale_opens_at = 1 WHERE id = $1").bind(opened).execute(&mut *connection).await?;
            query("UPDATE sessions SET published = 0 WHERE id = $1").bind(hidden).execute(&mut *connection).await?;
            query("DELETE FROM sale_reminders").execute(connection).await?;
            Ok(())
        })
    })
    .await;
    for session in [opened, unwanted, hidden] {
        notices.remind(reminder(session)).await.unwrap();
    }
    assert_eq!(reminders.run().await.unwrap(), 1);
    assert_eq!(recorded().await, [first.to_string()]);
    let told = eventually(PATIENCE, || async {
        let inbox = expect(app.get_as(&buyer, "/inbox").await, StatusCode::OK).await["messages"].clone();
        if inbox.as_array().unwrap().is_empty() { Err(inbox) } else { Ok(inbox) }
    })
    .await;
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert!(told[0]["text"].as_str().unwrap().ends_with(&format!("/sessions/{first}")), "{told}");
}

async fn outbox(app: &TestApp) -> ticketing::outbox::Outbox {
    let messages = ticketing::outbox::Messages::open(&app.app.database.queue).await.unwrap();
    ticketing::outbox::Outbox::new(messages)
}
