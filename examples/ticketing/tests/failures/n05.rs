//! Nobody tells buyers anything: the mail server is away, or no process sends notices.

use std::time::Duration;

use nebula_notification::NotificationConfig;
use nebula_test_support::{SmtpServer, TcpProxy, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};
use ticketing::config::Config;

use crate::{
    common::{Account, TestApp, expect},
    sale::{PATIENCE, becomes, pay, placed, rests},
};

/// Mails go through this port, and are tried again soon.
fn mail_through(config: &mut Config, port: u16) {
    let section = json!({"email": {"host": "127.0.0.1", "port": port, "from": "shop@example.com", "security": "none"}});
    config.notification = serde_json::from_value::<NotificationConfig>(section).unwrap();
    config.notice.retry = Duration::from_millis(250);
    config.sales.sweep_interval = Duration::from_secs(1);
}

async fn topics(app: &TestApp, buyer: &Account) -> Vec<String> {
    let inbox: Value = expect(app.get_as(buyer, "/inbox").await, StatusCode::OK).await;
    let messages = inbox["messages"].as_array().unwrap();
    messages.iter().map(|message| message["topic"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn n5_without_notices_orders_are_paid_and_what_waited_is_told_afterwards() {
    let server = SmtpServer::options().without_tls().start().await;
    let mails = TcpProxy::to_port(server.port()).await;
    mails.cut().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
    mail_through(&mut config, mails.port());

    // The mail server is away: the order is paid and has its ticket, the inbox says so, and the mail waits.
    let app = TestApp::start_on(config.clone()).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let first = placed(&app, &buyer, session, "1-1").await;
    pay(&app, &buyer, &first).await;
    becomes(&app, &buyer, &first, &["ISSUED"]).await;
    eventually(PATIENCE, || async { topics(&app, &buyer).await == ["tickets-issued"] }).await;
    assert!(server.received().is_empty());
    app.stop().await;

    // Nobody sends notices at all: orders go on, and nothing is told.
    config.notice.workers = false;
    let app = TestApp::start_on(config.clone()).await;
    let second = placed(&app, &buyer, session, "1-2").await;
    pay(&app, &buyer, &second).await;
    becomes(&app, &buyer, &second, &["ISSUED"]).await;
    rests(&app, session, 0, 2).await;
    assert_eq!(topics(&app, &buyer).await.len(), 1);
    app.stop().await;

    // Both are back: what waited is told, each of it once.
    mails.heal().await;
    config.notice.workers = true;
    let app = TestApp::start_on(config).await;
    eventually(PATIENCE, || async { topics(&app, &buyer).await.len() == 2 }).await;
    eventually(PATIENCE, || async {
        let mails = server.received();
        if mails.len() == 2 { Ok(()) } else { Err(format!("{mails:?}")) }
    })
    .await;
    assert!(server.received().iter().all(|mail| mail.to == ["mei@example.com"]));
}
