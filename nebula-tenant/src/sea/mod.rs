//! SeaORM behind the wall.
//!
//! A [`TenantConnection`] is a connection to SeaORM, and each statement that SeaORM sends through it is rewritten like any other. Entities have
//! no tenant column: the wall fills it, and refuses statements that set it.

mod transaction;

use std::fmt;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    Statement, TransactionError, TransactionOptions, TransactionTrait, Value, Values,
};

pub use self::transaction::TenantSeaTransaction;
use crate::context::{TenantContext, current};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::{Refusal, RefusalKind, Slot, SqlDialect, Wall};

/// A connection of SeaORM, for the tenant whose work it is. Cheap to clone.
#[derive(Clone)]
pub struct TenantConnection {
    inner: DatabaseConnection,
    wall: Wall,
    setting: bool,
}

impl TenantConnection {
    /// Puts a connection, or a pool of sqlx, behind the wall. Keep no other handle of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the wall is for another database, or for tables that each tenant has one of.
    pub fn new(connection: impl Into<DatabaseConnection>, wall: Wall) -> Result<Self, Error> {
        let inner = connection.into();
        let speaks = match inner.get_database_backend() {
            DbBackend::Sqlite => SqlDialect::Sqlite,
            DbBackend::Postgres => SqlDialect::Postgres,
            DbBackend::MySql => SqlDialect::MySql,
            _ => return Err(Error::new(ErrorKind::Config, "there is no wall for this database")),
        };
        if wall.dialect() != speaks || wall.is_apart() {
            let what =
                format!("a wall for {:?} before a database that speaks {speaks:?}, or tables apart", wall.dialect());
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Self { inner, wall, setting: false })
    }

    /// Tells PostgreSQL's row-level security whose work each transaction is. Single statements get one of their own then.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] on other databases.
    pub fn with_row_level_security(mut self) -> Result<Self, Error> {
        if self.wall.dialect() != SqlDialect::Postgres {
            return Err(Error::new(ErrorKind::Config, "only PostgreSQL has row-level security"));
        }
        self.setting = true;
        Ok(self)
    }

    /// The connection without its wall, for the platform's own work.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] or [`ErrorKind::Conflict`] unless it is: see [`as_host`](crate::as_host).
    pub fn as_host(&self) -> Result<&DatabaseConnection, Error> {
        match TenantContext::current()?.host_reason() {
            Some(_) => Ok(&self.inner),
            None => {
                Err(Error::new(ErrorKind::Conflict, "this is a tenant's work: the connection itself is the platform's"))
            }
        }
    }

    async fn set(&self, transaction: &sea_orm::DatabaseTransaction, tenant: &TenantId) -> Result<(), DbErr> {
        if self.setting {
            // A tenant's name needs no quoting.
            let set = format!("SELECT set_config('nebula.tenant', '{tenant}', true)");
            transaction.execute_unprepared(&set).await?;
        }
        Ok(())
    }

    async fn begun(
        &self,
        inner: sea_orm::DatabaseTransaction,
        tenant: TenantId,
    ) -> Result<TenantSeaTransaction, DbErr> {
        self.set(&inner, &tenant).await?;
        Ok(TenantSeaTransaction::new(inner, tenant, self.wall.clone()))
    }
}

impl fmt::Debug for TenantConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantConnection")
            .field("wall", &self.wall)
            .field("setting", &self.setting)
            .finish_non_exhaustive()
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
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let tenant = current().map_err(custom)?;
        let statement = behind(&self.wall, &tenant, statement)?;
        if !self.setting {
            return self.inner.execute_raw(statement).await;
        }
        let transaction = self.inner.begin().await?;
        self.set(&transaction, &tenant).await?;
        let done = transaction.execute_raw(statement).await?;
        transaction.commit().await.map(|()| done)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let tenant = current().map_err(custom)?;
        let statement = behind(&self.wall, &tenant, statement)?;
        if !self.setting {
            return self.inner.query_one_raw(statement).await;
        }
        let transaction = self.inner.begin().await?;
        self.set(&transaction, &tenant).await?;
        let done = transaction.query_one_raw(statement).await?;
        transaction.commit().await.map(|()| done)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let tenant = current().map_err(custom)?;
        let statement = behind(&self.wall, &tenant, statement)?;
        if !self.setting {
            return self.inner.query_all_raw(statement).await;
        }
        let transaction = self.inner.begin().await?;
        self.set(&transaction, &tenant).await?;
        let done = transaction.query_all_raw(statement).await?;
        transaction.commit().await.map(|()| done)
    }
}

#[async_trait::async_trait]
impl TransactionTrait for TenantConnection {
    type Transaction = TenantSeaTransaction;

    async fn begin(&self) -> Result<TenantSeaTransaction, DbErr> {
        let tenant = current().map_err(custom)?;
        self.begun(self.inner.begin().await?, tenant).await
    }

    async fn begin_with_config(
        &self,
        isolation: Option<IsolationLevel>,
        access: Option<AccessMode>,
    ) -> Result<TenantSeaTransaction, DbErr> {
        let tenant = current().map_err(custom)?;
        self.begun(self.inner.begin_with_config(isolation, access).await?, tenant).await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<TenantSeaTransaction, DbErr> {
        let tenant = current().map_err(custom)?;
        self.begun(self.inner.begin_with_options(options).await?, tenant).await
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
