//! On PostgreSQL each write is a transaction of its own: the server lets many write at once and shares their flushes.
//!
//! Transactions see what others commit meanwhile (READ COMMITTED, the server's default). So whatever decides by what it
//! read locks that first: an order with [`crate::order::storage::lock`], the ledger's epoch within the statement that
//! adds an order.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, PgPool};

use super::{WriterError, sql::Connection};

/// Longest time of a transaction, however slow the server or the network is.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run<T, E, F>(pool: &PgPool, work: F) -> Result<T, E>
where
    E: From<WriterError>,
    F: for<'a, 'c> FnOnce(&'a mut Connection<'c>) -> BoxFuture<'a, Result<T, E>>,
{
    let mut connection = pool.acquire().await.map_err(|error| match error {
        sqlx::Error::PoolTimedOut => WriterError::Overloaded,
        error => failed(error),
    })?;
    let transaction = async {
        let mut transaction = connection.begin().await.map_err(failed)?;
        let result = work(&mut Connection::Postgres(&mut transaction)).await;
        if result.is_ok() {
            transaction.commit().await.map_err(failed)?;
        } else {
            // One that cannot be rolled back ends with its connection; what the work said is the better answer.
            let _broken = transaction.rollback().await;
        }
        result
    };
    let outcome = tokio::time::timeout(LIMIT, transaction).await;
    outcome.unwrap_or_else(|_| {
        // Whoever does not answer now will not answer the next one either.
        connection.close_on_drop();
        Err(WriterError::Late.into())
    })
}

fn failed(error: sqlx::Error) -> WriterError {
    tracing::error!(error = crate::problem::chain(&error), "a database transaction failed");
    WriterError::Transaction(Arc::new(error))
}
