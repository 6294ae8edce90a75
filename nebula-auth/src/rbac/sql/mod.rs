//! Roles and users in a database, shared by all processes that use it.

mod connection;
mod dialect;
mod statements;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use sqlx::Pool;

pub(crate) use self::{
    connection::Lease,
    dialect::{Dialect, Migrations, Tables},
};
use crate::error::Error;

const TABLES: Tables = Tables {
    version: include_str!("statements/schema_version.sql"),
    sqlite: Migrations {
        schema: include_str!("sqlite/schema.sql"),
        steps: &[include_str!("sqlite/0001_rbac.sql"), include_str!("sqlite/0002_append_only.sql")],
    },
    postgres: Migrations {
        schema: include_str!("postgres/schema.sql"),
        steps: &[include_str!("postgres/0001_rbac.sql"), include_str!("postgres/0002_append_only.sql")],
    },
    mysql: Migrations {
        schema: include_str!("mysql/schema.sql"),
        steps: &[include_str!("mysql/0001_rbac.sql"), include_str!("mysql/0002_append_only.sql")],
    },
};

/// A database that this crate can keep things in: `sqlx::Sqlite` (feature `sqlite`), `sqlx::Postgres` (feature
/// `postgres`) or `sqlx::MySql` (feature `mysql`), which is MariaDB as well. Sealed.
pub trait RbacDatabase: Dialect {}

impl<DB: Dialect> RbacDatabase for DB {}

/// Keeps roles and users in a database that [`migrate`](Self::migrate) has prepared.
///
/// Commits take a lock on one row first, so that they follow one another, and check in the same transaction that what
/// the change was judged by is still so. Reads take no lock: each is a single statement. Ids are compared byte by byte
/// on every database. Use a pool on the primary: a replica that lags answers from the past, which the permission cache
/// notices and does not believe.
pub struct SqlRbacStore<DB: RbacDatabase> {
    pool: Pool<DB>,
    timeout: Duration,
}

impl<DB: RbacDatabase> SqlRbacStore<DB> {
    /// A store on that pool.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool, timeout: Duration::from_secs(10) }
    }

    /// How long any operation may take, waiting for a connection and for locks included. 10 s by default.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Creates or upgrades the tables `nebula_auth_rbac_*`. Any number of processes may call it at once.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the tables as they were or upgraded; on MySQL perhaps half-way, from where the next
    /// call goes on.
    pub async fn migrate(pool: &Pool<DB>) -> Result<(), Error> {
        DB::migrate(pool, &TABLES)
            .await
            .map_err(|error| failed("the tables nebula_auth_rbac_* could not be migrated", error))
    }

    /// Call it once after the database was restored from a backup, before anybody works with it again.
    ///
    /// A restored store has gone back in time: it would give out numbers of changes again that processes know already,
    /// with other content. Until this is called, processes that were running before find the store behind what they know,
    /// believe nothing, and let nobody through; after it they read everything anew, without being started again.
    ///
    /// ```no_run
    /// # async fn restored(pool: nebula_auth::sqlx::Pool<impl nebula_auth::rbac::RbacDatabase>)
    /// # -> Result<(), nebula_auth::Error> {
    /// nebula_auth::rbac::SqlRbacStore::after_restore(&pool).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database cannot be written.
    ///
    /// # Cancel safety
    /// It is done or not; doing it again is harmless.
    pub async fn after_restore(pool: &Pool<DB>) -> Result<(), Error> {
        let leap = async { DB::after_restore(pool).await };
        within(Duration::from_secs(10), "the restored roles could not be taken into use", leap).await
    }

    fn within<'a, R: 'a>(
        &self,
        context: &'static str,
        work: impl Future<Output = sqlx::Result<R>> + Send + 'a,
    ) -> Pin<Box<dyn Future<Output = Result<R, Error>> + Send + 'a>> {
        within(self.timeout, context, work)
    }
}

/// Runs an operation within a deadline.
///
/// Operations are erased at once: there are some eighty of them, for three databases, and what is done about their deadline
/// is compiled for none in particular.
pub(crate) fn within<'a, R: 'a>(
    timeout: Duration,
    context: &'static str,
    work: impl Future<Output = sqlx::Result<R>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<R, Error>> + Send + 'a>> {
    timed(timeout, context, Box::pin(work))
}

fn timed<'a, R: 'a>(
    timeout: Duration,
    context: &'static str,
    work: Pin<Box<dyn Future<Output = sqlx::Result<R>> + Send + 'a>>,
) -> Pin<Box<dyn Future<Output = Result<R, Error>> + Send + 'a>> {
    Box::pin(async move {
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result.map_err(|error| failed(context, error)),
            Err(_) => {
                Err(Error::new(crate::ErrorKind::Unavailable, format!("{context}: no answer within {timeout:?}")))
            }
        }
    })
}

impl<DB: RbacDatabase> Clone for SqlRbacStore<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), timeout: self.timeout }
    }
}

impl<DB: RbacDatabase> fmt::Debug for SqlRbacStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlRbacStore").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

fn failed(context: &'static str, error: sqlx::Error) -> Error {
    Error::unavailable(context, error)
}
