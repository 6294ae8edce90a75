//! What tenants keep and have waiting, counted in a database.

use std::fmt;

use async_trait::async_trait;
use sqlx::{Database, Pool};

use super::{Resource, Taken, UsageStore};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// Counts in a database, for all processes: `sqlx::Sqlite`, `sqlx::Postgres` or `sqlx::MySql`, which is MariaDB as well. The table is
/// `nebula_tenant_usage`.
pub struct SqlUsage<DB: Database> {
    pool: Pool<DB>,
}

impl<DB: Database> fmt::Debug for SqlUsage<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlUsage").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

impl<DB: Database> SqlUsage<DB> {
    /// Over this pool. [`migrate`](Self::migrate) makes the table.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

fn unavailable(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "counting what a tenant uses").with_source(error)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One database. Placeholders stand in the order of the arguments.
macro_rules! usage {
    (
        $database:ty, $feature:literal, $table:literal, begin: $begin:literal, take: $take:literal, give: $give:literal,
        used: $used:literal
    ) => {
        #[cfg(feature = $feature)]
        impl SqlUsage<$database> {
            /// Makes the table, if it is not there.
            ///
            /// # Errors
            /// [`ErrorKind::Unavailable`] if the database refuses.
            ///
            /// # Cancel safety
            /// Call it again.
            pub async fn migrate(&self) -> Result<(), Error> {
                sqlx::raw_sql(include_str!($table)).execute(&self.pool).await.map(drop).map_err(unavailable)
            }
        }

        #[cfg(feature = $feature)]
        #[async_trait]
        impl UsageStore for SqlUsage<$database> {
            async fn take(
                &self,
                tenant: &TenantId,
                of: Resource,
                amount: u64,
                limit: Option<u64>,
            ) -> Result<Taken, Error> {
                let limit = limit.unwrap_or(u64::MAX);
                let most = signed(limit).checked_sub(signed(amount)).unwrap_or(-1);
                let begin = sqlx::query($begin).bind(tenant.as_str()).bind(of.as_str());
                begin.execute(&self.pool).await.map_err(unavailable)?;
                let take = sqlx::query($take).bind(signed(amount)).bind(tenant.as_str()).bind(of.as_str());
                let done = take.bind(most).execute(&self.pool).await.map_err(unavailable)?.rows_affected() > 0;
                let used = sqlx::query_scalar($used).bind(tenant.as_str()).bind(of.as_str());
                let used: i64 = used.fetch_one(&self.pool).await.map_err(unavailable)?;
                let used = u64::try_from(used).unwrap_or_default();
                Ok(if done { Taken::Done { used } } else { Taken::Refused { used, limit } })
            }

            async fn give_back(&self, tenant: &TenantId, of: Resource, amount: u64) -> Result<(), Error> {
                let give = sqlx::query($give).bind(signed(amount)).bind(signed(amount));
                let give = give.bind(tenant.as_str()).bind(of.as_str()).execute(&self.pool).await;
                give.map(drop).map_err(unavailable)
            }
        }
    };
}

usage!(
    sqlx::Sqlite, "sqlite", "sqlite.sql",
    begin: "INSERT INTO nebula_tenant_usage (tenant, resource, used) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
    take: "UPDATE nebula_tenant_usage SET used = used + $1 WHERE tenant = $2 AND resource = $3 AND used <= $4",
    give: "UPDATE nebula_tenant_usage SET used = CASE WHEN used > $1 THEN used - $2 ELSE 0 END WHERE tenant = $3 AND resource = $4",
    used: "SELECT used FROM nebula_tenant_usage WHERE tenant = $1 AND resource = $2"
);
usage!(
    sqlx::Postgres, "postgres", "postgres.sql",
    begin: "INSERT INTO nebula_tenant_usage (tenant, resource, used) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
    take: "UPDATE nebula_tenant_usage SET used = used + $1 WHERE tenant = $2 AND resource = $3 AND used <= $4",
    give: "UPDATE nebula_tenant_usage SET used = CASE WHEN used > $1 THEN used - $2 ELSE 0 END WHERE tenant = $3 AND resource = $4",
    used: "SELECT used FROM nebula_tenant_usage WHERE tenant = $1 AND resource = $2"
);
usage!(
    sqlx::MySql, "mysql", "mysql.sql",
    begin: "INSERT IGNORE INTO nebula_tenant_usage (tenant, resource, used) VALUES (?, ?, 0)",
    take: "UPDATE nebula_tenant_usage SET used = used + ? WHERE tenant = ? AND resource = ? AND used <= ?",
    give: "UPDATE nebula_tenant_usage SET used = CASE WHEN used > ? THEN used - ? ELSE 0 END WHERE tenant = ? AND resource = ?",
    used: "SELECT used FROM nebula_tenant_usage WHERE tenant = ? AND resource = ?"
);
