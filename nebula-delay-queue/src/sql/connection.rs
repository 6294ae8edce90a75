//! A connection that only goes back to the pool if all went well.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;

use super::SqlDatabase;
use crate::Result;

/// A connection for one operation.
///
/// The pool takes an abandoned connection back by asking it for a sign of life, without a deadline: on a network that
/// swallows answers, the pool would soon have none left. So whatever is not [`done`](Self::done) is closed instead.
pub(super) struct Connection<DB: SqlDatabase> {
    inner: PoolConnection<DB>,
    done: bool,
}

impl<DB: SqlDatabase> Connection<DB> {
    pub(super) fn new(inner: PoolConnection<DB>) -> Self {
        Self { inner, done: false }
    }

    /// Ends the operation with its result.
    pub(super) fn done<R>(mut self, result: R) -> Result<R> {
        self.done = true;
        Ok(result)
    }
}

impl<DB: SqlDatabase> Drop for Connection<DB> {
    fn drop(&mut self) {
        // A local connection always answers, and may be all there is of a database in memory.
        if DB::REMOTE && !self.done {
            self.inner.close_on_drop();
        }
    }
}

impl<DB: SqlDatabase> Deref for Connection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.inner
    }
}

impl<DB: SqlDatabase> DerefMut for Connection<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.inner
    }
}
