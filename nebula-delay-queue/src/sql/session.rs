//! A pool, the deadline of every operation on it, and the time that all its users share.

use std::{
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
const SWEEP: Duration = Duration::from_secs(60);

pub(super) struct Session<DB: SqlDatabase> {
    pub(super) pool: Pool<DB>,
    pub(super) timeout: Duration,
    swept: Arc<Mutex<Option<Instant>>>,
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

    /// Whether it is time to look for old rows.
    pub(super) fn sweeps(&self) -> bool {
        let (mut swept, now) = (self.swept.lock(), Instant::now());
        let due = swept.is_none_or(|last| now.duration_since(last) >= SWEEP);
        if due {
            *swept = Some(now);
        }
        due
    }
}

pub(super) async fn now_ms<DB: SqlDatabase>(connection: &mut DB::Connection) -> Result<i64> {
    let now: SystemTime = DB::now(connection).await.map_err(sql_error("asking for the time"))?;
    Ok(as_i64(floor_ms(now)))
}
