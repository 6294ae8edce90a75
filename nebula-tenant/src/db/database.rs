//! Where the databases differ.

use futures_util::future::BoxFuture;
use sqlx::{Database, SqlStr, error::BoxDynError};

use super::leak::Catalogue;
use crate::id::TenantId;
use crate::wall::SqlDialect;

mod sealed {
    pub trait Sealed {}
}

/// A database that tenants can share: `sqlx::Sqlite` (feature `sqlite`), `sqlx::Postgres` (feature `postgres`) or
/// `sqlx::MySql` (feature `mysql`), which is MariaDB as well. Sealed.
pub trait TenantDatabase: Database + sealed::Sealed + Catalogue {
    /// Whose SQL it speaks.
    const DIALECT: SqlDialect;

    #[doc(hidden)]
    fn bind(arguments: &mut Self::Arguments, tenant: &TenantId) -> Result<(), BoxDynError>;

    #[doc(hidden)]
    fn run_text(connection: &mut Self::Connection, sql: SqlStr) -> BoxFuture<'_, sqlx::Result<()>>;

    #[doc(hidden)]
    fn forget_statements(connection: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<()>>;

    #[doc(hidden)]
    fn execute(
        connection: &mut Self::Connection,
        sql: SqlStr,
        arguments: Self::Arguments,
        kept: bool,
    ) -> BoxFuture<'_, sqlx::Result<Self::QueryResult>>;

    #[doc(hidden)]
    fn fetch_all(
        connection: &mut Self::Connection,
        sql: SqlStr,
        arguments: Self::Arguments,
        kept: bool,
    ) -> BoxFuture<'_, sqlx::Result<Vec<Self::Row>>>;

    #[doc(hidden)]
    fn fetch_optional(
        connection: &mut Self::Connection,
        sql: SqlStr,
        arguments: Self::Arguments,
        kept: bool,
    ) -> BoxFuture<'_, sqlx::Result<Option<Self::Row>>>;
}

macro_rules! database {
    ($database:ty, $feature:literal, $dialect:ident) => {
        #[cfg(feature = $feature)]
        impl sealed::Sealed for $database {}

        #[cfg(feature = $feature)]
        impl TenantDatabase for $database {
            const DIALECT: SqlDialect = SqlDialect::$dialect;

            fn bind(arguments: &mut Self::Arguments, tenant: &TenantId) -> Result<(), BoxDynError> {
                sqlx::Arguments::add(arguments, tenant.as_str().to_owned())
            }

            fn run_text(connection: &mut Self::Connection, sql: SqlStr) -> BoxFuture<'_, sqlx::Result<()>> {
                Box::pin(async move { sqlx::raw_sql(sql).execute(connection).await.map(drop) })
            }

            fn forget_statements(connection: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<()>> {
                Box::pin(sqlx::Connection::clear_cached_statements(connection))
            }

            fn execute(
                connection: &mut Self::Connection,
                sql: SqlStr,
                arguments: Self::Arguments,
                kept: bool,
            ) -> BoxFuture<'_, sqlx::Result<Self::QueryResult>> {
                Box::pin(async move { sqlx::query_with(sql, arguments).persistent(kept).execute(connection).await })
            }

            fn fetch_all(
                connection: &mut Self::Connection,
                sql: SqlStr,
                arguments: Self::Arguments,
                kept: bool,
            ) -> BoxFuture<'_, sqlx::Result<Vec<Self::Row>>> {
                Box::pin(async move { sqlx::query_with(sql, arguments).persistent(kept).fetch_all(connection).await })
            }

            fn fetch_optional(
                connection: &mut Self::Connection,
                sql: SqlStr,
                arguments: Self::Arguments,
                kept: bool,
            ) -> BoxFuture<'_, sqlx::Result<Option<Self::Row>>> {
                Box::pin(
                    async move { sqlx::query_with(sql, arguments).persistent(kept).fetch_optional(connection).await },
                )
            }
        }
    };
}

database!(sqlx::Sqlite, "sqlite", Sqlite);
database!(sqlx::Postgres, "postgres", Postgres);
database!(sqlx::MySql, "mysql", MySql);
