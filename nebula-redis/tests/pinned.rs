//! Connections to one server process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use nebula_redis::{ErrorKind, PinnedManager, classify};
use nebula_test_support::{RedisServer, ReservedPort, TcpProxy, eventually};
use support::{LONG, config, incr, ping, quiet, text};

async fn next_run_id(manager: &PinnedManager, old: &str) -> nebula_redis::PinnedConnection {
    eventually(LONG, || async {
        let connection = manager.get().await.map_err(|error| error.to_string())?;
        if connection.run_id() == old { Err("still the old process".to_owned()) } else { Ok(connection) }
    })
    .await
}

#[tokio::test]
async fn it_knows_the_process_that_executes_its_commands() {
    let server = RedisServer::start().await;
    let mut connection = config(server.url()).connect_pinned().await.unwrap();
    let info = text(&mut connection, &["INFO", "server"]).await.unwrap();
    assert_eq!(connection.run_id().len(), 40);
    assert!(info.contains(&format!("run_id:{}", connection.run_id())), "{info}");
}

#[tokio::test]
async fn after_a_restart_the_old_one_stays_broken_and_the_new_one_knows_the_new_process() {
    let mut server = RedisServer::options().append_only().start().await;
    let manager = quiet(server.url()).pinned_manager().unwrap();
    let mut old = manager.get().await.unwrap();
    incr(&mut old, "key").await.unwrap();

    server.restart().await;

    // The same data, and yet another process: this is what the run id is for.
    let error = incr(&mut old, "key").await.unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Disconnected, "{error}");
    assert!(old.is_broken());
    let mut new = next_run_id(&manager, old.run_id()).await;
    assert_eq!(incr(&mut new, "key").await.unwrap(), 2);

    let error = incr(&mut old, "key").await.unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Unavailable, "not even sent: {error}");
    assert_eq!(incr(&mut new, "key").await.unwrap(), 3);
}

#[tokio::test]
async fn callers_share_one_connection() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let manager = config(server.url_via(proxy.port())).pinned_manager().unwrap();
    let got = futures_util::future::join_all((0..50).map(|_| manager.get())).await;
    assert!(got.iter().all(Result::is_ok));
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn one_attempt_at_a_time_while_many_wait() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    proxy.stall();
    let manager = config(server.url_via(proxy.port())).with_connect_timeout(LONG).pinned_manager().unwrap();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let manager = manager.clone();
            tokio::spawn(async move { manager.get().await })
        })
        .collect();
    eventually(LONG, || async { proxy.open_connections() == 1 }).await;
    proxy.heal().await;
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn without_a_server_the_deadline_holds() {
    let port = ReservedPort::pick().unwrap();
    let config =
        config(format!("redis://127.0.0.1:{}/", port.number())).with_connect_timeout(Duration::from_millis(200));
    let manager = config.pinned_manager().unwrap();
    let error = tokio::time::timeout(LONG, manager.get()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = config.connect_pinned().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    let server = RedisServer::options().password("secret").start().await;
    let config = config(server.url()).with_password("wrong").with_connect_timeout(LONG);
    let error = config.pinned_manager().unwrap().get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
}

#[tokio::test]
async fn a_half_open_link_is_found_broken_without_anybody_using_it() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = config(server.url_via(proxy.port())).with_response_timeout(Duration::from_millis(300));
    let manager = config.pinned_manager().unwrap();
    let old = manager.get().await.unwrap();
    proxy.stall();
    tokio::time::timeout(LONG, old.broken()).await.unwrap();
    proxy.heal().await;
    let mut new = eventually(LONG, || async { manager.get().await.map_err(|error| error.to_string()) }).await;
    ping(&mut new).await.unwrap();
    assert!(old.is_broken());
    assert_eq!(new.run_id(), old.run_id(), "another link to the same process");
}
