use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::link::{Keeper, Link};

/// A connection to one server **process**. It never reconnects: once broken it stays broken.
///
/// A self-repairing connection hides that the server behind it was replaced: by one that restarted empty, or from an
/// older append-only file, or by a promoted replica. Where state in Redis must be of one piece (a ledger that was
/// loaded and is then changed step by step), that is not good enough. A command that succeeded over this connection was
/// executed by the process whose [`run_id`](Self::run_id) is stated here: Redis draws a new one at each start, it was
/// asked over this very TCP connection, and a TCP connection does not survive its process. Compare it with the run id
/// under which the state was loaded; if they differ, load the state again.
///
/// This holds for a direct connection. A proxy that spreads commands over several servers breaks the promise.
#[derive(Debug, Clone)]
pub struct PinnedConnection {
    link: Link,
    run_id: Arc<str>,
}

impl PinnedConnection {
    pub(crate) fn new(link: Link) -> Result<Self> {
        match link.run_id().cloned() {
            Some(run_id) => Ok(Self { link, run_id }),
            None => Err(Error::new(ErrorKind::Protocol, "the link does not know its server process")),
        }
    }

    /// The server process: 40 hexadecimal digits that Redis draws at each start.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Whether the connection was found broken. It can be broken without this being known yet.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    /// Resolves when the connection was found broken, at the latest by the keep-alive `PING` when a
    /// [`PinnedManager`] opened it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn broken(&self) {
        self.link.broken().await;
    }
}

impl ConnectionLike for PinnedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.link.command(command).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.link.pipeline(commands, offset, count).boxed()
    }

    fn get_db(&self) -> i64 {
        self.link.db()
    }
}

/// Hands out the present [`PinnedConnection`] and opens the next one when it broke.
///
/// Clones share the connection; however many callers wait, one attempt at a time is made, with back-off.
#[derive(Debug, Clone)]
pub struct PinnedManager {
    keeper: Arc<Keeper>,
    patience: Duration,
}

impl PinnedManager {
    pub(crate) fn new(keeper: Arc<Keeper>, patience: Duration) -> Self {
        Self { keeper, patience }
    }

    /// The present connection, or the next one.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when none is up within the connect timeout;
    /// [`AuthFailed`](crate::ErrorKind::AuthFailed) and the like at once.
    ///
    /// # Cancel safety
    /// Cancel safe: the attempt goes on in the background.
    pub async fn get(&self) -> Result<PinnedConnection> {
        let link = self.keeper.link(self.patience).await;
        PinnedConnection::new(link.map_err(|error| Error::from_redis(error, "cannot connect to redis"))?)
    }
}
