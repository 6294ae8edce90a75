#![allow(dead_code, reason = "each test binary uses its part")]

use std::time::Duration;

use nebula_redis::redis::aio::ConnectionLike;
use nebula_redis::{RedisConfig, redis};

/// Far beyond what anything takes; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Settings with which faults are noticed soon, and healthy servers on a busy machine are not taken for dead.
pub(crate) fn config(url: impl Into<String>) -> RedisConfig {
    RedisConfig::new(url)
        .with_connect_timeout(Duration::from_secs(5))
        .with_response_timeout(Duration::from_secs(1))
        .with_reconnect(Duration::from_millis(5), Duration::from_millis(50))
        .with_keep_alive(Duration::from_millis(100))
}

/// A keep-alive that does not interfere.
pub(crate) fn quiet(url: impl Into<String>) -> RedisConfig {
    config(url).with_keep_alive(Duration::from_secs(3600))
}

pub(crate) async fn ping(connection: &mut (impl ConnectionLike + Send)) -> redis::RedisResult<()> {
    redis::cmd("PING").exec_async(connection).await
}

pub(crate) async fn incr(connection: &mut (impl ConnectionLike + Send), key: &str) -> redis::RedisResult<i64> {
    redis::cmd("INCR").arg(key).query_async(connection).await
}

pub(crate) async fn text(
    connection: &mut (impl ConnectionLike + Send),
    command: &[&str],
) -> redis::RedisResult<String> {
    redis::cmd(command[0]).arg(&command[1..]).query_async(connection).await
}

/// One command to one server, past everything that is tested.
pub(crate) async fn tell<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> redis::RedisResult<T> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
}

/// Settings with which faults are noticed soon.
pub(crate) fn nervous(config: RedisConfig) -> RedisConfig {
    config
        .with_response_timeout(Duration::from_secs(1))
        .with_reconnect(Duration::from_millis(5), Duration::from_millis(50))
        .with_keep_alive(Duration::from_millis(100))
}
