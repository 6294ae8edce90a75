//! A connection that only goes back to the pool if all went well.

use std::ops::{Deref, DerefMut};

use sqlx::{Pool, pool::PoolConnection};

use super::dialect::Dialect;

/// A connection for one operation. A pool takes an abandoned one back by asking it for a sign of life, without a
/// deadline: on a network that swallows answers it would soon have none left. So whatever is not
/// [`done`](Self::done) is closed instead.
pub(crate) struct Lease<DB: Dialect> {
    inner: PoolConnection<DB>,
    done: bool,
}

impl<DB: Dialect> Lease<DB> {
    pub(crate) async fn take(pool: &Pool<DB>) -> sqlx::Result<Self> {
        Ok(Self { inner: pool.acquire().await?, done: false })
    }

    pub(crate) fn done<R>(mut self, result: R) -> sqlx::Result<R> {
        self.done = true;
        Ok(result)
    }
}

impl<DB: Dialect> Drop for Lease<DB> {
    fn drop(&mut self) {
        // A local connection always answers, and may be all there is of a database in memory.
        if DB::REMOTE && !self.done {
            self.inner.close_on_drop();
        }
    }
}

impl<DB: Dialect> Deref for Lease<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.inner
    }
}

impl<DB: Dialect> DerefMut for Lease<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.inner
    }
}
