//! Wrapped keys in a database.

use std::fmt;

use async_trait::async_trait;
use sqlx::{Database, Pool};

use super::{KeyStore, WrappedKey};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// Wrapped keys in a database: `sqlx::Sqlite`, `sqlx::Postgres` or `sqlx::MySql`, which is MariaDB as well.
///
/// Take another database than that of the tenants' data, or leave the tables `nebula_tenant_keyrings` and `nebula_tenant_keys` out
/// of its backups: a key that can be restored was not erased. Keep backups of them apart, and for as long as you may have to forget.
pub struct SqlKeyStore<DB: Database> {
    pool: Pool<DB>,
}

impl<DB: Database> fmt::Debug for SqlKeyStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlKeyStore").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

impl<DB: Database> SqlKeyStore<DB> {
    /// Over this pool. [`migrate`](Self::migrate) makes the tables.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| Error::new(ErrorKind::Unavailable, doing).with_source(error)
}

fn version(number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::new(ErrorKind::Altered, "a key has an impossible version"))
}

/// One database: how it begins a transaction that writes, and how it writes down its parameters.
macro_rules! key_store {
    (
        $database:ty, $feature:literal, tables: $tables:literal, begin: $begin:literal, parameters: [$p1:literal, $p2:literal, $p3:literal, $p4:literal],
        ring: $ring:literal, lock: $lock:literal $(,)?
    ) => {
        #[cfg(feature = $feature)]
        impl SqlKeyStore<$database> {
            /// Makes the tables that are not there yet.
            ///
            /// # Errors
            /// [`ErrorKind::Unavailable`] if the database refuses.
            ///
            /// # Cancel safety
            /// Call it again.
            pub async fn migrate(&self) -> Result<(), Error> {
                let tables = sqlx::raw_sql(include_str!($tables)).execute(&self.pool).await;
                tables.map(drop).map_err(failed("making the tables of keys"))
            }

            /// Holds the tenant's ring until the transaction ends. Says whether it was erased.
            async fn locked(&self, tenant: &TenantId) -> Result<(sqlx::Transaction<'static, $database>, bool), Error> {
                let doing = "locking a tenant's keys";
                // Outside of the transaction, which would have to turn a shared lock into another one, as others do.
                sqlx::query($ring).bind(tenant.as_str()).execute(&self.pool).await.map_err(failed(doing))?;
                let mut transaction = crate::db::begin(&self.pool, $begin).await.map_err(failed(doing))?;
                let erased = sqlx::query_scalar($lock).bind(tenant.as_str()).fetch_one(&mut *transaction).await;
                Ok((transaction, erased.map_err(failed(doing))?))
            }
        }

        #[cfg(feature = $feature)]
        #[async_trait]
        impl KeyStore for SqlKeyStore<$database> {
            async fn load(&self, tenant: &TenantId) -> Result<Vec<WrappedKey>, Error> {
                let doing = "reading a tenant's keys";
                // One statement, one state: a ring that is erased has no keys left.
                let sql = concat!(
                    "SELECT ring.erased, held.version, held.master, held.wrapped FROM nebula_tenant_keyrings ring ",
                    "LEFT JOIN nebula_tenant_keys held ON held.tenant = ring.tenant WHERE ring.tenant = ",
                    $p1,
                    " ORDER BY held.version"
                );
                let rows: Vec<(bool, Option<i64>, Option<String>, Option<Vec<u8>>)> =
                    sqlx::query_as(sql).bind(tenant.as_str()).fetch_all(&self.pool).await.map_err(failed(doing))?;
                if rows.iter().any(|row| row.0) {
                    return Err(Error::new(ErrorKind::NoKey, "the tenant's keys were erased"));
                }
                let known =
                    rows.into_iter().filter_map(|(_, number, master, wrapped)| Some((number?, master?, wrapped?)));
                known
                    .map(|(number, master, wrapped)| Ok(WrappedKey { version: version(number)?, master, wrapped }))
                    .collect()
            }

            async fn add(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error> {
                let doing = "adding a tenant's key";
                let (mut transaction, erased) = self.locked(tenant).await?;
                let taken =
                    concat!("SELECT count(*) FROM nebula_tenant_keys WHERE tenant = ", $p1, " AND version = ", $p2);
                let taken: i64 = sqlx::query_scalar(taken)
                    .bind(tenant.as_str())
                    .bind(i64::from(key.version))
                    .fetch_one(&mut *transaction)
                    .await
                    .map_err(failed(doing))?;
                if erased || taken > 0 {
                    return Ok(false);
                }
                let insert = concat!(
                    "INSERT INTO nebula_tenant_keys (tenant, version, master, wrapped) VALUES (",
                    $p1,
                    ", ",
                    $p2,
                    ", ",
                    $p3,
                    ", ",
                    $p4,
                    ")"
                );
                let insert = sqlx::query(insert).bind(tenant.as_str()).bind(i64::from(key.version));
                insert.bind(key.master).bind(key.wrapped).execute(&mut *transaction).await.map_err(failed(doing))?;
                transaction.commit().await.map_err(failed(doing))?;
                Ok(true)
            }

            async fn rewrap(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error> {
                let sql = concat!(
                    "UPDATE nebula_tenant_keys SET master = ",
                    $p1,
                    ", wrapped = ",
                    $p2,
                    " WHERE tenant = ",
                    $p3,
                    " AND version = ",
                    $p4
                );
                let update = sqlx::query(sql).bind(key.master).bind(key.wrapped).bind(tenant.as_str());
                let done = update.bind(i64::from(key.version)).execute(&self.pool).await;
                Ok(done.map_err(failed("replacing a tenant's key"))?.rows_affected() > 0)
            }

            async fn erase(&self, tenant: &TenantId) -> Result<(), Error> {
                let doing = "erasing a tenant's keys";
                let (mut transaction, _) = self.locked(tenant).await?;
                for sql in [
                    concat!("UPDATE nebula_tenant_keyrings SET erased = TRUE WHERE tenant = ", $p1),
                    concat!("DELETE FROM nebula_tenant_keys WHERE tenant = ", $p1),
                ] {
                    sqlx::query(sql).bind(tenant.as_str()).execute(&mut *transaction).await.map_err(failed(doing))?;
                }
                transaction.commit().await.map_err(failed(doing))
            }
        }
    };
}

key_store!(
    sqlx::Sqlite, "sqlite", tables: "sqlite.sql", begin: "BEGIN IMMEDIATE", parameters: ["?1", "?2", "?3", "?4"],
    ring: "INSERT INTO nebula_tenant_keyrings (tenant, erased) VALUES (?1, FALSE) ON CONFLICT DO NOTHING",
    lock: "SELECT erased FROM nebula_tenant_keyrings WHERE tenant = ?1",
);
key_store!(
    sqlx::Postgres, "postgres", tables: "postgres.sql", begin: "BEGIN", parameters: ["$1", "$2", "$3", "$4"],
    ring: "INSERT INTO nebula_tenant_keyrings (tenant, erased) VALUES ($1, FALSE) ON CONFLICT DO NOTHING",
    lock: "SELECT erased FROM nebula_tenant_keyrings WHERE tenant = $1 FOR UPDATE",
);
key_store!(
    sqlx::MySql, "mysql", tables: "mysql.sql", begin: "START TRANSACTION", parameters: ["?", "?", "?", "?"],
    ring: "INSERT IGNORE INTO nebula_tenant_keyrings (tenant, erased) VALUES (?, FALSE)",
    lock: "SELECT erased FROM nebula_tenant_keyrings WHERE tenant = ? FOR UPDATE",
);
