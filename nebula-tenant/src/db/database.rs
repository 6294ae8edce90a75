//! Where the databases differ.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
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

    /// The first column of each row, as it comes.
    #[doc(hidden)]
    fn texts(
        connection: &mut Self::Connection,
        sql: SqlStr,
        tenant: Option<String>,
    ) -> BoxStream<'_, sqlx::Result<String>>;

    /// The columns of a table, and whether they hold bytes.
    #[doc(hidden)]
    fn columns(connection: &mut Self::Connection, table: String) -> BoxFuture<'_, sqlx::Result<Vec<(String, bool)>>>;
}

macro_rules! database {
    ($database:ty, $feature:literal, $dialect:ident, $columns:literal) => {
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

            fn texts(
                connection: &mut Self::Connection,
                sql: SqlStr,
                tenant: Option<String>,
            ) -> BoxStream<'_, sqlx::Result<String>> {
                let query = sqlx::query_scalar::<Self, String>(sql).persistent(false);
                match tenant {
                    Some(tenant) => query.bind(tenant).fetch(connection),
                    None => query.fetch(connection),
                }
            }

            fn columns(
                connection: &mut Self::Connection,
                table: String,
            ) -> BoxFuture<'_, sqlx::Result<Vec<(String, bool)>>> {
                Box::pin(async move {
                    let query = sqlx::query_as::<Self, (String, i64)>(include_str!($columns)).persistent(false);
                    let columns = query.bind(table).fetch_all(connection).await?;
                    Ok(columns.into_iter().map(|(name, bytes)| (name, bytes != 0)).collect())
                })
            }
        }
    };
}

database!(sqlx::Sqlite, "sqlite", Sqlite, "export/sqlite_columns.sql");
database!(sqlx::Postgres, "postgres", Postgres, "export/postgres_columns.sql");
database!(sqlx::MySql, "mysql", MySql, "export/mysql_columns.sql");
