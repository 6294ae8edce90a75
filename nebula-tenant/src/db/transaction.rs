//! A transaction of one tenant.

use std::fmt;

use sqlx::Transaction;

use super::database::TenantDatabase;
use super::databases::Lease;
use super::error::DbError;
use crate::context::current;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::Wall;

/// A transaction that belongs to the tenant whose work it was when it began. Dropped without
/// [`commit`](Self::commit), it is rolled back.
pub struct TenantTransaction<DB: TenantDatabase> {
    pub(super) inner: Transaction<'static, DB>,
    tenant: TenantId,
    pub(super) wall: Wall,
    /// Whether prepared statements stay on the connection.
    pub(super) keeps_statements: bool,
    /// Behind the transaction, which gives its connection back first.
    _lease: Option<Lease>,
}

impl<DB: TenantDatabase> TenantTransaction<DB> {
    pub(super) const fn new(
        inner: Transaction<'static, DB>,
        tenant: TenantId,
        wall: Wall,
        keeps_statements: bool,
        lease: Option<Lease>,
    ) -> Self {
        Self { inner, tenant, wall, keeps_statements, _lease: lease }
    }

    /// Whose it is.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Makes what was done last.
    ///
    /// # Errors
    /// [`DbError::Tenant`] in another tenant's work, and then it is rolled back; [`DbError::Database`] if the database does
    /// not say that it was done.
    ///
    /// # Cancel safety
    /// Whether it took effect is then unknown.
    pub async fn commit(self) -> Result<(), DbError> {
        self.check()?;
        Ok(self.inner.commit().await?)
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// [`DbError::Database`] if the connection broke, and then it was undone as well.
    ///
    /// # Cancel safety
    /// It is undone in any case.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.inner.rollback().await?)
    }

    pub(super) fn check(&self) -> Result<&TenantId, Error> {
        let present = current()?;
        if present == self.tenant {
            return Ok(&self.tenant);
        }
        crate::audit::conflict("transaction", &self.tenant, &present);
        Err(Error::new(ErrorKind::Conflict, "a transaction of one tenant in another's work"))
    }
}

impl<DB: TenantDatabase> fmt::Debug for TenantTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTransaction").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
