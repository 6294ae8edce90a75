//! What buyers are told: inbox, languages, and the page of mails that are shown instead of sent.

use std::time::{Duration, SystemTime};

use crate::common::{Account, TestApp, expect, expect_problem};
use nebula_notification::{InboxMessage, InboxStore as _, SqlStore};
use nebula_test_support::eventually;
use reqwest::StatusCode;
use serde_json::{Value, json};
use ticketing::{
    clock::Millis,
    problem::Code,
    storage::{Pool, sql::query},
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn inbox(app: &TestApp, who: &Account) -> Value {
    expect(app.get_as(who, "/inbox").await, StatusCode::OK).await
}

/// Waits for the latest message to be about this.
async fn told(app: &TestApp, who: &Account, topic: &str) -> Value {
    eventually(PATIENCE, || async {
        let inbox = inbox(app, who).await;
        let latest = inbox["messages"][0].clone();
        if latest["topic"] == topic { Ok(latest) } else { Err(inbox.to_string()) }
    })
    .await
}

async fn order(app: &TestApp, who: &Account, session: &str, seat: &str) -> String {
    let body = json!({"session_id": session, "seats": [seat]});
    let order = expect(app.post_as(who, "/orders", &body).await, StatusCode::CREATED).await;
    order["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_order_s_buyer_is_told_once_in_the_inbox_and_by_mail_and_nobody_else_is() {
    let app = TestApp::start().await;
    let (mei, tom) = (app.register("mei@example.com").await, app.register("tom@example.com").await);
    let id = mei.id;
    app.write(move |connection| {
        Box::pin(async move {
            query("UPDATE users SET language = 'zh' WHERE id = $1").bind(id).execute(connection).await?;
            Ok(())
        })
    })
    .await;
    let month = Duration::from_secs(30 * 86_400);
    let session = app.hall_with(10, move |session| session.starts_at = Millis::now().plus(month)).await.to_string();

    // Tickets, in the buyer's language.
    let paid = order(&app, &mei, &session, "1-1").await;
    let paying = expect(app.post_as(&mei, &format!("/orders/{paid}/pay"), &json!({})).await, StatusCode::OK).await;
    let till = paying["payment"]["pay_url"].as_str().unwrap();
    expect(app.post(&format!("/{till}/approve"), &json!({})).await, StatusCode::OK).await;
    let issued = told(&app, &mei, "tickets-issued").await;
    assert_eq!(issued["title"], "电子票已出：测试");
    assert!(issued["text"].as_str().unwrap().ends_with(&format!("/orders/{paid}")), "{issued}");
    assert_eq!(issued["read_at"], Value::Null);

    // An end without money, in English.
    let ended = order(&app, &tom, &session, "1-2").await;
    expect(app.post_as(&tom, &format!("/orders/{ended}/cancel"), &json!({})).await, StatusCode::OK).await;
    assert_eq!(told(&app, &tom, "order-ended").await["title"], "Your order has ended: Test");

    // The mails are on the development page and nowhere else.
    let shown = eventually(PATIENCE, || async {
        let shown: Value = expect(app.get("//dev/outbox/messages.json").await, StatusCode::OK).await;
        if shown.as_array().unwrap().len() == 2 { Ok(shown) } else { Err(shown.to_string()) }
    })
    .await;
    let to = |address: &str| shown.as_array().unwrap().iter().filter(|mail| mail["to"] == address).count();
    assert_eq!((to("mei@example.com"), to("tom@example.com")), (1, 1));
    assert_eq!(app.get("//dev/outbox").await.status(), StatusCode::OK);

    // Told again, it is the same notice.
    let notice = ticketing::outbox::Notice::order(paid.parse().unwrap(), ticketing::outbox::Topic::TicketsIssued);
    app.app.notices.tell(notice).await.unwrap();
    assert_eq!(inbox(&app, &mei).await["counts"], json!({"unread": 1, "total": 1}));

    // Somebody else's message cannot be marked; one's own can, and the stream says so.
    let ids = json!({"ids": [issued["id"]]});
    expect(app.post_as(&tom, "/inbox/read", &ids).await, StatusCode::OK).await;
    assert_eq!(inbox(&app, &mei).await["counts"]["unread"], 1);
    let mut events = app.get_as(&mei, "/inbox/events").await;
    let mut heard = String::new();
    let unread = async |heard: &mut String, events: &mut reqwest::Response, count: u64| {
        while !heard.contains(&format!("\"unread\":{count}")) {
            heard.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, unread(&mut heard, &mut events, 1)).await.unwrap();
    let left = expect(app.post_as(&mei, "/inbox/read", &ids).await, StatusCode::OK).await;
    assert_eq!(left, json!({"unread": 0, "total": 1}));
    tokio::time::timeout(PATIENCE, unread(&mut heard, &mut events, 0)).await.unwrap();

    // Money back.
    let path = format!("/orders/{paid}/refund");
    let quote = expect(app.get_as(&mei, &path).await, StatusCode::OK).await;
    let wish = json!({"expected_amount": quote["quote"]["amount"], "reason": "I cannot come"});
    expect(app.post_as(&mei, &path, &wish).await, StatusCode::OK).await;
    assert!(told(&app, &mei, "refund-done").await["text"].as_str().unwrap().contains("CNY"));

    // What is not allowed is said.
    expect_problem(app.get_as(&mei, "/inbox?limit=0").await, Code::InvalidValue).await;
    expect_problem(app.post_as(&mei, "/inbox/read", &json!({"ids": ["\u{1}"]})).await, Code::InvalidValue).await;
    expect_problem(app.get("/inbox").await, Code::Unauthenticated).await;
}

#[tokio::test]
async fn without_leave_no_mail_is_shown_to_anybody() {
    for leave in [Some(false), None] {
        let app = TestApp::start_with(|config| {
            config.notice.development = leave;
            config.demo = false;
        })
        .await;
        expect_problem(app.get("//dev/outbox/messages.json").await, Code::NotFound).await;
    }
}

/// All that is kept of notices, as the database has it, and the store without what seals it.
async fn kept(app: &TestApp) -> (String, SqlStore) {
    const KEPT: &str = "SELECT body || ' ' || address FROM nebula_notification_job \
                        UNION ALL SELECT body FROM nebula_notification_inbox";
    let (texts, store): (Vec<String>, _) = match &app.app.database.read {
        Pool::Postgres(pool) => (sqlx::query_scalar(KEPT).fetch_all(pool).await.unwrap(), SqlStore::new(pool.clone())),
        Pool::Sqlite(_) => {
            let file = sqlx::sqlite::SqliteConnectOptions::new().filename(app.app.config.data.join("notices.db"));
            let pool = sqlx::SqlitePool::connect_with(file).await.unwrap();
            (sqlx::query_scalar(KEPT).fetch_all(&pool).await.unwrap(), SqlStore::new(pool))
        }
    };
    (texts.join("\n"), store)
}

#[tokio::test]
async fn nothing_that_is_kept_says_in_clear_who_was_told_what() {
    let app = TestApp::start().await;
    let mei = app.register("mei@example.com").await;
    let session = app.hall(10).await.to_string();
    let ended = order(&app, &mei, &session, "1-1").await;
    expect(app.post_as(&mei, &format!("/orders/{ended}/cancel"), &json!({})).await, StatusCode::OK).await;
    let text = told(&app, &mei, "order-ended").await["text"].as_str().unwrap().to_owned();
    let name: String = query("SELECT display_name FROM users WHERE id = $1")
        .bind(mei.id)
        .scalar(&app.app.database.read)
        .await
        .unwrap();
    assert_eq!(name, "", "what somebody calls themselves is sealed");
    assert_eq!(expect(app.get_as(&mei, "/me").await, StatusCode::OK).await["display_name"], "Somebody");
    let (all, open) = kept(&app).await;
    assert!(all.contains("sealed:") && all.contains("index:"), "{all}");
    for clear in ["mei@example.com", text.as_str(), "has ended", &ended] {
        assert!(!all.contains(clear), "{clear}: {all}");
    }

    // What the release before left is sealed at the next start, and read as before.
    let message = InboxMessage {
        id: "00000000-former".to_owned(),
        reference: "former".to_owned(),
        template: "order-ended".to_owned(),
        title: Some("Former title".to_owned()),
        text: "Former text".to_owned(),
        created: SystemTime::now(),
        seen: None,
        ends: None,
    };
    assert!(open.add(&mei.id.to_string(), &message).await.unwrap());
    assert!(kept(&app).await.0.contains("Former text"));
    let config = app.app.config.clone();
    let _folder = app.stop().await;
    let app = TestApp::start_on(config).await;
    assert!(!kept(&app).await.0.contains("Former"));
    let messages = inbox(&app, &mei).await["messages"].clone();
    let texts: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, [json!(text), json!("Former text")]);
}
