//! A pool, the deadline of every operation on it, and the time that all its users share.

use std::{
    collections::HashMap,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use sqlx::Pool;
use tokio::time::Instant;

use super::{SqlDatabase, as_i64, connection::Connection, error::sql_error};
use crate::{Error, ErrorKind, Result, clock::floor_ms};

/// How often old rows are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// As many of them are removed at a time: more than come in within that time.
pub(super) const SWEPT: i64 = 5000;

pub(super) struct Session<DB: SqlDatabase> {
    pub(super) pool: Pool<DB>,
    pub(super) timeout: Duration,
    swept: Arc<Mutex<HashMap<String, Instant>>>,
}

impl<DB: SqlDatabase> Clone for Session<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), timeout: self.timeout, swept: Arc::clone(&self.swept) }
    }
}

impl<DB: SqlDatabase> Session<DB> {
    pub(super) fn new(pool: Pool<DB>) -> Self {
        Self { pool, timeout: Duration::from_secs(10), swept: Arc::default() }
    }

    pub(super) async fn connection(&self, context: &'static str) -> Result<Connection<DB>> {
        Ok(Connection::new(self.pool.acquire().await.map_err(sql_error(context))?))
    }

    pub(super) async fn within<R>(
        &self,
        context: &'static str,
        work: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{context} took longer than {:?}", self.timeout))),
        }
    }

    /// Whether it is time to look for old rows of a kind.
    pub(super) fn sweeps(&self, kind: &str) -> bool {
        let (mut swept, now) = (self.swept.lock(), Instant::now());
        let due = swept.get(kind).is_none_or(|last| now.duration_since(*last) >= SWEEP);
        if due {
            swept.insert(kind.to_owned(), now);
        }
        due
    }
}

pub(super) async fn now_ms<DB: SqlDatabase>(connection: &mut DB::Connection) -> Result<i64> {
    let now: SystemTime = DB::now(connection).await.map_err(sql_error("asking for the time"))?;
    Ok(as_i64(floor_ms(now)))
}
