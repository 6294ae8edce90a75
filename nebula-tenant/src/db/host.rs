//! Databases as the platform has them: without the wall.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool, Transaction};

use super::databases::Lease;
use super::error::DbError;

/// The pool of a tenant's home without the wall, for the platform's own work. Its database stays open for as long as this is held.
pub struct HostPool<DB: Database> {
    pool: Pool<DB>,
    pub(super) lease: Option<Lease>,
}

impl<DB: Database> HostPool<DB> {
    pub(super) const fn new(pool: Pool<DB>, lease: Option<Lease>) -> Self {
        Self { pool, lease }
    }

    pub(super) async fn acquire(&self) -> sqlx::Result<PoolConnection<DB>> {
        self.pool.acquire().await
    }
}

impl<DB: Database> Deref for HostPool<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Database> fmt::Debug for HostPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostPool").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

/// A transaction in a tenant's home without the wall, for the platform's own work: migrations, first rows, erasure. Dropped
/// without [`commit`](Self::commit), it is rolled back.
pub struct HostTransaction<DB: Database> {
    inner: Transaction<'static, DB>,
    lease: Option<Lease>,
}

impl<DB: Database> HostTransaction<DB> {
    pub(super) const fn new(inner: Transaction<'static, DB>, lease: Option<Lease>) -> Self {
        Self { inner, lease }
    }

    pub(super) fn into_parts(self) -> (Transaction<'static, DB>, Option<Lease>) {
        (self.inner, self.lease)
    }

    /// Makes what was done last.
    ///
    /// # Errors
    /// [`DbError::Database`] if the database does not say that it was done.
    ///
    /// # Cancel safety
    /// Whether it took effect is then unknown.
    pub async fn commit(self) -> Result<(), DbError> {
        Ok(self.inner.commit().await?)
    }
}

impl<DB: Database> Deref for HostTransaction<DB> {
    type Target = Transaction<'static, DB>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<DB: Database> DerefMut for HostTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl<DB: Database> fmt::Debug for HostTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostTransaction").field("database", &DB::NAME).finish_non_exhaustive()
    }
}
