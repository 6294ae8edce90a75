//! A pool that is not reachable without a tenant.

use std::fmt;

use sqlx::{AssertSqlSafe, Pool, SqlSafeStr as _, SqlStr};

use super::database::TenantDatabase;
use super::error::DbError;
use super::transaction::TenantTransaction;
use crate::context::{TenantContext, current};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::{SqlDialect, Wall};

/// A pool behind a wall. Cheap to clone.
///
/// Statements run through [`query`](super::query) in the tenant whose work it is. Nothing that belongs to a tenant is ever
/// set on a connection beyond a transaction, so that connections can be shared, also behind a pooler such as PgBouncer.
pub struct TenantPool<DB: TenantDatabase> {
    pool: Pool<DB>,
    pub(super) wall: Wall,
    /// The setting that row-level security reads, if that is used.
    pub(super) setting: Option<&'static str>,
}

impl<DB: TenantDatabase> TenantPool<DB> {
    /// Puts the pool behind the wall. Keep no other handle of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the wall is for another database.
    pub fn new(pool: Pool<DB>, wall: Wall) -> Result<Self, Error> {
        if wall.dialect() != DB::DIALECT {
            let what = format!("a wall for {:?} before a database that speaks {:?}", wall.dialect(), DB::DIALECT);
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Self { pool, wall, setting: None })
    }

    /// Tells PostgreSQL's row-level security whose work each transaction is; see [`rls`](super::rls). Single statements get a
    /// transaction of their own then.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] on other databases.
    pub fn with_row_level_security(mut self) -> Result<Self, Error> {
        if DB::DIALECT != SqlDialect::Postgres {
            return Err(Error::new(ErrorKind::Config, "only PostgreSQL has row-level security"));
        }
        self.setting = Some("nebula.tenant");
        Ok(self)
    }

    /// Begins a transaction of the tenant whose work this is.
    ///
    /// # Errors
    /// [`DbError::Tenant`] if nobody said whose work it is, [`DbError::Database`] if there is no connection.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn begin(&self) -> Result<TenantTransaction<DB>, DbError> {
        let tenant = current()?;
        let inner = match self.beginning(&tenant) {
            Some(begin) => self.pool.begin_with(begin).await?,
            None => self.pool.begin().await?,
        };
        Ok(TenantTransaction::new(inner, tenant, self.wall.clone()))
    }

    /// The pool without its wall, for the platform's own work.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] unless it is: see [`as_host`](crate::as_host).
    pub fn as_host(&self) -> Result<&Pool<DB>, Error> {
        match TenantContext::current()?.host_reason() {
            Some(_) => Ok(&self.pool),
            None => Err(Error::new(
                ErrorKind::Conflict,
                "this is a tenant's work: the pool itself is the platform's, see as_host",
            )),
        }
    }

    /// The wall.
    #[must_use]
    pub const fn wall(&self) -> &Wall {
        &self.wall
    }

    pub(super) const fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    /// How a transaction begins that row-level security is to know. A tenant's name needs no quoting.
    fn beginning(&self, tenant: &TenantId) -> Option<SqlStr> {
        let setting = self.setting?;
        Some(AssertSqlSafe(format!("BEGIN; SELECT set_config('{setting}', '{tenant}', true)")).into_sql_str())
    }
}

impl<DB: TenantDatabase> Clone for TenantPool<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), wall: self.wall.clone(), setting: self.setting }
    }
}

impl<DB: TenantDatabase> fmt::Debug for TenantPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPool").field("database", &DB::NAME).field("wall", &self.wall).finish_non_exhaustive()
    }
}
