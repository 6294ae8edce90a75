//! What the server found slow.

use redis::aio::ConnectionLike;
use redis::{Value, from_redis_value};
use serde::Serialize;

use super::RedisShared;
use super::error::failed;
use crate::error::{Error, ErrorKind, Result};

/// An entry of the server's `SLOWLOG`, without its arguments: they are keys and values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlowCommand {
    /// The command, such as `EVALSHA`.
    pub command: String,
    /// How many arguments it had.
    pub arguments: usize,
    /// How long the server was busy with it, in microseconds.
    pub micros: u64,
    /// When, in seconds since 1970, by the server's clock.
    pub at: u64,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisShared<C> {
    /// The last commands of whatever client that the server itself found slow (its setting `slowlog-log-slower-than`), the latest
    /// first. On a cluster one node is asked.
    ///
    /// # Errors
    /// When the server does not answer, or does not allow `SLOWLOG`.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn slow_commands(&self, most: usize) -> Result<Vec<SlowCommand>> {
        let mut command = redis::cmd("SLOWLOG");
        command.arg("GET").arg(most);
        let entries: Vec<Vec<Value>> = command.query_async(&mut self.connection.clone()).await.map_err(failed)?;
        entries.into_iter().map(|entry| entry_of(entry).ok_or_else(nonsense)).collect()
    }
}

fn entry_of(entry: Vec<Value>) -> Option<SlowCommand> {
    let mut parts = entry.into_iter().skip(1);
    let at = from_redis_value(parts.next()?).ok()?;
    let micros = from_redis_value(parts.next()?).ok()?;
    let arguments: Vec<Vec<u8>> = from_redis_value(parts.next()?).ok()?;
    let (command, rest) = arguments.split_first()?;
    Some(SlowCommand { command: String::from_utf8_lossy(command).to_uppercase(), arguments: rest.len(), micros, at })
}

fn nonsense() -> Error {
    Error::new(ErrorKind::Backend, "the slow log is not what it was expected to be")
}
