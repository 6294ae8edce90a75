//! SeaORM behind the wall.
//!
//! A [`TenantConnection`] is a connection to SeaORM, and each statement that SeaORM sends through it is rewritten like any other. Entities have
//! no tenant column: the wall fills it, and refuses statements that set it.

mod home;
mod transaction;

use std::fmt;
use std::sync::Arc;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    Statement, TransactionError, TransactionOptions, TransactionTrait, Value, Values,
};

use self::home::{Home, Opened};
pub use self::transaction::TenantSeaTransaction;
use crate::context::{TenantContext, current};
use crate::db::{Databases, Schemas, TenantDatabase};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::{Refusal, RefusalKind, Slot, SqlDialect, Wall};

/// A connection of SeaORM, for the tenant whose work it is. Cheap to clone.
#[derive(Clone)]
pub struct TenantConnection {
    home: Home,
    wall: Wall,
}

impl TenantConnection {
    /// Tenants share tables: puts a connection, or a pool of sqlx, behind the wall. Keep no other handle of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the wall is for another database, or for tables that each tenant has one of.
    pub fn new(connection: impl Into<DatabaseConnection>, wall: Wall) -> Result<Self, Error> {
        Self::over(Home::Rows { connection: connection.into(), setting: false }, wall, false)
    }

    /// Each tenant has a schema of its own on PostgreSQL, as with [`TenantPool::schemas`](crate::db::TenantPool::schemas). Single statements
    /// get a transaction of their own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] on other databases (MySQL would go on using statements that were prepared for another schema, which SeaORM does not let
    /// us forget: take [`databases`](Self::databases)), and if the wall is for tables that tenants share.
    pub fn schemas(connection: impl Into<DatabaseConnection>, schemas: Schemas, wall: Wall) -> Result<Self, Error> {
        let connection = connection.into();
        if connection.get_database_backend() != DbBackend::Postgres {
            return Err(Error::new(ErrorKind::Config, "SeaORM and schemas: on PostgreSQL only; take databases"));
        }
        Self::over(Home::Schemas(connection, schemas), wall, true)
    }

    /// Each tenant has a database of its own, as with [`TenantPool::databases`](crate::db::TenantPool::databases).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the wall is for another database, or for tables that tenants share.
    pub fn databases<DB: TenantDatabase>(databases: Databases<DB>, wall: Wall) -> Result<Self, Error>
    where
        sqlx::Pool<DB>: Into<DatabaseConnection>,
    {
        let backend = match DB::DIALECT {
            SqlDialect::Sqlite => DbBackend::Sqlite,
            SqlDialect::Postgres => DbBackend::Postgres,
            SqlDialect::MySql => DbBackend::MySql,
        };
        Self::over(Home::Databases(Arc::new(databases), backend), wall, true)
    }

    fn over(home: Home, wall: Wall, apart: bool) -> Result<Self, Error> {
        let speaks = match home.backend() {
            DbBackend::Sqlite => SqlDialect::Sqlite,
            DbBackend::Postgres => SqlDialect::Postgres,
            DbBackend::MySql => SqlDialect::MySql,
            _ => return Err(Error::new(ErrorKind::Config, "there is no wall for this database")),
        };
        if wall.dialect() != speaks {
            let what = format!("a wall for {:?} before a database that speaks {speaks:?}", wall.dialect());
            return Err(Error::new(ErrorKind::Config, what));
        }
        if wall.is_apart() != apart && wall.tenant_tables().next().is_some() {
            let what =
                if apart { "declare tables with apart_table here" } else { "declare tables with tenant_table here" };
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Self { home, wall })
    }

    /// Tells PostgreSQL's row-level security whose work each transaction is. Single statements get one of their own then.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] on other databases, and where tenants do not share tables.
    pub fn with_row_level_security(mut self) -> Result<Self, Error> {
        let postgres = self.wall.dialect() == SqlDialect::Postgres;
        match &mut self.home {
            Home::Rows { setting, .. } if postgres => *setting = true,
            _ => {
                let what = "only PostgreSQL has row-level security, for tables that are shared";
                return Err(Error::new(ErrorKind::Config, what));
            }
        }
        Ok(self)
    }

    /// The connection without its wall, for the platform's own work.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] or [`ErrorKind::Conflict`] unless it is: see [`as_host`](crate::as_host). [`ErrorKind::Config`] if there is a
    /// database for each tenant.
    pub fn as_host(&self) -> Result<&DatabaseConnection, Error> {
        match TenantContext::current()?.host_reason() {
            Some(_) => self.home.connection(),
            None => {
                Err(Error::new(ErrorKind::Conflict, "this is a tenant's work: the connection itself is the platform's"))
            }
        }
    }

    async fn opened(&self, tenant: &TenantId) -> Result<Opened, DbErr> {
        self.home.open(tenant).await
    }

    async fn begun(
        &self,
        inner: sea_orm::DatabaseTransaction,
        opened: Opened,
        tenant: TenantId,
    ) -> Result<TenantSeaTransaction, DbErr> {
        if let Some(enter) = &opened.enter {
            inner.execute_unprepared(enter).await?;
        }
        Ok(TenantSeaTransaction::new(inner, tenant, self.wall.clone(), opened.lease))
    }
}

impl fmt::Debug for TenantConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantConnection").field("wall", &self.wall).finish_non_exhaustive()
    }
}

/// What is refused becomes an error of SeaORM's own kind, which has no place for another one.
fn custom(error: impl std::error::Error + Send + Sync + 'static) -> DbErr {
    DbErr::Custom(error.to_string())
}

/// The statement as the database is given it.
fn behind(wall: &Wall, tenant: &TenantId, statement: Statement) -> Result<Statement, DbErr> {
    let Statement { sql, values, db_backend, .. } = statement;
    let rewritten = wall.rewrite(&sql).map_err(custom)?;
    let given = values.map_or_else(Vec::new, |values| values.0);
    if given.len() != rewritten.arguments() {
        let what = format!("{} for {} placeholders", given.len(), rewritten.arguments());
        return Err(custom(Refusal::new(RefusalKind::Arguments, what)));
    }
    let value = |slot: &Slot| match slot {
        Slot::Tenant => Some(Value::from(tenant.as_str())),
        Slot::Argument(place) => given.get(*place).cloned(),
    };
    let values = rewritten.slots().iter().filter_map(value).collect();
    Ok(Statement::from_sql_and_values(db_backend, rewritten.sql(), Values(values)))
}

#[async_trait::async_trait]
impl ConnectionTrait for TenantConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.home.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let tenant = current().map_err(custom)?;
        let statement = behind(&self.wall, &tenant, statement)?;
        let opened = self.opened(&tenant).await?;
        let Some(transaction) = opened.begin_if_needed().await? else {
            return opened.connection.execute_raw(statement).await;
        };
        let done = transaction.execute_raw(statement).await?;
        transaction.commit().await.map(|()| done)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let tenant = current().map_err(custom)?;
        let statement = behind(&self.wall, &tenant, statement)?;
        let opened = self.opened(&tenant).await?;
        let Some(transaction) = opened.begin_if_needed().await? else {
            return opened.connection.query_one_raw(statement).await;
        };
        let done = transaction.query_one_raw(statement).await?;
        transaction.commit().await.map(|()| done)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let tenant = current().map_err(custom)?;
        let statement = behind(&self.wall, &tenant, statement)?;
        let opened = self.opened(&tenant).await?;
        let Some(transaction) = opened.begin_if_needed().await? else {
            return opened.connection.query_all_raw(statement).await;
        };
        let done = transaction.query_all_raw(statement).await?;
        transaction.commit().await.map(|()| done)
    }
}

#[async_trait::async_trait]
impl TransactionTrait for TenantConnection {
    type Transaction = TenantSeaTransaction;

    async fn begin(&self) -> Result<TenantSeaTransaction, DbErr> {
        let tenant = current().map_err(custom)?;
        let opened = self.opened(&tenant).await?;
        let inner = opened.connection.begin().await?;
        self.begun(inner, opened, tenant).await
    }

    async fn begin_with_config(
        &self,
        isolation: Option<IsolationLevel>,
        access: Option<AccessMode>,
    ) -> Result<TenantSeaTransaction, DbErr> {
        let tenant = current().map_err(custom)?;
        let opened = self.opened(&tenant).await?;
        let inner = opened.connection.begin_with_config(isolation, access).await?;
        self.begun(inner, opened, tenant).await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<TenantSeaTransaction, DbErr> {
        let tenant = current().map_err(custom)?;
        let opened = self.opened(&tenant).await?;
        let inner = opened.connection.begin_with_options(options).await?;
        self.begun(inner, opened, tenant).await
    }

    async fn transaction<F, T, E>(&self, work: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(
                &'c TenantSeaTransaction,
            ) -> std::pin::Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        self.begin().await.map_err(TransactionError::Connection)?.run(work).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        work: F,
        isolation: Option<IsolationLevel>,
        access: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(
                &'c TenantSeaTransaction,
            ) -> std::pin::Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let transaction = self.begin_with_config(isolation, access).await.map_err(TransactionError::Connection)?;
        transaction.run(work).await
    }
}
