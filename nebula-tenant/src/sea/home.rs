//! Where SeaORM finds the rows of a tenant.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, TransactionTrait as _};
use sqlx::Pool;

use super::custom;
use crate::db::{Databases, Lease, Schemas, TenantDatabase};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::SqlDialect;

#[derive(Clone)]
pub(super) enum Home {
    /// Between those of others; with row-level security if it says so.
    Rows { connection: DatabaseConnection, setting: bool },
    /// In a schema of its own.
    Schemas(DatabaseConnection, Schemas),
    /// In a database of its own.
    Databases(Arc<dyn Open>, DbBackend),
}

/// A connection for the work of one tenant.
pub(super) struct Opened {
    pub(super) connection: DatabaseConnection,
    /// What each transaction begins with. Single statements need one of their own then.
    pub(super) enter: Option<String>,
    /// Behind the connection, whose pool it keeps open.
    pub(super) lease: Option<Lease>,
}

#[async_trait]
pub(super) trait Open: Send + Sync {
    async fn open(&self, tenant: &TenantId) -> Result<Opened, DbErr>;
}

#[async_trait]
impl<DB: TenantDatabase> Open for Databases<DB>
where
    Pool<DB>: Into<DatabaseConnection>,
{
    async fn open(&self, tenant: &TenantId) -> Result<Opened, DbErr> {
        let (pool, lease) = self.lease(tenant).await.map_err(custom)?;
        Ok(Opened { connection: pool.into(), enter: None, lease: Some(lease) })
    }
}

impl Home {
    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Self::Rows { connection, .. } | Self::Schemas(connection, _) => connection.get_database_backend(),
            Self::Databases(_, backend) => *backend,
        }
    }

    pub(super) fn connection(&self) -> Result<&DatabaseConnection, Error> {
        match self {
            Self::Rows { connection, .. } | Self::Schemas(connection, _) => Ok(connection),
            Self::Databases(..) => Err(Error::new(ErrorKind::Config, "each tenant has a pool of its own")),
        }
    }

    pub(super) async fn open(&self, tenant: &TenantId) -> Result<Opened, DbErr> {
        let (connection, enter) = match self {
            Self::Databases(databases, _) => return databases.open(tenant).await,
            // A tenant's name needs no quoting.
            Self::Rows { connection, setting: true } => {
                (connection, Some(format!("SELECT set_config('nebula.tenant', '{tenant}', true)")))
            }
            Self::Rows { connection, setting: false } => (connection, None),
            Self::Schemas(connection, schemas) => {
                (connection, Some(schemas.entering(SqlDialect::Postgres, tenant).map_err(custom)?))
            }
        };
        Ok(Opened { connection: connection.clone(), enter, lease: None })
    }
}

impl Opened {
    /// A transaction for a single statement, if that needs one.
    pub(super) async fn begin_if_needed(&self) -> Result<Option<DatabaseTransaction>, DbErr> {
        let Some(enter) = &self.enter else { return Ok(None) };
        let transaction = self.connection.begin().await?;
        transaction.execute_unprepared(enter).await?;
        Ok(Some(transaction))
    }
}
