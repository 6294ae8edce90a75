//! Sessions in a database, shared by all processes that use it.

mod row;
mod statements;

use std::{fmt, time::Duration};

use sqlx::Pool;

use crate::{
    error::Error,
    rbac::{
        RbacDatabase,
        sql::{Migrations, Tables},
    },
};

const TABLES: Tables = Tables {
    version: include_str!("statements/schema_version.sql"),
    sqlite: Migrations {
        schema: include_str!("sqlite/schema.sql"),
        steps: &[include_str!("sqlite/0001_session.sql"), include_str!("sqlite/0002_proof.sql")],
    },
    postgres: Migrations {
        schema: include_str!("postgres/schema.sql"),
        steps: &[include_str!("postgres/0001_session.sql"), include_str!("postgres/0002_proof.sql")],
    },
    mysql: Migrations {
        schema: include_str!("mysql/schema.sql"),
        steps: &[include_str!("mysql/0001_session.sql"), include_str!("mysql/0002_proof.sql")],
    },
};

/// Creates or upgrades the tables of sessions and proofs, `nebula_auth_session` and `nebula_auth_proof`. Any number of
/// processes may call it at once. The tables of roles are made by
/// [`SqlRbacStore::migrate`](crate::rbac::SqlRbacStore::migrate).
///
/// # Errors
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database cannot be written.
///
/// # Cancel safety
/// Dropping the future leaves the tables as they were or upgraded; on MySQL perhaps half-way, from where the next call
/// goes on.
pub async fn migrate<DB: RbacDatabase>(pool: &Pool<DB>) -> Result<(), Error> {
    DB::migrate(pool, &TABLES)
        .await
        .map_err(|error| Error::unavailable("the tables nebula_auth_* could not be migrated", error))
}

/// Keeps sessions in SQLite, PostgreSQL or MySQL (MariaDB). Run [`migrate`] first.
///
/// An exchange is one conditional `UPDATE`, so any number of processes may share the database; open SQLite in WAL mode
/// and with a busy timeout. Ids are compared byte by byte, times are stored with millisecond precision. Use a pool on
/// the primary: a replica that lags has not heard of the latest logout.
pub struct SqlRefreshStore<DB: RbacDatabase> {
    pool: Pool<DB>,
    timeout: Duration,
}

/// Sessions in SQLite.
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub type SqliteRefreshStore = SqlRefreshStore<sqlx::Sqlite>;

impl<DB: RbacDatabase> SqlRefreshStore<DB> {
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
}

impl<DB: RbacDatabase> Clone for SqlRefreshStore<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), timeout: self.timeout }
    }
}

impl<DB: RbacDatabase> fmt::Debug for SqlRefreshStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlRefreshStore").field("database", &DB::NAME).finish_non_exhaustive()
    }
}
