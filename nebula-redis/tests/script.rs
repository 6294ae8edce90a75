//! Lua scripts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::LazyLock;

use nebula_redis::{ErrorKind, Script, redis};
use nebula_test_support::{RedisServer, redis_url, unique};
use support::config;

static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new("add", "redis.call('INCRBY', KEYS[1], ARGV[1]) return redis.call('INCRBY', KEYS[2], ARGV[2])")
});

#[tokio::test]
async fn keys_and_arguments_arrive_in_order() {
    let mut connection = config(redis_url().await).connect().await.unwrap();
    let script = Script::new("echo", "return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]}");
    let (a, b) = (unique("a"), unique("b"));
    let echo: Vec<String> = script.key(&a).arg("x").key(&b).arg(&["y", "z"]).invoke(&mut connection).await.unwrap();
    assert_eq!(echo, [a.as_str(), b.as_str(), "x", "y", "z"]);
    let again: Vec<String> =
        script.run(&[a.as_bytes(), b.as_bytes()], &[b"x", b"y", b"z"], &mut connection).await.unwrap();
    assert_eq!(again, echo);
    let none: Option<i64> = Script::new("nil", "return nil").call().invoke(&mut connection).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn a_flushed_script_is_sent_again() {
    let server = RedisServer::start().await;
    let mut connection = config(server.url()).connect().await.unwrap();
    for round in 1..=3_i64 {
        let value: i64 = ADD.key("a").key("b").arg(1).arg(2).invoke(&mut connection).await.unwrap();
        assert_eq!(value, 2 * round);
        let known: Vec<bool> =
            redis::cmd("SCRIPT").arg("EXISTS").arg(ADD.hash()).query_async(&mut connection).await.unwrap();
        assert_eq!(known, [true], "the next call goes by hash");
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
    }
    let value: i64 = ADD.run(&[b"a", b"b"], &[b"1", b"2"], &mut connection).await.unwrap();
    assert_eq!(value, 8);
}

#[tokio::test]
async fn flushes_in_the_middle_of_many_calls_lose_and_repeat_nothing() {
    let server = RedisServer::start().await;
    let connection = config(server.url()).connect().await.unwrap();
    let calls = (0..400).map(|_| {
        let mut connection = connection.clone();
        async move { ADD.key("a").key("b").arg(1).arg(1).invoke::<i64>(&mut connection).await.map(drop) }
    });
    let flushes =
        (0..100).map(|_| {
            let mut connection = connection.clone();
            async move {
                redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.map_err(nebula_redis::Error::from)
            }
        });
    let (calls, flushes) =
        tokio::join!(futures_util::future::try_join_all(calls), futures_util::future::try_join_all(flushes));
    calls.unwrap();
    flushes.unwrap();
    let sum: i64 = redis::cmd("GET").arg("a").query_async(&mut connection.clone()).await.unwrap();
    assert_eq!(sum, 400);
}

#[tokio::test]
async fn a_failing_script_is_named_and_its_error_sorted() {
    let mut connection = config(redis_url().await).connect().await.unwrap();
    let key = unique("list");
    redis::cmd("LPUSH").arg(&key).arg(1).exec_async(&mut connection).await.unwrap();
    let script = Script::new("seat.hold", "return redis.call('INCR', KEYS[1])");
    let error = script.key(&key).invoke::<i64>(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
    assert!(error.to_string().contains("seat.hold"), "{error}");

    let script = Script::new("broken", "this is not Lua");
    let error = script.call().invoke::<i64>(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");

    let script = Script::new("text", "return 'text'");
    let error = script.call().invoke::<i64>(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[test]
fn debug_output_shows_neither_keys_nor_arguments() {
    let call = format!("{:?}", ADD.key("secret-key").arg("secret-argument"));
    assert!(!call.contains("secret") && call.contains("add"), "{call}");
}
