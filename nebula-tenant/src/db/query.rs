//! Statements and their arguments.

use std::{fmt, future::Future};

use sqlx::{
    Arguments as _, AssertSqlSafe, Database, Encode, FromRow, SqlSafeStr as _, SqlStr, Type, error::BoxDynError,
};

use super::database::TenantDatabase;
use super::error::DbError;
use super::pool::TenantPool;
use super::transaction::TenantTransaction;
use crate::context::current;
use crate::error::Error;
use crate::id::TenantId;
use crate::wall::{Refusal, RefusalKind, Slot, Wall};

type Bind<'q, DB> = Box<dyn FnOnce(&mut <DB as sqlx::Database>::Arguments) -> Result<(), BoxDynError> + Send + 'q>;

/// A statement with its arguments, not yet rewritten. Made by [`query`].
#[must_use = "a statement does nothing until it is executed or fetched"]
pub struct TenantQuery<'q, DB: TenantDatabase> {
    sql: &'q str,
    arguments: Vec<Option<Bind<'q, DB>>>,
}

/// A statement for the tenant whose work it is when it runs: [`bind`](TenantQuery::bind) its arguments, and execute or fetch
/// it on a [`TenantPool`] or in a [`TenantTransaction`].
pub const fn query<DB: TenantDatabase>(sql: &str) -> TenantQuery<'_, DB> {
    TenantQuery { sql, arguments: Vec::new() }
}

impl<'q, DB: TenantDatabase> TenantQuery<'q, DB> {
    /// Binds the next argument.
    pub fn bind<T: Encode<'q, DB> + Type<DB> + Send + 'q>(mut self, value: T) -> Self {
        self.arguments.push(Some(Box::new(move |arguments| arguments.add(value))));
        self
    }

    /// Runs it and tells how many rows it changed, as the database says.
    ///
    /// # Errors
    /// [`DbError`]: no tenant, refused by the wall, or failed in the database.
    ///
    /// # Cancel safety
    /// Whether it took effect is then unknown; inside of a transaction, roll that back.
    pub async fn execute(self, on: impl TenantExecutor<Database = DB>) -> Result<DB::QueryResult, DbError> {
        let (sql, arguments) = self.prepare(on.wall(), &on.tenant()?)?;
        on.execute(sql, arguments).await
    }

    /// All rows.
    ///
    /// # Errors
    /// As those of [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As that of [`execute`](Self::execute).
    pub async fn fetch_all(self, on: impl TenantExecutor<Database = DB>) -> Result<Vec<DB::Row>, DbError> {
        let (sql, arguments) = self.prepare(on.wall(), &on.tenant()?)?;
        on.fetch_all(sql, arguments).await
    }

    /// All rows, as values.
    ///
    /// # Errors
    /// As those of [`execute`](Self::execute); [`DbError::Database`] if a row does not fit.
    ///
    /// # Cancel safety
    /// As that of [`execute`](Self::execute).
    pub async fn fetch_all_as<T>(self, on: impl TenantExecutor<Database = DB>) -> Result<Vec<T>, DbError>
    where
        T: for<'r> FromRow<'r, DB::Row>,
    {
        let rows = self.fetch_all(on).await?;
        Ok(rows.iter().map(T::from_row).collect::<sqlx::Result<_>>()?)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As those of [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As that of [`execute`](Self::execute).
    pub async fn fetch_optional(self, on: impl TenantExecutor<Database = DB>) -> Result<Option<DB::Row>, DbError> {
        let (sql, arguments) = self.prepare(on.wall(), &on.tenant()?)?;
        on.fetch_optional(sql, arguments).await
    }

    /// The first row.
    ///
    /// # Errors
    /// As those of [`execute`](Self::execute); `sqlx::Error::RowNotFound` if there is none.
    ///
    /// # Cancel safety
    /// As that of [`execute`](Self::execute).
    pub async fn fetch_one(self, on: impl TenantExecutor<Database = DB>) -> Result<DB::Row, DbError> {
        self.fetch_optional(on).await?.ok_or(DbError::Database(sqlx::Error::RowNotFound))
    }

    fn prepare(mut self, wall: &Wall, tenant: &TenantId) -> Result<(SqlStr, DB::Arguments), DbError> {
        let rewritten = wall.rewrite(self.sql)?;
        let (taken, given) = (rewritten.arguments(), self.arguments.len());
        let wrong = || Refusal::new(RefusalKind::Arguments, format!("{given} for {taken} placeholders"));
        if taken != given {
            return Err(wrong().into());
        }
        let mut arguments = DB::Arguments::default();
        for slot in rewritten.slots() {
            let bound = match slot {
                Slot::Tenant => DB::bind(&mut arguments, tenant),
                Slot::Argument(place) => {
                    let bind = self.arguments.get_mut(*place).and_then(Option::take).ok_or_else(wrong)?;
                    bind(&mut arguments)
                }
            };
            bound.map_err(sqlx::Error::Encode)?;
        }
        Ok((AssertSqlSafe(rewritten.shared_sql()).into_sql_str(), arguments))
    }
}

impl<DB: TenantDatabase> fmt::Debug for TenantQuery<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantQuery").field("arguments", &self.arguments.len()).finish_non_exhaustive()
    }
}

/// What statements run on: `&TenantPool` or `&mut TenantTransaction`. Sealed.
pub trait TenantExecutor: sealed::Sealed + Send + Sized {
    /// The database that it runs on.
    type Database: TenantDatabase;

    #[doc(hidden)]
    fn wall(&self) -> &Wall;
    #[doc(hidden)]
    fn tenant(&self) -> Result<TenantId, Error>;
    #[doc(hidden)]
    fn execute(
        self,
        sql: SqlStr,
        arguments: <Self::Database as Database>::Arguments,
    ) -> impl Future<Output = Result<<Self::Database as Database>::QueryResult, DbError>> + Send;
    #[doc(hidden)]
    fn fetch_all(
        self,
        sql: SqlStr,
        arguments: <Self::Database as Database>::Arguments,
    ) -> impl Future<Output = Result<Vec<<Self::Database as Database>::Row>, DbError>> + Send;
    #[doc(hidden)]
    fn fetch_optional(
        self,
        sql: SqlStr,
        arguments: <Self::Database as Database>::Arguments,
    ) -> impl Future<Output = Result<Option<<Self::Database as Database>::Row>, DbError>> + Send;
}

mod sealed {
    pub trait Sealed {}
    impl<DB: super::TenantDatabase> Sealed for &super::TenantPool<DB> {}
    impl<DB: super::TenantDatabase> Sealed for &mut super::TenantTransaction<DB> {}
}

impl<DB: TenantDatabase> TenantExecutor for &TenantPool<DB> {
    type Database = DB;

    fn wall(&self) -> &Wall {
        &self.wall
    }

    fn tenant(&self) -> Result<TenantId, Error> {
        current()
    }

    async fn execute(self, sql: SqlStr, arguments: DB::Arguments) -> Result<DB::QueryResult, DbError> {
        if self.takes_bare_statements() {
            let opened = self.open(&current()?).await?;
            return Ok(DB::execute(&mut *opened.acquire().await?, sql, arguments, true).await?);
        }
        let mut transaction = self.begin().await?;
        let done = transaction.execute(sql, arguments).await?;
        transaction.commit().await.map(|()| done)
    }

    async fn fetch_all(self, sql: SqlStr, arguments: DB::Arguments) -> Result<Vec<DB::Row>, DbError> {
        if self.takes_bare_statements() {
            let opened = self.open(&current()?).await?;
            return Ok(DB::fetch_all(&mut *opened.acquire().await?, sql, arguments, true).await?);
        }
        let mut transaction = self.begin().await?;
        let done = transaction.fetch_all(sql, arguments).await?;
        transaction.commit().await.map(|()| done)
    }

    async fn fetch_optional(self, sql: SqlStr, arguments: DB::Arguments) -> Result<Option<DB::Row>, DbError> {
        if self.takes_bare_statements() {
            let opened = self.open(&current()?).await?;
            return Ok(DB::fetch_optional(&mut *opened.acquire().await?, sql, arguments, true).await?);
        }
        let mut transaction = self.begin().await?;
        let done = transaction.fetch_optional(sql, arguments).await?;
        transaction.commit().await.map(|()| done)
    }
}

impl<DB: TenantDatabase> TenantExecutor for &mut TenantTransaction<DB> {
    type Database = DB;

    fn wall(&self) -> &Wall {
        &self.wall
    }

    fn tenant(&self) -> Result<TenantId, Error> {
        self.check().cloned()
    }

    async fn execute(self, sql: SqlStr, arguments: DB::Arguments) -> Result<DB::QueryResult, DbError> {
        Ok(DB::execute(&mut self.inner, sql, arguments, self.keeps_statements).await?)
    }

    async fn fetch_all(self, sql: SqlStr, arguments: DB::Arguments) -> Result<Vec<DB::Row>, DbError> {
        Ok(DB::fetch_all(&mut self.inner, sql, arguments, self.keeps_statements).await?)
    }

    async fn fetch_optional(self, sql: SqlStr, arguments: DB::Arguments) -> Result<Option<DB::Row>, DbError> {
        Ok(DB::fetch_optional(&mut self.inner, sql, arguments, self.keeps_statements).await?)
    }
}
