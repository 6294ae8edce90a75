//! What real servers say, and how it is sorted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use nebula_redis::{Connection, ErrorKind, classify, redis};
use nebula_test_support::{RedisServer, eventually};
use support::{LONG, config, ping, text};

async fn kind(connection: &Connection, command: &[&str]) -> ErrorKind {
    let error = redis::cmd(command[0]).arg(&command[1..]).exec_async(&mut connection.clone()).await.unwrap_err();
    classify(&error)
}

#[tokio::test]
async fn refusals_of_commands() {
    let server = RedisServer::start().await;
    let connection = config(server.url()).connect().await.unwrap();
    text(&mut connection.clone(), &["SET", "text", "x"]).await.unwrap();
    assert_eq!(kind(&connection, &["LPUSH", "text", "x"]).await, ErrorKind::WrongType);
    assert_eq!(kind(&connection, &["EVALSHA", &"0".repeat(40), "0"]).await, ErrorKind::NoScript);
    assert_eq!(kind(&connection, &["INCR", "text"]).await, ErrorKind::Rejected);
    assert_eq!(kind(&connection, &["NOSUCHCOMMAND"]).await, ErrorKind::Rejected);
    // None of this is a reason to give the link up.
    ping(&mut connection.clone()).await.unwrap();
}

#[tokio::test]
async fn a_full_server() {
    let server = RedisServer::options().args(["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).start().await;
    let connection = config(server.url()).connect().await.unwrap();
    assert_eq!(kind(&connection, &["SET", "key", "value"]).await, ErrorKind::OutOfMemory);
    assert_eq!(kind(&connection, &["EVAL", "return redis.call('SET', 'a', 'b')", "0"]).await, ErrorKind::OutOfMemory);
}

#[tokio::test]
async fn a_replica() {
    let server = RedisServer::start().await;
    let connection = config(server.url()).connect().await.unwrap();
    let port = server.port().to_string();
    // A replica of itself never gets in sync; it takes no writes all the same.
    text(&mut connection.clone(), &["CONFIG", "SET", "replica-serve-stale-data", "yes"]).await.unwrap();
    text(&mut connection.clone(), &["REPLICAOF", "127.0.0.1", &port]).await.unwrap();
    assert_eq!(kind(&connection, &["SET", "key", "value"]).await, ErrorKind::ReadOnly);
    assert!(ErrorKind::ReadOnly.is_retryable() && !ErrorKind::ReadOnly.outcome_unknown());
}

#[tokio::test]
async fn an_acl() {
    let server = RedisServer::start().await;
    let admin = config(server.url()).connect().await.unwrap();
    let rules = ["ACL", "SETUSER", "guest", "on", ">pw", "~allowed:*", "+get", "+set", "+ping"];
    text(&mut admin.clone(), &rules).await.unwrap();
    let guest = config(server.url()).with_username("guest").with_password("pw").connect().await.unwrap();
    assert_eq!(kind(&guest, &["FLUSHALL"]).await, ErrorKind::PermissionDenied);
    assert_eq!(kind(&guest, &["GET", "forbidden"]).await, ErrorKind::PermissionDenied);
    text(&mut guest.clone(), &["SET", "allowed:x", "1"]).await.unwrap();
}

#[tokio::test]
async fn an_acl_without_ping_connects_all_the_same() {
    let server = RedisServer::start().await;
    let admin = config(server.url()).connect().await.unwrap();
    text(&mut admin.clone(), &["ACL", "SETUSER", "guest", "on", ">pw", "~*", "+set"]).await.unwrap();
    let mut guest = config(server.url()).with_username("guest").with_password("pw").connect().await.unwrap();
    text(&mut guest, &["SET", "x", "1"]).await.unwrap();
}

#[tokio::test]
async fn a_server_with_too_many_clients() {
    let server = RedisServer::options().args(["--maxclients", "1"]).start().await;
    let first = eventually(LONG, || async { config(server.url()).connect().await }).await;
    let error = config(server.url()).connect().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable), "{error}");
    drop(first);
}

#[tokio::test]
async fn a_busy_script() {
    let server = RedisServer::options().args(["--busy-reply-threshold", "50"]).start().await;
    let connection = config(server.url()).connect().await.unwrap();
    let endless = config(server.url()).with_response_timeout(LONG).connect().await.unwrap();
    let endless = tokio::spawn(async move {
        redis::cmd("EVAL").arg("while true do end").arg(0).exec_async(&mut endless.clone()).await
    });
    let busy = eventually(LONG, || async {
        let error = redis::cmd("GET").arg("x").exec_async(&mut connection.clone()).await.err()?;
        (error.code() == Some("BUSY")).then_some(error)
    })
    .await;
    assert_eq!(classify(&busy), ErrorKind::Unavailable);
    text(&mut connection.clone(), &["SCRIPT", "KILL"]).await.unwrap();
    assert!(endless.await.unwrap().is_err());
}

#[tokio::test]
async fn a_database_that_does_not_exist() {
    let server = RedisServer::start().await;
    let error = config(server.url()).with_database(9999).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
}
