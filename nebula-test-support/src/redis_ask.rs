//! One command to one server, for those who set servers up and watch them.

use std::time::Duration;

use redis::{FromRedisValue, RedisResult};
use tokio::time::timeout;

/// A frozen server must not hold up whoever asks several.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn ask<T: FromRedisValue>(url: &str, words: &[&str]) -> RedisResult<T> {
    let asked = async {
        let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// A field of a text such as `INFO` returns it.
pub(crate) async fn field(url: &str, words: &[&str], name: &str) -> Result<String, String> {
    let text: String = ask(url, words).await.map_err(|error| error.to_string())?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    value.map(str::to_owned).ok_or_else(|| format!("{words:?} has no {name}"))
}
