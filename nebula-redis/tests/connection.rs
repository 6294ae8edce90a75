//! The connection that repairs itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use nebula_redis::{ErrorKind, RedisConfig, classify, redis};
use nebula_test_support::{RedisServer, ReservedPort, TcpProxy, eventually};
use support::{LONG, config, incr, ping, quiet};

#[tokio::test]
async fn a_dead_server_is_unavailable_at_once() {
    let port = ReservedPort::pick().unwrap();
    let error = config(format!("redis://127.0.0.1:{}/", port.number())).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable() && !error.outcome_unknown());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_within_the_connect_timeout() {
    let server = RedisServer::start().await;
    server.stop();
    let config = config(server.url()).with_connect_timeout(Duration::from_millis(200));
    let error = tokio::time::timeout(LONG, config.connect()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_black_hole_is_unavailable_within_the_connect_timeout() {
    let proxy = TcpProxy::to_port(RedisServer::start().await.port()).await;
    proxy.black_hole();
    let config = config(format!("redis://{}/", proxy.address())).with_connect_timeout(Duration::from_millis(200));
    let error = tokio::time::timeout(LONG, config.connect()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_wrong_and_a_missing_password_fail_typed_and_keep_the_secret() {
    let server = RedisServer::options().password("secret").start().await;
    let url = format!("redis://127.0.0.1:{}/", server.port());
    for config in [RedisConfig::new(url.clone()), RedisConfig::new(url.clone()).with_password("open-sesame")] {
        let error = config.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
        assert!(!error.is_retryable());
        assert!(!format!("{error} {error:?} {config:?}").contains("open-sesame"));
    }
    let mut connection = RedisConfig::new(url).with_password("secret").connect().await.unwrap();
    ping(&mut connection).await.unwrap();
}

#[tokio::test]
async fn the_database_is_selected() {
    let server = RedisServer::start().await;
    let mut five = config(server.url()).with_database(5).connect().await.unwrap();
    incr(&mut five, "key").await.unwrap();
    let info: String = redis::cmd("INFO").arg("keyspace").query_async(&mut five).await.unwrap();
    assert!(info.contains("db5:keys=1"), "{info}");
    assert_eq!(redis::aio::ConnectionLike::get_db(&five), 5);
}

#[tokio::test]
async fn it_comes_back_after_the_server_was_killed_and_restarted() {
    let mut server = RedisServer::options().append_only().start().await;
    let connection = quiet(server.url()).connect().await.unwrap();
    assert_eq!(incr(&mut connection.clone(), "key").await.unwrap(), 1);

    server.kill();
    let error = incr(&mut connection.clone(), "key").await.unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Disconnected, "{error}");
    let error = incr(&mut connection.clone(), "key").await.unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Unavailable, "{error}");

    server.restart().await;
    // Commands that are certain not to have been sent may be repeated: the count is exact.
    let value = eventually(LONG, || {
        let mut connection = connection.clone();
        async move { incr(&mut connection, "key").await }
    })
    .await;
    assert_eq!(value, 2);
}

#[tokio::test]
async fn a_command_waits_for_a_link_that_comes_back_in_time() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = quiet(server.url_via(proxy.port())).with_response_timeout(LONG);
    let mut connection = config.connect().await.unwrap();
    proxy.cut().await;
    ping(&mut connection).await.unwrap_err();
    let waiting = tokio::spawn(async move { ping(&mut connection).await });
    tokio::task::yield_now().await;
    proxy.heal().await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lazy_connection_waits_for_its_server() {
    let mut server = RedisServer::start().await;
    server.kill();
    let mut connection = quiet(server.url()).with_response_timeout(LONG).connect_lazy().unwrap();
    let waiting = tokio::spawn(async move { ping(&mut connection).await });
    server.restart().await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_black_holed_link_ends_in_a_timeout_and_is_replaced() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = quiet(server.url_via(proxy.port())).with_response_timeout(Duration::from_millis(300));
    let connection = config.connect().await.unwrap();

    // Held rather than swallowed: nothing but our own deadline can end this link.
    proxy.stall();
    let error = tokio::time::timeout(LONG, incr(&mut connection.clone(), "key")).await.unwrap().unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Timeout, "{error}");
    // The link is given up, so this one is not even sent.
    let error = tokio::time::timeout(LONG, incr(&mut connection.clone(), "key")).await.unwrap().unwrap_err();
    assert_eq!(classify(&error), ErrorKind::Unavailable, "{error}");

    proxy.heal().await;
    eventually(LONG, || {
        let mut connection = connection.clone();
        async move { ping(&mut connection).await }
    })
    .await;
    assert!(proxy.connections() >= 2);
    // "Unknown" was the truth: the held command arrived after all. The other one never existed.
    let mut direct = quiet(server.url()).connect().await.unwrap();
    eventually(LONG, || {
        let mut direct = direct.clone();
        async move { redis::cmd("GET").arg("key").query_async::<Option<i64>>(&mut direct).await.unwrap() == Some(1) }
    })
    .await;
    assert_eq!(incr(&mut direct, "key").await.unwrap(), 2);
}

#[tokio::test]
async fn lost_replies_end_in_a_timeout_although_the_command_was_executed() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = quiet(server.url_via(proxy.port())).with_response_timeout(Duration::from_millis(300));
    let mut connection = config.connect().await.unwrap();
    proxy.black_hole_replies();
    let error = incr(&mut connection, "key").await.unwrap_err();
    assert!(classify(&error).outcome_unknown(), "{error}");
    let mut direct = quiet(server.url()).connect().await.unwrap();
    assert_eq!(incr(&mut direct, "key").await.unwrap(), 2);
}

#[tokio::test]
async fn an_idle_link_that_died_is_replaced_before_anybody_needs_it() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let mut connection = config(server.url_via(proxy.port())).connect().await.unwrap();
    let before = proxy.connections();
    proxy.reset_connections().await;
    eventually(LONG, || async { proxy.connections() > before && proxy.open_connections() == 1 }).await;
    eventually(LONG, || {
        let mut connection = connection.clone();
        async move { ping(&mut connection).await }
    })
    .await;
    ping(&mut connection).await.unwrap();
}

#[tokio::test]
async fn an_idle_half_open_link_is_found_by_the_keep_alive() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = config(server.url_via(proxy.port())).with_response_timeout(Duration::from_millis(300));
    let _connection = config.connect().await.unwrap();
    let before = proxy.connections();
    proxy.stall();
    eventually(LONG, || async { proxy.connections() > before }).await;
}

#[tokio::test]
async fn clones_share_one_link_and_the_last_one_closes_it() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let connection = config(server.url_via(proxy.port())).connect().await.unwrap();
    let calls = (0..200).map(|_| {
        let mut connection = connection.clone();
        async move { incr(&mut connection, "key").await.unwrap() }
    });
    let mut values = futures_util::future::join_all(calls).await;
    values.sort_unstable();
    assert_eq!(values, (1..=200).collect::<Vec<_>>());
    assert_eq!(proxy.connections(), 1);
    drop(connection);
    eventually(LONG, || async { proxy.open_connections() == 0 }).await;
    assert_eq!(proxy.connections(), 1, "nobody redials for nobody");
}

#[tokio::test]
async fn a_pipeline_works_over_it() {
    let server = RedisServer::start().await;
    let mut connection = config(server.url()).connect().await.unwrap();
    let (a, b): (i64, i64) =
        redis::pipe().atomic().cmd("INCR").arg("k").cmd("INCR").arg("k").query_async(&mut connection).await.unwrap();
    assert_eq!((a, b), (1, 2));
}

#[tokio::test]
async fn a_server_that_accepts_and_hangs_up_is_not_hammered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    let config = RedisConfig::new(url)
        .with_reconnect(Duration::from_millis(100), Duration::from_secs(1))
        .with_response_timeout(LONG);
    let _connection = config.connect_lazy().unwrap();
    let started = Instant::now();
    // Pauses of at least 50 + 100 + 200 ms lie between four attempts; a lower bound, so a slow machine cannot break it.
    for _ in 0..4 {
        drop(listener.accept().await.unwrap());
    }
    assert!(started.elapsed() >= Duration::from_millis(350), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_dropped_command_leaves_the_link_in_order() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let connection = quiet(server.url_via(proxy.port())).connect().await.unwrap();
    proxy.delay(Duration::from_millis(20));
    for _ in 0..10 {
        let mut dropped = connection.clone();
        let call = async move { incr(&mut dropped, "dropped").await };
        assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    }
    assert_eq!(incr(&mut connection.clone(), "kept").await.unwrap(), 1, "replies belong to their commands");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn outside_a_runtime_there_is_an_error_and_no_panic() {
    let config = RedisConfig::default();
    assert_eq!(config.connect_lazy().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(config.pinned_manager().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(config.subscriber().unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
