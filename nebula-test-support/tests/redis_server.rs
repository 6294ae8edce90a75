//! The real `redis-server`: killed, frozen, restarted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nebula_test_support::{RedisServer, StartError, eventually};
use redis::aio::MultiplexedConnection;

const LONG: Duration = Duration::from_secs(30);

async fn connect(server: &RedisServer) -> redis::RedisResult<MultiplexedConnection> {
    redis::Client::open(server.url())?.get_multiplexed_async_connection().await
}

async fn get(server: &RedisServer) -> Option<String> {
    let mut connection = connect(server).await.unwrap();
    redis::cmd("GET").arg("key").query_async(&mut connection).await.unwrap()
}

async fn set(server: &RedisServer) {
    let mut connection = connect(server).await.unwrap();
    redis::cmd("SET").arg("key").arg("value").exec_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn an_append_only_server_keeps_its_data_over_sigkill() {
    let mut server = RedisServer::options().append_only().start().await;
    let (port, pid) = (server.port(), server.pid());
    set(&server).await;

    server.kill();
    assert!(!server.is_running());
    assert!(connect(&server).await.unwrap_err().is_connection_refusal());

    server.restart().await;
    assert_eq!(get(&server).await.as_deref(), Some("value"));
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
}

#[tokio::test]
async fn an_append_only_server_can_restart_empty() {
    let mut server = RedisServer::options().append_only().start().await;
    set(&server).await;
    server.restart_empty().await;
    assert_eq!(get(&server).await, None);
}

#[tokio::test]
async fn without_persistence_a_restart_loses_everything() {
    let mut server = RedisServer::start().await;
    set(&server).await;
    server.restart().await;
    assert_eq!(get(&server).await, None);
}

#[tokio::test]
async fn a_frozen_server_holds_its_connections_and_goes_on_later() {
    let server = RedisServer::start().await;
    let mut connection = connect(&server).await.unwrap();
    connection.set_response_timeout(Duration::from_millis(200));
    server.stop();
    let error = redis::cmd("PING").exec_async(&mut connection).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(server.is_running());
    server.cont();
    eventually(LONG, || {
        let mut connection = connection.clone();
        async move { redis::cmd("PING").exec_async(&mut connection).await }
    })
    .await;
}

#[tokio::test]
async fn a_password_is_demanded() {
    let server = RedisServer::options().password("secret").start().await;
    set(&server).await;
    let url = format!("redis://127.0.0.1:{}/", server.port());
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let error = redis::cmd("GET").arg("key").exec_async(&mut connection).await.unwrap_err();
    assert_eq!(error.code(), Some("NOAUTH"));
}

#[tokio::test]
async fn extra_arguments_and_a_fixed_port_are_used() {
    let port = nebula_test_support::ReservedPort::pick().unwrap().number();
    let server = RedisServer::options().port(port).args(["--maxmemory", "123mb"]).start().await;
    assert_eq!(server.port(), port);
    let mut connection = connect(&server).await.unwrap();
    let answer: (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory").query_async(&mut connection).await.unwrap();
    assert_eq!(answer.1, (123 * 1024 * 1024).to_string());
}

#[tokio::test]
async fn a_taken_port_is_an_error_and_not_a_strangers_server() {
    let server = RedisServer::start().await;
    let error = RedisServer::options().port(server.port()).try_start().await.unwrap_err();
    assert!(matches!(error, StartError::Os { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_argument_is_shown_with_the_log() {
    let error = RedisServer::options().args(["--no-such-option", "1"]).try_start().await.unwrap_err();
    assert!(error.to_string().contains("no-such-option"), "{error}");
}
