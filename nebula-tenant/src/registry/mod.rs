//! Which tenants there are, and what becomes of them.
//!
//! A [`TenantStore`] keeps them: [`MemoryTenants`], or [`SqlTenants`] on SQLite, PostgreSQL, MySQL and MariaDB.
//! [`TenantRegistry`] answers from memory, and is the [`TenantDirectory`](crate::TenantDirectory) of the resolvers. [`Lifecycle`]
//! leads a tenant from its first row to its last: create, migrate, suspend, export, erase.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! use nebula_tenant::registry::{Lifecycle, MemoryTenants, Tenant, TenantRegistry};
//! use nebula_tenant::{TenantId, TenantStatus, as_host};
//!
//! let registry = TenantRegistry::new(MemoryTenants::new());
//! let lifecycle = Lifecycle::builder(registry.clone())
//!     .step("2026-11 halls", |tenant| async move { Ok(println!("the first hall of {tenant}")) })
//!     .build();
//!
//! let star: TenantId = "star".parse()?;
//! let cinema = Tenant::new(star.clone()).with_plan("gold").with_domain("star-cinema.example")?;
//! as_host("a contract was signed", lifecycle.create(cinema)).await??;
//! assert_eq!(registry.get(&star).await?.expect("it is there").status, TenantStatus::Active);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod export;
mod handle;
mod lifecycle;
mod memory;
mod migrate;
#[cfg(feature = "sql")]
mod sql;
mod step;
mod store;
mod tenant;

pub use self::{
    export::ExportSink,
    handle::{Changed, TenantRegistry},
    lifecycle::{Lifecycle, LifecycleBuilder},
    memory::MemoryTenants,
    migrate::{FailedStep, Migrated, Progress},
    step::BoxError,
    store::{Saved, TenantStore},
    tenant::Tenant,
};

#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::sql::SqlTenants;
