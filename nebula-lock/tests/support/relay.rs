//! A connection that counts what it sends, can hold it back, and can lose replies.

use std::io;
use std::sync::Arc;

use futures_util::FutureExt;
use nebula_lock::nebula_redis::Connection;
use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub(crate) struct Relay {
    inner: Connection,
    state: Arc<State>,
}

struct State {
    /// How many keys each script call had.
    calls: Mutex<Vec<usize>>,
    gate: Semaphore,
    losing: Mutex<bool>,
}

impl Relay {
    pub(crate) fn new(inner: Connection) -> Self {
        let state =
            State { calls: Mutex::default(), gate: Semaphore::new(Semaphore::MAX_PERMITS), losing: Mutex::new(false) };
        Self { inner, state: Arc::new(state) }
    }

    /// The numbers of keys of the script calls since this was asked last, those held back included.
    pub(crate) fn calls(&self) -> Vec<usize> {
        std::mem::take(&mut *self.state.calls.lock())
    }

    pub(crate) fn called(&self) -> usize {
        self.state.calls.lock().len()
    }

    /// Holds back what is sent from now on.
    pub(crate) fn close(&self) {
        self.state.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.state.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    /// From now on commands are carried out and their replies lost; or no longer.
    pub(crate) fn loses_replies(&self, losing: bool) {
        *self.state.losing.lock() = losing;
    }
}

impl ConnectionLike for Relay {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let words: Vec<&[u8]> = command
            .args_iter()
            .filter_map(|word| if let Arg::Simple(word) = word { Some(word) } else { None })
            .collect();
        // A script that the server does not know yet is sent again.
        if words[0] == b"EVALSHA" {
            let keys = std::str::from_utf8(words[2]).unwrap().parse().unwrap();
            self.state.calls.lock().push(keys);
        }
        async move {
            drop(self.state.gate.acquire().await.unwrap());
            let reply = self.inner.req_packed_command(command).await;
            let known = !reply.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"));
            if known && *self.state.losing.lock() {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
            }
            reply
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.inner.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.inner.get_db()
    }
}
