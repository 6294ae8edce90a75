//! One link to one server process, and the task that keeps such a link up.

mod backoff;
mod dialer;
mod keeper;
mod target;

pub(crate) use backoff::Backoff;
pub(crate) use dialer::Dialer;
pub(crate) use keeper::Keeper;
use target::Place;
pub(crate) use target::Target;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio_util::sync::CancellationToken;

use crate::client::Address;

/// A multiplexed connection that notices when it is broken and stays broken.
#[derive(Clone)]
pub(crate) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    connection: MultiplexedConnection,
    run_id: Option<Arc<str>>,
    place: Place,
    /// Replies received so far. A command that times out while others were answered is slow; one that times out in
    /// complete silence sits on a half-open link, which the driver alone would keep for as long as TCP takes to give up.
    replies: AtomicU64,
    /// Every command looks at this.
    down: AtomicBool,
    broken: CancellationToken,
}

impl Link {
    fn new(connection: MultiplexedConnection, run_id: Option<Arc<str>>, place: Place) -> Self {
        let (replies, down, broken) = (AtomicU64::new(0), AtomicBool::new(false), CancellationToken::new());
        let inner = Inner { connection, run_id, place, replies, down, broken };
        Self { inner: Arc::new(inner) }
    }

    /// Where it leads, where that was found out.
    pub(crate) fn address(&self) -> Option<&Address> {
        self.inner.place.address.as_ref()
    }

    /// Nobody shall use it any more.
    fn give_up(&self) {
        self.inner.down.store(true, Ordering::Release);
        self.inner.broken.cancel();
    }

    pub(crate) fn run_id(&self) -> Option<&Arc<str>> {
        self.inner.run_id.as_ref()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.inner.down.load(Ordering::Acquire)
    }

    /// Resolves when the link is broken.
    pub(crate) async fn broken(&self) {
        self.inner.broken.cancelled().await;
    }

    pub(crate) fn replies(&self) -> u64 {
        self.inner.replies.load(Ordering::Relaxed)
    }

    pub(crate) fn db(&self) -> i64 {
        self.inner.connection.get_db()
    }

    pub(crate) async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        let before = self.begin()?;
        let result = self.inner.connection.clone().send_packed_command(command).await;
        if let Ok(value) = &result {
            self.look_for_demotion(std::slice::from_ref(value));
        }
        self.end(before, result)
    }

    pub(crate) async fn pipeline(&self, commands: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let before = self.begin()?;
        let result = self.inner.connection.clone().send_packed_commands(commands, offset, count).await;
        if let Ok(values) = &result {
            self.look_for_demotion(values);
        }
        self.end(before, result)
    }

    /// A server that was master and takes no writes any more was replaced.
    fn look_for_demotion(&self, replies: &[Value]) {
        let refused = |reply: &Value| matches!(reply, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::ReadOnly));
        if self.inner.place.master && replies.iter().any(refused) {
            self.give_up();
        }
    }

    fn begin(&self) -> RedisResult<u64> {
        if self.is_broken() { Err(not_sent("the link to redis is broken", None)) } else { Ok(self.replies()) }
    }

    fn end<T>(&self, before: u64, result: RedisResult<T>) -> RedisResult<T> {
        match &result {
            Err(error) if error.is_timeout() => {
                if self.replies() == before {
                    self.give_up();
                }
            }
            Err(error) if error.is_unrecoverable_error() => self.give_up(),
            _ => {
                self.inner.replies.fetch_add(1, Ordering::Relaxed);
            }
        }
        result
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("run_id", &self.inner.run_id).field("broken", &self.is_broken()).finish()
    }
}

/// The error of a command that was certainly not sent; sorted as [`ErrorKind::Unavailable`](crate::ErrorKind).
pub(crate) fn not_sent(why: &'static str, source: Option<RedisError>) -> RedisError {
    #[derive(Debug)]
    struct NotSent(&'static str, Option<RedisError>);

    impl std::fmt::Display for NotSent {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match &self.1 {
                Some(source) => write!(f, "{}: {source}", self.0),
                None => f.write_str(self.0),
            }
        }
    }

    impl std::error::Error for NotSent {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_ref().map(|source| source as _)
        }
    }

    io::Error::new(io::ErrorKind::NotConnected, NotSent(why, source)).into()
}
