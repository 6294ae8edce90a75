//! Tenants in a database.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Database, Pool};

use super::{Saved, Tenant, TenantStore};
use crate::db::TenantDatabase;
use crate::directory::TenantStatus;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::SqlDialect;

/// Tenants in a database: `sqlx::Sqlite`, `sqlx::Postgres` or `sqlx::MySql`, which is MariaDB as well. The tables are
/// `nebula_tenants`, `nebula_tenant_domains` and `nebula_tenant_steps`; no tenant's wall should declare them.
pub struct SqlTenants<DB: Database> {
    pool: Pool<DB>,
}

impl<DB: Database> fmt::Debug for SqlTenants<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTenants").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

impl<DB: Database> SqlTenants<DB> {
    /// Over this pool. [`migrate`](Self::migrate) makes the tables.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

const COLUMNS: &str = "SELECT t.tenant, t.plan, t.settings, t.status, t.version, d.domain FROM nebula_tenants t \
                       LEFT JOIN nebula_tenant_domains d ON d.tenant = t.tenant";

type Row = (String, String, String, String, i64, Option<String>);

fn unavailable(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| Error::new(ErrorKind::Unavailable, doing).with_source(error)
}

/// With the placeholders of the database. They stand in the order of the arguments.
fn spelled<DB: TenantDatabase>(sql: &str) -> AssertSqlSafe<String> {
    let mut text = sql.to_owned();
    if DB::DIALECT == SqlDialect::MySql {
        for number in 1..=5 {
            text = text.replace(&format!("${number}"), "?");
        }
    }
    AssertSqlSafe(text)
}

/// Rows of one tenant stand together.
fn tenants(rows: Vec<Row>) -> Result<Vec<Tenant>, Error> {
    let mut tenants: Vec<Tenant> = Vec::new();
    for (id, plan, settings, status, version, domain) in rows {
        if tenants.last().is_none_or(|last| last.id.as_str() != id) {
            let wrong = |what: &'static str| Error::new(ErrorKind::Config, format!("the registry has {what}"));
            let known = TenantStatus::ALL.into_iter().find(|known| known.as_str() == status);
            tenants.push(Tenant {
                id: id.parse().map_err(|_| wrong("a tenant whose name cannot be one"))?,
                plan,
                settings: serde_json::from_str(&settings).map_err(|_| wrong("settings that are no JSON"))?,
                domains: BTreeSet::new(),
                status: known.ok_or_else(|| wrong("a status that this version does not know"))?,
                version: u64::try_from(version).map_err(|_| wrong("an impossible version"))?,
            });
        }
        if let (Some(tenant), Some(domain)) = (tenants.last_mut(), domain) {
            tenant.domains.insert(domain);
        }
    }
    Ok(tenants)
}

fn written(tenant: &Tenant) -> Result<(String, i64), Error> {
    let settings = serde_json::to_string(&tenant.settings);
    let settings = settings.map_err(|error| Error::new(ErrorKind::Config, "settings").with_source(error))?;
    let version = i64::try_from(tenant.version).map_err(|_| Error::new(ErrorKind::Config, "an impossible version"))?;
    Ok((settings, version))
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// One database, and how it begins a transaction that writes.
macro_rules! store {
    ($database:ty, $feature:literal, $tables:literal, $begin:literal, $mark:literal) => {
        #[cfg(feature = $feature)]
        impl SqlTenants<$database> {
            /// Makes the tables that are not there yet.
            ///
            /// # Errors
            /// [`ErrorKind::Unavailable`] if the database refuses.
            ///
            /// # Cancel safety
            /// Call it again.
            pub async fn migrate(&self) -> Result<(), Error> {
                let tables = sqlx::raw_sql(include_str!($tables)).execute(&self.pool).await;
                tables.map(drop).map_err(unavailable("making the tables of tenants"))
            }

            /// Adds the domains; `false` if one is another's.
            async fn add_domains(
                transaction: &mut sqlx::Transaction<'static, $database>,
                tenant: &Tenant,
            ) -> Result<bool, Error> {
                for domain in &tenant.domains {
                    let sql =
                        spelled::<$database>("INSERT INTO nebula_tenant_domains (domain, tenant) VALUES ($1, $2)");
                    match sqlx::query(sql).bind(domain).bind(tenant.id.as_str()).execute(&mut **transaction).await {
                        Ok(_) => {}
                        Err(error) if is_taken(&error) => return Ok(false),
                        Err(error) => return Err(unavailable("adding a tenant's domain")(error)),
                    }
                }
                Ok(true)
            }
        }

        #[cfg(feature = $feature)]
        #[async_trait]
        impl TenantStore for SqlTenants<$database> {
            async fn insert(&self, tenant: &Tenant) -> Result<Saved, Error> {
                let doing = "adding a tenant";
                let tenant = Tenant { version: 1, ..tenant.clone() };
                let (settings, version) = written(&tenant)?;
                let mut transaction = crate::db::begin(&self.pool, $begin).await.map_err(unavailable(doing))?;
                let sql = spelled::<$database>(
                    "INSERT INTO nebula_tenants (tenant, plan, settings, status, version) VALUES ($1, $2, $3, $4, $5)",
                );
                let insert = sqlx::query(sql).bind(tenant.id.as_str()).bind(&tenant.plan).bind(settings);
                match insert.bind(tenant.status.as_str()).bind(version).execute(&mut *transaction).await {
                    Ok(_) => {}
                    Err(error) if is_taken(&error) => return Ok(Saved::IdTaken),
                    Err(error) => return Err(unavailable(doing)(error)),
                }
                if !Self::add_domains(&mut transaction, &tenant).await? {
                    return Ok(Saved::DomainTaken);
                }
                transaction.commit().await.map_err(unavailable(doing))?;
                Ok(Saved::Done(tenant))
            }

            async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error> {
                let sql = spelled::<$database>(&format!("{COLUMNS} WHERE t.tenant = $1"));
                let rows: Vec<Row> = sqlx::query_as(sql)
                    .bind(id.as_str())
                    .fetch_all(&self.pool)
                    .await
                    .map_err(unavailable("reading a tenant"))?;
                Ok(tenants(rows)?.pop())
            }

            async fn owner(&self, domain: &str) -> Result<Option<TenantId>, Error> {
                let sql = spelled::<$database>("SELECT tenant FROM nebula_tenant_domains WHERE domain = $1");
                let owner: Option<String> = sqlx::query_scalar(sql)
                    .bind(domain.to_owned())
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(unavailable("looking for a domain"))?;
                let wrong = |_| Error::new(ErrorKind::Config, "the registry has a tenant whose name cannot be one");
                owner.map(|owner| owner.parse().map_err(wrong)).transpose()
            }

            async fn replace(&self, tenant: &Tenant) -> Result<Saved, Error> {
                let doing = "saving a tenant";
                let (settings, version) = written(tenant)?;
                let mut transaction = crate::db::begin(&self.pool, $begin).await.map_err(unavailable(doing))?;
                let sql = spelled::<$database>(
                    "UPDATE nebula_tenants SET plan = $1, settings = $2, status = $3, version = version + 1 \
                     WHERE tenant = $4 AND version = $5",
                );
                let update = sqlx::query(sql).bind(&tenant.plan).bind(settings).bind(tenant.status.as_str());
                let update = update.bind(tenant.id.as_str()).bind(version).execute(&mut *transaction).await;
                if update.map_err(unavailable(doing))?.rows_affected() == 0 {
                    transaction.rollback().await.map_err(unavailable(doing))?;
                    return Ok(if self.get(&tenant.id).await?.is_some() { Saved::Stale } else { Saved::Missing });
                }
                let sql = spelled::<$database>("DELETE FROM nebula_tenant_domains WHERE tenant = $1");
                let delete = sqlx::query(sql).bind(tenant.id.as_str()).execute(&mut *transaction).await;
                delete.map_err(unavailable(doing))?;
                if !Self::add_domains(&mut transaction, tenant).await? {
                    return Ok(Saved::DomainTaken);
                }
                transaction.commit().await.map_err(unavailable(doing))?;
                Ok(Saved::Done(Tenant { version: tenant.version + 1, ..tenant.clone() }))
            }

            async fn page(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error> {
                let sql = format!(
                    "{COLUMNS} JOIN (SELECT tenant FROM nebula_tenants WHERE tenant > $1 ORDER BY tenant LIMIT $2) p \
                     ON p.tenant = t.tenant ORDER BY t.tenant"
                );
                let rows: Vec<Row> = sqlx::query_as(spelled::<$database>(&sql))
                    .bind(after.map_or("", TenantId::as_str).to_owned())
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .fetch_all(&self.pool)
                    .await
                    .map_err(unavailable("listing tenants"))?;
                tenants(rows)
            }

            async fn marks(&self, id: &TenantId) -> Result<BTreeSet<String>, Error> {
                let sql = spelled::<$database>("SELECT step FROM nebula_tenant_steps WHERE tenant = $1");
                let steps: Vec<String> = sqlx::query_scalar(sql)
                    .bind(id.as_str())
                    .fetch_all(&self.pool)
                    .await
                    .map_err(unavailable("reading a tenant's steps"))?;
                Ok(steps.into_iter().collect())
            }

            async fn mark(&self, id: &TenantId, step: &str) -> Result<(), Error> {
                let mark = sqlx::query($mark).bind(id.as_str()).bind(step.to_owned()).execute(&self.pool).await;
                mark.map(drop).map_err(unavailable("remembering a tenant's step"))
            }
        }
    };
}

store!(
    sqlx::Sqlite,
    "sqlite",
    "sqlite.sql",
    "BEGIN IMMEDIATE",
    "INSERT INTO nebula_tenant_steps (tenant, step) VALUES ($1, $2) ON CONFLICT DO NOTHING"
);
store!(
    sqlx::Postgres,
    "postgres",
    "postgres.sql",
    "BEGIN",
    "INSERT INTO nebula_tenant_steps (tenant, step) VALUES ($1, $2) ON CONFLICT DO NOTHING"
);
store!(
    sqlx::MySql,
    "mysql",
    "mysql.sql",
    "START TRANSACTION",
    "INSERT IGNORE INTO nebula_tenant_steps (tenant, step) VALUES (?, ?)"
);
