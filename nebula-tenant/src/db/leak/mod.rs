//! The audit of leaks: whether the tables of tenants are as the wall takes them to be, and whether all rows are somebody's. For
//! continuous integration, the start of a program, and production.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Pool};

use super::database::TenantDatabase;
use super::error::DbError;
use super::pool::TenantPool;
use crate::id::TenantId;

/// Something through which rows of one tenant can become another's, or nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Leak {
    /// There is no such table, or it has no column for the tenant.
    NoColumn {
        /// The table.
        table: String,
    },
    /// A row may be nobody's: the column may be null.
    Nullable {
        /// The table.
        table: String,
    },
    /// No index begins with the column, so that each statement of a tenant reads everybody's rows.
    NotIndexed {
        /// The table.
        table: String,
    },
    /// A foreign key without the column: a row can point to another tenant's.
    ForeignKey {
        /// The table.
        table: String,
        /// What the key is called.
        key: String,
        /// The table that it points to.
        to: String,
    },
    /// Rows of a tenant that is not known.
    UnknownTenant {
        /// The table.
        table: String,
        /// What stands in the column.
        tenant: String,
        /// How many rows.
        rows: u64,
    },
    /// What lets a connection past row-level security.
    #[cfg(feature = "postgres")]
    RowLevelSecurity(super::rls::Gap),
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColumn { table } => write!(f, "`{table}` is missing, or has no column for the tenant"),
            Self::Nullable { table } => write!(f, "`{table}`: the tenant may be null; make the column NOT NULL"),
            Self::NotIndexed { table } => write!(f, "`{table}`: no index begins with the tenant"),
            Self::ForeignKey { table, key, to } => {
                write!(f, "`{table}`: `{key}` points to `{to}` without the tenant: rows can point to another tenant's")
            }
            Self::UnknownTenant { table, tenant, rows } => {
                write!(f, "`{table}`: {rows} rows of `{tenant}`, which is no tenant")
            }
            #[cfg(feature = "postgres")]
            Self::RowLevelSecurity(gap) => gap.fmt(f),
        }
    }
}

/// Looks for leaks. An empty answer is the good one.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use nebula_tenant::db::{LeakAudit, TenantPool};
/// use nebula_tenant::{as_host, wall::{SqlDialect, Wall}};
///
/// let plain = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// sqlx::query("CREATE TABLE orders (tenant_id TEXT, id BIGINT)").execute(&plain).await?;
/// let pool = TenantPool::new(plain, Wall::builder(SqlDialect::Sqlite).tenant_table("orders").build()?)?;
/// for leak in as_host("the audit of the night", LeakAudit::of(&pool).run()).await?? {
///     println!("{leak}"); // the tenant may be null; no index begins with it
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct LeakAudit<'a, DB: TenantDatabase> {
    pool: &'a TenantPool<DB>,
    rows: Option<Pool<DB>>,
    tenants: Option<BTreeSet<TenantId>>,
}

impl<DB: TenantDatabase> fmt::Debug for LeakAudit<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakAudit").field("pool", self.pool).finish_non_exhaustive()
    }
}

impl<'a, DB: TenantDatabase> LeakAudit<'a, DB> {
    /// Of the tables that this pool's wall declares as tenants'.
    pub const fn of(pool: &'a TenantPool<DB>) -> Self {
        Self { pool, rows: None, tenants: None }
    }

    /// Also looks for rows of others than these: all that the registry knows, whatever their status. That reads whole tables.
    pub fn with_tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants = Some(tenants.into_iter().collect());
        self
    }

    /// Looks for rows through this pool, of a role that row-level security shows all of them.
    pub fn with_rows(mut self, pool: Pool<DB>) -> Self {
        self.rows = Some(pool);
        self
    }

    /// Looks.
    ///
    /// # Errors
    /// [`DbError::Tenant`] outside of the platform's own work ([`as_host`](crate::as_host)), and where each tenant has a
    /// database of its own, which leaves nothing to be mixed up; [`DbError::Database`] if the database does not answer.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn run(self) -> Result<Vec<Leak>, DbError> {
        let (plain, wall) = (self.pool.as_host()?, self.pool.wall());
        let mut leaks = DB::gaps(self.pool).await?;
        if wall.is_apart() {
            return Ok(leaks);
        }
        let mut tables: Vec<_> = wall.tenant_tables().collect();
        tables.sort_unstable();
        for name in &tables {
            let table = (*name).to_owned();
            match DB::not_null(plain, name, wall.column()).await? {
                None => {
                    leaks.push(Leak::NoColumn { table });
                    continue;
                }
                Some(0) => leaks.push(Leak::Nullable { table: table.clone() }),
                Some(_) => {}
            }
            if DB::indexes(plain, name, wall.column()).await? == 0 {
                leaks.push(Leak::NotIndexed { table: table.clone() });
            }
            for (key, to, held) in DB::foreign_keys(plain, name, wall.column()).await? {
                // What points to a table that all share is nobody's.
                if held == 0 && tables.iter().any(|known| known.eq_ignore_ascii_case(&to)) {
                    leaks.push(Leak::ForeignKey { table: table.clone(), key, to });
                }
            }
            if let Some(tenants) = &self.tenants {
                let rows = DB::owners(self.rows.as_ref().unwrap_or(plain), name, wall.column()).await?;
                for (tenant, rows) in rows {
                    let tenant = tenant.unwrap_or_else(|| "NULL".to_owned());
                    if !tenant.parse::<TenantId>().is_ok_and(|tenant| tenants.contains(&tenant)) {
                        let rows = u64::try_from(rows).unwrap_or_default();
                        leaks.push(Leak::UnknownTenant { table: table.clone(), tenant, rows });
                    }
                }
            }
        }
        Ok(leaks)
    }
}

/// A foreign key, the table that it points to, and whether the tenant's column points to its like.
type Key = (String, String, i64);
/// What stands in the tenant's column, and in how many rows.
type Owner = (Option<String>, i64);

/// What the databases tell about their tables.
#[doc(hidden)]
pub trait Catalogue: sqlx::Database + Sized {
    fn not_null<'a>(pool: &'a Pool<Self>, table: &'a str, column: &'a str) -> BoxFuture<'a, sqlx::Result<Option<i64>>>;
    fn indexes<'a>(pool: &'a Pool<Self>, table: &'a str, column: &'a str) -> BoxFuture<'a, sqlx::Result<i64>>;
    fn foreign_keys<'a>(pool: &'a Pool<Self>, table: &'a str, column: &'a str)
    -> BoxFuture<'a, sqlx::Result<Vec<Key>>>;
    fn owners<'a>(pool: &'a Pool<Self>, table: &'a str, column: &'a str) -> BoxFuture<'a, sqlx::Result<Vec<Owner>>>;
    fn gaps(pool: &TenantPool<Self>) -> BoxFuture<'_, Result<Vec<Leak>, DbError>>
    where
        Self: TenantDatabase;
}

macro_rules! catalogue {
    (
        $database:ty, $feature:literal, $column:literal, $index:literal, $keys:literal, $gaps:expr
    ) => {
        #[cfg(feature = $feature)]
        impl Catalogue for $database {
            fn not_null<'a>(
                pool: &'a Pool<Self>,
                table: &'a str,
                column: &'a str,
            ) -> BoxFuture<'a, sqlx::Result<Option<i64>>> {
                Box::pin(sqlx::query_scalar(include_str!($column)).bind(table).bind(column).fetch_optional(pool))
            }

            fn indexes<'a>(pool: &'a Pool<Self>, table: &'a str, column: &'a str) -> BoxFuture<'a, sqlx::Result<i64>> {
                Box::pin(sqlx::query_scalar(include_str!($index)).bind(table).bind(column).fetch_one(pool))
            }

            fn foreign_keys<'a>(
                pool: &'a Pool<Self>,
                table: &'a str,
                column: &'a str,
            ) -> BoxFuture<'a, sqlx::Result<Vec<Key>>> {
                Box::pin(sqlx::query_as(include_str!($keys)).bind(table).bind(column).fetch_all(pool))
            }

            fn owners<'a>(
                pool: &'a Pool<Self>,
                table: &'a str,
                column: &'a str,
            ) -> BoxFuture<'a, sqlx::Result<Vec<Owner>>> {
                // Names without quotes, as they were declared.
                let quote = if <Self as TenantDatabase>::DIALECT == crate::wall::SqlDialect::MySql { '`' } else { '"' };
                let sql =
                    format!("SELECT {column}, count(*) FROM {quote}{table}{quote} GROUP BY {column} ORDER BY {column}");
                Box::pin(sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool))
            }

            fn gaps(pool: &TenantPool<Self>) -> BoxFuture<'_, Result<Vec<Leak>, DbError>> {
                let gaps: fn(&TenantPool<Self>) -> BoxFuture<'_, Result<Vec<Leak>, DbError>> = $gaps;
                gaps(pool)
            }
        }
    };
}

catalogue!(sqlx::Sqlite, "sqlite", "sqlite_column.sql", "sqlite_index.sql", "sqlite_keys.sql", |_| {
    Box::pin(async { Ok(Vec::new()) })
});
catalogue!(sqlx::Postgres, "postgres", "postgres_column.sql", "postgres_index.sql", "postgres_keys.sql", |pool| {
    Box::pin(async move {
        if !pool.has_row_level_security() {
            return Ok(Vec::new());
        }
        let gaps = super::rls::audit(pool).await?;
        // What the columns lack is looked for here as well.
        let only =
            gaps.into_iter().filter(|gap| !matches!(gap, super::rls::Gap::Missing(_) | super::rls::Gap::Column(_)));
        Ok(only.map(Leak::RowLevelSecurity).collect())
    })
});
catalogue!(sqlx::MySql, "mysql", "mysql_column.sql", "mysql_index.sql", "mysql_keys.sql", |_| {
    Box::pin(async { Ok(Vec::new()) })
});
