//! Databases behind the [`Wall`](crate::wall::Wall): every statement is rewritten and bound to the tenant whose work it is.
//!
//! Three models stand behind one API. Tenants share tables and each row says whose it is ([`TenantPool::new`]); each tenant has
//! a schema of its own ([`TenantPool::schemas`]); or each has a database of its own ([`TenantPool::databases`]).
//!
//! ```no_run
//! use nebula_tenant::{TenantContext, TenantId, db::{TenantPool, query}, wall::{SqlDialect, Wall}};
//! use sqlx::Row as _;
//!
//! # async fn example(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
//! let wall = Wall::builder(SqlDialect::Postgres).tenant_table("orders").build()?;
//! let orders = TenantPool::new(pool, wall)?;
//!
//! let star: TenantId = "star".parse()?;
//! TenantContext::of(star)
//!     .scope(async {
//!         let row = query("SELECT count(*) AS n FROM orders WHERE paid = $1").bind(true).fetch_one(&orders).await?;
//!         let mut transaction = orders.begin().await?;
//!         query("DELETE FROM orders WHERE NOT paid").execute(&mut transaction).await?;
//!         transaction.commit().await?;
//!         Ok::<_, Box<dyn std::error::Error>>(row.try_get::<i64, _>("n")?)
//!     })
//!     .await??;
//! # Ok(())
//! # }
//! ```

mod database;
mod databases;
mod error;
mod export;
mod host;
mod leak;
mod pool;
mod query;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod rls;
mod schemas;
mod transaction;

#[cfg(feature = "sea-orm")]
pub(crate) use self::databases::Lease;
pub use self::{
    database::TenantDatabase,
    databases::Databases,
    error::DbError,
    host::{HostPool, HostTransaction},
    leak::{Leak, LeakAudit},
    pool::TenantPool,
    query::{TenantExecutor, TenantQuery, query},
    schemas::Schemas,
    transaction::TenantTransaction,
};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use rls::Gap;

/// Begins a transaction in a task that comes to its end: the driver does not roll back a `BEGIN` that its caller did not wait
/// for, and the connection would go back to the pool within it.
#[cfg(any(feature = "registry", feature = "seal"))]
pub(crate) async fn begin<DB: sqlx::Database>(
    pool: &sqlx::Pool<DB>,
    statement: &'static str,
) -> sqlx::Result<sqlx::Transaction<'static, DB>> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.begin_with(statement).await }).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
