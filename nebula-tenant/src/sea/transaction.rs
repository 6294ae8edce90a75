//! A transaction of one tenant, for SeaORM.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    Statement, TransactionError, TransactionOptions, TransactionSession, TransactionTrait,
};

use super::{behind, custom};
use crate::context::current;
use crate::db::Lease;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::Wall;

/// A transaction that belongs to the tenant whose work it was when it began. Dropped without a commit, it is rolled back.
pub struct TenantSeaTransaction {
    inner: DatabaseTransaction,
    tenant: TenantId,
    wall: Wall,
    /// Behind the transaction, which gives its connection back first.
    lease: Option<Arc<Lease>>,
}

impl TenantSeaTransaction {
    pub(super) fn new(inner: DatabaseTransaction, tenant: TenantId, wall: Wall, lease: Option<Lease>) -> Self {
        Self { inner, tenant, wall, lease: lease.map(Arc::new) }
    }

    /// Whose it is.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn check(&self) -> Result<(), DbErr> {
        let present = current().map_err(custom)?;
        if present == self.tenant {
            return Ok(());
        }
        crate::audit::conflict("transaction", &self.tenant, &present);
        Err(custom(Error::new(ErrorKind::Conflict, "a transaction of one tenant in another's work")))
    }

    fn behind(&self, statement: Statement) -> Result<Statement, DbErr> {
        self.check()?;
        behind(&self.wall, &self.tenant, statement)
    }

    fn nested(&self, inner: DatabaseTransaction) -> Self {
        Self { inner, tenant: self.tenant.clone(), wall: self.wall.clone(), lease: self.lease.clone() }
    }

    pub(super) async fn run<F, T, E>(self, work: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        match work(&self).await {
            Ok(done) => self.commit().await.map(|()| done).map_err(TransactionError::Connection),
            Err(error) => {
                self.rollback().await.map_err(TransactionError::Connection)?;
                Err(TransactionError::Transaction(error))
            }
        }
    }
}

impl fmt::Debug for TenantSeaTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSeaTransaction").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for TenantSeaTransaction {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(self.behind(statement)?).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(self.behind(statement)?).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(self.behind(statement)?).await
    }
}

#[async_trait::async_trait]
impl TransactionSession for TenantSeaTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        self.check()?;
        self.inner.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }
}

#[async_trait::async_trait]
impl TransactionTrait for TenantSeaTransaction {
    type Transaction = Self;

    async fn begin(&self) -> Result<Self, DbErr> {
        self.check()?;
        Ok(self.nested(self.inner.begin().await?))
    }

    async fn begin_with_config(
        &self,
        isolation: Option<IsolationLevel>,
        access: Option<AccessMode>,
    ) -> Result<Self, DbErr> {
        self.check()?;
        Ok(self.nested(self.inner.begin_with_config(isolation, access).await?))
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        self.check()?;
        Ok(self.nested(self.inner.begin_with_options(options).await?))
    }

    async fn transaction<F, T, E>(&self, work: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
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
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>> + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let transaction = self.begin_with_config(isolation, access).await.map_err(TransactionError::Connection)?;
        transaction.run(work).await
    }
}
