//! A connection that remembers what was sent over it.

use std::sync::Arc;

use nebula_cache::nebula_redis::Connection;
use parking_lot::Mutex;
use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value};

/// The words of each command, in the order in which they were sent.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    connection: Connection,
    sent: Arc<Mutex<Vec<Vec<Vec<u8>>>>>,
}

impl Counting {
    pub(crate) fn over(connection: Connection) -> Self {
        Self { connection, sent: Arc::default() }
    }

    /// What was sent since the last time.
    pub(crate) fn taken(&self) -> Vec<Vec<Vec<u8>>> {
        std::mem::take(&mut self.sent.lock())
    }

    fn note(&self, command: &Cmd) {
        let words = command.args_iter().map(|word| if let Arg::Simple(word) = word { word.to_vec() } else { vec![] });
        self.sent.lock().push(words.collect());
    }
}

impl ConnectionLike for Counting {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.note(command);
        self.connection.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        all: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        all.cmd_iter().for_each(|command| self.note(command));
        self.connection.req_packed_commands(all, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
