//! What the server found slow.

use std::any::Any;
use std::cmp::Reverse;

use futures_util::future::join_all;
use nebula_redis::Connection;
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
    /// The last commands of whatever client that the servers themselves found slow (their setting `slowlog-log-slower-than`), the
    /// latest first. On a cluster every master is asked, over a [`Connection`] or a connection of the driver that asks all
    /// nodes by itself; those that do not answer are left out while any does.
    ///
    /// # Errors
    /// When no server answers, or does not allow `SLOWLOG`.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn slow_commands(&self, most: usize) -> Result<Vec<SlowCommand>> {
        let asked = match (&self.connection as &dyn Any).downcast_ref::<Connection>() {
            Some(connection) => join_all(connection.servers().await?.into_iter().map(|server| ask(server, most))).await,
            None => vec![ask(self.connection.clone(), most).await],
        };
        let mut commands = Vec::new();
        let mut failure = None;
        let mut answered = false;
        for answer in asked {
            match answer {
                Ok(slow) => {
                    answered = true;
                    commands.extend(slow);
                }
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure.filter(|_| !answered) {
            return Err(error);
        }
        // A stable sort: each server has its latest first.
        commands.sort_by_key(|command| Reverse(command.at));
        commands.truncate(most);
        Ok(commands)
    }
}

async fn ask(mut connection: impl ConnectionLike, most: usize) -> Result<Vec<SlowCommand>> {
    let mut command = redis::cmd("SLOWLOG");
    command.arg("GET").arg(most);
    let reply: Value = command.query_async(&mut connection).await.map_err(failed)?;
    // By node, if the connection asks several.
    let nodes = match reply {
        Value::Map(nodes) => nodes.into_iter().map(|(_, entries)| entries).collect(),
        entries => vec![entries],
    };
    let mut commands = Vec::new();
    for entries in nodes {
        let entries: Vec<Vec<Value>> = from_redis_value(entries).map_err(|_| nonsense())?;
        for entry in entries {
            commands.push(entry_of(entry).ok_or_else(nonsense)?);
        }
    }
    Ok(commands)
}

fn entry_of(entry: Vec<Value>) -> Option<SlowCommand> {
    let mut parts = entry.into_iter().skip(1);
    let at = from_redis_value(parts.next()?).ok()?;
    let micros = from_redis_value(parts.next()?).ok()?;
    let arguments: Vec<Vec<u8>> = from_redis_value(parts.next()?).ok()?;
    let (command, rest) = arguments.split_first()?;
    let command = String::from_utf8_lossy(command).to_uppercase();
    Some(SlowCommand { command, arguments: rest.len() + left_out(rest), micros, at })
}

/// The server keeps at most 32 words of a command: the last of them says how many more there were.
fn left_out(arguments: &[Vec<u8>]) -> usize {
    let more = || {
        let last = str::from_utf8(arguments.last()?).ok()?;
        last.strip_prefix("... (")?.strip_suffix(" more arguments)")?.parse::<usize>().ok()
    };
    // It stands for one that was counted.
    more().filter(|_| arguments.len() == 31).map_or(0, |more| more.saturating_sub(1))
}

fn nonsense() -> Error {
    Error::new(ErrorKind::Backend, "the slow log is not what it was expected to be")
}
