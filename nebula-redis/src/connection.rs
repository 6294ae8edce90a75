use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use crate::link::Keeper;

/// A connection that repairs itself; clones share one link.
///
/// - A command that is issued while the link is down waits for the next link at most for the response timeout and then
///   fails as [`Unavailable`](crate::ErrorKind::Unavailable): it was not sent.
/// - A command that was under way when the link broke fails as [`Disconnected`](crate::ErrorKind::Disconnected) and is
///   not repeated: whether it was executed is unknown, and only the caller knows whether it may be repeated.
/// - A command without a reply within the response timeout fails as [`Timeout`](crate::ErrorKind::Timeout). If nothing at
///   all was received on the link meanwhile, the link counts as broken and is replaced.
/// - Dropping the future of a command does not call the command back.
#[derive(Debug, Clone)]
pub struct Connection {
    keeper: Arc<Keeper>,
    patience: Duration,
}

impl Connection {
    pub(crate) fn new(keeper: Arc<Keeper>, patience: Duration) -> Self {
        Self { keeper, patience }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        // Two futures, so that the common one stays small: it is allocated for every command.
        match self.keeper.present() {
            Some(link) => async move { link.command(command).await }.boxed(),
            None => async move { self.keeper.link(self.patience).await?.command(command).await }.boxed(),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self.keeper.present() {
            Some(link) => async move { link.pipeline(commands, offset, count).await }.boxed(),
            None => {
                async move { self.keeper.link(self.patience).await?.pipeline(commands, offset, count).await }.boxed()
            }
        }
    }

    fn get_db(&self) -> i64 {
        self.keeper.db()
    }
}
