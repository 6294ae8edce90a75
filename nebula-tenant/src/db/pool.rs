//! A pool that is not reachable without a tenant.

use std::fmt;

use sqlx::{AssertSqlSafe, Pool, SqlSafeStr as _};

use super::database::TenantDatabase;
use super::databases::Databases;
use super::error::DbError;
use super::host::{HostPool, HostTransaction};
use super::schemas::Schemas;
use super::transaction::TenantTransaction;
use crate::context::{TenantContext, current};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::{SqlDialect, Wall};

/// A pool, or many, behind a wall. Cheap to clone.
///
/// Statements run through [`query`](super::query) in the tenant whose work it is. Nothing that belongs to a tenant is relied
/// upon beyond a transaction, so that connections can be shared; behind a pooler such as PgBouncer, say
/// [`behind_pooler`](Self::behind_pooler).
pub struct TenantPool<DB: TenantDatabase> {
    home: Home<DB>,
    pub(super) wall: Wall,
    /// The setting that row-level security reads, if that is used.
    setting: Option<&'static str>,
    /// Whether each transaction may be on another session.
    pooled: bool,
}

/// Where a tenant's rows are.
enum Home<DB: TenantDatabase> {
    /// Between those of others.
    Rows(Pool<DB>),
    /// In a schema of its own.
    Schemas(Pool<DB>, Schemas),
    /// In a database of its own.
    Databases(Databases<DB>),
}

impl<DB: TenantDatabase> TenantPool<DB> {
    /// Tenants share tables: puts the pool behind the wall, which tells their rows apart. Keep no other handle of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the wall is for another database, or for tables that each tenant has one of.
    pub fn new(pool: Pool<DB>, wall: Wall) -> Result<Self, Error> {
        Self::over(Home::Rows(pool), wall, false)
    }

    /// Each tenant has a schema of its own: on PostgreSQL the search path of each transaction, on MySQL and MariaDB a database.
    /// Declare the tables with [`apart_table`](crate::wall::WallBuilder::apart_table). Single statements get a transaction of their own. Keep no other
    /// handle of the pool.
    ///
    /// A tenant whose schema is missing gets an error from the database, never another schema.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] on SQLite, which has none, and if the wall is for another database or for tables that tenants share.
    pub fn schemas(pool: Pool<DB>, schemas: Schemas, wall: Wall) -> Result<Self, Error> {
        let has_path = DB::DIALECT == SqlDialect::Postgres;
        if DB::DIALECT == SqlDialect::Sqlite || (schemas.has_shared() && !has_path) {
            let what = "schemas are PostgreSQL's, and databases of one MySQL server, which have none to share";
            return Err(Error::new(ErrorKind::Config, what));
        }
        Self::over(Home::Schemas(pool, schemas), wall, true)
    }

    /// Each tenant has a database of its own. Declare the tables with [`apart_table`](crate::wall::WallBuilder::apart_table).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the wall is for another database, or for tables that tenants share.
    pub fn databases(databases: Databases<DB>, wall: Wall) -> Result<Self, Error> {
        Self::over(Home::Databases(databases), wall, true)
    }

    fn over(home: Home<DB>, wall: Wall, apart: bool) -> Result<Self, Error> {
        if wall.dialect() != DB::DIALECT {
            let what = format!("a wall for {:?} before a database that speaks {:?}", wall.dialect(), DB::DIALECT);
            return Err(Error::new(ErrorKind::Config, what));
        }
        if wall.is_apart() != apart && wall.tenant_tables().next().is_some() {
            let what =
                if apart { "declare tables with apart_table here" } else { "declare tables with tenant_table here" };
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Self { home, wall, setting: None, pooled: false })
    }

    /// Tells PostgreSQL's row-level security whose work each transaction is; see [`rls`](super::rls). Single statements get a
    /// transaction of their own then.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] on other databases, and where tenants do not share tables.
    pub fn with_row_level_security(mut self) -> Result<Self, Error> {
        if DB::DIALECT != SqlDialect::Postgres || !matches!(self.home, Home::Rows(_)) {
            return Err(Error::new(
                ErrorKind::Config,
                "only PostgreSQL has row-level security, for tables that are shared",
            ));
        }
        self.setting = Some("nebula.tenant");
        Ok(self)
    }

    /// Between here and the server is a pooler that gives each transaction whichever session is free, such as PgBouncer with
    /// transaction pooling. Single statements get a transaction of their own then, and no prepared statement is left on a session.
    #[must_use]
    pub const fn behind_pooler(mut self) -> Self {
        self.pooled = true;
        self
    }

    /// Begins a transaction of the tenant whose work this is.
    ///
    /// # Errors
    /// [`DbError::Tenant`] if nobody said whose work it is, [`DbError::Database`] if there is no connection, or no schema.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn begin(&self) -> Result<TenantTransaction<DB>, DbError> {
        let tenant = current()?;
        let (inner, lease) = self.begin_in(&tenant).await?.into_parts();
        Ok(TenantTransaction::new(inner, tenant, self.wall.clone(), self.keeps_statements(), lease))
    }

    /// The pool without its wall, for the platform's own work.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] or [`ErrorKind::Conflict`] unless it is: see [`as_host`](crate::as_host). [`ErrorKind::Config`] if there is a database for each tenant:
    /// see [`as_host_of`](Self::as_host_of).
    pub fn as_host(&self) -> Result<&Pool<DB>, Error> {
        host()?;
        match &self.home {
            Home::Rows(pool) | Home::Schemas(pool, _) => Ok(pool),
            Home::Databases(_) => {
                Err(Error::new(ErrorKind::Config, "each tenant has a pool of its own: see as_host_of"))
            }
        }
    }

    /// The pool of a tenant's home without the wall, for the platform's own work.
    ///
    /// # Errors
    /// As those of [`as_host`](Self::as_host), and [`DbError::Database`] if there is no room for another pool.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn as_host_of(&self, tenant: &TenantId) -> Result<HostPool<DB>, DbError> {
        host()?;
        self.open(tenant).await
    }

    /// A transaction in a tenant's home without the wall, for the platform's own work: in its schema, its database, or, where
    /// tables are shared and row-level security is on, as that tenant.
    ///
    /// # Errors
    /// As those of [`as_host_of`](Self::as_host_of) and [`begin`](Self::begin).
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn begin_as_host_of(&self, tenant: &TenantId) -> Result<HostTransaction<DB>, DbError> {
        host()?;
        self.begin_in(tenant).await
    }

    /// Makes the schema of a tenant, if it is not there; nothing where there are no schemas.
    ///
    /// # Errors
    /// As those of [`as_host`](Self::as_host), and [`DbError::Database`] if the database refuses.
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn create_schema(&self, tenant: &TenantId) -> Result<(), DbError> {
        self.make_schema(tenant, |(create, _)| create).await
    }

    /// Drops the schema of a tenant with everything in it; nothing where there are no schemas.
    ///
    /// # Errors
    /// As those of [`create_schema`](Self::create_schema).
    ///
    /// # Cancel safety
    /// Call it again.
    pub async fn drop_schema(&self, tenant: &TenantId) -> Result<(), DbError> {
        self.make_schema(tenant, |(_, drop)| drop).await
    }

    async fn make_schema(
        &self,
        tenant: &TenantId,
        which: impl FnOnce((String, String)) -> String + Send,
    ) -> Result<(), DbError> {
        host()?;
        let Home::Schemas(pool, schemas) = &self.home else { return Ok(()) };
        let sql = which(schemas.making(DB::DIALECT, tenant)?);
        Ok(DB::run_text(&mut *pool.acquire().await?, AssertSqlSafe(sql).into_sql_str()).await?)
    }

    /// The wall.
    #[must_use]
    pub const fn wall(&self) -> &Wall {
        &self.wall
    }

    #[cfg(feature = "postgres")]
    pub(super) const fn has_row_level_security(&self) -> bool {
        self.setting.is_some()
    }

    /// Whether a single statement needs no transaction around it.
    pub(super) const fn takes_bare_statements(&self) -> bool {
        self.setting.is_none() && !self.pooled && !matches!(self.home, Home::Schemas(..))
    }

    /// MySQL looks up the tables of a statement when it is prepared: one that stays on the connection would go on reading the
    /// schema of the tenant who had it first. PostgreSQL looks again when the search path is another one.
    const fn keeps_statements(&self) -> bool {
        let looks_up_once = matches!(self.home, Home::Schemas(..)) && matches!(DB::DIALECT, SqlDialect::MySql);
        !self.pooled && !looks_up_once
    }

    pub(super) async fn open(&self, tenant: &TenantId) -> Result<HostPool<DB>, DbError> {
        match &self.home {
            Home::Rows(pool) | Home::Schemas(pool, _) => Ok(HostPool::new(pool.clone(), None)),
            Home::Databases(databases) => {
                let (pool, lease) = databases.lease(tenant).await?;
                Ok(HostPool::new(pool, Some(lease)))
            }
        }
    }

    /// On the side, to its end: the driver does not roll back a `BEGIN` that its caller did not wait for, and the connection would
    /// carry the transaction, and the tenant that it names, to whoever has it next.
    pub(super) async fn begin_in(&self, tenant: &TenantId) -> Result<HostTransaction<DB>, DbError> {
        let (pool, tenant) = (self.clone(), tenant.clone());
        let begun = tokio::spawn(async move { pool.begin_to_the_end(&tenant).await }).await;
        begun.unwrap_or(Err(DbError::Database(sqlx::Error::WorkerCrashed)))
    }

    async fn begin_to_the_end(&self, tenant: &TenantId) -> Result<HostTransaction<DB>, DbError> {
        let mut home = self.open(tenant).await?;
        if let Home::Schemas(_, schemas) = &self.home {
            let enter = schemas.entering(DB::DIALECT, tenant)?;
            // What fails in it is rolled back with it.
            let mut transaction = home.begin().await?;
            if !self.keeps_statements() {
                DB::forget_statements(&mut transaction).await?;
            }
            DB::run_text(&mut transaction, AssertSqlSafe(enter).into_sql_str()).await?;
            return Ok(HostTransaction::new(transaction, None));
        }
        let transaction = match self.setting {
            // A tenant's name needs no quoting.
            Some(setting) => {
                let begin = format!("BEGIN; SELECT set_config('{setting}', '{tenant}', true)");
                home.begin_with(AssertSqlSafe(begin)).await?
            }
            None => home.begin().await?,
        };
        Ok(HostTransaction::new(transaction, home.lease.take()))
    }
}

fn host() -> Result<(), Error> {
    match TenantContext::current()?.host_reason() {
        Some(_) => Ok(()),
        None => Err(Error::new(
            ErrorKind::Conflict,
            "this is a tenant's work: the pool itself is the platform's, see as_host",
        )),
    }
}

impl<DB: TenantDatabase> Clone for TenantPool<DB> {
    fn clone(&self) -> Self {
        let home = match &self.home {
            Home::Rows(pool) => Home::Rows(pool.clone()),
            Home::Schemas(pool, schemas) => Home::Schemas(pool.clone(), schemas.clone()),
            Home::Databases(databases) => Home::Databases(databases.clone()),
        };
        Self { home, wall: self.wall.clone(), setting: self.setting, pooled: self.pooled }
    }
}

impl<DB: TenantDatabase> fmt::Debug for TenantPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPool").field("database", &DB::NAME).field("wall", &self.wall).finish_non_exhaustive()
    }
}
