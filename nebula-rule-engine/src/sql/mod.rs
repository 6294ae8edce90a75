//! Databases: coupons and rule sets in SQLite, PostgreSQL, MySQL and MariaDB.

mod coupons;
mod dialect;
mod rules;
mod statements;

use std::time::Duration;

pub use self::coupons::SqlCoupons;
use self::dialect::Dialect;
pub use self::rules::{SqlRules, SqlSource};
use crate::error::{Error, ErrorKind, Result};

/// How long one operation may take, waiting for a connection and for locks included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A database: `sqlx::Sqlite` (feature `sqlite`), `sqlx::Postgres` (feature `postgres`), or `sqlx::MySql` (feature `mysql`),
/// which is MariaDB as well.
///
/// Sealed: which statements it takes is not part of the interface.
pub trait SqlDatabase: Dialect {}

impl<DB: Dialect> SqlDatabase for DB {}

/// Classifies what a database reports.
pub(crate) fn failed(context: &'static str) -> impl Fn(sqlx::Error) -> Error + Copy {
    move |error| {
        let passing = match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => passes(&**error),
            _ => false,
        };
        Error::new(if passing { ErrorKind::Unavailable } else { ErrorKind::Store }, context).with_source(error)
    }
}

/// Whether the same statement may succeed later: busy, deadlocked, out of connections, shutting down.
fn passes(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // SQLITE_BUSY and SQLITE_LOCKED in the low byte.
        return matches!(code.parse::<u32>().map(|code| code & 0xff), Ok(5 | 6));
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        && matches!(error.number(), 1205 | 1213)
    {
        return true;
    }
    matches!(&*code, "40001" | "40P01" | "55P03" | "57014") || matches!(code.get(..2), Some("08" | "53" | "57"))
}

/// Runs an operation within the deadline.
async fn within<R>(context: &'static str, work: impl Future<Output = Result<R>> + Send) -> Result<R> {
    match tokio::time::timeout(TIMEOUT, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Unavailable, format!("{context} took longer than {TIMEOUT:?}"))),
    }
}

/// Begins a transaction in a task that comes to its end: the driver does not roll back a `BEGIN` that its caller did not wait
/// for, and the connection would go back to the pool within it.
async fn begin<DB: sqlx::Database>(
    pool: &sqlx::Pool<DB>,
    statement: &'static str,
) -> sqlx::Result<sqlx::Transaction<'static, DB>> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.begin_with(statement).await }).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Creates or updates the tables of this crate, all named `nebula_rules_…`. Several processes may do so at once.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`] and what else the database reports.
///
/// # Cancel safety
///
/// Dropping the future leaves the tables as they were, or some of them made; calling again makes the rest.
pub async fn migrate<DB: SqlDatabase>(pool: &sqlx::Pool<DB>) -> Result<()> {
    let context = "making the tables of rules and coupons";
    DB::migrate(pool).await.map_err(failed(context))
}
